//! Requests, answers as they come, recordings, and a backend that stands for an upstream.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use interference_backend::{
    Backend, FrameStream, MeasuredValue, ModelCard, Readiness, Refusal, Reply, ReplyBody, Request, Scope,
    Strictness,
};
use interference_backend_replay::{ReplayBackend, ReplayOptions};
use interference_cassette::{Cassette, End, Outcome, Read, RecordedAnswer, RecordedRequest, Recording};
use tokio::time::{Instant, sleep};

pub(crate) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

pub(crate) fn request(method: Method, path: &str, body: &str) -> Request {
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query.to_owned())));
    Request {
        method,
        path: path.to_owned(),
        query,
        headers: headers(&[("content-type", "application/json")]),
        body: Bytes::copy_from_slice(body.as_bytes()),
        strictness: Strictness::NameIgnored,
    }
}

pub(crate) fn chat(body: &str) -> Request {
    request(Method::POST, "/chat/completions", body)
}

/// What is asked of a recording, and how that answers.
pub(crate) fn recording(name: &str, request: Request, reads: &[(u64, &str)], end: End) -> Recording {
    let reads: Vec<Read> = reads
        .iter()
        .map(|(at_ms, text)| Read {
            at: Duration::from_millis(*at_ms),
            bytes: Bytes::copy_from_slice(text.as_bytes()),
        })
        .collect();
    let ended_at = reads.last().map_or(Duration::from_millis(5), |read| read.at);
    let answer = RecordedAnswer {
        status: StatusCode::OK,
        headers: headers(&[("content-type", "text/event-stream")]),
        head_at: Duration::from_millis(5).min(ended_at),
        reads,
        end,
        ended_at,
    };
    Recording { name: name.to_owned(), cassette: cassette(request, Outcome::Answered(answer)) }
}

pub(crate) fn cassette(request: Request, outcome: Outcome) -> Cassette {
    let Request { method, path, query, headers, body, .. } = request;
    let request = RecordedRequest { method, path, query, headers, body };
    Cassette { recorded_at: SystemTime::UNIX_EPOCH, upstream: None, request, outcome }
}

pub(crate) fn replay(recordings: impl IntoIterator<Item = Recording>) -> ReplayBackend {
    ReplayBackend::new("`cassettes`", recordings, ReplayOptions::default())
}

/// An answer as a client meets it: each piece and the end with its time, in milliseconds since the request.
#[derive(Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<String>,
    pub(crate) head_at: u128,
    pub(crate) pieces: Vec<(u128, String)>,
    pub(crate) end: (u128, Option<io::ErrorKind>),
}

pub(crate) async fn hear(backend: &dyn Backend, request: Request) -> Result<Heard, Refusal> {
    let start = Instant::now();
    let since = || start.elapsed().as_millis();
    let reply = backend.answer(request).await?;
    let mut headers: Vec<String> =
        reply.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.sort();
    let mut heard =
        Heard { status: reply.status, headers, head_at: since(), pieces: Vec::new(), end: (0, None) };
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    match reply.body {
        ReplyBody::Whole(bytes) => heard.pieces.push((since(), text(bytes))),
        ReplyBody::Frames(mut frames) => {
            while let Some(frame) = frames.next().await {
                match frame {
                    Ok(bytes) => heard.pieces.push((since(), text(bytes))),
                    Err(error) => heard.end.1 = Some(error.kind()),
                }
            }
        }
        ReplyBody::Events(_) => unreachable!("no test asks for events here"),
    }
    heard.end.0 = since();
    Ok(heard)
}

/// All that an answer says.
pub(crate) async fn text_of(backend: &dyn Backend, request: Request) -> String {
    let heard = hear(backend, request).await.unwrap();
    heard.pieces.into_iter().map(|(_, text)| text).collect()
}

/// What a refused request is told.
pub(crate) async fn refusal_of(backend: &dyn Backend, request: Request) -> Refusal {
    match backend.answer(request).await {
        Ok(reply) => unreachable!("it was answered: {reply:?}"),
        Err(refusal) => refusal,
    }
}

/// A counter or a gauge.
pub(crate) fn measured(backend: &dyn Backend, name: &str) -> u64 {
    let measurement = backend.measurements().into_iter().find(|measurement| measurement.name == name);
    match measurement.unwrap().value {
        MeasuredValue::Counter(value) | MeasuredValue::Gauge(value) => value,
        MeasuredValue::Histogram(_) => unreachable!("{name} is no number"),
    }
}

/// Frames that come so many milliseconds after the one before, and an end.
pub(crate) fn frames(pieces: &[(u64, &'static str)], end: Option<io::ErrorKind>) -> FrameStream {
    let pieces: Vec<_> = pieces.to_vec();
    let pieces = futures::stream::iter(pieces).then(|(wait_ms, text)| async move {
        sleep(Duration::from_millis(wait_ms)).await;
        Ok(Bytes::from_static(text.as_bytes()))
    });
    let end = futures::stream::iter(end).map(|kind| Err(io::Error::new(kind, "torn")));
    Box::pin(pieces.chain(end))
}

type Answer = Box<dyn Fn(&Request) -> Result<Reply, Refusal> + Send + Sync>;

/// Answers as it is told, and counts how often it is asked.
pub(crate) struct Upstream {
    answer: Answer,
    asked: AtomicUsize,
}

impl Upstream {
    pub(crate) fn new(
        answer: impl Fn(&Request) -> Result<Reply, Refusal> + Send + Sync + 'static,
    ) -> Upstream {
        Upstream { answer: Box::new(answer), asked: AtomicUsize::new(0) }
    }

    /// Answers with such frames.
    pub(crate) fn streaming(pieces: &'static [(u64, &'static str)], end: Option<io::ErrorKind>) -> Upstream {
        Upstream::new(move |_| Ok(Reply::new(StatusCode::OK, ReplyBody::Frames(frames(pieces, end)))))
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait::async_trait]
impl Backend for Upstream {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(10)).await;
        (self.answer)(&request)
    }

    fn models(&self) -> Vec<ModelCard> {
        let card = |id: &str| ModelCard {
            id: id.to_owned(),
            created: 1,
            owned_by: "upstream".to_owned(),
            aliases: Vec::new(),
            context_length: None,
        };
        vec![card("tree"), card("far")]
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn scope(&self) -> Scope {
        Scope::Everything
    }
}
