//! Answers with faults: their bytes, their ends, and what is told of them.

use std::time::Duration;

use interference_faults::Plan;
use interference_server::{HeaderFaults, ServeOptions, ServeOutcome};
use interference_wire::{Aftermath, BodyExpected, ConnectionEnd, Ending, Framing, Place};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::backend::LONG_FRAMES;
use crate::exchange::{Running, outcome, post};
use crate::raw_client::{BOUND, ask, body, chunks, connect, header, journal, one_answer, request};

const A: &str = "data: {\"a\":1}\n\n";
const B: &str = "data: {\"b\":2}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn with(plan: &str) -> ServeOptions {
    ServeOptions { faults: Some(Plan::parse(plan).unwrap()), ..ServeOptions::default() }
}

#[tokio::test]
async fn a_stream_is_cut_in_each_of_the_ways() {
    let table = [
        ("close", Ending::Cut(Place::BetweenChunks)),
        ("half_close", Ending::Cut(Place::BetweenChunks)),
        ("end", Ending::Complete { by: Framing::Chunks }),
        ("reset", Ending::Reset(Place::BetweenChunks)),
    ];
    for (by, ending) in table {
        let server = Running::start(with(&format!("cut = {{ after_events = 2, by = \"{by}\" }}"))).await;
        let answer = one_answer(&server, &request("stream", "")).await;
        assert_eq!(body(&answer), format!("{A}{B}"), "{by}");
        assert_eq!(answer.received.ending, ending, "{by}");
        assert_eq!(header(&answer, "connection"), None, "{by}");
        let ended = if by == "end" { "complete" } else { "fault" };
        assert_eq!(journal(&server).await["requests"][0]["ended"], ended, "{by}");
        let cut = json!([{"fault": "cut", "event": 2, "byte": null}]);
        assert_eq!(journal(&server).await["requests"][0]["faults"], cut, "{by}");
    }
}

#[tokio::test]
async fn a_half_closed_connection_stays_readable() {
    let server = Running::start(with("cut = { after_events = 1, by = \"half_close\" }")).await;
    let mut connection = connect(&server).await;
    let answer = ask(&mut connection, &request("stream", "")).await;
    assert_eq!(answer.received.ending, Ending::Cut(Place::BetweenChunks));
    // A server that had closed would answer these bytes with a reset.
    connection.send(b"more").await.unwrap();
    connection.send(b"more").await.unwrap();
}

#[tokio::test]
async fn a_cut_at_a_byte_is_inside_a_chunk_or_short_of_the_length() {
    let server = Running::start(with("cut = { after_bytes = 20, by = \"close\" }")).await;
    let answer = one_answer(&server, &request("stream", "")).await;
    assert_eq!(body(&answer), format!("{A}{}", &B[..5]));
    assert_eq!(answer.received.ending, Ending::Cut(Place::BetweenChunks));

    let server = Running::start(with("cut = { after_bytes = 5, by = \"close\" }")).await;
    let answer = one_answer(&server, &request("whole", "")).await;
    assert_eq!(body(&answer), "{\"who");
    assert_eq!(answer.received.ending, Ending::LengthMismatch { expected: 14, received: 5 });
}

#[tokio::test]
async fn a_connection_lives_on_after_an_answer_with_faults_that_was_whole() {
    let server = Running::start(with("split = { every = 4 }, times = 1")).await;
    let mut connection = connect(&server).await;
    let answer = ask(&mut connection, &request("stream", "")).await;
    assert!(answer.keeps_alive());
    assert_eq!(body(&answer), format!("{A}{B}{DONE}"));
    assert!(chunks(&answer).iter().all(|chunk| chunk.len() <= 4), "{:?}", chunks(&answer));

    let answer = ask(&mut connection, &request("stream", "")).await;
    assert_eq!(chunks(&answer), [A, B, DONE, ""]);
    assert!(header(&answer, "x-interference-applied").unwrap().starts_with("none, seed="));

    let answer = ask(&mut connection, &request("whole", "")).await;
    assert_eq!(body(&answer), "{\"whole\":true}");
    assert_eq!(connection.watch(Duration::from_millis(1)).await, Aftermath::Quiet);
}

