//! The parameters of a chat request that the local model does not honour, and what becomes of each.
//!
//! One that would change the answer's meaning is refused. One that is a hint is passed over and named. Either counts
//! as not given while it has the API's own default. `store` and `metadata` are for whoever keeps answers, in front of any
//! backend.

use interference_api_types::openai::chat_completions::{ChatCompletionRequest, ServiceTier};
use interference_backend::Refusal;
use serde_json::{Value, json};

use crate::chat::unsupported;

/// Members by which other servers are told the form of an answer. They are not of the API; passed over, they would give
/// an answer of another form.
pub(crate) const FOREIGN_FORMS: [&str; 7] = [
    "grammar",
    "json_schema",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
];

/// Passes the request's parameters by the table, and the names of those that it does not know.
///
/// Returns the names of the hints that were given.
///
/// # Errors
/// The first parameter that cannot be had.
pub(crate) fn pass_over(request: &ChatCompletionRequest, unknown: &[String]) -> Result<Vec<String>, Refusal> {
    refuse_unavailable(request)?;
    refuse_forms(unknown, &FOREIGN_FORMS, "say the form of the answer by 'response_format'")?;
    Ok(given_hints(request).into_iter().map(str::to_owned).collect())
}

/// Refuses a form of the answer by one of these names, which the endpoint does not have.
///
/// # Errors
/// There is one among the unknown members; `instead` says what may be written in its place.
pub(crate) fn refuse_forms(unknown: &[String], names: &[&str], instead: &str) -> Result<(), Refusal> {
    match unknown.iter().find(|name| names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let message = format!("'{name}' is not supported by the local model: {instead}.");
            Err(unsupported(name.as_str(), message))
        }
    }
}

fn refuse_unavailable(request: &ChatCompletionRequest) -> Result<(), Refusal> {
    let values: [(&'static str, Option<&Value>, &[Value]); 5] = [
        ("functions", request.functions.as_deref(), &[json!([])]),
        ("function_call", request.function_call.as_deref(), &[json!("none"), json!("auto")]),
        ("modalities", request.modalities.as_deref(), &[json!(["text"])]),
        ("audio", request.audio.as_deref(), &[]),
        ("web_search_options", request.web_search_options.as_deref(), &[]),
    ];
    for (name, value, defaults) in values {
        if value.is_some_and(|value| !defaults.contains(value)) {
            let instead = instead(name, defaults);
            let message = format!("This value of '{name}' is not supported by the local model: {instead}.");
            return Err(unsupported(name, message));
        }
    }
    Ok(())
}

fn given_hints(request: &ChatCompletionRequest) -> Vec<&'static str> {
    let schema = request.response_format.as_ref().and_then(|format| format.json_schema.as_ref());
    let hints = [
        (
            "response_format.json_schema.description",
            schema.is_some_and(|schema| schema.description.is_some()),
        ),
        ("prediction", request.prediction.is_some()),
        ("reasoning_effort", request.reasoning_effort.is_some()),
        ("verbosity", request.verbosity.is_some()),
        ("service_tier", request.service_tier.is_some_and(|tier| tier != ServiceTier::Auto)),
        ("user", request.user.is_some()),
        ("safety_identifier", request.safety_identifier.is_some()),
        ("prompt_cache_key", request.prompt_cache_key.is_some()),
        ("prompt_cache_retention", request.prompt_cache_retention.is_some()),
    ];
    hints.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
}

/// What a caller may write in place of a value that cannot be had.
fn instead(name: &str, defaults: &[Value]) -> String {
    match (name, defaults) {
        ("functions" | "function_call", _) => "use 'tools' and 'tool_choice'".to_owned(),
        (_, [default]) => format!("only {default} is"),
        _ => "leave it out".to_owned(),
    }
}
