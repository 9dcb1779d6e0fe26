//! The messages of a chat request as the model's template takes them.
//!
//! Owns which roles and parts the local model reads, and what of a message is passed over. It refuses to know the
//! template, and what a message must have whoever reads it (`api_types::openai::conversation`).

use interference_api_types::openai::chat_completions::{Content, ContentPart, RequestMessage, Role};
use interference_backend::Refusal;
use interference_engine::ChatMessage;

use crate::chat::unsupported;

/// All messages, in order.
///
/// Adds the names of what is passed over to `ignored`, each once.
///
/// # Errors
/// The first thing that the local model cannot read.
pub(crate) fn read(given: &[RequestMessage], ignored: &mut Vec<String>) -> Result<Vec<ChatMessage>, Refusal> {
    let mut messages = Vec::with_capacity(given.len());
    for (position, message) in given.iter().enumerate() {
        let path = format!("messages[{position}]");
        refuse_calls(message, &path)?;
        for name in hints(message) {
            if !ignored.iter().any(|other| other == name) {
                ignored.push(name.to_owned());
            }
        }
        messages.push(ChatMessage::new(role(message.role, &path)?, content(message, &path)?));
    }
    Ok(messages)
}

/// The names of members that were given and say nothing to the model.
fn hints(message: &RequestMessage) -> impl Iterator<Item = &'static str> {
    let table = [
        ("messages[].name", message.name.is_some()),
        // What stands for the content, where there is none, is read.
        ("messages[].refusal", message.refusal.is_some() && message.content.is_some()),
        ("messages[].tool_call_id", message.tool_call_id.is_some()),
    ];
    table.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
}

/// The role's name for the template. Templates of open models know no developer: it is the system, renamed.
fn role(role: Role, path: &str) -> Result<&'static str, Refusal> {
    match role {
        Role::System | Role::Developer => Ok("system"),
        Role::User => Ok("user"),
        Role::Assistant => Ok("assistant"),
        Role::Tool | Role::Function => Err(unsupported(
            format!("{path}.role"),
            "Messages of tools are not supported yet by the local model.",
        )),
    }
}

fn refuse_calls(message: &RequestMessage, path: &str) -> Result<(), Refusal> {
    let given = [
        ("tool_calls", message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())),
        ("function_call", message.function_call.is_some()),
        ("audio", message.audio.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => Err(unsupported(
            format!("{path}.{name}"),
            format!("'{name}' of a message is not supported yet by the local model."),
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
