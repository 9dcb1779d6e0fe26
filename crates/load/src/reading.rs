//! What an answer says, as far as it is measured: when output came, what it cost, and whether it ended as its dialect
//! ends it.
//!
//! Owns the reading of bodies, whole or in events. The time is given to it, and was taken before anything was parsed.
//! Refuses to know HTTP, sockets, and what becomes of the numbers.

mod chunks;
mod responses;

use std::time::Instant;

use interference_sse::{DecodeError, Decoder};
use serde::Deserialize;

use crate::failure::Failure;
use crate::refusal;
use crate::work::Endpoint;

/// Chunks of an answer that are taken, at most; an answer with more is [`Failure::TooLarge`].
pub const MOST_CHUNKS: usize = 1 << 18;
/// Bytes of a whole answer, at most; one with more is [`Failure::TooLarge`].
const LONGEST_WHOLE: usize = 32 << 20;
/// Bytes of an answer's text that are kept for the next request, at most; later ones are dropped.
const LONGEST_TEXT: usize = 1 << 20;
/// Bytes of one event, at most.
const LONGEST_EVENT: usize = 4 << 20;

/// What the server says that an answer cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer; 0 for embeddings.
    pub completion_tokens: u64,
}

/// What was heard of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// When the first reasoning came.
    pub first_reasoning: Option<Instant>,
    /// When the first text, or the first arguments of a call, came.
    pub first_content: Option<Instant>,
    /// When each chunk with output came; those that came by one read have the same time. A whole answer is one.
    pub chunks: Vec<Instant>,
    /// What it cost, where the server says so.
    pub usage: Option<Usage>,
    /// Whether a choice ended because it had reached its length.
    pub ended_by_length: bool,
    /// The text, where it is wanted.
    pub text: Option<String>,
    /// How the body of an answer begins that failed by its head: 16 KiB at most, empty of any other.
    pub refusal: Vec<u8>,
}

/// What one chunk brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Brings {
    content: bool,
    reasoning: bool,
}

/// Reads one answer.
pub(crate) struct AnswerReader {
    endpoint: Endpoint,
    form: Form,
    heard: Heard,
    failure: Option<Failure>,
}

enum Form {
    Events {
        decoder: Decoder,
        ends: Ends,
    },
    Whole(Vec<u8>),
    /// Its head says what is wrong, and its body at most why.
    Passed,
}

/// How far the end of a stream has come.
#[derive(Debug, Default)]
struct Ends {
    /// Choices that have said something, by their index; bits.
    begun: u128,
    /// Choices that have said why they end.
    finished: u128,
    /// Whether the stream has said that it ends.
    done: bool,
}

impl AnswerReader {
    /// For the events of a stream.
    pub(crate) fn of_stream(endpoint: Endpoint, wants_text: bool) -> AnswerReader {
        let form = Form::Events { decoder: Decoder::new(LONGEST_EVENT), ends: Ends::default() };
        AnswerReader::new(endpoint, form, wants_text)
    }

    /// For a whole answer.
    pub(crate) fn of_whole(endpoint: Endpoint, wants_text: bool) -> AnswerReader {
        AnswerReader::new(endpoint, Form::Whole(Vec::new()), wants_text)
    }

    /// For an answer that failed before its body.
    pub(crate) fn of_failure(endpoint: Endpoint, failure: Failure) -> AnswerReader {
        AnswerReader { failure: Some(failure), ..AnswerReader::new(endpoint, Form::Passed, false) }
    }

    fn new(endpoint: Endpoint, form: Form, wants_text: bool) -> AnswerReader {
        let heard = Heard { text: wants_text.then(String::new), ..Heard::default() };
        AnswerReader { endpoint, form, heard, failure: None }
    }

