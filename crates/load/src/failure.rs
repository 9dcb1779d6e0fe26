//! Why a request came to nothing sound, by kind.
//!
//! Owns the kinds and their names in reports. A request that failed is counted by its kind and has no part in the
//! latencies of the sound ones.

use std::borrow::Cow;
use std::io;

use interference_wire::{ConnectError, Ending, SendError, TimeBound};

/// Why a request came to nothing sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// Nobody listens there.
    ConnectionRefused,
    /// There was no connection in time.
    ConnectTimedOut,
    /// There is no connection for another reason.
    ConnectFailed,
    /// The name has no address.
    UnknownHost,
    /// There was no TLS.
    Tls,
    /// This machine has no more sockets, file descriptors or ports.
    OutOfSockets,
    /// The server did not take the whole request.
    SendFailed,
    /// A status other than 2xx.
    Status(u16),
    /// The connection was reset.
    Reset,
    /// The connection was closed in the middle of the answer.
    Cut,
    /// The connection was closed before as much had come as Content-Length had promised.
    LengthMismatch,
    /// No byte came in time.
    FirstByteTimedOut,
    /// Nothing more came in time.
    Stalled,
    /// The answer took too long as a whole.
    TimedOut,
    /// The answer is no HTTP.
    MalformedHttp,
    /// The answer is larger than anything is read.
    TooLarge,
    /// Reading failed otherwise.
    ReadFailed,
    /// A stream was asked for, and the answer is no event stream.
    NotAnEventStream,
    /// An event is no JSON, or not of the shape that the endpoint has.
    MalformedEvent,
    /// A whole answer is no JSON, or not of the shape that the endpoint has.
    MalformedBody,
    /// The server told an error in the middle of its stream.
    ErrorEvent,
    /// A response ended as `failed`.
    ResponseFailed,
    /// A choice ended without a finish reason.
    NoFinishReason,
    /// The stream ended without `[DONE]`, or without its terminal event.
    NoDone,
    /// Something came after the end of the stream was told.
    AfterDone,
    /// The stream ended inside an event.
    TruncatedEvent,
    /// The run ended before the answer did.
    Unfinished,
}

impl Failure {
    /// As reports spell it: `connection_refused`, `status_429`.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Failure::ConnectionRefused => "connection_refused",
            Failure::ConnectTimedOut => "connect_timed_out",
            Failure::ConnectFailed => "connect_failed",
            Failure::UnknownHost => "unknown_host",
            Failure::Tls => "tls_failed",
            Failure::OutOfSockets => "out_of_sockets",
            Failure::SendFailed => "send_failed",
            Failure::Status(status) => return Cow::Owned(format!("status_{status}")),
            Failure::Reset => "reset",
            Failure::Cut => "cut",
            Failure::LengthMismatch => "length_mismatch",
            Failure::FirstByteTimedOut => "first_byte_timed_out",
            Failure::Stalled => "stalled",
            Failure::TimedOut => "timed_out",
            Failure::MalformedHttp => "malformed_http",
            Failure::TooLarge => "too_large",
            Failure::ReadFailed => "read_failed",
            Failure::NotAnEventStream => "not_an_event_stream",
            Failure::MalformedEvent => "malformed_event",
            Failure::MalformedBody => "malformed_body",
            Failure::ErrorEvent => "error_event",
            Failure::ResponseFailed => "response_failed",
            Failure::NoFinishReason => "no_finish_reason",
            Failure::NoDone => "no_done",
            Failure::AfterDone => "after_done",
            Failure::TruncatedEvent => "truncated_event",
            Failure::Unfinished => "unfinished",
        })
    }

    /// Of an answer that is not whole; none of one that is.
    pub(crate) fn of_ending(ending: Ending) -> Option<Failure> {
        Some(match ending {
            Ending::Complete { .. } => return None,
            Ending::Cut(_) => Failure::Cut,
            Ending::LengthMismatch { .. } => Failure::LengthMismatch,
            Ending::Reset(_) => Failure::Reset,
            Ending::TimedOut { bound, .. } => match bound {
                TimeBound::Connect => Failure::ConnectTimedOut,
                TimeBound::Send => Failure::SendFailed,
                TimeBound::FirstByte => Failure::FirstByteTimedOut,
                TimeBound::BetweenReads => Failure::Stalled,
                TimeBound::Total => Failure::TimedOut,
            },
            Ending::Malformed { .. } => Failure::MalformedHttp,
            Ending::TooLarge(_) => Failure::TooLarge,
            Ending::Failed { .. } => Failure::ReadFailed,
            Ending::Abandoned(_) => Failure::Unfinished,
        })
    }
}

impl From<&ConnectError> for Failure {
    fn from(error: &ConnectError) -> Failure {
        match error {
            ConnectError::TimedOut { .. } => Failure::ConnectTimedOut,
            ConnectError::Handshake { .. } => Failure::Tls,
            ConnectError::Unreachable { source, .. } => match source.kind() {
                io::ErrorKind::ConnectionRefused => Failure::ConnectionRefused,
                io::ErrorKind::TimedOut => Failure::ConnectTimedOut,
                io::ErrorKind::AddrNotAvailable => Failure::OutOfSockets,
                _ if is_out_of_files(source) => Failure::OutOfSockets,
                // Names are looked up by the system's library, which has no code of the system for it.
                _ if source.raw_os_error().is_none() => Failure::UnknownHost,
                _ => Failure::ConnectFailed,
            },
        }
    }
}

impl From<SendError> for Failure {
    fn from(_: SendError) -> Failure {
        Failure::SendFailed
    }
}

/// Whether the system has no more file descriptors for this process, or at all.
fn is_out_of_files(error: &io::Error) -> bool {
    #[cfg(unix)]
    let codes = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(rustix::io::Errno::raw_os_error);
    #[cfg(not(unix))]
    let codes: [i32; 0] = [];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}
