//! The one place where what went wrong becomes a status and the envelope of the API.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use interference_api_types::openai::error::{ErrorEnvelope, ErrorKind, ErrorObject};
use interference_backend::{Refusal, UpstreamFailure};
use serde::Serialize;

use crate::answer_body::{AnswerBody, Response};
use crate::fault_plan::FaultRequestError;
use crate::limits::{HEAD_BYTES, MOST_HEADERS};
use crate::meters::ErrorCode;

/// When another try may succeed while a model loads or a server goes down, in seconds.
const RETRY_AFTER_UNAVAILABLE_SECONDS: u64 = 1;

/// How much of a message, or of the name of a parameter, is told, in characters.
const LONGEST_TOLD: usize = 2_000;

/// How much of something that a client sent is repeated in a message, in characters.
const LONGEST_QUOTE: usize = 200;

/// What is said of a path as clients make it of a base URL that ends in a slash.
const TWO_SLASHES: &str =
    " The path has two slashes in a row: give the client a base URL without one at its end.";

/// Why a request gets no answer of the backend's.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// The backend does not admit it.
    Refused(Refusal),
    /// Nothing is there.
    UnknownPath { path: String },
    /// The API has something there, but this server does not.
    UnservedPath { path: String, part: &'static str },
    /// Something is there, but not for this method. The router names the others in `Allow`.
    MethodNotAllowed { method: Method, path: String },
    /// The body says that it is not JSON.
    NotJson { content_type: String },
    /// The body says that it is compressed, or encoded otherwise.
    Encoded { header: &'static str, encoding: String },
    /// The body is larger than this, in bytes.
    BodyTooLarge { limit: usize },
    /// The body did not come in time.
    BodyTooSlow,
    /// The body broke off.
    BodyBroken,
    /// The whole request took too long.
    TimeOver { limit: Duration },
    /// The head is not one of HTTP/1.1.
    HeadBroken,
    /// The head is too large, or has too many headers.
    HeadTooLarge,
    /// The target in the head is too long.
    TargetTooLong,
    /// A key is needed.
    MissingKey,
    /// The key is none of ours. It is not repeated.
    WrongKey,
    /// The Host header names another machine.
    ForeignHost { host: String },
    /// There is no Host header, or more than one.
    NotOneHost,
    /// The faults that it asks for cannot be had.
    Faults(FaultRequestError),
    /// A bug of ours.
    Panicked,
}

impl From<FaultRequestError> for Rejection {
    fn from(error: FaultRequestError) -> Rejection {
        Rejection::Faults(error)
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Rejection {
        Rejection::Refused(refusal)
    }
}

impl Rejection {
    /// A refusal of something that the server itself reads, such as a path.
    pub(crate) fn invalid(message: String) -> Rejection {
        Rejection::Refused(Refusal::InvalidRequest { message, param: None, code: None })
    }

    fn status(&self) -> StatusCode {
        match self {
            Rejection::Refused(refusal) => match refusal {
                Refusal::InvalidRequest { .. } | Refusal::ContextLengthExceeded { .. } => {
                    StatusCode::BAD_REQUEST
                }
                Refusal::UnknownModel { .. } | Refusal::NothingFits { .. } => StatusCode::NOT_FOUND,
                Refusal::Overloaded { .. } => StatusCode::TOO_MANY_REQUESTS,
                Refusal::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
                Refusal::Upstream { failure, .. } => match failure {
                    UpstreamFailure::Broken => StatusCode::BAD_GATEWAY,
                    UpstreamFailure::TooSlow => StatusCode::GATEWAY_TIMEOUT,
                    UpstreamFailure::NobodyLeft { .. } => StatusCode::SERVICE_UNAVAILABLE,
                },
                Refusal::StateNotSaved { .. } | Refusal::BrokenOff { .. } | Refusal::Internal { .. } => {
                    StatusCode::INTERNAL_SERVER_ERROR
                }
            },
            Rejection::UnknownPath { .. } | Rejection::UnservedPath { .. } => StatusCode::NOT_FOUND,
            Rejection::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Rejection::NotJson { .. } | Rejection::Encoded { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Rejection::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Rejection::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Rejection::TimeOver { .. } => StatusCode::GATEWAY_TIMEOUT,
            Rejection::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Rejection::TargetTooLong => StatusCode::URI_TOO_LONG,
            Rejection::BodyBroken | Rejection::HeadBroken | Rejection::NotOneHost | Rejection::Faults(_) => {
                StatusCode::BAD_REQUEST
            }
            Rejection::MissingKey | Rejection::WrongKey => StatusCode::UNAUTHORIZED,
            Rejection::ForeignHost { .. } => StatusCode::FORBIDDEN,
            Rejection::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn message(&self) -> String {
        match self {
            Rejection::Refused(refusal) => refusal.to_string(),
            Rejection::UnknownPath { path } => format!(
                "Nothing is at {}.{} There are POST /v1/chat/completions, POST /v1/completions, POST /v1/responses, \
                 POST /v1/embeddings, GET /v1/models, GET /v1/models/{{id}}, GET /health, GET /metrics, \
                 GET /openapi.json and GET /_interference/requests, all of them with and without /v1.",
                quote(path),
                if path.contains("//") { TWO_SLASHES } else { "" }
            ),
            Rejection::UnservedPath { path, part } => {
                format!("{} is a part of the API that this server does not have: {part}.", quote(path))
            }
            Rejection::MethodNotAllowed { method, path } => {
                format!(
                    "{} is not for {}; the header 'Allow' names what is.",
                    quote(path),
                    quote(method.as_str())
                )
            }
            Rejection::NotJson { content_type } => {
                format!(
                    "The body must be JSON in UTF-8, with 'Content-Type: application/json', not '{}'.",
                    quote(content_type)
                )
            }
            Rejection::Encoded { header, encoding } => {
                format!("The body must be sent as it is, without '{header}: {}'.", quote(encoding))
            }
            Rejection::BodyTooLarge { limit } => format!("The body is larger than {limit} bytes."),
            Rejection::BodyTooSlow => "The body did not come in time.".to_owned(),
            Rejection::BodyBroken => "The body broke off.".to_owned(),
            Rejection::TimeOver { limit } => time_over(*limit),
            Rejection::HeadBroken => {
                "The head of the request is not HTTP/1.1: its request line or a header cannot be read."
                    .to_owned()
            }
            Rejection::HeadTooLarge => {
                format!(
                    "The head of the request is larger than {HEAD_BYTES} bytes, or has more than {MOST_HEADERS} headers."
                )
            }
            Rejection::TargetTooLong => "The target of the request is too long.".to_owned(),
            Rejection::MissingKey => {
                "You did not give an API key. Give it in the header 'Authorization: Bearer KEY'.".to_owned()
            }
            Rejection::WrongKey => "The API key is not one of this server's.".to_owned(),
            Rejection::ForeignHost { host } => format!(
                "This server answers for this machine only, and the host '{}' is another. If it is meant, allow it \
                 when you start the server.",
                quote(host)
            ),
            Rejection::NotOneHost => "A request must have exactly one Host header.".to_owned(),
            Rejection::Faults(error) => error.to_string(),
            Rejection::Panicked => "The server has a bug, and this request met it.".to_owned(),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self.status() {
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimitError,
            status if status.is_server_error() => ErrorKind::ServerError,
            _ => ErrorKind::InvalidRequestError,
        }
    }

    fn param(&self) -> Option<String> {
        match self {
            Rejection::Refused(Refusal::InvalidRequest { param, .. }) => param.clone(),
            Rejection::Refused(Refusal::UnknownModel { .. }) => Some("model".to_owned()),
            Rejection::Refused(Refusal::ContextLengthExceeded { .. }) => Some("messages".to_owned()),
            _ => None,
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Rejection::Refused(refusal) => match refusal {
                Refusal::InvalidRequest { code, .. } => *code,
                Refusal::UnknownModel { .. } => Some("model_not_found"),
                Refusal::NothingFits { code, .. } | Refusal::Upstream { code, .. } => Some(*code),
                Refusal::ContextLengthExceeded { .. } => Some("context_length_exceeded"),
                Refusal::Overloaded { .. } => Some("rate_limit_exceeded"),
                Refusal::Unavailable { .. } => Some("service_unavailable"),
                Refusal::StateNotSaved { .. } => Some("state_not_saved"),
                Refusal::BrokenOff { code, .. } => Some(code),
                Refusal::Internal { .. } => None,
            },
            Rejection::UnknownPath { .. } | Rejection::UnservedPath { .. } => Some("unknown_url"),
            Rejection::MethodNotAllowed { .. } => Some("method_not_allowed"),
            Rejection::NotJson { .. } | Rejection::Encoded { .. } => Some("unsupported_media_type"),
            Rejection::BodyTooLarge { .. } => Some("request_too_large"),
            Rejection::BodyTooSlow | Rejection::TimeOver { .. } => Some("request_timeout"),
            Rejection::HeadTooLarge => Some("head_too_large"),
            Rejection::TargetTooLong => Some("target_too_long"),
            Rejection::MissingKey | Rejection::WrongKey => Some("invalid_api_key"),
            Rejection::ForeignHost { .. } => Some("host_not_allowed"),
            Rejection::Faults(FaultRequestError::NotAllowed) => Some("faults_not_allowed"),
            Rejection::Faults(_) => Some("invalid_fault_plan"),
            Rejection::BodyBroken | Rejection::HeadBroken | Rejection::NotOneHost | Rejection::Panicked => {
                None
            }
        }
    }

    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Rejection::Refused(Refusal::Overloaded { retry_after_seconds, .. }) => Some(*retry_after_seconds),
            Rejection::Refused(Refusal::Upstream {
                failure: UpstreamFailure::NobodyLeft { retry_after_seconds },
                ..
            }) => Some(*retry_after_seconds),
            Rejection::Refused(Refusal::Unavailable { .. }) => Some(RETRY_AFTER_UNAVAILABLE_SECONDS),
            _ => None,
        }
    }
}

impl Rejection {
    /// The answer that tells it.
    pub(crate) fn into_response(self) -> Response {
        let envelope = ErrorEnvelope {
            error: ErrorObject {
                message: bounded(self.message()),
                kind: self.kind(),
                param: self.param().map(bounded),
                code: self.code().map(str::to_owned),
            },
        };
        let mut response = json_response(self.status(), &envelope);
        response.extensions_mut().insert(ErrorCode(self.code()));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self {
            Rejection::MissingKey | Rejection::WrongKey => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // The rest of the body may still be on its way; another request cannot follow it.
            Rejection::BodyTooLarge { .. } | Rejection::BodyTooSlow | Rejection::BodyBroken => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

/// A body of JSON with a status.
pub(crate) fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    // None of our types has what JSON cannot say; if one had, nothing could be told of it.
    let text = serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer cannot be written");
        "{}".to_owned()
    });
    json_text_response(status, text)
}

/// The same, of text that is JSON already.
pub(crate) fn json_text_response(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(AnswerBody::whole(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The event that ends a stream for which the server has to speak: the envelope, as JSON.
pub(crate) fn error_data(message: &str, code: &str) -> String {
    let envelope = ErrorEnvelope::server_error(message, Some(code));
    serde_json::to_string(&envelope).unwrap_or_else(|_| "{}".to_owned())
}

/// The data of the event `error` that ends a stream of the Responses API in the place of what others write.
pub(crate) fn error_event_data(message: &str, code: &str, sequence_number: u64) -> String {
    #[derive(Serialize)]
    struct ErrorEvent<'words> {
        #[serde(rename = "type")]
        kind: &'static str,
        code: &'words str,
        message: &'words str,
        param: Option<&'static str>,
        sequence_number: u64,
    }
    let event = ErrorEvent { kind: "error", code, message, param: None, sequence_number };
    serde_json::to_string(&event).unwrap_or_else(|_| "{}".to_owned())
}

/// What is said of a request that took too long.
pub(crate) fn time_over(limit: Duration) -> String {
    format!(
        "The request took longer than {} s, which is this server's limit. Ask for less, or start the server with a \
         larger `--request-timeout`.",
        limit.as_secs_f64()
    )
}

/// What is told, cut off where it repeats more of a request than anybody reads.
fn bounded(text: String) -> String {
    match text.char_indices().nth(LONGEST_TOLD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What a client sent, short enough to be repeated to it.
fn quote(text: &str) -> String {
    text.chars().take(LONGEST_QUOTE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_has_a_bound() {
        let whole = "é".repeat(LONGEST_TOLD);
        assert_eq!(bounded(whole.clone()), whole);
        assert_eq!(bounded(whole.clone() + "and more"), whole + "…");
    }
}
