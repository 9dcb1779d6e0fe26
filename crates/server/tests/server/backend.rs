//! A backend that does what the request's body says.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode};
use interference_backend::{
    Backend, Distribution, EventStream, LastWords, MeasuredValue, Measurement, ModelCard, Readiness, Refusal,
    Reply, ReplyBody, Request, Scope, StreamEnd,
};
use interference_faults::Plan;
use interference_sse::Event;
use tokio::sync::mpsc;

/// Of 1 MiB each, of what is more than a fault of the whole body collects.
pub(crate) const LONG_FRAMES: usize = 20;

/// A backend that answers as this function does, whatever it is asked.
pub(crate) struct Anything<F>(pub(crate) F);

#[async_trait::async_trait]
impl<F> Backend for Anything<F>
where
    F: Fn(Request) -> Result<Reply, Refusal> + Send + Sync + 'static,
{
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        self.0(request)
    }

    fn models(&self) -> Vec<ModelCard> {
        Vec::new()
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn scope(&self) -> Scope {
        Scope::Everything
    }
}

pub(crate) struct TestBackend {
    pub(crate) readiness: Readiness,
    /// Hears what was asked for, and what was dropped.
    pub(crate) told: mpsc::UnboundedSender<&'static str>,
}

/// Tells when it is dropped.
struct Held {
    told: mpsc::UnboundedSender<&'static str>,
    name: &'static str,
}

impl Drop for Held {
    fn drop(&mut self) {
        let _test_is_over = self.told.send(self.name);
    }
}

impl TestBackend {
    fn hold(&self, name: &'static str) -> Held {
        Held { told: self.told.clone(), name }
    }

    /// Some events, then silence for ever.
    fn silent_after(&self, events: Vec<Event>) -> EventStream {
        let held = self.hold("stream dropped");
        let silence = stream::once(async move {
            let _held = held;
            std::future::pending::<Event>().await
        });
        Box::pin(stream::iter(events).chain(silence))
    }
}

/// A stream that ends with an event of its own.
#[derive(Debug)]
struct OwnEnd;

impl LastWords for OwnEnd {
    fn is_end(&self, event: &Event) -> bool {
        matches!(event, Event::Data { name: Some(name), .. } if name == "end")
    }

    fn break_off(&self, message: &str, code: &str) -> Vec<Event> {
        vec![Event::Data { name: Some("end".to_owned()), data: format!("{code}: {message}") }]
    }
}

fn own_end(events: EventStream) -> Result<Reply, Refusal> {
    let end = StreamEnd::Own(Arc::new(OwnEnd));
    Ok(Reply { end, ..Reply::new(StatusCode::OK, ReplyBody::Events(events)) })
}

fn reply(body: ReplyBody) -> Result<Reply, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert("x-interference-seed", HeaderValue::from_static("7"));
    Ok(Reply { headers, ..Reply::new(StatusCode::OK, body) })
}

fn events(events: Vec<Event>) -> Result<Reply, Refusal> {
    reply(ReplyBody::Events(Box::pin(stream::iter(events))))
}

#[async_trait::async_trait]
impl Backend for TestBackend {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        assert_eq!(request.path, "/chat/completions");
        match request.body.as_ref() {
            b"whole" => reply(ReplyBody::Whole(Bytes::from_static(b"{\"whole\":true}"))),
            b"with faults" => {
                let plan = Plan::parse("http = { status = 503, message = \"later\" }, seed = 1").unwrap();
                let reply = reply(ReplyBody::Whole(Bytes::from_static(b"{}")))?;
                Ok(Reply { faults: Some(plan.draw(0)), ..reply })
            }
            br#"{"model":"echo"}"# => reply(ReplyBody::Whole(request.body)),
            b"frames" => reply(ReplyBody::Frames(Box::pin(stream::iter([
                Ok(Bytes::from_static(b"one ")),
                Ok(Bytes::from_static(b"two")),
            ])))),
            b"long frames" => {
                let frames = stream::repeat_with(|| Ok(Bytes::from(vec![b'x'; 1 << 20]))).take(LONG_FRAMES);
                reply(ReplyBody::Frames(Box::pin(frames)))
            }
            b"stream" => {
                events(vec![Event::data("{\"a\":1}"), Event::data("{\"b\":2}"), Event::data("[DONE]")])
            }
            b"more after done" => events(vec![Event::data("[DONE]"), Event::data("more")]),
            b"early end" => events(vec![Event::data("a")]),
            b"panic in stream" => {
                let panics = stream::once(async { panic!("a bug of the test's own") });
                reply(ReplyBody::Events(Box::pin(stream::iter([Event::data("a")]).chain(panics))))
            }
            b"flood" => {
                let held = self.hold("stream dropped");
                let flood = stream::repeat_with(move || {
                    let _held = &held;
                    Event::data("x".repeat(60_000))
                });
                reply(ReplyBody::Events(Box::pin(flood)))
            }
            b"own end" => {
                let end = Event::Data { name: Some("end".to_owned()), data: "well".to_owned() };
                own_end(Box::pin(stream::iter([Event::data("[DONE]"), end, Event::data("more")])))
            }
            b"own end missing" => own_end(Box::pin(stream::iter([Event::data("a")]))),
            b"own end, stuck" => {
                let _test_is_over = self.told.send("stuck");
                own_end(self.silent_after(vec![Event::data("a")]))
            }
            b"panic" => panic!("a bug of the test's own"),
            b"silent stream" => reply(ReplyBody::Events(self.silent_after(vec![]))),
            b"stuck stream" => {
                let _test_is_over = self.told.send("stuck");
                reply(ReplyBody::Events(self.silent_after(vec![Event::data("a")])))
            }
            b"never" => {
                let _held = self.hold("answer dropped");
                let _test_is_over = self.told.send("never");
                std::future::pending().await
            }
            b"invalid" => Err(Refusal::InvalidRequest {
                message: "wrong".to_owned(),
                param: Some("messages[0].role".to_owned()),
                code: Some("invalid_value"),
            }),
            b"unknown model" => {
                Err(Refusal::UnknownModel { model: "large".to_owned(), known: vec!["small".to_owned()] })
            }
            b"too long" => Err(Refusal::ContextLengthExceeded { context_length: 10, prompt_tokens: 12 }),
            b"overloaded" => Err(Refusal::Overloaded { waiting: 64, retry_after_seconds: 3 }),
            b"unavailable" => Err(Refusal::Unavailable { message: "loading".to_owned() }),
            b"internal" => Err(Refusal::Internal { message: "broken".to_owned() }),
            other => panic!("the test backend does not know {other:?}"),
        }
    }

    fn models(&self) -> Vec<ModelCard> {
        vec![ModelCard {
            id: "maker/small".to_owned(),
            created: 7,
            owned_by: "maker".to_owned(),
            aliases: vec!["gpt-*".to_owned()],
            context_length: Some(2048),
        }]
    }

    fn measurements(&self) -> Vec<Measurement> {
        let gauge =
            Measurement { name: "places", help: "Places that are free", value: MeasuredValue::Gauge(3) };
        let counter =
            Measurement { name: "tokens", help: "Tokens so far", value: MeasuredValue::Counter(u64::MAX) };
        let histogram = Measurement {
            name: "waits_seconds",
            help: "How long it took",
            value: MeasuredValue::Histogram(Distribution {
                buckets: vec![(0.5, 2), (f64::INFINITY, 1)],
                sum: 4.5,
            }),
        };
        vec![gauge, counter, histogram]
    }

    fn readiness(&self) -> Readiness {
        self.readiness
    }
}
