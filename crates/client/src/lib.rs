//! A well-behaved streaming client of the OpenAI API.
//!
//! It makes one request on one connection and tells truly what became of it: the whole answer, or a typed error with
//! whatever text had arrived before it. Broken streams are never a silent success, every wait and every buffer is
//! bounded, and nothing is ever sent twice: whether to try again is the caller's decision.
//!
//! It reads answers tolerantly (unknown and missing fields, other shapes of errors, a whole answer where a stream was
//! asked for) and knows nothing of terminals, settings or retries.
//!
//! - [`Target`]: where to and with which key; [`Client`]: the requests.
//! - [`Connector`]: connections alone, for those who pass on what others say over them.
//! - [`ChatAnswer`]: the answer, event by event, and the [`ToolCall`]s in it.
//! - [`ClientError`]: everything that can go wrong, in sentences for people.

mod answer;
mod body;
mod chat;
mod chat_stream;
mod client;
mod connection;
mod content_encoding;
mod error;
mod exchange;
mod json;
mod target;
mod tool_calls;

pub use answer::ChatAnswer;
pub use chat::{ChatEvent, ChatRequest, Message, Usage};
pub use client::{Client, ClientTimeouts};
pub use connection::{Connector, Socket};
pub use error::{ApiError, ClientError, Cut};
pub use target::Target;
/// The certificate authorities that [`Client::with_roots`] trusts.
pub use tokio_rustls::rustls::RootCertStore;
pub use tool_calls::{FunctionCall, ToolCall};
