//! Messages and tools as a model's template takes them.
//!
//! A template that knows tools gets them as they are. For one that does not, calls are explained in a system message,
//! and what became of earlier ones is told in messages of kinds that every template knows. All of that is text of
//! messages: none of it becomes a control token.

use interference_engine::{ChatMessage, ChatTool, MessageToolCall};
use serde_json::{Value, json};

use super::format::Format;
use super::spaced_json::spaced_json;

/// What the engine is to render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolPrompt {
    pub(crate) messages: Vec<ChatMessage>,
    pub(crate) tools: Vec<ChatTool>,
}

/// Prepares a conversation in which these tools may be called. Whoever forbids calls leaves the tools out; earlier
/// calls and their results are told all the same.
pub(crate) fn tool_prompt(format: Format, messages: Vec<ChatMessage>, tools: Vec<ChatTool>) -> ToolPrompt {
    match format {
        Format::Hermes | Format::Mistral => ToolPrompt { messages, tools },
        Format::Llama => {
            let messages = messages.into_iter().flat_map(one_call_a_message).collect();
            ToolPrompt { messages, tools }
        }
        Format::Explained => {
            let mut messages = in_words(messages);
            if !tools.is_empty() {
                explain(&mut messages, &tools);
            }
            ToolPrompt { messages, tools: Vec::new() }
        }
    }
}

/// Templates of this family refuse a message of more than one call, and leave out what is said beside it.
fn one_call_a_message(mut message: ChatMessage) -> Vec<ChatMessage> {
    let calls = std::mem::take(&mut message.tool_calls);
    if calls.is_empty() {
        return vec![message];
    }
    let role = message.role.clone();
    let said = Some(message).filter(|message| !message.content.is_empty());
    let calls =
        calls.into_iter().map(|call| ChatMessage { tool_calls: vec![call], ..ChatMessage::new(&role, "") });
    said.into_iter().chain(calls).collect()
}

/// Puts how functions are called, and which there are, before whatever else the system says.
fn explain(messages: &mut Vec<ChatMessage>, tools: &[ChatTool]) {
    let list: Vec<String> = tools.iter().map(|tool| spaced_json(&signature(tool))).collect();
    let explanation = format!(
        "You can call these functions. Each line describes one, with a JSON schema of its arguments:\n\
         <tools>\n{}\n</tools>\n\n\
         To call a function, write its name and its arguments in this form and nothing else:\n\
         <tool_call>\n{{\"name\": \"the name\", \"arguments\": {{\"an argument\": \"its value\"}}}}\n</tool_call>\n\n\
         What it returns is then told between <tool_response> and </tool_response>. When no function is of use, \
         answer in plain words.",
        list.join("\n")
    );
    match messages.first_mut() {
        Some(first) if first.role == "system" => {
            first.content = format!("{explanation}\n\n{}", first.content)
        }
        _ => messages.insert(0, ChatMessage::new("system", explanation)),
    }
}

fn signature(tool: &ChatTool) -> Value {
    let mut signature = json!({"name": tool.name});
    if let Some(description) = &tool.description {
        signature["description"] = json!(description);
    }
    let none = || json!({"type": "object", "properties": {}});
    signature["parameters"] = tool.parameters.clone().unwrap_or_else(none);
    signature
}

/// Calls and results as text. Results that follow each other are one message, so that speakers take turns.
fn in_words(messages: Vec<ChatMessage>) -> Vec<ChatMessage> {
    let mut told: Vec<ChatMessage> = Vec::with_capacity(messages.len());
    let mut is_result_last = false;
    for message in messages {
        let is_result = message.role == "tool";
        if is_result {
            let response = format!("<tool_response>\n{}\n</tool_response>", message.content);
            match told.last_mut() {
                Some(last) if is_result_last => {
                    last.content.push('\n');
                    last.content.push_str(&response);
                }
                _ => told.push(ChatMessage::new("user", response)),
            }
        } else {
            told.push(with_calls_in_words(message));
        }
        is_result_last = is_result;
    }
    told
}

fn with_calls_in_words(mut message: ChatMessage) -> ChatMessage {
    for call in std::mem::take(&mut message.tool_calls) {
        if !message.content.is_empty() {
            message.content.push('\n');
        }
        message.content.push_str(&in_the_form_of_hermes(&call));
    }
    message
}

