//! Frames of somebody else's answer: passed on as they are, and ended when they break off.

use std::io;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use interference_backend::{FrameStream, Reply, ReplyBody, WhenBroken};
use interference_server::{AllowedOrigin, Limits, ServeOptions};
use interference_wire::{BodyExpected, Ending, Framing, Place};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::backend::Anything;
use crate::exchange::{Running, outcome, post};
use crate::raw_client::{BOUND, ask, body, chunks, connect, header, journal, one_answer, request};

pub(crate) const EVENTS: &str = "text/event-stream";
pub(crate) const JSON: &str = "application/json";

/// What comes of an answer.
#[derive(Clone)]
pub(crate) enum Piece {
    Frame(&'static str),
    Broken(io::ErrorKind),
    Silence,
    Panic,
    /// Frames without a pause and without an end.
    Flood,
}

pub(crate) use Piece::{Broken, Flood, Frame, Panic, Silence};

/// An answer as somebody else gives it.
#[derive(Clone)]
pub(crate) struct Passed {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) when_broken: WhenBroken,
}

impl Passed {
    pub(crate) fn new(content_type: &'static str, pieces: &[Piece]) -> Passed {
        let headers = vec![("content-type", content_type)];
        Passed { status: 200, headers, pieces: pieces.to_vec(), when_broken: WhenBroken::Mend }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Passed {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn repeated(self) -> Passed {
        Passed { when_broken: WhenBroken::Repeat, ..self }
    }

    /// Tells when the end of its frames is reached, and when they are dropped.
    pub(crate) fn reply(&self, told: &mpsc::UnboundedSender<&'static str>) -> Reply {
        let pairs = self
            .headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let body = ReplyBody::Frames(frames(self.pieces.clone(), told.clone()));
        Reply {
            headers: HeaderMap::from_iter(pairs),
            when_broken: self.when_broken,
            ..Reply::new(StatusCode::from_u16(self.status).unwrap(), body)
        }
    }

    /// A server that answers everything so.
    pub(crate) async fn serve(self, options: ServeOptions) -> Running {
        Running::start_before(|told| Anything(move |_| Ok(self.reply(&told))), options).await
    }
}

/// Tells when the frames are dropped.
struct Held(mpsc::UnboundedSender<&'static str>);

impl Drop for Held {
    fn drop(&mut self) {
        let _test_is_over = self.0.send("dropped");
    }
}

fn frames(pieces: Vec<Piece>, told: mpsc::UnboundedSender<&'static str>) -> FrameStream {
    let held = Held(told.clone());
    let pieces = pieces.into_iter().map(|piece| -> FrameStream {
        match piece {
            Frame(text) => Box::pin(stream::iter([Ok(Bytes::from_static(text.as_bytes()))])),
            Broken(kind) => Box::pin(stream::iter([Err(kind.into())])),
            Silence => Box::pin(stream::pending()),
            Panic => Box::pin(stream::once(async { panic!("a bug of the test's own") })),
            Flood => Box::pin(stream::repeat_with(|| Ok(Bytes::from_static(b"data: x\n\n")))),
        }
    });
    let pieces: Vec<FrameStream> = pieces.collect();
    let end = stream::poll_fn(move |_| {
        let _test_is_over = told.send("reached");
        Poll::Ready(None)
    });
    Box::pin(stream::iter(pieces).flatten().chain(end).map(move |piece| {
        let _with_the_stream = &held;
        piece
    }))
}

fn request_time() -> ServeOptions {
    let limits = Limits { request_time: Duration::from_millis(60), ..Limits::default() };
    ServeOptions { limits, ..ServeOptions::default() }
}

/// The events by which a stream of chats is ended.
fn told(message: &str, code: &str) -> String {
    format!(
        "data: {{\"error\":{{\"message\":\"{message}\",\"type\":\"server_error\",\"param\":null,\"code\":\"{code}\"}}}}\n\n\
         data: [DONE]\n\n"
    )
}

fn broke_off() -> String {
    told("The upstream broke its answer off before the end.", "upstream_broke_off")
}

#[tokio::test]
async fn each_frame_is_a_chunk_as_it_was() {
    let pieces = [Frame(": hi\r\n\r\nretry: 5\n"), Frame(""), Frame("data: {\"x\""), Frame(":1}\n\n")];
    let passed = Passed::new(EVENTS, &pieces).with("x-request-id", "theirs").with("x-more", "kept");
    let server = passed.serve(ServeOptions::default()).await;
    let mut connection = connect(&server).await;
    for _ in 0..2 {
        let answer = ask(&mut connection, &request("", "")).await;
        assert_eq!(chunks(&answer), [": hi\r\n\r\nretry: 5\n", "data: {\"x\"", ":1}\n\n", ""]);
        assert_eq!(answer.received.ending, Ending::Complete { by: Framing::Chunks });
        assert_eq!(header(&answer, "content-type").as_deref(), Some(EVENTS));
        assert_eq!(header(&answer, "x-more").as_deref(), Some("kept"));
        assert_ne!(header(&answer, "x-request-id").as_deref(), Some("theirs"));
        assert!(answer.keeps_alive());
    }
    assert_eq!(journal(&server).await["requests"][0]["ended"], "complete");
}

#[tokio::test]
async fn a_length_that_was_told_is_kept_to() {
    let table = [
        (
            vec![Frame("{\"a\""), Frame(":1}")],
            "{\"a\":1}",
            Ending::Complete { by: Framing::Length(7) },
            "complete",
        ),
        (
            vec![Frame("{\"a\":1} and more")],
            "{\"a\":1}",
            Ending::Complete { by: Framing::Length(7) },
            "complete",
        ),
        (vec![Frame("{\"a\"")], "{\"a\"", Ending::LengthMismatch { expected: 7, received: 4 }, "broken_off"),
        // The head at least has come.
        (
            vec![Broken(io::ErrorKind::UnexpectedEof)],
            "",
            Ending::LengthMismatch { expected: 7, received: 0 },
            "broken_off",
        ),
        (
            vec![Frame("{\"a\""), Broken(io::ErrorKind::UnexpectedEof)],
            "{\"a\"",
            Ending::LengthMismatch { expected: 7, received: 4 },
            "broken_off",
        ),
    ];
    for (pieces, expected, ending, ended) in table {
        let passed = Passed::new(JSON, &pieces).with("content-length", "7");
        for passed in [passed.clone(), passed.repeated()] {
            let server = passed.serve(ServeOptions::default()).await;
            let answer = one_answer(&server, &request("", "")).await;
            assert_eq!((body(&answer), &answer.received.ending), (expected, &ending));
            assert_eq!(journal(&server).await["requests"][0]["ended"], ended);
        }
    }
}

/// The HTTP library asks for no end that it knows already; whoever records an answer needs it.
#[tokio::test]
async fn the_source_knows_that_its_end_was_reached() {
    let whole = || Passed::new(JSON, &[Frame("{}")]);
    let head = request("", "").replace("POST", "HEAD");
    for (passed, asking) in [
        (whole(), request("", "")),
        (whole().with("content-length", "2"), request("", "")),
        (whole().with("content-length", "2").repeated(), request("", "")),
        (Passed { status: 204, pieces: Vec::new(), ..whole() }, request("", "")),
        (Passed { pieces: Vec::new(), ..whole() }, head),
    ] {
        let mut server = passed.serve(ServeOptions::default()).await;
        let mut connection = connect(&server).await;
        connection.send(asking.as_bytes()).await.unwrap();
        assert_eq!([server.told().await, server.told().await], ["reached", "dropped"], "{asking}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_mended() {
    let silent = told("The upstream fell silent in the middle of its answer.", "upstream_timeout");
    let bug = told("The server has a bug, and this answer met it.", "internal_error");
    let table = [
        (
            vec![Frame("data: a\n\n"), Broken(io::ErrorKind::ConnectionReset)],
            format!("data: a\n\n{}", broke_off()),
        ),
        (vec![Frame("data: a"), Broken(io::ErrorKind::UnexpectedEof)], format!("data: a\n\n{}", broke_off())),
        (vec![Broken(io::ErrorKind::InvalidData)], broke_off()),
        (vec![Frame("data: a\r\n"), Broken(io::ErrorKind::TimedOut)], format!("data: a\r\n\n{silent}")),
        (vec![Frame("data: a\n\n"), Panic], format!("data: a\n\n{bug}")),
    ];
    for (pieces, expected) in table {
        let server =
            Passed::new("Text/Event-Stream; charset=utf-8", &pieces).serve(ServeOptions::default()).await;
        let answer = one_answer(&server, &request("", "")).await;
        assert_eq!(body(&answer), expected);
        assert_eq!(answer.received.ending, Ending::Complete { by: Framing::Chunks });
        assert_eq!(journal(&server).await["requests"][0]["ended"], "broken_off");
    }
}

#[tokio::test]
async fn a_stream_has_one_end() {
    let done = "data: a\n\ndata: [DONE]\n\n";
    let table = [
        (vec![Frame("data: a\n\n")], "data: a\n\n"),
        (vec![Frame(done), Broken(io::ErrorKind::ConnectionReset)], done),
        (vec![Frame(done), Silence], done),
    ];
    for (pieces, expected) in table {
        let server = Passed::new(EVENTS, &pieces).serve(request_time()).await;
        let answer = one_answer(&server, &request("", "")).await;
        assert_eq!((body(&answer), answer.received.ending.is_complete()), (expected, true));
    }
}

#[tokio::test]
async fn a_response_is_mended_in_its_dialect() {
    let pieces = [Frame("event: response.created\ndata: {}\n\n"), Broken(io::ErrorKind::ConnectionReset)];
    let server = Passed::new(EVENTS, &pieces).serve(ServeOptions::default()).await;
    let answer =
        one_answer(&server, &request("", "").replace("/chat/completions", "/responses/any/other")).await;
    assert_eq!(
        body(&answer),
        "event: response.created\ndata: {}\n\nevent: error\ndata: {\"type\":\"error\",\"code\":\"upstream_broke_off\",\
         \"message\":\"The upstream broke its answer off before the end.\",\"param\":null,\"sequence_number\":1}\n\n"
    );
    assert!(answer.received.ending.is_complete());
}

#[tokio::test]
async fn what_cannot_be_mended_breaks_off() {
    let pieces = [Frame("data: a\n\n"), Broken(io::ErrorKind::ConnectionReset)];
    let events = || Passed::new(EVENTS, &pieces);
    for passed in [
        Passed::new(JSON, &pieces),
        events().with("content-encoding", "br"),
        Passed { status: 500, ..events() },
        Passed { headers: Vec::new(), ..events() },
    ] {
        let server = passed.serve(ServeOptions::default()).await;
        let answer = one_answer(&server, &request("", "")).await;
        assert_eq!(
            (body(&answer), answer.received.ending),
            ("data: a\n\n", Ending::Cut(Place::BetweenChunks))
        );
        assert_eq!(journal(&server).await["requests"][0]["ended"], "broken_off");
    }
    let server = events().with("content-length", "12").serve(ServeOptions::default()).await;
    let answer = one_answer(&server, &request("", "")).await;
    assert_eq!(answer.received.ending, Ending::LengthMismatch { expected: 12, received: 9 });
}

/// Where a close is a good end, a broken one must be another.
#[tokio::test]
async fn an_old_client_is_not_told_that_a_broken_answer_is_whole() {
    let pieces = [Frame("data: a\n\n"), Broken(io::ErrorKind::UnexpectedEof)];
    let old = request("", "").replace("HTTP/1.1", "HTTP/1.0");
    let server = Passed::new(JSON, &pieces).serve(ServeOptions::default()).await;
    let mut connection = connect(&server).await;
    let answer = ask(&mut connection, &old).await;
    assert!(matches!(answer.received.ending, Ending::Reset(_)), "{:?}", answer.received.ending);
    let server = Passed::new(EVENTS, &pieces).serve(ServeOptions::default()).await;
    let answer = one_answer(&server, &old).await;
    assert_eq!(body(&answer), format!("data: a\n\n{}", broke_off()));
    assert_eq!(answer.received.ending, Ending::Complete { by: Framing::ConnectionEnd });
}

#[tokio::test]
async fn the_time_limit_ends_any_answer() {
    let over = told(
        "The request took longer than 0.06 s, which is this server's limit. Ask for less, or start the server with a larger \
         `--request-timeout`.",
        "request_timeout",
    );
    for endless in [Silence, Flood] {
        let mut server =
            Passed::new(EVENTS, &[Frame("data: a\n\n"), endless.clone()]).serve(request_time()).await;
        let answer = one_answer(&server, &request("", "")).await;
        assert!(
            body(&answer).starts_with("data: a\n\n") && body(&answer).ends_with(&over),
            "{}",
            body(&answer)
        );
        assert!(answer.received.ending.is_complete());
        assert_eq!(server.told().await, "dropped");
        assert_eq!(journal(&server).await["requests"][0]["ended"], "timed_out");

        let server = Passed::new(JSON, &[Frame("{"), endless]).serve(request_time()).await;
        let answer = one_answer(&server, &request("", "")).await;
        assert_eq!(answer.received.ending, Ending::Cut(Place::BetweenChunks));
        assert_eq!(journal(&server).await["requests"][0]["ended"], "timed_out");
    }
}

#[tokio::test]
async fn a_server_that_stops_ends_any_answer() {
    let stopped = format!("data: a\n\n{}", told("The server is going down.", "server_stopping"));
    let table = [
        (EVENTS, stopped.as_str(), Ending::Complete { by: Framing::Chunks }),
        (JSON, "data: a\n\n", Ending::Cut(Place::BetweenChunks)),
    ];
    for (content_type, expected, ending) in table {
        let options = ServeOptions { drain: Duration::ZERO, ..ServeOptions::default() };
        let server = Passed::new(content_type, &[Frame("data: a\n\n"), Silence]).serve(options).await;
        let mut connection = connect(&server).await;
        connection.send(request("", "").as_bytes()).await.unwrap();
        let mut reading = connection.begin_answer(BodyExpected::Yes);
        while reading.so_far().chunks.is_empty() {
            timeout(BOUND, reading.next_read()).await.unwrap().unwrap();
        }
        let stopped = server.stop();
        while timeout(BOUND, reading.next_read()).await.unwrap().is_some() {}
        let answer = reading.finish();
        assert_eq!((body(&answer), &answer.received.ending), (expected, &ending));
        outcome(stopped).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_ends_the_source() {
    let mut server =
        Passed::new(EVENTS, &[Frame("data: a\n\n"), Silence]).serve(ServeOptions::default()).await;
    let mut connection = crate::exchange::Connection::open(server.address).await;
    connection.write(&post("")).await;
    connection.read_until("data: a").await;
    drop(connection);
    assert_eq!(server.told().await, "dropped");
    assert_eq!(journal(&server).await["requests"][0]["ended"], "client_gone");
}

#[tokio::test]
async fn an_answer_without_a_body_has_none() {
    let plain = |status| Passed { status, ..Passed::new(JSON, &[]) };
    let no_content = || Passed { headers: Vec::new(), ..plain(204) };
    let head = request("", "").replace("POST", "HEAD");
    let table = [
        (plain(200).with("content-length", "500"), head.clone(), Some("500")),
        (plain(200), head, None),
        (plain(304).with("etag", "\"e\""), request("", ""), None),
        (no_content(), request("", ""), None),
        (plain(200).with("content-length", "0"), request("", ""), Some("0")),
    ];
    for (passed, asking, length) in table {
        for passed in [passed.clone(), passed.repeated()] {
            let status = passed.status;
            let server = passed.serve(ServeOptions::default()).await;
            let mut connection = connect(&server).await;
            for _ in 0..2 {
                connection.send(asking.as_bytes()).await.unwrap();
                let expected =
                    if asking.starts_with("HEAD") { BodyExpected::AfterHead } else { BodyExpected::Yes };
                let answer = timeout(BOUND, connection.read_answer(expected)).await.unwrap();
                assert_eq!(answer.status(), Some(status), "{asking}");
                assert_eq!(header(&answer, "content-length").as_deref(), length, "{status} {asking}");
                assert_eq!(header(&answer, "transfer-encoding"), None, "{status} {asking}");
                let content_type = (status != 204).then_some(JSON);
                assert_eq!(header(&answer, "content-type").as_deref(), content_type, "{status} {asking}");
                assert!(
                    answer.received.ending.is_complete() && answer.keeps_alive(),
                    "{}",
                    answer.wire_log()
                );
                assert_eq!(body(&answer), "");
            }
            assert_eq!(journal(&server).await["requests"][0]["ended"], "complete", "{status} {asking}");
        }
    }
}

#[tokio::test]
async fn only_this_server_says_which_pages_may_read() {
    let passed = Passed::new(JSON, &[Frame("{}")])
        .with("access-control-allow-origin", "*")
        .with("access-control-allow-credentials", "true")
        .with("vary", "accept-encoding");
    let asking = request("", "origin: http://a.example\r\n");
    let answer = one_answer(&passed.clone().serve(ServeOptions::default()).await, &asking).await;
    assert_eq!(header(&answer, "access-control-allow-origin"), None);
    let allowed_origins: Vec<AllowedOrigin> = vec!["http://a.example".parse().unwrap()];
    let server = passed.serve(ServeOptions { allowed_origins, ..ServeOptions::default() }).await;
    let answer = server.exchange(&post("").replace("host:", "origin: http://a.example\r\nhost:")).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let vary: Vec<&str> = answer.headers.iter().filter_map(|line| line.strip_prefix("vary: ")).collect();
    assert_eq!(vary, ["accept-encoding", "origin"]);
}
