//! What a chat's answer says, whole or streamed, in one form.
//!
//! Owns a tolerant reading of both, so that a case asks of a whole answer and of a stream the same question: what each
//! choice says, which calls it makes, which log probabilities it brings, whether it has come to its end. Whatever is
//! missing or of another type is passed over or kept as it is. Knows no requirement.

use std::sync::Arc;

use serde_json::Value;

use crate::case::{Objection, ObjectionKind, Outcome, held};
use crate::chat::Chat;
use crate::chat_stream::ChatStream;
use crate::exchange::{Exchange, excerpt};
use crate::trial::Trial;

/// What of a body or a text is told, in characters.
const TOLD_CHARACTERS: usize = 120;

/// An accepted answer with at least one choice.
#[derive(Debug, Clone)]
pub(crate) struct ChatAnswer {
    /// Where it comes from.
    pub(crate) exchange: Arc<Exchange>,
    /// In which form it came.
    pub(crate) form: Form,
    /// Its choices, in their order, those of a stream by index.
    pub(crate) choices: Vec<Choice>,
    /// `usage.completion_tokens`, where it is told.
    pub(crate) completion_tokens: Option<u64>,
}

/// In which form an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As one JSON value.
    Whole,
    /// As a stream of chunks.
    Streamed,
}

/// What one choice says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Choice {
    /// The content, as far as it is text; joined where it was streamed.
    pub(crate) content: String,
    /// What the model says instead of an answer.
    pub(crate) refusal: String,
    /// Whether the model has told what it thought before.
    pub(crate) has_reasoning: bool,
    /// The first finish reason that is not null; null if there is none.
    pub(crate) finish_reason: Value,
    /// The calls of tools.
    pub(crate) calls: Vec<Call>,
    /// The entries of `logprobs.content`; none where there is no such array.
    pub(crate) logprobs: Option<Vec<Value>>,
}

/// A call of a tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Call {
    /// Of a stream: what its first delta has as `index`.
    pub(crate) index: Value,
    /// Its `id`; null if there is none.
    pub(crate) id: Value,
    /// Its `type`.
    pub(crate) kind: Value,
    /// The function's name.
    pub(crate) name: Value,
    /// The function's arguments: fragments that are strings joined, else the first that is none.
    pub(crate) arguments: Value,
    /// Where it is, or begins, for people.
    pub(crate) place: String,
}

/// The answers to several questions, as far as they were accepted: one at least.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    answers: Vec<ChatAnswer>,
    /// Why one of them is missing, if the server has not declined it.
    doubt: Option<Objection>,
}

impl Answers {
    /// Asks all of them.
    ///
    /// # Errors
    /// Where there is no answer to any: why.
    pub(crate) async fn ask(trial: &Trial, questions: Vec<Chat<'_>>) -> Result<Answers, Objection> {
        let (mut answers, mut doubt, mut declined) = (Vec::new(), None, None);
        for question in questions {
            match ChatAnswer::read(&trial.ask(question).await) {
                Ok(answer) => answers.push(answer),
                Err(objection) if objection.kind == ObjectionKind::Unsupported => {
                    declined = declined.or(Some(objection));
                }
                Err(objection) => doubt = doubt.or(Some(objection)),
            }
        }
        if answers.is_empty() {
            let none = || Objection::harness("nothing was asked");
            return Err(doubt.or(declined).unwrap_or_else(none));
        }
        Ok(Answers { answers, doubt })
    }

    /// Asks for a chat whole and streamed.
    ///
    /// # Errors
    /// As [`Answers::ask`].
    pub(crate) async fn both(trial: &Trial, chat: Chat<'_>) -> Result<Answers, Objection> {
        Answers::ask(trial, vec![chat.clone(), chat.streamed()]).await
    }

    /// Those that there are, in the order of the questions.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, ChatAnswer> {
        self.answers.iter()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// The first one.
    pub(crate) fn first(&self) -> Option<&ChatAnswer> {
        self.answers.first()
    }

