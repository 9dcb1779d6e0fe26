//! Every ending, played by a responder, as the reader and as hyper's client see it.

use std::error::Error;
use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use interference_wire::{
    Answer, BodyExpected, Ending, Flaw, Framing, Gone, LAST_CHUNK, Limits, Place, Responder, Step, chunk,
};
use tokio::net::{TcpListener, TcpStream};

use super::{CHUNKED, served, write};

const LONG: Duration = Duration::from_secs(20);

/// What a client that knows nothing of the wire makes of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Foreign {
    Body(&'static [u8]),
    Incomplete,
    Reset,
    Refused,
}

async fn judged(steps: Vec<Step>) -> Answer {
    let (mut connection, play) = served(Limits::default(), steps).await;
    let answer = connection.read_answer(BodyExpected::Yes).await;
    connection.close().await;
    play.await.unwrap();
    answer
}

async fn foreign(steps: Vec<Step>) -> Result<Bytes, hyper::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut responder = Responder::new(listener.accept().await.unwrap().0);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let play = tokio::spawn(async move {
        responder.read_request(&Limits::default()).await;
        responder.play(steps).await
    });
    let request = hyper::Request::get("/").body(Empty::<Bytes>::new()).unwrap();
    let outcome = match sender.send_request(request).await {
        Ok(response) => response.into_body().collect().await.map(|body| body.to_bytes()),
        Err(error) => Err(error),
    };
    drop(sender);
    // How the connection ends has been told by the answer.
    let _ = connection.await.unwrap();
    play.await.unwrap();
    outcome
}

fn is_reset(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
        {
            return true;
        }
        source = error.source();
    }
    false
}

fn assert_foreign(outcome: Result<Bytes, hyper::Error>, expected: &Foreign, case: &str) {
    let agrees = match (&outcome, expected) {
        (Ok(body), Foreign::Body(expected)) => body == expected,
        (Err(error), Foreign::Reset) => is_reset(error),
        (Err(error), Foreign::Refused) => error.is_parse(),
        // hyper hides what it lacks inside a body behind an error of input.
        (Err(error), Foreign::Incomplete) => {
            error.is_incomplete_message() || error.is_body_write_aborted() || is_short(error)
        }
        _ => false,
    };
    assert!(agrees, "{case}: {outcome:?} is not {expected:?}");
}

