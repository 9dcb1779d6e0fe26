//! The events of an answer: what comes before its text, at once; the steps of all choices in turn, each when it is due;
//! the ends; the usage, if included; `[DONE]`.
//!
//! Owns the order of events, and the waiting between them. It refuses to know the words of any endpoint. Without latency
//! nothing is waited for, and no timer is set.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use interference_api_types::openai::chat_reply::{FinishReason, Usage};
use interference_sse::Event;

use crate::pace::Pace;
use crate::telling::Telling;

/// Tells the parts of an answer in the words of an endpoint: the data of events.
pub(crate) trait Teller {
    /// What comes before the steps of a choice, if anything does.
    fn opening(&self, telling: &Telling, index: u32) -> Option<String>;

    /// The step at this position, if there is one.
    fn step(&mut self, telling: &Telling, position: usize, index: u32) -> Option<String>;

    /// Why a choice ended.
    fn finish(&self, index: u32, reason: FinishReason) -> String;

    /// What all of it cost, if that is to be told.
    fn usage(&self, usage: Usage) -> Option<String>;
}

/// The events of one answer.
pub(crate) struct AnswerStream<T> {
    teller: T,
    telling: Telling,
    choices: u32,
    usage: Usage,
    pace: Option<Box<Pace>>,
    next: Next,
    /// What was told last may not have been sent yet.
    unsent: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Opening(u32),
    /// A step that is yet to be waited for.
    Due(usize),
    Step(usize, u32),
    Finish(u32),
    Usage,
    Done,
    Nothing,
}

impl<T: Teller> AnswerStream<T> {
    /// The events of an answer in so many choices, at least one.
    pub(crate) fn new(
        teller: T,
        telling: Telling,
        choices: u32,
        usage: Usage,
        pace: Option<Box<Pace>>,
    ) -> AnswerStream<T> {
        AnswerStream { teller, telling, choices, usage, pace, next: Next::Opening(0), unsent: false }
    }

    /// The next choice after this one, or what follows the last.
    fn in_turn(&self, index: u32, same: impl Fn(u32) -> Next, after: Next) -> Next {
        if index + 1 < self.choices { same(index + 1) } else { after }
    }
}

impl<T: Teller + Unpin> Stream for AnswerStream<T> {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = self.get_mut();
        loop {
            let (data, next) = match this.next {
                Next::Opening(index) => {
                    let next = this.in_turn(index, Next::Opening, Next::Due(0));
                    (this.teller.opening(&this.telling, index), next)
                }
                Next::Due(position) if position >= this.telling.len() => (None, Next::Finish(0)),
                Next::Due(position) => {
                    if let Some(pace) = &mut this.pace
                        && pace.poll_due(context).is_pending()
                    {
                        // Who is told that nothing more is there sends what it has.
                        this.unsent = false;
                        return Poll::Pending;
                    }
                    (None, Next::Step(position, 0))
                }
                // A time is made when what came before it has been sent, so that its own sending follows at once.
                Next::Step(position, _) if this.unsent && this.telling.is_timed(position) => {
                    this.unsent = false;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::Step(position, index) => {
                    let after = Next::Due(position + 1);
                    let next = this.in_turn(index, |index| Next::Step(position, index), after);
                    (this.teller.step(&this.telling, position, index), next)
                }
                Next::Finish(index) => {
                    let next = this.in_turn(index, Next::Finish, Next::Usage);
                    (Some(this.teller.finish(index, this.telling.finish)), next)
                }
                Next::Usage => (this.teller.usage(this.usage), Next::Done),
                Next::Done => (Some("[DONE]".to_owned()), Next::Nothing),
                Next::Nothing => return Poll::Ready(None),
            };
            this.next = next;
            if let Some(data) = data {
                this.unsent = true;
                return Poll::Ready(Some(Event::data(data)));
            }
        }
    }
}
