//! Recordings first, and somebody else for what is missing.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use http::{Method, StatusCode};
use interference_backend::{Backend, Refusal, Reply, ReplyBody, Scope, UpstreamFailure};
use interference_backend_replay::{Played, Recorder, ReplayBackend, ReplayFirst, ReplayOptions};
use interference_cassette::{
    End, FailureKind, Folder, Outcome, RecordedFailure, Recording, Redaction, read_folder,
};

use crate::asking::{
    Upstream, cassette, chat, frames, hear, measured, recording, refusal_of, replay, request, text_of,
};

fn lasting() -> ReplayOptions {
    ReplayOptions { played: Played::WhatLasts, ..ReplayOptions::default() }
}

/// Recordings of the same request: of failures, and of answers that are no longer of use.
fn passed() -> Vec<Recording> {
    let broken = [End::Reset, End::TimedOut, End::EndedEarly, End::Abandoned];
    let broken = broken.map(|end| recording(end.name(), chat("{}"), &[(5, "half")], end));
    let of_status = |status: u16| {
        let mut recording = recording(&status.to_string(), chat("{}"), &[(5, "later")], End::Complete);
        let Outcome::Answered(answer) = &mut recording.cassette.outcome else { unreachable!() };
        answer.status = StatusCode::from_u16(status).unwrap();
        recording
    };
    let failure = RecordedFailure {
        kind: FailureKind::NobodyLeft { retry_after_seconds: 1 },
        code: "no_upstream_left".to_owned(),
        message: "gone".to_owned(),
        at: Duration::ZERO,
    };
    let failed = cassette(chat("{}"), Outcome::Failed(failure));
    let failed = Recording { name: "failed".to_owned(), cassette: failed };
    broken.into_iter().chain([429, 500, 503].map(of_status)).chain([failed]).collect()
}

#[tokio::test(start_paused = true)]
async fn what_has_passed_is_played_alone_and_passed_over_before_another() {
    for recording in passed() {
        let name = recording.name.clone();
        let alone = replay([recording.clone()]);
        drop(hear(&alone, chat("{}")).await);
        assert_eq!(measured(&alone, "recordings_matched"), 1, "{name}");

        let replay = ReplayBackend::new("c", [recording], lasting());
        assert_eq!((replay.recordings(), replay.passed_over()), (0, 1), "{name}");
        let backend =
            ReplayFirst::new(Arc::new(replay), Arc::new(Upstream::streaming(&[(5, "whole")], None)));
        assert_eq!(text_of(&backend, chat("{}")).await, "whole", "{name}");
    }
    let mut refused = recording("400", chat("{}"), &[(5, "no")], End::Complete);
    let Outcome::Answered(answer) = &mut refused.cassette.outcome else { unreachable!() };
    answer.status = StatusCode::BAD_REQUEST;
    let among = passed().into_iter().chain([refused]).chain(passed());
    let replay = ReplayBackend::new("c", among, lasting());
    for _ in 0..2 {
        assert_eq!(text_of(&replay, chat("{}")).await, "no");
    }
}

