//! The body of an answer as it comes: one frame for each piece that the HTTP library hands out, which merges no two
//! chunks.
//!
//! Owns the bound on every wait inside a body, the kinds of its broken ends, and the way of a connection back to those
//! that are kept. Nothing is collected. It refuses to know what the bytes mean.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection::Connection;
use crate::failure::body_error;
use crate::fleet::Visit;
use crate::health::Outcome;
use crate::identifiers::Sight;

/// A body under way. Dropping it closes the connection, unless the body has ended.
pub(crate) struct Frames {
    /// None once the body has ended, however it did.
    connection: Option<Connection>,
    incoming: Incoming,
    visit: Visit,
    sight: Option<Sight>,
    /// How long the next byte may take.
    patience: Duration,
    /// Since when the upstream is waited for, while it is: a client that reads slowly is not its fault.
    waiting_since: Option<Instant>,
    /// None before the first wait. Moved only when it would come late or has come early, since moving it costs more than
    /// a chunk.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Frames {
    /// The body that follows a head on this connection.
    pub(crate) fn new(
        connection: Connection,
        incoming: Incoming,
        visit: Visit,
        sight: Option<Sight>,
    ) -> Frames {
        let patience = visit.member().upstream.timeouts.first_byte;
        Frames {
            connection: Some(connection),
            incoming,
            visit,
            sight,
            patience,
            waiting_since: None,
            silence: None,
        }
    }

    fn received(&mut self, bytes: Bytes) -> Bytes {
        self.waiting_since = None;
        self.patience = self.visit.member().upstream.timeouts.between_bytes;
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

    /// Resolves when the upstream has been silent for too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let patience = self.patience;
        let due = *self.waiting_since.get_or_insert_with(Instant::now) + patience;
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if silence.deadline() > due {
            silence.as_mut().reset(due);
        }
        while silence.deadline() < due {
            ready!(silence.as_mut().poll(context));
            silence.as_mut().reset(due);
        }
        ready!(silence.as_mut().poll(context));
        let told = format!("the upstream sent nothing for {patience:?}");
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, told))
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frames = self.get_mut();
        loop {
            let Some(connection) = &mut frames.connection else { return Poll::Ready(None) };
            let incoming = &mut frames.incoming;
            let next = connection.drive(context, |context| Pin::new(&mut *incoming).poll_frame(context));
            return Poll::Ready(match next {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => Some(Ok(frames.received(bytes))),
                    // Trailers are for the next hop.
                    Err(_) => continue,
                },
                Poll::Ready(Some(Err(error))) => Some(Err(frames.broke_off(body_error(&error)))),
                Poll::Ready(None) => {
                    frames.ended(context);
                    None
                }
                Poll::Pending => {
                    let error = ready!(frames.poll_silence(context));
                    Some(Err(frames.broke_off(error)))
                }
            });
        }
    }
}
