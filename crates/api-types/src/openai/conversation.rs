//! `POST /chat/completions`: what holds of its messages, whoever answers.
//!
//! Owns what each role's message must have, and which call a tool's message answers. It refuses to know which roles and
//! parts a backend can read.

use std::collections::HashSet;
use std::fmt;

use super::chat_completions::{ChatCompletionRequest, Content, ContentPart, RequestMessage, Role};
use super::chat_parameters::InvalidParameter;
use super::tools::function_of;

impl ChatCompletionRequest {
    /// The conversation: at least one message, each with the content that its role needs, and with calls of functions
    /// alone. A message of a tool names the call that it answers.
    ///
    /// # Errors
    /// Something of that is missing.
    pub fn checked_messages(&self) -> Result<&[RequestMessage], InvalidParameter> {
        match self.messages.as_deref() {
            None => Err(InvalidParameter::missing("messages")),
            Some([]) => {
                Err(InvalidParameter::value("messages", "'messages' must have at least one message."))
            }
            Some(messages) => {
                for (position, message) in messages.iter().enumerate() {
                    check(format_args!("messages[{position}]"), message)?;
                }
                Ok(messages)
            }
        }
    }
}

/// Each message of a tool answers a call of an assistant's message before it.
///
/// # Errors
/// One answers none.
pub fn check_results(messages: &[RequestMessage]) -> Result<(), InvalidParameter> {
    let mut called: HashSet<&str> = HashSet::new();
    for (position, message) in messages.iter().enumerate() {
        called.extend(message.tool_calls.iter().flatten().map(|call| call.id.as_str()));
        let answered = message.tool_call_id.as_deref().filter(|_| message.role == Role::Tool);
        if let Some(id) = answered.filter(|id| !called.contains(id)) {
            let path = format!("messages[{position}].tool_call_id");
            let message = format!("'{path}' is '{}', but no call before it has that id.", id.escape_debug());
            return Err(InvalidParameter::value(path, message));
        }
    }
    Ok(())
}

/// The path is written out where something is wrong.
fn check(path: fmt::Arguments<'_>, message: &RequestMessage) -> Result<(), InvalidParameter> {
    match &message.content {
        // The API gives null as the content of its own answers that consist of calls; clients send them back.
        None if message.role == Role::Assistant => {}
        None => {
            let path = format!("{path}.content");
            let message = format!("'{path}' is required: a string or an array of content parts.");
            return Err(InvalidParameter::value(path, message));
        }
        Some(Content::Text(_)) => {}
        Some(Content::Parts(parts)) if parts.is_empty() => {
            let path = format!("{path}.content");
            let message = format!("'{path}' must have at least one part.");
            return Err(InvalidParameter::value(path, message));
        }
        Some(Content::Parts(parts)) => {
            for (position, part) in parts.iter().enumerate() {
                check_part(format_args!("{path}.content[{position}]"), part)?;
            }
        }
    }
    if message.role == Role::Tool && message.tool_call_id.is_none() {
        return Err(InvalidParameter::missing(&format!("{path}.tool_call_id")));
    }
    for (position, call) in message.tool_calls.iter().flatten().enumerate() {
        function_of(&format!("{path}.tool_calls[{position}]"), &call.kind, call.function.as_ref())?;
    }
    Ok(())
}

