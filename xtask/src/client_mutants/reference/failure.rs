//! What a user of the client hears when something went wrong.
//!
//! Owns the client's public errors, and the one that is none of them: what escapes from a part that the client stands
//! on. Refuses to know whether a failure is worth another try.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};

/// An answer that did not come, or broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: String,
    /// How long the server asks to be left alone.
    pub(super) wait: Option<Duration>,
}

/// What sort of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing of an answer has come.
    Unreached,
    /// The connection was reset in the middle of an answer.
    Reset,
    /// Nothing came for too long.
    Timeout,
    /// The connection was closed before the last chunk.
    CutChunks,
    /// The connection was closed before the end that Content-Length told.
    ShortBody,
    /// It is no HTTP/1.1, or a coding that was not asked for.
    Protocol,
    /// The request was refused.
    Status(u16),
    /// The server told of an error in the answer itself.
    Api,
    /// What came is no chat answer.
    Format,
    /// The stream was over before the answer was.
    Incomplete,
    /// A bound was exceeded.
    TooLong,
    /// An exception of a part below, which the client did not make its own.
    Escaped,
}

impl Failure {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), wait: None }
    }

    /// A read or write that failed once an answer had begun.
    pub(super) fn of_transport(error: &io::Error) -> Failure {
        match error.kind() {
            // Unix says the first, Windows the second.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Failure::new(Kind::Timeout, "the server fell silent for longer than the time-out")
            }
            _ => Failure::new(Kind::Reset, format!("the connection broke: {error}")),
        }
    }

    /// The member `error` of what the client prints.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "type": self.kind.name(),
            "message": self.message,
            "typed": self.kind != Kind::Escaped,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind.name(), self.message)
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Unreached => "unreached",
            Kind::Reset => "connection_reset",
            Kind::Timeout => "timeout",
            Kind::CutChunks | Kind::ShortBody => "body_cut",
            Kind::Protocol => "protocol_error",
            Kind::Status(_) => "status_error",
            Kind::Api => "api_error",
            Kind::Format => "format_error",
            Kind::Incomplete => "incomplete_stream",
            Kind::TooLong => "too_long",
            Kind::Escaped => "escaped_exception",
        }
    }
}
