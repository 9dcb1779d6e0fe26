//! A chat stream as JSON: chunks, choices, and where each stood.
//!
//! Owns a tolerant reading: whatever is missing or of another type is passed over, so that each case finds its own
//! flaw and no other. Knows no requirement.

use std::sync::Arc;
use std::time::Duration;

use interference_wire::Ending;
use serde_json::Value;

use crate::case::Objection;
use crate::ending::told_ending;
use crate::exchange::{Exchange, excerpt};
use crate::lines::{Event, EventStream};
use crate::stream_errors;

/// What of an error in a stream is told, in characters.
const ERROR_CHARACTERS: usize = 200;

/// An accepted answer with at least one event that has data, read as a chat stream.
#[derive(Debug, Clone)]
pub(crate) struct ChatStream {
    /// Where it comes from.
    pub(crate) exchange: Arc<Exchange>,
    /// Lines and events.
    pub(crate) stream: EventStream,
    /// The events with any other JSON value as their data, in order. A chunk should be an object.
    pub(crate) chunks: Vec<Chunk>,
    /// The indices of the events whose data, white space aside, is `[DONE]`.
    pub(crate) done: Vec<usize>,
    /// The events whose data is an object with a member `error` that says something: not null, false or "".
    pub(crate) errors: Vec<Chunk>,
    /// The indices of the events with data that is neither JSON nor `[DONE]`.
    pub(crate) no_json: Vec<usize>,
    /// The indices of those with half of a surrogate pair in an escape, which the grammar of JSON allows, and which says
    /// nothing.
    pub(crate) half_pairs: Vec<usize>,
}

/// A JSON value in a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunk {
    /// Which event it is.
    pub(crate) event: usize,
    /// What it says.
    pub(crate) value: Value,
}

impl ChatStream {
    /// Reads an answer.
    ///
    /// # Errors
    /// What [`Exchange::accepted`] says; INCONCLUSIVE where there is no event with data in the answer.
    pub(crate) fn read(exchange: &Arc<Exchange>) -> Result<ChatStream, Objection> {
        exchange.accepted()?;
        let stream = exchange.event_stream();
        if stream.events.iter().all(|event| event.data.is_none()) {
            let body = excerpt(exchange.body(), ERROR_CHARACTERS);
            let seen =
                format!("no event with data in the answer, of type `{}`: {body}", exchange.media_type());
            return Err(Objection::inconclusive(seen).about(exchange));
        }
        let mut read = ChatStream {
            exchange: Arc::clone(exchange),
            chunks: Vec::new(),
            done: Vec::new(),
            errors: Vec::new(),
            no_json: Vec::new(),
            half_pairs: Vec::new(),
            stream: EventStream::default(),
        };
        for (index, event) in stream.events.iter().enumerate() {
            read.take(index, event);
        }
        read.stream = stream;
        Ok(read)
    }

    fn take(&mut self, index: usize, event: &Event) {
        // A client does not see an event whose data is empty.
        let Some(data) = event.data.as_ref().filter(|data| !data.is_empty()) else { return };
        if data.trim() == "[DONE]" {
            self.done.push(index);
            return;
        }
        match serde_json::from_str::<Value>(data) {
            Err(_) if has_half_a_pair(data) => self.half_pairs.push(index),
            Err(_) => self.no_json.push(index),
            Ok(value) if value.get("error").is_some_and(says_something) => {
                self.errors.push(Chunk { event: index, value });
            }
            Ok(value) => self.chunks.push(Chunk { event: index, value }),
        }
    }

    /// The stream itself if it tells of no error, and has come to its end: to `[DONE]`, or with a finish reason to the end
    /// of its framing; for cases that look at what a whole stream says.
    ///
    /// # Errors
    /// INCONCLUSIVE, with the error.
    pub(crate) fn unbroken(self) -> Result<ChatStream, Objection> {
        let told = |error: &Chunk| excerpt(error.value.to_string().as_bytes(), ERROR_CHARACTERS);
        if let Some(error) = self.errors.first().map(told).or_else(|| stream_errors::unread(&self)) {
            return Err(self.inconclusive(format!("the stream broke off with an error: {error}")));
        }
        let is_finished = self.choices().any(|(_, choice)| finish_reason_of(choice).is_some());
        if self.done.is_empty() && !(is_finished && self.has_ended()) {
            let seen = match self.exchange.ending() {
                Some(ending) if !self.has_ended() => format!("the stream broke off: {}", told_ending(ending)),
                _ => "the stream ends without a finish_reason and without [DONE]".to_owned(),
            };
            return Err(self.inconclusive(seen));
        }
        Ok(self)
    }

    /// Whether the server has said that nothing more comes: by `[DONE]`, or at least by the framing of HTTP.
    pub(crate) fn has_ended(&self) -> bool {
        !self.done.is_empty() || matches!(self.exchange.ending(), Some(Ending::Complete { .. }))
    }

    /// The chunks before `[DONE]`, behind which no client reads.
    pub(crate) fn read_chunks(&self) -> impl DoubleEndedIterator<Item = &Chunk> {
        let end = self.done.first().copied().unwrap_or(usize::MAX);
        self.chunks.iter().filter(move |chunk| chunk.event < end)
    }

