//! A client's connection: exact bytes out, answers in with every read and its time.
//!
//! Owns the socket, plain or TLS, and all limits of time. Where an answer ends is the parser's business; bytes beyond
//! it are carried over to the next answer. Knows no requests: the caller hands over their bytes.

mod target;
mod transport;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;

use crate::answer::{Answer, AnswerHead};
use crate::ending::{ConnectionEnd, Ending, TimeBound};
use crate::limits::{Limits, TimeLimits};
use crate::parser::{AnswerParser, BodyExpected, Progress};
use crate::received::{Read, Received};

pub use target::{ConnectError, Target};
use transport::Transport;

/// What one read of the socket takes at most.
pub const READ_BYTES: usize = 16 << 10;

/// How long [`Connection::close`] waits for the system to take the last bytes.
pub const CLOSING: Duration = Duration::from_secs(1);

/// What was handed to the system by one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Just before the write.
    pub at: Instant,
    /// When the system had taken all of it.
    pub taken_at: Instant,
    /// How many bytes.
    pub len: usize,
}

/// Bytes to be sent as one write, after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// How long to wait before.
    pub pause: Duration,
    /// What to send.
    pub bytes: &'a [u8],
}

/// Why bytes could not be sent. What the peer had answered can still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The system did not take them in [`TimeLimits::send`](crate::TimeLimits::send).
    #[error("the peer took no more bytes for {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The peer is gone, or the connection is otherwise broken.
    #[error("sending failed: {0}")]
    Failed(io::ErrorKind),
}

/// What happened on a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing, for as long as it was watched.
    Quiet,
    /// Bytes came; they are carried over to the next answer.
    Surplus,
    /// The connection ended.
    Ended(ConnectionEnd),
}

