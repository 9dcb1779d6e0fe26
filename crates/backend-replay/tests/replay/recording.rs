//! What the recorder writes, and what it leaves to those whom it serves.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, StatusCode};
use interference_backend::{Backend, Refusal, Reply, ReplyBody, UpstreamFailure};
use interference_backend_replay::{MOST_HELD, Recorder, ReplayBackend, ReplayOptions};
use interference_cassette::{
    End, FailureKind, Folder, MOST_READS, Outcome, RecordedAnswer, Recording, Redaction, read_folder,
};

use crate::asking::{Upstream, chat, headers, hear, measured, refusal_of, request};

fn recorder(upstream: Upstream, folder: &Path) -> Recorder {
    Recorder::new(Arc::new(upstream), Folder::open(folder, Redaction::default()).unwrap())
}

/// What was recorded, once all of it is written.
async fn recorded(recorder: &Recorder, folder: &Path) -> Vec<Recording> {
    assert_eq!(recorder.written().await, 0);
    let found = read_folder(folder).unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    found.recordings
}

fn answer(recording: &Recording) -> &RecordedAnswer {
    match &recording.cassette.outcome {
        Outcome::Answered(answer) => answer,
        Outcome::Failed(failure) => unreachable!("{failure:?}"),
    }
}

const PIECES: [(u64, &str); 3] = [(5, "data: {\"a"), (0, "\":1}\n\n"), (1_000, "data: [DONE]\n\n")];

