//! Recordings first, and somebody else for what is missing.

use std::sync::Arc;

use http::Method;
use interference_backend::{Backend, Refusal, Scope};
use interference_backend_replay::{Recorder, ReplayBackend, ReplayFirst, ReplayOptions};
use interference_cassette::{End, Folder, Redaction};

use crate::asking::{Upstream, chat, hear, measured, recording, refusal_of, replay, request, text_of};

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_recorded_and_answered_from_the_recording_the_next_time() {
    let place = tempfile::tempdir().unwrap();
    let (replay, _) = ReplayBackend::load(place.path(), ReplayOptions::default()).unwrap();
    let replay = Arc::new(replay);
    let upstream = Arc::new(Upstream::streaming(&[(5, "data: a\n\n"), (7, "data: b\n\n")], None));
    let folder = Folder::open(place.path(), Redaction::default()).unwrap();
    let recorder = Arc::new(Recorder::shared(upstream.clone(), folder, replay.clone()));
    let backend = ReplayFirst::new(replay, recorder.clone());

    let first = hear(&backend, chat("{\"n\":1}")).await.unwrap();
    recorder.written().await;
    for _ in 0..3 {
        assert_eq!(hear(&backend, chat("{\"n\":1.0}")).await.unwrap(), first);
    }
    assert_eq!(upstream.asked(), 1);
    hear(&backend, chat("{\"n\":2}")).await.unwrap();
    assert_eq!(upstream.asked(), 2);
    recorder.written().await;
    for (name, value) in
        [("recordings", 2), ("recordings_matched", 3), ("recordings_missed", 2), ("exchanges_recorded", 2)]
    {
        assert_eq!(measured(&backend, name), value, "{name}");
    }
    // After a restart, too.
    let (replay, _) = ReplayBackend::load(place.path(), ReplayOptions::default()).unwrap();
    assert_eq!(hear(&replay, chat("{\"n\":1}")).await.unwrap(), first);
}

#[tokio::test(start_paused = true)]
async fn the_other_is_asked_for_what_it_alone_knows() {
    let known = recording("1", chat(r#"{"model":"tree"}"#), &[(5, "recorded")], End::Complete);
    let upstream = Arc::new(Upstream::new(|request| {
        Err(Refusal::Internal { message: format!("asked for {}", request.path) })
    }));
    let backend = ReplayFirst::new(Arc::new(replay([known])), upstream.clone());
    assert_eq!(text_of(&backend, chat(r#"{"model":"tree"}"#)).await, "recorded");
    let refusal = refusal_of(&backend, request(Method::GET, "/models", "")).await;
    assert_eq!(refusal, Refusal::Internal { message: "asked for /models".to_owned() });
    let models: Vec<String> = backend.models().into_iter().map(|card| card.id).collect();
    assert_eq!(models, ["tree", "far"]);
    assert_eq!((backend.scope(), upstream.asked()), (Scope::Everything, 1));
}
