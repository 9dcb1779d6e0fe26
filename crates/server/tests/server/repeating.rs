//! Frames whose broken end is repeated: a reset is a reset, a close a close, and a silence a silence.

use std::io;
use std::time::Duration;

use interference_faults::Plan;
use interference_server::{Limits, ServeOptions};
use interference_wire::{Aftermath, BodyExpected, Ending, Framing, Place};
use tokio::time::timeout;

use crate::exchange::Running;
use crate::passing_on::{Broken, EVENTS, Frame, JSON, Passed, Silence};
use crate::raw_client::{BOUND, ask, body, chunks, connect, journal, one_answer, request};

fn broken(content_type: &'static str, kind: io::ErrorKind) -> Passed {
    Passed::new(content_type, &[Frame("data: a"), Frame("\n"), Broken(kind)]).repeated()
}

#[tokio::test]
async fn a_broken_end_is_the_same_again() {
    let table = [
        (io::ErrorKind::ConnectionReset, Ending::Reset(Place::BetweenChunks)),
        (io::ErrorKind::UnexpectedEof, Ending::Cut(Place::BetweenChunks)),
        (io::ErrorKind::Other, Ending::Cut(Place::BetweenChunks)),
    ];
    let harmless = Plan::parse("http.slow_head = \"1ms\", seed = 1").unwrap();
    for (kind, ending) in table {
        for (content_type, faults) in
            [(EVENTS, None), (JSON, None), (EVENTS, Some(&harmless)), (JSON, Some(&harmless))]
        {
            let options = ServeOptions { faults: faults.cloned(), ..ServeOptions::default() };
            let server = broken(content_type, kind).serve(options).await;
            let answer = one_answer(&server, &request("", "")).await;
            assert_eq!(body(&answer), "data: a\n", "{kind} {content_type}");
            assert_eq!(answer.received.ending, ending, "{kind} {content_type}");
            if faults.is_none() {
                assert_eq!(chunks(&answer), ["data: a", "\n"], "{kind} {content_type}");
            }
            assert_eq!(journal(&server).await["requests"][0]["ended"], "broken_off", "{kind} {content_type}");
        }
    }
}

#[tokio::test]
async fn a_reset_is_one_where_a_length_was_told_too() {
    let passed = broken(JSON, io::ErrorKind::ConnectionReset).with("content-length", "100");
    let answer = one_answer(&passed.serve(ServeOptions::default()).await, &request("", "")).await;
    assert_eq!(body(&answer), "data: a\n");
    assert!(matches!(answer.received.ending, Ending::Reset(_)), "{:?}", answer.received.ending);
}

#[tokio::test]
async fn a_good_end_leaves_the_connection_open() {
    let server = Passed::new(EVENTS, &[Frame("data: a\n"), Frame("\n")]).repeated();
    let server = server.serve(ServeOptions::default()).await;
    let mut connection = connect(&server).await;
    for _ in 0..2 {
        let answer = ask(&mut connection, &request("", "")).await;
        assert_eq!(chunks(&answer), ["data: a\n", "\n", ""]);
        assert_eq!(answer.received.ending, Ending::Complete { by: Framing::Chunks });
    }
    assert_eq!(connection.watch(Duration::from_millis(1)).await, Aftermath::Quiet);
    assert_eq!(journal(&server).await["requests"][1]["ended"], "complete");
}

/// Reads until the first chunk is there, and goes.
async fn leave_after_first_chunk(server: &Running) {
    let mut connection = connect(server).await;
    connection.send(request("", "").as_bytes()).await.unwrap();
    let mut reading = connection.begin_answer(BodyExpected::Yes);
    while reading.so_far().chunks.is_empty() {
        timeout(BOUND, reading.next_read()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_silence_lasts_until_the_client_goes() {
    let mut server = broken(EVENTS, io::ErrorKind::TimedOut).serve(ServeOptions::default()).await;
    leave_after_first_chunk(&server).await;
    assert_eq!(server.told().await, "dropped");
    assert_eq!(journal(&server).await["requests"][0]["ended"], "client_gone");
}

/// A silence that was recorded lasts until the time is over. What the server itself ends, it ends as any stream.
#[tokio::test]
async fn a_silence_lasts_no_longer_than_the_request_may() {
    let limits = Limits { request_time: Duration::from_millis(60), ..Limits::default() };
    let table = [(Broken(io::ErrorKind::TimedOut), false), (Silence, true)];
    for (last, is_told) in table {
        let options = ServeOptions { limits: limits.clone(), ..ServeOptions::default() };
        let server = Passed::new(EVENTS, &[Frame("data: a\n\n"), last]).repeated().serve(options).await;
        let answer = one_answer(&server, &request("", "")).await;
        let (end, said) = (&answer.received.ending, body(&answer));
        if is_told {
            assert_eq!(end, &Ending::Complete { by: Framing::Chunks });
            assert!(
                said.contains("\"code\":\"request_timeout\"") && said.ends_with("data: [DONE]\n\n"),
                "{said}"
            );
        } else {
            assert_eq!((said, end), ("data: a\n\n", &Ending::Cut(Place::BetweenChunks)));
        }
        assert_eq!(journal(&server).await["requests"][0]["ended"], "timed_out");
    }
}
