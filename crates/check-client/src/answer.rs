//! Answers as steps: heads, framings, paces.
//!
//! Owns the literal heads, and the ways in which the events of a case reach the socket. Each write is one step, so that
//! a case can say where packets end. Knows no cases.

use std::time::Duration;

use bytes::Bytes;
use interference_wire::{LAST_CHUNK, Step, chunk};

/// Between two events of an answer: long enough for each to be read alone, as a rule.
pub(crate) const BETWEEN_EVENTS: Duration = Duration::from_millis(2);

/// How long an answer that is over is left to a client that still reads, or that may ask again on the connection.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// The head of a stream in chunks, after which the connection stays open.
pub(crate) const CHUNKED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The head of a stream in chunks on a connection that is closed after it.
pub(crate) const CHUNKED_AND_CLOSED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The head of a stream that ends with its connection.
pub(crate) const UNTIL_CLOSED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n";

/// One write.
pub(crate) fn write(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Write(Bytes::from(bytes.into()))
}

/// A stream in chunks, each event a chunk and a write of its own, properly ended; the connection stays open.
pub(crate) fn stream<E: AsRef<[u8]>>(events: impl IntoIterator<Item = E>) -> Vec<Step> {
    let mut steps = open_stream(CHUNKED, events);
    steps.push(write(LAST_CHUNK));
    steps
}

/// As [`stream`] without its end: the head, and each event in a chunk and a write of its own.
pub(crate) fn open_stream<E: AsRef<[u8]>>(head: &str, events: impl IntoIterator<Item = E>) -> Vec<Step> {
    let mut steps = vec![write(head)];
    for event in events {
        steps.push(Step::Wait(BETWEEN_EVENTS));
        steps.push(write(chunk(event.as_ref())));
    }
    steps
}

/// A stream without chunks, ended by the end of the connection; each part is a write of its own, `between` after the
/// one before.
pub(crate) fn until_closed<P: AsRef<[u8]>>(
    parts: impl IntoIterator<Item = P>,
    between: Duration,
) -> Vec<Step> {
    let mut steps = vec![write(UNTIL_CLOSED)];
    for part in parts {
        steps.extend([Step::Wait(between), write(part.as_ref())]);
    }
    steps.push(Step::Close);
    steps
}

/// An answer that is no stream: status line, content type, body, and more fields if there are any, each with its CRLF.
pub(crate) fn whole(status: &str, content_type: &str, fields: &str, body: impl AsRef<[u8]>) -> Vec<Step> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    vec![write([head.as_bytes(), body].concat())]
}

/// Keeps the connection open without a byte until the client goes.
pub(crate) fn hold() -> Step {
    Step::Hold(AFTERWARDS)
}
