//! One exchange as it is remembered, and as it is told.

use std::time::{Instant, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use interference_backend::{query_without_secrets, value_without_secrets};
use interference_faults::Happening;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::Clock;

/// How much of a body is kept, in bytes.
const LONGEST_BODY: usize = 256 << 10;

/// By how much the memory of a body grows, in bytes.
const BLOCK: usize = 4 << 10;

/// How deep the JSON of a body may be to be told as JSON. Readers of the journal have bounds, too: serde_json's is 128
/// levels, and what is above a body in the journal takes some of them.
const DEEPEST_BODY: usize = 100;

/// How many things that faults did are kept; more are counted.
const MOST_HAPPENINGS: usize = 100;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The whole answer was handed on to be sent.
    Complete,
    /// The client went away before.
    ClientGone,
    /// Whoever the answer came from broke off.
    BrokenOff,
    /// A fault ended it before its time.
    Fault,
    /// The server went down.
    ServerStopped,
    /// The request took too long, or the client did not read its answer.
    TimedOut,
}

impl Ended {
    /// As the journal and the log have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Ended::Complete => "complete",
            Ended::ClientGone => "client_gone",
            Ended::BrokenOff => "broken_off",
            Ended::Fault => "fault",
            Ended::ServerStopped => "server_stopped",
            Ended::TimedOut => "timed_out",
        }
    }
}

/// What is remembered.
pub(super) struct Entry {
    pub(super) number: u64,
    /// Shared with the answer: a name of our own making, and no part of the connection's buffer.
    request_id: HeaderValue,
    received: Clock,
    method: Method,
    path: String,
    query: Option<String>,
    headers: Headers,
    body: Kept,
    answer: Option<Answer>,
    happened: Vec<Happening>,
    /// With what is not kept.
    happened_in_all: u64,
    ended: Option<(Ended, f64)>,
    /// It is no longer in the journal: nothing more needs to be kept.
    forgotten: bool,
}

struct Answer {
    status: StatusCode,
    headers: Headers,
    head_ms: f64,
    /// When the first and the last bytes were handed on.
    first_and_last: Option<(Instant, Instant)>,
    /// How often bytes were handed on.
    writes: u64,
    body: Kept,
}

/// The beginning of a body. It is copied: to keep the pieces themselves would spread every answer over memory that is
/// freed much later and by other threads, which costs more than copying them. What was copied stays where it is: a body
/// that grew in one place would be copied again and again, each time from memory that has long left the cache.
#[derive(Default)]
struct Kept {
    /// What came first, which may be all.
    first: Vec<u8>,
    /// What came after that, block behind block; the last may have room.
    blocks: Vec<Vec<u8>>,
    length: usize,
    total: u64,
}

impl Kept {
    /// Keeps what is not too much. Returns how much more memory that takes.
    fn push(&mut self, bytes: &[u8]) -> usize {
        self.total += bytes.len() as u64;
        let kept = &bytes[..bytes.len().min(LONGEST_BODY - self.length)];
        self.length += kept.len();
        let last = self.blocks.last_mut().unwrap_or(&mut self.first);
        let (here, beyond) = kept.split_at(kept.len().min(last.capacity() - last.len()));
        last.extend_from_slice(here);
        if beyond.is_empty() {
            return 0;
        }
        let is_first = self.first.is_empty();
        let mut block = Vec::with_capacity(if is_first { beyond.len() } else { beyond.len().max(BLOCK) });
        block.extend_from_slice(beyond);
        let more = block.capacity();
        if is_first {
            self.first = block;
        } else {
            self.blocks.push(block);
        }
        more
    }

    fn parts(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.first).chain(&self.blocks)
    }

    /// The memory of all that, in bytes.
    fn capacity(&self) -> usize {
        self.parts().map(Vec::capacity).sum()
    }

    fn bytes(&self) -> Vec<u8> {
        self.parts().map(Vec::as_slice).collect::<Vec<_>>().concat()
    }

    /// JSON as it is, anything else as text, and so is JSON that is very deep; none for nothing.
    fn to_json(&self) -> Option<Box<RawValue>> {
        if self.total == 0 {
            return None;
        }
        let bytes = self.bytes();
        let text = String::from_utf8_lossy(&bytes);
        // What other readers of JSON do not take, such as half of a surrogate pair, would cost them the whole journal.
        let is_plain = || depth(&text) <= DEEPEST_BODY && serde_json::from_str::<Value>(&text).is_ok();
        let json = serde_json::from_str(&text).ok().filter(|_| is_plain());
        json.or_else(|| to_raw_value(&text).ok())
    }

    fn is_truncated(&self) -> bool {
        self.total > self.length as u64
    }
}

