//! What upstreams do that they should not: each has its end, in bounded time and memory, and its name.

use std::io::ErrorKind;
use std::time::Duration;

use futures::StreamExt;
use http::Method;
use interference_backend::{Backend, ReplyBody};
use interference_backend_relay::{Upstream, UpstreamTimeouts};
use interference_wire::{LAST_CHUNK, Limits, PlayEnd, Responder, Step, chunk};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::server::{EVENTS, Server, json, silence, write};
use crate::{PATIENCE, answer, get, post, refused, relay, request, upstream};

/// Soon enough for a test to wait for it.
const SOON: Duration = Duration::from_millis(50);

fn impatient(server: &Server, first_byte: Duration, between_bytes: Duration) -> Upstream {
    let timeouts = UpstreamTimeouts { connect: PATIENCE, first_byte, between_bytes };
    Upstream { timeouts, ..upstream("a", server) }
}

#[tokio::test]
async fn a_head_that_never_comes_is_a_time_out() {
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let mut server = Server::start([vec![write(begun), silence()]]).await;
        let (code, message) = refused(&relay([impatient(&server, SOON, PATIENCE)]), post("{}")).await;
        assert_eq!(code, "upstream_timeout");
        let expected =
            format!("The upstream `a` ({}) did not begin its answer within 50ms. It was", server.url());
        assert!(message.starts_with(&expected), "{message}");
        assert!(matches!(server.ended().await, PlayEnd::PeerGone { .. }));
        assert_eq!(server.seen_so_far().len(), 1, "a POST that may have been carried out is not sent again");
    }
}

#[tokio::test]
async fn a_body_that_stops_is_a_time_out() {
    // Enough for a head on a busy machine.
    let a_while = Duration::from_millis(500);
    let first = || write(chunk(b"data: 1\n\n"));
    for (begun, first_byte, between_bytes) in [
        (vec![first()], PATIENCE, SOON),
        // The wait for the first piece was to be longer than that for the second.
        (vec![Step::Wait(SOON), first()], PATIENCE, SOON),
        (vec![write("5\r\nda")], PATIENCE, SOON),
        (Vec::new(), a_while, PATIENCE),
    ] {
        let play = std::iter::once(write(EVENTS)).chain(begun).chain([silence()]).collect();
        let mut server = Server::start([play]).await;
        let relay = relay([impatient(&server, first_byte, between_bytes)]);
        let told = answer(&relay, post("{}")).await.unwrap();
        assert_eq!(told.broke_off, Some(ErrorKind::TimedOut));
        assert!(matches!(server.ended().await, PlayEnd::PeerGone { .. }));
    }
}

#[tokio::test]
async fn comments_keep_a_stream_alive() {
    let between = Duration::from_secs(1);
    // Together they take longer than the time between two bytes.
    let comments = (0..12).flat_map(|_| [write(chunk(b":\n\n")), Step::Wait(between / 10)]);
    let play = std::iter::once(write(EVENTS)).chain(comments).chain([write(LAST_CHUNK)]).collect();
    let server = Server::start([play]).await;
    let told = answer(&relay([impatient(&server, PATIENCE, between)]), post("{}")).await.unwrap();
    assert_eq!((told.frames.len(), told.broke_off), (12, None));
}

