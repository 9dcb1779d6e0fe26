//! Chats that are to be stored, and what is asked of them later.
//!
//! Owns the moment at which a chat is kept: after everything is said, and before its end is told. A client that has seen
//! the end finds the chat again; one that broke off is not kept. It refuses to know who answers, and where chats are kept.

mod assembly;
mod keeper;
mod kept_chats;
mod streaming;
pub(crate) mod wish;

use std::sync::Arc;

use interference_backend::{Refusal, Reply, ReplyBody, Request, Strictness};

use crate::responses_backend::ResponsesBackend;
use keeper::{Keeper, not_saved};
use wish::{Wanted, Wish};

impl ResponsesBackend {
    /// `POST /chat/completions`: the backend behind answers, and the chat is kept if that is the wish.
    ///
    /// # Errors
    /// Those of the backend behind; the chat cannot be kept.
    ///
    /// # Cancellation
    /// The chat is kept as a whole, or not at all.
    pub(crate) async fn create_chat(&self, request: Request, wish: Wish) -> Result<Reply, Refusal> {
        let strictness = request.strictness;
        match wish {
            Wish::Nothing => self.inner.answer(request).await,
            Wish::Labels => {
                let ignored = vec!["metadata".to_owned()];
                strictness.check(&ignored)?;
                let mut reply = self.inner.answer(request).await?;
                reply.ignored.extend(ignored);
                Ok(reply)
            }
            Wish::Stored(wanted) => {
                let reply = self.inner.answer(request).await?;
                Box::pin(self.store(reply, wanted, strictness)).await
            }
        }
    }

    async fn store(
        &self,
        mut reply: Reply,
        wanted: Wanted,
        strictness: Strictness,
    ) -> Result<Reply, Refusal> {
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
