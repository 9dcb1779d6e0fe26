//! A chat answer, put together from events or from one JSON document.
//!
//! Owns what chunks mean, and when an answer is whole. Refuses to know bytes and connections. What it does not know it
//! passes over; what it knows must have the API's type.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::bug::{Bug, Manner, Variant};
use super::event_stream::Event;
use super::failure::{Failure, Kind};
use super::tool_calls::ToolCalls;

const DONE: &str = "[DONE]";

/// A few characters of what could not be understood.
const QUOTED_CHARACTERS: usize = 200;

/// Mistakes that have events without data, or with nothing in it, parsed.
const PARSERS_OF_NOTHING: [Bug; 3] =
    [Bug::EmptyDataIsParsed, Bug::RetryBlocksAreEvents, Bug::NamedBlocksAreEvents];

const MEMBERS: [&str; 9] =
    ["id", "object", "created", "model", "choices", "usage", "error", "service_tier", "system_fingerprint"];
const MEMBERS_OF_DELTAS: [&str; 4] = ["role", "content", "tool_calls", "refusal"];

/// An answer so far.
#[derive(Debug, Default)]
pub(super) struct Chat {
    manner: Manner,
    text: String,
    finish_reason: Option<String>,
    calls: ToolCalls,
    usage: Value,
    is_done: bool,
    has_begun: bool,
    /// JSON that is not whole yet, for the mistake that waits for more.
    awaited: String,
}

impl Chat {
    pub(super) fn new(manner: Manner) -> Chat {
        Chat { manner, calls: ToolCalls::new(manner), ..Chat::default() }
    }

    /// Takes an event; breaks when nothing that follows is of the answer.
    ///
    /// # Errors
    /// When it tells of one, or is no chunk.
    pub(super) fn take(&mut self, event: &Event) -> Result<ControlFlow<()>, Failure> {
        const GO_ON: Result<ControlFlow<()>, Failure> = Ok(ControlFlow::Continue(()));

        if !std::mem::replace(&mut self.has_begun, true) && self.manner.has(Bug::FirstEventDropped) {
            return GO_ON;
        }
        let data = if self.manner.has(Bug::DoneUntrimmed) { &event.data } else { event.data.trim() };
        if data == DONE && !(self.is_done && self.manner.has(Bug::AfterDoneIsParsed)) {
            self.is_done = true;
            let goes_on = self.manner.has(Bug::DoneEndsNothing) || self.manner.has(Bug::AfterDoneIsParsed);
            return if goes_on { GO_ON } else { Ok(ControlFlow::Break(())) };
        }
        if event.name == "error" && !self.manner.has(Bug::ErrorEventIgnored) {
            return Err(self.told(message(data)));
        }
        if data.is_empty() && !PARSERS_OF_NOTHING.iter().any(|bug| self.manner.has(*bug)) {
            return GO_ON;
        }
        if let Some(chunk) = self.parse(data)? {
            self.take_chunk(&chunk)?;
        }
        GO_ON
    }

    /// The body is over, and no end marker has come.
    ///
    /// # Errors
    /// When the answer is not whole.
    pub(super) fn end(&self) -> Result<(), Failure> {
        let is_whole = self.is_done || self.finish_reason.is_some() && !self.manner.has(Bug::DoneDemanded);
        if is_whole {
            return Ok(());
        }
        Err(Failure::new(Kind::Incomplete, "the stream was over before the answer had finished"))
    }

    /// Takes an answer that is no stream.
    ///
    /// # Errors
    /// When it tells of an error, or is no chat answer.
    pub(super) fn take_whole(&mut self, body: &[u8]) -> Result<(), Failure> {
        let answer: Value = serde_json::from_slice(body).map_err(|error| not_json(&error, body))?;
        if let Err(failure) = self.look_for_error(&answer) {
            return if self.manner.has(Bug::ErrorAnswerIsEmpty) { Ok(()) } else { Err(failure) };
        }
        if self.manner.has(Bug::WholeAnswerIsEmpty) {
            return Ok(());
        }
        let Some(message @ Value::Object(_)) = answer.pointer("/choices/0/message") else {
            return Err(Failure::new(Kind::Format, "the JSON that came is no chat answer"));
        };
        self.take_message(message)?;
        self.take_finish(answer.pointer("/choices/0/finish_reason"))?;
        self.take_usage(&answer);
        Ok(())
    }

    /// What the client prints, but for the error.
    pub(super) fn to_json(&self) -> Value {
        let finish_reason = match &self.finish_reason {
            _ if self.manner.has(Bug::CallsAreTheFinish) && !self.calls.is_empty() => Some("tool_calls"),
            None if self.manner.has(Bug::NoFinishIsStop) => Some("stop"),
            reason => reason.as_deref(),
        };
        json!({
            "text": self.text,
            "finish_reason": finish_reason,
            "tool_calls": self.calls.to_json(),
            "usage": self.usage,
        })
    }

