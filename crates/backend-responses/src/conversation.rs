//! Items of a conversation to the messages of a chat.
//!
//! Owns what becomes of each kind of item, and which of them cannot be had. It remembers where each message came from,
//! so that what is wrong with it can be told in the words of the request.

use interference_api_types::openai::responses::{Item, ItemContent};
use interference_backend::Refusal;
use serde_json::{Map, Value, json};

use crate::items::{kind, quote};
use crate::names::{Origin, Origins};
use crate::parts::ChatParts;
use crate::refusals::{invalid, missing, required, unsupported};

/// The messages of a chat, and where they came from.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) messages: Vec<Value>,
    pub(crate) origins: Origins,
    /// Names of what was passed over.
    pub(crate) ignored: Vec<String>,
}

/// Where items stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the request.
    Input,
    /// In the responses before.
    Previous,
}

impl Conversation {
    /// Instructions, which come first.
    pub(crate) fn instruct(&mut self, instructions: &str) {
        self.push(json!({"role": "system", "content": instructions}), Origin::text("instructions"));
    }

    /// What a user says.
    pub(crate) fn say(&mut self, text: &str) {
        self.push(json!({"role": "user", "content": text}), Origin::text("input"));
    }

    /// Adds items in their order.
    ///
    /// # Errors
    /// One is not what its kind demands, or cannot be had.
    pub(crate) fn extend(&mut self, items: &[Item], place: Place) -> Result<(), Refusal> {
        for (position, item) in items.iter().enumerate() {
            let path = format!("input[{position}]");
            let origin = |content| match place {
                Place::Input => Origin::item(path.clone(), content),
                Place::Previous => Origin::text("previous_response_id"),
            };
            match kind(item) {
                "message" => self.push(message(item, &path)?, origin("content")),
                "function_call" => self.call(item, &path, origin("content"))?,
                "function_call_output" => self.push(call_output(item, &path)?, origin("output")),
                // A chat has no place for it. Of earlier responses nobody expects it to be read again.
                "reasoning" if place == Place::Input => self.ignored.push("input[].reasoning".to_owned()),
                "reasoning" => {}
                other => {
                    let message = format!(
                        "Items of type '{}' are not supported: only 'message', 'function_call', \
                         'function_call_output', 'reasoning' and 'item_reference' are.",
                        quote(other)
                    );
                    return Err(unsupported(format!("{path}.type"), message));
                }
            }
        }
        self.ignored.dedup();
        Ok(())
    }

    fn push(&mut self, message: Value, origin: Origin) {
        self.messages.push(message);
        self.origins.0.push(origin);
    }

    /// Calls that follow one another, or a text of the assistant's, are one message of a chat.
    fn call(&mut self, item: &Item, path: &str, mut origin: Origin) -> Result<(), Refusal> {
        let call = json!({
            "id": required(&item.call_id, path, "call_id")?,
            "type": "function",
            "function": {
                "name": required(&item.name, path, "name")?,
                "arguments": required(&item.arguments, path, "arguments")?,
            },
        });
        let last = self.messages.last_mut().and_then(Value::as_object_mut);
        let speaker = last.filter(|message| message.get("role") == Some(&json!("assistant")));
        match (speaker, self.origins.0.last_mut()) {
            (Some(message), Some(origin)) => {
                origin.calls.push(path.to_owned());
                let calls = message.entry("tool_calls").or_insert_with(|| json!([]));
                if let Some(calls) = calls.as_array_mut() {
                    calls.push(call);
                }
            }
            _ => {
                origin.calls.push(path.to_owned());
                self.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}), origin);
            }
        }
        Ok(())
    }
}

fn message(item: &Item, path: &str) -> Result<Value, Refusal> {
    let role = required(&item.role, path, "role")?;
    if !["user", "assistant", "system", "developer"].contains(&role) {
        let message = format!(
            "'{path}.role' is '{}'; it must be 'user', 'assistant', 'system' or 'developer'.",
            quote(role)
        );
        return Err(invalid(format!("{path}.role"), message, "invalid_value"));
    }
    let content = item.content.as_ref().ok_or_else(|| missing(&format!("{path}.content")))?;
    let mut message = Map::from_iter([("role".to_owned(), json!(role))]);
    let parts = match content {
        ItemContent::Text(text) => {
            message.insert("content".to_owned(), json!(text));
            return Ok(Value::Object(message));
        }
        ItemContent::Parts(parts) => parts,
    };
    let told = ChatParts::of(parts, &format!("{path}.content"))?;
    message.insert("content".to_owned(), told.content(role));
    if !told.refusals.is_empty() {
        message.insert("refusal".to_owned(), json!(told.refusals.join("\n")));
    }
    Ok(Value::Object(message))
}