#[tokio::test]
async fn a_client_that_wants_the_connection_closed_has_it_closed() {
    let server = Running::start(with("duplicate = { events = [1] }")).await;
    let mut connection = connect(&server).await;
    let answer = ask(&mut connection, &post("stream")).await;
    assert_eq!(chunks(&answer), [A, A, B, DONE, ""]);
    assert_eq!(header(&answer, "connection").as_deref(), Some("close"));
    assert_eq!(connection.watch(BOUND).await, Aftermath::Ended(ConnectionEnd::Closed));
}

#[tokio::test]
async fn http_1_0_has_no_chunks() {
    let server = Running::start(with("duplicate = { events = [1] }")).await;
    let answer = one_answer(&server, &post("stream").replace("HTTP/1.1", "HTTP/1.0")).await;
    assert_eq!(answer.received.ending, Ending::Complete { by: Framing::ConnectionEnd });
    assert_eq!(body(&answer), format!("{A}{A}{B}{DONE}"));
}

#[tokio::test]
async fn what_was_applied_is_told_and_repeats_the_answer() {
    let plan = "drop = { probability = 0.5 }, corrupt = { probability = 0.1, with = \"flip\" }";
    let server = Running::start(ServeOptions { header_faults: HeaderFaults::Allowed, ..with(plan) }).await;
    let first = one_answer(&server, &request("stream", "")).await;
    let second = one_answer(&server, &request("stream", "")).await;
    let applied = header(&first, "x-interference-applied").unwrap();
    let again = one_answer(&server, &request("stream", &format!("x-interference: {applied}\r\n"))).await;
    assert_eq!(again.received.body, first.received.body);
    assert_eq!(header(&again, "x-interference-applied"), Some(applied.clone()));
    // Two seeds may by chance have the same effect on so short an answer, but are never the same.
    assert_ne!(header(&second, "x-interference-applied"), Some(applied), "each request has draws of its own");
}

#[tokio::test]
async fn two_servers_with_one_seed_do_the_same() {
    let plan = "reorder = { probability = 0.5 }, split = { random = 7 }, seed = 42";
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let server = Running::start(with(plan)).await;
        for _ in 0..3 {
            let answer = one_answer(&server, &request("stream", "")).await;
            let sizes: Vec<usize> = answer.received.chunks.iter().map(|chunk| chunk.data.len()).collect();
            bodies.push((answer.received.body, sizes));
        }
    }
    assert_eq!(bodies[..3], bodies[3..]);
    assert_ne!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_header_asks_for_faults_only_where_it_may() {
    let asking = request("stream", "x-interference: cut.after_events = 1, cut.by = \"end\"\r\n");
    let server = Running::start(ServeOptions::default()).await;
    let refused = one_answer(&server, &asking).await;
    assert_eq!(refused.status(), Some(400));
    assert!(body(&refused).contains("\"code\":\"faults_not_allowed\""), "{}", body(&refused));

    let server =
        Running::start(ServeOptions { header_faults: HeaderFaults::Allowed, ..ServeOptions::default() })
            .await;
    assert_eq!(body(&one_answer(&server, &asking).await), A);
    let wrong = request("stream", "x-interference: cat.after_events = 1\r\n");
    let refused = one_answer(&server, &wrong).await;
    assert_eq!(refused.status(), Some(400));
    assert!(body(&refused).contains("\"code\":\"invalid_fault_plan\""), "{}", body(&refused));
}

#[tokio::test]
async fn a_plan_behind_the_models_name_is_not_shown_to_the_backend() {
    let server = Running::start(ServeOptions::default()).await;
    let asking = request("{\"model\":\"echo#cut.after_bytes=3,seed=7\"}", "");
    let answer = one_answer(&server, &asking).await;
    assert_eq!(body(&answer), "{\"m");
    let asked = &journal(&server).await["requests"][0]["body"];
    assert_eq!(*asked, json!({"model": "echo#cut.after_bytes=3,seed=7"}));
    assert_eq!(
        body(&one_answer(&server, &request("{\"model\":\"echo\"}", "")).await),
        "{\"model\":\"echo\"}"
    );
}