/// An upstream that has nobody left, is overloaded, breaks off, and then answers well.
fn recovering() -> Upstream {
    let asked = AtomicUsize::new(0);
    Upstream::new(move |_| {
        let streamed = |status, end| {
            Ok(Reply::new(status, ReplyBody::Frames(frames(&[(5, "data: a\n\n"), (5, "data: b\n\n")], end))))
        };
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Refusal::Upstream {
                message: "gone".to_owned(),
                code: "no_upstream_left",
                failure: UpstreamFailure::NobodyLeft { retry_after_seconds: 1 },
            }),
            1 => streamed(StatusCode::TOO_MANY_REQUESTS, None),
            2 => streamed(StatusCode::OK, Some(ErrorKind::ConnectionReset)),
            _ => streamed(StatusCode::OK, None),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn an_upstream_is_asked_until_it_answers_and_after_a_restart_too() {
    let place = tempfile::tempdir().unwrap();
    let open = |upstream: &Arc<Upstream>| {
        let (replay, _) = ReplayBackend::load(place.path(), lasting()).unwrap();
        let (replay, folder) = (Arc::new(replay), Folder::open(place.path(), Redaction::default()).unwrap());
        let recorder = Arc::new(Recorder::shared(upstream.clone(), folder, replay.clone()));
        (ReplayFirst::new(replay, recorder.clone()), recorder)
    };
    let upstream = Arc::new(recovering());
    let (backend, recorder) = open(&upstream);
    for asked in 1..=3 {
        drop(hear(&backend, chat("{}")).await);
        assert_eq!(recorder.written().await, 0);
        assert_eq!(upstream.asked(), asked);
    }
    // The client goes after a piece.
    let ReplyBody::Frames(mut body) = backend.answer(chat("{}")).await.unwrap().body else { unreachable!() };
    body.next().await;
    drop(body);
    assert_eq!(recorder.written().await, 0);
    assert_eq!(read_folder(place.path()).unwrap().recordings.len(), 4);

    let (backend, recorder) = open(&upstream);
    for _ in 0..3 {
        assert_eq!(text_of(&backend, chat("{}")).await, "data: a\n\ndata: b\n\n");
        assert_eq!(recorder.written().await, 0);
    }
    assert_eq!(upstream.asked(), 5);
    assert_eq!((measured(&backend, "recordings"), measured(&backend, "recordings_passed_over")), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_recorded_and_answered_from_the_recording_the_next_time() {
    let place = tempfile::tempdir().unwrap();
    let (replay, _) = ReplayBackend::load(place.path(), lasting()).unwrap();
    let replay = Arc::new(replay);
    let upstream = Arc::new(Upstream::streaming(&[(5, "data: a\n\n"), (7, "data: b\n\n")], None));
    let folder = Folder::open(place.path(), Redaction::default()).unwrap();
    let recorder = Arc::new(Recorder::shared(upstream.clone(), folder, replay.clone()));
    let backend = ReplayFirst::new(replay, recorder.clone());

    let first = hear(&backend, chat("{\"n\":1}")).await.unwrap();
    assert_eq!(recorder.written().await, 0);
    for _ in 0..3 {
        assert_eq!(hear(&backend, chat("{\"n\":1.0}")).await.unwrap(), first);
    }
    assert_eq!(upstream.asked(), 1);
    hear(&backend, chat("{\"n\":2}")).await.unwrap();
    assert_eq!(upstream.asked(), 2);
    assert_eq!(recorder.written().await, 0);
    for (name, value) in
        [("recordings", 2), ("recordings_matched", 3), ("recordings_missed", 2), ("exchanges_recorded", 2)]
    {
        assert_eq!(measured(&backend, name), value, "{name}");
    }
    // After a restart, too.
    let (replay, _) = ReplayBackend::load(place.path(), ReplayOptions::default()).unwrap();
    assert_eq!(hear(&replay, chat("{\"n\":1}")).await.unwrap(), first);
}

/// The disk has a recording later than the client has its answer.
#[tokio::test(start_paused = true)]
async fn who_asks_again_at_once_is_answered_from_what_is_being_written() {
    let place = tempfile::tempdir().unwrap();
    let (replay, _) = ReplayBackend::load(place.path(), lasting()).unwrap();
    let replay = Arc::new(replay);
    let upstream = Arc::new(Upstream::streaming(&[(5, "data: a\n\n")], None));
    let folder = Folder::open(place.path(), Redaction::default()).unwrap();
    let recorder = Arc::new(Recorder::shared(upstream.clone(), folder, replay.clone()));
    let backend = ReplayFirst::new(replay, recorder.clone());
    for asked in 1..=20 {
        let body = format!("{{\"n\":{asked}}}");
        for _ in 0..2 {
            assert_eq!(text_of(&backend, chat(&body)).await, "data: a\n\n");
        }
        assert_eq!(upstream.asked(), asked);
    }
    assert_eq!(recorder.written().await, 0);
    assert_eq!(read_folder(place.path()).unwrap().recordings.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn the_other_is_asked_for_what_it_alone_knows() {
    let known = recording("1", chat(r#"{"model":"tree"}"#), &[(5, "recorded")], End::Complete);
    let upstream = Arc::new(Upstream::new(|request| {
        Err(Refusal::Internal { message: format!("asked for {}", request.path) })
    }));
    let replay = ReplayBackend::new("c", [known], lasting());
    let backend = ReplayFirst::new(Arc::new(replay), upstream.clone());
    assert_eq!(text_of(&backend, chat(r#"{"model":"tree"}"#)).await, "recorded");
    let refusal = refusal_of(&backend, request(Method::GET, "/models", "")).await;
    assert_eq!(refusal, Refusal::Internal { message: "asked for /models".to_owned() });
    let models: Vec<String> = backend.models().into_iter().map(|card| card.id).collect();
    assert_eq!(models, ["tree", "far"]);
    assert_eq!((backend.scope(), upstream.asked()), (Scope::Everything, 1));
}
