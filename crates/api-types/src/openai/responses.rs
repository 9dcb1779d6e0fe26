//! `POST /responses`: the request. What answers look like is in `responses_reply`.
//!
//! Owns the members and their types. Items of the input are read into one structure, whatever their kind, so that an
//! error names the field; which members a kind needs, and what can be honoured, is for the backend to say. Items that
//! were told in an answer can be read as input again, as clients send them back.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::chat_completions::{PromptCacheRetention, ServiceTier, Verbosity, optional_word};
use super::metadata::Labels;
use crate::request_body::{Object, optional_count, optional_number, optional_object, optional_objects};

/// A request. Members that are only passed on are kept as they came, as [`Value`]s; `null` is as good as absent
/// everywhere.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct CreateResponseRequest {
    /// The model. The API requires it here, since there are no stored prompts to name one.
    pub model: Option<String>,
    /// What is asked.
    pub input: Option<Input>,
    /// What stands before the conversation; it is not carried over to the next response.
    pub instructions: Option<String>,
    /// The response that this one follows.
    pub previous_response_id: Option<String>,
    /// At most this many tokens.
    #[serde(deserialize_with = "optional_count")]
    pub max_output_tokens: Option<u64>,
    /// 0 to 2.
    #[serde(deserialize_with = "optional_number")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(deserialize_with = "optional_number")]
    pub top_p: Option<f64>,
    /// Whether the answer comes as events.
    pub stream: Option<bool>,
    /// How it comes as events.
    #[serde(deserialize_with = "optional_object")]
    pub stream_options: Option<ResponseStreamOptions>,
    /// Whether the response is kept. The API's default is true.
    pub store: Option<bool>,
    /// Whether the response is made while nobody waits.
    pub background: Option<bool>,
    /// Tools that the model may use.
    #[serde(deserialize_with = "optional_objects")]
    pub tools: Option<Vec<ResponseTool>>,
    /// Which of them it must use.
    pub tool_choice: Option<Value>,
    /// Whether several tools may be called at once.
    pub parallel_tool_calls: Option<bool>,
    /// How many calls of built-in tools.
    #[serde(deserialize_with = "optional_count")]
    pub max_tool_calls: Option<u64>,
    /// The form of the text.
    #[serde(deserialize_with = "optional_object")]
    pub text: Option<TextOptions>,
    /// What else the answer is to contain.
    pub include: Option<Vec<String>>,
    /// How many alternatives to each token.
    #[serde(deserialize_with = "optional_count")]
    pub top_logprobs: Option<u64>,
    /// What happens to a conversation that is too long.
    pub truncation: Option<String>,
    /// Labels for the caller's own use.
    pub metadata: Option<Labels>,
    /// How a reasoning model thinks.
    #[serde(deserialize_with = "optional_object")]
    pub reasoning: Option<ReasoningOptions>,
    /// Whose request it is.
    pub user: Option<String>,
    /// Whose request it is, newer.
    pub safety_identifier: Option<String>,
    /// Which class of service is wanted.
    #[serde(deserialize_with = "optional_word")]
    pub service_tier: Option<ServiceTier>,
    /// What requests with a common beginning have in common.
    pub prompt_cache_key: Option<String>,
    /// How long a common beginning is kept.
    #[serde(deserialize_with = "optional_word")]
    pub prompt_cache_retention: Option<PromptCacheRetention>,
    /// A stored prompt.
    pub prompt: Option<Value>,
    /// A stored conversation.
    pub conversation: Option<Value>,
    /// How a long conversation is shortened.
    pub context_management: Option<Value>,
    /// Of the chat API, as are the following, which go on to it as they are.
    pub seed: Option<Value>,
    /// See [`CreateResponseRequest::seed`].
    pub stop: Option<Value>,
    /// See [`CreateResponseRequest::seed`].
    pub frequency_penalty: Option<Value>,
    /// See [`CreateResponseRequest::seed`].
    pub presence_penalty: Option<Value>,
    /// See [`CreateResponseRequest::seed`].
    pub logit_bias: Option<Value>,
    /// Of other local servers, as are the following.
    pub min_p: Option<Value>,
    /// See [`CreateResponseRequest::min_p`].
    pub top_k: Option<Value>,
    /// See [`CreateResponseRequest::min_p`].
    pub repeat_penalty: Option<Value>,
    /// See [`CreateResponseRequest::min_p`].
    pub ignore_eos: Option<Value>,
}

