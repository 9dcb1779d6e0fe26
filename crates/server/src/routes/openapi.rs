//! `GET /openapi.json`: what the server can be asked and what it answers.

use http::StatusCode;

use crate::answer_body::Response;
use crate::error_response::json_text_response;
use crate::openapi;

pub(super) const PATH: &str = "/openapi.json";

pub(super) fn document() -> Response {
    json_text_response(StatusCode::OK, openapi::text().to_owned())
}
