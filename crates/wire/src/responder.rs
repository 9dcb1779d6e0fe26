//! The server's side: exactly the bytes that it is told, when it is told.
//!
//! Owns one accepted connection: writes, pauses, the ways to end it, and the watch for a peer that goes away. It adds
//! no byte of its own and corrects none, with one exception that [`Responder::read_request`] names. Knows no HTTP
//! beyond the reading of a request.

mod play;
mod watch;

use std::collections::VecDeque;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use crate::answer::Request;
use crate::connection::READ_BYTES;
use crate::ending::{ConnectionEnd, TimeBound};
use crate::limits::Limits;
use crate::parser::{Progress, RequestParser};

pub use play::{PlayEnd, Played, Step, Written};
pub use watch::LOOK_AGAIN;

/// What [`Responder::close`] reads at most, for the peer to see a clean close.
pub const DRAINED_BYTES: usize = 1 << 20;

/// How long [`Responder::close`] waits for the peer to close too.
pub const DRAINING: Duration = Duration::from_millis(500);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How a peer went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// It sent its last byte (FIN). Bytes of ours that are on their way it may read or not.
    #[error("the peer closed the connection")]
    Closed,
    /// It reset the connection.
    #[error("the peer reset the connection")]
    Reset,
    /// The connection is broken otherwise.
    #[error("the connection failed: {0}")]
    Failed(io::ErrorKind),
}

impl Gone {
    fn from_error(error: &io::Error) -> Gone {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Gone::Reset,
            // What the system says when a reset answers bytes that were sent after the peer's FIN.
            io::ErrorKind::BrokenPipe => Gone::Closed,
            kind => Gone::Failed(kind),
        }
    }
}

/// Writes answers to the byte. Dropping it closes the connection as the system does: with a reset if unread bytes are
/// there.
#[derive(Debug)]
pub struct Responder {
    stream: TcpStream,
    /// How the peer went, once known: the system tells an error only once.
    gone: OnceLock<Gone>,
    /// What was read beyond a request, at most what one request may have.
    carried: VecDeque<(Vec<u8>, Instant)>,
}

impl Responder {
    /// Takes over a connection, and has it send small writes without delay (TCP_NODELAY).
    pub fn new(stream: TcpStream) -> Responder {
        let responder = Responder { stream, gone: OnceLock::new(), carried: VecDeque::new() };
        // Fails only on a socket that is broken already, and then so does the first write.
        let _ = responder.stream.set_nodelay(true);
        responder
    }

