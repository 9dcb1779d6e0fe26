//! The bounds in time and size, met by clients that are slow, silent, or too large.

use std::time::Duration;

use interference_faults::Plan;
use interference_server::{Limits, ServeOptions, ServeOutcome};
use serde_json::Value;

use crate::exchange::{Connection, Running, outcome, post};

const SHORT: Duration = Duration::from_millis(60);

fn with(limits: Limits) -> ServeOptions {
    ServeOptions { limits, ..ServeOptions::default() }
}

fn request_time() -> ServeOptions {
    with(Limits { request_time: SHORT, ..Limits::default() })
}

/// How the first exchange of a client's ended.
async fn ended(server: &Running) -> Value {
    let journal = server.get("/_interference/requests?min=1&ended=true").await;
    serde_json::from_str::<Value>(&journal.body).unwrap()["requests"][0]["ended"].clone()
}

const TIME_OVER: &str = r#"{"error":{"message":"The request took longer than 0.06 s, which is this server's limit. Ask for less, or start the server with a larger `--request-timeout`.","type":"server_error","param":null,"code":"request_timeout"}}"#;

#[tokio::test]
async fn a_whole_answer_that_takes_too_long_is_an_error() {
    let mut server = Running::start(request_time()).await;
    let answer = server.post("never").await;
    assert_eq!((answer.status, answer.body.as_str()), (504, TIME_OVER));
    assert_eq!([server.told().await, server.told().await], ["never", "answer dropped"]);
}

#[tokio::test]
async fn a_stream_that_takes_too_long_is_ended_once() {
    let mut server = Running::start(request_time()).await;
    let answer = server.post("stuck stream").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, format!("data: a\n\ndata: {TIME_OVER}\n\ndata: [DONE]\n\n"));
    assert_eq!([server.told().await, server.told().await], ["stuck", "stream dropped"]);
    assert_eq!(ended(&server).await, "timed_out");
}

#[tokio::test]
async fn a_stream_without_a_pause_is_ended_too() {
    let server = Running::start(request_time()).await;
    let answer = server.post("flood").await;
    assert!(answer.body.ends_with(&format!("data: {TIME_OVER}\n\ndata: [DONE]\n\n")));
}

#[tokio::test]
async fn a_fault_that_holds_the_answer_ends_with_the_request() {
    let faults = Some(Plan::parse("stall.after_events = 1, seed = 1").unwrap());
    let mut server = Running::start(ServeOptions { faults, ..request_time() }).await;
    let mut connection = Connection::open(server.address).await;
    connection.write(&post("stuck stream")).await;
    connection.until_gone().await;
    assert_eq!([server.told().await, server.told().await], ["stuck", "stream dropped"]);
    assert_eq!(ended(&server).await, "timed_out");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let limits = Limits { write_time: SHORT, ..Limits::default() };
    for faults in [None, Some(Plan::parse("split.at = [1], seed = 1").unwrap())] {
        let mut server = Running::start(ServeOptions { faults, ..with(limits.clone()) }).await;
        let mut connection = Connection::open_narrow(server.address).await;
        connection.write(&post("flood")).await;
        assert_eq!(server.told().await, "stream dropped");
        assert_eq!(ended(&server).await, "timed_out");
        connection.until_gone().await;
        let metrics = server.get("/metrics").await.body;
        assert!(metrics.contains("interference_connections_timed_out_total 1\n"), "{metrics}");
    }
}

/// Where a write may take its time, the request still may not.
#[tokio::test]
async fn a_client_that_does_not_read_ends_with_the_request() {
    let mut server = Running::start(request_time()).await;
    let mut connection = Connection::open_narrow(server.address).await;
    connection.write(&post("flood")).await;
    assert_eq!(server.told().await, "stream dropped");
    assert_eq!(ended(&server).await, "timed_out");
}

#[tokio::test]
async fn bytes_at_a_trickle_do_not_move_the_bounds() {
    let limits = Limits { header_time: SHORT, body_time: SHORT, ..Limits::default() };
    let server = Running::start(with(limits)).await;
    let endless = "x".repeat(10_000);
    let mut connection = Connection::open(server.address).await;
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-slow: {endless}");
    assert_eq!(connection.trickle(head.as_bytes()).await, "");
    let mut connection = Connection::open(server.address).await;
    connection.write(&post("").replace("content-length: 0", "content-length: 10000")).await;
    let said = connection.trickle(endless.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("\"code\":\"request_timeout\""), "{said}");
}

#[tokio::test]
async fn a_connection_that_idles_after_an_answer_is_closed() {
    let server = Running::start(with(Limits { header_time: SHORT, ..Limits::default() })).await;
    let mut connection = Connection::open(server.address).await;
    connection.write(&post("whole").replace("connection: close\r\n", "")).await;
    connection.read_until("{\"whole\":true}").await;
    assert_eq!(connection.rest_as_text().await, "");
}

#[tokio::test]
async fn a_head_that_cannot_be_taken_has_the_envelope() {
    let server = Running::start(ServeOptions::default()).await;
    let many: String = (0..200).map(|number| format!("x-{number}: a\r\n")).collect();
    let whole = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let table = [
        ("GET /health HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n".to_owned(), 400, "null"),
        ("nonsense\r\n\r\n".to_owned(), 400, "null"),
        (format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(900_000)), 431, "\"head_too_large\""),
        (format!("GET /health HTTP/1.1\r\n{many}\r\n"), 431, "\"head_too_large\""),
        (format!("{whole}x: {}\r\n\r\n", "x".repeat(66_000)), 431, "\"head_too_large\""),
    ];
    for (request, status, code) in table {
        let answer = server.exchange(&request).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.headers.contains(&"content-type: application/json".to_owned()), "{answer:?}");
        let end = format!("\"type\":\"invalid_request_error\",\"param\":null,\"code\":{code}}}}}");
        assert!(answer.body.ends_with(&end), "{answer:?}");
    }
    let metrics = server.get("/metrics").await.body;
    assert!(
        metrics.contains("interference_requests_total{route=\"unreadable\",status=\"431\"} 2\n"),
        "{metrics}"
    );
}

/// An answer of our own that looks like the library's is not mistaken for it.
#[tokio::test]
async fn our_own_errors_pass() {
    let server = Running::start(ServeOptions::default()).await;
    let mut connection = Connection::open(server.address).await;
    let head = "HEAD /v1/models/%ff HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    connection.write(head).await;
    let text = connection.rest_as_text().await;
    assert!(text.starts_with("HTTP/1.1 400 ") && text.ends_with("\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn who_does_not_read_does_not_hold_up_the_end() {
    let options = ServeOptions { drain: Duration::from_millis(10), ..ServeOptions::default() };
    let mut server = Running::start(options).await;
    let mut slow = Connection::open_narrow(server.address).await;
    slow.write(&post("flood")).await;
    slow.read_until("data: ").await;
    let mut stuck = Connection::open(server.address).await;
    stuck.write(&post("stuck stream")).await;
    assert_eq!(server.told().await, "stuck");
    assert_eq!(outcome(server.stop()).await, ServeOutcome::CutOff { connections: 2 });
}
