//! The parameters of a chat request that the local model does not honour, and what becomes of each.
//!
//! One that would change the answer's meaning is refused. One that is a hint is passed over and named. Either counts
//! as not given while it has the API's own default.

use interference_api_types::openai::chat_completions::ChatCompletionRequest;
use interference_backend::Refusal;
use serde_json::{Value, json};

/// Passes the request's parameters by the table.
///
/// Returns the names of the hints that were given.
///
/// # Errors
/// The first parameter that cannot be had.
pub(crate) fn pass_over(request: &ChatCompletionRequest) -> Result<Vec<&'static str>, Refusal> {
    refuse_unavailable(request)?;
    Ok(given_hints(request))
}

fn refuse_unavailable(request: &ChatCompletionRequest) -> Result<(), Refusal> {
    let numbers = [
        ("frequency_penalty", request.frequency_penalty, 0.0),
        ("presence_penalty", request.presence_penalty, 0.0),
        ("n", request.n.map(|count| count as f64), 1.0),
        ("top_logprobs", request.top_logprobs.map(|count| count as f64), 0.0),
    ];
    for (name, value, default) in numbers {
        if value.is_some_and(|value| value != default) {
            return Err(unavailable(name, &format!("only {default} is")));
        }
    }
    if request.logprobs == Some(true) {
        return Err(unavailable("logprobs", "only false is"));
    }
    let values: [(&'static str, &Option<Value>, &[Value]); 9] = [
        ("tools", &request.tools, &[json!([])]),
        ("tool_choice", &request.tool_choice, &[json!("none"), json!("auto")]),
        ("functions", &request.functions, &[json!([])]),
        ("function_call", &request.function_call, &[json!("none"), json!("auto")]),
        ("response_format", &request.response_format, &[json!({"type": "text"})]),
        ("modalities", &request.modalities, &[json!(["text"])]),
        ("audio", &request.audio, &[]),
        ("logit_bias", &request.logit_bias, &[json!({})]),
        ("web_search_options", &request.web_search_options, &[]),
    ];
    for (name, value, defaults) in values {
        if value.as_ref().is_some_and(|value| !defaults.contains(value)) {
            return Err(unavailable(name, &instead(defaults)));
        }
    }
    Ok(())
}

fn given_hints(request: &ChatCompletionRequest) -> Vec<&'static str> {
    let mut given = Vec::new();
    let switches =
        [("parallel_tool_calls", request.parallel_tool_calls, true), ("store", request.store, false)];
    for (name, value, default) in switches {
        if value.is_some_and(|value| value != default) {
            given.push(name);
        }
    }
    let values = [
        ("prediction", &request.prediction, Value::Null),
        ("metadata", &request.metadata, json!({})),
        ("reasoning_effort", &request.reasoning_effort, Value::Null),
        ("verbosity", &request.verbosity, Value::Null),
        ("service_tier", &request.service_tier, json!("auto")),
        ("user", &request.user, Value::Null),
        ("safety_identifier", &request.safety_identifier, Value::Null),
        ("prompt_cache_key", &request.prompt_cache_key, Value::Null),
        ("prompt_cache_retention", &request.prompt_cache_retention, Value::Null),
    ];
    for (name, value, default) in values {
        if value.as_ref().is_some_and(|value| *value != default) {
            given.push(name);
        }
    }
    given
}

/// How the values that can be had are told.
fn instead(defaults: &[Value]) -> String {
    match defaults {
        [] => "leave it out".to_owned(),
        [default] => format!("only {default} is"),
        [default, other, ..] => format!("only {default} and {other} are"),
    }
}

fn unavailable(name: &'static str, instead: &str) -> Refusal {
    Refusal::InvalidRequest {
        message: format!("This value of '{name}' is not supported yet by the local model: {instead}."),
        param: Some(name.to_owned()),
        code: Some("unsupported_value"),
    }
}
