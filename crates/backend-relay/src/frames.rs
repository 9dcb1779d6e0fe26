//! The body of an answer as it comes: one frame for each piece that its connection hands out, which merges no two chunks.
//!
//! Owns the bound on every wait inside a body, the kinds of its broken ends, and the way of a connection back to those
//! that are kept. Nothing is collected. It refuses to know what the bytes mean.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection::Connection;
use crate::fleet::Visit;
use crate::health::Outcome;
use crate::identifiers::Sight;

/// A body under way. Dropping it closes the connection, unless the body has ended.
pub(crate) struct Frames {
    /// None once the body has ended, however it did.
    connection: Option<Connection>,
    visit: Visit,
    sight: Option<Sight>,
    silence: Silence,
}

/// How long the upstream has been silent.
struct Silence {
    /// How long the next byte may take.
    patience: Duration,
    /// Since when the upstream is waited for, while it is: a client that reads slowly is not its fault.
    since: Option<Instant>,
    /// None before the first wait. Moved only when it would come late or has come early, since moving it costs more than
    /// a chunk.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Frames {
    /// The body that follows a head on this connection.
    pub(crate) fn new(connection: Connection, visit: Visit, sight: Option<Sight>) -> Frames {
        let patience = visit.member().upstream.timeouts.first_byte;
        Frames {
            connection: Some(connection),
            visit,
            sight,
            silence: Silence { patience, since: None, timer: None },
        }
    }

    fn received(&mut self, bytes: Bytes) -> Bytes {
        self.silence.since = None;
        self.silence.patience = self.visit.member().upstream.timeouts.between_bytes;
        if self.sight.as_mut().is_some_and(|sight| sight.look(&bytes).is_break()) {
            self.sight = None;
        }
        bytes
    }

    fn broke_off(&mut self, error: io::Error) -> io::Error {
        self.connection = None;
        self.visit.record(Outcome::Failed(None));
        error
    }

    /// The body has ended in order; the connection is kept if it may have another request.
    fn ended(&mut self, context: &mut Context<'_>) {
        self.visit.record(Outcome::Answered);
        if let Some(mut connection) = self.connection.take()
            && connection.is_ready(context)
        {
            self.visit.member().idle.put(connection);
        }
    }
}

impl Silence {
    /// Resolves when the upstream has been silent for too long.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let patience = self.patience;
        let due = *self.since.get_or_insert_with(Instant::now) + patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        while timer.deadline() < due {
            ready!(timer.as_mut().poll(context));
            timer.as_mut().reset(due);
        }
        ready!(timer.as_mut().poll(context));
        let told = format!("the upstream sent nothing for {patience:?}");
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, told))
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frames = self.get_mut();
        let Some(connection) = &mut frames.connection else { return Poll::Ready(None) };
        let next = match connection.poll_piece(context) {
            Poll::Ready(next) => next,
            Poll::Pending => Some(Err(ready!(frames.silence.poll(context)))),
        };
        Poll::Ready(match next {
            Some(Ok(piece)) => Some(Ok(frames.received(piece))),
            Some(Err(error)) => Some(Err(frames.broke_off(error))),
            None => {
                frames.ended(context);
                None
            }
        })
    }
}
