//! A client that goes away takes its request with it.

use interference_server::ServeOptions;

use crate::exchange::{Connection, Running, post};

#[tokio::test]
async fn a_client_that_goes_while_it_waits_for_a_whole_answer() {
    let mut server = Running::start(ServeOptions::default()).await;
    let mut connection = Connection::open(server.address).await;
    connection.write(&post("never")).await;
    assert_eq!(server.told().await, "never");
    drop(connection);
    assert_eq!(server.told().await, "answer dropped");
}

#[tokio::test]
async fn a_client_that_goes_while_a_stream_is_silent() {
    let mut server = Running::start(ServeOptions::default()).await;
    let mut connection = Connection::open(server.address).await;
    connection.write(&post("silent stream")).await;
    connection.read_until("text/event-stream").await;
    drop(connection);
    assert_eq!(server.told().await, "stream dropped");
}

#[tokio::test]
async fn a_client_that_goes_on_a_connection_it_would_have_kept() {
    let mut server = Running::start(ServeOptions::default()).await;
    let mut connection = Connection::open(server.address).await;
    connection.write(&post("whole").replace("connection: close\r\n", "")).await;
    connection.read_until("{\"whole\":true}").await;
    connection.write(&post("never").replace("connection: close\r\n", "")).await;
    assert_eq!(server.told().await, "never");
    drop(connection);
    assert_eq!(server.told().await, "answer dropped");
}