/// How a streamed response comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ResponseStreamOptions {
    /// Whether events are padded against guessing from their sizes.
    pub include_obfuscation: Option<bool>,
}

/// How a reasoning model thinks. A response repeats it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReasoningOptions {
    /// How hard.
    pub effort: Option<String>,
    /// How what it thinks is summed up.
    pub summary: Option<String>,
    /// The older name of `summary`. Absent from a response when the request has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate_summary: Option<String>,
}

/// A tool: a function, or one that is built in, of which only the kind is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResponseTool {
    /// `function`, `web_search`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The function's name.
    #[serde(default)]
    pub name: Option<String>,
    /// What it does.
    #[serde(default)]
    pub description: Option<String>,
    /// The JSON schema of its arguments.
    #[serde(default)]
    pub parameters: Option<Value>,
    /// Whether arguments must keep to the schema.
    #[serde(default)]
    pub strict: Option<bool>,
}

/// The form of the text.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct TextOptions {
    /// Text, or JSON.
    #[serde(deserialize_with = "optional_object")]
    pub format: Option<TextFormat>,
    /// How much the model says.
    #[serde(deserialize_with = "optional_word")]
    pub verbosity: Option<Verbosity>,
}

/// Text, or JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextFormat {
    /// `text`, `json_object` or `json_schema`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The schema's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Whether the text must keep to the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// What is asked: a text, or items.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// What a user says.
    Text(String),
    /// A conversation, or what is new in it.
    Items(Vec<Item>),
}

/// An item of a conversation, of any kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Item {
    /// `message`, `function_call`, `function_call_output`, `item_reference`, `reasoning`, …; absent for a message.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The item's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How far it got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Who speaks, of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What is said, of a message or of reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ItemContent>,
    /// Which call, of a function's call and of its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The function's name, of its call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// JSON, as text, of a function's call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// What the function gave, of its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ItemContent>,
    /// Of reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Value>,
    /// Of reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_content: Option<Value>,
}

/// What an item says: a string, or an array of parts.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemContent {
    /// Text alone.
    Text(String),
    /// Parts, in order.
    Parts(Vec<ItemPart>),
}

/// A part of an item, of any kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ItemPart {
    /// `input_text`, `output_text`, `refusal`, `input_image`, `input_file`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the model said instead of an answer, of a part of kind `refusal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// What a text refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
    /// The log probabilities of a text's tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
    /// The address of an image, which may hold the image itself (`data:`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// How closely an image is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A stored image or file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<String>,
    /// What is in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_data: Option<String>,
    /// The address of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_url: Option<String>,
    /// What a file is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

impl ItemPart {
    /// A part of this kind that has a text.
    pub fn text(kind: &str, text: impl Into<String>) -> ItemPart {
        ItemPart { kind: kind.to_owned(), text: Some(text.into()), ..ItemPart::default() }
    }
}

