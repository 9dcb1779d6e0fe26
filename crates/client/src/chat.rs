//! What is asked, and the pieces an answer is made of.

use serde::Serialize;
use serde_json::{Map, Value};

/// A chat completion to ask for. What is `None` or empty is not sent, so that the server's own default holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    /// The model's name.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Whether to ask for the answer as it is made, or for the whole at once.
    pub stream: bool,
    /// Randomness: 0 takes the likeliest token.
    pub temperature: Option<f32>,
    /// The share of the probability that is sampled from.
    pub top_p: Option<f32>,
    /// The greatest length of the answer, in tokens.
    pub max_tokens: Option<u32>,
    /// What a reproducible server draws its randomness from.
    pub seed: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Functions that the model may call, each as the API describes a tool. They are sent as they are.
    pub tools: Vec<Map<String, Value>>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, …
    pub role: String,
    /// The text.
    pub content: String,
}

/// A piece of an answer, in the order of arrival. Calls of functions are no pieces: see
/// [`ChatAnswer::tool_calls`](crate::ChatAnswer::tool_calls).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    /// More of the text; never empty.
    Text(String),
    /// Why the text ends: `stop`, `length`, …
    Finished(String),
    /// What the request cost. Some servers send it more than once; the last one counts.
    Usage(Usage),
}

/// What a request cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Length of the conversation, in tokens.
    pub prompt_tokens: u64,
    /// Length of the answer, in tokens.
    pub completion_tokens: u64,
    /// Both together.
    pub total_tokens: u64,
}

impl ChatRequest {
    /// The body of the request.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&ChatBody {
            model: &self.model,
            messages: &self.messages,
            stream: self.stream,
            stream_options: self.stream.then_some(StreamOptions { include_usage: true }),
            temperature: self.temperature,
            top_p: self.top_p,
            max_tokens: self.max_tokens,
            seed: self.seed,
            stop: &self.stop,
            tools: &self.tools,
        })
    }
}

#[derive(Serialize)]
struct ChatBody<'request> {
    model: &'request str,
    messages: &'request [Message],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'request [String],
    #[serde(skip_serializing_if = "<[Map<String, Value>]>::is_empty")]
    tools: &'request [Map<String, Value>],
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(request: &ChatRequest) -> String {
        String::from_utf8(request.to_json().unwrap()).unwrap()
    }

    #[test]
    fn sends_only_what_was_given() {
        let message = Message { role: "user".into(), content: "hi".into() };
        let request = ChatRequest { model: "m".into(), messages: vec![message], ..ChatRequest::default() };
        assert_eq!(
            json(&request),
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false}"#
        );
    }

    #[test]
    fn sends_numbers_as_they_were_given() {
        let request = ChatRequest {
            stream: true,
            temperature: Some(0.7),
            top_p: Some(0.9),
            max_tokens: Some(5),
            seed: Some(u64::MAX),
            stop: vec!["\n".into()],
            tools: serde_json::from_str(r#"[{"type":"function","function":{"name":"f"},"a":1.0}]"#).unwrap(),
            ..ChatRequest::default()
        };
        assert_eq!(
            json(&request),
            r#"{"model":"","messages":[],"stream":true,"stream_options":{"include_usage":true},"#.to_owned()
                + r#""temperature":0.7,"top_p":0.9,"max_tokens":5,"seed":18446744073709551615,"stop":["\n"],"#
                + r#""tools":[{"type":"function","function":{"name":"f"},"a":1.0}]}"#
        );
    }
}
