//! What a template sees of a conversation: messages, the calls in them and the tools, as Hugging Face's templates
//! expect them, with every text of the caller's behind a fence.
//!
//! Also texts inside a tool's parameters and a call's arguments are fenced, and the names of properties. Words that
//! JSON Schema gives a meaning stay bare where they have it, so that templates can look for them. Ids of calls are
//! replaced by numbers: all that they tell is which message belongs to which call; some templates insist on their
//! length; and an answer should not depend on what was drawn at random for an earlier one.
//!
//! Refuses to know how templates are run.

use std::collections::HashMap;

use minijinja::value::Serde;
use minijinja::{Value, context};
use serde_json::Value as Json;

use super::TemplateError;
use super::fence::Fence;
use crate::generation::{ChatMessage, ChatTool, MessageToolCall};

/// Lists and objects inside each other, in a tool's parameters or a call's arguments. With what the template wraps
/// around them, they stay within the depth of its values.
const DEEPEST_JSON: usize = 24;
/// So many bytes of a text count as a part.
const BYTES_OF_A_PART: usize = 64;

/// Keys of a schema that templates look for. Their values are schemas, lists of them, or plain data.
const SCHEMA_WORDS: [&str; 28] = [
    "$defs",
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "default",
    "definitions",
    "description",
    "enum",
    "examples",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "title",
    "type",
];
/// Names of types.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// The values of a template's context that come from a caller.
pub(super) struct Conversation {
    pub(super) messages: Vec<Value>,
    /// None where there are no tools at all.
    pub(super) tools: Option<Vec<Value>>,
    /// Of all texts.
    pub(super) bytes: usize,
    /// What tools and calls consist of: numbers, names, and texts by their length.
    pub(super) parts: usize,
}

impl Conversation {
    /// Puts every text behind a fence, which is to be taken away of what is rendered.
    pub(super) fn fenced(
        messages: &[ChatMessage],
        tools: &[ChatTool],
    ) -> Result<(Conversation, Fence), TemplateError> {
        if let Some(deep) = tools.iter().find(|tool| tool.parameters.as_ref().is_some_and(is_too_deep)) {
            return Err(TemplateError::DeepTool { tool: deep.name.clone(), most: DEEPEST_JSON });
        }
        let calls = messages.iter().flat_map(|message| &message.tool_calls);
        let arguments: Vec<Json> = calls.map(arguments_of).collect();
        // Written out, so that a mark that was hidden by an escape is seen.
        let schemas = tools.iter().filter_map(|tool| tool.parameters.as_ref());
        let written: Vec<String> = arguments.iter().chain(schemas).map(Json::to_string).collect();
        let texts = || {
            let of_messages = messages.iter().flat_map(texts_of_message);
            let of_tools = tools
                .iter()
                .flat_map(|tool| [tool.name.as_str(), tool.description.as_deref().unwrap_or_default()]);
            of_messages.chain(of_tools).chain(written.iter().map(String::as_str))
        };
        let fence = Fence::for_texts(texts());
        let bytes = texts().map(str::len).sum();
        let mut fencing = Fencing { fence: &fence, parts: 0, call_ids: HashMap::new() };
        let mut arguments = arguments.iter();
        let messages = messages.iter().map(|message| fencing.message(message, &mut arguments)).collect();
        let tools = tools.iter().map(|tool| fencing.tool(tool)).collect();
        let parts = fencing.parts;
        let tools = Some(tools).filter(|tools: &Vec<Value>| !tools.is_empty());
        Ok((Conversation { messages, tools, bytes, parts }, fence))
    }
}

/// A call's arguments: an object, or a text where they are none that templates could go through.
fn arguments_of(call: &MessageToolCall) -> Json {
    let object = serde_json::from_str(&call.arguments).ok().filter(|json: &Json| json.is_object());
    object.filter(|json| !is_too_deep(json)).unwrap_or_else(|| Json::String(call.arguments.clone()))
}

fn texts_of_message(message: &ChatMessage) -> impl Iterator<Item = &str> {
    let named = message.tool_calls.iter().map(|call| call.name.as_str()).chain(message.name.as_deref());
    [message.content.as_str(), message.role.as_str()].into_iter().chain(named)
}

fn is_too_deep(json: &Json) -> bool {
    fn is_deeper(json: &Json, levels: usize) -> bool {
        match json {
            Json::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
            Json::Object(members) => {
                levels == 0 || members.values().any(|value| is_deeper(value, levels - 1))
            }
            _ => false,
        }
    }
    is_deeper(json, DEEPEST_JSON)
}

