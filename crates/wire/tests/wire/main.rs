//! The reader and the responder over loopback, against each other and against hyper.

#![expect(clippy::unwrap_used, reason = "what the tests share may fail a test like the tests themselves")]

mod ask;
mod encrypted;
mod endings;
mod foreign_client;
mod foreign_server;
mod limits;
mod requests;
mod watch;

use bytes::Bytes;
use interference_wire::{Connection, Limits, Played, Responder, Step, Target};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A connection's two ends.
async fn connected(limits: Limits) -> (Connection, Responder) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::plain("127.0.0.1", listener.local_addr().unwrap().port());
    let (connection, accepted) = tokio::join!(Connection::connect(&target, limits), listener.accept());
    (connection.unwrap(), Responder::new(accepted.unwrap().0))
}

/// A connection whose other end reads one request and then plays these steps.
async fn served(limits: Limits, steps: Vec<Step>) -> (Connection, JoinHandle<Played>) {
    let (mut connection, mut responder) = connected(limits).await;
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let play = tokio::spawn(async move {
        let request = responder.read_request(&Limits::default()).await;
        assert!(request.received.ending.is_complete(), "{:?}", request.received.ending);
        responder.play(steps).await
    });
    (connection, play)
}

fn write(bytes: impl AsRef<[u8]>) -> Step {
    Step::Write(Bytes::copy_from_slice(bytes.as_ref()))
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
