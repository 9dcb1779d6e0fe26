//! JSON schemas of what a server answers.
//!
//! Owns the schemas, and how a flaw is told: by its JSON pointer, and the value that stands there. They are our own, and
//! laxer than OpenAI's API description: they require nothing that it does not, leave out what servers and clients do
//! without (a `refusal`, or `logprobs` nobody asked for), and take null for whatever may be left out. A test holds them
//! against the description. Unknown members are always welcome. Knows no requirement: a case says which schema it
//! rests on.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};

use crate::case::Objection;

/// What of a value is told, in characters.
const VALUE_CHARACTERS: usize = 80;

/// A schema, and what it is in OpenAI's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// `CreateChatCompletionResponse`: a plain chat's answer.
    ChatCompletion,
    /// `CreateChatCompletionStreamResponse`: a chunk of a streamed chat.
    ChatCompletionChunk,
    /// A call in the message of a plain chat's answer.
    ToolCall,
    /// `ChatCompletionMessageToolCallChunk`: a piece of a call in a chunk.
    ToolCallDelta,
    /// `ChatCompletionTokenLogprob`: a token in `logprobs.content`.
    TokenLogprob,
    /// `CompletionUsage`, or null.
    Usage,
    /// `CreateCompletionResponse`: a plain text completion's answer.
    Completion,
    /// The same in a stream, where the finish reason may be null.
    CompletionChunk,
    /// `CreateEmbeddingResponse`: embeddings, as arrays of numbers or in base64.
    Embeddings,
    /// `ListModelsResponse`.
    Models,
    /// `Model`.
    Model,
    /// `ErrorResponse`: the envelope of every error.
    Error,
    /// `Response`: the object of the Responses API.
    Response,
    /// `OutputMessage`: a message in the output of a response.
    ResponseMessage,
    /// `FunctionToolCall`: a call in the output of a response.
    ResponseFunctionCall,
    /// `ResponseUsage`, or null.
    ResponseUsage,
}

/// The name and the text of each. They refer to each other by these names.
const TEXTS: [(Schema, &str, &str); 16] = [
    (Schema::ChatCompletion, "chat-completion", include_str!("schemas/chat-completion.json")),
    (
        Schema::ChatCompletionChunk,
        "chat-completion-chunk",
        include_str!("schemas/chat-completion-chunk.json"),
    ),
    (Schema::ToolCall, "tool-call", include_str!("schemas/tool-call.json")),
    (Schema::ToolCallDelta, "tool-call-delta", include_str!("schemas/tool-call-delta.json")),
    (Schema::TokenLogprob, "token-logprob", include_str!("schemas/token-logprob.json")),
    (Schema::Usage, "usage", include_str!("schemas/usage.json")),
    (Schema::Completion, "completion", include_str!("schemas/completion.json")),
    (Schema::CompletionChunk, "completion-chunk", include_str!("schemas/completion-chunk.json")),
    (Schema::Embeddings, "embeddings", include_str!("schemas/embeddings.json")),
    (Schema::Models, "models", include_str!("schemas/models.json")),
    (Schema::Model, "model", include_str!("schemas/model.json")),
    (Schema::Error, "error", include_str!("schemas/error.json")),
    (Schema::Response, "response", include_str!("schemas/response.json")),
    (Schema::ResponseMessage, "response-message", include_str!("schemas/response-message.json")),
    (
        Schema::ResponseFunctionCall,
        "response-function-call",
        include_str!("schemas/response-function-call.json"),
    ),
    (Schema::ResponseUsage, "response-usage", include_str!("schemas/response-usage.json")),
];

/// In the order of [`TEXTS`].
static VALIDATORS: LazyLock<Result<Vec<Validator>, String>> = LazyLock::new(|| {
    let definitions = definitions()?;
    let rooted = |(_, name, _): &(Schema, &str, &str)| {
        let schema = json!({"$ref": format!("#/$defs/{name}"), "$defs": definitions});
        jsonschema::draft202012::new(&schema).map_err(|error| format!("the schema {name}: {error}"))
    };
    TEXTS.iter().map(rooted).collect()
});

/// All schemas by their names, as a JSON schema has them in `$defs`. The `title` of each is the name that OpenAI's
/// description has for it; one that ends in `[]` is that of an array's entries.
///
/// # Errors
/// A text is no JSON, which is a bug.
fn definitions() -> Result<Map<String, Value>, String> {
    let parsed = |(_, name, text): &(Schema, &str, &str)| match serde_json::from_str(text) {
        Ok(schema) => Ok(((*name).to_owned(), schema)),
        Err(error) => Err(format!("the schema {name}: {error}")),
    };
    TEXTS.iter().map(parsed).collect()
}

