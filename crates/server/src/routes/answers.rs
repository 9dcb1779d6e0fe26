//! The endpoints that a backend answers, such as `POST /chat/completions`.
//!
//! Owns their paths and methods, and what happens to a request and its answer on the way. What an answer says is the
//! backend's business.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use interference_backend::{EventStream, Reply, ReplyBody, StreamEnd};
use interference_faults::{AnswerKind, Dialect, Drawn};
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

/// One of these endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Its path as `/openapi.json` has it: a part in braces stands for any that is not empty.
    pub(super) pattern: &'static str,
    /// The methods that it takes, as the header `Allow` has them.
    pub(super) methods: &'static str,
    dialect: Dialect,
}

/// All of them; the first that fits a path has it.
pub(super) const ENDPOINTS: [Endpoint; 9] = [
    Endpoint { pattern: "/chat/completions", methods: "GET,HEAD,POST", dialect: Dialect::Chat },
    Endpoint {
        pattern: "/chat/completions/{completion_id}",
        methods: "GET,HEAD,POST,DELETE",
        dialect: Dialect::Chat,
    },
    Endpoint {
        pattern: "/chat/completions/{completion_id}/messages",
        methods: "GET,HEAD",
        dialect: Dialect::Chat,
    },
    Endpoint { pattern: "/completions", methods: "POST", dialect: Dialect::Chat },
    Endpoint { pattern: "/embeddings", methods: "POST", dialect: Dialect::Chat },
    Endpoint { pattern: "/responses", methods: "POST", dialect: Dialect::Responses },
    Endpoint { pattern: "/responses/{response_id}", methods: "GET,HEAD,DELETE", dialect: Dialect::Responses },
    Endpoint { pattern: "/responses/{response_id}/cancel", methods: "POST", dialect: Dialect::Responses },
    Endpoint {
        pattern: "/responses/{response_id}/input_items",
        methods: "GET,HEAD",
        dialect: Dialect::Responses,
    },
];

impl Endpoint {
    /// The endpoint at a path.
    pub(super) fn at(path: &str) -> Option<Endpoint> {
        ENDPOINTS.into_iter().find(|endpoint| fits(endpoint.pattern, path))
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut parts, mut wanted) = (path.split('/'), pattern.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some(wanted)) if wanted.starts_with('{') && !part.is_empty() => {}
            (Some(part), Some(wanted)) if part == wanted => {}
            _ => return false,
        }
    }
}

/// `path` is where `endpoint` is. Only what is posted has a body.
pub(super) async fn create(
    shared: &Shared,
    (endpoint, path): (Endpoint, String),
    head: Parts,
    body: Incoming,
    exchange: Exchange,
) -> Result<Response, Rejection> {
    let traits = RequestTraits::of(head.version, &head.headers);
    let body = match head.method {
        Method::POST => read_json(&head.headers, body, &shared.limits).await?,
        _ => Bytes::new(),
    };
    exchange.observation.body(&body);
    let Asked { drawn, body } = shared.faults.asked(&head.headers, body)?;
    let of_server = if drawn.is_none() { shared.faults.of_server() } else { None };
    let dialect = endpoint.dialect;
    // A plan that replaces the answer needs none.
    if let Some(reply) = drawn.as_ref().or(of_server.as_ref()).and_then(|drawn| substitute(drawn, dialect)) {
        return Ok(respond(reply, drawn.or(of_server), dialect, shared, exchange, traits).await);
    }
    let mut reply = ask(shared, path, head, body).await?;
    let drawn = drawn.or(reply.faults.take()).or(of_server);
    if let Some(mut substituted) = drawn.as_ref().and_then(|drawn| substitute(drawn, dialect)) {
        // What the backend told of itself stays true.
        reply.headers.extend(std::mem::take(&mut substituted.headers));
        reply = Reply { headers: reply.headers, ignored: reply.ignored, ..substituted };
    }
    Ok(respond(reply, drawn, dialect, shared, exchange, traits).await)
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
fn substitute(drawn: &Drawn, dialect: Dialect) -> Option<Reply> {
    let faults = drawn.faults_for(AnswerKind::Whole).in_dialect(dialect);
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
    dialect: Dialect,
    shared: &Shared,
    exchange: Exchange,
    request: RequestTraits,
) -> Response {
    let Reply { status, mut headers, mut ignored, body, end, faults: _, when_broken: _ } = reply;
    let faults = drawn.map(|drawn| {
        let kind = match &body {
            ReplyBody::Whole(_) => AnswerKind::Whole,
            ReplyBody::Events(_) | ReplyBody::Frames(_) => AnswerKind::Stream,
        };
        drawn.faults_for(kind).in_dialect(dialect)
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
        let mut response = Response::new(soundly(body, end, shared, &exchange));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        return response;
    };
    let body = match body {
        ReplyBody::Whole(bytes) => faulted_answer::Body::Whole(bytes),
        // Comments in a silence would depend on the time, and move whatever faults count in bytes.
        ReplyBody::Events(events) => {
            let bytes = event_bytes(events, end.clone(), NEVER, shared, &exchange);
            faulted_answer::Body::Stream(Box::pin(bytes.map(Ok)))
        }
        ReplyBody::Frames(frames) => faulted_answer::Body::Stream(frames),
    };
    let Exchange { takeover, observation, deadline } = exchange;
    observation.stamp().put_on(&mut headers);
    let answer = Box::new(FaultedAnswer {
        status,
        headers,
        body,
        end,
        faults,
        request,
        observation: observation.hand_over(),
        closing: shared.closing.clone(),
        deadline,
        write_time: shared.limits.write_time,
    });
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
fn soundly(body: ReplyBody, end: StreamEnd, shared: &Shared, exchange: &Exchange) -> AnswerBody {
    match body {
        ReplyBody::Whole(bytes) => AnswerBody::whole(bytes),
        ReplyBody::Events(events) => {
            let bytes = event_bytes(events, end, shared.ping, shared, exchange);
            AnswerBody::stream(EachAlone::new(bytes.map(Ok)))
        }
        ReplyBody::Frames(frames) => AnswerBody::stream(EachAlone::new(frames)),
    }
}

fn event_bytes(
    events: EventStream,
    end: StreamEnd,
    ping: Duration,
    shared: &Shared,
    exchange: &Exchange,
) -> EventBytes {
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
    EventBytes::new(events, end, ping, cut)
}
