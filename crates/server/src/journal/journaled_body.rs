//! A body that is written down while it goes out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::{Ended, Record};

/// Passes a body on as it is, and tells the journal.
pub(crate) struct JournaledBody {
    body: Body,
    record: Record,
}

impl JournaledBody {
    /// Of an answer whose head is written down already.
    pub(crate) fn new(body: Body, record: Record) -> JournaledBody {
        JournaledBody { body, record }
    }
}

impl HttpBody for JournaledBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    self.record.sent(bytes);
                }
                // A body of known length is not asked for its end.
                if self.body.is_end_stream() {
                    self.record.end(Ended::Complete);
                }
            }
            Some(Err(_)) => {}
            None => self.record.end(Ended::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for JournaledBody {
    fn drop(&mut self) {
        let ended = if self.body.is_end_stream() { Ended::Complete } else { Ended::ClientGone };
        // Does nothing when the end was told before.
        self.record.end(ended);
    }
}

/// Boxed, as the router has it.
impl From<JournaledBody> for Body {
    fn from(body: JournaledBody) -> Body {
        Body::new(body.boxed_unsync())
    }
}