fn in_the_form_of_hermes(call: &MessageToolCall) -> String {
    let arguments: Result<Value, _> = serde_json::from_str(&call.arguments);
    let arguments = arguments.map_or_else(|_| call.arguments.clone(), |arguments| spaced_json(&arguments));
    format!("<tool_call>\n{{\"name\": {}, \"arguments\": {arguments}}}\n</tool_call>", json!(call.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, name: &str, arguments: &str) -> MessageToolCall {
        MessageToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
    }

    fn result(id: &str, content: &str) -> ChatMessage {
        ChatMessage { tool_call_id: Some(id.into()), ..ChatMessage::new("tool", content) }
    }

    fn conversation() -> Vec<ChatMessage> {
        let calls = vec![call("1", "grow", r#"{"metres":3}"#), call("2", "re\"st", "no JSON")];
        vec![
            ChatMessage::new("user", "Grow."),
            ChatMessage { tool_calls: calls, ..ChatMessage::new("assistant", "So be it.") },
            result("1", "grown"),
            result("2", "rested"),
            ChatMessage::new("assistant", "Done."),
        ]
    }

    fn tools() -> Vec<ChatTool> {
        let parameters = json!({"type": "object", "properties": {"metres": {"type": "number"}}});
        vec![
            ChatTool {
                name: "grow".into(),
                description: Some("Grows.".into()),
                parameters: Some(parameters),
            },
            ChatTool { name: "rest".into(), description: None, parameters: None },
        ]
    }

    const EXPLANATION: &str = r#"You can call these functions. Each line describes one, with a JSON schema of its arguments:
<tools>
{"name": "grow", "description": "Grows.", "parameters": {"type": "object", "properties": {"metres": {"type": "number"}}}}
{"name": "rest", "parameters": {"type": "object", "properties": {}}}
</tools>

To call a function, write its name and its arguments in this form and nothing else:
<tool_call>
{"name": "the name", "arguments": {"an argument": "its value"}}
</tool_call>

What it returns is then told between <tool_response> and </tool_response>. When no function is of use, answer in plain words."#;

    #[test]
    fn templates_that_know_tools_get_them_as_they_are() {
        for format in [Format::Hermes, Format::Mistral] {
            let prompt = tool_prompt(format, conversation(), tools());
            assert_eq!(prompt, ToolPrompt { messages: conversation(), tools: tools() });
        }
    }

    #[test]
    fn a_llama_makes_one_call_at_a_time() {
        let prompt = tool_prompt(Format::Llama, conversation(), tools());
        let one = |call| ChatMessage { tool_calls: vec![call], ..ChatMessage::new("assistant", "") };
        let mut expected = conversation();
        let calls = std::mem::take(&mut expected[1].tool_calls);
        expected.splice(2..2, calls.into_iter().map(one));
        assert_eq!(prompt, ToolPrompt { messages: expected, tools: tools() });
    }

    #[test]
    fn others_are_told_in_words() {
        let prompt = tool_prompt(Format::Explained, conversation(), tools());
        let calls = "So be it.\n<tool_call>\n{\"name\": \"grow\", \"arguments\": {\"metres\": 3}}\n</tool_call>\n<tool_call>\n{\"name\": \"re\\\"st\", \"arguments\": no JSON}\n</tool_call>";
        let results = "<tool_response>\ngrown\n</tool_response>\n<tool_response>\nrested\n</tool_response>";
        let messages = vec![
            ChatMessage::new("system", EXPLANATION),
            ChatMessage::new("user", "Grow."),
            ChatMessage::new("assistant", calls),
            ChatMessage::new("user", results),
            ChatMessage::new("assistant", "Done."),
        ];
        assert_eq!(prompt, ToolPrompt { messages, tools: vec![] });
    }

    #[test]
    fn the_callers_own_system_message_comes_behind_the_explanation() {
        let messages = vec![ChatMessage::new("system", "Be brief."), ChatMessage::new("user", "a")];
        let prompt = tool_prompt(Format::Explained, messages, tools());
        assert_eq!(prompt.messages[0], ChatMessage::new("system", format!("{EXPLANATION}\n\nBe brief.")));
        assert_eq!(prompt.messages.len(), 2);
    }

    #[test]
    fn without_tools_nothing_is_explained() {
        let messages = vec![ChatMessage::new("user", "a"), result("1", "b"), ChatMessage::new("user", "c")];
        let prompt = tool_prompt(Format::Explained, messages, vec![]);
        let told =
            ["a", "<tool_response>\nb\n</tool_response>", "c"].map(|text| ChatMessage::new("user", text));
        assert_eq!(prompt.messages, told);
    }
}
