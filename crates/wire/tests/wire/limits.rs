//! Limits of time and of size, over a socket.

use std::time::Duration;

use interference_wire::{
    BodyExpected, ConnectError, Connection, Ending, Limits, Place, SendError, SizeBound, Step, Target,
    TimeBound,
};
use tokio::net::TcpListener;

use super::{CHUNKED, connected, served, write};

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::plain("127.0.0.1", listener.local_addr().unwrap().port());
    drop(listener);
    let error = Connection::connect(&target, Limits::default()).await.unwrap_err();
    let ConnectError::Unreachable { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let mut limits = Limits::default();
    limits.time.first_byte = SHORT;
    let (mut connection, play) = served(limits, vec![Step::Wait(LONG)]).await;
    let answer = connection.read_answer(BodyExpected::Yes).await;
    let (bound, place) = (TimeBound::FirstByte, Place::BeforeHead);
    assert_eq!(answer.received.ending, Ending::TimedOut { bound, place });
    drop(connection);
    play.await.unwrap();
}

#[tokio::test]
async fn a_server_that_falls_silent() {
    let mut limits = Limits::default();
    limits.time.between_reads = SHORT;
    let (mut connection, play) =
        served(limits, vec![write(format!("{CHUNKED}2\r\na")), Step::Wait(LONG)]).await;
    let answer = connection.read_answer(BodyExpected::Yes).await;
    let (bound, place) = (TimeBound::BetweenReads, Place::Chunk);
    assert_eq!(answer.received.ending, Ending::TimedOut { bound, place });
    drop(connection);
    play.await.unwrap();
}

#[tokio::test]
async fn a_server_that_never_ends() {
    let mut limits = Limits::default();
    limits.time.total = SHORT;
    let drip = (0..10_000).flat_map(|_| [write("a"), Step::Wait(Duration::from_millis(1))]);
    let steps = [write("HTTP/1.1 200 OK\r\n\r\n")].into_iter().chain(drip).collect();
    let (mut connection, play) = served(limits, steps).await;
    let answer = connection.read_answer(BodyExpected::Yes).await;
    let (bound, place) = (TimeBound::Total, Place::Body);
    assert_eq!(answer.received.ending, Ending::TimedOut { bound, place });
    drop(connection);
    play.await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_read() {
    let mut limits = Limits::default();
    limits.time.send = SHORT;
    let (mut connection, responder) = connected(limits).await;
    assert_eq!(connection.send(&vec![0; 32 << 20]).await, Err(SendError::TimedOut { limit: SHORT }));
    drop(responder);
}

#[tokio::test]
async fn a_server_that_sends_too_much() {
    for (change, bound) in [
        ((|limits: &mut Limits| limits.read.raw_bytes = 100_000) as fn(&mut Limits), SizeBound::Raw),
        (|limits| limits.read.body_bytes = 100_000, SizeBound::Body),
        (|limits| limits.read.reads = 3, SizeBound::Reads),
    ] {
        let mut limits = Limits::default();
        change(&mut limits);
        let endless = write([b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &vec![b'a'; 200_000]].concat());
        let (mut connection, play) = served(limits, vec![endless, Step::Wait(LONG)]).await;
        let answer = connection.read_answer(BodyExpected::Yes).await;
        assert_eq!(answer.received.ending, Ending::TooLarge(bound));
        assert!(answer.received.raw.len() <= limits.read.raw_bytes);
        assert!(answer.received.body.len() <= limits.read.body_bytes);
        assert!(answer.received.reads.len() <= limits.read.reads);
        connection.reset();
        play.await.unwrap();
    }
}
