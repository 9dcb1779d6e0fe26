//! Server-sent events, as WHATWG HTML §9.2 has them: a decoder and an encoder.
//!
//! Synchronous and without input or output of its own: bytes go in, events come out, and the other way round. It
//! knows no tokio, no HTTP, and no meaning of the data (`[DONE]` is data like any other).

mod decoder;
mod encoder;

pub use decoder::{DEFAULT_BYTES_MAX, DecodeError, Decoded, Decoder};
pub use encoder::encode;

/// One event to be written, or a comment that keeps a connection alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `data:` lines, one for each line of the text.
    Data {
        /// The event's name (`event:`), where the dialect has one.
        name: Option<String>,
        /// The data; line ends inside become several `data:` lines.
        data: String,
    },
    /// A line that starts with a colon; no reader dispatches it.
    Comment(String),
}

impl Event {
    /// An event without a name.
    pub fn data(data: impl Into<String>) -> Event {
        Event::Data { name: None, data: data.into() }
    }
}