fn check_part(path: fmt::Arguments<'_>, part: &ContentPart) -> Result<(), InvalidParameter> {
    let kind = part.kind.as_str();
    let is_given = match kind {
        "text" => part.text.is_some(),
        "refusal" => part.refusal.is_some(),
        "image_url" => part.image_url.is_some(),
        "input_audio" => part.input_audio.is_some(),
        "file" => part.file.is_some(),
        other => {
            let path = format!("{path}.type");
            let message = format!(
                "'{path}' is '{}'; it must be text, refusal, image_url, input_audio or file.",
                other.escape_debug()
            );
            return Err(InvalidParameter::value(path, message));
        }
    };
    if !is_given {
        let path = format!("{path}.{kind}");
        let message = format!("'{path}' is required for a part of type '{kind}'.");
        return Err(InvalidParameter::value(path, message));
    }
    match part.media().into_iter().find(|(name, value)| *name != kind && value.is_some()) {
        None => Ok(()),
        Some((name, _)) => {
            let path = format!("{path}.{name}");
            let message = format!("'{path}' cannot be in a part of type '{kind}'.");
            Err(InvalidParameter::value(path, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(messages: &str) -> ChatCompletionRequest {
        let body = format!(r#"{{"messages":[{messages}]}}"#);
        crate::parse::<ChatCompletionRequest>(body.as_bytes()).unwrap().request
    }

    const CALL: &str = r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"grow","arguments":"{}"}}]}"#;

    #[test]
    fn a_round_with_a_tool_is_sound() {
        let messages = format!(
            r#"{{"role":"user","content":"a"}},{CALL},{{"role":"tool","tool_call_id":"c","content":"b"}},{{"role":"assistant","content":[{{"type":"refusal","refusal":"No."}}]}}"#
        );
        let request = request(&messages);
        let messages = request.checked_messages().unwrap();
        assert_eq!(messages.len(), 4);
        check_results(messages).unwrap();
    }

    #[test]
    fn parts_of_each_type_are_sound() {
        let messages = r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{}},
            {"type":"input_audio","input_audio":{}},{"type":"file","file":{},"image_url":null}]}"#;
        request(messages).checked_messages().unwrap();
    }

    #[test]
    fn what_a_message_lacks_is_named() {
        let table = [
            (
                r#"{"role":"user"}"#,
                "messages[0].content: 'messages[0].content' is required: a string or an array of content parts.",
            ),
            (
                r#"{"role":"user","content":[]}"#,
                "messages[0].content: 'messages[0].content' must have at least one part.",
            ),
            (
                r#"{"role":"user","content":"a"},{"role":"user","content":[{"type":"text"}]}"#,
                "messages[1].content[0].text: 'messages[1].content[0].text' is required for a part of type 'text'.",
            ),
            (
                r#"{"role":"assistant","content":[{"type":"refusal"}]}"#,
                "messages[0].content[0].refusal: 'messages[0].content[0].refusal' is required for a part of type 'refusal'.",
            ),
            (
                r#"{"role":"user","content":[{"type":"image_url"}]}"#,
                "messages[0].content[0].image_url: 'messages[0].content[0].image_url' is required for a part of type 'image_url'.",
            ),
            (
                r#"{"role":"user","content":[{"type":"input_audio","input_audio":null}]}"#,
                "messages[0].content[0].input_audio: 'messages[0].content[0].input_audio' is required for a part of type 'input_audio'.",
            ),
            (
                r#"{"role":"user","content":[{"type":"file","text":"a"}]}"#,
                "messages[0].content[0].file: 'messages[0].content[0].file' is required for a part of type 'file'.",
            ),
            (
                r#"{"role":"user","content":[{"type":"text","text":"a","file":{}}]}"#,
                "messages[0].content[0].file: 'messages[0].content[0].file' cannot be in a part of type 'text'.",
            ),
            (
                r#"{"role":"user","content":[{"type":"film","film":{}}]}"#,
                "messages[0].content[0].type: 'messages[0].content[0].type' is 'film'; it must be text, refusal, image_url, input_audio or file.",
            ),
            (
                r#"{"role":"tool","content":"a"}"#,
                "messages[0].tool_call_id: Missing required parameter: 'messages[0].tool_call_id'.",
            ),
            (
                r#"{"role":"assistant","tool_calls":[{"id":"a","type":"custom"}]}"#,
                "messages[0].tool_calls[0].type: 'messages[0].tool_calls[0].type' is 'custom'; only function is supported.",
            ),
            (
                r#"{"role":"assistant","tool_calls":[{"id":"a","type":"function"}]}"#,
                "messages[0].tool_calls[0].function: Missing required parameter: 'messages[0].tool_calls[0].function'.",
            ),
        ];
        for (messages, expected) in table {
            let error = request(messages).checked_messages().unwrap_err();
            assert_eq!(format!("{}: {}", error.param, error.message), expected, "{messages}");
        }
    }

    #[test]
    fn a_result_of_no_call_before_it_is_told() {
        let result = r#"{"role":"tool","tool_call_id":"c","content":"b"}"#;
        for (messages, position) in [(result.to_owned(), 0), (format!("{result},{CALL}"), 0)] {
            let error = check_results(request(&messages).messages.as_deref().unwrap()).unwrap_err();
            let path = format!("messages[{position}].tool_call_id");
            let message = format!("'{path}' is 'c', but no call before it has that id.");
            assert_eq!((error.param, error.message), (path, message));
        }
    }
}
