//! Chats that are to be stored, and what is asked of them later.
//!
//! Owns the moment at which a chat is kept: after everything is said, and before its end is told. A client that has seen
//! the end finds the chat again; one that broke off is not kept. It refuses to know who answers, and where chats are kept.

mod assembly;
mod keeper;
mod kept_chats;
mod streaming;
mod wish;

use std::future::ready;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use interference_backend::{Refusal, Reply, ReplyBody, Request};

use crate::responses_backend::ResponsesBackend;
use keeper::{Keeper, not_saved};
use wish::{Wanted, Wish};

impl ResponsesBackend {
    /// `POST /chat/completions`: the backend behind answers, and the chat is kept if the request has it so.
    ///
    /// # Errors
    /// Those of the backend behind; labels are too many or too long; the chat cannot be kept.
    ///
    /// # Cancellation
    /// The chat is kept as a whole, or not at all.
    pub(crate) fn create_chat(&self, request: Request) -> BoxFuture<'_, Result<Reply, Refusal>> {
        match Wish::of(&request.body) {
            Ok(Wish::Nothing) => self.inner.answer(request),
            Ok(Wish::Labels) => self.create_labelled(request).boxed(),
            Ok(Wish::Stored(wanted)) => self.create_stored(request, wanted).boxed(),
            Err(refusal) => ready(Err(refusal)).boxed(),
        }
    }

    async fn create_labelled(&self, request: Request) -> Result<Reply, Refusal> {
        let ignored = vec!["metadata".to_owned()];
        request.strictness.check(&ignored)?;
        let mut reply = self.inner.answer(request).await?;
        reply.ignored.extend(ignored);
        Ok(reply)
    }

    async fn create_stored(&self, request: Request, wanted: Wanted) -> Result<Reply, Refusal> {
        let strictness = request.strictness;
        let mut reply = self.inner.answer(request).await?;
        if !reply.status.is_success() {
            return Ok(reply);
        }
        let keeper = Keeper::new(Arc::clone(&self.state), wanted);
        reply.body = match reply.body {
            ReplyBody::Whole(completion) => {
                keeper.keep(&completion).await.map_err(|error| not_saved(&error))?;
                ReplyBody::Whole(completion)
            }
            ReplyBody::Events(events) => ReplyBody::Events(streaming::stored(events, keeper)),
            // The bytes of others are passed on without a look at what they say.
            frames @ ReplyBody::Frames(_) => {
                reply.ignored.push("store".to_owned());
                strictness.check(&reply.ignored)?;
                frames
            }
        };
        Ok(reply)
    }
}
