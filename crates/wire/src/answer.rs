//! An answer and a request as they were received.
//!
//! Owns what their heads say. The bytes, the body and the ending, which both have alike, are [`Received`]'s.

use std::ops::Range;
use std::time::Instant;

use crate::ending::Framing;
use crate::received::{Fields, Received};
use crate::wire_log::wire_log;

/// The head of an answer, interim or final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead {
    /// The `x` of `HTTP/1.x`.
    pub minor_version: u8,
    /// Three digits: 0 to 999.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Vec<u8>,
    /// The fields.
    pub fields: Fields,
    /// Where it stands in the raw bytes, its blank line included.
    pub raw: Range<usize>,
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// As it was spelled.
    pub method: Vec<u8>,
    /// The request target as it was spelled.
    pub target: Vec<u8>,
    /// The `x` of `HTTP/1.x`.
    pub minor_version: u8,
    /// The fields.
    pub fields: Fields,
    /// Where it stands in the raw bytes, its blank line included.
    pub raw: Range<usize>,
}

/// An answer, with the evidence for everything that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answers of status 1xx that came before, 101 excepted, which is final.
    pub interim: Vec<AnswerHead>,
    /// The final head, if it was whole.
    pub head: Option<AnswerHead>,
    /// Bytes, times, body and ending.
    pub received: Received,
    /// When the last byte of the request had been handed to the system, if this connection had sent one.
    pub sent_at: Option<Instant>,
}

impl Answer {
    /// The status of the final head.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    /// The final head as it came, its blank line included.
    pub fn raw_head(&self) -> Option<&[u8]> {
        self.head.as_ref().and_then(|head| self.received.raw.get(head.raw.clone()))
    }

    /// Whether another answer may follow on the connection: RFC 9112 section 9.3. An answer that is not whole, or that
    /// leaves HTTP (status 101), is the last.
    pub fn keeps_alive(&self) -> bool {
        let Some(head) = &self.head else { return false };
        let ends_with_connection = self.received.framing == Some(Framing::ConnectionEnd);
        let faulty = head.minor_version == 0 && head.fields.first("transfer-encoding").is_some();
        self.received.ending.is_complete()
            && !ends_with_connection
            && !faulty
            && head.status != 101
            && !head.fields.lists("connection", "close")
            && (head.minor_version > 0 || head.fields.lists("connection", "keep-alive"))
    }

    /// The reads for a person: a line for each, with the time since the request was sent (else since the first read),
    /// the offset, the length, and the bytes with escapes visible.
    pub fn wire_log(&self) -> String {
        wire_log(&self.received, self.sent_at)
    }
}

/// A request, with the evidence for everything that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The head, if it was whole.
    pub head: Option<RequestHead>,
    /// Bytes, times, body and ending.
    pub received: Received,
}

impl Request {
    /// The reads for a person, as [`Answer::wire_log`] has them; times count from the first read.
    pub fn wire_log(&self) -> String {
        wire_log(&self.received, None)
    }
}
