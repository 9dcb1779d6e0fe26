//! `POST /chat/completions`: the request, and the messages in it.
//!
//! Owns names and types. It refuses to know bounds (`chat_parameters`, `conversation`, `response_format`, `tools`), and
//! what answers look like (`chat_reply`).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::metadata::Labels;
use super::response_format::ResponseFormat;
use super::tools::{MessageToolCall, Tool, ToolChoice};
use crate::request_body::{
    Object, optional_count, optional_number, optional_numbers, optional_object, optional_objects,
    optional_seed,
};

/// A request. Members that only some servers can honour are kept as they came, as [`Value`]s, which are boxed since they
/// are long and rare; `null` is as good as absent everywhere.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct ChatCompletionRequest {
    /// The conversation. The API requires it; that it is there is for the backend to say.
    #[serde(deserialize_with = "optional_objects")]
    pub messages: Option<Vec<RequestMessage>>,
    /// The model. The API requires it.
    pub model: Option<String>,
    /// Whether the answer comes in chunks.
    pub stream: Option<bool>,
    /// How it comes in chunks.
    #[serde(deserialize_with = "optional_object")]
    pub stream_options: Option<StreamOptions>,
    /// At most this many tokens; the older name.
    #[serde(deserialize_with = "optional_count")]
    pub max_tokens: Option<u64>,
    /// At most this many tokens.
    #[serde(deserialize_with = "optional_count")]
    pub max_completion_tokens: Option<u64>,
    /// 0 to 2.
    #[serde(deserialize_with = "optional_number")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(deserialize_with = "optional_number")]
    pub top_p: Option<f64>,
    /// Any 64 bits; a negative number stands for its two's complement.
    #[serde(deserialize_with = "optional_seed")]
    pub seed: Option<u64>,
    /// Where the answer ends.
    pub stop: Option<Stop>,
    /// How many answers.
    #[serde(deserialize_with = "optional_count")]
    pub n: Option<u64>,
    /// -2 to 2.
    #[serde(deserialize_with = "optional_number")]
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    #[serde(deserialize_with = "optional_number")]
    pub presence_penalty: Option<f64>,
    /// Whether each token comes with its log probability.
    pub logprobs: Option<bool>,
    /// How many alternatives to each token.
    #[serde(deserialize_with = "optional_count")]
    pub top_logprobs: Option<u64>,
    /// Whether several tools may be called at once.
    pub parallel_tool_calls: Option<bool>,
    /// Whether the answer is kept at the server.
    pub store: Option<bool>,
    /// What the answer may consist of.
    pub modalities: Option<Box<Value>>,
    /// The form of audio in the answer.
    pub audio: Option<Box<Value>>,
    /// The older form of `tools`.
    pub functions: Option<Box<Value>>,
    /// The older form of `tool_choice`.
    pub function_call: Option<Box<Value>>,
    /// Functions that the model may call.
    #[serde(deserialize_with = "optional_objects")]
    pub tools: Option<Vec<Tool>>,
    /// Which of them it must call.
    pub tool_choice: Option<ToolChoice>,
    /// The form of the answer's text.
    #[serde(deserialize_with = "optional_object")]
    pub response_format: Option<ResponseFormat>,
    /// Tokens to be preferred or avoided: what is added to their logits, by their numbers.
    #[serde(deserialize_with = "optional_numbers")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Whether and how the web is searched.
    pub web_search_options: Option<Box<Value>>,
    /// Text that the answer probably contains; it makes the answer faster, not different.
    pub prediction: Option<Box<Value>>,
    /// Labels for the caller's own use.
    pub metadata: Option<Labels>,
    /// How hard a reasoning model thinks.
    pub reasoning_effort: Option<String>,
    /// How much the model says.
    #[serde(deserialize_with = "optional_word")]
    pub verbosity: Option<Verbosity>,
    /// Which class of service is wanted.
    #[serde(deserialize_with = "optional_word")]
    pub service_tier: Option<ServiceTier>,
    /// Whose request it is.
    pub user: Option<String>,
    /// Whose request it is, newer.
    pub safety_identifier: Option<String>,
    /// What requests with a common beginning have in common.
    pub prompt_cache_key: Option<String>,
    /// How long a common beginning is kept.
    #[serde(deserialize_with = "optional_word")]
    pub prompt_cache_retention: Option<PromptCacheRetention>,
    /// Whether the answer goes on where the model would end it; not of the API, but of other local servers.
    pub ignore_eos: Option<bool>,
    /// 0 to 1: how likely a token must be beside the most likely one; of other local servers.
    #[serde(deserialize_with = "optional_number")]
    pub min_p: Option<f64>,
    /// How many of the most likely tokens are drawn from; of other local servers.
    #[serde(deserialize_with = "optional_count")]
    pub top_k: Option<u64>,
    /// How much tokens that were there before are avoided; as llama-server names it.
    #[serde(deserialize_with = "optional_number")]
    pub repeat_penalty: Option<f64>,
    /// The same, as vLLM names it.
    #[serde(deserialize_with = "optional_number")]
    pub repetition_penalty: Option<f64>,
}

