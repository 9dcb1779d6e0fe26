//! The body of an answer on its way to the HTTP library, observed as it goes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use hyper::body::{Body, Frame, SizeHint};

use crate::journal::Ended;
use crate::observation::Observation;

/// What the server answers.
pub(crate) type Response = http::Response<AnswerBody>;

/// Bytes, at once or as they come.
pub(crate) struct AnswerBody {
    source: Source,
    observation: Option<Observation>,
}

/// Bytes as they come.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

enum Source {
    Whole(Bytes),
    /// With how many bytes are still to come, where the head tells it.
    Stream(ByteStream, Option<u64>),
    Ended,
}

impl AnswerBody {
    /// All of it.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> AnswerBody {
        AnswerBody { source: Source::Whole(bytes.into()), observation: None }
    }

    /// As it comes. `length` is what the head tells of the body's: the stream must give as much, or end with an error.
    pub(crate) fn stream(
        stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        length: Option<u64>,
    ) -> AnswerBody {
        AnswerBody { source: Source::Stream(Box::pin(stream), length), observation: None }
    }

    /// The same, told to an observation, which has been told the head already.
    pub(crate) fn observed(mut self, observation: Observation) -> AnswerBody {
        if self.is_end_stream() {
            observation.end(Ended::Complete);
        }
        self.observation = Some(observation);
        self
    }

    /// All of it where it is there at once; else nothing.
    pub(crate) fn into_whole(mut self) -> Bytes {
        match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Whole(bytes) => bytes,
            Source::Stream(..) | Source::Ended => Bytes::new(),
        }
    }

    fn ended(&mut self, ended: Ended) {
        self.source = Source::Ended;
        if let Some(observation) = &self.observation {
            observation.end(ended);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = match &mut self.source {
            Source::Whole(bytes) => Some(Ok(std::mem::take(bytes))),
            Source::Stream(stream, _) => ready!(stream.as_mut().poll_next(context)),
            Source::Ended => return Poll::Ready(None),
        };
        if let (Some(Ok(bytes)), Some(observation)) = (&next, &self.observation) {
            observation.sent(bytes);
        }
        match (&next, &mut self.source) {
            (Some(Err(_)), _) => self.ended(Ended::BrokenOff),
            (None, _) | (_, Source::Whole(_)) => self.ended(Ended::Complete),
            (Some(Ok(bytes)), Source::Stream(_, Some(remaining))) => {
                *remaining = remaining.saturating_sub(bytes.len() as u64);
                // The library asks for nothing behind the last byte that the head has told of.
                if *remaining == 0 {
                    self.ended(Ended::Complete);
                }
            }
            (Some(Ok(_)), _) => {}
        }
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Stream(..) => false,
            Source::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(_, Some(remaining)) => SizeHint::with_exact(*remaining),
            Source::Stream(_, None) => SizeHint::default(),
            Source::Ended => SizeHint::with_exact(0),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(observation) = &self.observation {
            // Does nothing when the end was told before.
            observation.end(Ended::ClientGone);
        }
    }
}
