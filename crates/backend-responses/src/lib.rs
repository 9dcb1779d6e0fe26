//! What a server of the API keeps, in front of any backend that answers chats: responses, and chats that are to be stored.
//!
//! Owns the way from a request of the Responses API to a chat request, and from a chat answer, whole or in chunks, back to
//! a response and its events; what is kept of responses and of chats; and what is asked of it later. It refuses to know who
//! answers the chats (a script, a model, another server), sockets, and how events become bytes.

mod chat_answer;
mod chat_request;
mod conversation;
mod create;
mod items;
mod kept;
mod names;
mod page;
mod parameters;
mod parts;
mod refusals;
mod response_ids;
mod responses_backend;
mod state;
mod stored_chats;
mod streaming;
mod telling;

pub use responses_backend::{ResponsesBackend, ResponsesOptions};
pub use state::{State, StateError, StateLimits};
