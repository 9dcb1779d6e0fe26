//! `GET /health`: whether the server can answer.

use http::StatusCode;
use interference_backend::{Readiness, Refusal};
use serde_json::json;

use super::Shared;
use crate::answer_body::Response;
use crate::error_response::{Rejection, json_response};

pub(super) const PATH: &str = "/health";

pub(super) fn health(shared: &Shared) -> Result<Response, Rejection> {
    let message = match shared.backend.readiness() {
        Readiness::Ready => return Ok(json_response(StatusCode::OK, &json!({"status": "ok"}))),
        Readiness::Loading => "The model is still loading.",
        Readiness::Failed => "The model could not be loaded.",
    };
    Err(Refusal::Unavailable { message: message.to_owned() }.into())
}
