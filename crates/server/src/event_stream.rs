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

use crate::break_off::{BreakOff, Cut};
use crate::error_response::error_data;

/// The data of a stream's last event, where the dialect has no other.
pub(crate) const DONE: &str = "[DONE]";

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

/// The bytes of the events, one event in each item.
///
/// While the backend is silent for `ping`, a comment keeps the connection alive. When the stream panics, ends before its
/// time, or `cut` resolves, it is ended as its dialect ends. Nothing follows the end.
pub(crate) struct EventBytes {
    /// None after the end.
    events: Option<EventStream>,
    end: StreamEnd,
    ping: Duration,
    /// When the next comment is due. Moved only when it comes too early, since moving it costs more than an event.
    silence: Pin<Box<Sleep>>,
    last_event: Instant,
    cut: Cut,
    /// How often it was polled.
    asked: u32,
}

impl EventBytes {
    /// Of these events, which end so.
    pub(crate) fn new(events: EventStream, end: StreamEnd, ping: Duration, cut: Cut) -> EventBytes {
        EventBytes {
            events: Some(events),
            end,
            ping,
            silence: Box::pin(sleep(ping)),
            last_event: Instant::now(),
            cut,
            asked: 0,
        }
    }

    fn last(&mut self, events: &[Event]) -> Poll<Option<Bytes>> {
        self.events = None;
        Poll::Ready(Some(written(events)))
    }

    fn break_off(&mut self, why: BreakOff) -> Poll<Option<Bytes>> {
        let events = told(why, &self.end);
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
        if self.asked.is_multiple_of(EVENTS_BETWEEN_LOOKS)
            && let Poll::Ready(why) = self.cut.poll_unpin(context)
        {
            return self.break_off(why);
        }
        let Some(events) = self.events.as_mut() else { return Poll::Ready(None) };
        let next = catch_unwind(AssertUnwindSafe(|| events.as_mut().poll_next(context)));
        if matches!(next, Ok(Poll::Pending))
            && let Poll::Ready(why) = self.cut.poll_unpin(context)
        {
            return self.break_off(why);
        }
        match next {
            Ok(Poll::Ready(Some(event))) if is_end(&self.end, &event) => self.last(&[event]),
            Ok(Poll::Ready(Some(event))) => {
                self.last_event = Instant::now();
                Poll::Ready(Some(written(&[event])))
            }
            Ok(Poll::Ready(None)) => self.break_off(BreakOff::EndedEarly),
            Ok(Poll::Pending) => self.poll_silence(context),
            Err(_panic) => self.break_off(BreakOff::Panicked),
        }
    }
}

/// What ends a stream when the server goes down: the bytes of each event.
pub(crate) fn last_words(end: &StreamEnd) -> Vec<Bytes> {
    told(BreakOff::ServerStops, end).into_iter().map(|event| written(&[event])).collect()
}

/// The events that tell why a stream ends before its time.
fn told(why: BreakOff, end: &StreamEnd) -> Vec<Event> {
    let (message, code) = why.words();
    tracing::warn!(code, "a stream was ended by the server");
    match end {
        StreamEnd::Done => vec![Event::data(error_data(&message, code)), Event::data(DONE)],
        StreamEnd::Own(words) => words.break_off(&message, code),
    }
}

fn is_end(end: &StreamEnd, event: &Event) -> bool {
    match end {
        StreamEnd::Done => matches!(event, Event::Data { data, .. } if data == DONE),
        StreamEnd::Own(words) => words.is_end(event),
    }
}

fn written(events: &[Event]) -> Bytes {
    let mut bytes = Vec::new();
    for event in events {
        encode(event, &mut bytes);
    }
    Bytes::from(bytes)
}
