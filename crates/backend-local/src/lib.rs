//! The engine as a backend: requests in, answers out.
//!
//! Owns everything between the JSON of a request and the engine's tokens: which parameters are honoured, which names
//! reach the model, how tokens become text without a split character or a leaked stop string, and how the text is
//! told whole or in chunks. It refuses to know sockets and statuses, and how a token is computed.

mod aliases;
mod answer;
mod answer_events;
mod chat;
mod chat_messages;
mod chat_reply;
mod choice;
mod completion_reply;
mod completions;
mod embeddings;
mod failure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod inputs;
mod local_backend;
mod measurements;
mod parameters;
mod sampling;
mod stop_strings;
mod text_stream;
mod token_log;
mod told_choice;
mod tool_calls;

pub use aliases::{HABITUAL_NAMES, is_habitual_name};
pub use local_backend::{LocalBackend, LocalOptions};
