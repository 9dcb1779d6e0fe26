//! The order of a streamed response's events.
//!
//! Follows a stream from event to event, with what each item has come to so far.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::case::Objection;
use crate::response_stream::{ResponseStream, Told};
use crate::response_texts::{Items, TextKind};

/// What an item has come to.
#[derive(Debug, Default, Clone)]
struct State {
    done: bool,
    parts: BTreeSet<u64>,
    closed_parts: BTreeSet<u64>,
    begun_texts: BTreeSet<(TextKind, u64)>,
    done_texts: BTreeSet<(TextKind, u64)>,
}

/// Whether every event comes in its time; gives how many there were.
///
/// # Errors
/// Broken, with the first that does not.
pub(super) fn judge(stream: &ResponseStream) -> Result<usize, Objection> {
    begins_with_created(stream)?;
    let items = Items::of(stream);
    let mut states: Vec<State> = items.0.iter().map(|item| State::added(item.value)).collect();
    let end = stream.told.iter().position(Told::is_terminal).unwrap_or(stream.told.len());
    // What follows the end is another case's matter.
    for told in &stream.told[..end] {
        if told.kind == "response.output_item.added" || !is_of_an_item(told) {
            continue;
        }
        let named = told.text("item_id").is_some()
            || told.index("output_index").is_some()
            || told.value.pointer("/item/id").is_some();
        match items.about(told).and_then(|place| states.get_mut(place)) {
            Some(state) => state.take(told).map_err(|why| objection(stream, told, &why))?,
            None if named => return Err(objection(stream, told, "its item has not been added")),
            // Which item it is of cannot be told, which is another case's matter.
            None => {}
        }
    }
    if stream.terminal().is_some_and(|told| told.kind == "response.completed") {
        all_done(stream, &items, &states)?;
    }
    Ok(stream.told.len())
}

fn begins_with_created(stream: &ResponseStream) -> Result<(), Objection> {
    let mut responses = stream.told.iter().filter(|told| told.kind.starts_with("response."));
    let first = responses.next();
    if let Some(first) = first.filter(|first| first.kind != "response.created") {
        let seen = format!("the response begins with {}", stream.place(first));
        return Err(stream
            .broken(seen)
            .expected("response.created, before every other event of the response"));
    }
    match responses.find(|told| told.kind == "response.created") {
        Some(again) => Err(objection(stream, again, "the response has been created before")),
        None => Ok(()),
    }
}

fn is_of_an_item(told: &Told) -> bool {
    TextKind::of_event(&told.kind).is_some()
        || matches!(
            told.kind.as_str(),
            "response.output_item.done" | "response.content_part.added" | "response.content_part.done"
        )
}

impl State {
    /// An item may bring parts along when it is added.
    fn added(item: &Value) -> State {
        let parts = item.get("content").and_then(Value::as_array).map_or(0, Vec::len);
        State { parts: (0..parts as u64).collect(), ..State::default() }
    }

    /// The item's next event; or why it comes too early, or too late.
    fn take(&mut self, told: &Told) -> Result<(), String> {
        if self.done {
            return Err("its item is done".to_owned());
        }
        let content_index = told.index("content_index").unwrap_or_default();
        match told.kind.as_str() {
            "response.output_item.done" => self.done = true,
            "response.content_part.added" => {
                self.parts.insert(content_index);
            }
            "response.content_part.done" => {
                self.closed_parts.insert(content_index);
            }
            _ => {
                if let Some(kind) = TextKind::of_event(&told.kind) {
                    return self.take_text(told, kind);
                }
            }
        }
        Ok(())
    }

    fn take_text(&mut self, told: &Told, kind: TextKind) -> Result<(), String> {
        let index = kind.index().and_then(|name| told.index(name)).unwrap_or_default();
        if !told.kind.ends_with(".delta") {
            self.done_texts.insert((kind, index));
            return Ok(());
        }
        let in_a_part = matches!(kind, TextKind::OutputText | TextKind::Refusal);
        if in_a_part && !self.parts.contains(&index) {
            return Err(format!("the part {index} has not been added"));
        }
        if in_a_part && self.closed_parts.contains(&index) {
            return Err(format!("the part {index} is done"));
        }
        if self.done_texts.contains(&(kind, index)) {
            return Err(format!("{}.done has been told", kind.event()));
        }
        self.begun_texts.insert((kind, index));
        Ok(())
    }
}

/// When a response is complete, whatever has begun is done.
fn all_done(stream: &ResponseStream, items: &Items<'_>, states: &[State]) -> Result<(), Objection> {
    for (item, state) in items.0.iter().zip(states) {
        let place = stream.place(item.added);
        if !state.done {
            return Err(stream.broken(format!("no output_item.done for the item of {place}")));
        }
        if let Some((kind, index)) = state.begun_texts.difference(&state.done_texts).next() {
            let seen = format!("no {}.done for the text {index} of the item of {place}", kind.event());
            return Err(stream.broken(seen));
        }
    }
    Ok(())
}

fn objection(stream: &ResponseStream, told: &Told, why: &str) -> Objection {
    stream.broken(format!("{} comes, though {why}", stream.place(told)))
}
