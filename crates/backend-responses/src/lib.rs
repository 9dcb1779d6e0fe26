//! The Responses API on top of any backend that answers chats.
//!
//! Owns the way from a request of that API to a chat request, and from a chat answer, whole or in chunks, back to a
//! response and its events; and what is kept of responses for later requests. It refuses to know who answers the chats
//! (a script, a model, another server), sockets, and how events become bytes.

mod chat_answer;
mod chat_request;
mod conversation;
mod create;
mod items;
mod kept;
mod names;
mod parameters;
mod parts;
mod refusals;
mod response_ids;
mod responses_backend;
mod state;
mod streaming;
mod telling;

pub use responses_backend::{ResponsesBackend, ResponsesOptions};
pub use state::{State, StateError, StateLimits};
