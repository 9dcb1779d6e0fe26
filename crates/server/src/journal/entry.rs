//! One exchange as it is remembered, and as it is told.

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Clock;

/// How much of a body is kept, in bytes.
const LONGEST_BODY: usize = 256 << 10;

/// What stands for a secret.
const REDACTED: &[u8] = b"[redacted]";

/// Headers that carry keys, by the names under which clients of various services send them.
const SECRET_HEADERS: [HeaderName; 7] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    SET_COOKIE,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The whole answer was handed to the system.
    Complete,
    /// The client went away before.
    ClientGone,
    /// A fault ended it before its time.
    Fault,
    /// The server went down.
    ServerStopped,
}

impl Ended {
    fn name(self) -> &'static str {
        match self {
            Ended::Complete => "complete",
            Ended::ClientGone => "client_gone",
            Ended::Fault => "fault",
            Ended::ServerStopped => "server_stopped",
        }
    }
}

/// What a fault did, and where.
pub(crate) type Happening = interference_faults::Happening;

/// What is remembered.
pub(super) struct Entry {
    pub(super) number: u64,
    received: Clock,
    method: Method,
    uri: String,
    headers: Headers,
    body: Kept,
    answer: Option<Answer>,
    happened: Vec<Happening>,
    ended: Option<(Ended, f64)>,
    pub(super) handed_over: bool,
    /// It is no longer in the journal: nothing more needs to be kept.
    forgotten: bool,
}

struct Answer {
    status: StatusCode,
    headers: Headers,
    head_ms: f64,
    first_byte_ms: Option<f64>,
    last_byte_ms: Option<f64>,
    /// How often bytes were handed on.
    writes: u64,
    body: Kept,
}

/// The beginning of a body. It is copied: to keep the pieces themselves would spread every answer over memory that is
/// freed much later and by other threads, which costs more than copying them.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    total: u64,
}

impl Kept {
    /// Keeps what still has room. Returns how much that is.
    fn push(&mut self, bytes: &[u8]) -> usize {
        self.total += bytes.len() as u64;
        let kept = bytes.len().min(LONGEST_BODY - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        kept
    }

    /// JSON as a value, anything else as text; null for nothing.
    fn to_json(&self) -> Value {
        if self.total == 0 {
            return Value::Null;
        }
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| String::from_utf8_lossy(&self.bytes).into())
    }

    fn is_truncated(&self) -> bool {
        self.total > self.bytes.len() as u64
    }
}

impl Entry {
    pub(super) fn new(head: &Parts) -> Entry {
        Entry {
            number: 0,
            received: Clock::now(),
            method: head.method.clone(),
            uri: head.uri.to_string(),
            headers: Headers::of(&head.headers),
            body: Kept::default(),
            answer: None,
            happened: Vec::new(),
            ended: None,
            handed_over: false,
            forgotten: false,
        }
    }

    /// Returns how many bytes more are kept now.
    pub(super) fn set_body(&mut self, body: &Bytes) -> usize {
        if self.forgotten { 0 } else { self.body.push(body) }
    }

    pub(super) fn set_head(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.answer = Some(Answer {
            status,
            headers: Headers::of(headers),
            head_ms: self.received.elapsed_ms(),
            first_byte_ms: None,
            last_byte_ms: None,
            writes: 0,
            body: Kept::default(),
        });
    }

    /// Returns how many bytes more are kept now.
    pub(super) fn add_sent(&mut self, bytes: &Bytes) -> usize {
        let now = self.received.elapsed_ms();
        let Some(answer) = self.answer.as_mut() else {
            self.set_head(StatusCode::OK, &HeaderMap::new());
            return self.add_sent(bytes);
        };
        answer.first_byte_ms.get_or_insert(now);
        answer.last_byte_ms = Some(now);
        answer.writes += 1;
        if self.forgotten { 0 } else { answer.body.push(bytes) }
    }

    pub(super) fn set_happened(&mut self, happenings: Vec<Happening>) {
        self.happened = happenings;
    }

    /// Returns whether this is news.
    pub(super) fn end(&mut self, ended: Ended) -> bool {
        let is_first = self.ended.is_none();
        if is_first {
            self.ended = Some((ended, self.received.elapsed_ms()));
        }
        is_first
    }

    /// Lets go of the bodies. Returns how many bytes they had.
    pub(super) fn forget(&mut self) -> usize {
        let bytes = self.kept_bytes();
        self.forgotten = true;
        self.body = Kept::default();
        if let Some(answer) = &mut self.answer {
            answer.body = Kept::default();
        }
        bytes
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.body.bytes.len() + self.answer.as_ref().map_or(0, |answer| answer.body.bytes.len())
    }

    pub(super) fn to_json(&self) -> Value {
        let (path, query) = match self.uri.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.uri.as_str(), None),
        };
        json!({
            "number": self.number,
            "received_at_ms": self.received.wall.duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |elapsed| elapsed.as_millis() as u64),
            "method": self.method.as_str(),
            "path": path,
            "query": query,
            "headers": self.headers.to_json(),
            "body": self.body.to_json(),
            "body_bytes": self.body.total,
            "body_truncated": self.body.is_truncated(),
            "answer": self.answer.as_ref().map(Answer::to_json),
            "ended": self.ended.map(|(ended, _)| ended.name()),
            "ended_ms": self.ended.map(|(_, after)| after),
            "faults": self.happened,
        })
    }
}

impl Answer {
    fn to_json(&self) -> Value {
        json!({
            "status": self.status.as_u16(),
            "headers": self.headers.to_json(),
            "body": self.body.to_json(),
            "body_bytes": self.body.total,
            "body_truncated": self.body.is_truncated(),
            "writes": self.writes,
            "head_ms": self.head_ms,
            "first_byte_ms": self.first_byte_ms,
            "last_byte_ms": self.last_byte_ms,
        })
    }
}

/// Headers without secrets, in one piece of memory: the originals are parts of the connection's buffer, and would keep
/// all of it.
struct Headers {
    /// Name and value of each, one behind the other.
    bytes: Vec<u8>,
    /// The ends of each name and value in it.
    ends: Vec<(usize, usize)>,
}

impl Headers {
    fn of(headers: &HeaderMap) -> Headers {
        let length = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let mut kept = Headers { bytes: Vec::with_capacity(length), ends: Vec::with_capacity(headers.len()) };
        for (name, value) in headers {
            let value = if SECRET_HEADERS.contains(name) { REDACTED } else { value.as_bytes() };
            kept.bytes.extend_from_slice(name.as_str().as_bytes());
            let name_end = kept.bytes.len();
            kept.bytes.extend_from_slice(value);
            kept.ends.push((name_end, kept.bytes.len()));
        }
        kept
    }

    /// Values of one name are joined, as RFC 9110 §5.3 has it.
    fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut start = 0;
        for (name_end, end) in &self.ends {
            let [name, value] =
                [start..*name_end, *name_end..*end].map(|range| String::from_utf8_lossy(&self.bytes[range]));
            start = *end;
            match object.get_mut(name.as_ref()) {
                Some(Value::String(joined)) => *joined = format!("{joined}, {value}"),
                _ => drop(object.insert(name.into_owned(), value.into())),
            }
        }
        object.into()
    }
}
