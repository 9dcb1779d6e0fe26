//! Tells an answer as events, in the words of any API: its steps as they come, with exactly one end.
//!
//! Owns that end: the usage, if included, and `[DONE]`; if the engine breaks off a choice, an error takes the place of
//! what is missing of all, before `[DONE]`. It refuses to know what a chunk looks like.

use futures::{StreamExt, stream};
use interference_api_types::openai::chat_reply::Usage;
use interference_backend::EventStream;
use interference_sse::Event;

use crate::answer::{Answer, Step};
use crate::failure;

/// The words of one API.
pub(crate) trait Teller: Send + 'static {
    /// The chunk for a step of a choice, if it tells anything.
    fn step(&mut self, index: u32, step: Step) -> Option<String>;

    /// The chunk that tells the usage, if it is included.
    fn usage(&self, usage: Usage) -> Option<String>;
}

/// The events of an answer: these chunks at once, then each step as it comes.
pub(crate) fn events(
    answer: Answer,
    first: Vec<String>,
    teller: impl Teller,
    prompt_tokens: u64,
) -> EventStream {
    let rest = stream::unfold(Some((answer, teller)), move |telling| async move {
        let (mut answer, mut teller) = telling?;
        Some(match answer.next().await {
            Ok(Some((index, step))) => {
                let chunk = teller.step(index, step).map(Event::data);
                (chunk.into_iter().collect(), Some((answer, teller)))
            }
            Ok(None) => {
                let usage = teller.usage(Usage::new(prompt_tokens, answer.completion_tokens()));
                (usage.into_iter().chain(["[DONE]".to_owned()]).map(Event::data).collect(), None)
            }
            Err(broken) => (vec![failure::event(&broken), Event::data("[DONE]")], None),
        })
    });
    Box::pin(stream::iter(first).map(Event::data).chain(rest.flat_map(stream::iter::<Vec<Event>>)))
}
