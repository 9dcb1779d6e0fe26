//! One request on one connection: sent, and its answer read to whatever end.
//!
//! Owns the bytes of the head and the order of stamps. Every time is taken by the wire right after a read, or right
//! before a write; nothing is parsed before.

use std::time::{Duration, Instant};

use interference_target::Target;
use interference_wire::{AnswerHead, BodyExpected, ConnectError, Connection, Limits, SendError};

use crate::failure::Failure;
use crate::observation::Observation;
use crate::reading::{AnswerReader, Heard};
use crate::work::Ask;

/// What the systems of both ends may add to a round trip.
const SYSTEMS_SHARE: Duration = Duration::from_millis(5);

/// Bytes of a body that are read, at most: more than the largest answer of the API, which has 2,048 embeddings.
const LARGEST_BODY: usize = 256 << 20;

/// What came of a request.
pub(crate) struct Exchanged {
    pub(crate) connect: Option<Duration>,
    pub(crate) sent: Option<Instant>,
    pub(crate) headers: Option<Instant>,
    pub(crate) first_byte: Option<Instant>,
    pub(crate) heard: Heard,
    /// The head of the answer, if it was whole.
    pub(crate) head: Option<AnswerHead>,
    pub(crate) ended: Instant,
    pub(crate) outcome: Result<(), Failure>,
    /// Whether another request may follow on the connection.
    pub(crate) keeps_alive: bool,
    /// Whether the connection was closed at once, before a byte of the answer came: if it had been idle, the server had
    /// ended it before the request reached it.
    pub(crate) was_stale: bool,
}

/// The head of a request to the byte, its blank line included.
pub(crate) fn head(target: &Target, ask: &Ask) -> Vec<u8> {
    let accept = if ask.streamed { "text/event-stream" } else { "application/json" };
    let mut usual = vec![
        ("host", target.authority().into()),
        ("user-agent", concat!("interference-load/", env!("CARGO_PKG_VERSION")).into()),
        ("accept", accept.into()),
        ("content-type", "application/json".into()),
    ];
    usual.extend(target.key().map(|key| ("authorization", format!("Bearer {key}").into())));
    let mut head = format!("POST {}{} HTTP/1.1\r\n", target.base_path(), ask.endpoint.path());
    for (name, value) in target.headers_of(usual, &[]) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n", ask.body.len()));
    head.push_str("\r\n");
    head.into_bytes()
}

/// Opens a connection, and tells how long it took.
pub(crate) async fn connect(target: &Target, limits: Limits) -> Result<(Connection, Duration), ConnectError> {
    let before = Instant::now();
    let connection = Connection::connect(target.wire(), limits).await?;
    Ok((connection, before.elapsed()))
}

impl Exchanged {
    /// A request for which there was no connection.
    pub(crate) fn unsent(failure: Failure) -> Exchanged {
        Exchanged {
            connect: None,
            sent: None,
            headers: None,
            first_byte: None,
            heard: Heard::default(),
            head: None,
            ended: Instant::now(),
            outcome: Err(failure),
            keeps_alive: false,
            was_stale: false,
        }
    }
}

impl Exchanged {
    /// What was observed of the request of an arrival.
    pub(crate) fn observed(self, arrival: u64, scheduled: Instant, reconnected: bool) -> Observation {
        let Exchanged { connect, sent, headers, first_byte, heard, ended, outcome, .. } = self;
        Observation {
            arrival,
            scheduled,
            connect,
            sent,
            headers,
            first_byte,
            heard,
            ended,
            reconnected,
            outcome,
        }
    }
}

