//! Faults of answers that come as frames: what a plan does to events and to whole answers, it does to these.

use std::io;

use interference_backend::Reply;
use interference_faults::Plan;
use interference_server::ServeOptions;
use interference_wire::{BodyExpected, Ending, Framing, Place};
use tokio::sync::mpsc;

use crate::backend::Anything;
use crate::exchange::Running;
use crate::passing_on::{Broken, EVENTS, Frame, JSON, Passed};
use crate::raw_client::{ask, body, chunks, connect, header, journal, one_answer, request};

const A: &str = "data: {\"a\":1}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn with(plan: &str) -> ServeOptions {
    let plan = format!("{plan}, seed = 1");
    ServeOptions { faults: Some(Plan::parse(&plan).unwrap()), ..ServeOptions::default() }
}

/// Two events and the end, cut at other places than between them.
fn events() -> Passed {
    Passed::new(
        EVENTS,
        &[Frame("data: {\"a\""), Frame(":1}\n\ndata: {\"b\":2}\n\ndata: [D"), Frame("ONE]\n\n")],
    )
    .with("content-length", "44")
}

fn json() -> Passed {
    Passed::new(JSON, &[Frame("{\"whole\""), Frame(":true}")]).with("content-length", "14")
}

#[tokio::test]
async fn plans_for_events_see_the_events() {
    let b = "data: {\"b\":2}\n\n";
    let error = "data: {\"error\":{\"code\":null,\"message\":\"This error is injected.\",\"param\":null,\
                 \"type\":\"server_error\"}}\n\n";
    let chunked = Ending::Complete { by: Framing::Chunks };
    let table = [
        ("drop = { events = [1] }", vec![b, DONE, ""], chunked),
        ("duplicate = { events = [2] }", vec![A, b, b, DONE, ""], chunked),
        ("reorder = { events = [1] }", vec![b, A, DONE, ""], chunked),
        ("done = \"omit\"", vec![A, b, ""], chunked),
        ("join = true", vec!["data: {\"a\":1}\n\ndata: {\"b\":2}\n\ndata: [DONE]\n\n", ""], chunked),
        ("split = { at = [3] }", vec!["dat", &A[3..], b, DONE, ""], chunked),
        ("cut = { after_events = 1, by = \"end\" }", vec![A, ""], chunked),
        ("cut = { after_events = 1, by = \"close\" }", vec![A], Ending::Cut(Place::BetweenChunks)),
        ("cut = { after_events = 1, by = \"reset\" }", vec![A], Ending::Reset(Place::BetweenChunks)),
        ("cut = { after_bytes = 18, by = \"close\" }", vec![A, "dat"], Ending::Cut(Place::BetweenChunks)),
    ];
    for (plan, expected, ending) in table {
        for passed in [events(), events().repeated()] {
            let server = passed.serve(with(plan)).await;
            let answer = one_answer(&server, &request("", "")).await;
            assert_eq!((chunks(&answer), &answer.received.ending), (expected.clone(), &ending), "{plan}");
            assert_eq!(header(&answer, "content-length"), None, "{plan}");
            assert_eq!(header(&answer, "x-interference-ignored"), None, "{plan}");
        }
    }
    let server = events().serve(with("error = { after_events = 1, then = \"end\" }")).await;
    let answer = one_answer(&server, &request("", "")).await;
    assert_eq!(body(&answer).len(), A.len() + error.len(), "{}", body(&answer));
    assert!(body(&answer).starts_with(A) && body(&answer).contains("This error is injected."));
}