fn call_output(item: &Item, path: &str) -> Result<Value, Refusal> {
    let call_id = required(&item.call_id, path, "call_id")?;
    let content = match item.output.as_ref().ok_or_else(|| missing(&format!("{path}.output")))? {
        ItemContent::Text(text) => json!(text),
        ItemContent::Parts(parts) => ChatParts::of(parts, &format!("{path}.output"))?.content("tool"),
    };
    Ok(json!({"role": "tool", "tool_call_id": call_id, "content": content}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(json: Value) -> Vec<Item> {
        serde_json::from_value(json).unwrap()
    }

    fn read(input: Value) -> Result<Conversation, Refusal> {
        let mut conversation = Conversation::default();
        conversation.extend(&items(input), Place::Input)?;
        Ok(conversation)
    }

    #[test]
    fn items_become_messages() {
        let conversation = read(json!([
            {"role": "developer", "content": "be brief"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"role": "user", "content": [{"type": "input_text", "text": "b"}, {"type": "input_text", "text": "c"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"role": "assistant", "content": [{"type": "output_text", "text": "d", "annotations": []}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "x"},
            {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "y"}]},
            {"type": "function_call", "call_id": "3", "name": "f", "arguments": "{}"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        ]))
        .unwrap();
        let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}});
        assert_eq!(
            Value::Array(conversation.messages),
            json!([
                {"role": "developer", "content": "be brief"},
                {"role": "user", "content": "a"},
                {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
                {"role": "assistant", "content": "d", "tool_calls": [call("1", "f"), call("2", "g")]},
                {"role": "tool", "tool_call_id": "1", "content": "x"},
                {"role": "tool", "tool_call_id": "2", "content": "y"},
                {"role": "assistant", "content": null, "tool_calls": [call("3", "f")]},
                {"role": "assistant", "content": null, "refusal": "no"},
            ])
        );
        assert_eq!(conversation.ignored, ["input[].reasoning"]);
        assert_eq!(conversation.origins.name("messages[3].tool_calls[1].id"), "input[6]");
        assert_eq!(conversation.origins.name("messages[5].content"), "input[8].output");
    }

    #[test]
    fn what_is_wrong_with_an_item_is_told() {
        let part = |part: Value| json!([{"role": "user", "content": [part]}]);
        let table = [
            (part(json!({"type": "input_audio"})), "input[0].content[0].type", "unsupported_value"),
            (
                part(json!({"type": "input_image", "detail": "low"})),
                "input[0].content[0].image_url",
                "missing_required_parameter",
            ),
            (
                part(json!({"type": "input_file", "filename": "a"})),
                "input[0].content[0].file_data",
                "missing_required_parameter",
            ),
            (json!([{"type": "web_search_call", "id": "a"}]), "input[0].type", "unsupported_value"),
            (json!([{"content": "a"}]), "input[0].role", "missing_required_parameter"),
            (json!([{"role": "tool", "content": "a"}]), "input[0].role", "invalid_value"),
            (json!([{"role": "user"}]), "input[0].content", "missing_required_parameter"),
            (
                json!([{"role": "user", "content": [{"type": "input_text"}]}]),
                "input[0].content[0].text",
                "missing_required_parameter",
            ),
            (
                json!([{"type": "function_call", "call_id": "1", "name": "f"}]),
                "input[0].arguments",
                "missing_required_parameter",
            ),
            (
                json!([{"type": "function_call_output", "output": "a"}]),
                "input[0].call_id",
                "missing_required_parameter",
            ),
            (
                json!([{"type": "function_call_output", "call_id": "a", "output": [{"type": "input_file"}]}]),
                "input[0].output[0].file_data",
                "missing_required_parameter",
            ),
        ];
        for (input, expected, expected_code) in table {
            match read(input.clone()).map(|conversation| conversation.messages) {
                Err(Refusal::InvalidRequest { param, code, .. }) => {
                    assert_eq!((param.as_deref(), code), (Some(expected), Some(expected_code)), "{input}");
                }
                other => panic!("{input}: {other:?}"),
            }
        }
    }
}
