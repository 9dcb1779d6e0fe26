//! `POST /chat/completions`: the whole answer, and the chunks of a streamed one.
//!
//! Owns how an answer is told, so that every backend tells it alike: a model's and a script's chunks come from here.
//! It refuses to know where text comes from, when a chunk is due, and how chunks become events.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::chat_completions::{ChatCompletionRequest, StreamOptions};
use super::chat_parameters::InvalidParameter;

/// Most whole answers have no more bytes beside their choices.
const ROOM_BESIDE_CHOICES: usize = 512;

/// What stands for an answer that JSON cannot say; there is none.
const NOTHING: &str = "{}";

/// How an answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// In one piece.
    Whole,
    /// In chunks, as it comes.
    Streamed {
        /// Whether a last chunk tells the usage.
        usage: UsageChunk,
    },
}

/// Whether a last chunk tells the usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageChunk {
    /// Yes; all others have `"usage": null`.
    Included,
    /// No, and no chunk has the member.
    Absent,
}

impl UsageChunk {
    /// From the bracket behind the choices of a chunk to its closing brace.
    pub(super) fn tail(self) -> &'static str {
        match self {
            UsageChunk::Included => "],\"usage\":null}",
            UsageChunk::Absent => "]}",
        }
    }
}

impl Delivery {
    /// How a request with these members wants its answer.
    ///
    /// # Errors
    /// It has options of a stream, and wants none: `CreateChatCompletionRequest.stream_options`.
    pub(super) fn of(
        stream: Option<bool>,
        options: Option<StreamOptions>,
    ) -> Result<Delivery, InvalidParameter> {
        match (stream == Some(true), options) {
            (false, None) => Ok(Delivery::Whole),
            (false, Some(_)) => {
                let message =
                    "'stream_options' is for streams alone. Please set 'stream' to true, or leave it out.";
                Err(InvalidParameter::value("stream_options", message))
            }
            (true, options) => {
                let wanted = options.is_some_and(|options| options.include_usage == Some(true));
                let usage = if wanted { UsageChunk::Included } else { UsageChunk::Absent };
                Ok(Delivery::Streamed { usage })
            }
        }
    }
}

impl ChatCompletionRequest {
    /// How the request wants its answer.
    ///
    /// # Errors
    /// It has options of a stream, and wants none.
    pub fn checked_delivery(&self) -> Result<Delivery, InvalidParameter> {
        Delivery::of(self.stream, self.stream_options)
    }
}

/// What all parts of one answer have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letterhead {
    /// The answer's own name.
    pub id: String,
    /// Seconds since the epoch.
    pub created: u64,
    /// The model that answers.
    pub model: String,
    /// What the answer depends on beside the request.
    pub system_fingerprint: String,
}

impl Letterhead {
    /// The JSON of a whole answer, in UTF-8.
    pub fn completion(&self, choices: &Choices, usage: Usage) -> Vec<u8> {
        #[derive(Serialize)]
        struct Completion<'a> {
            id: &'a str,
            object: &'a str,
            created: u64,
            model: &'a str,
            choices: &'a RawValue,
            usage: Usage,
            system_fingerprint: &'a str,
        }
        let Letterhead { id, created, model, system_fingerprint } = self;
        let (object, choices) = ("chat.completion", choices.0.as_ref());
        let completion =
            Completion { id, object, created: *created, model, choices, usage, system_fingerprint };
        let mut text = Vec::with_capacity(ROOM_BESIDE_CHOICES + choices.get().len());
        match serde_json::to_writer(&mut text, &completion) {
            Ok(()) => text,
            Err(_) => NOTHING.into(),
        }
    }

    /// From the opening brace to the colon before the choices.
    pub(super) fn head(&self, object: &str) -> String {
        #[derive(Serialize)]
        struct Head<'a> {
            id: &'a str,
            object: &'a str,
            created: u64,
            model: &'a str,
            system_fingerprint: &'a str,
        }
        let Letterhead { id, created, model, system_fingerprint } = self;
        let mut head = json(&Head { id, object, created: *created, model, system_fingerprint });
        head.truncate(head.len() - 1);
        head.push_str(",\"choices\":");
        head
    }
}

/// The choices of a whole answer, as JSON: what is the same in many answers is written once.
#[derive(Debug, Clone)]
pub struct Choices(Box<RawValue>);

