//! Writes a stream of events as bytes, and sees to it that the stream has exactly one end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, Stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use interference_backend::EventStream;
use interference_sse::{Event, encode};
use tokio::time::{Instant, Sleep, sleep};

use crate::error_response::{error_data, time_over};

/// The data of a stream's last event.
const DONE: &str = "[DONE]";

/// Asks proxies of the nginx kind not to collect the stream before they pass it on.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// After how many events that come without a pause it is asked whether the stream is to be cut off.
const EVENTS_BETWEEN_LOOKS: u32 = 16;

/// Sets the headers that every stream of events has.
pub(crate) fn set_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// Why the server ends a stream before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakOff {
    /// The server goes down.
    ServerStops,
    /// The request has taken this long, which is the limit.
    TimeOver(Duration),
}

impl BreakOff {
    /// The events that tell it.
    fn events(self) -> [Event; 2] {
        match self {
            BreakOff::ServerStops => broken_off("The server is going down.", "server_stopping"),
            BreakOff::TimeOver(limit) => broken_off(&time_over(limit), "request_timeout"),
        }
    }
}

/// The bytes of the events, one event in each item.
///
/// While the backend is silent for `ping`, a comment keeps the connection alive. When the stream panics, ends before its
/// time, or `cut` resolves, an error event and `[DONE]` end it. Nothing follows `[DONE]`.
pub(crate) struct EventBytes {
    /// None after the end.
    events: Option<EventStream>,
    ping: Duration,
    /// When the next comment is due. Moved only when it comes too early, since moving it costs more than an event.
    silence: Pin<Box<Sleep>>,
    last_event: Instant,
    cut: Pin<Box<dyn Future<Output = BreakOff> + Send>>,
    /// How often it was polled.
    asked: u32,
}

impl EventBytes {
    /// Of these events.
    pub(crate) fn new(
        events: EventStream,
        ping: Duration,
        cut: impl Future<Output = BreakOff> + Send + 'static,
    ) -> EventBytes {
        EventBytes {
            events: Some(events),
            ping,
            silence: Box::pin(sleep(ping)),
            last_event: Instant::now(),
            cut: Box::pin(cut),
            asked: 0,
        }
    }

    fn last(&mut self, events: &[Event]) -> Poll<Option<Bytes>> {
        self.events = None;
        Poll::Ready(Some(written(events)))
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while self.silence.poll_unpin(context).is_ready() {
            let now = Instant::now();
            let due = self.last_event + self.ping;
            if due <= now {
                self.last_event = now;
                self.silence.as_mut().reset(now + self.ping);
                return Poll::Ready(Some(written(&[Event::Comment("waiting".to_owned())])));
            }
            self.silence.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl Stream for EventBytes {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.events.is_none() {
            return Poll::Ready(None);
        }
        // A stream that always has something is cut off, too; whether it is to be need not be asked for every event.
        self.asked = self.asked.wrapping_add(1);
        if self.asked.is_multiple_of(EVENTS_BETWEEN_LOOKS)
            && let Poll::Ready(why) = self.cut.poll_unpin(context)
        {
            return self.last(&why.events());
        }
        let Some(events) = self.events.as_mut() else { return Poll::Ready(None) };
        let next = catch_unwind(AssertUnwindSafe(|| events.as_mut().poll_next(context)));
        if matches!(next, Ok(Poll::Pending))
            && let Poll::Ready(why) = self.cut.poll_unpin(context)
        {
            return self.last(&why.events());
        }
        match next {
            Ok(Poll::Ready(Some(event))) if is_done(&event) => self.last(&[event]),
            Ok(Poll::Ready(Some(event))) => {
                self.last_event = Instant::now();
                Poll::Ready(Some(written(&[event])))
            }
            Ok(Poll::Ready(None)) => {
                let events = broken_off("The answer broke off.", "stream_ended_early");
                self.last(&events)
            }
            Ok(Poll::Pending) => self.poll_silence(context),
            Err(_panic) => {
                let events = broken_off("The server has a bug, and this answer met it.", "internal_error");
                self.last(&events)
            }
        }
    }
}

/// Gives each item alone: between two it asks to be polled again, which makes the HTTP library send what it has. Else
/// events that are ready at the same time would arrive together.
pub(crate) struct EachAlone<S> {
    stream: S,
    given: bool,
}

impl<S> EachAlone<S> {
    /// Of this stream.
    pub(crate) fn new(stream: S) -> EachAlone<S> {
        EachAlone { stream, given: false }
    }
}

impl<S: Stream + Unpin> Stream for EachAlone<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if std::mem::take(&mut self.given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = Pin::new(&mut self.stream).poll_next(context);
        self.given = matches!(next, Poll::Ready(Some(_)));
        next
    }
}

/// What ends a stream when the server goes down: the bytes of each event.
pub(crate) fn last_words() -> [Bytes; 2] {
    BreakOff::ServerStops.events().map(|event| written(&[event]))
}

fn is_done(event: &Event) -> bool {
    matches!(event, Event::Data { data, .. } if data == DONE)
}

fn broken_off(message: &str, code: &str) -> [Event; 2] {
    tracing::warn!(code, "a stream was ended by the server");
    [Event::data(error_data(message, code)), Event::data(DONE)]
}

fn written(events: &[Event]) -> Bytes {
    let mut bytes = Vec::new();
    for event in events {
        encode(event, &mut bytes);
    }
    Bytes::from(bytes)
}
