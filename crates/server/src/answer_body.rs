//! The body of an answer on its way to the HTTP library, written down as it goes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use hyper::body::{Body, Frame, SizeHint};

use crate::journal::{Ended, Record};

/// What the server answers.
pub(crate) type Response = http::Response<AnswerBody>;

/// Bytes, at once or as they come.
pub(crate) struct AnswerBody {
    source: Source,
    record: Option<Record>,
}

/// Bytes as they come.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

enum Source {
    Whole(Bytes),
    Stream(ByteStream),
    Ended,
}

impl AnswerBody {
    /// All of it.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> AnswerBody {
        AnswerBody { source: Source::Whole(bytes.into()), record: None }
    }

    /// As it comes.
    pub(crate) fn stream(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> AnswerBody {
        AnswerBody { source: Source::Stream(Box::pin(stream)), record: None }
    }

    /// The same, written down in the journal. The head is there already.
    pub(crate) fn written_down(mut self, record: Record) -> AnswerBody {
        if self.is_end_stream() {
            record.end(Ended::Complete);
        }
        self.record = Some(record);
        self
    }

    fn ended(&mut self) {
        self.source = Source::Ended;
        if let Some(record) = &self.record {
            record.end(Ended::Complete);
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
            Source::Stream(stream) => ready!(stream.as_mut().poll_next(context)),
            Source::Ended => return Poll::Ready(None),
        };
        if let (Some(Ok(bytes)), Some(record)) = (&next, &self.record) {
            record.sent(bytes);
        }
        if next.is_none() || matches!(self.source, Source::Whole(_)) {
            self.ended();
        }
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Stream(_) => false,
            Source::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(_) => SizeHint::default(),
            Source::Ended => SizeHint::with_exact(0),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            // Does nothing when the end was told before.
            record.end(Ended::ClientGone);
        }
    }
}
