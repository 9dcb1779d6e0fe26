//! The parameters of a request: what is refused, what is passed over, and what goes on to the chat.
//!
//! One that would change what the answer means and cannot be had is refused. One that is a hint is named. Either counts
//! as not given while it has the API's own default. The same table is in the documentation.

use interference_api_types::openai::chat_parameters::{InvalidParameter, MOST_TOP_LOGPROBS};
use interference_api_types::openai::metadata::{Labels, check_labels};
use interference_api_types::openai::responses::CreateResponseRequest;
use interference_backend::Refusal;
use serde_json::{Value, json};

use crate::items::quote;
use crate::refusals::{invalid, unsupported};

/// What of an answer's log probabilities is asked for.
pub(crate) const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";

/// Refuses what cannot be had.
///
/// # Errors
/// The first parameter that cannot.
pub(crate) fn refuse_unavailable(request: &CreateResponseRequest) -> Result<(), Refusal> {
    if request.background == Some(true) {
        return Err(unsupported(
            "background",
            "A response is made while the client waits: 'background' can only be false.",
        ));
    }
    let unavailable = [
        ("conversation", &request.conversation, "use 'previous_response_id' instead"),
        ("prompt", &request.prompt, "give 'model', 'instructions' and 'input' instead"),
        ("context_management", &request.context_management, "leave it out"),
    ];
    for (name, value, instead) in unavailable {
        if value.is_some() {
            return Err(unsupported(name, format!("'{name}' is not supported here: {instead}.")));
        }
    }
    if let Some(other) = request.truncation.as_deref().filter(|value| !["auto", "disabled"].contains(value)) {
        let message = format!("'truncation' is '{}'; it must be 'auto' or 'disabled'.", quote(other));
        return Err(invalid("truncation", message, "invalid_value"));
    }
    if let Some(count) = request.top_logprobs.filter(|count| *count > MOST_TOP_LOGPROBS) {
        let message = format!("'top_logprobs' is {count}; it must be from 0 to {MOST_TOP_LOGPROBS}.");
        return Err(invalid("top_logprobs", message, "invalid_value"));
    }
    refuse_includes(request.include.as_deref().unwrap_or_default())?;
    refuse_tools(request)?;
    check_metadata(request.metadata.as_ref())
}

fn refuse_includes(includes: &[String]) -> Result<(), Refusal> {
    let known = [INCLUDE_LOGPROBS, "reasoning.encrypted_content"];
    match includes.iter().position(|include| !known.contains(&include.as_str())) {
        None => Ok(()),
        Some(position) => {
            let message = format!(
                "'{}' cannot be included: only '{}' and '{}' can.",
                quote(&includes[position]),
                known[0],
                known[1]
            );
            Err(unsupported(format!("include[{position}]"), message))
        }
    }
}

fn refuse_tools(request: &CreateResponseRequest) -> Result<(), Refusal> {
    let tools = request.tools.as_deref().unwrap_or_default();
    if let Some(position) = tools.iter().position(|tool| tool.kind != "function") {
        let message = format!(
            "Tools of type '{}' are not supported: nothing is built in. Only 'function' is.",
            quote(&tools[position].kind)
        );
        return Err(unsupported(format!("tools[{position}].type"), message));
    }
    Ok(())
}

/// Checks the bounds of labels.
///
/// # Errors
/// There are too many, or one is too long.
pub(crate) fn check_metadata(metadata: Option<&Labels>) -> Result<(), Refusal> {
    let outside = |InvalidParameter { param, message, code }| invalid(param, message, code);
    metadata.map_or(Ok(()), |labels| check_labels(labels).map_err(outside))
}

/// The names of the hints that are given, and go nowhere.
pub(crate) fn given_hints(request: &CreateResponseRequest) -> Vec<String> {
    let wants_logprobs = includes_logprobs(request);
    let include = request.include.as_deref().unwrap_or_default();
    let reasoning = request.reasoning.as_ref();
    let summary = reasoning.and_then(|reasoning| reasoning.summary.as_ref());
    let generate_summary = reasoning.and_then(|reasoning| reasoning.generate_summary.as_ref());
    let obfuscation = request.stream_options.and_then(|options| options.include_obfuscation);
    [
        ("truncation", request.truncation.as_deref() == Some("auto")),
        (
            "include.reasoning.encrypted_content",
            include.iter().any(|one| one == "reasoning.encrypted_content"),
        ),
        ("top_logprobs", !wants_logprobs && request.top_logprobs.is_some_and(|count| count > 0)),
        ("max_tool_calls", request.max_tool_calls.is_some()),
        ("reasoning.summary", summary.is_some()),
        ("reasoning.generate_summary", generate_summary.is_some()),
        ("stream_options.include_obfuscation", obfuscation == Some(true)),
    ]
    .into_iter()
    .filter(|(_, given)| *given)
    .map(|(name, _)| name.to_owned())
    .collect()
}