#[tokio::test]
async fn plans_for_whole_answers_see_all_of_one() {
    let table = [
        ("cut = { after_bytes = 5, by = \"end\" }", "{\"who", Ending::Complete { by: Framing::Length(5) }),
        (
            "cut = { after_bytes = 5, by = \"close\" }",
            "{\"who",
            Ending::LengthMismatch { expected: 14, received: 5 },
        ),
        ("length = { more = 3 }", "{\"whole\":true}", Ending::LengthMismatch { expected: 17, received: 14 }),
        ("byte_order_mark = true", "\u{feff}{\"whole\":true}", Ending::Complete { by: Framing::Length(17) }),
        (
            "http.content_type = \"text/html\"",
            "{\"whole\":true}",
            Ending::Complete { by: Framing::Length(14) },
        ),
        ("http.slow_head = \"1ms\"", "{\"whole\":true}", Ending::Complete { by: Framing::Length(14) }),
    ];
    for (plan, expected, ending) in table {
        for passed in [json(), json().repeated()] {
            let server = passed.serve(with(plan)).await;
            let answer = one_answer(&server, &request("", "")).await;
            assert_eq!((body(&answer), &answer.received.ending), (expected, &ending), "{plan}");
        }
    }
}

/// Its events cannot be told apart, and yet it comes as it is made.
#[tokio::test]
async fn a_stream_in_a_content_coding_stays_one() {
    for plan in ["split = { every = 2 }", "split = { every = 2 }, http = { slow_head = \"1ms\" }"] {
        let coded = Passed::new(EVENTS, &[Frame("one"), Frame("two")]).with("content-encoding", "br");
        let server = coded.serve(with(plan)).await;
        let answer = one_answer(&server, &request("", "")).await;
        assert_eq!(chunks(&answer), ["on", "e", "tw", "o", ""], "{plan}");
        assert_eq!(header(&answer, "content-length"), None);
    }
}

/// No more than a bound is collected; what is longer is not cut off for that.
#[tokio::test]
async fn a_whole_answer_that_is_too_long_to_collect_comes_in_chunks() {
    let piece: &'static str = "x".repeat(1 << 20).leak();
    let pieces = vec![Frame(piece); 17];
    let server = Passed::new(JSON, &pieces).serve(with("http.content_type = \"text/plain\"")).await;
    let answer = one_answer(&server, &request("", "")).await;
    assert_eq!(header(&answer, "content-type").as_deref(), Some("text/plain"));
    assert_eq!(answer.received.body.len(), 17 << 20);
    assert_eq!(answer.received.ending, Ending::Complete { by: Framing::Chunks });
}

#[tokio::test]
async fn a_status_takes_the_place_of_frames_with_all_that_was_told_of_them() {
    let server = json().serve(with("http = { status = 503, body = \"html\" }")).await;
    let mut connection = connect(&server).await;
    for _ in 0..2 {
        let answer = ask(&mut connection, &request("", "")).await;
        assert_eq!(answer.status(), Some(503));
        assert!(body(&answer).contains("<h1>Bad Gateway</h1>"), "{}", body(&answer));
        assert!(answer.received.ending.is_complete() && answer.keeps_alive());
    }
}

#[tokio::test]
async fn a_plan_that_comes_with_frames_can_replace_them() {
    let plan = Plan::parse("http = { status = 503, message = \"later\" }, seed = 1").unwrap();
    let passed = json().with("content-encoding", "br").with("x-more", "kept");
    let backend = |told: mpsc::UnboundedSender<&'static str>| {
        Anything(move |_| Ok(Reply { faults: Some(plan.draw(0)), ..passed.reply(&told) }))
    };
    let server = Running::start_before(backend, ServeOptions::default()).await;
    let answer = one_answer(&server, &request("", "")).await;
    assert_eq!(answer.status(), Some(503));
    assert!(body(&answer).contains("\"message\":\"later\""), "{}", body(&answer));
    assert_eq!(header(&answer, "content-encoding"), None);
    assert_eq!(header(&answer, "x-more").as_deref(), Some("kept"));
    assert!(answer.received.ending.is_complete());
}

