//! The responder's watch for its peer, and its ways to close.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use interference_wire::{Aftermath, BodyExpected, ConnectionEnd, Gone, Limits};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use super::connected;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn unread_bytes_neither_wake_nor_hide_an_end() {
    let (mut connection, responder) = connected(Limits::default()).await;
    connection.send(b"unread").await.unwrap();
    let mut polls = 0;
    {
        let mut gone = pin!(responder.peer_gone());
        let counted = poll_fn(|context| {
            polls += 1;
            gone.as_mut().poll(context)
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), counted).await.is_err(), "it is still there");
    }
    assert!(polls <= 5, "{polls} polls: the watch spins");
    connection.close().await;
    assert_eq!(responder.peer_gone().await, Gone::Closed);
    assert_eq!(responder.peer_gone().await, Gone::Closed, "and it is told every time");
    let mut unread = Vec::new();
    responder.into_stream().read_to_end(&mut unread).await.unwrap();
    assert_eq!(unread, b"unread", "nothing was consumed");
}

#[tokio::test]
async fn an_end_is_seen_after_everything_was_read() {
    let (mut connection, mut responder) = connected(Limits::default()).await;
    connection.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    responder.read_request(&Limits::default()).await;
    responder.wait_until(Instant::now() + Duration::from_millis(5)).await.unwrap();
    drop(connection);
    assert_eq!(responder.wait_until(Instant::now() + LONG).await, Err(Gone::Closed));
}

#[tokio::test]
async fn a_reset_is_told_from_a_close() {
    for unread in [b"".as_slice(), b"unread"] {
        let (mut connection, mut responder) = connected(Limits::default()).await;
        connection.send(unread).await.unwrap();
        connection.reset();
        assert_eq!(responder.peer_gone().await, Gone::Reset);
        assert_eq!(responder.wait_until(Instant::now() + LONG).await, Err(Gone::Reset));
        assert_eq!(responder.write(b"late").await, Err(Gone::Reset));
    }
}

#[tokio::test]
async fn a_write_that_waits_ends_with_a_reset() {
    let (connection, mut responder) = connected(Limits::default()).await;
    let write = tokio::spawn(async move { responder.write(&vec![0; 64 << 20]).await });
    tokio::task::yield_now().await;
    connection.reset();
    assert_eq!(write.await.unwrap(), Err(Gone::Reset));
}

#[tokio::test]
async fn writes_fail_after_a_close() {
    let (connection, mut responder) = connected(Limits::default()).await;
    connection.close().await;
    assert_eq!(responder.peer_gone().await, Gone::Closed);
    // The first may be taken, and is answered by a reset; the second fails when that has come.
    let first = responder.write(b"late").await;
    let failed = async {
        loop {
            if let Err(gone) = responder.write(b"later").await {
                return gone;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(tokio::time::timeout(LONG, failed).await, Ok(Gone::Closed), "{first:?}");
}

#[tokio::test]
async fn a_close_is_clean_though_bytes_were_not_read() {
    let (mut connection, mut responder) = connected(Limits::default()).await;
    connection.send(&[b'a'; 50_000]).await.unwrap();
    responder.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let close = tokio::spawn(responder.close());
    assert!(connection.read_answer(BodyExpected::Yes).await.received.ending.is_complete());
    assert_eq!(connection.watch(LONG).await, Aftermath::Ended(ConnectionEnd::Closed));
    connection.close().await;
    close.await.unwrap();
}
