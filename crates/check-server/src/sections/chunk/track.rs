//! The chunks of one choice, in order.
//!
//! Owns which choice of which chunk belongs to which answer, and what of a delta is a part of an answer. An index is what
//! it says, also as a string; a choice without one is choice 0, as with servers that leave out zeros.

use serde_json::Value;

use crate::chat_stream::{ChatStream, Chunk, finish_reason_of};

/// What a stream says of one choice before `[DONE]`.
#[derive(Debug)]
pub(super) struct Track<'a> {
    /// `choice 0`, for people.
    pub(super) name: String,
    /// Its entries; at least one.
    pub(super) choices: Vec<(&'a Chunk, &'a Value)>,
}

impl<'a> Track<'a> {
    /// Every choice of a stream, in the order of their names.
    pub(super) fn all_of(stream: &'a ChatStream) -> Vec<Track<'a>> {
        let mut tracks: Vec<Track<'a>> = Vec::new();
        for (chunk, choice) in read_choices(stream) {
            let name = match choice.get("index") {
                None => "choice 0".to_owned(),
                Some(Value::String(index)) => format!("choice {index}"),
                Some(index) => format!("choice {index}"),
            };
            match tracks.iter_mut().find(|track| track.name == name) {
                Some(track) => track.choices.push((chunk, choice)),
                None => tracks.push(Track { name, choices: vec![(chunk, choice)] }),
            }
        }
        tracks.sort_by(|left, right| left.name.cmp(&right.name));
        tracks
    }

    /// Its finish reasons, in order.
    pub(super) fn finish_reasons(&self) -> Vec<(&'a Chunk, &'a Value)> {
        self.choices.iter().filter_map(|(chunk, choice)| Some((*chunk, finish_reason_of(choice)?))).collect()
    }
}

/// Every choice of every chunk before `[DONE]`, in order.
pub(super) fn read_choices(stream: &ChatStream) -> impl Iterator<Item = (&Chunk, &Value)> {
    let end = stream.done.first().copied().unwrap_or(usize::MAX);
    stream.choices().filter(move |(chunk, _)| chunk.event < end)
}

/// The first finish reason of the first choice, where it is a string.
pub(super) fn first_finish_reason(stream: &ChatStream) -> Option<&str> {
    Track::all_of(stream).first()?.finish_reasons().first()?.1.as_str()
}

/// The first member of a delta with a part of an answer in it.
pub(super) fn part_of_an_answer(delta: &Value) -> Option<&'static str> {
    let says_something = |member: &&&'static str| match delta.get(**member) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(entries)) => !entries.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(_) => true,
    };
    ["content", "refusal", "tool_calls", "function_call"].iter().find(says_something).copied()
}