#[tokio::test]
async fn what_cannot_show_is_named() {
    let plan = "drop = { events = [1] }, split = { every = 4 }";
    let coded = || Passed::new(EVENTS, &[Frame("\u{1f}packed")]).with("content-encoding", "br");
    for (passed, expected) in [(json(), "{\"whole\":true}"), (coded(), "\u{1f}packed")] {
        let server = passed.serve(with(plan)).await;
        let answer = one_answer(&server, &request("", "")).await;
        assert_eq!(body(&answer), expected);
        assert_eq!(header(&answer, "x-interference-ignored").as_deref(), Some("x-interference.drop"));
        let applied = header(&answer, "x-interference-applied").unwrap();
        assert!(applied.starts_with("split = "), "{applied}");
    }
}

#[tokio::test]
async fn what_would_have_to_read_a_coded_body_is_named() {
    let coded = Passed::new(JSON, &[Frame("\u{1f}packed")]).with("content-encoding", "br");
    let server = coded.serve(with("finish_reason = \"omit\", usage = \"omit\"")).await;
    let answer = one_answer(&server, &request("", "")).await;
    assert_eq!(body(&answer), "\u{1f}packed");
    let ignored = "x-interference.finish_reason, x-interference.usage";
    assert_eq!(header(&answer, "x-interference-ignored").as_deref(), Some(ignored));
    assert_eq!(header(&answer, "x-interference-applied").as_deref(), Some("none, seed=1"));
}

#[tokio::test]
async fn codings_are_named_in_their_order() {
    let coded = Passed::new(JSON, &[Frame("\u{1f}packed")]).with("content-encoding", "br");
    let server = coded.serve(with("http.gzip = true")).await;
    let answer = one_answer(&server, &request("", "")).await;
    let head = String::from_utf8_lossy(&answer.received.raw);
    let codings: Vec<&str> =
        head.lines().filter_map(|line| line.strip_prefix("content-encoding: ")).collect();
    assert_eq!(codings, ["br", "gzip"], "{head}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_mended_before_its_faults() {
    let pieces = [Frame(A), Frame("data: {"), Broken(io::ErrorKind::ConnectionReset)];
    let server = Passed::new(EVENTS, &pieces)
        .with("content-length", "500")
        .serve(with("drop = { events = [2] }"))
        .await;
    let answer = one_answer(&server, &request("", "")).await;
    let [first, told, done, ""] = chunks(&answer)[..] else { panic!("{:?}", chunks(&answer)) };
    assert_eq!((first, done), (A, DONE));
    assert!(told.contains("\"code\":\"upstream_broke_off\""), "{told}");
    assert_eq!(journal(&server).await["requests"][0]["ended"], "broken_off");
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_does_not_pass_for_a_shorter_one() {
    let short = [Frame("{\"who")];
    let broken = [Frame("{\"who"), Broken(io::ErrorKind::ConnectionReset)];
    for pieces in [&short[..], &broken[..]] {
        let passed = Passed::new(JSON, pieces).with("content-length", "14");
        let server = passed.serve(with("split = { every = 3 }")).await;
        let answer = one_answer(&server, &request("", "")).await;
        assert_eq!(chunks(&answer), ["{\"w", "ho"]);
        assert_eq!(answer.received.ending, Ending::Cut(Place::BetweenChunks));
        assert_eq!(journal(&server).await["requests"][0]["ended"], "broken_off");
    }
}

#[tokio::test]
async fn a_head_alone_has_no_body_with_faults_either() {
    let server = json().serve(with("split = { every = 3 }")).await;
    let mut connection = connect(&server).await;
    let asking = request("", "").replace("POST", "HEAD");
    for _ in 0..2 {
        connection.send(asking.as_bytes()).await.unwrap();
        let answer = connection.read_answer(BodyExpected::AfterHead).await;
        assert_eq!(header(&answer, "content-length").as_deref(), Some("14"));
        assert!(answer.received.ending.is_complete() && answer.keeps_alive(), "{}", answer.wire_log());
        assert_eq!(answer.received.surplus(), b"");
    }
}
