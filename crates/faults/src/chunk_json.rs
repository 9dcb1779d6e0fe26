//! What the JSON of an answer says of finish reason, role, usage and content, and edits of it.
//!
//! Knows the chat and the text API (`choices`), and of the Responses API which events carry content and usage. An edit
//! changes what it names and nothing else: other members keep their order and their values.

use serde_json::{Map, Value, json};

use crate::drawn::AnswerKind;
use crate::plan::model::{Faults, FinishReasonFault, RoleFault, UsageFault};

/// The text of the chunk that follows the end.
const TEXT_AFTER_DONE: &str = " (after done)";

/// Events of the Responses API that come before any content.
const OPENING_TYPES: [&str; 5] = [
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
];

/// Members of a delta that carry content.
const CONTENT_MEMBERS: [&str; 8] =
    ["content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call", "audio", "text"];

/// What an event is to the pace of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It says who speaks, and no more.
    Opening,
    /// It carries a part of the answer.
    Content,
    /// Anything else: the end, usage, an error.
    Other,
}

/// What an event means.
pub(crate) fn meaning(event: &Value) -> Meaning {
    if let Some(choices) = event.get("choices").and_then(Value::as_array) {
        if choices.iter().any(has_content) {
            return Meaning::Content;
        }
        let opens = |choice: &Value| choice.pointer("/delta/role").is_some() && !is_finished(choice);
        return if choices.iter().any(opens) { Meaning::Opening } else { Meaning::Other };
    }
    match event.get("type").and_then(Value::as_str) {
        Some(name) if name.ends_with(".delta") => Meaning::Content,
        Some(name) if OPENING_TYPES.contains(&name) => Meaning::Opening,
        _ => Meaning::Other,
    }
}

fn has_content(choice: &Value) -> bool {
    let holds_something = |value: &Value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(_) => true,
        _ => false,
    };
    let delta = choice.get("delta").unwrap_or(choice);
    CONTENT_MEMBERS.iter().any(|member| delta.get(member).is_some_and(holds_something))
}

fn is_finished(choice: &Value) -> bool {
    choice.get("finish_reason").is_some_and(|reason| !reason.is_null())
}

/// A copy of a content chunk with a text of its own, as if it came after the end.
pub(crate) fn chunk_after_done(content: &Value) -> Value {
    let mut chunk = content.clone();
    for choice in choices_mut(&mut chunk) {
        let holder = match choice.get_mut("delta").and_then(Value::as_object_mut) {
            Some(delta) => (delta, "content"),
            None => (choice, "text"),
        };
        holder.0.insert(holder.1.to_owned(), json!(TEXT_AFTER_DONE));
    }
    chunk
}

/// What became of a chunk or a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Edited {
    pub(crate) finish_reason: Change,
    pub(crate) role: Change,
    pub(crate) usage: Change,
}

/// What one fault did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Change {
    #[default]
    Nothing,
    Edited,
    /// The chunk as a whole is to go.
    Dropped,
}

impl Edited {
    pub(crate) fn all(self) -> [(&'static str, Change); 3] {
        [("finish_reason", self.finish_reason), ("role", self.role), ("usage", self.usage)]
    }
}

/// Edits the chunks of one stream in their order, or one body.
#[derive(Debug)]
pub(crate) struct ChunkEditor {
    kind: AnswerKind,
    finish_reason: Option<FinishReasonFault>,
    role: Option<RoleFault>,
    usage: Option<UsageFault>,
    /// The role that was told last.
    last_role: Value,
    content_chunks: u64,
}

impl ChunkEditor {
    pub(crate) fn new(kind: AnswerKind, faults: &Faults) -> ChunkEditor {
        ChunkEditor {
            kind,
            finish_reason: faults.finish_reason.clone(),
            role: faults.role,
            usage: faults.usage,
            last_role: json!("assistant"),
            content_chunks: 0,
        }
    }

    /// Whether it changes anything at all.
    pub(crate) fn is_needed(&self) -> bool {
        self.finish_reason.is_some() || self.role.is_some() || self.usage.is_some()
    }

    /// Edits a chunk of a stream, or a whole body.
    pub(crate) fn edit(&mut self, value: &mut Value) -> Edited {
        if meaning(value) == Meaning::Content {
            self.content_chunks += 1;
        }
        Edited {
            finish_reason: self.edit_finish_reason(value),
            role: self.edit_role(value),
            usage: self.edit_usage(value),
        }
    }

