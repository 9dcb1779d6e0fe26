//! The requests that a backend answers, such as `POST /chat/completions`.
//!
//! Owns the paths and methods of the endpoints that the API describes, and the way of any request to the backend. What
//! an answer says is the backend's business, and how it goes out that of `reply.rs`.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use interference_backend::{Reply, ReplyBody};
use interference_faults::{AnswerKind, Dialect, Drawn};

use super::reply::{Outgoing, Way};
use super::{Exchange, Shared};
use crate::answer_body::Response;
use crate::body::{read_any, read_json};
use crate::error_response::Rejection;
use crate::fault_plan::Asked;
use crate::framing::RequestTraits;

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
    // Most paths have no braces, and this is asked of every request.
    if pattern == path {
        return true;
    }
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

/// Answers a request of an endpoint, which is at `path`. Only what is posted has a body.
pub(super) async fn answer_described(
    shared: &Shared,
    (endpoint, path): (Endpoint, String),
    head: Box<Parts>,
    body: Incoming,
    exchange: Exchange,
) -> Result<Response, Rejection> {
    let body = match head.method {
        Method::POST => read_json(&head.headers, body, &shared.limits).await?,
        _ => Bytes::new(),
    };
    answer(shared, (endpoint.dialect, path), head, body, exchange).await
}

/// Answers any request by what the backend says to it.
pub(super) async fn answer_anything(
    shared: &Shared,
    place: (Dialect, String),
    head: Box<Parts>,
    body: Incoming,
    exchange: Exchange,
) -> Result<Response, Rejection> {
    let body = read_any(&head.headers, body, &shared.limits).await?;
    answer(shared, place, head, body, exchange).await
}

async fn answer(
    shared: &Shared,
    (dialect, path): (Dialect, String),
    head: Box<Parts>,
    body: Bytes,
    exchange: Exchange,
) -> Result<Response, Rejection> {
    exchange.observation.body(&body);
    let outgoing = Outgoing { shared, dialect, request: RequestTraits::of(&head), exchange };
    let Asked { drawn, body } = shared.faults.asked(&head.headers, body)?;
    let of_server = if drawn.is_none() { shared.faults.of_server() } else { None };
    // A plan that replaces the answer needs none.
    let way = match drawn.as_ref().or(of_server.as_ref()).and_then(|drawn| substitute(drawn, dialect)) {
        Some(reply) => outgoing.way_of(reply, drawn.or(of_server)),
        None => {
            let mut reply = ask(shared, path, head, body).await?;
            let drawn = drawn.or(reply.faults.take()).or(of_server);
            if let Some(substituted) = drawn.as_ref().and_then(|drawn| substitute(drawn, dialect)) {
                reply = in_the_place_of(reply, substituted);
            }
            outgoing.way_of(reply, drawn)
        }
    };
    match way {
        Way::Through(response) => Ok(response),
        Way::Beside(hand_over) => match hand_over.await {},
    }
}

/// What the backend told of itself stays true; what it told of its body does not.
fn in_the_place_of(reply: Reply, substituted: Reply) -> Reply {
    let Reply { mut headers, ignored, .. } = reply;
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_ENCODING);
    headers.extend(substituted.headers);
    Reply { headers, ignored, ..substituted }
}

async fn ask(shared: &Shared, path: String, head: Box<Parts>, body: Bytes) -> Result<Reply, Rejection> {
    let Parts { method, uri, headers, .. } = *head;
    let request = interference_backend::Request {
        method,
        path,
        query: uri.query().map(str::to_owned),
        headers,
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