/// A connection to a server under judgement. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    transport: Transport,
    limits: Limits,
    /// What came after the end of the last answer, at most what one answer may have.
    carried: VecDeque<(Vec<u8>, Instant)>,
    ended: Option<ConnectionEnd>,
    sent_at: Option<Instant>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects, in TLS with its handshake, and without delay of small writes (TCP_NODELAY).
    ///
    /// # Errors
    /// [`ConnectError`]: refused, not trusted, or too slow for [`TimeLimits::connect`](crate::TimeLimits::connect).
    ///
    /// # Cancellation
    /// Dropping the future closes what was opened.
    pub async fn connect(target: &Target, limits: Limits) -> Result<Connection, ConnectError> {
        let limit = limits.time.connect;
        let transport = tokio::time::timeout(limit, target.open())
            .await
            .map_err(|_| ConnectError::TimedOut { bound: TimeBound::Connect, limit })??;
        Ok(Connection {
            transport,
            limits,
            carried: VecDeque::new(),
            ended: None,
            sent_at: None,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Waits otherwise from now on.
    pub fn set_time_limits(&mut self, time: TimeLimits) {
        self.limits.time = time;
    }

    /// Sends exactly these bytes, as one write where the system takes them at once.
    ///
    /// # Errors
    /// [`SendError`]; a part may have been sent.
    ///
    /// # Cancellation
    /// When the future is dropped, a part may have been sent.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<Sent, SendError> {
        let limit = self.limits.time.send;
        let at = Instant::now();
        let write = async {
            self.transport.write_all(bytes).await?;
            self.transport.flush().await
        };
        match tokio::time::timeout(limit, write).await {
            Err(_) => Err(SendError::TimedOut { limit }),
            Ok(Err(error)) => Err(SendError::Failed(error.kind())),
            Ok(Ok(())) => {
                let taken_at = Instant::now();
                self.sent_at = Some(taken_at);
                Ok(Sent { at, taken_at, len: bytes.len() })
            }
        }
    }

    /// Sends one piece after another, each after its pause and as a write of its own.
    ///
    /// # Errors
    /// As [`Connection::send`]; later pieces are not sent then.
    pub async fn send_pieces(&mut self, pieces: &[Piece<'_>]) -> Result<Vec<Sent>, SendError> {
        let mut sent = Vec::with_capacity(pieces.len());
        for piece in pieces {
            // A timer rounds up to the next millisecond; no pause is no timer.
            if !piece.pause.is_zero() {
                tokio::time::sleep(piece.pause).await;
            }
            sent.push(self.send(piece.bytes).await?);
        }
        Ok(sent)
    }

    /// Reads a whole answer, to whatever end. Bytes that come with it after its end are its surplus, and also the
    /// beginning of the next.
    ///
    /// # Cancellation
    /// When the future is dropped, what was read is lost, and the connection is of no more use. Who wants to stop in
    /// the middle takes [`Connection::begin_answer`].
    pub async fn read_answer(&mut self, body_expected: BodyExpected) -> Answer {
        let mut reading = self.begin_answer(body_expected);
        while reading.next_read().await.is_some() {}
        reading.finish()
    }

    /// Begins to read an answer step by step. The limits for the first byte and in total count from here.
    pub fn begin_answer(&mut self, body_expected: BodyExpected) -> Reading<'_> {
        Reading {
            parser: AnswerParser::new(body_expected, self.limits.read),
            started_at: Instant::now(),
            last_read: None,
            stop: None,
            connection: self,
        }
    }

    /// Waits for whatever comes after an answer: further bytes, or the end of the connection; at most this long.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped.
    pub async fn watch(&mut self, time: Duration) -> Aftermath {
        if !self.carried.is_empty() {
            return Aftermath::Surplus;
        }
        let until = tokio::time::Instant::now() + time;
        match timeout_at(until, self.read_socket(READ_BYTES)).await {
            Err(_) => Aftermath::Quiet,
            Ok(Ok((len, at))) => {
                self.carried.push_back((self.buffer[..len].to_vec(), at));
                Aftermath::Surplus
            }
            Ok(Err(end)) => Aftermath::Ended(end),
        }
    }

    /// What has come after an answer, or how the connection has ended, as far as is known without waiting.
    ///
    /// # Cancellation
    /// It never waits.
    pub async fn glance(&mut self) -> Aftermath {
        if !self.carried.is_empty() {
            return Aftermath::Surplus;
        }
        let polled = {
            let mut read = std::pin::pin!(self.read_socket(READ_BYTES));
            std::future::poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await
        };
        match polled {
            Poll::Pending => Aftermath::Quiet,
            Poll::Ready(Ok((len, at))) => {
                self.carried.push_back((self.buffer[..len].to_vec(), at));
                Aftermath::Surplus
            }
            Poll::Ready(Err(end)) => Aftermath::Ended(end),
        }
    }

    /// Tells the server that nothing more comes (FIN; in TLS close_notify before it). Answers can still be read.
    ///
    /// # Errors
    /// [`SendError`]
    pub async fn half_close(&mut self) -> Result<(), SendError> {
        let limit = self.limits.time.send;
        match tokio::time::timeout(limit, self.transport.shutdown()).await {
            Err(_) => Err(SendError::TimedOut { limit }),
            Ok(closed) => closed.map_err(|error| SendError::Failed(error.kind())),
        }
    }

    /// Closes the connection, in TLS with close_notify. When unread bytes are there the system may send a reset.
    pub async fn close(mut self) {
        // Whatever fails here, the connection is closed.
        let _ = tokio::time::timeout(CLOSING, self.transport.shutdown()).await;
    }

    /// Closes the connection with a reset (RST), in TLS without close_notify.
    pub fn reset(self) {
        // Fails only where the socket is closed already.
        let _ = self.transport.socket().set_zero_linger();
    }

    /// One read of the socket into the buffer: how many bytes, and when. Cancellation-safe.
    async fn read_socket(&mut self, most: usize) -> Result<(usize, Instant), ConnectionEnd> {
        if let Some(end) = self.ended {
            return Err(end);
        }
        let most = most.clamp(1, READ_BYTES);
        let read = self.transport.read(&mut self.buffer[..most]).await;
        let at = Instant::now();
        let end = match read {
            Ok(0) => ConnectionEnd::Closed,
            Ok(len) => return Ok((len, at)),
            Err(error) => match error.kind() {
                // What rustls makes of an end without close_notify; a plain socket never says so.
                io::ErrorKind::UnexpectedEof => ConnectionEnd::ClosedWithoutNotify,
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ConnectionEnd::Reset,
                kind => ConnectionEnd::Failed(kind),
            },
        };
        self.ended = Some(end);
        Err(end)
    }
}

/// An answer that is being read. Dropping it forgets what was read; [`Reading::finish`] keeps it.
#[derive(Debug)]
pub struct Reading<'a> {
    connection: &'a mut Connection,
    parser: AnswerParser,
    started_at: Instant,
    last_read: Option<Instant>,
    /// Why there is nothing more to read.
    stop: Option<ConnectionEnd>,
}

