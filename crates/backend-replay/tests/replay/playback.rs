//! The same bytes in the same pieces at the same times, with the same end. Time is the runtime's own and stands still
//! until somebody waits.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use http::StatusCode;
use interference_backend::{Backend, Refusal, ReplyBody, UpstreamFailure, WhenBroken};
use interference_backend_replay::{Pace, ReplayBackend, ReplayOptions};
use interference_cassette::{End, FailureKind, Outcome, RecordedFailure, Recording};

use crate::asking::{Heard, cassette, chat, headers, hear, recording, refusal_of, replay};

const READS: [(u64, &str); 4] = [(5, "data: {\"a"), (5, "\":1}\n\n"), (250, ""), (1_000, "data: [DONE]\n\n")];

fn poem(end: End) -> Recording {
    let mut recording = recording("000001-poem.json", chat("{}"), &READS, end);
    let Outcome::Answered(answer) = &mut recording.cassette.outcome else { unreachable!() };
    answer.status = StatusCode::ACCEPTED;
    answer.headers = headers(&[
        ("content-type", "text/event-stream"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "timeout=5"),
        ("x-kept-apart", "one"),
        ("x-kept-apart", "two"),
        ("set-cookie", "[redacted]"),
    ]);
    answer.ended_at = Duration::from_millis(1_500);
    recording
}

fn heard(times: [u128; 6], end: Option<ErrorKind>) -> Heard {
    let pieces = READS.iter().zip(&times[1..5]).map(|((_, text), at)| (*at, (*text).to_owned()));
    Heard {
        status: StatusCode::ACCEPTED,
        headers: ["content-type: text/event-stream", "x-kept-apart: one", "x-kept-apart: two"]
            .map(str::to_owned)
            .to_vec(),
        head_at: times[0],
        pieces: pieces.collect(),
        end: (times[5], end),
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_is_played_as_it_was() {
    let backend = replay([poem(End::Complete)]);
    let expected = heard([5, 5, 5, 250, 1_000, 1_500], None);
    assert_eq!(hear(&backend, chat("{}")).await.unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_edited_text_has_its_own_length() {
    let length_of = |reads: &[(u64, &str)], end| {
        let mut recording = recording("1", chat("{}"), reads, end);
        let Outcome::Answered(answer) = &mut recording.cassette.outcome else { unreachable!() };
        answer.headers = headers(&[("content-length", "5")]);
        let backend = replay([recording]);
        async move { hear(&backend, chat("{}")).await.unwrap().headers }
    };
    for (reads, end, length) in [
        (&[(0, "Hello")][..], End::Complete, "5"),
        (&[(0, "Hello, "), (5, "my friend")], End::Complete, "16"),
        // Of what was not sent, and of what broke off.
        (&[], End::Complete, "5"),
        (&[(0, "Hel")], End::EndedEarly, "5"),
    ] {
        assert_eq!(length_of(reads, end).await, [format!("content-length: {length}")], "{reads:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pace_scales_every_time() {
    for (pace, times) in
        [("2x", [3, 3, 3, 125, 500, 750]), ("0.5x", [10, 10, 10, 500, 2_000, 3_000]), ("at-once", [0; 6])]
    {
        let options = ReplayOptions { pace: pace.parse::<Pace>().unwrap(), ..ReplayOptions::default() };
        let backend = ReplayBackend::new("c", [poem(End::Reset)], options);
        let expected = heard(times, Some(ErrorKind::ConnectionReset));
        assert_eq!(hear(&backend, chat("{}")).await.unwrap(), expected, "{pace}");
    }
}

#[tokio::test(start_paused = true)]
async fn times_are_counted_from_the_request_also_for_a_slow_reader() {
    let backend = replay([poem(End::Complete)]);
    let start = tokio::time::Instant::now();
    let ReplyBody::Frames(mut frames) = backend.answer(chat("{}")).await.unwrap().body else {
        unreachable!()
    };
    tokio::time::advance(Duration::from_millis(700)).await;
    let mut times = Vec::new();
    while frames.next().await.is_some() {
        times.push(start.elapsed().as_millis());
    }
    assert_eq!(times, [705, 705, 705, 1_000]);
}

#[tokio::test(start_paused = true)]
async fn every_end_is_the_end_that_it_was() {
    for (end, kind) in [
        (End::Complete, None),
        (End::Reset, Some(ErrorKind::ConnectionReset)),
        (End::TimedOut, Some(ErrorKind::TimedOut)),
        (End::EndedEarly, Some(ErrorKind::UnexpectedEof)),
        (End::Abandoned, Some(ErrorKind::TimedOut)),
    ] {
        let backend = replay([poem(end)]);
        assert_eq!(backend.answer(chat("{}")).await.unwrap().when_broken, WhenBroken::Repeat);
        let heard = hear(&backend, chat("{}")).await.unwrap();
        assert_eq!((heard.pieces.len(), heard.end), (4, (1_500, kind)), "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_the_same_failure_at_its_time() {
    for (kind, code, expected_code, expected) in [
        (FailureKind::Broken, "upstream_unreachable", "upstream_unreachable", UpstreamFailure::Broken),
        (FailureKind::TooSlow, "of_another_release", "upstream_timeout", UpstreamFailure::TooSlow),
        (
            FailureKind::NobodyLeft { retry_after_seconds: 7 },
            "no_upstream_left",
            "no_upstream_left",
            UpstreamFailure::NobodyLeft { retry_after_seconds: 7 },
        ),
    ] {
        let failure = RecordedFailure {
            kind,
            code: code.to_owned(),
            message: "The upstream `a` is gone.".to_owned(),
            at: Duration::from_millis(300),
        };
        let cassette = cassette(chat("{}"), Outcome::Failed(failure));
        let backend = replay([Recording { name: "000001-chat.json".to_owned(), cassette }]);
        let start = tokio::time::Instant::now();
        let message = "The upstream `a` is gone.".to_owned();
        let expected = Refusal::Upstream { message, code: expected_code, failure: expected };
        assert_eq!(refusal_of(&backend, chat("{}")).await, expected);
        assert_eq!(start.elapsed().as_millis(), 300);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_played_at_once_do_not_wait_for_each_other() {
    let backend = Arc::new(replay([poem(End::Complete)]));
    let start = tokio::time::Instant::now();
    let answers = (0..100).map(|_| {
        let backend = Arc::clone(&backend);
        tokio::spawn(async move { hear(backend.as_ref(), chat("{}")).await.unwrap() })
    });
    for answer in futures::future::join_all(answers).await {
        assert_eq!(answer.unwrap(), heard([5, 5, 5, 250, 1_000, 1_500], None));
    }
    assert_eq!(start.elapsed().as_millis(), 1_500);
}
