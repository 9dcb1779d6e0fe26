//! Streams of events: their bytes, and their one end.

use std::time::Duration;

use interference_server::ServeOptions;

use crate::exchange::{Connection, Running, post};

const HEAD: &str = "200\nx-interference-seed: 7\ncontent-type: text/event-stream\ncache-control: no-cache\n\
                    x-accel-buffering: no\nconnection: close\n\n";

#[tokio::test]
async fn a_stream_to_the_byte() {
    let server = Running::start(ServeOptions::default()).await;
    let expected = format!("{HEAD}data: {{\"a\":1}}\n\ndata: {{\"b\":2}}\n\ndata: [DONE]\n\n");
    assert_eq!(server.post("stream").await.as_text(), expected);
}

#[tokio::test]
async fn nothing_follows_the_end() {
    let server = Running::start(ServeOptions::default()).await;
    assert_eq!(server.post("more after done").await.as_text(), format!("{HEAD}data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_ended() {
    let server = Running::start(ServeOptions::default()).await;
    let table = [
        ("panic in stream", "The server has a bug, and this answer met it.", "internal_error"),
        ("early end", "The answer broke off.", "stream_ended_early"),
    ];
    for (body, message, code) in table {
        let expected = format!(
            "{HEAD}data: a\n\ndata: {{\"error\":{{\"message\":\"{message}\",\"type\":\"server_error\",\"param\":null,\
             \"code\":\"{code}\"}}}}\n\ndata: [DONE]\n\n"
        );
        assert_eq!(server.post(body).await.as_text(), expected);
    }
}

#[tokio::test]
async fn a_stream_may_have_an_end_of_its_own() {
    let server = Running::start(ServeOptions::default()).await;
    let head = HEAD.replace("x-interference-seed: 7\n", "");
    let table = [
        ("own end", "data: [DONE]\n\nevent: end\ndata: well\n\n"),
        ("own end missing", "data: a\n\nevent: end\ndata: stream_ended_early: The answer broke off.\n\n"),
    ];
    for (body, events) in table {
        assert_eq!(server.post(body).await.as_text(), format!("{head}{events}"), "{body}");
    }
}

#[tokio::test]
async fn a_silent_stream_has_its_headers_at_once_and_then_comments() {
    let ping = Duration::from_millis(5);
    let server = Running::start(ServeOptions { ping, ..ServeOptions::default() }).await;
    let mut connection = Connection::open(server.address).await;
    connection.write(&post("silent stream")).await;
    connection.read_until("text/event-stream").await;
    connection.read_until(": waiting\n\n").await;
    connection.read_until(": waiting\n\n").await;
}
