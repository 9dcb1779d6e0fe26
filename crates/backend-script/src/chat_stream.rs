//! Tells an answer in chunks: who speaks, at once; the steps of all choices in turn, each when it is due; the ends; the
//! usage, if included; `[DONE]`.
//!
//! Owns the order of chunks. It is made to be cheap: a chunk that adds text is put together from a frame, which the
//! stream makes once, and the step's text as JSON, which the script made when it was read. Without latency nothing is
//! waited for, and no timer is set.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use interference_api_types::openai::chat_reply::{ChatChunks, ChunkChoice, Delta, Usage};
use interference_sse::Event;

use crate::answer::{Part, Step};
use crate::pace::Pace;
use crate::telling::Telling;

/// The events of one answer.
pub(crate) struct ChatStream {
    chunks: ChatChunks,
    telling: Telling,
    choices: u32,
    usage: Usage,
    pace: Option<Pace>,
    next: Next,
    /// The frame that each choice has used last.
    frames: Vec<Option<(Part, Frame)>>,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Speaker(u32),
    /// A step that is yet to be waited for.
    Due(usize),
    Step(usize, u32),
    Finish(u32),
    Usage,
    Done,
    Nothing,
}

impl ChatStream {
    /// The events of an answer in so many choices.
    pub(crate) fn new(
        chunks: ChatChunks,
        telling: Telling,
        choices: u32,
        usage: Usage,
        pace: Option<Pace>,
    ) -> ChatStream {
        let frames = (0..choices).map(|_| None).collect();
        ChatStream { chunks, telling, choices, usage, pace, next: Next::Speaker(0), frames }
    }

    /// The next choice after this one, or what follows the last.
    fn in_turn(&self, index: u32, same: impl Fn(u32) -> Next, after: Next) -> Next {
        if index + 1 < self.choices { same(index + 1) } else { after }
    }

    fn chunk(&mut self, position: usize, index: u32) -> Option<String> {
        let step = self.telling.step(position)?;
        match step.part {
            Part::CallOpening(call) => {
                Some(self.chunks.call(index, call_index(call), self.telling.call_id(call), &step.text))
            }
            Part::Content => match self.telling.logprobs(position) {
                Some(logprobs) => Some(self.chunks.content(index, &step.text, Some(&logprobs))),
                None => Some(framed(&self.chunks, &mut self.frames, step, index)),
            },
            _ => Some(framed(&self.chunks, &mut self.frames, step, index)),
        }
    }
}

impl Stream for ChatStream {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = self.get_mut();
        loop {
            let (data, next) = match this.next {
                Next::Speaker(index) => {
                    let next = this.in_turn(index, Next::Speaker, Next::Due(0));
                    (Some(this.chunks.speaker(index)), next)
                }
                Next::Due(position) if position >= this.telling.len() => (None, Next::Finish(0)),
                Next::Due(position) => {
                    if let Some(pace) = &mut this.pace {
                        ready!(pace.poll_due(context));
                    }
                    (None, Next::Step(position, 0))
                }
                Next::Step(position, index) => {
                    let after = Next::Due(position + 1);
                    let next = this.in_turn(index, |index| Next::Step(position, index), after);
                    (this.chunk(position, index), next)
                }
                Next::Finish(index) => {
                    let next = this.in_turn(index, Next::Finish, Next::Usage);
                    (Some(this.chunks.finish(index, this.telling.finish)), next)
                }
                Next::Usage => (this.chunks.usage(this.usage), Next::Done),
                Next::Done => (Some("[DONE]".to_owned()), Next::Nothing),
                Next::Nothing => return Poll::Ready(None),
            };
            this.next = next;
            if let Some(data) = data {
                return Poll::Ready(Some(Event::data(data)));
            }
        }
    }
}

/// A chunk without its text.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    before: String,
    after: String,
}

impl Frame {
    /// That of chunks which add to a part, from one that adds nothing. The empty text is the last `""` in it: behind
    /// it stand a null or two only.
    fn of(empty_chunk: &str) -> Frame {
        let text = empty_chunk.rfind("\"\"").unwrap_or(empty_chunk.len());
        let after = empty_chunk.get(text + 2..).unwrap_or("");
        Frame { before: empty_chunk[..text].to_owned(), after: after.to_owned() }
    }
}

/// The chunk of a step, from the frame that its choice used last, if it is of the same part.
fn framed(chunks: &ChatChunks, frames: &mut [Option<(Part, Frame)>], step: &Step, index: u32) -> String {
    let Some(place) = frames.get_mut(index as usize) else {
        return chunk_of(chunks, step.part, &step.text, index);
    };
    match place {
        Some((part, frame)) if *part == step.part => {
            [frame.before.as_str(), &step.escaped, &frame.after].concat()
        }
        _ => {
            *place = Some((step.part, Frame::of(&chunk_of(chunks, step.part, "", index))));
            chunk_of(chunks, step.part, &step.text, index)
        }
    }
}

/// The chunk that adds a text to a part.
fn chunk_of(chunks: &ChatChunks, part: Part, text: &str, index: u32) -> String {
    let delta = match part {
        Part::Reasoning => Delta { reasoning_content: Some(text), ..Delta::default() },
        Part::Content => Delta { content: Some(text), ..Delta::default() },
        Part::Refusal => Delta { refusal: Some(text), ..Delta::default() },
        Part::CallOpening(call) | Part::CallArguments(call) => {
            return chunks.arguments(index, call_index(call), text);
        }
    };
    chunks.choice(&ChunkChoice { index, delta, logprobs: None, finish_reason: None })
}

/// Calls are few: the script was checked.
fn call_index(call: usize) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use interference_api_types::openai::chat_reply::{Letterhead, UsageChunk};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_framed_chunk_is_the_chunk(text in any::<String>(), model in any::<String>(), index in 0_u32..3) {
            let letterhead = Letterhead {
                id: "\"\"".into(), created: 7, model, system_fingerprint: "\":[]\"".into(),
            };
            for usage in [UsageChunk::Included, UsageChunk::Absent] {
                let chunks = ChatChunks::new(&letterhead, usage);
                for part in [Part::Reasoning, Part::Content, Part::Refusal, Part::CallArguments(2)] {
                    let step = Step::new(part, text.as_str());
                    let mut frames = [None, None, None];
                    let plain = chunk_of(&chunks, part, &text, index);
                    prop_assert_eq!(&framed(&chunks, &mut frames, &step, index), &plain);
                    prop_assert_eq!(&framed(&chunks, &mut frames, &step, index), &plain);
                }
            }
        }
    }
}
