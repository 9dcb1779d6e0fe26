//! Sound servers that have less: what they refuse they refuse cleanly, which must fail nothing.

use serde_json::{Value, json};

use super::mutant::{Asked, Mutant, Told};

pub(super) const LESSER: &[Mutant] = &[
    Mutant::new("chat-alone", "no endpoint but chats and models", &[]).tell(|asked, told| {
        if !asked.is_chat() && !asked.path.starts_with("/v1/models") {
            *told = not_found();
        }
    }),
    Mutant::new("no-list-of-models", "models are not listed", &[]).tell(|asked, told| {
        if asked.path.starts_with("/v1/models") {
            *told = not_found();
        }
    }),
    Mutant::new("nothing-kept", "responses are not kept, whatever is asked for, and say so", &[]).tell(
        |asked, told| {
            if asked.path.starts_with("/v1/responses/") {
                *told = not_found();
            } else if asked.is_for("/responses") {
                told.edit(not_stored);
                told.edit_events(|_, value| {
                    if let Some(response) = value.get_mut("response") {
                        not_stored(response);
                    }
                });
            }
        },
    ),
    Mutant::new("reasoning-model", "max_tokens, temperature and n are refused, as reasoning models do", &[])
        .tell(|asked, told| {
            refuse(asked, told, "max_tokens", |_| true);
            refuse(asked, told, "temperature", |value| *value != 1);
            refuse(asked, told, "n", |value| *value != 1);
        }),
    Mutant::new("no-tools", "tools are refused", &[])
        .tell(|asked, told| refuse(asked, told, "tools", |_| true)),
    Mutant::new("no-structure", "response_format is refused", &[])
        .tell(|asked, told| refuse(asked, told, "response_format", |_| true)),
    Mutant::new("no-logprobs", "logprobs are refused", &[])
        .tell(|asked, told| refuse(asked, told, "logprobs", |_| true)),
    Mutant::new("no-seed", "a seed is refused", &[])
        .tell(|asked, told| refuse(asked, told, "seed", |_| true)),
    Mutant::new("no-stop", "stop strings are refused", &[])
        .tell(|asked, told| refuse(asked, told, "stop", |_| true)),
    Mutant::new("prompts-uncounted", "a fixed number stands for the tokens of every prompt", &[]).tell(
        |asked, told| {
            if asked.is_chat() {
                told.edit(uncounted);
                told.edit_events(|_, value| uncounted(value));
            }
        },
    ),
    Mutant::new("no-stream-options", "stream_options are refused", &[])
        .tell(|asked, told| refuse(asked, told, "stream_options", |_| true)),
];

/// A 400 that names the parameter, if the request has it with a value of this kind and would else be accepted.
fn refuse(asked: &Asked, told: &mut Told, parameter: &str, kind: fn(&Value) -> bool) {
    let body = asked.json();
    if asked.is_chat() && told.is_success() && body.get(parameter).is_some_and(kind) {
        let message = format!("Unsupported parameter: '{parameter}' is not supported with this model.");
        let error = json!({"message": message, "type": "invalid_request_error", "param": parameter, "code": "unsupported_parameter"});
        *told = Told::json(400, &json!({"error": error}));
    }
}

/// The same number for every prompt, and the right sum.
fn uncounted(body: &mut Value) {
    if let Some(completion) = body.pointer("/usage/completion_tokens").and_then(Value::as_u64) {
        body["usage"]["prompt_tokens"] = json!(10);
        body["usage"]["total_tokens"] = json!(10 + completion);
    }
}

fn not_stored(response: &mut Value) {
    if let Some(store) = response.get_mut("store") {
        *store = json!(false);
    }
}

fn not_found() -> Told {
    Told::error(404, "There is no such endpoint.")
}
