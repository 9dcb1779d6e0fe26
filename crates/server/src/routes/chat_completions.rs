//! `POST /chat/completions`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use interference_backend::{Refusal, Reply, ReplyBody, Request};

use super::Shared;
use crate::body::read_json;
use crate::closing::Phase;
use crate::error_response::Rejection;
use crate::event_stream;
use crate::ignored_header;

pub(super) const PATH: &str = "/chat/completions";

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    request: axum::extract::Request,
) -> Result<Response, Rejection> {
    let (head, body) = request.into_parts();
    let body = read_json(&head.headers, body, &shared.limits).await?;
    let request = Request {
        method: head.method,
        path: PATH.to_owned(),
        headers: head.headers,
        body,
        strictness: shared.strictness,
    };
    let mut closing = shared.closing.clone();
    let reply = tokio::select! {
        reply = shared.backend.answer(request) => reply?,
        () = closing.reached(Phase::Cut) => {
            return Err(Refusal::Unavailable { message: "The server is going down.".to_owned() }.into());
        }
    };
    Ok(respond(reply, &shared))
}

fn respond(reply: Reply, shared: &Shared) -> Response {
    let Reply { status, mut headers, ignored, body } = reply;
    if let Some(names) = ignored_header::value(&ignored) {
        headers.insert(ignored_header::IGNORED, names);
    }
    match body {
        ReplyBody::Whole(bytes) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            (status, headers, Body::from(bytes)).into_response()
        }
        ReplyBody::Events(events) => {
            event_stream::response(status, headers, events, shared.ping, shared.closing.clone())
        }
        ReplyBody::Frames(frames) => (status, headers, Body::from_stream(frames)).into_response(),
    }
}
