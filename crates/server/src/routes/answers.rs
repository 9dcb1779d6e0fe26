//! The endpoints that a backend answers, such as `POST /chat/completions`.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::Incoming;
use interference_backend::{EventStream, Reply, ReplyBody};
use interference_faults::{AnswerKind, Drawn};
use tokio::time::sleep_until;

use super::{Exchange, Shared};
use crate::answer_body::{AnswerBody, Response};
use crate::body::read_json;
use crate::closing::Phase;
use crate::error_response::Rejection;
use crate::event_stream::{self, BreakOff, EachAlone, EventBytes};
use crate::fault_plan::{APPLIED, Asked, WANTED};
use crate::faulted_answer::{self, FaultedAnswer, RequestTraits};
use crate::ignored_header;
use crate::journal::Ended;

/// A silence that no stream has.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The paths of these endpoints.
pub(super) const PATHS: [&str; 3] = ["/chat/completions", "/completions", "/embeddings"];

/// `path` is one of [`PATHS`].
pub(super) async fn create(
    shared: &Shared,
    path: String,
    head: Parts,
    body: Incoming,
    exchange: Exchange,
) -> Result<Response, Rejection> {
    let traits = RequestTraits::of(head.version, &head.headers);
    let body = read_json(&head.headers, body, &shared.limits).await?;
    exchange.observation.body(&body);
    let Asked { drawn, body } = shared.faults.asked(&head.headers, body)?;
    let of_server = if drawn.is_none() { shared.faults.of_server() } else { None };
    // A plan that replaces the answer needs none.
    if let Some(reply) = drawn.as_ref().or(of_server.as_ref()).and_then(substitute) {
        return Ok(respond(reply, drawn.or(of_server), shared, exchange, traits).await);
    }
    let mut reply = ask(shared, path, head, body).await?;
    let drawn = drawn.or(reply.faults.take()).or(of_server);
    if let Some(mut substituted) = drawn.as_ref().and_then(substitute) {
        // What the backend told of itself stays true.
        reply.headers.extend(std::mem::take(&mut substituted.headers));
        reply = Reply { headers: reply.headers, ignored: reply.ignored, ..substituted };
    }
    Ok(respond(reply, drawn, shared, exchange, traits).await)
}

async fn ask(shared: &Shared, path: String, head: Parts, body: Bytes) -> Result<Reply, Rejection> {
    let request = interference_backend::Request {
        method: head.method,
        path,
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
        strictness: shared.strictness,
    };
    Ok(shared.backend.answer(request).await?)
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

async fn respond(
    reply: Reply,
    drawn: Option<Drawn>,
    shared: &Shared,
    exchange: Exchange,
    request: RequestTraits,
) -> Response {
    let Reply { status, mut headers, mut ignored, body, faults: _ } = reply;
    let faults = drawn.map(|drawn| {
        drawn.faults_for(match &body {
            ReplyBody::Whole(_) => AnswerKind::Whole,
            ReplyBody::Events(_) | ReplyBody::Frames(_) => AnswerKind::Stream,
        })
    });
    if let Some(faults) = &faults {
        ignored.extend(faults.skipped().iter().map(|name| format!("{WANTED}.{name}")));
        if let Ok(value) = HeaderValue::try_from(faults.header_value()) {
            headers.insert(APPLIED, value);
        }
    }
    if let Some(names) = ignored_header::value(&ignored) {
        headers.insert(ignored_header::IGNORED, names);
    }
    set_content_type(&body, &mut headers);
    let Some(faults) = faults.filter(|faults| !faults.is_empty()) else {
        let mut response = Response::new(soundly(body, shared, &exchange));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        return response;
    };
    let body = match body {
        ReplyBody::Whole(bytes) => faulted_answer::Body::Whole(bytes),
        // Comments in a silence would depend on the time, and move whatever faults count in bytes.
        ReplyBody::Events(events) => {
            faulted_answer::Body::Stream(Box::pin(event_bytes(events, NEVER, shared, &exchange).map(Ok)))
        }
        ReplyBody::Frames(frames) => faulted_answer::Body::Stream(frames),
    };
    let Exchange { takeover, observation, deadline } = exchange;
    observation.stamp().put_on(&mut headers);
    let (closing, write_time) = (shared.closing.clone(), shared.limits.write_time);
    let observation = observation.hand_over();
    let answer =
        FaultedAnswer { status, headers, body, faults, request, observation, closing, deadline, write_time };
    let answer = Box::new(answer);
    match takeover.hand_over(answer).await {}
}

fn set_content_type(body: &ReplyBody, headers: &mut HeaderMap) {
    match body {
        ReplyBody::Whole(_) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        ReplyBody::Events(_) => event_stream::set_headers(headers),
        ReplyBody::Frames(_) => {}
    }
}

/// The body as it should be, each piece sent alone.
fn soundly(body: ReplyBody, shared: &Shared, exchange: &Exchange) -> AnswerBody {
    match body {
        ReplyBody::Whole(bytes) => AnswerBody::whole(bytes),
        ReplyBody::Events(events) => {
            AnswerBody::stream(EachAlone::new(event_bytes(events, shared.ping, shared, exchange).map(Ok)))
        }
        ReplyBody::Frames(frames) => AnswerBody::stream(EachAlone::new(frames)),
    }
}

fn event_bytes(events: EventStream, ping: Duration, shared: &Shared, exchange: &Exchange) -> EventBytes {
    let (mut closing, deadline) = (shared.closing.clone(), exchange.deadline);
    let observation = exchange.observation.clone();
    let cut = async move {
        let (why, ended) = tokio::select! {
            () = closing.reached(Phase::Cut) => (BreakOff::ServerStops, Ended::ServerStopped),
            () = sleep_until(deadline.at) => (BreakOff::TimeOver(deadline.limit), Ended::TimedOut),
        };
        observation.foresee(ended);
        why
    };
    EventBytes::new(events, ping, cut)
}