    /// Writes all of it, as one write where the system takes it at once; returns when the system took all.
    ///
    /// A peer that merely closed its own direction may still read: the write is tried, and fails once the system knows
    /// better. So the first write after a full close succeeds as a rule.
    ///
    /// # Errors
    /// [`Gone`]; a part may have been written.
    ///
    /// # Cancellation
    /// When the future is dropped, a part may have been written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.stream.write_all(bytes).await.map_err(|error| self.remember(Gone::from_error(&error)))
    }

    /// Waits; ends early when the peer closes or resets meanwhile. Never consumes what the peer sent.
    ///
    /// # Errors
    /// [`Gone`], also at once when the peer was gone before.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped.
    pub async fn wait_until(&mut self, time: tokio::time::Instant) -> Result<(), Gone> {
        match timeout_at(time, self.peer_gone()).await {
            Ok(gone) => Err(gone),
            Err(_) => Ok(()),
        }
    }

    /// Resolves when the peer has closed or reset the connection, and then at once every time.
    ///
    /// Unread bytes of the peer's do not hide it on Linux, and cost nothing while it waits. On other systems, as long
    /// as there are unread bytes it looks every [`LOOK_AGAIN`](crate::LOOK_AGAIN), and cannot see a FIN behind them
    /// before the system reports it.
    ///
    /// # Cancellation
    /// Nothing is consumed, and nothing is lost when the future is dropped.
    pub async fn peer_gone(&self) -> Gone {
        if let Some(gone) = self.gone.get() {
            return *gone;
        }
        let gone = watch::until_gone(&self.stream).await;
        self.remember(gone)
    }

    /// Resolves when there is something to read: bytes, or the end of them.
    ///
    /// # Cancellation
    /// Nothing is consumed, and nothing is lost when the future is dropped.
    pub async fn readable(&self) {
        if self.carried.is_empty() {
            // What is wrong with the connection is told by the read that comes next.
            let _ = self.stream.peek(&mut [0]).await;
        }
    }

    /// Sends FIN; reading stays possible.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn half_close(&mut self) -> Result<(), Gone> {
        self.stream.shutdown().await.map_err(|error| match error.kind() {
            // A socket that both sides have ended already.
            io::ErrorKind::NotConnected => self.remember(Gone::Reset),
            _ => self.remember(Gone::from_error(&error)),
        })
    }

    /// Closes with RST. Bytes that the peer has not got yet may be lost.
    pub fn reset(self) {
        // Fails only on a socket that is broken already.
        let _ = self.stream.set_zero_linger();
    }

    /// Closes with FIN, and without RST even when the peer sent bytes that nobody read: those are read and dropped,
    /// up to [`DRAINED_BYTES`] and for [`DRAINING`], until the peer closes too.
    pub async fn close(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let until = tokio::time::Instant::now() + DRAINING;
        let mut buffer = vec![0; READ_BYTES];
        let mut drained = 0;
        while drained < DRAINED_BYTES {
            match timeout_at(until, self.stream.read(&mut buffer)).await {
                Ok(Ok(len)) if len > 0 => drained += len,
                _ => return,
            }
        }
    }

    /// Gives the connection back. What [`Responder::read_request`] had read beyond the request is lost.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Reads one request: its head, and its body by Content-Length or chunks, with every read and its time. What came
    /// beyond it is its surplus, and also the beginning of the next.
    ///
    /// A client that asks for leave (`Expect: 100-continue`) and has sent nothing of its body is given it, since else
    /// it would wait: the only bytes that a responder writes unbidden.
    ///
    /// # Cancellation
    /// When the future is dropped, what was read is lost.
    pub async fn read_request(&mut self, limits: &Limits) -> Request {
        let mut parser = RequestParser::new(limits.read);
        let started_at = Instant::now();
        let mut leave = Leave::Unasked;
        let end = loop {
            let (bytes, at) = match self.next_bytes(&parser, started_at, limits).await {
                Ok(read) => read,
                Err(end) => break end,
            };
            if parser.push(&bytes, at) == Progress::Ended {
                break ConnectionEnd::Abandoned;
            }
            if leave == Leave::Unasked && wants_leave(&parser) {
                leave = Leave::Given;
                if self.write(CONTINUE).await.is_err() {
                    break ConnectionEnd::Reset;
                }
            }
        };
        let request = parser.finish(end);
        self.carry_surplus(&request);
        request
    }

    async fn next_bytes(
        &mut self,
        parser: &RequestParser,
        started_at: Instant,
        limits: &Limits,
    ) -> Result<(Vec<u8>, Instant), ConnectionEnd> {
        if let Some(read) = self.carried.pop_front() {
            return Ok(read);
        }
        let time = &limits.time;
        let (until, bound) = match parser.so_far().reads.last() {
            None => (started_at + time.first_byte, TimeBound::FirstByte),
            Some(read) => (read.at.max(started_at) + time.between_reads, TimeBound::BetweenReads),
        };
        let total = started_at + time.total;
        let (until, bound) = if total < until { (total, TimeBound::Total) } else { (until, bound) };
        let mut buffer = vec![0; parser.room().clamp(1, READ_BYTES)];
        let read = timeout_at(until.into(), self.stream.read(&mut buffer)).await;
        let at = Instant::now();
        match read {
            Err(_) => Err(ConnectionEnd::TimedOut(bound)),
            Ok(Ok(0)) => Err(ConnectionEnd::Closed),
            Ok(Ok(len)) => {
                buffer.truncate(len);
                Ok((buffer, at))
            }
            Ok(Err(error)) => match self.remember(Gone::from_error(&error)) {
                Gone::Closed => Err(ConnectionEnd::Closed),
                Gone::Reset => Err(ConnectionEnd::Reset),
                Gone::Failed(kind) => Err(ConnectionEnd::Failed(kind)),
            },
        }
    }

    fn carry_surplus(&mut self, request: &Request) {
        let surplus = request.received.surplus();
        if let (false, Some(read)) = (surplus.is_empty(), request.received.reads.last()) {
            self.carried.push_front((surplus.to_vec(), read.at));
        }
    }

    /// Keeps the first reason that was seen.
    fn remember(&self, gone: Gone) -> Gone {
        *self.gone.get_or_init(|| gone)
    }
}

/// Whether a client was told to go on with its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    Unasked,
    Given,
}

fn wants_leave(parser: &RequestParser) -> bool {
    parser.head().is_some_and(|head| {
        head.fields.lists("expect", "100-continue") && parser.so_far().raw.len() == head.raw.end
    })
}
