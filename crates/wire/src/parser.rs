//! Bytes to a message: a state machine for RFC 9112, without input or output of its own.
//!
//! Bytes are pushed as they were read; it keeps them all, and tells when the message has ended. However the bytes are
//! cut, the outcome is the same but for the reads themselves. Strict where the standard is: what it lets a recipient
//! accept is accepted with a [`Remark`](crate::Remark), what it forbids ends the message with a
//! [`Flaw`](crate::Flaw). Knows no sockets and no clock; times are given to it.

mod framing;
mod lines;
mod machine;

use std::time::Instant;

use crate::answer::{Answer, AnswerHead, Request, RequestHead};
use crate::ending::ConnectionEnd;
use crate::limits::ReadLimits;
use crate::received::Received;
use machine::{Head, Machine, Role, StartLine};

/// Whether the request was of a kind whose answer has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyExpected {
    /// The method was neither HEAD nor CONNECT.
    Yes,
    /// The method was HEAD: no body, whatever the fields say.
    AfterHead,
    /// The method was CONNECT: no body if the status is 2xx.
    AfterConnect,
}

impl BodyExpected {
    /// What a request of this method expects; methods are spelled in upper case.
    pub fn after(method: &str) -> BodyExpected {
        match method {
            "HEAD" => BodyExpected::AfterHead,
            "CONNECT" => BodyExpected::AfterConnect,
            _ => BodyExpected::Yes,
        }
    }
}

/// Whether a message has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// More bytes, or the end of the connection, are needed.
    Running,
    /// The ending is known. Further bytes are kept as they are, within the bounds.
    Ended,
}

/// Parses one answer, with the interim answers before it.
#[derive(Debug)]
pub struct AnswerParser {
    machine: Machine,
}

impl AnswerParser {
    /// A parser before the first byte of an answer.
    pub fn new(body_expected: BodyExpected, limits: ReadLimits) -> AnswerParser {
        AnswerParser { machine: Machine::new(Role::Answer(body_expected), limits) }
    }

    /// Takes what one read brought, and when. No bytes are no read, and change nothing.
    pub fn push(&mut self, bytes: &[u8], at: Instant) -> Progress {
        self.machine.push(bytes, at)
    }

    /// What was received so far; while the answer runs its ending is
    /// [`Ending::Abandoned`](crate::Ending::Abandoned).
    pub fn so_far(&self) -> &Received {
        &self.machine.received
    }

    /// The head of the final answer, once it is whole.
    pub fn head(&self) -> Option<AnswerHead> {
        self.machine.head.as_ref().and_then(answer_head)
    }

    /// Hands over what has come of the body since it was last called, in the place of what `body` held, and forgets the
    /// bytes, reads and chunks that are understood: for those who read a stream as it comes and need no evidence of it.
    /// All bounds and offsets count from here then. The ending is told as ever.
    pub fn drain_body(&mut self, body: &mut Vec<u8>) {
        self.machine.drain_body(body);
    }

    /// How many bytes the parser still keeps.
    pub fn room(&self) -> usize {
        self.machine.room()
    }

    /// Ends the answer as the connection ended. An ending that was known before stands.
    pub fn finish(mut self, end: ConnectionEnd) -> Answer {
        self.machine.finish(end);
        let Machine { interim, head, received, .. } = self.machine;
        Answer {
            interim: interim.iter().filter_map(answer_head).collect(),
            head: head.as_ref().and_then(answer_head),
            received,
            sent_at: None,
        }
    }
}

/// Parses one request.
#[derive(Debug)]
pub struct RequestParser {
    machine: Machine,
}

impl RequestParser {
    /// A parser before the first byte of a request.
    pub fn new(limits: ReadLimits) -> RequestParser {
        RequestParser { machine: Machine::new(Role::Request, limits) }
    }

    /// Takes what one read brought, and when. No bytes are no read, and change nothing.
    pub fn push(&mut self, bytes: &[u8], at: Instant) -> Progress {
        self.machine.push(bytes, at)
    }

    /// What was received so far; while the request runs its ending is
    /// [`Ending::Abandoned`](crate::Ending::Abandoned).
    pub fn so_far(&self) -> &Received {
        &self.machine.received
    }

    /// The head, once it is whole.
    pub fn head(&self) -> Option<RequestHead> {
        self.machine.head.as_ref().and_then(request_head)
    }

    /// How many bytes the parser still keeps.
    pub fn room(&self) -> usize {
        self.machine.room()
    }

    /// Ends the request as the connection ended. An ending that was known before stands.
    pub fn finish(mut self, end: ConnectionEnd) -> Request {
        self.machine.finish(end);
        Request { head: self.machine.head.as_ref().and_then(request_head), received: self.machine.received }
    }
}

fn answer_head(head: &Head) -> Option<AnswerHead> {
    let StartLine::Status(line) = &head.start else { return None };
    Some(AnswerHead {
        minor_version: line.minor_version,
        status: line.status,
        reason: line.reason.clone(),
        fields: head.fields.clone(),
        raw: head.raw.clone(),
    })
}

fn request_head(head: &Head) -> Option<RequestHead> {
    let StartLine::Request(line) = &head.start else { return None };
    Some(RequestHead {
        method: line.method.clone(),
        target: line.target.clone(),
        minor_version: line.minor_version,
        fields: head.fields.clone(),
        raw: head.raw.clone(),
    })
}

#[cfg(test)]
mod tests;