/// Whether log probabilities are asked for.
pub(crate) fn includes_logprobs(request: &CreateResponseRequest) -> bool {
    request.include.as_deref().unwrap_or_default().iter().any(|include| include == INCLUDE_LOGPROBS)
}

/// What goes on to the chat under its own name or another, as it came; absent where it is not given. Whoever answers
/// the chat honours it, refuses it, or names it.
pub(crate) fn passed_on(request: &CreateResponseRequest) -> impl Iterator<Item = (&'static str, Value)> {
    let verbosity = request.text.as_ref().and_then(|text| text.verbosity);
    let effort = request.reasoning.as_ref().and_then(|reasoning| reasoning.effort.as_ref());
    let number = |number: Option<f64>| number.map(|number| json!(number));
    let text = |text: Option<&String>| text.map(|text| json!(text));
    let values = [
        ("max_completion_tokens", request.max_output_tokens.map(|count| json!(count))),
        ("temperature", number(request.temperature)),
        ("top_p", number(request.top_p)),
        ("parallel_tool_calls", request.parallel_tool_calls.map(Value::Bool)),
        ("reasoning_effort", text(effort)),
        ("verbosity", verbosity.map(|verbosity| json!(verbosity))),
        ("user", text(request.user.as_ref())),
        ("safety_identifier", text(request.safety_identifier.as_ref())),
        ("service_tier", request.service_tier.map(|tier| json!(tier))),
        ("prompt_cache_key", text(request.prompt_cache_key.as_ref())),
        ("prompt_cache_retention", request.prompt_cache_retention.map(|kept| json!(kept))),
        ("seed", request.seed.clone()),
        ("stop", request.stop.clone()),
        ("frequency_penalty", request.frequency_penalty.clone()),
        ("presence_penalty", request.presence_penalty.clone()),
        ("logit_bias", request.logit_bias.clone()),
        ("min_p", request.min_p.clone()),
        ("top_k", request.top_k.clone()),
        ("repeat_penalty", request.repeat_penalty.clone()),
        ("ignore_eos", request.ignore_eos.clone()),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_null())?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use interference_api_types::parse;

    fn read(body: &Value) -> CreateResponseRequest {
        parse(body.to_string().as_bytes()).unwrap().request
    }

    #[test]
    fn what_cannot_be_had_is_refused_by_name() {
        let many: serde_json::Map<String, Value> =
            (0..17).map(|label| (label.to_string(), json!("a"))).collect();
        let table = [
            (json!({"background": true}), "background"),
            (json!({"conversation": "conv_1"}), "conversation"),
            (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
            (json!({"context_management": [{"type": "compaction"}]}), "context_management"),
            (json!({"truncation": "some"}), "truncation"),
            (json!({"include": ["message.output_text.logprobs", "file_search_call.results"]}), "include[1]"),
            (json!({"top_logprobs": 21}), "top_logprobs"),
            (json!({"include": [INCLUDE_LOGPROBS], "top_logprobs": 21}), "top_logprobs"),
            (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
            (json!({"metadata": many}), "metadata"),
            (json!({"metadata": {"a": "b".repeat(513)}}), "metadata"),
        ];
        for (body, name) in table {
            match refuse_unavailable(&read(&body)) {
                Err(Refusal::InvalidRequest { param, .. }) => {
                    assert_eq!(param.as_deref(), Some(name), "{body}")
                }
                other => panic!("{body}: {other:?}"),
            }
        }
        let defaults = json!({
            "background": false, "truncation": "disabled", "include": [], "tools": [], "conversation": null,
            "reasoning": {"effort": null, "summary": null, "generate_summary": null}, "max_tool_calls": null,
            "metadata": {"a": "b".repeat(512)},
        });
        assert_eq!(refuse_unavailable(&read(&defaults)), Ok(()));
        assert_eq!(given_hints(&read(&defaults)), [""; 0]);
    }

    #[test]
    fn hints_are_named() {
        let body = json!({
            "truncation": "auto", "include": ["reasoning.encrypted_content"], "top_logprobs": 2, "max_tool_calls": 3,
            "reasoning": {"effort": "low", "summary": "auto"}, "stream_options": {"include_obfuscation": true},
        });
        assert_eq!(
            given_hints(&read(&body)),
            [
                "truncation",
                "include.reasoning.encrypted_content",
                "top_logprobs",
                "max_tool_calls",
                "reasoning.summary",
                "stream_options.include_obfuscation"
            ]
        );
        let with_logprobs = json!({"include": [INCLUDE_LOGPROBS], "top_logprobs": 2});
        assert_eq!(given_hints(&read(&with_logprobs)), [""; 0]);
        let most = json!({"include": [INCLUDE_LOGPROBS], "top_logprobs": 20});
        assert_eq!(refuse_unavailable(&read(&most)), Ok(()));
        let older = json!({"reasoning": {"generate_summary": "auto"}});
        assert_eq!(given_hints(&read(&older)), ["reasoning.generate_summary"]);
    }
}