impl Reading<'_> {
    /// Waits for the next read. None when the answer has ended, in whatever way; then [`Reading::finish`] tells how.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped: it can be called again.
    pub async fn next_read(&mut self) -> Option<Read> {
        if self.stop.is_some() {
            return None;
        }
        if let Some((bytes, at)) = self.connection.carried.pop_front() {
            return self.take(&bytes, at);
        }
        let Some((until, bound)) = self.deadline() else {
            self.stop = Some(ConnectionEnd::Abandoned);
            return None;
        };
        let most = self.parser.room();
        match timeout_at(until.into(), self.connection.read_socket(most)).await {
            Err(_) => {
                self.stop = Some(ConnectionEnd::TimedOut(bound));
                None
            }
            Ok(Err(end)) => {
                self.stop = Some(end);
                None
            }
            Ok(Ok((len, at))) => {
                let bytes = self.connection.buffer[..len].to_vec();
                self.take(&bytes, at)
            }
        }
    }

    /// What was received so far; while the answer runs its ending is [`Ending::Abandoned`].
    pub fn so_far(&self) -> &Received {
        self.parser.so_far()
    }

    /// Hands over what has come of the body since it was last called, as [`AnswerParser::drain_body`] does, so that a
    /// stream of any length takes the memory of what comes at once. What is malformed is then told without its offset
    /// in the whole.
    pub fn drain_body(&mut self, body: &mut Vec<u8>) {
        self.parser.drain_body(body);
    }

    /// The final head, once it is whole.
    pub fn head(&self) -> Option<AnswerHead> {
        self.parser.head()
    }

    /// Ends reading. An answer that had not ended is [`Ending::Abandoned`]; its connection can still be closed or
    /// reset, but not read any further with sense.
    pub fn finish(self) -> Answer {
        let mut answer = self.parser.finish(self.stop.unwrap_or(ConnectionEnd::Abandoned));
        answer.sent_at = self.connection.sent_at;
        let received = &answer.received;
        if received.ending.is_complete() {
            for read in received.reads.iter().rev().take_while(|read| read.offset + read.len > received.end) {
                let surplus = read.offset.max(received.end)..read.offset + read.len;
                self.connection.carried.push_front((received.raw[surplus].to_vec(), read.at));
            }
        }
        answer
    }

    fn take(&mut self, bytes: &[u8], at: Instant) -> Option<Read> {
        let before = self.parser.so_far().reads.len();
        self.last_read = Some(at);
        let progress = self.parser.push(bytes, at);
        let received = self.parser.so_far();
        // What stays of a flaw's aftermath is read until a deadline; every other ending is final.
        if progress == Progress::Ended && !self.is_aftermath() {
            self.stop = Some(ConnectionEnd::Abandoned);
        }
        received_read(received, before)
    }

    /// Whether the answer is malformed, and what follows may still be kept.
    fn is_aftermath(&self) -> bool {
        matches!(self.so_far().ending, Ending::Malformed { .. }) && self.parser.room() > 0
    }

    /// Until when the next read may take, and which limit that is; none if nothing more is to be read.
    fn deadline(&self) -> Option<(Instant, TimeBound)> {
        let time = &self.connection.limits.time;
        let total = self.started_at + time.total;
        let received = self.so_far();
        let (until, bound) = match (received.ending, self.last_read) {
            (Ending::Malformed { offset, .. }, _) => {
                let flaw_read = received.read_index_at(offset).or(received.reads.len().checked_sub(1))?;
                (received.reads.get(flaw_read)?.at + time.after_flaw, TimeBound::BetweenReads)
            }
            (_, None) => (self.started_at + time.first_byte, TimeBound::FirstByte),
            // Bytes that were carried over may be old: the wait for the next begins now at the earliest.
            (_, Some(at)) => (at.max(self.started_at) + time.between_reads, TimeBound::BetweenReads),
        };
        Some(if total < until { (total, TimeBound::Total) } else { (until, bound) })
    }
}

fn received_read(received: &Received, index: usize) -> Option<Read> {
    received.reads.get(index).copied()
}
