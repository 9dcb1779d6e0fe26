//! The socket of a connection, under the HTTP library: who does not read is not waited for, and the library's own errors
//! are told as all others.
//!
//! Owns the bound on a write without progress, the bound on the whole answer, and the replacement of the answers that
//! the library writes where it cannot read a request's head. It refuses to know requests.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error_response::Rejection;
use crate::meters::Meters;
use crate::raw_answer;

/// Up to so many bytes are written as one piece: it costs the system less to take one than several, and the copy is next
/// to nothing. A chunk of a stream is three pieces.
const SMALL_WRITE: usize = 1024;

/// A socket that keeps the bounds.
pub(crate) struct Socket {
    stream: TcpStream,
    watch: SocketWatch,
    meters: Meters,
    /// How long a write may make no progress.
    write_time: Duration,
    /// Until when the write at hand may wait; none while writes make progress.
    stall: Option<Pin<Box<Sleep>>>,
    /// What is still to be written in the place of the library's own answer.
    replacement: Option<Bytes>,
}

/// Tells the socket what its answer may take, and tells others what became of it.
#[derive(Clone, Default)]
pub(crate) struct SocketWatch(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    answer_by: Option<Instant>,
    timed_out: bool,
    replaced: bool,
}

impl SocketWatch {
    /// The answer at hand must be written by then.
    pub(crate) fn answer_by(&self, time: Instant) {
        self.watched().answer_by = Some(time);
    }

    /// Whether the head of a request has come.
    pub(crate) fn has_request(&self) -> bool {
        self.watched().answer_by.is_some()
    }

    /// Whether the client did not read in time.
    pub(crate) fn has_timed_out(&self) -> bool {
        self.watched().timed_out
    }

    /// Whether the client was told that its request's head cannot be read.
    pub(crate) fn has_refused_head(&self) -> bool {
        self.watched().replaced
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Over this stream.
    pub(crate) fn new(stream: TcpStream, write_time: Duration, meters: Meters) -> Socket {
        let watch = SocketWatch::default();
        Socket { stream, watch, meters, write_time, stall: None, replacement: None }
    }

    /// What others know it by.
    pub(crate) fn watch(&self) -> SocketWatch {
        self.watch.clone()
    }

    /// The stream alone.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// What a write came to; one that waits is given up after its time.
    fn bounded(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let until = || {
            let stalled = Instant::now() + self.write_time;
            self.watch.watched().answer_by.map_or(stalled, |by| by.min(stalled))
        };
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep_until(until())));
        ready!(stall.as_mut().poll(context));
        self.watch.watched().timed_out = true;
        self.meters.connection_timed_out();
        // What the system still holds for this client is let go, too.
        let _broken_already = self.stream.set_zero_linger();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes our own answer in the place of the library's, which is `length` bytes long.
    fn write_replacement(&mut self, context: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        while let Some(rest) = self.replacement.as_mut().filter(|rest| rest.has_remaining()) {
            let written = Pin::new(&mut self.stream).poll_write(context, rest);
            if let Poll::Ready(Ok(count)) = written {
                rest.advance(count);
            }
            ready!(self.bounded(context, written))?;
        }
        self.replacement = None;
        Poll::Ready(Ok(length))
    }

    /// Whether the library is about to tell an error in words of its own.
    fn is_replaced(&mut self, bytes: &[u8]) -> bool {
        if self.replacement.is_none()
            && let Some(rejection) = librarys_own(bytes)
        {
            self.watch.watched().replaced = true;
            self.replacement = Some(raw_answer::refusal(rejection, &self.meters));
        }
        self.replacement.is_some()
    }
}

/// Several slices as one, if all have room.
fn gather<'g>(slices: &[io::IoSlice<'_>], room: &'g mut [u8]) -> Option<&'g [u8]> {
    let mut length = 0;
    for slice in slices {
        room.get_mut(length..length + slice.len())?.copy_from_slice(slice);
        length += slice.len();
    }
    room.get(..length)
}

/// What the library says where it cannot read a head: a status, and no body. None of our answers is like that, since
/// all have a name.
fn librarys_own(bytes: &[u8]) -> Option<Rejection> {
    let status = bytes.strip_prefix(b"HTTP/1.1 4")?;
    let text = str::from_utf8(bytes).ok().filter(|text| text.ends_with("\r\n\r\n"))?;
    if text.contains("\r\nx-request-id: ") || !text.contains("\r\ncontent-length: 0\r\n") {
        return None;
    }
    let code = std::str::from_utf8(status.get(..2)?).ok()?.parse::<u16>().ok()?;
    match StatusCode::from_u16(400 + code).ok()? {
        StatusCode::BAD_REQUEST => Some(Rejection::HeadBroken),
        StatusCode::URI_TOO_LONG => Some(Rejection::TargetTooLong),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Some(Rejection::HeadTooLarge),
        _ => None,
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_replaced(bytes) {
            return self.write_replacement(context, bytes.len());
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The library's own answer is one piece.
        if let [bytes] = slices
            && self.is_replaced(bytes)
        {
            return self.write_replacement(context, bytes.len());
        }
        let mut gathered = [0; SMALL_WRITE];
        let written = match gather(slices, &mut gathered) {
            Some(bytes) => Pin::new(&mut self.stream).poll_write(context, bytes),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        };
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_become_one_where_all_have_room() {
        let slices = [b"4\r\n".as_slice(), b"tree", b"\r\n"].map(io::IoSlice::new);
        let mut room = [0; 9];
        assert_eq!(gather(&slices, &mut room), Some(b"4\r\ntree\r\n".as_slice()));
        assert_eq!(gather(&slices, &mut room[..8]), None);
        assert_eq!(gather(&[], &mut room), Some(b"".as_slice()));
    }
}