    /// The requirement holds in what was answered, and a doubt about the rest is a doubt about all: a server that fails at
    /// every stream is not sound for its whole answers.
    ///
    /// # Errors
    /// That doubt.
    pub(crate) fn held(&self, seen: impl Into<String>) -> Outcome {
        self.doubt.clone().map_or_else(|| held(seen), Err)
    }
}

impl ChatAnswer {
    /// Reads an answer of either form, by what it is.
    ///
    /// # Errors
    /// What [`Exchange::accepted`] says; INCONCLUSIVE where there is no choice in the answer, or an error in its place.
    pub(crate) fn read(exchange: &Arc<Exchange>) -> Result<ChatAnswer, Objection> {
        exchange.accepted()?;
        let answer = match exchange.json() {
            Ok(body) => ChatAnswer::whole(exchange, &body),
            Err(_) => ChatAnswer::streamed(&ChatStream::read(exchange)?.unbroken()?),
        };
        if answer.choices.is_empty() {
            let body = excerpt(exchange.body(), TOLD_CHARACTERS);
            return Err(answer.inconclusive(format!("no choice in the answer: {body}")));
        }
        Ok(answer)
    }

    fn whole(exchange: &Arc<Exchange>, body: &Value) -> ChatAnswer {
        let choices = body.get("choices").and_then(Value::as_array);
        let choice = |(index, choice): (usize, &Value)| Choice::whole(index, choice);
        ChatAnswer {
            exchange: Arc::clone(exchange),
            form: Form::Whole,
            choices: choices.into_iter().flatten().enumerate().map(choice).collect(),
            completion_tokens: body.pointer("/usage/completion_tokens").and_then(Value::as_u64),
        }
    }

    fn streamed(stream: &ChatStream) -> ChatAnswer {
        let tokens = |usage: &Value| usage.get("completion_tokens").and_then(Value::as_u64);
        ChatAnswer {
            exchange: Arc::clone(&stream.exchange),
            form: Form::Streamed,
            choices: stream.indexes().into_iter().map(|index| Choice::streamed(stream, index)).collect(),
            completion_tokens: stream.usages().last().and_then(|(_, usage)| tokens(usage)),
        }
    }

    /// Every call of every choice, in order.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.choices.iter().flat_map(|choice| &choice.calls)
    }

    /// Why nothing follows from what is missing in this answer: it was cut short, or filtered, or refused by the model.
    pub(crate) fn unfinished(&self) -> Option<String> {
        self.choices.iter().find_map(Choice::unfinished)
    }

    /// An objection about this answer.
    pub(crate) fn broken(&self, seen: impl Into<String>) -> Objection {
        Objection::broken(format!("{}: {}", self.form.told(), seen.into())).about(&self.exchange)
    }

    /// The same for what could not be judged.
    pub(crate) fn inconclusive(&self, seen: impl Into<String>) -> Objection {
        Objection::inconclusive(format!("{}: {}", self.form.told(), seen.into())).about(&self.exchange)
    }
}

impl Form {
    /// For people.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Form::Whole => "whole",
            Form::Streamed => "streamed",
        }
    }
}

/// `whole and streamed`, for people: in which forms there were answers.
pub(crate) fn told_forms<'a>(answers: impl IntoIterator<Item = &'a ChatAnswer>) -> String {
    let mut forms: Vec<&str> = answers.into_iter().map(|answer| answer.form.told()).collect();
    forms.sort_unstable_by_key(|form| *form != Form::Whole.told());
    forms.dedup();
    forms.join(" and ")
}

/// What a case comes to that looks at each form by itself: a flaw of either decides, then a doubt about either; what the
/// server declines in one form alone is none.
pub(crate) fn in_both_forms(
    whole: Result<String, Objection>,
    streamed: Result<String, Objection>,
) -> Outcome {
    match (whole, streamed) {
        (Ok(whole), Ok(streamed)) => held(format!("whole: {whole}; streamed: {streamed}")),
        (Err(objection), _) | (_, Err(objection)) if objection.kind == ObjectionKind::Broken => {
            Err(objection)
        }
        (Ok(told), Err(objection)) | (Err(objection), Ok(told))
            if objection.kind == ObjectionKind::Unsupported =>
        {
            held(told)
        }
        (Err(objection), _) | (_, Err(objection)) => Err(objection),
    }
}

