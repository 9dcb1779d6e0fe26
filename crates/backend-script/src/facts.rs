//! What rules look at in a request.
//!
//! Owns how requests to each endpoint are seen by conditions: the last user message, the number of the turn, the tool
//! that has just answered. It refuses to know conditions, and what is wrong with a request.

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;
use interference_api_types::openai::chat_completions::{
    ChatCompletionRequest, Content, RequestMessage, Role,
};

/// Which endpoint a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `POST /chat/completions`.
    Chat,
    /// `POST /completions`.
    Completions,
    /// `POST /embeddings`.
    Embeddings,
}

impl Endpoint {
    /// All of them.
    pub(crate) const ALL: [Endpoint; 3] = [Endpoint::Chat, Endpoint::Completions, Endpoint::Embeddings];

    /// As scripts name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Endpoint::Chat => "chat",
            Endpoint::Completions => "completions",
            Endpoint::Embeddings => "embeddings",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A request as conditions see it.
#[derive(Debug)]
pub(crate) struct Facts<'r> {
    pub(crate) endpoint: Endpoint,
    pub(crate) model: &'r str,
    /// The last user message, the prompt of a completion, or the input of embeddings.
    pub(crate) text: Option<Cow<'r, str>>,
    /// How many user messages the conversation has; 0 where there is no conversation.
    pub(crate) turn: u64,
    /// The last message, if it is a tool's.
    pub(crate) tool_result: Option<ToolResult<'r>>,
    /// The names of the tools that are offered.
    pub(crate) tools: Vec<&'r str>,
    pub(crate) stream: bool,
    /// The texts of system and developer messages.
    pub(crate) system: Vec<Cow<'r, str>>,
    pub(crate) headers: &'r HeaderMap,
}

/// What a tool has answered.
#[derive(Debug)]
pub(crate) struct ToolResult<'r> {
    pub(crate) text: Cow<'r, str>,
    /// The tool's name, where the conversation tells it.
    pub(crate) tool: Option<&'r str>,
}

impl<'r> Facts<'r> {
    /// Those of a chat request.
    pub(crate) fn of_chat(
        request: &'r ChatCompletionRequest,
        model: &'r str,
        messages: &'r [RequestMessage],
        headers: &'r HeaderMap,
    ) -> Facts<'r> {
        let of_user = || messages.iter().filter(|message| message.role == Role::User);
        let is_instruction =
            |message: &&RequestMessage| matches!(message.role, Role::System | Role::Developer);
        Facts {
            endpoint: Endpoint::Chat,
            model,
            text: of_user().next_back().map(text_of),
            turn: of_user().count() as u64,
            tool_result: tool_result(messages),
            tools: offered_tools(request),
            stream: request.stream == Some(true),
            system: messages.iter().filter(is_instruction).map(text_of).collect(),
            headers,
        }
    }

    /// Those of a request to complete this prompt: what a person says first.
    pub(crate) fn of_completion(
        model: &'r str,
        prompt: Cow<'r, str>,
        stream: bool,
        headers: &'r HeaderMap,
    ) -> Facts<'r> {
        let facts = Facts::of_text(Endpoint::Completions, model, prompt, headers);
        Facts { turn: 1, stream, ..facts }
    }

    /// Those of an embeddings request with this input.
    pub(crate) fn of_embeddings(model: &'r str, input: Cow<'r, str>, headers: &'r HeaderMap) -> Facts<'r> {
        Facts::of_text(Endpoint::Embeddings, model, input, headers)
    }

    /// Those of a request that has a text and no conversation.
    fn of_text(endpoint: Endpoint, model: &'r str, text: Cow<'r, str>, headers: &'r HeaderMap) -> Facts<'r> {
        Facts {
            endpoint,
            model,
            text: Some(text),
            turn: 0,
            tool_result: None,
            tools: Vec::new(),
            stream: false,
            system: Vec::new(),
            headers,
        }
    }
}

/// The text of a message; parts are joined by line feeds, and those without text are passed over.
pub(crate) fn text_of(message: &RequestMessage) -> Cow<'_, str> {
    match &message.content {
        Some(Content::Text(text)) => Cow::Borrowed(text),
        Some(Content::Parts(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.text.as_deref()).collect();
            match texts.as_slice() {
                [text] => Cow::Borrowed(text),
                texts => Cow::Owned(texts.join("\n")),
            }
        }
        None => Cow::Borrowed(""),
    }
}

/// The names of the functions among `tools`.
pub(crate) fn offered_tools(request: &ChatCompletionRequest) -> Vec<&str> {
    let functions = request.tools.iter().flatten().filter_map(|tool| tool.function.as_ref());
    functions.map(|function| function.name.as_str()).collect()
}

fn tool_result(messages: &[RequestMessage]) -> Option<ToolResult<'_>> {
    let (last, before) = messages.split_last()?;
    let tool = match last.role {
        Role::Tool => last.tool_call_id.as_deref().and_then(|id| called_tool(before, id)),
        Role::Function => last.name.as_deref(),
        _ => return None,
    };
    Some(ToolResult { text: text_of(last), tool })
}

/// The name of the function in the latest call with this id.
fn called_tool<'r>(messages: &'r [RequestMessage], id: &str) -> Option<&'r str> {
    let mut calls = messages.iter().rev().flat_map(|message| message.tool_calls.iter().flatten());
    Some(calls.find(|call| call.id == id)?.function.as_ref()?.name.as_str())
}