#[tokio::test]
async fn ends_before_the_head_are_told_and_a_post_is_sent_once() {
    for end in [Step::Reset, Step::Close] {
        let mut server = Server::start([vec![end.clone()]]).await;
        let (code, message) = refused(&relay([upstream("a", &server)]), post("{}")).await;
        assert_eq!(code, "upstream_broke_off", "{message}");
        assert!(message.contains("ended the connection before it answered"), "{message}");
        assert_eq!(server.seen_so_far().len(), 1);
    }
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again() {
    for method in [Method::GET, Method::DELETE] {
        let mut server =
            Server::start([vec![Step::Reset], vec![Step::Close], vec![write(json("200 OK", "{}"))]]).await;
        let told = answer(&relay([upstream("a", &server)]), request(method, "/files/f", "")).await.unwrap();
        assert_eq!(told.text(), "{}");
        assert_eq!(server.seen_so_far().len(), 3);
    }
    let mut server = Server::start([vec![Step::Reset]]).await;
    let (code, message) = refused(&relay([upstream("a", &server)]), get("/files/f")).await;
    assert_eq!(code, "upstream_broke_off");
    assert!(message.contains("3 tries took"), "{message}");
    assert_eq!(server.seen_so_far().len(), 3);
}

#[tokio::test]
async fn a_body_tells_how_it_broke_off() {
    let in_chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let with_length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let to_the_end = "HTTP/1.1 200 OK\r\n\r\n";
    let table = [
        (in_chunks, "5\r\nfirst\r\n", Step::Close, Some(ErrorKind::UnexpectedEof)),
        (in_chunks, "5\r\nfirst\r\n", Step::Reset, Some(ErrorKind::ConnectionReset)),
        (in_chunks, "5\r\nfirst\r\n9\r\n", Step::Close, Some(ErrorKind::UnexpectedEof)),
        (in_chunks, "5\r\nfirst\r\nzz\r\n", Step::Close, Some(ErrorKind::InvalidData)),
        (in_chunks, "5\r\nfirst\r\n0\r\n", Step::Close, Some(ErrorKind::UnexpectedEof)),
        (with_length, "first", Step::Close, Some(ErrorKind::UnexpectedEof)),
        (with_length, "first", Step::Reset, Some(ErrorKind::ConnectionReset)),
        (to_the_end, "first", Step::Close, None),
        (to_the_end, "first", Step::Reset, Some(ErrorKind::ConnectionReset)),
    ];
    for (head, body, end, broke_off) in table {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let relay = relay([Upstream::new("a", url)]);
        // A reset takes away what was not read yet, so it waits until the relay has read.
        let (read, was_read) = oneshot::channel();
        let serving = async {
            let mut responder = Responder::new(listener.accept().await.unwrap().0);
            responder.read_request(&Limits::default()).await;
            responder.write(head.as_bytes()).await.unwrap();
            responder.write(body.as_bytes()).await.unwrap();
            was_read.await.unwrap();
            responder.play([end]).await;
        };
        let asking = async {
            let ReplyBody::Frames(mut frames) = relay.answer(post("{}")).await.unwrap().body else {
                panic!()
            };
            assert_eq!(frames.next().await.unwrap().unwrap(), "first");
            read.send(()).unwrap();
            let end = frames.next().await.map(|end| end.unwrap_err().kind());
            assert!(frames.next().await.is_none());
            end
        };
        let ((), end) = tokio::join!(serving, asking);
        assert_eq!(end, broke_off, "{head}{body}");
    }
}

#[tokio::test]
async fn bytes_behind_a_whole_body_do_not_hurt_it() {
    for behind in ["junk", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen"] {
        let mut server =
            Server::start([vec![write(json("200 OK", "{}") + behind)], vec![write(json("200 OK", "[]"))]])
                .await;
        let relay = relay([upstream("a", &server)]);
        assert_eq!(answer(&relay, post("{}")).await.unwrap().text(), "{}");
        assert_eq!(answer(&relay, post("{}")).await.unwrap().text(), "[]", "behind {behind}");
        assert_eq!([server.seen().await.connection, server.seen().await.connection], [0, 1]);
    }
}

#[tokio::test]
async fn what_is_no_head_is_told() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let settings = b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64";
    let alert = b"\x15\x03\x01\x00\x02\x02\x46";
    let said: [&[u8]; 6] = [
        preface,
        settings,
        alert,
        b"<html>\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    ];
    for bytes in said {
        let server = Server::start([vec![write(bytes), Step::Hold(PATIENCE)]]).await;
        let (code, message) = refused(&relay([upstream("a", &server)]), post("{}")).await;
        assert_eq!(code, "upstream_not_http", "{message}");
        assert!(message.contains("does not speak HTTP/1.1"), "{message}");
    }
}

#[tokio::test]
async fn another_protocol_is_no_answer() {
    let said = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let server = Server::start([vec![write(said), Step::Hold(PATIENCE)]]).await;
    let (code, message) = refused(&relay([upstream("a", &server)]), post("{}")).await;
    assert_eq!(code, "upstream_not_http");
    assert!(message.contains("answered with status 101"), "{message}");
}

#[tokio::test]
async fn interim_answers_without_end_are_told() {
    let interim = std::iter::repeat_n(write("HTTP/1.1 102 Processing\r\n\r\n"), 1_000);
    let server = Server::start([interim.chain([silence()]).collect::<Vec<_>>()]).await;
    let (code, message) = refused(&relay([upstream("a", &server)]), post("{}")).await;
    assert_eq!(code, "upstream_not_http");
    assert!(message.contains("sent more than 16 interim answers"), "{message}");
}

#[tokio::test]
async fn heads_have_bounds() {
    let line = format!("x: {}\r\n", "x".repeat(1_000));
    let endless_headers = (0..2_000).map(|_| write(&line));
    let endless_line = (0..2_000).map(|_| write("x".repeat(1_000)));
    let many: String = (0..300).map(|number| format!("x-{number}: 1\r\n")).collect();
    let large = format!("{line}\r\n").repeat(1).replace("\r\n\r\n", "\r\n") + &line.repeat(70) + "\r\n";
    let plays: [Vec<Step>; 4] = [
        std::iter::once(write("HTTP/1.1 200 OK\r\n")).chain(endless_headers).collect(),
        std::iter::once(write("HTTP/1.1 200 OK\r\nx: ")).chain(endless_line).collect(),
        vec![write(format!("HTTP/1.1 200 OK\r\n{many}\r\n"))],
        vec![write(format!("HTTP/1.1 200 OK\r\n{large}"))],
    ];
    for play in plays {
        let server =
            Server::start([play.into_iter().chain([Step::Hold(PATIENCE)]).collect::<Vec<_>>()]).await;
        let (code, message) = refused(&relay([upstream("a", &server)]), post("{}")).await;
        assert_eq!(code, "upstream_not_http", "{message}");
        assert!(message.contains("sent a head of more than 65536 bytes"), "{message}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_passed_on_and_not_collected() {
    let piece = chunk(&[b'x'; 64 * 1024]);
    let play = std::iter::once(write(EVENTS)).chain((0..10_000).map(|_| write(&piece))).collect();
    let mut server = Server::start([play]).await;
    let relay = relay([upstream("a", &server)]);
    let ReplyBody::Frames(mut frames) = relay.answer(post("{}")).await.unwrap().body else { panic!() };
    let mut bytes = 0;
    while bytes < 8 * 1024 * 1024 {
        let frame = frames.next().await.unwrap().unwrap();
        assert!(frame.len() <= 64 * 1024);
        bytes += frame.len();
    }
    drop(frames);
    let PlayEnd::PeerGone { step, .. } = server.ended().await else { panic!() };
    assert!(step < 1_000, "the upstream was held back, and wrote {step} pieces");
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_told_with_its_url() {
    let gone = Server::start([Vec::new()]).await;
    let (url, there) = (gone.url(), upstream("a", &gone));
    drop(gone);
    let (code, message) = refused(&relay([there]), post("{}")).await;
    assert_eq!(code, "upstream_unreachable");
    assert!(
        message.starts_with(&format!("The upstream `a` ({url}) cannot be reached. Could not connect")),
        "{message}"
    );
    assert!(message.contains("Nothing listens there") && message.contains("3 tries took"), "{message}");
}
