//! What a cassette holds.
//!
//! Plain data: a request, and what became of it. Times are counted from the moment at which the request was sent, in
//! whole microseconds. Refuses to know how any of it is spelled in a file.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

/// How long an exchange may take at most, as far as a file is believed: 365 days.
pub const LONGEST_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One exchange: a request, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cassette {
    /// When the request was sent. A file keeps milliseconds.
    pub recorded_at: SystemTime,
    /// The name of who was asked, where it is known.
    pub upstream: Option<String>,
    /// What was asked.
    pub request: RecordedRequest,
    /// What became of it.
    pub outcome: Outcome,
}

/// A request, as a backend sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The path, without a leading `/v1`, for example `/chat/completions`.
    pub path: String,
    /// What stands behind the path's `?`, undecoded.
    pub query: Option<String>,
    /// All headers; in a file, secrets are replaced.
    pub headers: HeaderMap,
    /// The whole body. A file shows JSON as JSON, and keeps every byte.
    pub body: Bytes,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// An answer began.
    Answered(RecordedAnswer),
    /// There was no answer.
    Failed(RecordedFailure),
}

/// An answer that has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedAnswer {
    /// The status.
    pub status: StatusCode,
    /// All headers; repeated ones stay apart.
    pub headers: HeaderMap,
    /// When the head was there.
    pub head_at: Duration,
    /// The body as it came. Times never go backwards, and none is before the head's.
    pub reads: Vec<Read>,
    /// How it ended.
    pub end: End,
    /// When it ended, not before the last read.
    pub ended_at: Duration,
}

/// A piece of a body, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// When it came.
    pub at: Duration,
    /// What came.
    pub bytes: Bytes,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it was there.
    Complete,
    /// The connection was reset.
    Reset,
    /// Nothing came for too long.
    TimedOut,
    /// It ended before its end: with fewer bytes than its length promises, or without the last chunk.
    EndedEarly,
    /// Whoever had asked went away first.
    Abandoned,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFailure {
    /// Of what kind it is.
    pub kind: FailureKind,
    /// A stable word for programs.
    pub code: String,
    /// Who failed and how, for a person.
    pub message: String,
    /// When that was known.
    pub at: Duration,
}

/// Of what kind a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Whoever was asked cannot be reached, or broke off before the head.
    Broken,
    /// It took too long.
    TooSlow,
    /// Nobody was asked, since too much had failed.
    NobodyLeft {
        /// When another try may succeed, in seconds.
        retry_after_seconds: u64,
    },
}

impl Cassette {
    /// How many bytes its bodies have, that of the request and that of the answer.
    pub fn body_bytes(&self) -> u64 {
        let answer = match &self.outcome {
            Outcome::Answered(answer) => answer.reads.iter().map(|read| read.bytes.len() as u64).sum(),
            Outcome::Failed(_) => 0,
        };
        self.request.body.len() as u64 + answer
    }
}

impl End {
    /// Every end, in the order in which documents list them.
    pub const ALL: [End; 5] = [End::Complete, End::Reset, End::TimedOut, End::EndedEarly, End::Abandoned];

    /// The word of a file.
    pub const fn name(self) -> &'static str {
        match self {
            End::Complete => "complete",
            End::Reset => "reset",
            End::TimedOut => "timed_out",
            End::EndedEarly => "ended_early",
            End::Abandoned => "abandoned",
        }
    }
}

impl FailureKind {
    /// The words of a file.
    pub(crate) const NAMES: [&'static str; 3] = ["broken", "too_slow", "nobody_left"];

    /// The word of a file.
    pub const fn name(self) -> &'static str {
        let [broken, too_slow, nobody_left] = FailureKind::NAMES;
        match self {
            FailureKind::Broken => broken,
            FailureKind::TooSlow => too_slow,
            FailureKind::NobodyLeft { .. } => nobody_left,
        }
    }
}