    /// Takes bytes of the body that came at a time. After a failure they are passed over, but for the first of a refusal.
    pub(crate) fn take(&mut self, mut bytes: &[u8], at: Instant) {
        if matches!(self.form, Form::Passed) {
            let room = refusal::KEPT - self.heard.refusal.len();
            self.heard.refusal.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        if self.failure.is_some() {
            return;
        }
        let taken = match &mut self.form {
            Form::Passed => Ok(()),
            Form::Whole(body) if body.len() + bytes.len() > LONGEST_WHOLE => Err(Failure::TooLarge),
            Form::Whole(body) => {
                body.extend_from_slice(bytes);
                Ok(())
            }
            Form::Events { decoder, ends } => {
                let mut events = || {
                    while let Some(event) = decoder.decode(&mut bytes).map_err(of_decoding)? {
                        take_event(self.endpoint, &event.data, at, ends, &mut self.heard)?;
                    }
                    Ok(())
                };
                events()
            }
        };
        self.failure = taken.err();
    }

    /// Ends the body, which was whole as far as HTTP can tell.
    pub(crate) fn finish(mut self, at: Instant) -> (Heard, Result<(), Failure>) {
        if let Some(failure) = self.failure {
            return (self.heard, Err(failure));
        }
        let ended = match self.form {
            Form::Passed => Ok(()),
            Form::Whole(body) => take_whole(self.endpoint, &body, at, &mut self.heard),
            Form::Events { decoder, ends } => {
                decoder.finish().map_err(of_decoding).and_then(|()| ends.check())
            }
        };
        (self.heard, ended)
    }

    /// What was heard of an answer that broke off, and why it had failed before, if it had.
    pub(crate) fn break_off(self) -> (Heard, Option<Failure>) {
        (self.heard, self.failure)
    }
}

impl Ends {
    fn check(&self) -> Result<(), Failure> {
        if self.begun & !self.finished != 0 || self.begun == 0 {
            return Err(if self.done || self.begun != 0 { Failure::NoFinishReason } else { Failure::NoDone });
        }
        if self.done { Ok(()) } else { Err(Failure::NoDone) }
    }

    fn begin(&mut self, index: u32) {
        self.begun |= bit(index);
    }

    fn finish(&mut self, index: u32) {
        self.begin(index);
        self.finished |= bit(index);
    }
}

/// Choices beyond the 128 that the API allows count as the last.
fn bit(index: u32) -> u128 {
    1 << index.min(127)
}

fn of_decoding(error: DecodeError) -> Failure {
    match error {
        DecodeError::TooLong { .. } => Failure::TooLarge,
        DecodeError::InvalidUtf8 => Failure::MalformedEvent,
        DecodeError::Unterminated => Failure::TruncatedEvent,
    }
}

fn take_event(
    endpoint: Endpoint,
    data: &str,
    at: Instant,
    ends: &mut Ends,
    heard: &mut Heard,
) -> Result<(), Failure> {
    if ends.done {
        // Some servers end responses as they end chats.
        let is_custom = endpoint == Endpoint::Responses && data == "[DONE]";
        return if is_custom { Ok(()) } else { Err(Failure::AfterDone) };
    }
    let brings = match endpoint {
        Endpoint::Responses => responses::take(data, ends, heard)?,
        Endpoint::Chat | Endpoint::Completions if data == "[DONE]" => {
            ends.done = true;
            return Ok(());
        }
        Endpoint::Chat => chunks::take_chat(data, ends, heard)?,
        Endpoint::Completions => chunks::take_completion(data, ends, heard)?,
        Endpoint::Embeddings => return Err(Failure::MalformedEvent),
    };
    heard.note(brings, at)
}

fn take_whole(endpoint: Endpoint, body: &[u8], at: Instant, heard: &mut Heard) -> Result<(), Failure> {
    let brings = match endpoint {
        Endpoint::Chat => chunks::whole_chat(body, heard)?,
        Endpoint::Completions => chunks::whole_completion(body, heard)?,
        Endpoint::Responses => responses::whole(body, heard)?,
        Endpoint::Embeddings => chunks::whole_embeddings(body, heard)?,
    };
    heard.note(brings, at)
}

impl Heard {
    fn note(&mut self, brings: Brings, at: Instant) -> Result<(), Failure> {
        if brings.reasoning {
            self.first_reasoning.get_or_insert(at);
        }
        if brings.content {
            self.first_content.get_or_insert(at);
        }
        if brings.content || brings.reasoning {
            if self.chunks.len() >= MOST_CHUNKS {
                return Err(Failure::TooLarge);
            }
            self.chunks.push(at);
        }
        Ok(())
    }

    fn add_text(&mut self, text: &str) {
        if let Some(kept) = &mut self.text
            && kept.len() + text.len() <= LONGEST_TEXT
        {
            kept.push_str(text);
        }
    }
}

/// Reads JSON, of which only the members that are asked for are looked at.
fn json<'a, T: Deserialize<'a>>(text: &'a [u8], otherwise: Failure) -> Result<T, Failure> {
    serde_json::from_slice(text).map_err(|_| otherwise)
}

#[cfg(test)]
mod tests;