    fn edit_finish_reason(&self, value: &mut Value) -> Change {
        let Some(fault) = &self.finish_reason else { return Change::Nothing };
        let mut change = Change::Nothing;
        for choice in choices_mut(value) {
            let Some(reason) = choice.get_mut("finish_reason").filter(|reason| !reason.is_null()) else {
                continue;
            };
            change = Change::Edited;
            match (fault, self.kind) {
                (FinishReasonFault::Omit, AnswerKind::Stream) => return Change::Dropped,
                (FinishReasonFault::Omit, AnswerKind::Whole) => drop(choice.shift_remove("finish_reason")),
                (FinishReasonFault::Null, _) => *reason = Value::Null,
                (FinishReasonFault::Other(other), _) => *reason = json!(other),
            }
        }
        change
    }

    fn edit_role(&mut self, value: &mut Value) -> Change {
        let Some(fault) = self.role else { return Change::Nothing };
        let holder = if self.kind == AnswerKind::Stream { "delta" } else { "message" };
        let mut change = Change::Nothing;
        for choice in choices_mut(value) {
            let Some(speaker) = choice.get_mut(holder).and_then(Value::as_object_mut) else { continue };
            match (fault, speaker.get("role")) {
                (RoleFault::Omit, Some(_)) => {
                    speaker.shift_remove("role");
                    change = Change::Edited;
                }
                (RoleFault::Repeat, None) => {
                    speaker.shift_insert(0, "role".to_owned(), self.last_role.clone());
                    change = Change::Edited;
                }
                (RoleFault::Repeat, Some(role)) => self.last_role = role.clone(),
                (RoleFault::Omit, None) => {}
            }
        }
        change
    }

    fn edit_usage(&self, value: &mut Value) -> Change {
        let (Some(fault), Some(object)) = (self.usage, usage_holder(value)) else { return Change::Nothing };
        if fault == UsageFault::EveryChunk {
            return self.add_usage(object);
        }
        let Some(usage) = object.get_mut("usage") else { return Change::Nothing };
        let was = usage.clone();
        match fault {
            UsageFault::Omit => return self.omit_usage(object),
            UsageFault::Null => *usage = Value::Null,
            UsageFault::Zero => change_numbers(usage, &|_| json!(0)),
            UsageFault::Negative => change_numbers(usage, &|number| json!(negative(number))),
            UsageFault::Text => change_numbers(usage, &|number| json!(number.to_string())),
            UsageFault::EveryChunk => {}
        }
        if *usage == was { Change::Nothing } else { Change::Edited }
    }

    fn omit_usage(&self, object: &mut Map<String, Value>) -> Change {
        let nothing_else = object.get("choices").and_then(Value::as_array).is_some_and(Vec::is_empty);
        if nothing_else && self.kind == AnswerKind::Stream {
            return Change::Dropped;
        }
        object.shift_remove("usage");
        Change::Edited
    }

    /// Puts the usage so far into a chunk that has none. How long the prompt was only the last chunk tells.
    fn add_usage(&self, object: &mut Map<String, Value>) -> Change {
        let has_usage = object.get("usage").is_some_and(|usage| !usage.is_null());
        if has_usage || !object.get("choices").is_some_and(Value::is_array) {
            return Change::Nothing;
        }
        let tokens = self.content_chunks;
        let usage = json!({"prompt_tokens": 0, "completion_tokens": tokens, "total_tokens": tokens});
        object.insert("usage".to_owned(), usage);
        Change::Edited
    }
}

fn choices_mut(value: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let choices = value.get_mut("choices").and_then(Value::as_array_mut);
    choices.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The object that has the usage: the chunk or the body itself, or the response that an event of the Responses API
/// tells.
fn usage_holder(value: &mut Value) -> Option<&mut Map<String, Value>> {
    let object = value.as_object_mut()?;
    if object.get("response").is_some_and(Value::is_object) {
        return object.get_mut("response").and_then(Value::as_object_mut);
    }
    Some(object)
}

/// Changes every number within a value; how deep JSON is nested is bounded by its parser.
fn change_numbers(value: &mut Value, change: &impl Fn(&serde_json::Number) -> Value) {
    match value {
        Value::Number(number) => *value = change(number),
        Value::Array(list) => list.iter_mut().for_each(|entry| change_numbers(entry, change)),
        Value::Object(object) => object.values_mut().for_each(|entry| change_numbers(entry, change)),
        _ => {}
    }
}

/// The number below zero; -1 in place of 0, which has no negative.
fn negative(number: &serde_json::Number) -> i64 {
    match number.as_i64() {
        Some(0) | None => -1,
        Some(number) => -number.saturating_abs(),
    }
}