#[tokio::test]
async fn a_status_takes_the_place_of_the_answer() {
    let plan = "http = { status = 429, retry_after = \"2s\", message = \"slow down\" }, seed = 1";
    let server = Running::start(with(plan)).await;
    // The backend would never answer this.
    let answer = one_answer(&server, &request("never", "")).await;
    assert_eq!(answer.status(), Some(429));
    assert_eq!(header(&answer, "retry-after").as_deref(), Some("2"));
    assert_eq!(header(&answer, "content-type").as_deref(), Some("application/json"));
    let error: Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(error["error"]["message"], "slow down");
    assert_eq!(error["error"].as_object().unwrap().len(), 4);
    assert!(answer.keeps_alive());
}

#[tokio::test]
async fn a_wrong_length_is_what_the_head_says() {
    let whole_length = (A.len() + B.len() + DONE.len()) as u64;
    let server = Running::start(with("length = { more = 10 }")).await;
    let answer = one_answer(&server, &request("stream", "")).await;
    let expected = Ending::LengthMismatch { expected: whole_length + 10, received: whole_length };
    assert_eq!(answer.received.ending, expected);
    let answer = one_answer(&server, &request("whole", "")).await;
    assert_eq!(answer.received.ending, Ending::LengthMismatch { expected: 24, received: 14 });

    let server = Running::start(with("length = { fewer = 4 }")).await;
    let mut connection = connect(&server).await;
    let answer = ask(&mut connection, &request("whole", "")).await;
    assert_eq!(body(&answer), "{\"whole\":t");
    assert_eq!(answer.received.surplus(), b"rue}");
}

#[tokio::test]
async fn a_body_that_is_cut_and_ends_properly_is_a_shorter_one() {
    let server = Running::start(with("cut = { after_bytes = 5, by = \"end\" }")).await;
    let mut connection = connect(&server).await;
    for _ in 0..2 {
        let answer = ask(&mut connection, &request("whole", "")).await;
        assert_eq!(body(&answer), "{\"who");
        assert_eq!(answer.received.ending, Ending::Complete { by: Framing::Length(5) });
    }
}

#[tokio::test]
async fn a_status_without_a_body_has_none_and_no_length() {
    let server = Running::start(with("http.status = 204")).await;
    let mut connection = connect(&server).await;
    for _ in 0..2 {
        let answer = ask(&mut connection, &request("whole", "")).await;
        assert_eq!(answer.received.ending, Ending::Complete { by: Framing::NoBody });
        assert_eq!(header(&answer, "content-length"), None);
        assert_eq!(answer.received.remarks, []);
    }
}

#[tokio::test]
async fn a_plan_of_the_backend_can_replace_the_answer_too() {
    let server = Running::start(ServeOptions::default()).await;
    let answer = one_answer(&server, &request("with faults", "")).await;
    assert_eq!(answer.status(), Some(503));
    assert!(body(&answer).contains("\"message\":\"later\""), "{}", body(&answer));
    assert_eq!(header(&answer, "content-type").as_deref(), Some("application/json"));
    assert_eq!(header(&answer, "x-interference-seed").as_deref(), Some("7"));
}

#[tokio::test]
async fn an_answer_that_is_held_open_is_no_longer_made() {
    let mut server = Running::start(with("stall = { after_events = 1 }")).await;
    let mut connection = connect(&server).await;
    connection.send(request("stuck stream", "").as_bytes()).await.unwrap();
    assert_eq!(server.told().await, "stuck");
    // Nobody gets the rest, though the client is still there.
    assert_eq!(timeout(BOUND, server.told()).await.unwrap(), "stream dropped");
    drop(connection);
    assert_eq!(journal(&server).await["requests"][0]["ended"], "client_gone");
}