/// What a value of a schema stands for, which decides what of it is the caller's own words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// A schema, or a list of schemas.
    Schema,
    /// Schemas by names of the caller's.
    Named,
    /// The name of a type, or a list of them.
    Type,
    /// Anything.
    Data,
}

impl Meaning {
    /// What the value behind this word of a schema stands for.
    fn behind(word: &str) -> Meaning {
        match word {
            "$defs" | "definitions" | "patternProperties" | "properties" => Meaning::Named,
            "additionalProperties" | "allOf" | "anyOf" | "items" | "not" | "oneOf" => Meaning::Schema,
            "type" => Meaning::Type,
            _ => Meaning::Data,
        }
    }
}

struct Fencing<'a> {
    fence: &'a Fence,
    parts: usize,
    /// What stands for the caller's ids.
    call_ids: HashMap<&'a str, String>,
}

impl<'a> Fencing<'a> {
    fn message<'j>(
        &mut self,
        message: &'a ChatMessage,
        arguments: &mut impl Iterator<Item = &'j Json>,
    ) -> Value {
        let mut members = vec![
            ("role", Value::from(&message.role)),
            ("content", Value::from(self.fence.around(&message.content))),
        ];
        // Templates ask whether these are there, rather than whether they are empty.
        if !message.tool_calls.is_empty() {
            let calls = message.tool_calls.iter().zip(arguments);
            let calls: Vec<Value> = calls.map(|(call, arguments)| self.call(call, arguments)).collect();
            members.push(("tool_calls", Value::from(calls)));
        }
        if let Some(id) = &message.tool_call_id {
            members.push(("tool_call_id", self.call_id(id)));
        }
        if let Some(name) = &message.name {
            members.push(("name", self.text(name)));
        }
        Value::from_pairs(members)
    }

    fn call(&mut self, call: &'a MessageToolCall, arguments: &Json) -> Value {
        let function =
            context! { name => self.text(&call.name), arguments => self.json(arguments, Meaning::Data) };
        context! { id => self.call_id(&call.id), type => "function", function }
    }

    fn tool(&mut self, tool: &ChatTool) -> Value {
        let mut function = vec![("name", self.text(&tool.name))];
        if let Some(description) = &tool.description {
            function.push(("description", self.text(description)));
        }
        let none = serde_json::json!({"type": "object", "properties": {}});
        let parameters = tool.parameters.as_ref().unwrap_or(&none);
        function.push(("parameters", self.json(parameters, Meaning::Schema)));
        context! { type => "function", function => Value::from_pairs(function) }
    }

    /// Nine letters and digits, none of them the caller's: the only length that every template takes.
    fn call_id(&mut self, id: &'a str) -> Value {
        self.parts += 1;
        let next = self.call_ids.len();
        Value::from(self.call_ids.entry(id).or_insert_with(|| format!("call{next:05}")).as_str())
    }

    fn text(&mut self, text: &str) -> Value {
        self.parts += 1 + text.len() / BYTES_OF_A_PART;
        Value::from(self.fence.around(text))
    }

    fn json(&mut self, json: &Json, meaning: Meaning) -> Value {
        match json {
            Json::String(word) if meaning == Meaning::Type && TYPES.contains(&word.as_str()) => {
                self.parts += 1;
                Value::from(word)
            }
            Json::String(text) => self.text(text),
            Json::Array(items) => {
                self.parts += 1;
                items.iter().map(|item| self.json(item, meaning)).collect()
            }
            Json::Object(members) => {
                self.parts += 1;
                let members = members.iter().map(|(key, value)| self.member(key, value, meaning));
                Value::from_pairs(members)
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {
                self.parts += 1;
                Value::from(Serde(json))
            }
        }
    }

    fn member(&mut self, key: &str, value: &Json, meaning: Meaning) -> (Value, Value) {
        match meaning {
            Meaning::Schema if SCHEMA_WORDS.contains(&key) => {
                self.parts += 1;
                (Value::from(key), self.json(value, Meaning::behind(key)))
            }
            Meaning::Named => (self.text(key), self.json(value, Meaning::Schema)),
            Meaning::Schema | Meaning::Type | Meaning::Data => {
                (self.text(key), self.json(value, Meaning::Data))
            }
        }
    }
}