fn is_short(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

#[tokio::test]
async fn both_sides_see_how_an_answer_ends() {
    let length =
        |length: usize, body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    let chunks = |after: &str| format!("{CHUNKED}{}{after}", "1\r\na\r\n");
    let complete = |by| Ending::Complete { by };
    let cases = [
        ("whole", length(1, "a"), Step::Close, complete(Framing::Length(1)), Foreign::Body(b"a")),
        ("chunks", chunks("0\r\n\r\n"), Step::Close, complete(Framing::Chunks), Foreign::Body(b"a")),
        (
            "to the end",
            "HTTP/1.1 200 OK\r\n\r\na".into(),
            Step::Close,
            complete(Framing::ConnectionEnd),
            Foreign::Body(b"a"),
        ),
        (
            "no body",
            "HTTP/1.1 204 A\r\n\r\n".into(),
            Step::Close,
            complete(Framing::NoBody),
            Foreign::Body(b""),
        ),
        ("surplus", length(1, "ab"), Step::Close, complete(Framing::Length(1)), Foreign::Body(b"a")),
        ("nothing", String::new(), Step::Close, Ending::Cut(Place::BeforeHead), Foreign::Incomplete),
        ("half a head", "HTTP/1.1 200".into(), Step::Close, Ending::Cut(Place::Head), Foreign::Incomplete),
        (
            "too short",
            length(3, "ab"),
            Step::Close,
            Ending::LengthMismatch { expected: 3, received: 2 },
            Foreign::Incomplete,
        ),
        ("no last chunk", chunks(""), Step::Close, Ending::Cut(Place::BetweenChunks), Foreign::Incomplete),
        ("half a chunk", chunks("5\r\nabc"), Step::Close, Ending::Cut(Place::Chunk), Foreign::Incomplete),
        (
            "no end of trailers",
            chunks("0\r\n"),
            Step::Close,
            Ending::Cut(Place::Trailers),
            Foreign::Incomplete,
        ),
        ("reset at once", String::new(), Step::Reset, Ending::Reset(Place::BeforeHead), Foreign::Reset),
        ("reset in a chunk", chunks("5\r\nabc"), Step::Reset, Ending::Reset(Place::Chunk), Foreign::Reset),
        ("reset in a body", length(3, "ab"), Step::Reset, Ending::Reset(Place::Body), Foreign::Reset),
        (
            "not HTTP",
            "SMTP ready\r\n".into(),
            Step::Close,
            Ending::Malformed { flaw: Flaw::NotHttp, offset: 0 },
            Foreign::Refused,
        ),
    ];
    for (case, bytes, last, ending, expected) in cases {
        let steps = vec![write(&bytes), last];
        let answer = judged(steps.clone()).await;
        assert_eq!(answer.received.ending, ending, "{case}");
        assert_eq!(answer.received.raw, bytes.as_bytes(), "{case}");
        assert!(answer.sent_at.is_some());
        assert_foreign(foreign(steps).await, &expected, case);
    }
}

#[tokio::test]
async fn what_follows_a_flaw_is_kept() {
    let (first, second) = (format!("{CHUNKED}x\r\n"), "more".to_owned());
    let steps = vec![write(&first), Step::Wait(Duration::from_millis(10)), write(&second), Step::Close];
    let mut limits = Limits::default();
    limits.time.after_flaw = LONG;
    let (mut connection, play) = served(limits, steps).await;
    let answer = connection.read_answer(BodyExpected::Yes).await;
    let malformed = Ending::Malformed { flaw: Flaw::ChunkSize, offset: CHUNKED.len() };
    assert_eq!(answer.received.ending, malformed);
    assert_eq!(answer.received.raw, (first.clone() + &second).as_bytes());
    connection.close().await;
    play.await.unwrap();

    limits.time.after_flaw = Duration::from_millis(10);
    let (mut connection, play) = served(limits, vec![write(&first), Step::Hold(LONG)]).await;
    let answer = connection.read_answer(BodyExpected::Yes).await;
    assert_eq!(answer.received.ending, malformed);
    assert_eq!(answer.received.raw, first.as_bytes());
    connection.reset();
    assert!(matches!(play.await.unwrap().left_during_hold, Some((Gone::Reset, _))));
}

#[tokio::test]
async fn a_log_tells_when_each_write_was_handed_over() {
    let pause = Duration::from_millis(20);
    let steps = vec![
        write([CHUNKED.as_bytes(), &chunk(b"a")].concat()),
        Step::Wait(pause),
        write(chunk(b"b")),
        Step::WaitUntil(tokio::time::Instant::now()),
        write(LAST_CHUNK),
        Step::HalfClose,
        Step::Hold(LONG),
    ];
    let (mut connection, play) = served(Limits::default(), steps).await;
    let answer = connection.read_answer(BodyExpected::Yes).await;
    connection.close().await;
    let played = play.await.unwrap();
    let writes = &played.writes;
    assert_eq!(writes.iter().map(|written| written.step).collect::<Vec<_>>(), [0, 2, 4]);
    assert!(writes[1].at - writes[0].taken_at >= pause);
    assert!(played.left_during_hold.is_some());
    let received = &answer.received;
    let (first, second) = (received.time_of_body(1).unwrap(), received.time_of_body(2).unwrap());
    assert!(first >= writes[0].at && second >= writes[1].at);
    assert!(first < writes[1].at, "the first chunk was read while the server waited");
    assert_eq!(received.reads_of(&received.chunks[0].data), 0..1);
    assert_eq!(received.reads_of(&received.chunks[1].data), 1..2);
}
