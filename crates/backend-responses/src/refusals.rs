//! What can be wrong with a request here, as refusals.

use interference_api_types::RequestBodyError;
use interference_backend::Refusal;

use crate::state::StateError;

/// A value that is wrong.
pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>, code: &'static str) -> Refusal {
    Refusal::InvalidRequest { message: message.into(), param: Some(param.into()), code: Some(code) }
}

/// Something that must be there.
pub(crate) fn missing(param: &str) -> Refusal {
    invalid(param, format!("Missing required parameter: '{param}'."), "missing_required_parameter")
}

/// A member of what is at this path, which must be there.
pub(crate) fn required<'a>(value: &'a Option<String>, path: &str, name: &str) -> Result<&'a str, Refusal> {
    value.as_deref().ok_or_else(|| missing(&format!("{path}.{name}")))
}

/// Something that the API has and this server does not.
pub(crate) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Refusal {
    invalid(param, message, "unsupported_value")
}

/// A body that is no request.
pub(crate) fn broken(error: RequestBodyError) -> Refusal {
    Refusal::InvalidRequest { message: error.to_string(), code: error.code(), param: error.into_param() }
}

/// A response that is not kept.
pub(crate) fn not_found(id: &str) -> Refusal {
    Refusal::NothingFits {
        message: format!(
            "Response with id '{}' not found. Responses are kept unless 'store' is false, and the oldest are forgotten \
             first.",
            crate::items::quote(id)
        ),
        code: "response_not_found",
    }
}

/// Something that is kept cannot be read.
pub(crate) fn state_failed(error: StateError) -> Refusal {
    tracing::error!(%error, "the state cannot be read");
    Refusal::Internal { message: format!("What is kept cannot be read: {error}.") }
}

/// Something that is kept is not what was saved, which only a bug or a damaged file can cause.
pub(crate) fn unreadable(error: serde_json::Error) -> Refusal {
    Refusal::Internal { message: format!("What is kept cannot be read: {error}.") }
}

/// Something cannot be kept.
pub(crate) fn not_saved(error: &StateError) -> Refusal {
    Refusal::StateNotSaved { message: not_saved_message(error) }
}

/// The same for a stream that has begun.
pub(crate) fn not_saved_message(error: &StateError) -> String {
    tracing::error!(%error, "a response could not be kept");
    format!("The response could not be kept: {error}. With 'store' false it need not be.")
}