impl Choices {
    /// These choices.
    pub fn new(choices: &[Choice]) -> Choices {
        // None of it is what JSON cannot say.
        Choices(to_raw_value(&choices).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

/// Makes the JSON of an answer's chunks.
#[derive(Debug, Clone)]
pub struct ChatChunks {
    /// From the opening brace to the bracket of the choices: the same in all chunks, so it is written once.
    head: String,
    usage: UsageChunk,
}

impl ChatChunks {
    /// Of the answer with this letterhead.
    pub fn new(letterhead: &Letterhead, usage: UsageChunk) -> ChatChunks {
        let mut head = letterhead.head("chat.completion.chunk");
        head.push('[');
        ChatChunks { head, usage }
    }

    /// The first chunk of a choice: who speaks.
    pub fn speaker(&self, index: u32, content: Content) -> String {
        let content = match content {
            Content::Text => Some(Some("")),
            Content::Null => Some(None),
        };
        self.choice(&ChunkChoice {
            index,
            delta: Delta { role: Some("assistant"), content, ..Delta::default() },
            logprobs: None,
            finish_reason: None,
        })
    }

    /// A piece of text of a choice.
    pub fn content(&self, index: u32, text: &str, logprobs: Option<&ChoiceLogprobs>) -> String {
        let delta = Delta { content: Some(Some(text)), ..Delta::default() };
        self.choice(&ChunkChoice { index, delta, logprobs, finish_reason: None })
    }

    /// The beginning of a call in a choice: its position among the choice's calls, its id, and the function's name.
    pub fn call(&self, index: u32, call: u32, id: &str, name: &str) -> String {
        let function = FunctionDelta { name: Some(name), arguments: "" };
        self.call_piece(index, ToolCallDelta { index: call, id: Some(id), kind: Some("function"), function })
    }

    /// More of the arguments of a call in a choice.
    pub fn arguments(&self, index: u32, call: u32, fragment: &str) -> String {
        let function = FunctionDelta { name: None, arguments: fragment };
        self.call_piece(index, ToolCallDelta { index: call, id: None, kind: None, function })
    }

    fn call_piece(&self, index: u32, piece: ToolCallDelta<'_>) -> String {
        let delta = Delta { tool_calls: &[piece], ..Delta::default() };
        self.choice(&ChunkChoice { index, delta, logprobs: None, finish_reason: None })
    }

    /// The last chunk of a choice: why it ended.
    pub fn finish(&self, index: u32, reason: FinishReason) -> String {
        self.choice(&ChunkChoice {
            index,
            delta: Delta::default(),
            logprobs: None,
            finish_reason: Some(reason),
        })
    }

    /// Any chunk of a choice.
    pub fn choice(&self, choice: &ChunkChoice<'_>) -> String {
        [&self.head, json(choice).as_str(), self.usage.tail()].concat()
    }

    /// The chunk that tells the usage, behind the last of all choices; none unless the request includes it.
    pub fn usage(&self, usage: Usage) -> Option<String> {
        (self.usage == UsageChunk::Included)
            .then(|| [&self.head, "],\"usage\":", json(&usage).as_str(), "}"].concat())
    }
}

/// What is known of a choice's content at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// There may be text.
    Text,
    /// There is none, as in an answer of calls alone: the content is null.
    Null,
}

/// One of the answers to a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Which one, from 0.
    pub index: u32,
    /// What is said.
    pub message: AssistantMessage,
    /// Log probabilities, if asked for.
    pub logprobs: Option<ChoiceLogprobs>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// What the model says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssistantMessage {
    /// Always `assistant`.
    pub role: &'static str,
    /// The text.
    pub content: Option<String>,
    /// What the model said instead of an answer.
    pub refusal: Option<String>,
    /// What the model thought before; not of the API, but of other local servers. Absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The calls that the model makes. Absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolCall {
    /// The call's own name, which the message with its result repeats.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What is called.
    pub function: FunctionCall,
}

/// A function with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionCall {
    /// Its name.
    pub name: String,
    /// JSON, as text.
    pub arguments: String,
}

/// The log probabilities of an answer's tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChoiceLogprobs {
    /// Those of the text.
    pub content: Vec<TokenLogprob>,
    /// Those of a refusal; always null here.
    pub refusal: Option<Vec<TokenLogprob>>,
}

/// A token with its log probability, and the likeliest in its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenLogprob {
    /// Its text.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes in UTF-8.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens in this place, as many as were asked for.
    pub top_logprobs: Vec<TopLogprob>,
}

/// One of the likeliest tokens in a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopLogprob {
    /// Its text.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes in UTF-8.
    pub bytes: Option<Vec<u8>>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or a stop string appeared.
    Stop,
    /// The limit of tokens, or the end of the context.
    Length,
    /// The model calls functions.
    ToolCalls,
    /// Something was held back.
    ContentFilter,
    /// The model calls a function, the older form.
    FunctionCall,
}

/// What an answer cost, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Read.
    pub prompt_tokens: u64,
    /// Written.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// Of which kinds those are that were written. Absent when there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
}

