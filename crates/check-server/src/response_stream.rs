//! A stream of the Responses API as JSON: what its events tell, and of which item.
//!
//! Owns a tolerant reading: whatever is missing or of another type is passed over, so that each case finds its own
//! flaw and no other. Knows no requirement.

use std::sync::Arc;

use serde_json::Value;

use crate::case::Objection;
use crate::exchange::{Exchange, excerpt};
use crate::lines::EventStream;

/// What of an error or a text is told, in characters.
pub(crate) const TOLD_CHARACTERS: usize = 120;

/// The events that end a response.
const TERMINALS: [&str; 3] = ["response.completed", "response.incomplete", "response.failed"];

/// An accepted answer with at least one event, read as a stream of the Responses API.
#[derive(Debug, Clone)]
pub(crate) struct ResponseStream {
    /// Where it comes from.
    pub(crate) exchange: Arc<Exchange>,
    /// Lines and events.
    pub(crate) stream: EventStream,
    /// The events whose data is a JSON object. One that no blank line closes is not among them: clients drop it.
    pub(crate) told: Vec<Told>,
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// Which event it is.
    pub(crate) event: usize,
    /// The event's name, from its `event:` line.
    pub(crate) name: Option<String>,
    /// The member `type`; empty if there is none.
    pub(crate) kind: String,
    /// All of it.
    pub(crate) value: Value,
}

impl Told {
    /// A whole number that is one.
    pub(crate) fn index(&self, name: &str) -> Option<u64> {
        self.value.get(name).and_then(Value::as_u64)
    }

    /// A text that is one.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value.get(name).and_then(Value::as_str)
    }

    /// Whether it is one of those that end a response.
    pub(crate) fn is_terminal(&self) -> bool {
        TERMINALS.contains(&self.kind.as_str())
    }

    /// Whether it tells that something went wrong: `response.failed`, `error`, or an envelope as chats have it.
    pub(crate) fn is_failure(&self) -> bool {
        self.kind == "response.failed" || self.kind == "error" || self.is_envelope()
    }

    /// An object with an error in it and no type, which is none of the API's events.
    pub(crate) fn is_envelope(&self) -> bool {
        let error = self.value.get("error").is_some_and(|error| !error.is_null());
        self.kind.is_empty() && (error || self.name.as_deref() == Some("error"))
    }
}

impl ResponseStream {
    /// Reads an answer.
    ///
    /// # Errors
    /// What [`Exchange::accepted`] says; INCONCLUSIVE where there is no event in the answer.
    pub(crate) fn read(exchange: &Arc<Exchange>) -> Result<ResponseStream, Objection> {
        exchange.accepted()?;
        let stream = exchange.event_stream();
        let told: Vec<Told> = stream
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| event.closed)
            .filter_map(|(index, event)| {
                let value: Value = serde_json::from_str(event.data.as_deref()?).ok()?;
                let kind = value.as_object()?.get("type").and_then(Value::as_str).unwrap_or_default();
                Some(Told { event: index, name: event.name.clone(), kind: kind.to_owned(), value })
            })
            .collect();
        if told.is_empty() {
            let body = excerpt(exchange.body(), TOLD_CHARACTERS);
            let seen = format!("no event in the answer, of type `{}`: {body}", exchange.media_type());
            return Err(Objection::inconclusive(seen).about(exchange));
        }
        Ok(ResponseStream { exchange: Arc::clone(exchange), stream, told })
    }

    /// The stream itself if no failure is told in it: for cases that look at what a whole response says.
    ///
    /// # Errors
    /// INCONCLUSIVE, with the failure.
    pub(crate) fn unbroken(&self) -> Result<&ResponseStream, Objection> {
        match self.failure() {
            None => Ok(self),
            Some(failure) => {
                let told = excerpt(failure.value.to_string().as_bytes(), TOLD_CHARACTERS);
                Err(self.inconclusive(format!("the response failed: {told}")))
            }
        }
    }

    /// The first event that tells that something went wrong.
    pub(crate) fn failure(&self) -> Option<&Told> {
        self.told.iter().find(|told| told.is_failure())
    }

    /// The first of the events that end a response.
    pub(crate) fn terminal(&self) -> Option<&Told> {
        self.told.iter().find(|told| told.is_terminal())
    }

    /// The response as its last event tells it.
    pub(crate) fn response(&self) -> Option<&Value> {
        self.terminal()?.value.get("response")
    }

    /// The response's name, from any event that has one.
    pub(crate) fn id(&self) -> Option<&str> {
        self.told.iter().find_map(|told| told.value.pointer("/response/id")?.as_str())
    }

    /// Whether the answer was given up on this side, or may have been: then nothing follows from what is missing.
    ///
    /// # Errors
    /// INCONCLUSIVE, with the reason.
    pub(crate) fn read_to_its_end(&self) -> Result<(), Objection> {
        self.exchange.read_to_its_end()
    }

    /// `event 3, response.created (at byte 512 of the body)`, for people; events count from 1.
    pub(crate) fn place(&self, told: &Told) -> String {
        let at = self.stream.events.get(told.event).map_or(0, |event| event.bytes.start);
        let kind = if told.kind.is_empty() { "without a type" } else { &told.kind };
        format!("event {}, {kind} (at byte {at} of the body)", told.event + 1)
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
