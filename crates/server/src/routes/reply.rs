//! From a backend's reply to what goes out: through the HTTP library, or beside it where the library could not say it.
//!
//! Owns which headers a reply keeps, what a plan of faults can do to it, and who ends it if it breaks off. How bytes are
//! written is the business of the streams and of [`FaultedAnswer`].

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use interference_backend::{
    EventStream, FrameStream, Reply, ReplyBody, StreamEnd, WhenBroken, content_length, is_event_stream,
};
use interference_faults::{AnswerFaults, AnswerKind, Dialect, Drawn};

use super::{Exchange, Shared};
use crate::answer_body::{AnswerBody, Response};
use crate::body::is_identity;
use crate::break_off::{self, Cut};
use crate::cross_origin;
use crate::event_stream::{self, EventBytes};
use crate::fault_plan::{APPLIED, WANTED};
use crate::faulted_answer::{Body, FaultedAnswer};
use crate::frame_bytes::FrameBytes;
use crate::framing::RequestTraits;
use crate::ignored_header;
use crate::mending::Mending;
use crate::spacing::{Spaced, Spacing};

/// A silence that no stream has.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One answer on its way out.
pub(super) struct Outgoing<'shared> {
    pub(super) shared: &'shared Shared,
    pub(super) dialect: Dialect,
    pub(super) request: RequestTraits,
    pub(super) exchange: Exchange,
}

/// The way of an answer.
pub(super) enum Way<'shared> {
    /// Through the HTTP library.
    Through(Response),
    /// Beside it, as soon as this is polled, which never resolves. Boxed, so that what few answers need takes no room in
    /// the handler of each.
    Beside(BoxFuture<'shared, Infallible>),
}

