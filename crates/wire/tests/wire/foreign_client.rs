//! hyper as the client: what the responder writes in any pieces is read as it was meant.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use interference_wire::{LAST_CHUNK, Limits, Responder, Step, chunk};
use proptest::prelude::*;
use tokio::net::{TcpListener, TcpStream};

/// An answer with this body in one of three framings.
fn framed(parts: &[Vec<u8>], framing: u8) -> Vec<u8> {
    let body = parts.concat();
    match framing {
        0 => {
            let chunks = parts.iter().filter(|part| !part.is_empty()).map(|part| chunk(part));
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            let all: Vec<Vec<u8>> = [head].into_iter().chain(chunks).chain([LAST_CHUNK.to_vec()]).collect();
            all.concat()
        }
        1 => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            [head.as_bytes(), &body].concat()
        }
        _ => [b"HTTP/1.1 200 OK\r\n\r\n", body.as_slice()].concat(),
    }
}

/// What hyper's client reads of these steps, and the request as it was read here.
async fn ask(request_body: Vec<u8>, steps: Vec<Step>) -> (Bytes, interference_wire::Request) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut responder = Responder::new(listener.accept().await.unwrap().0);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let play = tokio::spawn(async move {
        let request = responder.read_request(&Limits::default()).await;
        (request, responder.play(steps).await)
    });
    let request = hyper::Request::post("/x").header("host", "a").body(Full::new(Bytes::from(request_body)));
    let response = sender.send_request(request.unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    let (request, _) = play.await.unwrap();
    (body, request)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_responder_writes_is_read(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
        framing in 0_u8..3,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        request_body in prop::collection::vec(any::<u8>(), 0..40_000),
    ) {
        let bytes = framed(&parts, framing);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| Step::Write(Bytes::copy_from_slice(&bytes[pair[0]..pair[1]])));
        let steps = pieces.chain([Step::Close]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (body, request) = runtime.block_on(ask(request_body.clone(), steps));
        prop_assert_eq!(&body[..], &parts.concat()[..]);
        prop_assert!(request.received.ending.is_complete());
        prop_assert_eq!(request.received.body, request_body);
        prop_assert_eq!(request.head.unwrap().target, b"/x");
    }
}