#[tokio::test(start_paused = true)]
async fn what_was_recorded_is_played_back_the_same() {
    for end in
        [None, Some(ErrorKind::ConnectionReset), Some(ErrorKind::TimedOut), Some(ErrorKind::UnexpectedEof)]
    {
        let place = tempfile::tempdir().unwrap();
        let upstream = Upstream::streaming(&PIECES, end);
        let recorder = recorder(upstream, place.path());
        let first = hear(&recorder, chat("{\"model\":\"m\"}")).await.unwrap();
        assert_eq!(first.end, (1_015, end));
        assert_eq!(recorded(&recorder, place.path()).await.len(), 1);

        let (replay, problems) = ReplayBackend::load(place.path(), ReplayOptions::default()).unwrap();
        assert!(problems.is_empty());
        assert_eq!(hear(&replay, chat("{\"model\":\"m\"}")).await.unwrap(), first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_tells_the_whole_exchange() {
    let place = tempfile::tempdir().unwrap();
    let upstream = Upstream::new(|_| {
        let mut reply = Reply::new(StatusCode::CREATED, ReplyBody::Whole(Bytes::from_static(b"{}")));
        reply.headers = headers(&[("x-interference-upstream", "cloud"), ("x-a", "1"), ("x-a", "2")]);
        Ok(reply)
    });
    let recorder = recorder(upstream, place.path());
    hear(&recorder, request(Method::POST, "/files?a=1", "[]")).await.unwrap();
    let recordings = recorded(&recorder, place.path()).await;
    let [recording] = recordings.as_slice() else { unreachable!("{recordings:?}") };
    assert_eq!(recording.name, "000001-post-files.json");
    let cassette = &recording.cassette;
    assert_eq!(cassette.upstream.as_deref(), Some("cloud"));
    assert_eq!(cassette.request.query.as_deref(), Some("a=1"));
    assert_eq!(cassette.request.body, "[]");
    let answer = answer(recording);
    let expected = headers(&[
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("x-interference-upstream", "cloud"),
        ("x-a", "1"),
        ("x-a", "2"),
    ]);
    assert_eq!((answer.status, &answer.headers), (StatusCode::CREATED, &expected));
    assert_eq!((answer.head_at, answer.end), (Duration::from_millis(10), End::Complete));
    assert_eq!(answer.reads.iter().map(|read| &read.bytes[..]).collect::<Vec<_>>(), [b"{}"]);
}

/// By the real clock: the other one would wait for what is written.
#[tokio::test]
async fn exchanges_are_numbered_in_the_order_of_their_ends() {
    let place = tempfile::tempdir().unwrap();
    let upstream = Upstream::new(|request| match request.path.as_str() {
        // Takes longer to be written than the others.
        "/0" => Ok(Reply::new(StatusCode::OK, ReplyBody::Whole(vec![0; 1_000_000].into()))),
        _ => Ok(Reply::new(StatusCode::OK, ReplyBody::Whole(Bytes::new()))),
    });
    let recorder = recorder(upstream, place.path());
    for number in 0..5 {
        hear(&recorder, request(Method::GET, &format!("/{number}"), "")).await.unwrap();
    }
    let names: Vec<String> =
        recorded(&recorder, place.path()).await.into_iter().map(|recording| recording.name).collect();
    let expected: Vec<String> = (0..5).map(|number| format!("{:06}-get-{number}.json", number + 1)).collect();
    assert_eq!(names, expected);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_an_upstream_is_recorded_and_no_other() {
    let place = tempfile::tempdir().unwrap();
    let failure = || Refusal::Upstream {
        message: "The upstream `a` is gone.".to_owned(),
        code: "upstream_unreachable",
        failure: UpstreamFailure::NobodyLeft { retry_after_seconds: 3 },
    };
    let upstream = Upstream::new(move |request| match request.path.as_str() {
        "/gone" => Err(failure()),
        _ => Err(Refusal::Internal { message: "a bug".to_owned() }),
    });
    let recorder = recorder(upstream, place.path());
    refusal_of(&recorder, request(Method::GET, "/bug", "")).await;
    assert_eq!(refusal_of(&recorder, request(Method::GET, "/gone", "")).await, failure());
    let recordings = recorded(&recorder, place.path()).await;
    let [recording] = recordings.as_slice() else { unreachable!("{recordings:?}") };
    let Outcome::Failed(recorded) = &recording.cassette.outcome else { unreachable!() };
    assert_eq!(recorded.kind, FailureKind::NobodyLeft { retry_after_seconds: 3 });
    assert_eq!(recorded.at, Duration::from_millis(10));
    let (replay, _) = ReplayBackend::load(place.path(), ReplayOptions::default()).unwrap();
    assert_eq!(refusal_of(&replay, request(Method::GET, "/gone", "")).await, failure());
}

/// How an answer is recorded whose client goes after so many pieces.
async fn end_after(pieces: usize, reply: fn() -> Reply) -> (End, usize) {
    let place = tempfile::tempdir().unwrap();
    let recorder = recorder(Upstream::new(move |_| Ok(reply())), place.path());
    let ReplyBody::Frames(mut frames) = recorder.answer(chat("{}")).await.unwrap().body else {
        unreachable!()
    };
    for _ in 0..pieces {
        frames.next().await;
    }
    drop(frames);
    let recordings = recorded(&recorder, place.path()).await;
    let answer = answer(&recordings[0]);
    (answer.end, answer.reads.len())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_first_is_told_from_one_that_had_everything() {
    fn reply() -> Reply {
        Reply::new(StatusCode::OK, ReplyBody::Frames(crate::asking::frames(&PIECES, None)))
    }
    fn with_length() -> Reply {
        Reply { headers: headers(&[("content-length", "29")]), ..reply() }
    }
    fn with_two_lengths() -> Reply {
        let mut headers = headers(&[("content-length", "29")]);
        headers.append("content-length", "30".parse().unwrap());
        Reply { headers, ..reply() }
    }
    fn with_no_length() -> Reply {
        Reply { headers: headers(&[("content-length", "+29")]), ..reply() }
    }
    fn without_body() -> Reply {
        Reply { status: StatusCode::NO_CONTENT, ..reply() }
    }
    assert_eq!(end_after(0, reply).await, (End::Abandoned, 0));
    assert_eq!(end_after(2, reply).await, (End::Abandoned, 2));
    assert_eq!(end_after(4, reply).await, (End::Complete, 3));
    assert_eq!(end_after(2, with_length).await, (End::Abandoned, 2));
    assert_eq!(end_after(3, with_length).await, (End::Complete, 3));
    assert_eq!(end_after(3, with_two_lengths).await, (End::Abandoned, 3));
    assert_eq!(end_after(3, with_no_length).await, (End::Abandoned, 3));
    assert_eq!(end_after(0, without_body).await, (End::Complete, 0));
}

/// Clients of streams go at the end that a stream says, and the connection's end may come later.
#[tokio::test(start_paused = true)]
async fn a_stream_that_has_said_its_end_is_whole() {
    fn stream(pieces: &[&'static str]) -> Reply {
        let pieces: Vec<_> = pieces.iter().map(|piece| (0, *piece)).collect();
        let headers = headers(&[("content-type", "text/event-stream; charset=utf-8")]);
        let frames = ReplyBody::Frames(crate::asking::frames(&pieces, None));
        Reply { headers, ..Reply::new(StatusCode::OK, frames) }
    }
    fn chat() -> Reply {
        stream(&["data: {}\n\ndata: [DO", "NE]\n\n", ": bye\n\n"])
    }
    fn response() -> Reply {
        stream(&[
            "event: response.created\r\ndata: {}\r\n\r\nevent: response.completed\r\ndata: {}\r\n\r\n",
            "",
        ])
    }
    fn undone() -> Reply {
        stream(&["data: \"[DONE]\"\n\n", "data: [DONE]\n", "\n"])
    }
    fn no_stream() -> Reply {
        Reply { headers: headers(&[("content-type", "text/plain")]), ..chat() }
    }
    assert_eq!(end_after(1, chat).await, (End::Abandoned, 1));
    assert_eq!(end_after(2, chat).await, (End::Complete, 2));
    assert_eq!(end_after(1, response).await, (End::Complete, 1));
    assert_eq!(end_after(1, undone).await, (End::Abandoned, 1));
    assert_eq!(end_after(2, undone).await, (End::Abandoned, 2));
    assert_eq!(end_after(2, no_stream).await, (End::Abandoned, 2));
}

#[test]
fn an_answer_that_outlives_its_runtime_is_recorded_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let recorder = recorder(Upstream::streaming(&PIECES, None), place.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let reply = runtime.block_on(recorder.answer(chat("{}"))).unwrap();
    drop(runtime);
    drop(reply);
    let found = read_folder(place.path()).unwrap();
    assert_eq!(answer(&found.recordings[0]).end, End::Abandoned);
}

#[test]
fn a_runtime_that_has_ended_leaves_nobody_waiting() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let place = tempfile::tempdir().unwrap();
    let recorder = recorder(Upstream::streaming(&PIECES, None), place.path());
    let first = runtime();
    let reply = first.block_on(recorder.answer(chat("{}"))).unwrap();
    let handle = first.handle().clone();
    first.shutdown_background();
    {
        let _inside = handle.enter();
        drop(reply);
    }

    let second = runtime();
    assert_eq!(second.block_on(recorder.written()), 0);
    assert_eq!(measured(&recorder, "exchanges_left_out"), 1);
    drop(second.block_on(recorder.answer(chat("{}"))).unwrap());
    assert_eq!(second.block_on(recorded(&recorder, place.path())).len(), 1);
}

/// What a client hears of a body of so many pieces, and what is measured.
async fn left_out(pieces: usize, piece: &'static [u8]) -> (usize, u64, usize) {
    let place = tempfile::tempdir().unwrap();
    let upstream = Upstream::new(move |_| {
        let frames = futures::stream::repeat_with(move || Ok::<_, io::Error>(Bytes::from_static(piece)));
        Ok(Reply::new(StatusCode::OK, ReplyBody::Frames(Box::pin(frames.take(pieces)))))
    });
    let recorder = recorder(upstream, place.path());
    let heard = hear(&recorder, chat("{}")).await.unwrap();
    assert_eq!(heard.end.1, None);
    let recordings = recorded(&recorder, place.path()).await;
    (heard.pieces.len(), measured(&recorder, "exchanges_left_out"), recordings.len())
}

#[tokio::test(start_paused = true)]
async fn an_answer_beyond_the_bounds_goes_on_unrecorded() {
    static PIECE: [u8; MOST_HELD / 8] = [b'a'; MOST_HELD / 8];
    assert_eq!(left_out(9, &PIECE).await, (9, 1, 0));
    assert_eq!(left_out(MOST_READS + 1, b"").await, (MOST_READS + 1, 1, 0));
    assert_eq!(left_out(7, b"a").await, (7, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn events_pass_by_unrecorded() {
    let place = tempfile::tempdir().unwrap();
    let upstream = Upstream::new(|_| {
        Ok(Reply::new(StatusCode::OK, ReplyBody::Events(Box::pin(futures::stream::empty()))))
    });
    let recorder = recorder(upstream, place.path());
    let reply = recorder.answer(chat("{}")).await.unwrap();
    assert!(matches!(reply.body, ReplyBody::Events(_)));
    assert_eq!(recorded(&recorder, place.path()).await, []);
    assert_eq!(measured(&recorder, "exchanges_left_out"), 1);
}

#[tokio::test(start_paused = true)]
async fn no_key_is_in_the_folder() {
    const KEY: &str = "sk-live-0123456789";
    let place = tempfile::tempdir().unwrap();
    let upstream = Upstream::new(|request| match request.path.as_str() {
        "/gone" => Err(Refusal::Upstream {
            message: format!("no such key: {KEY}"),
            code: "upstream_unreachable",
            failure: UpstreamFailure::Broken,
        }),
        _ => {
            let pieces = [(0, "you sent sk-live-01"), (0, "23456789"), (0, ", sk-live-0123456789")];
            let mut reply =
                Reply::new(StatusCode::OK, ReplyBody::Frames(crate::asking::frames(&pieces, None)));
            reply.headers = headers(&[("set-cookie", "session=short"), ("x-echo", KEY)]);
            Ok(reply)
        }
    });
    let folder = Folder::open(place.path(), Redaction::new([KEY])).unwrap();
    let recorder = Recorder::new(Arc::new(upstream), folder);
    let body = format!("{{\"input\":\"{KEY}\"}}");
    for path in ["/chat/completions?key=short", "/gone", "/files/sk-live-0123456789"] {
        let mut asked = request(Method::POST, path, &body);
        asked.headers.insert("authorization", format!("Bearer {KEY}").parse().unwrap());
        asked.headers.insert("x-api-key", "short".parse().unwrap());
        drop(hear(&recorder, asked).await);
    }
    assert_eq!(recorded(&recorder, place.path()).await.len(), 3);
    for entry in fs::read_dir(place.path()).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let name = entry.file_name().into_string().unwrap();
        for secret in ["live", "0123456789", "23456789", "short"] {
            assert!(!text.contains(secret) && !name.contains(secret), "{secret} is in {name}: {text}");
        }
    }
    // The same request finds its recording, secrets and all.
    let options = ReplayOptions { redaction: Redaction::new([KEY]), ..ReplayOptions::default() };
    let (replay, _) = ReplayBackend::load(place.path(), options).unwrap();
    let heard = hear(&replay, request(Method::POST, "/chat/completions?key=other", &body)).await.unwrap();
    assert_eq!(heard.headers, ["content-type: text/event-stream", "x-echo: ******************"][1..]);
    hear(&replay, request(Method::POST, "/files/sk-live-0123456789", &body)).await.unwrap();
    assert_eq!(heard.pieces.iter().map(|(_, text)| text.len()).collect::<Vec<_>>(), [19, 8, 20]);
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_client_is_not_in_the_folder_and_the_next_one_finds_the_recording() {
    let place = tempfile::tempdir().unwrap();
    let recorder = recorder(
        Upstream::new(|request| Ok(Reply::new(StatusCode::OK, ReplyBody::Whole(request.body.clone())))),
        place.path(),
    );
    let asked = |key: &str| {
        let mut asked = request(Method::POST, &format!("/keys/{key}"), &format!("{{\"key\":\"{key}\"}}"));
        asked.headers.insert("authorization", format!("Bearer {key}").parse().unwrap());
        asked
    };
    hear(&recorder, asked("sk-client-0123456789")).await.unwrap();
    assert_eq!(recorder.written().await, 0);
    let entry = fs::read_dir(place.path()).unwrap().next().unwrap().unwrap();
    let text = fs::read_to_string(entry.path()).unwrap();
    assert!(!text.contains("sk-client"), "{text}");
    assert!(!entry.file_name().into_string().unwrap().contains("client"), "{entry:?}");
    let (replay, _) = ReplayBackend::load(place.path(), ReplayOptions::default()).unwrap();
    let heard = hear(&replay, asked("sk-client-9876543210")).await.unwrap();
    assert_eq!(heard.pieces[0].1, "{\"key\":\"********************\"}");
    refusal_of(&replay, asked("sk-client-of-another-length")).await;
}

#[tokio::test(start_paused = true)]
async fn the_root_is_recorded_and_a_body_has_a_length_where_it_may() {
    let place = tempfile::tempdir().unwrap();
    let recorder = recorder(
        Upstream::new(|request| {
            let status = if request.path == "/gone" { StatusCode::NO_CONTENT } else { StatusCode::OK };
            Ok(Reply::new(status, ReplyBody::Whole(Bytes::new())))
        }),
        place.path(),
    );
    for (method, path) in [(Method::GET, ""), (Method::HEAD, ""), (Method::DELETE, "/gone")] {
        hear(&recorder, request(method, path, "")).await.unwrap();
    }
    let recordings = recorded(&recorder, place.path()).await;
    let told: Vec<_> = recordings
        .iter()
        .map(|recording| {
            (recording.cassette.request.path.as_str(), answer(recording).headers.get("content-length"))
        })
        .collect();
    assert_eq!(told, [("/", Some(&http::HeaderValue::from(0))), ("/", None), ("/gone", None)]);
    let (replay, _) = ReplayBackend::load(place.path(), ReplayOptions::default()).unwrap();
    hear(&replay, request(Method::GET, "", "")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_vanishes_costs_recordings_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("cassettes");
    let recorder = recorder(Upstream::streaming(&PIECES, None), &folder);
    let first = hear(&recorder, chat("{}")).await.unwrap();
    assert_eq!(recorder.written().await, 0);
    let (replay, _) = ReplayBackend::load(&folder, ReplayOptions::default()).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(hear(&recorder, chat("{}")).await.unwrap(), first);
    assert_eq!(recorder.written().await, 0);
    assert_eq!(measured(&recorder, "exchanges_recorded"), 1);
    assert_eq!(measured(&recorder, "recordings_not_written"), 1);
    // What was read before is played on.
    assert_eq!(hear(&replay, chat("{}")).await.unwrap(), first);
    assert!(ReplayBackend::load(&folder, ReplayOptions::default()).is_err());
}

#[tokio::test(start_paused = true)]
async fn good_files_are_served_beside_a_truncated_one() {
    let place = tempfile::tempdir().unwrap();
    let recorder = recorder(Upstream::streaming(&PIECES, None), place.path());
    for body in ["{\"n\":1}", "{\"n\":2}"] {
        hear(&recorder, chat(body)).await.unwrap();
        assert_eq!(recorder.written().await, 0);
    }
    let cut = place.path().join("000001-post-chat-completions.json");
    let text = fs::read(&cut).unwrap();
    fs::write(&cut, &text[..text.len() / 2]).unwrap();
    let (replay, problems) = ReplayBackend::load(place.path(), ReplayOptions::default()).unwrap();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with(&format!("{}: it is cut off (line ", cut.display())), "{problems:?}");
    hear(&replay, chat("{\"n\":2}")).await.unwrap();
    refusal_of(&replay, chat("{\"n\":1}")).await;
}