#[tokio::test]
async fn a_client_that_goes_before_the_first_byte_is_noticed() {
    for plan in ["http.slow_head = \"1h\"", "latency.first_token = \"1h\""] {
        for asked in ["whole", "stream"] {
            let server = Running::start(with(plan)).await;
            let mut connection = connect(&server).await;
            connection.send(request(asked, "").as_bytes()).await.unwrap();
            server.get("/_interference/requests?min=1").await;
            drop(connection);
            assert_eq!(journal(&server).await["requests"][0]["ended"], "client_gone", "{plan} {asked}");
        }
    }
}

#[tokio::test]
async fn what_cannot_show_is_named() {
    let server = Running::start(with("drop = { events = [1] }, seed = 3")).await;
    let answer = one_answer(&server, &request("whole", "")).await;
    assert_eq!(body(&answer), "{\"whole\":true}");
    assert_eq!(header(&answer, "x-interference-applied").as_deref(), Some("none, seed=3"));
    assert_eq!(header(&answer, "x-interference-ignored").as_deref(), Some("x-interference.drop"));
}

#[tokio::test]
async fn errors_of_requests_stay_as_they_are() {
    let server = Running::start(with("cut.after_bytes = 1")).await;
    let answer = one_answer(&server, &request("invalid", "")).await;
    assert_eq!(answer.status(), Some(400));
    assert!(answer.received.ending.is_complete());
}

#[tokio::test]
async fn a_client_that_goes_during_a_stall_is_noticed() {
    let mut server = Running::start(with("stall = { after_events = 1, time = \"1h\" }")).await;
    let mut connection = connect(&server).await;
    connection.send(request("stuck stream", "").as_bytes()).await.unwrap();
    assert_eq!(server.told().await, "stuck");
    let mut reading = connection.begin_answer(BodyExpected::Yes);
    while reading.so_far().chunks.is_empty() {
        timeout(BOUND, reading.next_read()).await.unwrap().unwrap();
    }
    drop(reading);
    drop(connection);
    assert_eq!(timeout(BOUND, server.told()).await.unwrap(), "stream dropped");
}

