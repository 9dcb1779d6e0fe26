//! What a verdict rests on: what was asked, what was sent and when, and what the client said of it.
//!
//! Owns what is shown, and bounds it: what is left out is told. Times count from when the client's request had come.

use std::time::Instant;

use interference_cassette::{is_secret, query_without_secrets};
use interference_report::{Direction, Exchange, WireEntry, abridged, milliseconds};
use interference_wire::{Ending, Request, Step, Written, escaped};

use crate::examiner::Asked;
use crate::program::{Run, RunEnd};
use crate::sample::KEY;

/// Requests of a client that are shown.
const MOST_EXCHANGES: usize = 6;
/// Writes of one answer that are shown: the first and the last of them.
const MOST_WRITES: usize = 120;
/// Bytes of one write, or of a request, that are shown.
const SHOWN_BYTES: usize = 2 << 10;
/// Bytes of the client's stdout and stderr that are shown.
const SHOWN_OUTPUT: usize = 8 << 10;

/// A request of the client's, and the answer to it.
#[derive(Debug)]
pub struct Attempt {
    /// Which of the client's requests in this case, from 0 on.
    pub(crate) number: usize,
    pub(crate) asked: Asked,
    pub(crate) request: Request,
    /// When the request had been read.
    pub(crate) came_at: Instant,
    pub(crate) steps: Vec<Step>,
    /// What all of it takes in memory.
    pub(crate) bytes: usize,
    /// The writes that the system took.
    pub(crate) writes: Vec<Written>,
    /// When the client was seen to go before the answer was over.
    pub(crate) left_at: Option<Instant>,
}

impl Attempt {
    /// When the last write began; without any, when the request had come. Nobody can have had its bytes before.
    pub(crate) fn last_write_began_at(&self) -> Instant {
        self.writes.last().map_or(self.came_at, |write| write.at)
    }

    /// When the last byte was handed to the system; without any, when the request had come.
    pub(crate) fn last_write_at(&self) -> Instant {
        self.writes.last().map_or(self.came_at, |write| write.taken_at)
    }
}

/// The client's requests with their answers, and what it printed after them.
pub(crate) fn evidence(attempts: &[Attempt], run: &Run, command: &str) -> Vec<Exchange> {
    let mut exchanges = exchanges(attempts, command);
    exchanges.push(output(run, attempts.first().map_or(run.began_at, |attempt| attempt.came_at), command));
    exchanges
}

/// The client's requests with their answers.
pub(crate) fn exchanges(attempts: &[Attempt], command: &str) -> Vec<Exchange> {
    attempts.iter().take(MOST_EXCHANGES).map(|attempt| exchange(attempt, command)).collect()
}

/// What was reported of a client that is no command.
pub(crate) fn report(words: &[u8], at: Instant, start: Instant, command: &str) -> Exchange {
    let reported = WireEntry {
        at_ms: milliseconds(start, at),
        direction: Direction::Received,
        offset: 0,
        bytes: words.len(),
        text: shown(words, SHOWN_OUTPUT),
    };
    Exchange {
        title: "what was reported of the client".to_owned(),
        curl: command.to_owned(),
        wire: vec![reported],
    }
}

fn exchange(attempt: &Attempt, command: &str) -> Exchange {
    let start = attempt.came_at;
    let received = &attempt.request.received;
    let mut wire = vec![WireEntry {
        at_ms: 0.0,
        direction: Direction::Received,
        offset: 0,
        bytes: received.raw.len(),
        text: shown(&without_secrets(&attempt.request), SHOWN_BYTES),
    }];
    wire.extend(writes(attempt));
    let event = |at: Instant, text: &str| WireEntry::event(milliseconds(start, at), text);
    if !received.ending.is_complete() {
        wire.push(event(start, told_break(&received.ending)));
    }
    if let Some(left_at) = attempt.left_at {
        wire.push(event(left_at, "the client closed the connection"));
    }
    match attempt.steps.last() {
        Some(Step::Reset) if attempt.left_at.is_none() => {
            wire.push(event(attempt.last_write_at(), "the connection was reset"));
        }
        Some(Step::Close) if attempt.left_at.is_none() => {
            wire.push(event(attempt.last_write_at(), "the connection was closed"));
        }
        _ => {}
    }
    let title = format!("request {} of the client, and what it was sent", attempt.number + 1);
    Exchange { title, curl: command.to_owned(), wire }
}

