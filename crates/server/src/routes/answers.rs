//! The endpoints that a backend answers, such as `POST /chat/completions`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use interference_backend::{Refusal, Reply, ReplyBody};
use interference_faults::{AnswerKind, Drawn};

use super::{PREFIX, Shared};
use crate::body::read_json;
use crate::closing::Phase;
use crate::error_response::Rejection;
use crate::event_stream::{self, EachAlone, EventBytes};
use crate::fault_plan::{APPLIED, Asked};
use crate::faulted_answer::{self, FaultedAnswer, RequestTraits};
use crate::ignored_header;
use crate::journal::Record;
use crate::takeover::Takeover;

/// The paths of these endpoints.
pub(super) const PATHS: [&str; 2] = ["/chat/completions", "/embeddings"];

/// What comes with a request beside its head and its body.
pub(super) struct Exchange {
    takeover: Takeover,
    record: Record,
    traits: RequestTraits,
}

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(takeover): Extension<Takeover>,
    Extension(record): Extension<Record>,
    request: Request,
) -> Result<Response, Rejection> {
    let (head, body) = request.into_parts();
    let traits = RequestTraits::of(head.version, &head.headers);
    let body = read_json(&head.headers, body, &shared.limits).await?;
    record.body(&body);
    let exchange = Exchange { takeover, record, traits };
    let Asked { drawn, body } = shared.faults.asked(&head.headers, body)?;
    let of_server = if drawn.is_none() { shared.faults.of_server() } else { None };
    // A plan that replaces the answer needs none.
    if let Some(reply) = drawn.as_ref().or(of_server.as_ref()).and_then(substitute) {
        return Ok(respond(reply, drawn.or(of_server), &shared, exchange).await);
    }
    let mut reply = ask(&shared, head, body).await?;
    let of_script = reply.faults.take();
    Ok(respond(reply, drawn.or(of_script).or(of_server), &shared, exchange).await)
}

async fn ask(shared: &Shared, head: Parts, body: Bytes) -> Result<Reply, Rejection> {
    let path = head.uri.path();
    let request = interference_backend::Request {
        method: head.method,
        path: path.strip_prefix(PREFIX).unwrap_or(path).to_owned(),
        headers: head.headers,
        body,
        strictness: shared.strictness,
    };
    let mut closing = shared.closing.clone();
    tokio::select! {
        reply = shared.backend.answer(request) => Ok(reply?),
        () = closing.reached(Phase::Cut) => {
            Err(Refusal::Unavailable { message: "The server is going down.".to_owned() }.into())
        }
    }
}

/// The answer that a plan has in the place of the backend's.
fn substitute(drawn: &Drawn) -> Option<Reply> {
    let faults = drawn.faults_for(AnswerKind::Whole);
    let http = faults.http();
    let (content_type, body) = http.substitute()?;
    let content_type = HeaderValue::try_from(content_type).ok()?;
    let status = http.status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
    Some(Reply { headers, ..Reply::new(status, ReplyBody::Whole(body)) })
}

async fn respond(reply: Reply, drawn: Option<Drawn>, shared: &Shared, exchange: Exchange) -> Response {
    let Reply { status, mut headers, ignored, body, faults: _ } = reply;
    let faults = drawn.map(|drawn| {
        drawn.faults_for(match &body {
            ReplyBody::Whole(_) => AnswerKind::Whole,
            ReplyBody::Events(_) | ReplyBody::Frames(_) => AnswerKind::Stream,
        })
    });
    let mut passed_over = ignored;
    if let Some(faults) = &faults {
        passed_over
            .extend(faults.skipped().iter().map(|name| format!("{}.{name}", crate::fault_plan::WANTED)));
        if let Ok(value) = HeaderValue::try_from(faults.header_value()) {
            headers.insert(APPLIED, value);
        }
    }
    if let Some(names) = ignored_header::value(&passed_over) {
        headers.insert(ignored_header::IGNORED, names);
    }
    let body = match body {
        ReplyBody::Whole(bytes) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            faulted_answer::Body::Whole(bytes)
        }
        ReplyBody::Events(events) => {
            event_stream::set_headers(&mut headers);
            let bytes = EventBytes::new(events, shared.ping, shared.closing.clone());
            match faults.as_ref().filter(|faults| !faults.is_empty()) {
                Some(_) => faulted_answer::Body::Stream(Box::pin(bytes.map(Ok))),
                None => {
                    let bytes = EachAlone::new(bytes).map(Ok::<Bytes, Infallible>);
                    return (status, headers, Body::from_stream(bytes)).into_response();
                }
            }
        }
        ReplyBody::Frames(frames) => faulted_answer::Body::Stream(frames),
    };
    let Some(faults) = faults.filter(|faults| !faults.is_empty()) else {
        let body = match body {
            faulted_answer::Body::Whole(bytes) => Body::from(bytes),
            faulted_answer::Body::Stream(frames) => Body::from_stream(EachAlone::new(frames)),
        };
        return (status, headers, body).into_response();
    };
    let Exchange { takeover, record, traits } = exchange;
    record.hand_over();
    let closing = shared.closing.clone();
    let answer = FaultedAnswer { status, headers, body, faults, request: traits, record, closing };
    match takeover.hand_over(answer).await {}
}
