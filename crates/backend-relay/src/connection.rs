//! One connection to an upstream: a request out, the head of its answer in, and the body piece by piece.
//!
//! Nothing drives a connection in the background: whoever waits for a head or a body reads the socket itself, and dropping
//! it closes it at once. While it waits it keeps no buffer: all connections of a thread read into one, and what came
//! is copied out of it. Owns what is read and written, in which order, and whether another request may follow (RFC 9112 section
//! 9.3). It refuses to know which upstream is asked, and what a failure means for the request.

pub(crate) mod body;
pub(crate) mod head;
mod request;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, StatusCode};
use interference_client::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Handle, Id};

use crate::keep_alive;
use body::{Body, Decoded};
pub(crate) use head::HeadProblem;
use head::{Head, HeadReader};
pub use head::{LONGEST_HEAD, MOST_HEADERS, MOST_INTERIM};

/// How long a connection is kept without a request, unless its upstream says that it closes it sooner. Servers close
/// theirs after five seconds or more, and a request that meets its connection's end cannot be sent again without knowing
/// whether it was carried out.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(3);

/// How much is read at a time, in bytes.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where all connections of this thread read to.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// One connection, for one request at a time.
pub(crate) struct Connection {
    socket: Box<dyn Socket>,
    /// What is left to write.
    outbound: Option<Outbound>,
    /// What was read and not looked at yet.
    unread: Bytes,
    /// What is to come of the answer.
    body: Body,
    /// Whether the upstream leaves it open for another request.
    keeps_alive: bool,
    /// How long it may be kept without a request.
    idle_for: Duration,
    /// The runtime that watches its socket.
    home: Id,
}

/// A request that is not written as a whole yet.
struct Outbound {
    /// What is left of head and body. Where nothing is, some may still be with the encryption.
    left: Chain<Bytes, Bytes>,
    is_begun: bool,
    /// Why the upstream takes no more of it; its answer may still come.
    refused: Option<io::Error>,
}

/// No head of an answer came.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) problem: Problem,
    /// Whether a byte of the request was written.
    pub(crate) is_written: bool,
}

/// Why no head came.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The upstream ended the connection.
    Ended,
    /// It failed.
    Io(io::Error),
    /// What came is no head.
    NoHead(HeadProblem),
}

impl Connection {
    /// A connection over a fresh socket.
    pub(crate) fn over(socket: Box<dyn Socket>) -> Connection {
        Connection {
            socket,
            outbound: None,
            unread: Bytes::new(),
            body: Body::Nothing,
            keeps_alive: true,
            idle_for: IDLE_CONNECTION,
            home: Handle::current().id(),
        }
    }

    /// How long it may be kept without a request.
    pub(crate) fn idle_for(&self) -> Duration {
        self.idle_for
    }

    /// The runtime that watches its socket.
    pub(crate) fn home(&self) -> Id {
        self.home
    }

    /// Whether it takes another request, as far as is known without waiting: request and answer were whole, nothing came
    /// behind them, and the upstream has not ended it.
    pub(crate) fn is_ready(&mut self, context: &mut Context<'_>) -> bool {
        self.keeps_alive
            && self.outbound.is_none()
            && matches!(self.body, Body::Nothing)
            && self.unread.is_empty()
            && self.poll_read(context).is_pending()
    }

    /// Sends a request and waits for the head of its answer. Only a connection that is ready takes one.
    pub(crate) async fn send(
        &mut self,
        request: &Request<Bytes>,
    ) -> Result<(StatusCode, HeaderMap), Unanswered> {
        self.outbound = Some(Outbound {
            left: request::head(request).chain(request.body().clone()),
            is_begun: false,
            refused: None,
        });
        let mut reader = HeadReader::new(request.method());
        let head = poll_fn(|context| self.poll_head(context, &mut reader)).await.map_err(|problem| {
            let is_written = self.outbound.as_ref().is_none_or(|outbound| outbound.is_begun);
            Unanswered { problem, is_written }
        })?;
        self.unread = head.behind;
        self.body = head.body;
        self.keeps_alive = head.keeps_alive;
        if let Some(timeout) = keep_alive::timeout(&head.headers) {
            self.idle_for = keep_alive::leave_after(timeout).min(IDLE_CONNECTION);
        }
        Ok((head.status, head.headers))
    }

    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut HeadReader,
    ) -> Poll<Result<Head, Problem>> {
        loop {
            // An upstream may answer before it has read everything, and may take no more before it is listened to.
            self.write(context);
            if let Some(Outbound { is_begun: false, refused, .. }) = &mut self.outbound
                && let Some(error) = refused.take()
            {
                return Poll::Ready(Err(Problem::Io(error)));
            }
            let read = ready!(self.poll_read(context)).map_err(Problem::Io)?;
            if read.is_empty() {
                return Poll::Ready(Err(Problem::Ended));
            }
            if let Some(head) = reader.read(read).map_err(Problem::NoHead)? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// The next piece of the body: of no more than one chunk, and of no more than one read. None behind the last one.
    ///
    /// # Errors
    /// `UnexpectedEof`, `ConnectionReset`, `InvalidData` where what came is no body, or what else the system says. The
    /// connection is of no more use then.
    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match self.body.decode(&mut self.unread) {
                Ok(Decoded::Piece(piece)) => return Poll::Ready(Some(Ok(piece))),
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::NeedsMore) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            self.write(context);
            match ready!(self.poll_read(context)) {
                Ok(read) if !read.is_empty() => self.unread = read,
                Ok(_) => match self.body.end_of_connection() {
                    Ok(()) => return Poll::Ready(None),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// What has come; nothing at the end of the connection.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        READ.with_borrow_mut(|memory| {
            let mut read = ReadBuf::new(memory);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut read)).map_err(as_reset)?;
            Poll::Ready(Ok(Bytes::copy_from_slice(read.filled())))
        })
    }

    /// Writes what the socket takes of the request.
    fn write(&mut self, context: &mut Context<'_>) {
        let Some(outbound) = &mut self.outbound else { return };
        if outbound.refused.is_some() {
            return;
        }
        match outbound.poll_write(&mut self.socket, context) {
            Poll::Ready(Ok(())) => self.outbound = None,
            Poll::Ready(Err(error)) => outbound.refused = Some(error),
            Poll::Pending => {}
        }
    }
}

impl Outbound {
    fn poll_write(
        &mut self,
        socket: &mut Box<dyn Socket>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.left.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 2];
            let count = self.left.chunks_vectored(&mut slices);
            let written = ready!(Pin::new(&mut *socket).poll_write_vectored(context, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_begun = true;
            self.left.advance(written);
        }
        Pin::new(socket).poll_flush(context)
    }
}

/// One kind for the ends that are a reset, whichever call has met it.
fn as_reset(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            io::Error::new(io::ErrorKind::ConnectionReset, error)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_nobody_takes_is_known_not_to_be_written_and_why() {
        let (socket, upstream) = tokio::io::duplex(64);
        drop(upstream);
        let mut connection = Connection::over(Box::new(socket));
        let unanswered = connection.send(&Request::new(Bytes::from("a tree"))).await.unwrap_err();
        assert!(!unanswered.is_written);
        let Problem::Io(error) = unanswered.problem else { panic!("{:?}", unanswered.problem) };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
