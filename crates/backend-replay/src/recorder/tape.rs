//! One answer as it passes by.
//!
//! Owns the times of its pieces, the bound on what is kept of it, and how it ended. Refuses to know where it is written.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method, StatusCode};
use interference_api_types::openai::responses_reply::LAST_EVENTS;
use interference_backend::{UpstreamFailure, content_length, is_event_stream};
use interference_cassette::{
    Cassette, End, FailureKind, MOST_READS, Outcome, Read, RecordedAnswer, RecordedFailure, RecordedRequest,
};
use interference_sse::{DEFAULT_BYTES_MAX, Decoded, Decoder};
use tokio::time::Instant;

use super::desk::{Desk, Room};

/// Why an answer is not recorded that is beyond a bound.
pub(super) const NO_ROOM: &str = "it takes more memory, or has more pieces, than a recording may";

/// A request that was passed on.
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) recorded_at: SystemTime,
    pub(super) request: RecordedRequest,
}

/// An answer that passes by. Dropped before its end, it tells that the client went away.
pub(super) struct Tape {
    desk: Arc<Desk>,
    sent_at: Instant,
    /// None where the answer has ended, or is not recorded.
    draft: Option<Draft>,
}

/// What there is so far.
struct Draft {
    recorded_at: SystemTime,
    upstream: Option<String>,
    request: RecordedRequest,
    answer: RecordedAnswer,
    body_bytes: u64,
    room: Room,
}

impl Sent {
    /// What it takes of the room.
    pub(super) fn bytes(&self) -> usize {
        self.request.body.len() + size_of::<Cassette>()
    }

    /// The exchange, where no answer began.
    pub(super) fn failed(self, message: &str, code: &str, failure: UpstreamFailure) -> Cassette {
        let kind = match failure {
            UpstreamFailure::Broken => FailureKind::Broken,
            UpstreamFailure::TooSlow => FailureKind::TooSlow,
            UpstreamFailure::NobodyLeft { retry_after_seconds } => {
                FailureKind::NobodyLeft { retry_after_seconds }
            }
        };
        let failure = RecordedFailure {
            kind,
            code: code.to_owned(),
            message: message.to_owned(),
            at: self.at.elapsed(),
        };
        Cassette {
            recorded_at: self.recorded_at,
            upstream: None,
            request: self.request,
            outcome: Outcome::Failed(failure),
        }
    }
}

impl Tape {
    /// An answer whose head is there now.
    pub(super) fn new(
        desk: Arc<Desk>,
        sent: Sent,
        upstream: Option<String>,
        status: StatusCode,
        headers: HeaderMap,
    ) -> Tape {
        let head_at = sent.at.elapsed();
        let answer = RecordedAnswer {
            status,
            headers,
            head_at,
            reads: Vec::new(),
            end: End::Abandoned,
            ended_at: head_at,
        };
        let room = desk.room();
        let request_bytes = sent.bytes();
        let Sent { at: sent_at, recorded_at, request } = sent;
        let draft = Draft { recorded_at, upstream, request, answer, body_bytes: 0, room };
        let mut tape = Tape { desk, sent_at, draft: Some(draft) };
        tape.take_room(request_bytes);
        tape
    }

    /// Keeps a piece that has come now.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.take_room(bytes.len() + size_of::<Read>());
        let at = self.sent_at.elapsed();
        if let Some(draft) = &mut self.draft {
            // A copy: the original is a part of the connection's buffer, and would keep all of it.
            draft.answer.reads.push(Read { at, bytes: Bytes::copy_from_slice(bytes) });
            draft.body_bytes += bytes.len() as u64;
        }
    }

    /// The answer has ended; what comes later is not a part of it.
    pub(super) fn end(&mut self, end: End) {
        let ended_at = self.sent_at.elapsed();
        if let Some(Draft { recorded_at, upstream, request, mut answer, room, .. }) = self.draft.take() {
            answer.end = end;
            answer.ended_at = ended_at;
            let outcome = Outcome::Answered(answer);
            let cassette = Cassette { recorded_at, upstream, request, outcome };
            self.desk.keep(cassette, room);
        }
    }

    fn take_room(&mut self, bytes: usize) {
        let has_room = self
            .draft
            .as_mut()
            .is_none_or(|draft| draft.answer.reads.len() < MOST_READS && draft.room.take(bytes));
        if !has_room {
            self.draft = None;
            self.desk.leave_out(NO_ROOM);
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        let is_whole = self.draft.as_ref().is_some_and(Draft::is_whole);
        self.end(if is_whole { End::Complete } else { End::Abandoned });
    }
}

impl Draft {
    /// Whether nothing more was to come: whoever sends an answer need not ask for what is behind its length, and clients
    /// of a stream go when it has said its end.
    fn is_whole(&self) -> bool {
        let RecordedAnswer { status, headers, reads, .. } = &self.answer;
        !has_body(&self.request.method, *status)
            || content_length(headers) == Some(self.body_bytes)
            || is_readable(headers) && has_said_its_end(reads)
    }
}

/// Whether an answer is a stream of events without a coding.
fn is_readable(headers: &HeaderMap) -> bool {
    is_event_stream(headers) && !headers.contains_key(CONTENT_ENCODING)
}

/// Whether the last event of a stream is the end that the API gives it: `[DONE]`, or of a response that it is completed,
/// incomplete or failed.
fn has_said_its_end(reads: &[Read]) -> bool {
    let mut decoder = Decoder::new(DEFAULT_BYTES_MAX);
    let mut last = None;
    for read in reads {
        let mut bytes = read.bytes.as_ref();
        while let Ok(Some(event)) = decoder.decode(&mut bytes) {
            last = Some(event);
        }
    }
    last.is_some_and(|Decoded { name, data }| {
        data == "[DONE]" || name.is_some_and(|name| LAST_EVENTS.contains(&name.as_str()))
    })
}

/// Whether an answer has a body, be it an empty one: RFC 9110, section 6.4.1.
pub(super) fn has_body(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

/// How an answer ended that broke off like this.
pub(super) fn end_of(error: &io::Error) -> End {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            End::Reset
        }
        io::ErrorKind::TimedOut => End::TimedOut,
        _ => End::EndedEarly,
    }
}
