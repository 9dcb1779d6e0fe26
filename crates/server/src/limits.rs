//! The bounds of everything that a client could make large or slow.

use std::time::Duration;

use tokio::time::Instant;

/// Connections that are open at the same time; more wait unaccepted in the system's queue.
const CONNECTIONS: usize = 1024;

/// A request's head: its target, and the names and values of its headers.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;

/// The headers of a request: the HTTP library's own bound.
pub(crate) const MOST_HEADERS: usize = 100;

/// A request's body.
const BODY_BYTES: usize = 16 * 1024 * 1024;

/// What is read and thrown away of a body that is too large, so that the client finds the answer and not a reset.
const DISCARDED_BYTES: usize = 64 * 1024 * 1024;

/// How long what was cut off has to write its last words.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// A time that no request takes.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The bounds that a server keeps. The default is right outside of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open at the same time. Default 1,024.
    pub connections: usize,
    /// A request's body, in bytes. Default 16 MiB.
    pub body_bytes: usize,
    /// What is thrown away at most of a body that is too large, or whose request is refused otherwise, in bytes. Default
    /// 64 MiB.
    pub discarded_bytes: usize,
    /// From the opening of a connection, or the end of the answer before, to the last header of a request: an idle
    /// connection ends by it, too. Default 60 s.
    pub header_time: Duration,
    /// From the last header to the end of the body. Default 60 s.
    pub body_time: Duration,
    /// From the last header to the end of the answer. Default 600 s.
    pub request_time: Duration,
    /// How long a write may make no progress because the client does not read. Default 60 s.
    pub write_time: Duration,
}

/// When a request is over, whatever its answer has come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// How long the whole request may take.
    pub(crate) limit: Duration,
}

impl Deadline {
    /// Of a request whose head has just come.
    pub(crate) fn from_now(limit: Duration) -> Deadline {
        // A limit beyond all times is none.
        let now = Instant::now();
        Deadline { at: now.checked_add(limit).unwrap_or(now + FOREVER), limit }
    }

    /// Until when an answer that is over may be written to its end.
    pub(crate) fn last_words(self) -> Instant {
        self.at + LAST_WORDS
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: CONNECTIONS,
            body_bytes: BODY_BYTES,
            discarded_bytes: DISCARDED_BYTES,
            header_time: Duration::from_secs(60),
            body_time: Duration::from_secs(60),
            request_time: Duration::from_secs(600),
            write_time: Duration::from_secs(60),
        }
    }
}
