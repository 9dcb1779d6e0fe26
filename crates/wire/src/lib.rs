//! HTTP/1.1 as bytes: what crossed the wire, when, and how it ended; and answers written to the byte.
//!
//! The ground on which the judges of servers and of clients stand. It owns the reader of answers and requests
//! ([`Connection`], [`AnswerParser`], [`RequestParser`]), which keeps every read with its time, and the
//! [`Responder`], which writes exactly the bytes that it is told. It refuses to know what is said: no JSON, no event
//! streams, no content codings. Nothing here is shared with what it judges.

mod answer;
mod chunked;
mod clock;
mod connection;
mod ending;
mod limits;
mod parser;
mod received;
mod responder;
mod wire_log;

pub use answer::{Answer, AnswerHead, Request, RequestHead};
pub use chunked::{LAST_CHUNK, chunk};
pub use clock::{ClockAnchor, monotonic_nanos};
pub use connection::{
    Aftermath, CLOSING, ConnectError, Connection, Piece, READ_BYTES, Reading, SendError, Sent, Target,
};
pub use ending::{ConnectionEnd, Ending, Flaw, Framing, Liberty, Place, Remark, SizeBound, TimeBound};
pub use limits::{Limits, ReadLimits, TimeLimits};
pub use parser::{AnswerParser, BodyExpected, Progress, RequestParser};
pub use received::{BodyPart, Chunk, Field, Fields, MOST_REMARKS, Read, Received};
pub use responder::{DRAINED_BYTES, DRAINING, Gone, LOOK_AGAIN, PlayEnd, Played, Responder, Step, Written};
/// For the configuration and the names of servers that [`Target::encrypted`] takes.
pub use tokio_rustls::rustls;
pub use wire_log::escaped;