    /// Every choice of every chunk, in order.
    pub(crate) fn choices(&self) -> impl Iterator<Item = (&Chunk, &Value)> {
        self.chunks.iter().flat_map(|chunk| {
            let choices = chunk.value.get("choices").and_then(Value::as_array);
            choices.into_iter().flatten().map(move |choice| (chunk, choice))
        })
    }

    /// The choices of one index; those without an index count as index 0.
    pub(crate) fn choices_of(&self, index: u64) -> impl Iterator<Item = (&Chunk, &Value)> {
        self.choices().filter(move |(_, choice)| index_of(choice) == index)
    }

    /// Which indexes there are, ascending.
    pub(crate) fn indexes(&self) -> Vec<u64> {
        let mut indexes: Vec<u64> = self.choices().map(|(_, choice)| index_of(choice)).collect();
        indexes.sort_unstable();
        indexes.dedup();
        indexes
    }

    /// The pieces of a choice's content, empty ones left out.
    pub(crate) fn pieces(&self, index: u64) -> Vec<(&Chunk, &str)> {
        self.choices_of(index)
            .filter_map(|(chunk, choice)| Some((chunk, choice.pointer("/delta/content")?.as_str()?)))
            .filter(|(_, piece)| !piece.is_empty())
            .collect()
    }

    /// A choice's content, joined.
    pub(crate) fn text(&self, index: u64) -> String {
        self.pieces(index).into_iter().map(|(_, piece)| piece).collect()
    }

    /// The finish reasons of a choice that say something.
    pub(crate) fn finish_reasons(&self, index: u64) -> Vec<(&Chunk, &Value)> {
        self.choices_of(index)
            .filter_map(|(chunk, choice)| Some((chunk, finish_reason_of(choice)?)))
            .collect()
    }

    /// The first finish reason of a choice, as far as it is a string.
    pub(crate) fn finish_reason(&self, index: u64) -> Option<&str> {
        self.finish_reasons(index).first().and_then(|(_, reason)| reason.as_str())
    }

    /// The deltas of a choice's tool calls, in order.
    pub(crate) fn tool_call_deltas(&self, index: u64) -> Vec<(&Chunk, &Value)> {
        self.choices_of(index)
            .flat_map(|(chunk, choice)| {
                let calls = choice.pointer("/delta/tool_calls").and_then(Value::as_array);
                calls.into_iter().flatten().map(move |call| (chunk, call))
            })
            .collect()
    }

    /// The chunks that are read and have a member `usage` that is not null.
    pub(crate) fn usages(&self) -> Vec<(&Chunk, &Value)> {
        self.read_chunks()
            .filter_map(|chunk| Some((chunk, chunk.value.get("usage")?)))
            .filter(|(_, usage)| !usage.is_null())
            .collect()
    }

    /// When an event was whole, from when the request had been sent.
    pub(crate) fn arrival(&self, event: usize) -> Option<Duration> {
        self.exchange.time_of_body(self.stream.events.get(event)?.bytes.end)
    }

    /// `event 3 (at byte 512)`, for people; events count from 1.
    pub(crate) fn place(&self, event: usize) -> String {
        let at = self.stream.events.get(event).map_or(0, |event| event.bytes.start);
        format!("event {} (at byte {at} of the body)", event + 1)
    }

    /// An objection about this stream.
    pub(crate) fn broken(&self, seen: impl Into<String>) -> Objection {
        Objection::broken(seen).about(&self.exchange)
    }

    /// The same for what could not be judged.
    pub(crate) fn inconclusive(&self, seen: impl Into<String>) -> Objection {
        Objection::inconclusive(seen).about(&self.exchange)
    }
}

/// A finish reason that says something: to clients null, the empty string and nothing are the same.
pub(crate) fn finish_reason_of(choice: &Value) -> Option<&Value> {
    choice.get("finish_reason").filter(|reason| !reason.is_null() && *reason != "")
}

/// Whether a member `error` tells of one: some servers send every member in every chunk.
pub(crate) fn says_something(error: &Value) -> bool {
    !matches!(error, Value::Null | Value::Bool(false)) && error.as_str() != Some("")
}

fn index_of(choice: &Value) -> u64 {
    choice.get("index").and_then(Value::as_u64).unwrap_or_default()
}

/// Whether a text of JSON has half of a surrogate pair in an escape: RFC 8259 section 8.2.
fn has_half_a_pair(json: &str) -> bool {
    let bytes = json.as_bytes();
    let unit_at = |at: usize| {
        let escape = bytes.get(at..at + 6)?.strip_prefix(br"\u")?;
        u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
    };
    let mut at = 0;
    while at < bytes.len() {
        at += match (bytes[at], unit_at(at)) {
            (b'\\', Some(0xD800..=0xDBFF)) if matches!(unit_at(at + 6), Some(0xDC00..=0xDFFF)) => 12,
            (b'\\', Some(0xD800..=0xDFFF)) => return true,
            (b'\\', Some(_)) => 6,
            (b'\\', None) => 2,
            _ => 1,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_is_found() {
        for (json, expected) in [
            (r#""\ud83c\udf33""#, false),
            (r#""\ud83c""#, true),
            (r#""\udf33""#, true),
            (r#""\ud83c\u0041""#, true),
            (r#""\\ud83c""#, false),
            (r#""\u0041 \n""#, false),
            (r"\", false),
        ] {
            assert_eq!(has_half_a_pair(json), expected, "{json}");
        }
    }
}
