//! A client that sees answers to the byte, with how they ended.

use std::time::Duration;

use interference_wire::{Answer, BodyExpected, Connection, Limits, Target};
use serde_json::Value;
use tokio::time::timeout;

use crate::exchange::{Running, post};

/// Nothing here takes this long unless it is broken.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A request that lets the connection live, with a header on top.
pub(crate) fn request(body: &str, header: &str) -> String {
    post(body).replace("connection: close\r\n", header)
}

pub(crate) async fn connect(server: &Running) -> Connection {
    let target = Target::plain("127.0.0.1", server.address.port());
    Connection::connect(&target, Limits::default()).await.unwrap()
}

pub(crate) async fn ask(connection: &mut Connection, request: &str) -> Answer {
    connection.send(request.as_bytes()).await.unwrap();
    timeout(BOUND, connection.read_answer(BodyExpected::Yes)).await.unwrap()
}

pub(crate) async fn one_answer(server: &Running, request: &str) -> Answer {
    ask(&mut connect(server).await, request).await
}

pub(crate) fn header(answer: &Answer, name: &str) -> Option<String> {
    let value = answer.head.as_ref().unwrap().fields.first(name)?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

pub(crate) fn body(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.received.body).unwrap()
}

/// The body, chunk by chunk.
pub(crate) fn chunks(answer: &Answer) -> Vec<&str> {
    let received = &answer.received;
    let data = received.chunks.iter().map(|chunk| &received.raw[chunk.data.clone()]);
    data.map(|data| std::str::from_utf8(data).unwrap()).collect()
}

/// What the server remembers of requests that have ended, at least one.
pub(crate) async fn journal(server: &Running) -> Value {
    let answer = server.get("/_interference/requests?min=1&ended=true").await;
    serde_json::from_str(&answer.body).unwrap()
}
