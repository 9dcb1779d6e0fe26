//! The conditions of a rule: whether a request meets them, why not, and which of two asks for less.
//!
//! Owns all that `when` can say. It refuses to know how `when` is written, and what a rule answers.

use std::fmt;

use http::{HeaderName, HeaderValue};
use interference_backend::is_secret;
use regex::Regex;

use crate::facts::{Endpoint, Facts, ToolResult};
use crate::wildcard::Wildcard;

/// How much of a request is repeated in a message, in characters.
pub const LONGEST_QUOTE: usize = 200;

/// How many of the tools that are offered are named in a message.
const MOST_TOOLS_NAMED: usize = 10;

/// One thing that a rule asks of a request.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// The model's name fits.
    Model(Wildcard),
    /// It is in the last user message.
    Text(String),
    /// It matches the last user message.
    Regex(Regex),
    /// The last message is a tool's, and this is in it.
    ToolResult(String),
    /// The last message is that tool's.
    Tool(String),
    /// The conversation has so many user messages.
    Turn(u64),
    /// The session has this state.
    State(String),
    /// The request came to this endpoint.
    Endpoint(Endpoint),
    /// A tool of this name is offered.
    Tools(String),
    /// The answer is, or is not, to be streamed.
    Stream(bool),
    /// The request has a header of that name that fits.
    Header(HeaderName, Wildcard),
    /// It is in a system or developer message.
    System(String),
}

impl Condition {
    /// Whether a request meets it, in a session of that state.
    pub(crate) fn holds(&self, facts: &Facts<'_>, state: &str) -> bool {
        match self {
            Condition::Model(pattern) => pattern.fits(facts.model),
            Condition::Text(part) => facts.text.as_deref().is_some_and(|text| text.contains(part)),
            Condition::Regex(regex) => facts.text.as_deref().is_some_and(|text| regex.is_match(text)),
            Condition::ToolResult(part) => {
                facts.tool_result.as_ref().is_some_and(|result| result.text.contains(part))
            }
            Condition::Tool(name) => {
                facts.tool_result.as_ref().is_some_and(|result| result.tool == Some(name))
            }
            Condition::Turn(turn) => facts.turn == *turn,
            Condition::State(wanted) => state == wanted,
            Condition::Endpoint(endpoint) => facts.endpoint == *endpoint,
            Condition::Tools(name) => facts.tools.contains(&name.as_str()),
            Condition::Stream(stream) => facts.stream == *stream,
            Condition::Header(name, pattern) => {
                let mut values = facts.headers.get_all(name).iter();
                values.any(|value| pattern.fits(&String::from_utf8_lossy(value.as_bytes())))
            }
            Condition::System(part) => facts.system.iter().any(|text| text.contains(part)),
        }
    }

    /// Why a request that does not meet it does not, with what was seen: the condition, and the rest of a sentence.
    pub(crate) fn failure(&self, facts: &Facts<'_>, state: &str) -> String {
        let seen = match self {
            Condition::Model(_) => format!(" does not fit the model, which is {}", quoted(facts.model)),
            Condition::Text(_) => unseen_text(facts, " is not in"),
            Condition::Regex(_) => unseen_text(facts, " does not match"),
            Condition::ToolResult(_) => unseen_result(facts.tool_result.as_ref()),
            Condition::Tool(_) => unseen_tool(facts.tool_result.as_ref()),
            Condition::Turn(_) if facts.endpoint == Endpoint::Embeddings => {
                ", but this is no conversation".to_owned()
            }
            Condition::Turn(_) => format!(", but this is turn {}", facts.turn),
            Condition::State(_) => format!(", but the state is {}", quoted(state)),
            Condition::Endpoint(_) => format!(", but this is a request for {}", facts.endpoint),
            Condition::Tools(_) => unseen_offer(&facts.tools),
            Condition::Stream(_) => format!(", but the request has `stream = {}`", facts.stream),
            Condition::Header(name, _) => unseen_header(name, facts.headers.get(name)),
            Condition::System(_) if facts.system.is_empty() => ", but there is no system message".to_owned(),
            Condition::System(_) => {
                format!(" is in no system message, the first of which is {}", quoted(&facts.system[0]))
            }
        };
        format!("`{self}`{seen}")
    }

    /// Whether every request that meets the other meets this one, too, as far as that can be decided.
    pub(crate) fn asks_no_more_than(&self, other: &Condition) -> bool {
        match (self, other) {
            (Condition::Model(one), Condition::Model(other)) => one.covers(other),
            (Condition::Text(one), Condition::Text(other))
            | (Condition::ToolResult(one), Condition::ToolResult(other))
            | (Condition::System(one), Condition::System(other)) => other.contains(one.as_str()),
            (Condition::Regex(one), Condition::Regex(other)) => one.as_str() == other.as_str(),
            (Condition::Tool(one), Condition::Tool(other))
            | (Condition::State(one), Condition::State(other))
            | (Condition::Tools(one), Condition::Tools(other)) => one == other,
            (Condition::Turn(one), Condition::Turn(other)) => one == other,
            (Condition::Stream(one), Condition::Stream(other)) => one == other,
            (Condition::Header(name, one), Condition::Header(other_name, other)) => {
                name == other_name && one.covers(other)
            }
            _ => false,
        }
    }