impl Choice {
    fn whole(position: usize, choice: &Value) -> Choice {
        let message = choice.get("message").unwrap_or(&Value::Null);
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
        let calls = message.get("tool_calls").and_then(Value::as_array);
        let call = |(index, call): (usize, &Value)| {
            Call::whole(call, format!("choices[{position}].message.tool_calls[{index}]"))
        };
        Choice {
            content: text("content").to_owned(),
            refusal: text("refusal").to_owned(),
            has_reasoning: is_reasoning(message),
            finish_reason: choice.get("finish_reason").cloned().unwrap_or_default(),
            calls: calls.into_iter().flatten().enumerate().map(call).collect(),
            logprobs: choice.pointer("/logprobs/content").and_then(Value::as_array).cloned(),
        }
    }

    fn streamed(stream: &ChatStream, index: u64) -> Choice {
        let deltas = || stream.choices_of(index).filter_map(|(_, choice)| choice.get("delta"));
        let entries: Vec<&Vec<Value>> = stream
            .choices_of(index)
            .filter_map(|(_, choice)| choice.pointer("/logprobs/content")?.as_array())
            .collect();
        let mut calls = Vec::new();
        for (chunk, delta) in stream.tool_call_deltas(index) {
            Call::take(&mut calls, delta, || stream.place(chunk.event));
        }
        Choice {
            content: stream.text(index),
            refusal: deltas().filter_map(|delta| delta.get("refusal")?.as_str()).collect(),
            has_reasoning: deltas().any(is_reasoning),
            finish_reason: stream
                .finish_reasons(index)
                .first()
                .map(|(_, reason)| (*reason).clone())
                .unwrap_or_default(),
            calls,
            logprobs: (!entries.is_empty()).then(|| entries.into_iter().flatten().cloned().collect()),
        }
    }

    /// Why nothing follows from what is missing in this choice.
    pub(crate) fn unfinished(&self) -> Option<String> {
        match self.finish_reason.as_str() {
            Some("length") => Some("cut short by the length limit".to_owned()),
            Some("content_filter") => Some("cut short by a content filter".to_owned()),
            None if self.finish_reason.is_null() => Some("no finish_reason".to_owned()),
            _ if !self.refusal.is_empty() => {
                Some(format!("the model refuses: {}", excerpt(self.refusal.as_bytes(), TOLD_CHARACTERS)))
            }
            _ => None,
        }
    }

    /// What it says, for people.
    pub(crate) fn told(&self) -> String {
        let content = excerpt(self.content.as_bytes(), TOLD_CHARACTERS);
        format!("{content}, finish_reason {}", self.finish_reason)
    }
}

/// Members that servers have for what a model thinks before it answers.
fn is_reasoning(message: &Value) -> bool {
    ["reasoning_content", "reasoning"]
        .iter()
        .filter_map(|name| message.get(name)?.as_str())
        .any(|thoughts| !thoughts.is_empty())
}

impl Call {
    fn whole(call: &Value, place: String) -> Call {
        let of = |place: &str| call.pointer(place).cloned().unwrap_or_default();
        Call {
            index: Value::Null,
            id: of("/id"),
            kind: of("/type"),
            name: of("/function/name"),
            arguments: of("/function/arguments"),
            place,
        }
    }

    /// Adds a delta to the call that it belongs to, or begins one. A server may have lost indexes or repeat names: what
    /// tells calls apart is the id first.
    fn take(calls: &mut Vec<Call>, delta: &Value, place: impl FnOnce() -> String) {
        let begun = Call::whole(delta, String::new());
        let index = delta.get("index").cloned().unwrap_or_default();
        let same_index = calls.iter().rposition(|call| call.index == index);
        let says_who = is_text(&begun.id) || is_text(&begun.name);
        let found = match same_index {
            None if says_who => None,
            None => calls.len().checked_sub(1),
            found => found,
        };
        match found.and_then(|found| calls.get_mut(found)).filter(|call| !call.ends_before(&begun)) {
            Some(call) => call.continue_with(begun),
            None => calls.push(Call { index, place: place(), ..begun }),
        }
    }

