//! The messages of a chat request as the model's template takes them.
//!
//! Owns which roles and parts the local model reads, and what of a message is passed over. It refuses to know the
//! template, and what a message must have whoever reads it (`api_types::openai::conversation`).

use std::collections::HashMap;

use interference_api_types::openai::chat_completions::{Content, ContentPart, RequestMessage, Role};
use interference_api_types::openai::tools::MessageToolCall as RequestToolCall;
use interference_backend::Refusal;
use interference_engine::{ChatMessage, MessageToolCall};

use crate::chat::unsupported;

/// All messages, in order.
///
/// Adds the names of what is passed over to `ignored`, each once.
///
/// # Errors
/// The first thing that the local model cannot read.
pub(crate) fn read(given: &[RequestMessage], ignored: &mut Vec<String>) -> Result<Vec<ChatMessage>, Refusal> {
    let mut messages: Vec<ChatMessage> = Vec::with_capacity(given.len());
    // The function that the last call of each id so far has called.
    let mut called: HashMap<&str, &str> = HashMap::new();
    for (position, message) in given.iter().enumerate() {
        let path = format!("messages[{position}]");
        refuse_unreadable(message, &path)?;
        for name in hints(message) {
            if !ignored.iter().any(|other| other == name) {
                ignored.push(name.to_owned());
            }
        }
        let tool_call_id = message.tool_call_id.clone().filter(|_| message.role == Role::Tool);
        let name = tool_call_id.as_deref().and_then(|id| called.get(id));
        messages.push(ChatMessage {
            role: role(message.role, &path)?.to_owned(),
            content: content(message, &path)?,
            tool_calls: message.tool_calls.iter().flatten().filter_map(call).collect(),
            name: name.map(|name| (*name).to_owned()),
            tool_call_id,
        });
        let calls = message.tool_calls.iter().flatten();
        called
            .extend(calls.filter_map(|call| Some((call.id.as_str(), call.function.as_ref()?.name.as_str()))));
    }
    Ok(messages)
}

/// A call as templates take it. That it is one of a function was checked.
fn call(call: &RequestToolCall) -> Option<MessageToolCall> {
    let function = call.function.as_ref()?;
    let (name, arguments) = (function.name.clone(), function.arguments.clone());
    Some(MessageToolCall { id: call.id.clone(), name, arguments })
}

/// The names of members that were given and say nothing to the model.
fn hints(message: &RequestMessage) -> impl Iterator<Item = &'static str> {
    let table = [
        ("messages[].name", message.name.is_some()),
        // What stands for the content, where there is none, is read.
        ("messages[].refusal", message.refusal.is_some() && message.content.is_some()),
        ("messages[].tool_call_id", message.tool_call_id.is_some() && message.role != Role::Tool),
    ];
    table.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
}

/// The role's name for the template. Templates of open models know no developer: it is the system, renamed.
fn role(role: Role, path: &str) -> Result<&'static str, Refusal> {
    match role {
        Role::System | Role::Developer => Ok("system"),
        Role::User => Ok("user"),
        Role::Assistant => Ok("assistant"),
        Role::Tool => Ok("tool"),
        Role::Function => Err(unsupported(
            format!("{path}.role"),
            "The role 'function' is not supported by the local model: tell results by the role 'tool'.",
        )),
    }
}

/// Refuses what a message says in ways that the model cannot be told of.
fn refuse_unreadable(message: &RequestMessage, path: &str) -> Result<(), Refusal> {
    let has_calls = message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
    let given = [
        (
            "tool_calls",
            has_calls && message.role != Role::Assistant,
            "only the assistant's messages have them",
        ),
        ("function_call", message.function_call.is_some(), "tell calls by 'tool_calls'"),
        ("audio", message.audio.is_some(), "tell what was said as text"),
    ];
    match given.into_iter().find(|(_, given, _)| *given) {
        None => Ok(()),
        Some((name, _, instead)) => Err(unsupported(
            format!("{path}.{name}"),
            format!("'{name}' of this message is not supported by the local model: {instead}."),
        )),
    }
}

fn content(message: &RequestMessage, path: &str) -> Result<String, Refusal> {
    match &message.content {
        Some(Content::Text(text)) => Ok(text.clone()),
        Some(Content::Parts(parts)) => {
            let texts = parts.iter().enumerate().map(|(position, part)| {
                part_text(part, message.role, &format!("{path}.content[{position}]"))
            });
            Ok(texts.collect::<Result<Vec<&str>, Refusal>>()?.join("\n"))
        }
        None => Ok(message.refusal.clone().unwrap_or_default()),
    }
}

fn part_text<'part>(part: &'part ContentPart, role: Role, path: &str) -> Result<&'part str, Refusal> {
    match (part.kind.as_str(), role) {
        ("text", _) => Ok(part.text.as_deref().unwrap_or_default()),
        ("refusal", Role::Assistant) => Ok(part.refusal.as_deref().unwrap_or_default()),
        _ => Err(unsupported(
            format!("{path}.type"),
            "The local model reads text only: content parts must have the type 'text'.",
        )),
    }
}