/// Of which kinds tokens of an answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CompletionTokensDetails {
    /// What the model thought before it answered.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Adds up the total.
    pub fn new(prompt_tokens: u64, completion_tokens: u64) -> Usage {
        let total_tokens = prompt_tokens + completion_tokens;
        Usage { prompt_tokens, completion_tokens, total_tokens, completion_tokens_details: None }
    }

    /// So many of the tokens that were written are reasoning, at most all of them. None says nothing of kinds.
    pub fn with_reasoning(self, reasoning_tokens: u64) -> Usage {
        let reasoning_tokens = reasoning_tokens.min(self.completion_tokens);
        let details = (reasoning_tokens > 0).then_some(CompletionTokensDetails { reasoning_tokens });
        Usage { completion_tokens_details: details, ..self }
    }
}

/// A piece of one choice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChunkChoice<'a> {
    /// Of which choice, from 0.
    pub index: u32,
    /// What is new.
    pub delta: Delta<'a>,
    /// Log probabilities, if asked for.
    pub logprobs: Option<&'a ChoiceLogprobs>,
    /// Why it ended, in its last chunk.
    pub finish_reason: Option<FinishReason>,
}

/// What is new in a chunk; what is not new is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Delta<'a> {
    /// Who speaks, in the first chunk: `assistant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// More text; null, in the first chunk, if there will be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Option<&'a str>>,
    /// More of what the model says instead of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'a str>,
    /// More of what the model thinks; not of the API, but of other local servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<&'a str>,
    /// More of the calls that the model makes.
    #[serde(skip_serializing_if = "<[ToolCallDelta<'_>]>::is_empty")]
    pub tool_calls: &'a [ToolCallDelta<'a>],
}

/// A piece of a call: `id`, `type` and name come once, in its first piece; arguments are to be appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolCallDelta<'a> {
    /// Of which call of the answer, from 0.
    pub index: u32,
    /// The call's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// `function`, beside the id.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// What is called.
    pub function: FunctionDelta<'a>,
}

/// A piece of a function's call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionDelta<'a> {
    /// The function's name, whole, in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// More of the arguments.
    pub arguments: &'a str,
}

/// The text of a value of ours. None of them has what JSON cannot say (maps with keys that are not strings), so the
/// empty object is there for the sake of the type only.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| NOTHING.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letterhead() -> Letterhead {
        Letterhead { id: "chatcmpl-1".into(), created: 7, model: "m".into(), system_fingerprint: "fp".into() }
    }

    #[test]
    fn chunks_read_as_the_api_has_them() {
        let head = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","system_fingerprint":"fp","choices":["#;
        let chunks = ChatChunks::new(&letterhead(), UsageChunk::Absent);
        assert_eq!(
            chunks.speaker(0, Content::Text),
            format!(
                r#"{head}{{"index":0,"delta":{{"role":"assistant","content":""}},"logprobs":null,"finish_reason":null}}]}}"#
            )
        );
        assert_eq!(
            chunks.content(1, "a \"tree\"", None),
            format!(
                r#"{head}{{"index":1,"delta":{{"content":"a \"tree\""}},"logprobs":null,"finish_reason":null}}]}}"#
            )
        );
        assert_eq!(
            chunks.finish(0, FinishReason::ToolCalls),
            format!(r#"{head}{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"tool_calls"}}]}}"#)
        );
        assert_eq!(chunks.usage(Usage::new(1, 2)), None);

        let chunks = ChatChunks::new(&letterhead(), UsageChunk::Included);
        assert!(chunks.speaker(0, Content::Text).ends_with(r#""finish_reason":null}],"usage":null}"#));
        assert_eq!(
            chunks.usage(Usage::new(1, 2)).unwrap(),
            format!(r#"{head}],"usage":{{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}}}"#)
        );
    }

    #[test]
    fn reasoning_is_told_where_there_was_some_and_is_no_more_than_all() {
        let told = |reasoning| json(&Usage::new(1, 2).with_reasoning(reasoning));
        assert_eq!(told(0), r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#);
        let details = |reasoning: u64| {
            format!(
                r#"{{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"completion_tokens_details":{{"reasoning_tokens":{reasoning}}}}}"#
            )
        };
        assert_eq!((told(1), told(2), told(3)), (details(1), details(2), details(2)));
    }

    #[test]
    fn a_call_tells_its_name_once() {
        let chunks = ChatChunks::new(&letterhead(), UsageChunk::Absent);
        assert!(
            chunks
                .call(0, 0, "call_1", "grow")
                .contains(r#""delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"grow","arguments":""}}]}"#)
        );
        assert!(
            chunks
                .arguments(0, 0, "{}")
                .contains(r#""delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#)
        );
    }
}