/// Sends a request, and reads its answer. `round_trip` is how long the server takes at least to be heard of.
///
/// # Cancellation
/// When the future is dropped the connection is of no more use.
pub(crate) async fn exchange(
    connection: &mut Connection,
    round_trip: Duration,
    request: &[u8],
    ask: &Ask,
) -> Exchanged {
    let mut exchanged = Exchanged::unsent(Failure::Unfinished);
    match connection.send(request).await {
        Ok(sent) => exchanged.sent = Some(sent.at),
        Err(error) => {
            exchanged.ended = Instant::now();
            exchanged.outcome = Err(error.into());
            exchanged.was_stale = matches!(error, SendError::Failed(_));
            return exchanged;
        }
    }
    let mut reading = connection.begin_answer(BodyExpected::Yes);
    let mut reader: Option<AnswerReader> = None;
    let mut body = Vec::new();
    let (mut last, mut came) = (None, 0);
    while let Some(read) = reading.next_read().await {
        last = Some(read.at);
        if reader.is_none()
            && let Some(head) = reading.head()
        {
            exchanged.headers = Some(read.at);
            reader = Some(reader_of(&head, ask));
        }
        reading.drain_body(&mut body);
        if let (false, Some(reader)) = (body.is_empty(), &mut reader) {
            exchanged.first_byte.get_or_insert(read.at);
            reader.take(&body, read.at);
        }
        came += body.len();
        if came > LARGEST_BODY {
            break;
        }
    }
    let answer = reading.finish();
    // An end that was under way when the request went out comes within a round trip. A later one is the server's answer
    // to the request, which may have been acted upon.
    let at_once = exchanged.sent.is_some_and(|sent| sent.elapsed() <= 2 * round_trip + SYSTEMS_SHARE);
    let broken = if came > LARGEST_BODY {
        Some(Failure::TooLarge)
    } else {
        Failure::of_ending(answer.received.ending)
    };
    let is_late = matches!(broken, Some(Failure::FirstByteTimedOut | Failure::TimedOut | Failure::Stalled));
    exchanged.was_stale = last.is_none() && at_once && !is_late;
    exchanged.ended = match (answer.received.ending.is_complete(), last) {
        (true, Some(last)) => last,
        _ => Instant::now(),
    };
    (exchanged.heard, exchanged.outcome) = conclude(reader, broken, exchanged.ended);
    exchanged.keeps_alive = answer.keeps_alive();
    exchanged.head = answer.head;
    exchanged
}

fn reader_of(head: &AnswerHead, ask: &Ask) -> AnswerReader {
    let is_well = (200..300).contains(&head.status);
    let is_stream = head
        .fields
        .first("content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"text/event-stream"));
    match (is_well, ask.streamed, is_stream) {
        (false, ..) => AnswerReader::of_failure(ask.endpoint, Failure::Status(head.status)),
        (true, true, false) => AnswerReader::of_failure(ask.endpoint, Failure::NotAnEventStream),
        (true, true, true) => AnswerReader::of_stream(ask.endpoint, ask.wants_text),
        (true, false, _) => AnswerReader::of_whole(ask.endpoint, ask.wants_text),
    }
}

/// What the server told of itself wins over how its connection ended, and that over what it left unsaid.
fn conclude(
    reader: Option<AnswerReader>,
    broken: Option<Failure>,
    ended: Instant,
) -> (Heard, Result<(), Failure>) {
    match (reader, broken) {
        (None, broken) => (Heard::default(), Err(broken.unwrap_or(Failure::MalformedHttp))),
        (Some(reader), None) => reader.finish(ended),
        (Some(reader), Some(broken)) => {
            let (heard, told) = reader.break_off();
            (heard, Err(told.unwrap_or(broken)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Endpoint;

    #[test]
    fn a_head_says_what_the_target_and_the_request_have_it_say() {
        let headers = vec![("x-team".to_owned(), "blue".to_owned())];
        let target = Target::parse("http://[::1]:8080/api/v1/", Some("sk-1".to_owned().into()), headers);
        let ask = Ask {
            endpoint: Endpoint::Responses,
            pause: Duration::ZERO,
            body: b"{}".to_vec(),
            streamed: true,
            wants_text: false,
        };
        let head = String::from_utf8(head(&target.unwrap(), &ask)).unwrap();
        let lines = [
            "POST /api/v1/responses HTTP/1.1",
            "host: [::1]:8080",
            concat!("user-agent: interference-load/", env!("CARGO_PKG_VERSION")),
            "accept: text/event-stream",
            "content-type: application/json",
            "authorization: Bearer sk-1",
            "x-team: blue",
            "content-length: 2",
            "",
            "",
        ];
        assert_eq!(head, lines.join("\r\n"));
    }

    #[test]
    fn a_header_of_the_target_is_in_the_place_of_the_usual_one() {
        let headers =
            vec![("Host".to_owned(), "api.local".to_owned()), ("Accept".to_owned(), "*/*".to_owned())];
        let target = Target::parse("http://[::1]:8080/v1", None, headers).unwrap();
        let ask = Ask {
            endpoint: Endpoint::Chat,
            pause: Duration::ZERO,
            body: b"{}".to_vec(),
            streamed: false,
            wants_text: false,
        };
        let head = String::from_utf8(head(&target, &ask)).unwrap();
        let count =
            |name: &str| head.lines().filter(|line| line.to_ascii_lowercase().starts_with(name)).count();
        assert_eq!((count("host:"), count("accept:"), count("user-agent:")), (1, 1, 1), "{head}");
        assert!(head.contains("\r\nHost: api.local\r\nAccept: */*\r\n"), "{head}");
    }
}
