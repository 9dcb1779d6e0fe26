//! hyper as the server: what the reader decodes is what was sent, however it was framed and cut.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use interference_wire::{BodyExpected, Connection, Ending, Framing, Limits, Target};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A body of these frames, whose length it does not tell.
struct Frames(VecDeque<Bytes>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A socket that takes no more than so many bytes by one write.
struct Narrow {
    stream: TcpStream,
    most: usize,
}

impl AsyncRead for Narrow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = bytes.len().min(self.most);
        Pin::new(&mut self.stream).poll_write(context, &bytes[..len])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

async fn serve(listener: TcpListener, frames: Vec<Bytes>, framing: Framing, most: usize) {
    let (stream, _) = listener.accept().await.unwrap();
    stream.set_nodelay(true).unwrap();
    let answer = move |_: Request<Incoming>| {
        let mut response = Response::new(Frames(frames.clone().into()));
        if let Framing::Length(length) = framing {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        async move { Ok::<_, Infallible>(response) }
    };
    let io = TokioIo::new(Narrow { stream, most });
    hyper::server::conn::http1::Builder::new().serve_connection(io, service_fn(answer)).await.unwrap();
}

async fn check(frames: Vec<Bytes>, framing: Framing, most: usize) -> Result<(), TestCaseError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::plain("127.0.0.1", listener.local_addr().unwrap().port());
    let server = tokio::spawn(serve(listener, frames.clone(), framing, most));
    let mut connection = Connection::connect(&target, Limits::default()).await.unwrap();
    // hyper frames by the end of the connection for those who do not know chunks.
    let version = if framing == Framing::ConnectionEnd { "1.0" } else { "1.1" };
    let request = format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n");
    connection.send(request.as_bytes()).await.unwrap();
    let answer = connection.read_answer(BodyExpected::Yes).await;
    server.await.unwrap();
    let received = &answer.received;
    prop_assert_eq!(received.ending, Ending::Complete { by: framing });
    prop_assert_eq!(&received.body[..], &frames.concat()[..]);
    prop_assert_eq!(&received.remarks[..], &[]);
    prop_assert_eq!(received.surplus(), b"");
    if framing == Framing::Chunks {
        let filled = frames.iter().filter(|frame| !frame.is_empty());
        let sent: Vec<u64> = filled.map(|frame| frame.len() as u64).chain([0]).collect();
        let seen: Vec<u64> = received.chunks.iter().map(|chunk| chunk.size).collect();
        prop_assert_eq!(seen, sent);
    }
    let read: usize = received.reads.iter().map(|read| read.len).sum();
    prop_assert_eq!(read, received.raw.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_hyper_sends_is_read(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 0..8),
        framing in 0..3,
        most in prop_oneof![1_usize..20, 1_000_usize..40_000],
    ) {
        let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
        let framing = match framing {
            0 => Framing::Chunks,
            1 => Framing::Length(frames.iter().map(|frame| frame.len() as u64).sum()),
            _ => Framing::ConnectionEnd,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(frames, framing, most))?;
    }
}
