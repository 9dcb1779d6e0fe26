//! The chat request that a request of the Responses API comes to.

use bytes::Bytes;
use interference_api_types::openai::responses::{CreateResponseRequest, ResponseTool, TextFormat};
use interference_backend::Refusal;
use serde_json::{Map, Value, json};

use crate::items::quote;
use crate::parameters::{includes_logprobs, passed_on};
use crate::refusals::{invalid, missing, unsupported};

/// The body of the chat request with these messages.
///
/// # Errors
/// A tool, the choice of one, or the form of the text is not what the API describes, or cannot be had.
pub(crate) fn body(request: &CreateResponseRequest, messages: Vec<Value>) -> Result<Bytes, Refusal> {
    let mut chat = Map::new();
    if let Some(model) = &request.model {
        chat.insert("model".to_owned(), json!(model));
    }
    chat.insert("messages".to_owned(), Value::Array(messages));
    if request.stream == Some(true) {
        chat.insert("stream".to_owned(), json!(true));
        chat.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if includes_logprobs(request) {
        chat.insert("logprobs".to_owned(), json!(true));
        if let Some(count) = request.top_logprobs {
            chat.insert("top_logprobs".to_owned(), json!(count));
        }
    }
    let tools = request.tools.as_deref().unwrap_or_default();
    if !tools.is_empty() {
        let tools: Result<Vec<Value>, Refusal> = tools.iter().enumerate().map(tool).collect();
        chat.insert("tools".to_owned(), Value::Array(tools?));
    }
    if let Some(choice) = &request.tool_choice {
        chat.insert("tool_choice".to_owned(), tool_choice(choice)?);
    }
    if let Some(format) = request.text.as_ref().and_then(|text| text.format.as_ref())
        && let Some(format) = response_format(format)?
    {
        chat.insert("response_format".to_owned(), format);
    }
    chat.extend(passed_on(request).map(|(name, value)| (name.to_owned(), value)));
    Ok(Bytes::from(Value::Object(chat).to_string()))
}

fn tool((position, tool): (usize, &ResponseTool)) -> Result<Value, Refusal> {
    let name = tool.name.as_ref().ok_or_else(|| missing(&format!("tools[{position}].name")))?;
    let members = [
        ("name", Some(json!(name))),
        ("description", tool.description.as_ref().map(|text| json!(text))),
        ("parameters", tool.parameters.clone()),
        ("strict", tool.strict.map(Value::Bool)),
    ];
    Ok(json!({"type": "function", "function": given(members)}))
}

fn tool_choice(choice: &Value) -> Result<Value, Refusal> {
    let wrong = |message: String, code| Err(invalid("tool_choice", message, code));
    match choice {
        Value::String(word) if ["none", "auto", "required"].contains(&word.as_str()) => Ok(choice.clone()),
        Value::String(word) => wrong(
            format!(
                "'tool_choice' is '{}'; it must be 'none', 'auto', 'required' or a function.",
                quote(word)
            ),
            "invalid_value",
        ),
        Value::Object(members) => match (members.get("type").and_then(Value::as_str), members.get("name")) {
            (Some("function"), Some(name @ Value::String(_))) => {
                Ok(json!({"type": "function", "function": {"name": name}}))
            }
            (Some("function"), _) => Err(missing("tool_choice.name")),
            (Some("allowed_tools"), _) => allowed_tools(members),
            (other, _) => {
                let message = format!(
                    "A 'tool_choice' of type '{}' is not supported: only 'function' and 'allowed_tools' are.",
                    quote(other.unwrap_or_default())
                );
                Err(unsupported("tool_choice", message))
            }
        },
        _ => wrong("'tool_choice' must be a string or an object.".to_owned(), "invalid_value"),
    }
}

/// Those functions that may be called, of all that are offered: in a chat they are nested, as the functions are.
fn allowed_tools(choice: &Map<String, Value>) -> Result<Value, Refusal> {
    let mode = choice.get("mode").ok_or_else(|| missing("tool_choice.mode"))?;
    let tools = choice.get("tools").ok_or_else(|| missing("tool_choice.tools"))?;
    let tools = tools.as_array().ok_or_else(|| {
        invalid("tool_choice.tools", "'tool_choice.tools' must be an array.".to_owned(), "invalid_value")
    })?;
    let function = |(position, tool): (usize, &Value)| match (tool["type"].as_str(), &tool["name"]) {
        (Some("function"), name @ Value::String(_)) => {
            Ok(json!({"type": "function", "function": {"name": name}}))
        }
        (Some("function"), _) => Err(missing(&format!("tool_choice.tools[{position}].name"))),
        _ => {
            let message = format!("'tool_choice.tools[{position}]' must be of type 'function'.");
            Err(unsupported("tool_choice.tools", message))
        }
    };
    let tools: Result<Vec<Value>, Refusal> = tools.iter().enumerate().map(function).collect();
    Ok(json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools?}}))
}