#[tokio::test]
async fn a_slow_whole_answer_does_not_begin_before_it_is_there() {
    let options = ServeOptions { drain: Duration::ZERO, ..with("latency.first_token = \"1h\"") };
    let server = Running::start(options).await;
    let mut connection = connect(&server).await;
    connection.send(request("whole", "").as_bytes()).await.unwrap();
    server.get("/_interference/requests?min=1").await;
    let stopped = server.stop();
    let answer = timeout(BOUND, connection.read_answer(BodyExpected::Yes)).await.unwrap();
    assert_eq!(answer.received.raw, b"", "{}", answer.wire_log());
    assert_eq!(outcome(stopped).await, ServeOutcome::CutOff { connections: 1 });
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_a_stall() {
    let options =
        ServeOptions { drain: Duration::ZERO, ..with("stall = { after_events = 1, time = \"1h\" }") };
    let server = Running::start(options).await;
    let mut connection = connect(&server).await;
    connection.send(request("stream", "").as_bytes()).await.unwrap();
    let mut reading = connection.begin_answer(BodyExpected::Yes);
    while reading.so_far().chunks.is_empty() {
        timeout(BOUND, reading.next_read()).await.unwrap().unwrap();
    }
    let stopped = server.stop();
    while timeout(BOUND, reading.next_read()).await.unwrap().is_some() {}
    let answer = reading.finish();
    let error = "data: {\"error\":{\"message\":\"The server is going down.\",\"type\":\"server_error\",\
                 \"param\":null,\"code\":\"server_stopping\"}}\n\n";
    assert_eq!(chunks(&answer), [A, error, DONE, ""]);
    assert_eq!(outcome(stopped).await, ServeOutcome::CutOff { connections: 1 });
}

#[tokio::test]
async fn a_server_that_stops_adds_nothing_to_a_stream_that_has_said_its_end() {
    let options =
        ServeOptions { drain: Duration::ZERO, ..with("stall = { after_events = 3, time = \"1h\" }") };
    let server = Running::start(options).await;
    let mut connection = connect(&server).await;
    connection.send(request("stream", "").as_bytes()).await.unwrap();
    let mut reading = connection.begin_answer(BodyExpected::Yes);
    while !reading.so_far().body.ends_with(DONE.as_bytes()) {
        timeout(BOUND, reading.next_read()).await.unwrap().unwrap();
    }
    let stopped = server.stop();
    while timeout(BOUND, reading.next_read()).await.unwrap().is_some() {}
    assert_eq!(chunks(&reading.finish()), [A, B, DONE, ""]);
    assert_eq!(outcome(stopped).await, ServeOutcome::CutOff { connections: 1 });
}

/// Without chunks a mere close would be a good end: there it is the words that tell.
#[tokio::test]
async fn a_server_that_stops_tells_clients_of_http_1_0_so() {
    for (plan, is_told) in [
        ("stall = { after_events = 1, time = \"1h\" }", true),
        ("drip = { bytes = 3, every = \"1h\" }", false),
    ] {
        let server = Running::start(ServeOptions { drain: Duration::ZERO, ..with(plan) }).await;
        let mut connection = connect(&server).await;
        let old = request("stream", "").replace("HTTP/1.1", "HTTP/1.0");
        connection.send(old.as_bytes()).await.unwrap();
        let mut reading = connection.begin_answer(BodyExpected::Yes);
        while reading.so_far().body.is_empty() {
            timeout(BOUND, reading.next_read()).await.unwrap().unwrap();
        }
        let stopped = server.stop();
        while timeout(BOUND, reading.next_read()).await.unwrap().is_some() {}
        let answer = reading.finish();
        let told = answer.received.body.ends_with(DONE.as_bytes());
        let was_reset = matches!(answer.received.ending, Ending::Reset(_));
        assert_eq!((told, was_reset), (is_told, !is_told), "{plan}: {}", answer.wire_log());
        assert_eq!(outcome(stopped).await, ServeOutcome::CutOff { connections: 1 });
    }
}

/// Behind half an event, or half a coding, nobody could read them.
#[tokio::test]
async fn a_server_that_stops_puts_no_last_words_where_they_cannot_be_read() {
    for plan in [
        "drip = { bytes = 3, every = \"1h\" }",
        "http.gzip = true, stall = { after_events = 1, time = \"1h\" }",
    ] {
        let server = Running::start(ServeOptions { drain: Duration::ZERO, ..with(plan) }).await;
        let mut connection = connect(&server).await;
        connection.send(request("stream", "").as_bytes()).await.unwrap();
        let mut reading = connection.begin_answer(BodyExpected::Yes);
        while reading.so_far().chunks.is_empty() {
            timeout(BOUND, reading.next_read()).await.unwrap().unwrap();
        }
        let before = reading.so_far().body.len();
        let stopped = server.stop();
        while timeout(BOUND, reading.next_read()).await.unwrap().is_some() {}
        let answer = reading.finish();
        assert_eq!(answer.received.body.len(), before, "{plan}: {}", answer.wire_log());
        assert!(matches!(answer.received.ending, Ending::Cut(_)), "{plan}: {}", answer.wire_log());
        assert_eq!(outcome(stopped).await, ServeOutcome::CutOff { connections: 1 });
    }
}

#[tokio::test]
async fn what_is_too_long_for_a_wrong_length_goes_on_without_it() {
    let server = Running::start(with("length.more = 10")).await;
    let answer = one_answer(&server, &request("long frames", "")).await;
    assert_eq!(answer.received.body.len(), LONG_FRAMES << 20);
    assert_eq!(answer.received.ending, Ending::Complete { by: Framing::Chunks });
    assert_eq!(journal(&server).await["requests"][0]["ended"], "complete");
}