/// How many arrays and objects of a JSON text are open at the same time.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

impl Entry {
    pub(super) fn new(head: &Parts, request_id: &HeaderValue) -> Entry {
        Entry {
            number: 0,
            request_id: request_id.clone(),
            received: Clock::now(),
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(query_without_secrets),
            headers: Headers::of(&head.headers),
            body: Kept::default(),
            answer: None,
            happened: Vec::new(),
            happened_in_all: 0,
            ended: None,
            forgotten: false,
        }
    }

    /// Returns how many bytes of memory more it takes now.
    pub(super) fn set_body(&mut self, body: &Bytes) -> usize {
        if self.forgotten { 0 } else { self.body.push(body) }
    }

    /// Returns how many bytes of memory more it takes now.
    pub(super) fn set_head(&mut self, status: StatusCode, headers: &HeaderMap) -> usize {
        if self.forgotten {
            return 0;
        }
        let before = self.kept_bytes();
        self.answer = Some(Answer {
            status,
            headers: Headers::of(headers),
            head_ms: self.received.elapsed_ms(),
            first_and_last: None,
            writes: 0,
            body: Kept::default(),
        });
        self.kept_bytes().saturating_sub(before)
    }

    /// Returns how many bytes of memory more it takes now.
    pub(super) fn add_sent(&mut self, bytes: &Bytes, now: Instant) -> usize {
        let Some(answer) = self.answer.as_mut() else {
            return 0;
        };
        answer.first_and_last.get_or_insert((now, now)).1 = now;
        answer.writes += 1;
        if self.forgotten { 0 } else { answer.body.push(bytes) }
    }

    pub(super) fn add_happened(&mut self, happenings: &[Happening], in_all: u64) {
        let kept = happenings.len().min(MOST_HAPPENINGS - self.happened.len());
        self.happened.extend_from_slice(&happenings[..kept]);
        self.happened_in_all = in_all;
    }

    /// Returns whether this is news.
    pub(super) fn end(&mut self, ended: Ended) -> bool {
        let is_first = self.ended.is_none();
        if is_first {
            self.ended = Some((ended, self.received.elapsed_ms()));
        }
        is_first
    }

    /// Lets go of the bodies. Returns how many bytes of memory that gives.
    pub(super) fn forget(&mut self) -> usize {
        let bytes = self.kept_bytes();
        self.forgotten = true;
        self.body = Kept::default();
        self.headers = Headers::default();
        self.answer = None;
        bytes
    }

    /// The memory of bodies, headers and the query.
    pub(super) fn kept_bytes(&self) -> usize {
        let of_answer =
            self.answer.as_ref().map_or(0, |answer| answer.body.capacity() + answer.headers.bytes.len());
        let of_target = self.path.len() + self.query.as_ref().map_or(0, String::len);
        self.body.capacity() + self.headers.bytes.len() + of_target + of_answer
    }

    /// The exchange as JSON.
    pub(super) fn to_json(&self) -> String {
        let received_at = self.received.wall.duration_since(UNIX_EPOCH);
        let view = EntryView {
            number: self.number,
            request_id: self.request_id.to_str().unwrap_or_default(),
            received_at_ms: received_at.map_or(0, |elapsed| elapsed.as_millis() as u64),
            method: self.method.as_str(),
            path: &self.path,
            query: self.query.as_deref(),
            headers: self.headers.to_json(),
            body: self.body.to_json(),
            body_bytes: self.body.total,
            body_truncated: self.body.is_truncated(),
            answer: self.answer.as_ref().map(|answer| answer.view(&self.received)),
            ended: self.ended.map(|(ended, _)| ended.name()),
            ended_ms: self.ended.map(|(_, after)| after),
            faults: &self.happened,
            faults_beyond: self.happened_in_all - self.happened.len() as u64,
        };
        // None of it is what JSON cannot say.
        serde_json::to_string(&view).unwrap_or_else(|_| "null".to_owned())
    }
}