/// How much the model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Little.
    Low,
    /// The API's default.
    Medium,
    /// Much.
    High,
}

/// A class of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// As the project has it: the API's default.
    Auto,
    /// The usual one.
    Default,
    /// Slower and cheaper.
    Flex,
    /// Paid for in advance.
    Scale,
    /// Faster and dearer.
    Priority,
}

/// How long a common beginning is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PromptCacheRetention {
    /// As long as there is room. Older clients write it with a hyphen.
    #[serde(rename = "in_memory", alias = "in-memory")]
    InMemory,
    /// A day.
    #[serde(rename = "24h")]
    Day,
}

/// One of several words, `null` being none. Serde's own enumerations also take an object with the word as its key,
/// which no client means.
pub(super) fn optional_word<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let word = Option::<String>::deserialize(deserializer)?;
    word.map(|word| T::deserialize(word.into_deserializer())).transpose()
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RequestMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    #[serde(default)]
    pub content: Option<Content>,
    /// Which of several speakers of one role.
    #[serde(default)]
    pub name: Option<String>,
    /// What the assistant said instead of an answer.
    #[serde(default)]
    pub refusal: Option<String>,
    /// The calls that the assistant made.
    #[serde(default, deserialize_with = "optional_objects")]
    pub tool_calls: Option<Vec<MessageToolCall>>,
    /// The older form of `tool_calls`.
    #[serde(default)]
    pub function_call: Option<Value>,
    /// The call that a tool's message answers.
    #[serde(default)]
    pub tool_call_id: Option<String>,
    /// An earlier answer in audio.
    #[serde(default)]
    pub audio: Option<Value>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, under the name that newer models have for them.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
    /// The result of a function, the older form.
    Function,
}

/// What a message says: a string, or an array of parts.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text alone.
    Text(String),
    /// Parts, in order.
    Parts(Vec<ContentPart>),
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct ContentPart {
    /// `text`, `image_url`, `input_audio`, `file` or `refusal`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of a part of kind `text`.
    #[serde(default)]
    pub text: Option<String>,
    /// The text of a part of kind `refusal`.
    #[serde(default)]
    pub refusal: Option<String>,
    /// The image of a part of kind `image_url`.
    #[serde(default, deserialize_with = "optional_object")]
    pub image_url: Option<Map<String, Value>>,
    /// The sound of a part of kind `input_audio`.
    #[serde(default, deserialize_with = "optional_object")]
    pub input_audio: Option<Map<String, Value>>,
    /// The file of a part of kind `file`.
    #[serde(default, deserialize_with = "optional_object")]
    pub file: Option<Map<String, Value>>,
}