/// A request as it came, but for what may be somebody's own key, in a header or in the query: clients that are no command
/// are set up by hand. The key that the exam gives out is no secret.
fn without_secrets(request: &Request) -> Vec<u8> {
    let mut raw = request.received.raw.clone();
    let Some(head) = &request.head else { return raw };
    // From the last to the first, so that what is cut out moves none that comes later.
    for field in head.fields.0.iter().rev() {
        let is_secret = is_secret(&String::from_utf8_lossy(&field.name));
        let ours = field.value.strip_prefix(b"Bearer ").unwrap_or(&field.value) == KEY.as_bytes();
        let behind_name = field.offset + field.name.len();
        let Some(rest) = raw.get(behind_name..).filter(|_| is_secret && !ours) else { continue };
        let len = rest.iter().position(|byte| *byte == b'\r' || *byte == b'\n').unwrap_or(rest.len());
        raw.splice(behind_name..behind_name + len, *b": [left out]");
    }
    let line = head.raw.start + head.method.len();
    if let Some(query) = head.target.iter().position(|byte| *byte == b'?')
        && let Some(at) = raw.get(line..).and_then(|rest| find(rest, &head.target))
    {
        let (start, end) = (line + at + query + 1, line + at + head.target.len());
        let query: Vec<Vec<u8>> = raw[start..end].split(|byte| *byte == b'&').map(without_secret).collect();
        raw.splice(start..end, query.join(&b'&'));
    }
    raw
}

/// One part of a query: as it came, unless there is somebody's own secret in it.
fn without_secret(part: &[u8]) -> Vec<u8> {
    let told = String::from_utf8_lossy(part);
    let cut = query_without_secrets(&told);
    if cut == told || part.ends_with(format!("={KEY}").as_bytes()) { part.to_vec() } else { cut.into_bytes() }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// A line for each write; in the middle of many, one that counts those left out.
fn writes(attempt: &Attempt) -> Vec<WireEntry> {
    let mut end = 0;
    let places = attempt.writes.iter().map(|write| {
        let offset = end;
        end += write.len;
        (offset, write)
    });
    let places: Vec<(usize, &Written)> = places.collect();
    abridged(&places, MOST_WRITES, "writes", |(offset, write)| WireEntry {
        at_ms: milliseconds(attempt.came_at, write.at),
        direction: Direction::Sent,
        offset: *offset,
        bytes: write.len,
        text: match attempt.steps.get(write.step) {
            Some(Step::Write(bytes)) => shown(bytes, SHOWN_BYTES),
            _ => String::new(),
        },
    })
}

/// Why a request is not whole.
pub(crate) fn told_break(ending: &Ending) -> &'static str {
    match ending {
        Ending::Malformed { .. } => "the request is no HTTP/1.1",
        Ending::TooLarge(_) => "the request is longer than is read",
        Ending::TimedOut { .. } => "the end of the request did not come",
        _ => "the client went before the end of its request",
    }
}

fn output(run: &Run, start: Instant, command: &str) -> Exchange {
    let at_ms = milliseconds(start, run.ended_at);
    let printed = |name: &str, bytes: &[u8]| WireEntry {
        at_ms,
        direction: Direction::Received,
        offset: 0,
        bytes: bytes.len(),
        text: format!("{name}: {}", shown(bytes, SHOWN_OUTPUT)),
    };
    let ended = match run.end {
        RunEnd::Exited(status) => format!("it ended: {status}"),
        RunEnd::TimedOut => "it was killed at the limit of time".to_owned(),
        RunEnd::Flooded => "it was killed, since it printed too much".to_owned(),
    };
    let mut wire = vec![printed("stdout", &run.stdout)];
    if !run.stderr.is_empty() {
        wire.push(printed("stderr", &run.stderr));
    }
    wire.push(WireEntry::event(at_ms, ended));
    Exchange { title: "what the client said".to_owned(), curl: command.to_owned(), wire }
}

/// Bytes with escapes visible, long ones cut.
fn shown(bytes: &[u8], most: usize) -> String {
    let mut text = escaped(&bytes[..bytes.len().min(most)]);
    if bytes.len() > most {
        text.push_str(&format!("… and {} bytes more", bytes.len() - most));
    }
    text
}
