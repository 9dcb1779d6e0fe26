//! `POST /responses`: the response, and the events of a streamed one.
//!
//! Owns how a response is told: its members, its items, and the bytes of its events with their numbers. It refuses to
//! know which event is due, and where text comes from.

use serde::Serialize;
use serde_json::Value;

use super::chat_completions::{PromptCacheRetention, Verbosity};
use super::metadata::Labels;
use super::responses::{ReasoningOptions, ResponseTool, TextFormat};

/// The events that end a stream: that the response is completed, incomplete or failed.
pub const LAST_EVENTS: [&str; 3] = ["response.completed", "response.incomplete", "response.failed"];

/// A response, as it is answered, kept and told in events. What the request asked for is repeated in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResponseObject {
    /// The response's own name.
    pub id: String,
    /// Always `response`.
    pub object: &'static str,
    /// Seconds since the epoch.
    pub created_at: u64,
    /// How far it got.
    pub status: ResponseStatus,
    /// Always false.
    pub background: bool,
    /// When it was complete, in seconds since the epoch.
    pub completed_at: Option<u64>,
    /// Why it failed.
    pub error: Option<ResponseFailure>,
    /// Why it is incomplete.
    pub incomplete_details: Option<IncompleteDetails>,
    /// As the request has them.
    pub instructions: Option<String>,
    /// As the request has it.
    pub max_output_tokens: Option<u64>,
    /// As the request has it.
    pub max_tool_calls: Option<u64>,
    /// The model that answers.
    pub model: String,
    /// What it says and calls.
    pub output: Vec<OutputItem>,
    /// As the request has it.
    pub parallel_tool_calls: bool,
    /// As the request has it.
    pub previous_response_id: Option<String>,
    /// As the request has it. Absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
    /// As the request has it. Absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_retention: Option<PromptCacheRetention>,
    /// As the request has it.
    pub reasoning: ReasoningOptions,
    /// As the request has it. Absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<String>,
    /// Always `default`: there is one class of service.
    pub service_tier: &'static str,
    /// Whether it is kept.
    pub store: bool,
    /// As the request has it; what it is when the request has none, the backend does not tell.
    pub temperature: Option<f64>,
    /// The form of the text.
    pub text: ResponseText,
    /// As the request has it.
    pub tool_choice: Value,
    /// As the request has them.
    pub tools: Vec<ResponseTool>,
    /// As the request has it.
    pub top_logprobs: u64,
    /// As the request has it; what it is when the request has none, the backend does not tell.
    pub top_p: Option<f64>,
    /// As the request has it.
    pub truncation: String,
    /// What it cost. Absent until that is known: the API's description has no null here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<ResponseUsage>,
    /// As the request has it. Absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// As the request has them.
    pub metadata: Labels,
}

impl ResponseObject {
    /// Its JSON.
    pub fn json(&self) -> String {
        json(self)
    }
}

/// The form of a response's text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResponseText {
    /// Text, or JSON.
    pub format: TextFormat,
    /// As the request has it. Absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<Verbosity>,
}

/// How far a response, or one of its items, got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// More is to come.
    InProgress,
    /// All is there.
    Completed,
    /// It was cut off by a limit.
    Incomplete,
    /// It broke off. No item has this status.
    Failed,
}

/// Why a response failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResponseFailure {
    /// A stable word for programs.
    pub code: String,
    /// For a person.
    pub message: String,
}

/// Why a response is incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IncompleteDetails {
    /// The limit.
    pub reason: IncompleteReason,
}

/// The limit that cut a response off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IncompleteReason {
    /// The limit of tokens, or the end of the context.
    MaxOutputTokens,
    /// Something was held back.
    ContentFilter,
}

/// An item of a response.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputItem {
    /// What the model says.
    Message {
        /// The item's own name.
        id: String,
        /// How far it got.
        status: ResponseStatus,
        /// Always `assistant`.
        role: &'static str,
        /// Its parts.
        content: Vec<OutputPart>,
    },
    /// What the model thinks.
    Reasoning {
        /// The item's own name.
        id: String,
        /// How far it got.
        status: ResponseStatus,
        /// Always empty.
        summary: [(); 0],
        /// Its parts.
        content: Vec<OutputPart>,
    },
    /// A call of a function.
    FunctionCall {
        /// The item's own name.
        id: String,
        /// How far it got.
        status: ResponseStatus,
        /// The call's name, which the item with its output repeats.
        call_id: String,
        /// The function's name.
        name: String,
        /// JSON, as text.
        arguments: String,
    },
}

impl OutputItem {
    /// The item's own name.
    pub fn id(&self) -> &str {
        match self {
            OutputItem::Message { id, .. }
            | OutputItem::Reasoning { id, .. }
            | OutputItem::FunctionCall { id, .. } => id,
        }
    }

    /// Says how far it got.
    pub fn set_status(&mut self, now: ResponseStatus) {
        match self {
            OutputItem::Message { status, .. }
            | OutputItem::Reasoning { status, .. }
            | OutputItem::FunctionCall { status, .. } => *status = now,
        }
    }

