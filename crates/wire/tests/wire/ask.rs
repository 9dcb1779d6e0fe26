//! Asking: several answers on a connection, stopping in the middle, leaving in every way.

use std::time::Duration;

use interference_wire::{
    Aftermath, BodyExpected, ConnectionEnd, Ending, Framing, Gone, LAST_CHUNK, Limits, Piece, Place, PlayEnd,
    Step, chunk,
};

use super::{CHUNKED, connected, served, write};

const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn answers_follow_each_other_on_a_connection() {
    let both = [b"HTTP/1.1 103 Hint\r\n\r\n".as_slice(), SHORT, b"HTTP/1.1 204 Empty\r\n\r\n"].concat();
    let (mut connection, play) = served(Limits::default(), vec![write(both), Step::Close]).await;
    let first = connection.read_answer(BodyExpected::Yes).await;
    assert_eq!(first.received.ending, Ending::Complete { by: Framing::Length(2) });
    assert_eq!((first.interim.len(), first.received.surplus()), (1, &b"HTTP/1.1 204 Empty\r\n\r\n"[..]));
    assert!(first.keeps_alive());
    assert_eq!(connection.watch(Duration::ZERO).await, Aftermath::Surplus);
    let second = connection.read_answer(BodyExpected::Yes).await;
    assert_eq!(second.received.ending, Ending::Complete { by: Framing::NoBody });
    assert_eq!(second.received.raw, first.received.surplus());
    assert_eq!(second.received.reads[0].at, first.received.reads[0].at, "carried bytes keep their time");
    assert_eq!(
        connection.watch(Duration::from_secs(20)).await,
        Aftermath::Ended(ConnectionEnd::Closed),
        "the server closes after its answers"
    );
    let third = connection.read_answer(BodyExpected::Yes).await;
    assert_eq!(third.received.ending, Ending::Cut(Place::BeforeHead));
    connection.close().await;
    assert!(matches!(play.await.unwrap().end, PlayEnd::Closed));
}

#[tokio::test]
async fn quiet_is_told_from_an_end() {
    let (mut connection, play) = served(Limits::default(), vec![write(SHORT)]).await;
    assert!(connection.read_answer(BodyExpected::Yes).await.received.ending.is_complete());
    assert_eq!(connection.watch(Duration::from_millis(10)).await, Aftermath::Quiet);
    let PlayEnd::Open(responder) = play.await.unwrap().end else {
        panic!("the play left the connection open")
    };
    responder.reset();
    assert_eq!(connection.watch(Duration::from_secs(20)).await, Aftermath::Ended(ConnectionEnd::Reset));
}

#[tokio::test]
async fn reading_can_stop_in_the_middle() {
    let steps =
        vec![write(CHUNKED), write(chunk(b"a")), write(chunk(b"b")), Step::Wait(Duration::from_secs(20))];
    let (mut connection, play) = served(Limits::default(), steps).await;
    let mut reading = connection.begin_answer(BodyExpected::Yes);
    while reading.so_far().body.len() < 2 {
        assert!(reading.next_read().await.is_some());
        assert!(matches!(reading.so_far().ending, Ending::Abandoned(_)));
    }
    assert_eq!(reading.head().unwrap().status, 200);
    let answer = reading.finish();
    assert_eq!(answer.received.ending, Ending::Abandoned(Place::BetweenChunks));
    assert_eq!(answer.received.body, b"ab");
    connection.reset();
    let played = play.await.unwrap();
    assert!(matches!(played.end, PlayEnd::PeerGone { step: 3, gone: Gone::Reset, .. }), "{:?}", played.end);
    assert_eq!(played.writes.iter().map(|written| written.len).collect::<Vec<_>>(), [CHUNKED.len(), 6, 6]);
}

#[tokio::test]
async fn an_unfinished_read_can_be_taken_up_again() {
    let steps = vec![write(CHUNKED), Step::Wait(Duration::from_millis(20)), write(LAST_CHUNK)];
    let (mut connection, play) = served(Limits::default(), steps).await;
    let mut reading = connection.begin_answer(BodyExpected::Yes);
    let mut dropped = 0;
    loop {
        match tokio::time::timeout(Duration::from_millis(1), reading.next_read()).await {
            Err(_) => dropped += 1,
            Ok(Some(_)) => {}
            Ok(None) => break,
        }
    }
    assert!(dropped > 0);
    assert_eq!(reading.finish().received.ending, Ending::Complete { by: Framing::Chunks });
    play.await.unwrap();
}

#[tokio::test]
async fn what_is_sent_in_pieces_arrives_in_pieces() {
    let (mut connection, mut responder) = connected(Limits::default()).await;
    let pause = Duration::from_millis(20);
    let pieces = [
        Piece { pause: Duration::ZERO, bytes: b"POST / HTTP/1.1\r\nContent-Le" },
        Piece { pause, bytes: b"ngth: 3\r\n\r\na" },
        Piece { pause, bytes: b"bc" },
    ];
    let limits = Limits::default();
    // The reader is asked first, so that it has read a piece before the next is sent.
    let (request, sent) =
        tokio::join!(biased; responder.read_request(&limits), connection.send_pieces(&pieces));
    let sent = sent.unwrap();
    assert_eq!(sent.iter().map(|sent| sent.len).collect::<Vec<_>>(), [27, 12, 2]);
    assert!(sent.windows(2).all(|pair| pair[1].at - pair[0].taken_at >= pause));
    assert_eq!(request.received.body, b"abc");
    let reads = &request.received.reads;
    assert_eq!(reads.iter().map(|read| read.len).collect::<Vec<_>>(), [27, 12, 2]);
    assert!(reads.iter().zip(&sent).all(|(read, sent)| read.at >= sent.at));
}

#[tokio::test]
async fn a_half_closed_connection_still_answers() {
    let (mut connection, mut responder) = connected(Limits::default()).await;
    connection.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    connection.half_close().await.unwrap();
    assert!(responder.read_request(&Limits::default()).await.received.ending.is_complete());
    assert_eq!(responder.peer_gone().await, Gone::Closed);
    responder.write(SHORT).await.unwrap();
    responder.half_close().await.unwrap();
    let answer = connection.read_answer(BodyExpected::Yes).await;
    assert_eq!(answer.received.body, b"ok");
    assert_eq!(connection.watch(Duration::from_secs(20)).await, Aftermath::Ended(ConnectionEnd::Closed));
}
