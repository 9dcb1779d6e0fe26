//! A socket that gives so much at a time.
//!
//! What an upstream sends without end, and what is no answer yet, such as interim heads or the digits of one chunk's size,
//! the HTTP library reads for as long as there is more. So after a while there seems to be nothing for a moment: time-outs
//! are looked at, and others get their turn. It refuses to know what the bytes are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use interference_client::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read of one connection before others get their turn, in bytes.
pub(crate) const RATION: usize = 256 * 1024;

/// What is left of the ration; whoever polls gives out a new one each time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ration(Arc<AtomicUsize>);

impl Ration {
    /// A full one.
    pub(crate) fn renew(&self) {
        self.0.store(RATION, Ordering::Relaxed);
    }
}

/// A socket that reads no more than its ration.
pub(crate) struct RationedSocket {
    socket: Box<dyn Socket>,
    ration: Ration,
}

impl RationedSocket {
    /// Over this socket, with a ration that is empty.
    pub(crate) fn new(socket: Box<dyn Socket>) -> (RationedSocket, Ration) {
        let ration = Ration::default();
        (RationedSocket { socket, ration: ration.clone() }, ration)
    }
}

impl AsyncRead for RationedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ration.0.load(Ordering::Relaxed) == 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        let given = buffer.filled().len() - before;
        let left = self.ration.0.load(Ordering::Relaxed).saturating_sub(given);
        self.ration.0.store(left, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for RationedSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Reads until there is nothing, and gives how much there was.
    fn drain(socket: &mut RationedSocket) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        let (mut memory, mut read) = (vec![0; 64 * 1024], 0);
        loop {
            let mut buffer = ReadBuf::new(&mut memory);
            match Pin::new(&mut *socket).poll_read(&mut context, &mut buffer) {
                Poll::Ready(Ok(())) => read += buffer.filled().len(),
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => return read,
            }
        }
    }

    #[tokio::test]
    async fn a_ration_is_all_that_is_read_at_a_time() {
        let (socket, mut upstream) = tokio::io::duplex(4 * RATION);
        upstream.write_all(&vec![b'0'; 2 * RATION + 7]).await.unwrap();
        let (mut socket, ration) = RationedSocket::new(Box::new(socket));
        assert_eq!(drain(&mut socket), 0);
        for expected in [RATION, RATION, 7, 0] {
            ration.renew();
            assert_eq!(drain(&mut socket), expected);
        }
    }
}