    /// The JSON of an event; `None` only with a mistake.
    fn parse(&mut self, data: &str) -> Result<Option<Value>, Failure> {
        let awaits = self.manner.has(Bug::BadJsonAwaited);
        let text = if awaits {
            self.awaited.push_str(data);
            &self.awaited
        } else {
            data
        };
        match serde_json::from_str(text) {
            Ok(value) => {
                self.awaited.clear();
                Ok(Some(value))
            }
            Err(_) if awaits || self.manner.has(Bug::BadJsonSkipped) => Ok(None),
            Err(error) if self.manner.has(Bug::BadJsonEscapes) => {
                Err(Failure::new(Kind::Escaped, error.to_string()))
            }
            Err(error) => Err(not_json(&error, data.as_bytes())),
        }
    }

    fn take_chunk(&mut self, chunk: &Value) -> Result<(), Failure> {
        self.look_for_error(chunk)?;
        self.look_for_unknown(chunk, &MEMBERS)?;
        self.take_usage(chunk);
        let choices = match chunk.get("choices").filter(|choices| !choices.is_null()) {
            Some(Value::Array(choices)) => choices,
            Some(_) => return Err(Failure::new(Kind::Format, "the member `choices` of a chunk is no array")),
            None => return self.pass_over("a chunk has no `choices`", Bug::MissingChoicesEscape),
        };
        if choices.is_empty() && self.manner.has(Bug::EmptyChoicesEscape) {
            return Err(Failure::new(Kind::Escaped, "index 0 is out of range"));
        }
        // One choice was asked for.
        let is_first = |choice: &&Value| choice.get("index").is_none_or(|index| *index == 0);
        for choice in choices.iter().filter(is_first) {
            if self.manner.has(Bug::TextAlone)
                && !choice.pointer("/delta/content").is_some_and(Value::is_string)
            {
                continue;
            }
            match choice.get("delta") {
                Some(delta @ Value::Object(_)) => {
                    self.look_for_unknown(delta, &MEMBERS_OF_DELTAS)?;
                    self.take_message(delta)?;
                }
                None | Some(Value::Null) => {
                    self.pass_over("a choice has no `delta`", Bug::NullDeltaEscapes)?;
                }
                Some(_) => {
                    return Err(Failure::new(Kind::Format, "the member `delta` of a choice is no object"));
                }
            }
            self.take_finish(choice.get("finish_reason"))?;
        }
        Ok(())
    }

    /// An odd shape: nothing, but for some.
    fn pass_over(&self, what: &str, bug: Bug) -> Result<(), Failure> {
        if self.manner.has(bug) {
            return Err(Failure::new(Kind::Escaped, what));
        }
        if self.manner.is(Variant::RefusesOddShapes) {
            return Err(Failure::new(Kind::Format, what));
        }
        Ok(())
    }

    /// Takes a message, or what a delta adds to one.
    fn take_message(&mut self, message: &Value) -> Result<(), Failure> {
        if self.manner.has(Bug::ReasoningIsText)
            && let Some(reasoning) = message.get("reasoning_content").and_then(Value::as_str)
        {
            self.text.push_str(reasoning);
        }
        match message.get("content") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => self.text.push_str(text),
            Some(_) => return Err(Failure::new(Kind::Format, "the member `content` is no text")),
        }
        let calls = message.get("tool_calls").and_then(Value::as_array);
        for (position, call) in calls.into_iter().flatten().enumerate() {
            self.calls.take(call, position)?;
        }
        Ok(())
    }

    fn take_finish(&mut self, reason: Option<&Value>) -> Result<(), Failure> {
        match reason {
            None | Some(Value::Null) => {}
            Some(Value::String(reason)) => self.finish_reason = Some(reason.clone()),
            Some(_) => return Err(Failure::new(Kind::Format, "the member `finish_reason` is no text")),
        }
        Ok(())
    }

    fn take_usage(&mut self, chunk: &Value) {
        if let Some(usage @ Value::Object(_)) = chunk.get("usage") {
            self.usage = usage.clone();
        }
    }

    fn look_for_error(&self, value: &Value) -> Result<(), Failure> {
        let has_member = value.get("error").is_some_and(|error| !error.is_null());
        let is_object = value.get("object").is_some_and(|object| object == "error");
        let tells = has_member && !self.manner.has(Bug::ErrorMemberIgnored)
            || is_object && !self.manner.has(Bug::ErrorObjectIgnored);
        if tells { Err(self.told(message_of(value))) } else { Ok(()) }
    }

    /// The failure that the server told of.
    fn told(&self, message: String) -> Failure {
        let message = if self.manner.has(Bug::ErrorInOwnWords) {
            "the stream ended with an error".to_owned()
        } else {
            message
        };
        Failure::new(Kind::Api, message)
    }

    fn look_for_unknown(&self, value: &Value, members: &[&str]) -> Result<(), Failure> {
        let unknown =
            value.as_object().and_then(|object| object.keys().find(|key| !members.contains(&key.as_str())));
        match unknown {
            Some(member) if self.manner.has(Bug::UnknownMembersAreErrors) => {
                Err(Failure::new(Kind::Format, format!("the member `{member}` is unknown")))
            }
            _ => Ok(()),
        }
    }
}