impl Serialize for ItemContent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ItemContent::Text(text) => text.serialize(serializer),
            ItemContent::Parts(parts) => parts.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ItemContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;
        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = ItemContent;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an array of content parts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<ItemContent, E> {
                Ok(ItemContent::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<ItemContent, A::Error> {
                let parts = Vec::<Object<ItemPart>>::deserialize(SeqAccessDeserializer::new(parts))?;
                Ok(ItemContent::Parts(parts.into_iter().map(|Object(part)| part).collect()))
            }
        }
        deserializer.deserialize_any(ContentVisitor)
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InputVisitor;
        impl<'de> Visitor<'de> for InputVisitor {
            type Value = Input;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an array of items")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Input, E> {
                Ok(Input::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Input, A::Error> {
                let items = Vec::<Object<Item>>::deserialize(SeqAccessDeserializer::new(items))?;
                Ok(Input::Items(items.into_iter().map(|Object(item)| item).collect()))
            }
        }
        deserializer.deserialize_any(InputVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Parsed, parse};

    fn read(body: &str) -> Parsed<CreateResponseRequest> {
        parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn input_is_a_text_or_items() {
        assert_eq!(read(r#"{"input":"a"}"#).request.input, Some(Input::Text("a".into())));
        let body = r#"{"input":[{"role":"user","content":"a"},
            {"type":"message","role":"user","content":[{"type":"input_text","text":"b"}]},
            {"type":"function_call_output","call_id":"c","output":"d"}]}"#;
        let Some(Input::Items(items)) = read(body).request.input else { panic!("no items") };
        assert_eq!(items[0].content, Some(ItemContent::Text("a".into())));
        assert_eq!(items[1].content, Some(ItemContent::Parts(vec![ItemPart::text("input_text", "b")])));
        assert_eq!(items[2].output, Some(ItemContent::Text("d".into())));
        assert_eq!(
            serde_json::to_string(&items[2]).unwrap(),
            r#"{"type":"function_call_output","call_id":"c","output":"d"}"#
        );
    }

    #[test]
    fn errors_name_the_field() {
        let table = [
            (r#"{"input":7}"#, "input", "expected a string or an array of items"),
            (r#"{"input":["a"]}"#, "input[0]", "expected an object"),
            (r#"{"input":[{"content":[{"text":"a"}]}]}"#, "input[0].content[0]", "missing field `type`"),
            (
                r#"{"input":[{"content":[{"type":"input_text","text":5}]}]}"#,
                "input[0].content[0].text",
                "string",
            ),
            (r#"{"max_output_tokens":1.5}"#, "max_output_tokens", "expected a whole number"),
            (r#"{"text":{"format":{"name":"a"}}}"#, "text.format", "missing field `type`"),
            (r#"{"tools":[{"type":"function","strict":1}]}"#, "tools[0].strict", "expected a boolean"),
            (r#"{"include":"a"}"#, "include", "expected a sequence"),
            (r#"{"reasoning":5}"#, "reasoning", "expected an object"),
            (r#"{"reasoning":"x"}"#, "reasoning", "expected an object"),
            (r#"{"reasoning":[1]}"#, "reasoning", "expected an object"),
            (r#"{"reasoning":{"effort":5}}"#, "reasoning.effort", "expected a string"),
            (r#"{"reasoning":{"summary":true}}"#, "reasoning.summary", "expected a string"),
            (r#"{"reasoning":{"generate_summary":[]}}"#, "reasoning.generate_summary", "expected a string"),
            (r#"{"max_tool_calls":"x"}"#, "max_tool_calls", "expected a whole number"),
            (r#"{"max_tool_calls":-1}"#, "max_tool_calls", "expected a whole number"),
            (r#"{"user":5}"#, "user", "expected a string"),
            (r#"{"prompt_cache_key":5}"#, "prompt_cache_key", "expected a string"),
            (r#"{"safety_identifier":5}"#, "safety_identifier", "expected a string"),
            (r#"{"prompt_cache_retention":5}"#, "prompt_cache_retention", "expected a string"),
            (r#"{"prompt_cache_retention":"1h"}"#, "prompt_cache_retention", "unknown variant `1h`"),
            (r#"{"service_tier":{}}"#, "service_tier", "expected a string"),
            (r#"{"service_tier":"zz"}"#, "service_tier", "unknown variant `zz`, expected one of `auto`"),
            (r#"{"text":{"verbosity":5}}"#, "text.verbosity", "expected a string"),
            (r#"{"text":{"verbosity":"zz"}}"#, "text.verbosity", "expected one of `low`, `medium`, `high`"),
        ];
        for (body, param, message) in table {
            let error = parse::<CreateResponseRequest>(body.as_bytes()).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(message), "{body}: {text}");
            assert_eq!(error.into_param().as_deref(), Some(param), "{body}: {text}");
        }
    }

    #[test]
    fn unknown_members_are_named_at_every_depth() {
        let body = r#"{"zeal":1,"input":[{"role":"user","content":[{"type":"input_text","text":"a","mood":1}],"phase":1}],
            "text":{"colour":1},"tools":[{"type":"function","defer_loading":true}],"reasoning":{"depth":1}}"#;
        assert_eq!(
            read(body).unknown,
            [
                "zeal",
                "input[].content[].mood",
                "input[].phase",
                "text.colour",
                "tools[].defer_loading",
                "reasoning.depth"
            ]
        );
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let nulls = r#"{"reasoning":null,"max_tool_calls":null,"user":null,"safety_identifier":null,
            "service_tier":null,"prompt_cache_key":null,"prompt_cache_retention":null,"top_logprobs":null,
            "text":null}"#;
        assert_eq!(read(nulls).request, CreateResponseRequest::default());
        let inside = r#"{"reasoning":{"effort":null,"summary":null,"generate_summary":null},
            "text":{"verbosity":null,"format":null}}"#;
        let request = read(inside).request;
        assert_eq!(request.reasoning, Some(ReasoningOptions::default()));
        assert_eq!(request.text, Some(TextOptions::default()));
    }
}
