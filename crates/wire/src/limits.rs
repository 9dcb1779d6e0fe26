//! How much is kept, and how long is waited.
//!
//! Owns every bound that a caller may set, and its default. What happens at a bound is told by
//! [`Ending`](crate::Ending).

use std::time::Duration;

/// How much of a message is read before the reader gives up. Past a bound reading ends with
/// [`Ending::TooLarge`](crate::Ending::TooLarge).
///
/// Memory stays within about twice `raw_bytes`, and some 100 bytes for each read and each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes of one head, of an interim answer or the final one, with its blank line; and of the trailers. 64 KiB.
    pub head_bytes: usize,
    /// Bytes of the decoded body. 64 MiB.
    pub body_bytes: usize,
    /// Bytes of everything as it came, framing and surplus included. 80 MiB.
    pub raw_bytes: usize,
    /// Reads of one message. 262,144.
    pub reads: usize,
    /// Chunks of one message, the last, empty one included. 262,144.
    pub chunks: usize,
    /// Bytes of a chunk's size and extension, with the end of the line. 8 KiB.
    pub chunk_line_bytes: usize,
    /// Interim answers (1xx) before the final one. 16.
    pub interim_answers: usize,
}

impl Default for ReadLimits {
    fn default() -> ReadLimits {
        ReadLimits {
            head_bytes: 64 << 10,
            body_bytes: 64 << 20,
            raw_bytes: 80 << 20,
            reads: 1 << 18,
            chunks: 1 << 18,
            chunk_line_bytes: 8 << 10,
            interim_answers: 16,
        }
    }
}

/// How long each step of an exchange may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// Name look-up and connecting, and in TLS the handshake too. 10 s.
    pub connect: Duration,
    /// Handing one call's bytes to the system, pauses aside. 30 s.
    pub send: Duration,
    /// From where reading begins to the first byte. 120 s.
    pub first_byte: Duration,
    /// From one read to the next. 120 s.
    pub between_reads: Duration,
    /// From where reading begins to the end of the message. 600 s.
    pub total: Duration,
    /// What still arrives within this time after a malformed byte is kept as evidence. 100 ms.
    pub after_flaw: Duration,
}

impl Default for TimeLimits {
    fn default() -> TimeLimits {
        TimeLimits {
            connect: Duration::from_secs(10),
            send: Duration::from_secs(30),
            first_byte: Duration::from_secs(120),
            between_reads: Duration::from_secs(120),
            total: Duration::from_secs(600),
            after_flaw: Duration::from_millis(100),
        }
    }
}

/// Both kinds of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// How much.
    pub read: ReadLimits,
    /// How long.
    pub time: TimeLimits,
}