impl ContentPart {
    /// The members for what is no text, with their names, which are the kinds of their parts.
    pub fn media(&self) -> [(&'static str, Option<&Map<String, Value>>); 3] {
        [
            ("image_url", self.image_url.as_ref()),
            ("input_audio", self.input_audio.as_ref()),
            ("file", self.file.as_ref()),
        ]
    }
}

/// The strings that end an answer: one, or an array of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop(pub Vec<String>);

/// How a streamed answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct StreamOptions {
    /// Whether a last chunk tells the usage.
    pub include_usage: Option<bool>,
    /// Whether chunks are padded against guessing from their sizes.
    pub include_obfuscation: Option<bool>,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;
        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an array of content parts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Content, E> {
                Ok(Content::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<Content, A::Error> {
                let parts = Vec::<Object<ContentPart>>::deserialize(SeqAccessDeserializer::new(parts))?;
                Ok(Content::Parts(parts.into_iter().map(|Object(part)| part).collect()))
            }
        }
        deserializer.deserialize_any(ContentVisitor)
    }
}

impl<'de> Deserialize<'de> for Stop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StopVisitor;
        impl<'de> Visitor<'de> for StopVisitor {
            type Value = Stop;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an array of strings")
            }
            fn visit_str<E: Error>(self, stop: &str) -> Result<Stop, E> {
                Ok(Stop(vec![stop.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, stops: A) -> Result<Stop, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(stops)).map(Stop)
            }
        }
        deserializer.deserialize_any(StopVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Parsed, RequestBodyError, parse};

    fn read(body: &str) -> Result<Parsed<ChatCompletionRequest>, RequestBodyError> {
        parse(body.as_bytes())
    }

    /// The parameter and the message of the error that a body gives.
    fn error(body: &str) -> (Option<String>, String) {
        let error = read(body).unwrap_err();
        let param = match &error {
            RequestBodyError::InvalidField { param, .. } => Some(param.clone()),
            RequestBodyError::NotJson { .. } | RequestBodyError::NotARequest { .. } => None,
        };
        (param, error.to_string())
    }

    #[test]
    fn content_is_a_string_or_parts_or_null() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":null},
            {"role":"user","content":[{"type":"text","text":"b"}]}]}"#;
        let messages = read(body).unwrap().request.messages.unwrap();
        assert_eq!(messages[0].content, Some(Content::Text("a".into())));
        assert_eq!(messages[1].content, None);
        let part = ContentPart { kind: "text".into(), text: Some("b".into()), ..ContentPart::default() };
        assert_eq!(messages[2].content, Some(Content::Parts(vec![part])));
    }

    #[test]
    fn errors_name_the_field() {
        let table = [
            (r#"{"temperature":"hot"}"#, "temperature", r#"invalid type: string "hot", expected a number"#),
            (
                r#"{"max_tokens":-1}"#,
                "max_tokens",
                "integer `-1`, expected a whole number that is not negative",
            ),
            (r#"{"max_tokens":1.5}"#, "max_tokens", "floating point `1.5`, expected a whole number"),
            (r#"{"seed":1e30}"#, "seed", "expected a whole number of 64 bits"),
            (r#"{"stop":7}"#, "stop", "integer `7`, expected a string or an array of strings"),
            (r#"{"stop":["a",7]}"#, "stop[1]", "integer `7`, expected a string"),
            (r#"{"stream":"yes"}"#, "stream", "expected a boolean"),
            (r#"{"stream_options":[true]}"#, "stream_options", "sequence, expected an object"),
            (r#"{"messages":{}}"#, "messages", "map, expected a sequence"),
            (r#"{"messages":[["user","a"]]}"#, "messages[0]", "sequence, expected an object"),
            (
                r#"{"messages":[{"role":"king"}]}"#,
                "messages[0].role",
                "unknown variant `king`, expected one of",
            ),
            (r#"{"messages":[{"content":"a"}]}"#, "messages[0]", "missing field `role`"),
            (
                r#"{"messages":[{"role":"user","content":5}]}"#,
                "messages[0].content",
                "integer `5`, expected a string or an array of content parts",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":5}]}]}"#,
                "messages[0].content[0].text",
                "integer `5`, expected a string",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"http://x"}]}]}"#,
                "messages[0].content[0].image_url",
                "string \"http://x\", expected an object",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":[]}]}]}"#,
                "messages[0].content[0].input_audio",
                "sequence, expected an object",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"file","file":7}]}]}"#,
                "messages[0].content[0].file",
                "integer `7`, expected an object",
            ),
            (r#"{"messages":[{"role":"user","role":"user"}]}"#, "messages[0]", "duplicate field `role`"),
            (
                r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":{}}}]}]}"#,
                "messages[0].tool_calls[0].function.arguments",
                "map, expected a string",
            ),
            (r#"{"tools":{}}"#, "tools", "map, expected a sequence"),
            (r#"{"tools":[{"function":{"name":"f"}}]}"#, "tools[0]", "missing field `type`"),
            (
                r#"{"tools":[{"type":"function","function":{"description":"f"}}]}"#,
                "tools[0].function",
                "missing field `name`",
            ),
            (
                r#"{"tools":[{"type":"function","function":{"name":"f","strict":"yes"}}]}"#,
                "tools[0].function.strict",
                "expected a boolean",
            ),
            (r#"{"tool_choice":7}"#, "tool_choice", "integer `7`, expected a string or an object"),
            (
                r#"{"tool_choice":{"type":"function","function":"f"}}"#,
                "tool_choice.function",
                "string \"f\", expected an object",
            ),
            (r#"{"response_format":"json"}"#, "response_format", "string \"json\", expected an object"),
            (
                r#"{"response_format":{"type":"json_schema","json_schema":{"name":5}}}"#,
                "response_format.json_schema.name",
                "integer `5`, expected a string",
            ),
            (r#"{"logit_bias":[1]}"#, "logit_bias", "sequence, expected a map"),
            (r#"{"logit_bias":{"5":"much"}}"#, "logit_bias.5", "string \"much\", expected a number"),
            (r#"{"metadata":{"a":1}}"#, "metadata.a", "integer `1`, expected a string"),
            (r#"{"top_k":-1}"#, "top_k", "expected a whole number that is not negative"),
        ];
        for (body, param, message) in table {
            let (seen_param, seen_message) = error(body);
            assert_eq!(seen_param.as_deref(), Some(param), "{body}: {seen_message}");
            assert!(seen_message.contains(message), "{body}: {seen_message}");
        }
    }

    #[test]
    fn hints_of_a_wrong_type_are_told() {
        for name in ["reasoning_effort", "user", "safety_identifier", "prompt_cache_key"] {
            for value in ["5", "true", "[\"a\"]", "{}"] {
                let (param, message) = error(&format!(r#"{{"{name}":{value}}}"#));
                assert_eq!(param.as_deref(), Some(name), "{value}: {message}");
                assert!(message.contains("expected a string"), "{name}: {value}: {message}");
            }
        }
        let words = [
            ("verbosity", "expected one of `low`, `medium`, `high`"),
            ("service_tier", "expected one of `auto`, `default`, `flex`, `scale`, `priority`"),
            ("prompt_cache_retention", "`in_memory`"),
        ];
        for (name, expected) in words {
            let (param, message) = error(&format!(r#"{{"{name}":"zz"}}"#));
            assert_eq!(param.as_deref(), Some(name), "{message}");
            assert!(message.contains("unknown variant `zz`") && message.contains(expected), "{message}");
            for value in ["5", r#"{"low":null}"#, r#"{"auto":null}"#, r#"{"24h":null}"#] {
                let (param, message) = error(&format!(r#"{{"{name}":{value}}}"#));
                assert_eq!(param.as_deref(), Some(name), "{value}: {message}");
                assert!(message.contains("expected a string"), "{name}: {value}: {message}");
            }
        }
    }

    #[test]
    fn hints_are_read_and_null_is_none() {
        let body = r#"{"reasoning_effort":"any","verbosity":"high","service_tier":"scale","user":"u",
            "safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h"}"#;
        let request = read(body).unwrap().request;
        assert_eq!(request.reasoning_effort.as_deref(), Some("any"));
        assert_eq!(request.verbosity, Some(Verbosity::High));
        assert_eq!(request.service_tier, Some(ServiceTier::Scale));
        assert_eq!(request.user.as_deref(), Some("u"));
        assert_eq!(request.safety_identifier.as_deref(), Some("s"));
        assert_eq!(request.prompt_cache_key.as_deref(), Some("k"));
        assert_eq!(request.prompt_cache_retention, Some(PromptCacheRetention::Day));
        for spelling in ["in_memory", "in-memory"] {
            let request = read(&format!(r#"{{"prompt_cache_retention":"{spelling}"}}"#)).unwrap().request;
            assert_eq!(request.prompt_cache_retention, Some(PromptCacheRetention::InMemory));
        }
        let nulls = r#"{"reasoning_effort":null,"verbosity":null,"service_tier":null,"user":null,
            "safety_identifier":null,"prompt_cache_key":null,"prompt_cache_retention":null}"#;
        assert_eq!(read(nulls).unwrap().request, ChatCompletionRequest::default());
    }

    #[test]
    fn what_is_no_request_is_told_with_line_and_column() {
        let deep = format!(r#"{{"audio":{}"#, "[".repeat(10_000));
        let table = [
            ("", "is not valid JSON: EOF while parsing a value at line 1 column 0"),
            ("{\n  nope", "is not valid JSON: key must be a string at line 2 column 3"),
            ("{} x", "is not valid JSON: trailing characters at line 1 column 4"),
            (deep.as_str(), "is not valid JSON: recursion limit exceeded at line 1 column"),
            ("[]", "is not as expected: invalid type: sequence, expected an object"),
            (r#"{"seed":1,"seed":2}"#, "is not as expected: duplicate field `seed`"),
            (r#"{"model":"\ud800"}"#, "is not valid JSON"),
        ];
        for (body, message) in table {
            let (param, seen) = error(body);
            assert_eq!(param, None, "{body}");
            assert!(seen.contains(message), "{body}: {seen}");
        }
    }

    #[test]
    fn unknown_members_are_named_at_every_depth() {
        let body = r#"{"zeal":[1],"messages":[{"role":"user","content":"a","mood":1},{"role":"user","mood":2}],
            "stream_options":{"speed":1},"zeal":2}"#;
        assert_eq!(read(body).unwrap().unknown, ["zeal", "messages[].mood", "stream_options.speed"]);
    }

    #[test]
    fn images_sounds_and_files_are_known_with_all_that_is_in_them() {
        let body = r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"a","detail":"low"}},
            {"type":"input_audio","input_audio":{"data":"b","format":"wav"}},{"type":"file","file":{"file_id":"c"}},
            {"type":"text","text":"d","file":null,"mood":1}]}]}"#;
        let Parsed { request, unknown } = read(body).unwrap();
        assert_eq!(unknown, ["messages[].content[].mood"]);
        let Some(Content::Parts(parts)) = &request.messages.as_ref().unwrap()[0].content else {
            panic!("{request:?}")
        };
        let first = |part: &ContentPart| {
            let given = part
                .media()
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?.values().next()?.clone())));
            given.collect::<Vec<_>>()
        };
        assert_eq!(first(&parts[0]), [("image_url", "a".into())]);
        assert_eq!(first(&parts[1]), [("input_audio", "b".into())]);
        assert_eq!(first(&parts[2]), [("file", "c".into())]);
        assert_eq!(first(&parts[3]), []);
    }

    #[test]
    fn a_negative_seed_is_its_bits() {
        assert_eq!(read(r#"{"seed":-1}"#).unwrap().request.seed, Some(u64::MAX));
        assert_eq!(read(r#"{"seed":18446744073709551615}"#).unwrap().request.seed, Some(u64::MAX));
    }
}