    /// Whether a request to this endpoint can meet it.
    pub(crate) fn can_hold_at(&self, endpoint: Endpoint) -> bool {
        match self {
            Condition::Endpoint(wanted) => *wanted == endpoint,
            Condition::ToolResult(_) | Condition::Tool(_) | Condition::Tools(_) | Condition::System(_) => {
                endpoint == Endpoint::Chat
            }
            Condition::Turn(turn) => match endpoint {
                Endpoint::Chat => true,
                Endpoint::Completions => *turn == 1,
                Endpoint::Embeddings => false,
            },
            Condition::Stream(stream) => !stream || endpoint != Endpoint::Embeddings,
            _ => true,
        }
    }

    /// The key that it is written under.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Condition::Model(_) => "model",
            Condition::Text(_) => "text",
            Condition::Regex(_) => "regex",
            Condition::ToolResult(_) => "tool_result",
            Condition::Tool(_) => "tool",
            Condition::Turn(_) => "turn",
            Condition::State(_) => "state",
            Condition::Endpoint(_) => "endpoint",
            Condition::Tools(_) => "tools",
            Condition::Stream(_) => "stream",
            Condition::Header(..) => "header",
            Condition::System(_) => "system",
        }
    }
}

impl fmt::Display for Condition {
    /// As it could be written in a script, long texts cut.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key();
        match self {
            Condition::Model(pattern) => write!(formatter, "{key} = {}", quoted(pattern.as_str())),
            Condition::Regex(regex) => write!(formatter, "{key} = {}", quoted(regex.as_str())),
            Condition::Text(text)
            | Condition::ToolResult(text)
            | Condition::Tool(text)
            | Condition::State(text)
            | Condition::Tools(text)
            | Condition::System(text) => write!(formatter, "{key} = {}", quoted(text)),
            Condition::Turn(turn) => write!(formatter, "{key} = {turn}"),
            Condition::Endpoint(endpoint) => write!(formatter, "{key} = \"{endpoint}\""),
            Condition::Stream(stream) => write!(formatter, "{key} = {stream}"),
            Condition::Header(name, pattern) => {
                write!(formatter, "{key}.{name} = {}", quoted(pattern.as_str()))
            }
        }
    }
}

fn unseen_text(facts: &Facts<'_>, relation: &str) -> String {
    let what = match facts.endpoint {
        Endpoint::Chat => "the last user message",
        Endpoint::Completions => "the prompt",
        Endpoint::Embeddings => "the input",
    };
    match &facts.text {
        Some(text) => format!("{relation} {what}, which is {}", quoted(text)),
        None => ", but there is no user message".to_owned(),
    }
}

fn unseen_result(result: Option<&ToolResult<'_>>) -> String {
    match result {
        Some(result) => format!(" is not in the tool's result, which is {}", quoted(&result.text)),
        None => ", but the last message is not a tool's".to_owned(),
    }
}

fn unseen_tool(result: Option<&ToolResult<'_>>) -> String {
    match result {
        Some(ToolResult { tool: Some(tool), .. }) => {
            format!(", but the last message is the result of {}", quoted(tool))
        }
        Some(ToolResult { tool: None, .. }) => ", but the last message does not name its function".to_owned(),
        None => ", but the last message is not a tool's".to_owned(),
    }
}

fn unseen_offer(tools: &[&str]) -> String {
    if tools.is_empty() {
        return ", but no tools are offered".to_owned();
    }
    let mut names: Vec<String> = tools.iter().take(MOST_TOOLS_NAMED).map(|name| quoted(name)).collect();
    if tools.len() > MOST_TOOLS_NAMED {
        names.push("…".to_owned());
    }
    format!(" is not among the tools that are offered, which are {}", names.join(", "))
}

fn unseen_header(name: &HeaderName, value: Option<&HeaderValue>) -> String {
    match value {
        None => ", but the request has no such header".to_owned(),
        Some(_) if is_secret(name.as_str()) => " does not fit the header, which is not shown".to_owned(),
        Some(value) => format!(
            " does not fit the header, which is {}",
            quoted(&String::from_utf8_lossy(value.as_bytes()))
        ),
    }
}

/// A text in quotes, its control characters escaped, cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars().take(LONGEST_QUOTE) {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            other if other.is_control() => quoted.extend(other.escape_default()),
            other => quoted.push(other),
        }
    }
    quoted.push_str(if text.chars().nth(LONGEST_QUOTE).is_some() { "…\"" } else { "\"" });
    quoted
}