impl Answer {
    fn view(&self, received: &Clock) -> AnswerView {
        AnswerView {
            status: self.status.as_u16(),
            headers: self.headers.to_json(),
            body: self.body.to_json(),
            body_bytes: self.body.total,
            body_truncated: self.body.is_truncated(),
            writes: self.writes,
            head_ms: self.head_ms,
            first_byte_ms: self.first_and_last.map(|(first, _)| received.ms_until(first)),
            last_byte_ms: self.first_and_last.map(|(_, last)| received.ms_until(last)),
        }
    }
}

/// An [`Entry`] as it is told; see `docs/journal.md`.
#[derive(Serialize)]
struct EntryView<'a> {
    number: u64,
    request_id: &'a str,
    received_at_ms: u64,
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    headers: Map<String, Value>,
    body: Option<Box<RawValue>>,
    body_bytes: u64,
    body_truncated: bool,
    answer: Option<AnswerView>,
    ended: Option<&'static str>,
    ended_ms: Option<f64>,
    faults: &'a [Happening],
    faults_beyond: u64,
}

#[derive(Serialize)]
struct AnswerView {
    status: u16,
    headers: Map<String, Value>,
    body: Option<Box<RawValue>>,
    body_bytes: u64,
    body_truncated: bool,
    writes: u64,
    head_ms: f64,
    first_byte_ms: Option<f64>,
    last_byte_ms: Option<f64>,
}

/// Headers without secrets, in one piece of memory: the originals are parts of the connection's buffer, and would keep
/// all of it.
#[derive(Default)]
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
            let value = value_without_secrets(name, value.as_bytes());
            kept.bytes.extend_from_slice(name.as_str().as_bytes());
            let name_end = kept.bytes.len();
            kept.bytes.extend_from_slice(&value);
            kept.ends.push((name_end, kept.bytes.len()));
        }
        kept
    }

    /// Values of one name are joined, as RFC 9110 §5.3 has it.
    fn to_json(&self) -> Map<String, Value> {
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
        object
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn told(body: &str) -> Value {
        let mut kept = Kept::default();
        kept.push(body.as_bytes());
        serde_json::from_str(kept.to_json().unwrap().get()).unwrap()
    }

    #[test]
    fn a_body_is_kept_whole_however_it_came() {
        let body: Vec<u8> = (b'a'..=b'z').cycle().take(3 * BLOCK).collect();
        for size in [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, body.len()] {
            let (mut kept, mut memory) = (Kept::default(), 0);
            for piece in body.chunks(size) {
                memory += kept.push(piece);
            }
            assert_eq!(kept.bytes(), body, "in pieces of {size}");
            assert_eq!((kept.length, memory), (body.len(), kept.capacity()));
            assert!(memory <= body.len() + BLOCK, "{memory} for pieces of {size}");
        }
    }

    #[test]
    fn of_a_long_body_the_beginning_is_kept() {
        let mut kept = Kept::default();
        for piece in [vec![b'a'; LONGEST_BODY - 1], vec![b'b'; 2], vec![b'c'; 1]] {
            kept.push(&piece);
        }
        assert!(kept.is_truncated());
        assert_eq!((kept.total, kept.length), (LONGEST_BODY as u64 + 2, LONGEST_BODY));
        assert_eq!(kept.bytes().last(), Some(&b'b'));
    }

    #[test]
    fn a_body_that_strict_readers_refuse_is_told_as_text() {
        for odd in [r#"{"text":"\ud800"}"#, r#"{"n":1e999}"#] {
            assert_eq!(told(odd), Value::from(odd));
        }
        assert_eq!(told(r#"{"text":"\ud83c\udf33"}"#), serde_json::json!({"text": "🌳"}));
    }

    #[test]
    fn a_body_deeper_than_readers_go_is_told_as_text() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(told(&nested(DEEPEST_BODY)).is_array());
        for deep in [nested(DEEPEST_BODY + 1), nested(10_000)] {
            assert_eq!(told(&deep), Value::from(deep.as_str()));
        }
        let brackets_in_strings = format!(r#"{{"\"{0}": "\\", "{0}": ["{0}"]}}"#, "[{".repeat(DEEPEST_BODY));
        assert!(told(&brackets_in_strings).is_object());
    }
}
