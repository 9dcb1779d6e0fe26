//! A chat as events, which is kept before its end is told.
//!
//! Events pass through as they are, and what they say is put together on the way. From the last finish reason on they are
//! held back until the chat is kept: nobody reads an end that could still be taken back. A stream that says of itself that
//! it broke off, or that cannot be read, goes on untouched, and is not kept.

use std::collections::VecDeque;

use futures::StreamExt;
use futures::stream::{self, Fuse};
use interference_api_types::openai::error::ErrorEnvelope;
use interference_backend::EventStream;
use interference_sse::Event;
use serde_json::json;

use super::assembly::{Assembly, Flaw, Stage};
use super::keeper::{Keeper, not_saved_message};
use crate::chat_answer::DONE;
use crate::state::StateError;

/// These events, of a chat that is kept.
pub(super) fn stored(events: EventStream, keeper: Keeper) -> EventStream {
    let told = Some(Assembly::new(keeper.choices()));
    let storing = Storing { events: events.fuse(), keeper, told, held: VecDeque::new() };
    Box::pin(stream::unfold(storing, async |mut storing| {
        let event = storing.next().await?;
        Some((event, storing))
    }))
}

struct Storing {
    events: Fuse<EventStream>,
    keeper: Keeper,
    /// What was said so far; none when nothing more is looked at.
    told: Option<Assembly>,
    /// A part of what was said, and bounded with it.
    held: VecDeque<Event>,
}

impl Storing {
    async fn next(&mut self) -> Option<Event> {
        while let Some(told) = &mut self.told {
            let event = self.events.next().await;
            let stage = match &event {
                Some(Event::Data { data, .. }) => told.take(data),
                Some(Event::Comment(_)) => Ok(Stage::Speaking),
                None => Err(Flaw::BrokenOff),
            };
            if stage == Ok(Stage::Speaking) {
                return event;
            }
            self.held.extend(event);
            match stage {
                Ok(Stage::Speaking | Stage::Finished) => {}
                Ok(Stage::Over) => self.keep().await,
                Err(Flaw::BrokenOff) => self.told = None,
                Err(Flaw::TooLong { bytes, limit }) => self.fail(&StateError::TooLong { bytes, limit }),
            }
        }
        match self.held.pop_front() {
            None => self.events.next().await,
            held => held,
        }
    }

    async fn keep(&mut self) {
        let Some(told) = self.told.take() else { return };
        if let Err(error) = self.keeper.keep(told.completion().as_bytes()).await {
            self.fail(&error);
        }
    }

    /// The end of the chat is that it could not be kept.
    fn fail(&mut self, error: &StateError) {
        let envelope = ErrorEnvelope::server_error(not_saved_message(error), Some("state_not_saved"));
        self.told = None;
        self.events = stream::empty().boxed().fuse();
        self.held = [json!(envelope).to_string(), DONE.to_owned()].map(Event::data).into();
    }
}