/// What a text that tells of an error says, be it JSON or not.
pub(super) fn message(text: &str) -> String {
    serde_json::from_str(text).map_or_else(|_| quote(text), |value| message_of(&value))
}

/// `error.message`, `message`, `error` as a text, or all of it.
fn message_of(value: &Value) -> String {
    let texts = [value.pointer("/error/message"), value.get("message"), value.get("error")];
    let text = texts.into_iter().flatten().find_map(Value::as_str);
    text.map_or_else(|| quote(&value.to_string()), str::to_owned)
}

fn not_json(error: &serde_json::Error, text: &[u8]) -> Failure {
    let quoted = quote(&String::from_utf8_lossy(text));
    Failure::new(Kind::Format, format!("what came is no JSON ({error}): {quoted}"))
}

fn quote(text: &str) -> String {
    text.chars().take(QUOTED_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer, and how the last event left it.
    fn told(manner: Manner, data: &[&str]) -> (Value, Result<(), Kind>) {
        let mut chat = Chat::new(manner);
        for data in data {
            let event = Event { name: String::new(), data: (*data).to_owned() };
            match chat.take(&event) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return (chat.to_json(), Ok(())),
                Err(failure) => return (chat.to_json(), Err(failure.kind)),
            }
        }
        let end = chat.end().map_err(|failure| failure.kind);
        (chat.to_json(), end)
    }

    fn text(text: &str, finish_reason: Option<&str>) -> Value {
        json!({"text": text, "finish_reason": finish_reason, "tool_calls": [], "usage": null})
    }

    const ONE: &str = r#"{"choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}"#;
    const STOP: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;

    #[test]
    fn an_answer_is_whole_with_a_finish_reason_or_with_the_end_marker() {
        let reference = Manner::default();
        assert_eq!(told(reference, &[ONE, STOP, "[DONE]", ONE]), (text("one", Some("stop")), Ok(())));
        assert_eq!(told(reference, &[ONE, STOP]), (text("one", Some("stop")), Ok(())));
        assert_eq!(told(reference, &[ONE, " [DONE] "]), (text("one", None), Ok(())));
        assert_eq!(told(reference, &[ONE]), (text("one", None), Err(Kind::Incomplete)));
    }

    #[test]
    fn odd_shapes_are_passed_over_or_refused() {
        for odd in [
            r#"{"choices":null}"#,
            r#"{"id":"x"}"#,
            r#"{"choices":[{"delta":null}]}"#,
            r#"{"choices":[{"index":0}]}"#,
        ] {
            assert_eq!(
                told(Manner::default(), &[odd, ONE, STOP]),
                (text("one", Some("stop")), Ok(())),
                "{odd}"
            );
            let strict = Manner { bug: None, variant: Some(Variant::RefusesOddShapes) };
            assert_eq!(told(strict, &[odd, ONE, STOP]).1, Err(Kind::Format), "{odd}");
        }
        assert_eq!(told(Manner::default(), &["", r#"{"choices":[]}"#, STOP]).1, Ok(()));
    }

    #[test]
    fn other_choices_are_no_part_of_it() {
        let other = r#"{"choices":[{"index":1,"delta":{"content":"two"},"finish_reason":"length"}]}"#;
        assert_eq!(told(Manner::default(), &[ONE, other]), (text("one", None), Err(Kind::Incomplete)));
    }

    #[test]
    fn errors_are_told_with_their_words() {
        let mut chat = Chat::new(Manner::default());
        for (name, data) in [
            ("", r#"{"error":{"message":"it broke"}}"#),
            ("", r#"{"error":"it broke"}"#),
            ("", r#"{"object":"error","message":"it broke"}"#),
            ("error", r#"{"message":"it broke"}"#),
            ("error", "it broke"),
        ] {
            let event = Event { name: name.to_owned(), data: data.to_owned() };
            assert_eq!(chat.take(&event), Err(Failure::new(Kind::Api, "it broke")), "{data}");
        }
        assert_eq!(told(Manner::default(), &[ONE, "{"]), (text("one", None), Err(Kind::Format)));
    }

    #[test]
    fn an_answer_that_is_no_stream_is_taken_whole() {
        let body = json!({
            "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "one"}}],
            "usage": {"total_tokens": 3},
        });
        let mut chat = Chat::new(Manner::default());
        assert_eq!(chat.take_whole(body.to_string().as_bytes()), Ok(()));
        let expected = json!({
            "text": "one", "finish_reason": "stop", "tool_calls": [], "usage": {"total_tokens": 3},
        });
        assert_eq!(chat.to_json(), expected);
        for (body, kind) in [("{}", Kind::Format), ("{", Kind::Format), (r#"{"error":{}}"#, Kind::Api)] {
            assert_eq!(Chat::new(Manner::default()).take_whole(body.as_bytes()).unwrap_err().kind, kind);
        }
    }
}
