//! Writes a stream of events as bytes, and sees to it that the stream has exactly one end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, Stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use interference_backend::{EventStream, StreamEnd};
use interference_sse::{Event, encode};
use tokio::time::{Instant, Sleep, sleep};

use crate::closing::{Closing, Phase};
use crate::error_response::error_data;

/// The data of a stream's last event, where the dialect has no other.
const DONE: &str = "[DONE]";

/// Asks proxies of the nginx kind not to collect the stream before they pass it on.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// After how many events that come without a pause it is asked whether the server goes down.
const EVENTS_BETWEEN_LOOKS: u32 = 16;

/// Sets the headers that every stream of events has.
pub(crate) fn set_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// The bytes of the events, one event in each item.
///
/// While the backend is silent for `ping`, a comment keeps the connection alive. When the stream panics, ends before its
/// time, or is cut off because the server goes down, it is ended as its dialect ends. Nothing follows the end.
pub(crate) struct EventBytes {
    /// None after the end.
    events: Option<EventStream>,
    end: StreamEnd,
    ping: Duration,
    /// When the next comment is due. Moved only when it comes too early, since moving it costs more than an event.
    silence: Pin<Box<Sleep>>,
    last_event: Instant,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// How often it was polled.
    asked: u32,
}

impl EventBytes {
    /// Of these events, which end so.
    pub(crate) fn new(
        events: EventStream,
        end: StreamEnd,
        ping: Duration,
        mut closing: Closing,
    ) -> EventBytes {
        EventBytes {
            events: Some(events),
            end,
            ping,
            silence: Box::pin(sleep(ping)),
            last_event: Instant::now(),
            cut: Box::pin(async move { closing.reached(Phase::Cut).await }),
            asked: 0,
        }
    }

    fn last(&mut self, events: &[Event]) -> Poll<Option<Bytes>> {
        self.events = None;
        Poll::Ready(Some(written(events)))
    }

    fn break_off(&mut self, why: BrokenOff) -> Poll<Option<Bytes>> {
        let events = why.told(&self.end);
        self.last(&events)
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
        if self.asked.is_multiple_of(EVENTS_BETWEEN_LOOKS) && self.cut.poll_unpin(context).is_ready() {
            return self.break_off(BrokenOff::ServerStops);
        }
        let Some(events) = self.events.as_mut() else { return Poll::Ready(None) };
        let next = catch_unwind(AssertUnwindSafe(|| events.as_mut().poll_next(context)));
        if matches!(next, Ok(Poll::Pending)) && self.cut.poll_unpin(context).is_ready() {
            return self.break_off(BrokenOff::ServerStops);
        }
        match next {
            Ok(Poll::Ready(Some(event))) if is_end(&self.end, &event) => self.last(&[event]),
            Ok(Poll::Ready(Some(event))) => {
                self.last_event = Instant::now();
                Poll::Ready(Some(written(&[event])))
            }
            Ok(Poll::Ready(None)) => self.break_off(BrokenOff::EndedEarly),
            Ok(Poll::Pending) => self.poll_silence(context),
            Err(_panic) => self.break_off(BrokenOff::Panicked),
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
pub(crate) fn last_words(end: &StreamEnd) -> Vec<Bytes> {
    BrokenOff::ServerStops.told(end).into_iter().map(|event| written(&[event])).collect()
}

fn is_end(end: &StreamEnd, event: &Event) -> bool {
    match end {
        StreamEnd::Done => matches!(event, Event::Data { data, .. } if data == DONE),
        StreamEnd::Own(words) => words.is_end(event),
    }
}

/// Why a stream ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BrokenOff {
    ServerStops,
    EndedEarly,
    Panicked,
}

impl BrokenOff {
    /// For a person and for a program.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            BrokenOff::ServerStops => ("The server is going down.", "server_stopping"),
            BrokenOff::EndedEarly => ("The answer broke off.", "stream_ended_early"),
            BrokenOff::Panicked => ("The server has a bug, and this answer met it.", "internal_error"),
        }
    }

    fn told(self, end: &StreamEnd) -> Vec<Event> {
        let (message, code) = self.words();
        tracing::warn!(code, "a stream was ended by the server");
        match end {
            StreamEnd::Done => vec![Event::data(error_data(message, code)), Event::data(DONE)],
            StreamEnd::Own(words) => words.break_off(message, code),
        }
    }
}

fn written(events: &[Event]) -> Bytes {
    let mut bytes = Vec::new();
    for event in events {
        encode(event, &mut bytes);
    }
    Bytes::from(bytes)
}
