//! Tells an answer in the words of the chat API: who speaks, each step, why it ended.
//!
//! It is made to be cheap: a chunk that adds text is put together from a frame, which is made once, and the step's text
//! as JSON, which the script made when it was read.

use interference_api_types::openai::chat_reply::{
    ChatChunks, ChunkChoice, Content, Delta, FinishReason, Usage,
};

use crate::answer::{Part, Step};
use crate::answer_stream::Teller;
use crate::telling::{Telling, timestamp};

/// The chunks of a chat's answer.
pub(crate) struct ChatTeller {
    chunks: ChatChunks,
    /// The frame that each choice has used last.
    frames: Vec<Option<(Part, Frame)>>,
}

impl ChatTeller {
    /// For an answer in so many choices.
    pub(crate) fn new(chunks: ChatChunks, choices: u32) -> ChatTeller {
        ChatTeller { chunks, frames: (0..choices).map(|_| None).collect() }
    }
}

impl Teller for ChatTeller {
    fn opening(&self, telling: &Telling, index: u32) -> Option<String> {
        let content = if telling.has_content() { Content::Text } else { Content::Null };
        Some(self.chunks.speaker(index, content))
    }

    fn step(&mut self, telling: &Telling, position: usize, index: u32) -> Option<String> {
        let step = telling.step(position)?;
        match step.part {
            Part::CallOpening(call) => {
                Some(self.chunks.call(index, call_index(call), telling.call_id(call), &step.text))
            }
            Part::Content => match telling.logprobs(position) {
                Some(logprobs) => Some(self.chunks.content(index, &step.text, Some(&logprobs))),
                None => Some(framed(&self.chunks, &mut self.frames, step, index)),
            },
            Part::Timestamp => {
                let now = Step::new(Part::Content, timestamp());
                Some(framed(&self.chunks, &mut self.frames, &now, index))
            }
            _ => Some(framed(&self.chunks, &mut self.frames, step, index)),
        }
    }

    fn finish(&self, index: u32, reason: FinishReason) -> String {
        self.chunks.finish(index, reason)
    }

    fn usage(&self, usage: Usage) -> Option<String> {
        self.chunks.usage(usage)
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
        Part::Content | Part::Timestamp => Delta { content: Some(Some(text)), ..Delta::default() },
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