impl Schema {
    /// Whether a value is as this schema has it.
    ///
    /// # Errors
    /// The requirement is broken; told is the first flaw, by the JSON pointer of its place, and how many more there are.
    pub(crate) fn check(self, value: &Value) -> Result<(), Objection> {
        let flaws = self.flaws(value)?;
        match flaws.split_first() {
            None => Ok(()),
            Some((first, [])) => Err(Objection::broken(first)),
            Some((first, more)) => {
                Err(Objection::broken(format!("{first} (and {} more flaws like it)", more.len())))
            }
        }
    }

    /// What is not as this schema has it, each with the JSON pointer of its place and the value that stands there.
    ///
    /// # Errors
    /// HARNESS-ERROR: the schemas themselves are broken.
    pub(crate) fn flaws(self, value: &Value) -> Result<Vec<String>, Objection> {
        let validators = VALIDATORS.as_ref().map_err(Objection::harness)?;
        let validator = TEXTS.iter().zip(validators).find(|((schema, _, _), _)| *schema == self);
        let (_, validator) = validator.ok_or_else(|| Objection::harness("no such schema"))?;
        Ok(validator.iter_errors(value).map(|error| told(&error)).collect())
    }
}

/// `/choices/0/index is "0", which is no integer`.
fn told(error: &ValidationError<'_>) -> String {
    let pointer = error.instance_path().to_string();
    let place = if pointer.is_empty() { "the whole" } else { pointer.as_str() };
    let value = || shown(error.instance());
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("{place} has no member {property}: {}", value())
        }
        ValidationErrorKind::Type { kind } => format!("{place} is {}, which is no {}", value(), types(kind)),
        ValidationErrorKind::Enum { options } => {
            format!("{place} is {}, which is none of {options}", value())
        }
        _ => format!("{place}: {error}"),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(several) => {
            several.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or ")
        }
    }
}

/// A value as JSON, its beginning if it is long.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARACTERS {
        return text;
    }
    let beginning: String = text.chars().take(VALUE_CHARACTERS).collect();
    format!("{beginning}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat_completion() -> Value {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "tree",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "A tree."},
                "finish_reason": "stop"
            }]
        })
    }

    fn with(mut value: Value, pointer: &str, new: Value) -> Value {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = value.pointer_mut(parent).unwrap();
        parent.as_object_mut().unwrap().insert(name.to_owned(), new);
        value
    }

    #[test]
    fn strange_but_sound_answers_are_as_they_should_be() {
        for (pointer, value) in [
            ("/system_fingerprint", json!(null)),
            ("/service_tier", json!("on_demand")),
            ("/usage", json!(null)),
            ("/timings", json!({"predicted_per_second": 1.5})),
            ("/choices/0/logprobs", json!(null)),
            ("/choices/0/message/content", json!(null)),
            ("/choices/0/message/content", json!("")),
            ("/choices/0/message/refusal", json!(null)),
            ("/choices/0/message/reasoning_content", json!("Hm.")),
            ("/choices/0/message/tool_calls", json!(null)),
            ("/choices/0/message/tool_calls", json!([])),
            ("/choices/0/message/function_call", json!(null)),
            ("/choices/0/message/audio", json!(null)),
        ] {
            let answer = with(chat_completion(), pointer, value);
            assert_eq!(Schema::ChatCompletion.check(&answer), Ok(()), "{answer}");
        }
    }

    #[test]
    fn a_flaw_is_told_by_its_place_and_its_value() {
        for (pointer, value, expected) in [
            ("/created", json!(1.5), "/created is 1.5, which is no integer"),
            ("/choices/0/index", json!("0"), "/choices/0/index is \"0\", which is no integer"),
            (
                "/choices/0/finish_reason",
                json!("eos"),
                "/choices/0/finish_reason is \"eos\", which is none of \
                 [\"stop\",\"length\",\"tool_calls\",\"content_filter\",\"function_call\"]",
            ),
            (
                "/choices/0/message",
                json!({"role": "assistant"}),
                "/choices/0/message has no member \"content\": {\"role\":\"assistant\"}",
            ),
            (
                "/usage",
                json!({"prompt_tokens": 1, "completion_tokens": "2", "total_tokens": 3}),
                "/usage/completion_tokens is \"2\", which is no integer",
            ),
            (
                "/choices/0/message/content",
                json!([]),
                "/choices/0/message/content is [], which is no null or string",
            ),
        ] {
            let answer = with(chat_completion(), pointer, value);
            assert_eq!(Schema::ChatCompletion.flaws(&answer), Ok(vec![expected.to_owned()]));
        }
    }

    #[test]
    fn each_schema_can_be_used() {
        for (schema, name, _) in TEXTS {
            let flaws = schema.flaws(&json!(7)).unwrap();
            assert_eq!(flaws.len(), 1, "{name}: {flaws:?}");
        }
    }
}