impl<'shared> Outgoing<'shared> {
    /// The way of this reply, with what is to go wrong with it.
    pub(super) fn way_of(self, mut reply: Reply, drawn: Option<Drawn>) -> Way<'shared> {
        set_headers(&mut reply);
        if let ReplyBody::Frames(frames) = &mut reply.body
            && (!self.request.has_body(reply.status) || content_length(&reply.headers) == Some(0))
        {
            // The library would not ask for the end; whoever gives the frames should know that it was reached.
            let _end = frames.next().now_or_never();
            reply.body = ReplyBody::Whole(Bytes::new());
        }
        let faults = drawn.map(|drawn| {
            let faults = drawn.faults_for(kind(&reply)).in_dialect(self.dialect);
            if is_coded(&reply) { faults.in_content_coding() } else { faults }
        });
        tell(&mut reply, faults.as_ref());
        match faults.filter(|faults| !faults.is_empty()) {
            None if !self.must_leave_the_library(&reply) => Way::Through(self.soundly(reply)),
            faults => Way::Beside(self.beside_the_library(reply, faults).boxed()),
        }
    }

    /// Whether only bytes of our own can say how the answer ends: the library repeats no broken end, and where neither
    /// chunks nor a length tell the end, its close would pass for a good one.
    fn must_leave_the_library(&self, reply: &Reply) -> bool {
        let is_undelimited = self.request.is_http_1_0() && content_length(&reply.headers).is_none();
        matches!(reply.body, ReplyBody::Frames(_))
            && (reply.when_broken == WhenBroken::Repeat
                || is_undelimited && self.mending(reply, None).is_none())
    }

    /// The answer as it should be: each event sent alone, and what somebody else sends as it comes.
    fn soundly(self, reply: Reply) -> Response {
        let length = content_length(&reply.headers);
        let mending = self.mending(&reply, length);
        let body = match reply.body {
            ReplyBody::Whole(bytes) => AnswerBody::whole(bytes),
            ReplyBody::Events(events) => {
                let bytes = self.event_bytes(events, reply.end, self.shared.ping);
                AnswerBody::stream(Spaced::new(bytes.map(Ok), Spacing::EachAlone), None)
            }
            ReplyBody::Frames(frames) => {
                let bytes = self.frame_bytes(frames, mending, reply.when_broken, length);
                // A recording gives each piece in its time, or all at once: they came apart, and stay apart.
                let spacing = match reply.when_broken {
                    WhenBroken::Mend => Spacing::AsTheyCome,
                    WhenBroken::Repeat => Spacing::EachAlone,
                };
                AnswerBody::stream(Spaced::new(bytes, spacing), length)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        response
    }

    /// Hands the answer to the task of its connection.
    async fn beside_the_library(self, reply: Reply, faults: Option<AnswerFaults>) -> Infallible {
        let length = content_length(&reply.headers);
        // With faults, the length is told anew, or not at all.
        let mending = self.mending(&reply, length.filter(|_| faults.is_none()));
        // Where nothing can be appended, there are none; nor where it would have to tell a number that only the source
        // knows.
        let has_last_words = match reply.body {
            ReplyBody::Whole(_) => false,
            ReplyBody::Events(_) => true,
            ReplyBody::Frames(_) => mending.is_some() && self.dialect == Dialect::Chat,
        };
        let body = match reply.body {
            ReplyBody::Whole(bytes) => Body::Whole(bytes),
            // Comments in a silence would depend on the time, and move whatever faults count in bytes.
            ReplyBody::Events(events) => {
                let bytes = self.event_bytes(events, reply.end.clone(), NEVER);
                Body::Stream(Box::pin(bytes.map(Ok)))
            }
            ReplyBody::Frames(frames) => {
                let frames = Box::pin(self.frame_bytes(frames, mending, reply.when_broken, length));
                // Also in a content coding: nothing in it is edited then.
                if is_event_stream(&reply.headers) { Body::Stream(frames) } else { Body::Pieces(frames) }
            }
        };
        let Exchange { takeover, observation, deadline } = self.exchange;
        let mut headers = reply.headers;
        observation.stamp().put_on(&mut headers);
        let answer = Box::new(FaultedAnswer {
            status: reply.status,
            headers,
            body,
            last_words: has_last_words.then_some(reply.end),
            dialect: self.dialect,
            when_broken: reply.when_broken,
            faults,
            request: self.request,
            observation: observation.hand_over(),
            closing: self.shared.closing.clone(),
            deadline,
            write_time: self.shared.limits.write_time,
        });
        takeover.hand_over(answer).await
    }

    /// What ends the answer if it breaks off; none where it must break off, too. A stream whose length is told has no room
    /// for an end of ours.
    fn mending(&self, reply: &Reply, told_length: Option<u64>) -> Option<Mending> {
        let can_be_mended = matches!(reply.body, ReplyBody::Frames(_))
            && reply.status.is_success()
            && told_length.is_none()
            && kind(reply) == AnswerKind::Stream;
        can_be_mended.then(|| Mending::new(self.dialect))
    }

    fn event_bytes(&self, events: EventStream, end: StreamEnd, ping: Duration) -> EventBytes {
        EventBytes::new(events, end, ping, self.cut())
    }

    fn frame_bytes(
        &self,
        frames: FrameStream,
        mending: Option<Mending>,
        when_broken: WhenBroken,
        length: Option<u64>,
    ) -> FrameBytes {
        let observation = self.exchange.observation.clone();
        FrameBytes::new(frames, mending, when_broken, length, self.cut(), observation)
    }

    fn cut(&self) -> Cut {
        let exchange = &self.exchange;
        break_off::cut(self.shared.closing.clone(), exchange.deadline, exchange.observation.clone())
    }
}

/// What a plan can do with the reply: a stream in a content coding has no events that could be told apart.
fn kind(reply: &Reply) -> AnswerKind {
    let is_stream = match reply.body {
        ReplyBody::Whole(_) => false,
        ReplyBody::Events(_) => true,
        ReplyBody::Frames(_) => is_event_stream(&reply.headers) && !is_coded(reply),
    };
    if is_stream { AnswerKind::Stream } else { AnswerKind::Whole }
}

/// Whether the body is in a content coding.
fn is_coded(reply: &Reply) -> bool {
    !reply.headers.get_all(CONTENT_ENCODING).iter().all(is_identity)
}

/// Names in the head what was passed over, and what is to go wrong.
fn tell(reply: &mut Reply, faults: Option<&AnswerFaults>) {
    if let Some(faults) = faults {
        reply.ignored.extend(faults.skipped().iter().map(|name| format!("{WANTED}.{name}")));
        if let Ok(value) = HeaderValue::try_from(faults.header_value()) {
            reply.headers.insert(APPLIED, value);
        }
    }
    if let Some(names) = ignored_header::value(&reply.ignored) {
        reply.headers.insert(ignored_header::IGNORED, names);
    }
}

/// Sets the headers that the server sets itself, and takes out those that are not for others to set.
fn set_headers(reply: &mut Reply) {
    let headers = &mut reply.headers;
    match reply.body {
        ReplyBody::Whole(_) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        ReplyBody::Events(_) => event_stream::set_headers(headers),
        ReplyBody::Frames(_) => {
            headers.remove(TRANSFER_ENCODING);
            if content_length(headers).is_none() {
                headers.remove(CONTENT_LENGTH);
            }
            cross_origin::take_out(headers);
        }
    }
}
