//! The end of a server: what runs may finish, what does not finish is ended, what idles is closed.

use std::time::Duration;

use interference_server::{ServeOptions, ServeOutcome};

use crate::exchange::{Connection, Running, outcome, post};

fn no_drain() -> ServeOptions {
    ServeOptions { drain: Duration::from_millis(10), ..ServeOptions::default() }
}

#[tokio::test]
async fn idle_connections_are_closed_at_once() {
    let server =
        Running::start(ServeOptions { drain: Duration::from_secs(3600), ..ServeOptions::default() }).await;
    // Opened first, so that it was accepted for certain when the other one is answered.
    let mut fresh = Connection::open(server.address).await;
    let mut used = Connection::open(server.address).await;
    used.write(&post("whole").replace("connection: close\r\n", "")).await;
    used.read_until("{\"whole\":true}").await;
    let handle = server.stop();
    assert_eq!(used.rest_as_text().await, "");
    assert_eq!(fresh.rest_as_text().await, "");
    assert_eq!(outcome(handle).await, ServeOutcome::Drained);
}

#[tokio::test]
async fn a_stream_that_outlives_the_bound_is_ended() {
    let table = [
        (
            "stuck stream",
            "data: a\n\ndata: {\"error\":{\"message\":\"The server is going down.\",\"type\":\"server_error\",\
             \"param\":null,\"code\":\"server_stopping\"}}\n\ndata: [DONE]\n\n",
        ),
        ("own end, stuck", "data: a\n\nevent: end\ndata: server_stopping: The server is going down.\n\n"),
    ];
    for (body, events) in table {
        let mut server = Running::start(no_drain()).await;
        let mut connection = Connection::open(server.address).await;
        connection.write(&post(body)).await;
        assert_eq!(server.told().await, "stuck");
        let handle = server.stop();
        assert_eq!(connection.rest().await.body, events);
        assert_eq!(outcome(handle).await, ServeOutcome::CutOff { connections: 1 });
    }
}

#[tokio::test]
async fn a_whole_answer_that_outlives_the_bound_is_an_error() {
    let mut server = Running::start(no_drain()).await;
    let mut connection = Connection::open(server.address).await;
    connection.write(&post("never")).await;
    assert_eq!(server.told().await, "never");
    let handle = server.stop();
    let answer = connection.rest().await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (
            503,
            r#"{"error":{"message":"The server is going down.","type":"server_error","param":null,"code":"service_unavailable"}}"#
        )
    );
    assert_eq!(outcome(handle).await, ServeOutcome::CutOff { connections: 1 });
}

#[tokio::test]
async fn nobody_can_connect_any_more() {
    let server = Running::start(ServeOptions::default()).await;
    let address = server.address;
    assert_eq!(outcome(server.stop()).await, ServeOutcome::Drained);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
