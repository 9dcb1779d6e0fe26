//! Writes a stream of events as a body, and sees to it that the stream has exactly one end.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use interference_backend::EventStream;
use interference_sse::{Event, encode};

use crate::closing::{Closing, Phase};
use crate::error_response::error_data;

/// The data of a stream's last event.
const DONE: &str = "[DONE]";

/// Asks proxies of the nginx kind not to collect the stream before they pass it on.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The answer that carries these events.
///
/// While the backend is silent for `ping`, a comment keeps the connection alive. When the stream panics, ends before its
/// time, or is cut off because the server goes down, an error event and `[DONE]` end it. Nothing follows `[DONE]`.
pub(crate) fn response(
    status: StatusCode,
    headers: HeaderMap,
    events: EventStream,
    ping: Duration,
    closing: Closing,
) -> Response {
    let writer = Writer { events, ping, closing };
    let pieces = stream::unfold(Some(writer), |writer| async move {
        let mut writer = writer?;
        Some(match writer.next().await {
            Written::Event(event) => (written(&[event]), Some(writer)),
            Written::Last(events) => (written(&events), None),
        })
    });
    let mut response =
        (status, headers, Body::from_stream(pieces.map(Ok::<Bytes, std::convert::Infallible>)))
            .into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

struct Writer {
    events: EventStream,
    ping: Duration,
    closing: Closing,
}

/// What is written next.
enum Written {
    /// One event, and the stream goes on.
    Event(Event),
    /// These, and no more.
    Last(Vec<Event>),
}

impl Writer {
    async fn next(&mut self) -> Written {
        tokio::select! {
            // In this order: a stream that always has something is cut off, too.
            biased;
            () = self.closing.reached(Phase::Cut) => broken_off("The server is going down.", "server_stopping"),
            event = AssertUnwindSafe(self.events.next()).catch_unwind() => match event {
                Ok(Some(event)) if is_done(&event) => Written::Last(vec![event]),
                Ok(Some(event)) => Written::Event(event),
                Ok(None) => broken_off("The answer broke off.", "stream_ended_early"),
                Err(_panic) => broken_off("The server has a bug, and this answer met it.", "internal_error"),
            },
            () = tokio::time::sleep(self.ping) => Written::Event(Event::Comment("waiting".to_owned())),
        }
    }
}

fn is_done(event: &Event) -> bool {
    matches!(event, Event::Data { data, .. } if data == DONE)
}

fn broken_off(message: &str, code: &str) -> Written {
    tracing::warn!(code, "a stream was ended by the server");
    Written::Last(vec![Event::data(error_data(message, code)), Event::data(DONE)])
}

fn written(events: &[Event]) -> Bytes {
    let mut bytes = Vec::new();
    for event in events {
        encode(event, &mut bytes);
    }
    Bytes::from(bytes)
}
