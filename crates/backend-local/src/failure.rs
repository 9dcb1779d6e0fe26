//! What is told when the engine breaks off: an event in the place of the rest of a stream, or a refusal.

use interference_api_types::openai::error::ErrorEnvelope;
use interference_backend::Refusal;
use interference_engine::EngineFailure;
use interference_sse::Event;

/// The event that takes the place of what is missing.
pub(crate) fn event(failure: &EngineFailure) -> Event {
    let envelope = ErrorEnvelope::server_error(broke_off(failure), Some(code(failure)));
    // Nothing in it is what JSON cannot say, so the other envelope is there for the sake of the type only.
    Event::data(serde_json::to_string(&envelope).unwrap_or_else(|_| {
        r#"{"error":{"message":"The answer broke off.","type":"server_error","param":null,"code":null}}"#
            .to_owned()
    }))
}

/// The refusal, where nothing was told yet.
pub(crate) fn refusal(failure: &EngineFailure) -> Refusal {
    match failure {
        EngineFailure::Stopped => Refusal::Unavailable { message: broke_off(failure) },
        _ => Refusal::BrokenOff { message: broke_off(failure), code: code(failure) },
    }
}

fn broke_off(failure: &EngineFailure) -> String {
    format!("The answer broke off: {failure}.")
}

fn code(failure: &EngineFailure) -> &'static str {
    match failure {
        EngineFailure::NotFinite { .. } => "value_not_finite",
        EngineFailure::NoDirection => "no_direction",
        EngineFailure::Constraint(_) => "constraint_failed",
        EngineFailure::Stopped => "engine_stopped",
    }
}
