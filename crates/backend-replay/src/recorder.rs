//! A backend in front of another, which writes down what that answers.
//!
//! Owns what is recorded and what is not, and the way of a cassette to its folder, off the threads that answer. A disk
//! that fails is told in the log and counted, and never the client's loss. Refuses to know who answers, and how recordings
//! are found again.

mod desk;
mod tape;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::Bytes;
use futures::Stream;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use interference_backend::{
    Backend, FrameStream, Measurement, ModelCard, Readiness, Refusal, Reply, ReplyBody, Request, Scope,
    UPSTREAM_HEADER,
};
use interference_cassette::{End, Folder, RecordedRequest};
use tokio::time::Instant;

use crate::replay_backend::ReplayBackend;
use crate::request_key::recorded_path;
use desk::Desk;
pub use desk::{LONGEST_FLUSH, MOST_HELD, MOST_HELD_TOGETHER};
use tape::{NO_ROOM, Sent, Tape};

/// Records what another backend answers: whole bodies, frames with their times, and refusals that tell of an upstream.
///
/// Not recorded are other refusals, which reached nobody; events, which the server encodes; requests whose client goes
/// away before the answer begins; and exchanges beyond a bound ([`MOST_HELD`], [`MOST_HELD_TOGETHER`]), whose answers go
/// on untouched.
pub struct Recorder {
    inner: Arc<dyn Backend>,
    desk: Arc<Desk>,
}

impl Recorder {
    /// Records what `inner` answers into this folder.
    pub fn new(inner: Arc<dyn Backend>, folder: Folder) -> Recorder {
        Recorder { inner, desk: Arc::new(Desk::new(folder, None)) }
    }

    /// The same, and what it records is answered from by `replay` from then on, as far as that plays it.
    pub fn shared(inner: Arc<dyn Backend>, folder: Folder, replay: Arc<ReplayBackend>) -> Recorder {
        Recorder { inner, desk: Arc::new(Desk::new(folder, Some(replay))) }
    }

    /// Waits until every answer that has ended is on the disk, or was given up: for [`LONGEST_FLUSH`] at most. Gives how
    /// many are lost because the disk had not taken them by then. Whoever ends the runtime waits for it first.
    ///
    /// # Cancellation
    /// Safe: what is being written is written all the same.
    #[must_use = "exchanges may be lost"]
    pub async fn written(&self) -> usize {
        self.desk.written().await
    }
}

#[async_trait::async_trait]
impl Backend for Recorder {
    /// # Cancellation
    /// As that of the backend behind it. When the stream of the reply is dropped before its end, the recording tells
    /// that the client went away.
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        let sent = Sent {
            at: Instant::now(),
            recorded_at: SystemTime::now(),
            request: RecordedRequest {
                method: request.method.clone(),
                path: recorded_path(&request.path).to_owned(),
                query: request.query.clone(),
                headers: request.headers.clone(),
                body: request.body.clone(),
            },
        };
        match self.inner.answer(request).await {
            Ok(reply) => Ok(self.record(sent, reply)),
            Err(refusal) => {
                if let Refusal::Upstream { message, code, failure } = &refusal {
                    let mut room = self.desk.room();
                    if room.take(sent.bytes()) {
                        self.desk.keep(sent.failed(message, code, *failure), room);
                    } else {
                        self.desk.leave_out(NO_ROOM);
                    }
                }
                Err(refusal)
            }
        }
    }

    fn models(&self) -> Vec<ModelCard> {
        self.inner.models()
    }

    fn readiness(&self) -> Readiness {
        self.inner.readiness()
    }

    fn scope(&self) -> Scope {
        self.inner.scope()
    }

    fn measurements(&self) -> Vec<Measurement> {
        [self.inner.measurements(), self.desk.measurements()].concat()
    }
}

impl Recorder {
    fn record(&self, sent: Sent, mut reply: Reply) -> Reply {
        let upstream =
            reply.headers.get(UPSTREAM_HEADER).and_then(|name| name.to_str().ok()).map(str::to_owned);
        let mut headers = reply.headers.clone();
        match reply.body {
            ReplyBody::Whole(bytes) => {
                // As the server tells it where nobody has.
                headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                if tape::has_body(&sent.request.method, reply.status) {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                }
                let mut tape = Tape::new(Arc::clone(&self.desk), sent, upstream, reply.status, headers);
                tape.push(&bytes);
                tape.end(End::Complete);
                reply.body = ReplyBody::Whole(bytes);
            }
            ReplyBody::Frames(frames) => {
                let tape = Tape::new(Arc::clone(&self.desk), sent, upstream, reply.status, headers);
                reply.body = ReplyBody::Frames(Box::pin(RecordedFrames { frames, tape }));
            }
            ReplyBody::Events(_) => self.desk.leave_out("it is of events, which are not recorded"),
        }
        reply
    }
}

/// Frames that pass by.
struct RecordedFrames {
    frames: FrameStream,
    tape: Tape,
}

impl Stream for RecordedFrames {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frame = ready!(self.frames.as_mut().poll_next(context));
        match &frame {
            Some(Ok(bytes)) => self.tape.push(bytes),
            Some(Err(error)) => self.tape.end(tape::end_of(error)),
            None => self.tape.end(End::Complete),
        }
        Poll::Ready(frame)
    }
}
