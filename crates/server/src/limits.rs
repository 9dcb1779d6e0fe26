//! The bounds of everything that a client could make large or slow.

use std::time::Duration;

/// Connections that are open at the same time; more wait unaccepted in the system's queue.
const CONNECTIONS: usize = 1024;

/// A request's body.
const BODY_BYTES: usize = 16 * 1024 * 1024;

/// What is read and thrown away of a body that is too large, so that the client finds the answer and not a reset.
const DISCARDED_BYTES: usize = 64 * 1024 * 1024;

/// The bounds that a server keeps. The default is right outside of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open at the same time. Default 1,024.
    pub connections: usize,
    /// A request's body, in bytes. Default 16 MiB.
    pub body_bytes: usize,
    /// What is thrown away at most of a body that is too large, in bytes. Default 64 MiB.
    pub discarded_bytes: usize,
    /// From the opening of a connection, or the end of the answer before, to the last header of a request: an idle
    /// connection ends by it, too. Default 60 s.
    pub header_time: Duration,
    /// From the last header to the end of the body. Default 60 s.
    pub body_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: CONNECTIONS,
            body_bytes: BODY_BYTES,
            discarded_bytes: DISCARDED_BYTES,
            header_time: Duration::from_secs(60),
            body_time: Duration::from_secs(60),
        }
    }
}