/// Plain text is what a chat has without being asked.
fn response_format(format: &TextFormat) -> Result<Option<Value>, Refusal> {
    match format.kind.as_str() {
        "text" => Ok(None),
        "json_object" => Ok(Some(json!({"type": "json_object"}))),
        "json_schema" => {
            let name = format.name.as_ref().ok_or_else(|| missing("text.format.name"))?;
            let schema = format.schema.as_ref().ok_or_else(|| missing("text.format.schema"))?;
            let members = [
                ("name", Some(json!(name))),
                ("description", format.description.as_ref().map(|text| json!(text))),
                ("schema", Some(schema.clone())),
                ("strict", format.strict.map(Value::Bool)),
            ];
            Ok(Some(json!({"type": "json_schema", "json_schema": given(members)})))
        }
        other => {
            let message = format!(
                "'text.format.type' is '{}'; it must be 'text', 'json_object' or 'json_schema'.",
                quote(other)
            );
            Err(invalid("text.format.type", message, "invalid_value"))
        }
    }
}

fn given<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use interference_api_types::parse;

    fn chat(request: &Value) -> Result<Value, Refusal> {
        let request = parse(request.to_string().as_bytes()).unwrap().request;
        let body = body(&request, vec![json!({"role": "user", "content": "a"})])?;
        Ok(serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn a_request_becomes_a_chat_request() {
        let messages = json!([{"role": "user", "content": "a"}]);
        assert_eq!(chat(&json!({"model": "m"})).unwrap(), json!({"model": "m", "messages": messages}));
        let request = json!({
            "model": "m", "stream": true, "max_output_tokens": 20, "temperature": 0.5, "top_p": 1,
            "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"},
                       "strict": true}],
            "tool_choice": {"type": "function", "name": "f"},
            "parallel_tool_calls": false,
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": true}, "verbosity": "low"},
            "include": ["message.output_text.logprobs"], "top_logprobs": 2,
            "reasoning": {"effort": "high"}, "user": "u", "service_tier": "flex", "seed": 7, "stop": null,
        });
        assert_eq!(
            chat(&request).unwrap(),
            json!({
                "model": "m", "messages": messages, "stream": true, "stream_options": {"include_usage": true},
                "logprobs": true, "top_logprobs": 2,
                "tools": [{"type": "function", "function": {
                    "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true,
                }}],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
                "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": true}},
                "max_completion_tokens": 20, "temperature": 0.5, "top_p": 1.0, "parallel_tool_calls": false,
                "reasoning_effort": "high", "verbosity": "low", "user": "u", "service_tier": "flex", "seed": 7,
            })
        );
    }

    #[test]
    fn functions_that_are_allowed_are_nested_as_a_chat_has_them() {
        let allowed = json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]});
        assert_eq!(
            chat(&json!({"tool_choice": allowed})).unwrap()["tool_choice"],
            json!({"type": "allowed_tools", "allowed_tools": {
                "mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}],
            }})
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        let table = [
            (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
            (json!({"tool_choice": "some"}), "tool_choice"),
            (json!({"tool_choice": 7}), "tool_choice"),
            (json!({"tool_choice": {"type": "function"}}), "tool_choice.name"),
            (json!({"tool_choice": {"type": "web_search"}}), "tool_choice"),
            (json!({"tool_choice": {"type": "allowed_tools", "tools": []}}), "tool_choice.mode"),
            (json!({"tool_choice": {"type": "allowed_tools", "mode": "auto"}}), "tool_choice.tools"),
            (
                json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": 7}}),
                "tool_choice.tools",
            ),
            (
                json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function"}]}}),
                "tool_choice.tools[0].name",
            ),
            (
                json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}}),
                "tool_choice.tools",
            ),
            (json!({"text": {"format": {"type": "yaml"}}}), "text.format.type"),
            (json!({"text": {"format": {"type": "json_schema", "name": "n"}}}), "text.format.schema"),
            (json!({"text": {"format": {"type": "json_schema", "schema": {}}}}), "text.format.name"),
        ];
        for (request, name) in table {
            match chat(&request) {
                Err(Refusal::InvalidRequest { param, .. }) => {
                    assert_eq!(param.as_deref(), Some(name), "{request}")
                }
                other => panic!("{request}: {other:?}"),
            }
        }
    }
}