    /// Its parts; a call has none.
    pub fn parts_mut(&mut self) -> Option<&mut Vec<OutputPart>> {
        match self {
            OutputItem::Message { content, .. } | OutputItem::Reasoning { content, .. } => Some(content),
            OutputItem::FunctionCall { .. } => None,
        }
    }
}

/// A part of what is said.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputPart {
    /// Text.
    OutputText {
        /// The text.
        text: String,
        /// Always empty: nothing is searched or cited.
        annotations: [(); 0],
        /// The log probabilities of its tokens, if asked for.
        logprobs: Vec<Value>,
    },
    /// What the model says instead of an answer.
    Refusal {
        /// The text.
        refusal: String,
    },
    /// What the model thinks.
    ReasoningText {
        /// The text.
        text: String,
    },
}

/// What a response cost, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ResponseUsage {
    /// Read.
    pub input_tokens: u64,
    /// Of those read.
    pub input_tokens_details: InputTokensDetails,
    /// Written.
    pub output_tokens: u64,
    /// Of those written.
    pub output_tokens_details: OutputTokensDetails,
    /// Both.
    pub total_tokens: u64,
}

/// Details of the tokens that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InputTokensDetails {
    /// Those that needed no work, because an earlier request had the same beginning.
    pub cached_tokens: u64,
}

/// Details of the tokens that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OutputTokensDetails {
    /// Those of reasoning.
    pub reasoning_tokens: u64,
}

/// A response as a whole: what the first events and the last one tell.
#[derive(Debug, Serialize)]
pub struct WholeTold<'a> {
    /// As it is now.
    pub response: &'a ResponseObject,
}

/// An item that begins or ends.
#[derive(Debug, Serialize)]
pub struct ItemTold<'a> {
    /// Which one, from 0.
    pub output_index: usize,
    /// As it is now.
    pub item: &'a OutputItem,
}

/// A part that begins or ends.
#[derive(Debug, Serialize)]
pub struct PartTold<'a> {
    /// The item's own name.
    pub item_id: &'a str,
    /// Which item, from 0.
    pub output_index: usize,
    /// Which part of it, from 0.
    pub content_index: usize,
    /// As it is now.
    pub part: &'a OutputPart,
}

/// More text of a part, or of a call's arguments, or all of it; the members that do not concern the kind are absent.
#[derive(Debug, Default, Serialize)]
pub struct TextTold<'a> {
    /// The item's own name.
    pub item_id: &'a str,
    /// Which item, from 0.
    pub output_index: usize,
    /// Which part of it, from 0; a call has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<usize>,
    /// What is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<&'a str>,
    /// All of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    /// All of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'a str>,
    /// The name of the function that is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// All of a call's arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a str>,
    /// The log probabilities of what is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<&'a [Value]>,
}

/// Numbers the events of one stream, and makes their JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventNumbers {
    next: u64,
}

impl EventNumbers {
    /// The JSON of the next event: its type, its number, and the members of `told`, which must be a structure with at
    /// least one member.
    pub fn event(&mut self, kind: &str, told: &impl Serialize) -> String {
        let number = self.next.to_string();
        self.next += 1;
        let members = json(told);
        let members = members.strip_prefix('{').unwrap_or("}");
        ["{\"type\":\"", kind, "\",\"sequence_number\":", &number, ",", members].concat()
    }
}

/// The text of a value of ours. None of them has what JSON cannot say (maps with keys that are not strings), so the
/// empty object is there for the sake of the type only.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_numbered_and_read_as_the_api_has_them() {
        let mut numbers = EventNumbers::default();
        let logprobs: &[Value] = &[];
        let told = TextTold {
            item_id: "msg_1",
            content_index: Some(0),
            delta: Some("a \"tree\""),
            logprobs: Some(logprobs),
            ..TextTold::default()
        };
        assert_eq!(
            numbers.event("response.output_text.delta", &told),
            r#"{"type":"response.output_text.delta","sequence_number":0,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"a \"tree\"","logprobs":[]}"#
        );
        let part = OutputPart::Refusal { refusal: "no".into() };
        let told = PartTold { item_id: "msg_1", output_index: 2, content_index: 1, part: &part };
        assert_eq!(
            numbers.event("response.content_part.done", &told),
            r#"{"type":"response.content_part.done","sequence_number":1,"item_id":"msg_1","output_index":2,"content_index":1,"part":{"type":"refusal","refusal":"no"}}"#
        );
    }

    #[test]
    fn items_read_as_the_api_has_them() {
        let text = OutputPart::OutputText { text: "a".into(), annotations: [], logprobs: vec![] };
        let mut item = OutputItem::Message {
            id: "msg_1".into(),
            status: ResponseStatus::InProgress,
            role: "assistant",
            content: vec![text],
        };
        item.set_status(ResponseStatus::Incomplete);
        assert_eq!(
            json(&item),
            r#"{"type":"message","id":"msg_1","status":"incomplete","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]}]}"#
        );
        let call = OutputItem::FunctionCall {
            id: "fc_1".into(),
            status: ResponseStatus::Completed,
            call_id: "call_1".into(),
            name: "grow".into(),
            arguments: "{}".into(),
        };
        assert_eq!(
            json(&call),
            r#"{"type":"function_call","id":"fc_1","status":"completed","call_id":"call_1","name":"grow","arguments":"{}"}"#
        );
    }
}
