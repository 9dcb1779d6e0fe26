//! A response as events, while the chat is still answering.
//!
//! Owns the moment at which a response is kept: after everything is said, and before its end is told. A client that
//! has seen the end can rely on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream;
use interference_api_types::openai::identity::Identity;
use interference_api_types::openai::responses_reply::LAST_EVENTS;
use interference_backend::{EventStream, LastWords};
use interference_sse::Event;

use crate::chat_answer::{Broken, ChatAnswer};
use crate::create::Keeper;
use crate::refusals::not_saved_message;
use crate::telling::Telling;

/// The events of one response, and their end for whoever breaks the stream off.
pub(crate) fn events(
    telling: Telling,
    chat: ChatAnswer,
    keeper: Keeper,
    identity: Identity,
) -> (EventStream, Arc<dyn LastWords>) {
    let telling = Arc::new(Shared(Mutex::new(telling)));
    let streaming = Streaming { telling: Arc::clone(&telling), chat, keeper, identity };
    let events = stream::unfold(streaming, async |mut streaming| {
        let event = streaming.next().await?;
        Some((event, streaming))
    });
    (Box::pin(events), telling)
}

/// What the stream and its last words share.
#[derive(Debug)]
struct Shared(Mutex<Telling>);

impl Shared {
    /// Nothing that is done under the lock waits.
    fn lock(&self) -> MutexGuard<'_, Telling> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastWords for Shared {
    fn is_end(&self, event: &Event) -> bool {
        matches!(event, Event::Data { name: Some(name), .. } if LAST_EVENTS.contains(&name.as_str()))
    }

    /// What was told and not yet passed on comes first. Where the end was passed on already, it is told again: whoever
    /// asks has held it back.
    fn break_off(&self, message: &str, code: &str) -> Vec<Event> {
        let mut telling = self.lock();
        let mut last = telling.take_events();
        if last.last().is_none_or(|event| !self.is_end(event)) {
            if !telling.has_ended() {
                telling.fail(Broken::new(message, code));
            }
            telling.end();
            last.extend(telling.take_events());
        }
        last
    }
}

struct Streaming {
    telling: Arc<Shared>,
    chat: ChatAnswer,
    keeper: Keeper,
    identity: Identity,
}

impl Streaming {
    async fn next(&mut self) -> Option<Event> {
        loop {
            let due = self.telling.lock().next_event();
            if due.is_some() || self.telling.lock().has_ended() {
                return due;
            }
            self.go_on().await;
        }
    }

    /// Takes the next chunk; after the last one, keeps the response and tells its end.
    async fn go_on(&mut self) {
        let told = match self.chat.next().await {
            Some(chunk) => chunk.and_then(|chunk| self.telling.lock().take(chunk)),
            None => {
                let closed = self.telling.lock().close(self.identity.created());
                match closed {
                    Ok(()) => return self.end().await,
                    Err(broken) => Err(broken),
                }
            }
        };
        if let Err(broken) = told {
            tracing::warn!(code = broken.code, "{}", broken.message);
            self.telling.lock().fail(broken);
            self.end().await;
        }
    }

    async fn end(&mut self) {
        let response = self.telling.lock().response().json();
        let kept = self.keeper.keep(&response).await;
        let mut telling = self.telling.lock();
        if let Err(error) = kept {
            let message = not_saved_message(&error);
            // Of what failed before, the first reason is told.
            if !telling.has_failed() {
                telling.fail(Broken::new(message, "state_not_saved"));
            }
        }
        telling.end();
    }
}
