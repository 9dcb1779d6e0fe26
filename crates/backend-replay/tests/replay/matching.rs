//! Which recording answers which request, and in which order.

use std::sync::{Arc, mpsc};

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Method};
use interference_backend::{Backend, Scope};
use interference_backend_replay::{ReplayBackend, ReplayOptions};
use interference_cassette::{End, Outcome, Recording};
use tokio::runtime::Builder;

use crate::asking::{chat, headers, measured, recording, refusal_of, replay, request, text_of};

fn saying(name: &str, body: &str, text: &str) -> Recording {
    recording(name, chat(body), &[(5, text)], End::Complete)
}

#[tokio::test(start_paused = true)]
async fn recordings_of_the_same_request_take_turns_and_the_last_one_stays() {
    let backend = replay([
        saying("1", r#"{"model":"m","n":1}"#, "first"),
        saying("2", r#"{"model":"m","n":2}"#, "other"),
        saying("3", r#"{"n":1.0,"model":"m","stream":false}"#, "second"),
    ]);
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(text_of(&backend, chat(r#"{"n":1,"model":"m","user":null}"#)).await);
    }
    assert_eq!(heard, ["first", "second", "second", "second"]);
    assert_eq!(text_of(&backend, chat(r#"{"model":"m","n":2}"#)).await, "other");
    assert_eq!(measured(&backend, "recordings"), 3);
    assert_eq!(measured(&backend, "recordings_matched"), 5);
    assert_eq!(measured(&backend, "recordings_missed"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_get_each_recording_once() {
    let names: Vec<String> = (0..200).map(|number| format!("{number:03}")).collect();
    let options = ReplayOptions { pace: "at-once".parse().unwrap(), ..ReplayOptions::default() };
    let recordings = names.iter().map(|name| saying(name, "{}", name));
    let backend = Arc::new(ReplayBackend::new("c", recordings, options));
    let tasks = (0..200).map(|_| {
        let backend = Arc::clone(&backend);
        tokio::spawn(async move { text_of(backend.as_ref(), chat("{}")).await })
    });
    let mut heard: Vec<String> =
        futures::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    heard.sort();
    assert_eq!(heard, names);
}

#[test]
fn a_large_body_is_compared_without_keeping_others_waiting() {
    let body = |bytes: usize| format!("{{\"input\":\"{}\"}}", "a".repeat(bytes));
    let options = ReplayOptions { pace: "at-once".parse().unwrap(), ..ReplayOptions::default() };
    let [small, large] = [100, 300 * 1024].map(body);
    let backend =
        ReplayBackend::new("c", [saying("1", &small, "small"), saying("2", &large, "large")], options);
    // While the one thread for what takes long is busy, whoever needs it has to wait.
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let (release, released) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || released.recv());
    runtime.block_on(async {
        assert!(backend.answer(chat(&small)).now_or_never().is_some());
        assert!(backend.answer(chat(&large)).now_or_never().is_none());
        assert_eq!(measured(&backend, "recordings_matched"), 1, "nothing was given to who went away");
        drop(release);
        assert_eq!(text_of(&backend, chat(&large)).await, "large");
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_ignored_makes_no_difference() {
    let ignore = ["user", "messages.*.name"].map(|path| path.parse().unwrap()).to_vec();
    let options = ReplayOptions { ignore, ..ReplayOptions::default() };
    let body = r#"{"user":"a","messages":[{"role":"user","name":"b"}]}"#;
    let backend = ReplayBackend::new("c", [saying("1", body, "tree")], options);
    assert_eq!(text_of(&backend, chat(r#"{"messages":[{"role":"user","name":"c"}]}"#)).await, "tree");
    refusal_of(&backend, chat(r#"{"messages":[{"role":"system"}]}"#)).await;
}

#[tokio::test(start_paused = true)]
async fn any_endpoint_and_form_of_body_is_answered() {
    let form = |boundary: &str| {
        let mut upload = request(Method::POST, "/files?purpose=a&b=1", "");
        upload.headers = HeaderMap::new();
        let content_type = format!("multipart/form-data; boundary={boundary}");
        upload.headers.insert("content-type", content_type.parse().unwrap());
        upload.body = Bytes::from(format!("--{boundary}\r\n\r\ntree\r\n--{boundary}--\r\n"));
        upload
    };
    let backend = replay([
        recording("1", form("one"), &[(5, "uploaded")], End::Complete),
        recording("2", request(Method::DELETE, "/files/file-1", ""), &[(5, "deleted")], End::Complete),
    ]);
    let mut upload = form("two");
    upload.query = Some("b=1&purpose=a".to_owned());
    assert_eq!(text_of(&backend, upload).await, "uploaded");
    assert_eq!(text_of(&backend, request(Method::DELETE, "/files/file-1", "")).await, "deleted");
    refusal_of(&backend, request(Method::GET, "/files/file-1", "")).await;
    assert_eq!(backend.scope(), Scope::Everything);
}

fn ids(backend: &ReplayBackend) -> Vec<String> {
    backend.models().into_iter().map(|card| card.id).collect()
}

#[tokio::test(start_paused = true)]
async fn models_are_those_that_requests_name_unless_a_list_was_recorded() {
    let named = [saying("1", r#"{"model":"tree"}"#, ""), saying("2", r#"{"model":"bush"}"#, "")];
    let backend = replay(named.clone());
    assert_eq!(ids(&backend), ["tree", "bush"]);
    let list = text_of(&backend, request(Method::GET, "/models", "")).await;
    assert_eq!(
        list,
        "{\"object\":\"list\",\"data\":[{\"id\":\"tree\",\"object\":\"model\",\"created\":0,\"owned_by\":\"recorded\"},\
         {\"id\":\"bush\",\"object\":\"model\",\"created\":0,\"owned_by\":\"recorded\"}]}"
    );
    assert_eq!(measured(&backend, "recordings_missed"), 0);

    let reads = [
        (5, r#"{"object":"list","data":[{"id":"oak","crea"#),
        (6, r#"ted":7,"owned_by":"wood"},{"id":"fir"}]}"#),
    ];
    let listed = recording("3", request(Method::GET, "/models", ""), &reads, End::Complete);
    let mut packed = listed.clone();
    let Outcome::Answered(answer) = &mut packed.cassette.outcome else { unreachable!() };
    answer.headers = headers(&[("content-encoding", "gzip")]);
    let backend = replay(named.into_iter().chain([packed]));
    assert_eq!(ids(&backend), ["tree", "bush"]);
    backend.add(listed);
    assert_eq!(ids(&backend), ["oak", "fir"]);
    let oak = &backend.models()[0];
    assert_eq!((oak.created, oak.owned_by.as_str()), (7, "wood"));
}