    /// Whether a delta of the same index is another call.
    fn ends_before(&self, delta: &Call) -> bool {
        if is_text(&self.id) && is_text(&delta.id) {
            return self.id != delta.id;
        }
        is_text(&delta.name) && self.object().is_ok()
    }

    fn continue_with(&mut self, delta: Call) {
        for (mine, further) in
            [(&mut self.id, delta.id), (&mut self.kind, delta.kind), (&mut self.name, delta.name)]
        {
            if !is_text(mine) {
                *mine = further;
            }
        }
        match (&mut self.arguments, delta.arguments) {
            (Value::String(joined), Value::String(fragment)) => joined.push_str(&fragment),
            (mine @ Value::Null, further) => *mine = further,
            (mine @ Value::String(_), further) if !further.is_null() => *mine = further,
            _ => {}
        }
    }

    /// The arguments as a JSON object.
    ///
    /// # Errors
    /// Why they are none, for people.
    pub(crate) fn object(&self) -> Result<Value, String> {
        let text = self.arguments.as_str().unwrap_or_default();
        let told = || excerpt(text.as_bytes(), TOLD_CHARACTERS);
        match serde_json::from_str::<Value>(text) {
            Ok(value) if value.is_object() => Ok(value),
            Ok(Value::String(_)) => Err(format!("are {}, JSON in JSON", told())),
            Ok(_) => Err(format!("are {}, no JSON object", told())),
            Err(error) => Err(format!("are {}, no JSON ({error})", told())),
        }
    }

    /// Whether the arguments are the beginning of a JSON value and no more.
    pub(crate) fn is_cut(&self) -> bool {
        self.arguments
            .as_str()
            .is_some_and(|text| serde_json::from_str::<Value>(text).is_err_and(|error| error.is_eof()))
    }
}

/// A string that is not empty.
pub(crate) fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn joined(deltas: &[Value]) -> Vec<(Value, Value, Value)> {
        let mut calls = Vec::new();
        for delta in deltas {
            Call::take(&mut calls, delta, String::new);
        }
        calls.into_iter().map(|call| (call.id, call.name, call.arguments)).collect()
    }

    #[test]
    fn fragments_join_by_index() {
        let deltas = [
            json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}),
            json!({"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}),
            json!({"index": 0, "function": {"arguments": "{}"}}),
            json!({"index": 1, "function": {"arguments": "}"}}),
        ];
        let expected = [(json!("a"), json!("f"), json!("{}")), (json!("b"), json!("g"), json!("{}"))];
        assert_eq!(joined(&deltas), expected);
    }

    #[test]
    fn calls_are_told_apart_without_indexes() {
        let deltas = [
            json!({"id": "a", "function": {"name": "f", "arguments": "{"}}),
            json!({"function": {"arguments": "}"}}),
            json!({"id": "b", "function": {"name": "f", "arguments": "{}"}}),
        ];
        let expected = [(json!("a"), json!("f"), json!("{}")), (json!("b"), json!("f"), json!("{}"))];
        assert_eq!(joined(&deltas), expected);
        let nameless = [
            json!({"index": 0, "function": {"name": "f", "arguments": "{}"}}),
            json!({"index": 0, "function": {"name": "f", "arguments": "{}"}}),
        ];
        assert_eq!(joined(&nameless).len(), 2);
    }

    #[test]
    fn what_is_repeated_is_the_same_call() {
        let deltas = [
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}),
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}}),
            json!({"index": 0, "id": "", "function": {"name": null, "arguments": null}}),
        ];
        assert_eq!(joined(&deltas), [(json!("a"), json!("f"), json!("{}"))]);
    }

    #[test]
    fn arguments_that_are_no_string_are_kept() {
        let deltas = [
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}),
            json!({"index": 0, "function": {"arguments": {"city": "Paris"}}}),
        ];
        assert_eq!(joined(&deltas), [(json!("a"), json!("f"), json!({"city": "Paris"}))]);
    }
}
