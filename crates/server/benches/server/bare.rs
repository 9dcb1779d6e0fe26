//! A server of hyper and nothing else: no routes, no checks, no JSON. What it can do is what hyper can.
//!
//! It writes what was captured of another server's answers: the same fields, and each frame of a stream as a frame of
//! its own, flushed alone.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::arguments::{BareTask, Schedule};
use crate::captured::{Captured, CapturedAnswer};
use crate::connection::MODEL;
use crate::event_counter::brings_text;
use crate::{AnyError, say};

/// Where servers list their models; gateways ask before they send anything there.
const MODELS: &str = "/v1/models";

/// What a server needs of a captured answer, made once.
struct Prepared {
    fields: HeaderMap,
    frames: Vec<PreparedFrame>,
}

struct PreparedFrame {
    bytes: Bytes,
    brings_text: bool,
}

/// All answers.
struct Answers {
    plain: Arc<Prepared>,
    stream: Arc<Prepared>,
    paced: Arc<Prepared>,
    schedule: Schedule,
}

/// Serves for ever.
pub(crate) async fn serve(task: BareTask) -> Result<(), AnyError> {
    let captured = Captured::read(&task.captured)?;
    let answers = Arc::new(Answers {
        plain: Arc::new(prepared(&captured.plain)?),
        stream: Arc::new(prepared(&captured.stream)?),
        paced: Arc::new(prepared(&captured.paced)?),
        schedule: task.schedule,
    });
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    say(&format!("listening on http://{}/v1", listener.local_addr()?));
    loop {
        let (stream, _address) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = Arc::clone(&answers);
        let service = service_fn(move |request| answer(Arc::clone(&answers), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn prepared(captured: &CapturedAnswer) -> Result<Prepared, AnyError> {
    let mut fields = HeaderMap::new();
    for (name, value) in &captured.fields {
        fields.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let frames = captured.frames.iter().map(|frame| PreparedFrame {
        bytes: Bytes::copy_from_slice(frame.as_bytes()),
        brings_text: brings_text(frame.as_bytes()),
    });
    Ok(Prepared { fields, frames: frames.collect() })
}

async fn answer(
    answers: Arc<Answers>,
    request: Request<Incoming>,
) -> Result<Response<BareBody>, hyper::Error> {
    if request.method() == Method::GET {
        let answer = match request.uri().path() {
            MODELS => Bytes::from(format!(
                "{{\"object\":\"list\",\"data\":[{{\"id\":\"{MODEL}\",\"object\":\"model\",\"created\":0,\
                 \"owned_by\":\"bare\"}}]}}"
            )),
            _ => Bytes::from_static(b"{\"status\":\"ok\"}"),
        };
        return Ok(Response::new(BareBody::Whole(Some(answer))));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let has = |text: &[u8]| body.windows(text.len()).any(|window| window == text);
    // Gateways write the JSON anew, some of them with a space.
    let is_stream = has(b"\"stream\":true") || has(b"\"stream\": true");
    let (prepared, due) = match (is_stream, has(b"\"pace\"")) {
        (false, _) => (&answers.plain, None),
        (true, false) => (&answers.stream, None),
        (true, true) => (&answers.paced, Some(Instant::now() + answers.schedule.first)),
    };
    let body = match (prepared.frames.as_slice(), due) {
        ([whole], None) => BareBody::Whole(Some(whole.bytes.clone())),
        _ => BareBody::Frames(Frames {
            prepared: Arc::clone(prepared),
            next: 0,
            given: false,
            clock: due.map(|due| Clock {
                due,
                schedule: answers.schedule,
                sleep: Box::pin(sleep_until(due)),
            }),
        }),
    };
    let mut response = Response::new(body);
    *response.headers_mut() = prepared.fields.clone();
    Ok(response)
}

/// A body of known length, or frames.
enum BareBody {
    Whole(Option<Bytes>),
    Frames(Frames),
}

struct Frames {
    prepared: Arc<Prepared>,
    next: usize,
    /// Whether a frame was given since the last rest.
    given: bool,
    clock: Option<Clock>,
}

/// When the next text is due.
struct Clock {
    due: Instant,
    schedule: Schedule,
    sleep: Pin<Box<Sleep>>,
}

impl Body for BareBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            BareBody::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            BareBody::Frames(frames) => frames.poll(context).map(|bytes| Some(Ok(Frame::data(bytes?)))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            BareBody::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            BareBody::Frames(_) => SizeHint::default(),
        }
    }
}

impl Frames {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // A body that has nothing for a moment makes hyper send what it has.
        if std::mem::take(&mut self.given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(frame) = self.prepared.frames.get(self.next) else { return Poll::Ready(None) };
        if let Some(clock) = self.clock.as_mut().filter(|_| frame.brings_text) {
            ready!(clock.sleep.as_mut().poll(context));
            clock.due += clock.schedule.between;
            clock.sleep.as_mut().reset(clock.due);
        }
        self.next += 1;
        self.given = true;
        Poll::Ready(Some(frame.bytes.clone()))
    }
}
