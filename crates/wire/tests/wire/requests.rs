//! Requests as the responder reads them.

use interference_wire::{BodyExpected, Ending, Flaw, Framing, Limits, Place, Request, TimeBound};

use super::connected;

async fn read(bytes: &[u8], limits: Limits) -> Request {
    let (mut connection, mut responder) = connected(limits).await;
    connection.send(bytes).await.unwrap();
    connection.half_close().await.unwrap();
    responder.read_request(&limits).await
}

#[tokio::test]
async fn requests_follow_each_other() {
    let (mut connection, mut responder) = connected(Limits::default()).await;
    let first = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    let second = b"GET /b HTTP/1.1\r\n\r\n";
    connection.send(&[first.as_slice(), second].concat()).await.unwrap();
    let request = responder.read_request(&Limits::default()).await;
    assert_eq!(request.received.ending, Ending::Complete { by: Framing::Chunks });
    assert_eq!((request.received.body.as_slice(), request.received.surplus()), (&b"ab"[..], &second[..]));
    let request = responder.read_request(&Limits::default()).await;
    assert_eq!(request.head.unwrap().target, b"/b");
    assert_eq!(request.received.ending, Ending::Complete { by: Framing::NoBody });
    drop(connection);
    let request = responder.read_request(&Limits::default()).await;
    assert_eq!(request.received.ending, Ending::Cut(Place::BeforeHead));
}

#[tokio::test]
async fn unfinished_requests_end_as_they_were_left() {
    let limits = Limits::default();
    let short = read(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", limits).await;
    assert_eq!(short.received.ending, Ending::LengthMismatch { expected: 3, received: 2 });
    let broken = read(b"POST / HTTP/1.1\r\nHost : a\r\n\r\n", limits).await;
    let flaw = Flaw::SpaceBeforeColon;
    assert_eq!(broken.received.ending, Ending::Malformed { flaw, offset: 21 });

    let mut limits = Limits::default();
    limits.time.between_reads = std::time::Duration::from_millis(20);
    let (mut connection, mut responder) = connected(limits).await;
    connection.send(b"POST / HT").await.unwrap();
    let request = responder.read_request(&limits).await;
    let (bound, place) = (TimeBound::BetweenReads, Place::Head);
    assert_eq!(request.received.ending, Ending::TimedOut { bound, place });
    connection.reset();
    let request = responder.read_request(&limits).await;
    assert_eq!(request.received.ending, Ending::Reset(Place::BeforeHead));
}

#[tokio::test]
async fn a_client_that_asks_for_leave_gets_it() {
    let (mut connection, mut responder) = connected(Limits::default()).await;
    let server = tokio::spawn(async move {
        let request = responder.read_request(&Limits::default()).await;
        responder.write(b"HTTP/1.1 204 A\r\n\r\n").await.unwrap();
        request
    });
    connection.send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await.unwrap();
    let mut reading = connection.begin_answer(BodyExpected::Yes);
    reading.next_read().await.unwrap();
    assert_eq!(reading.so_far().raw, b"HTTP/1.1 100 Continue\r\n\r\n");
    reading.finish();
    connection.send(b"ab").await.unwrap();
    assert_eq!(connection.read_answer(BodyExpected::Yes).await.status(), Some(204));
    assert_eq!(server.await.unwrap().received.body, b"ab");
}
