//! A request that was sent, and what came back.
//!
//! Owns the questions that a case asks of an answer before it looks at the body's meaning: is it there, was it
//! accepted, is it JSON, is it a stream. The bytes and their times are `wire`'s.

use std::time::{Duration, Instant};

use interference_wire::{Answer, Ending};
use serde_json::Value;

use crate::case::Objection;
use crate::ending::told_ending;
use crate::lines::EventStream;
use crate::question::Question;

/// What of a refusal's message is told, in characters.
const MESSAGE_CHARACTERS: usize = 200;

/// A request, and what came of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Counts from 1 in a run.
    pub(crate) number: u64,
    /// What was asked.
    pub(crate) question: Question,
    /// The request's bytes.
    pub(crate) sent: Vec<u8>,
    /// When sending began.
    pub(crate) sent_at: Instant,
    /// Why not everything could be sent. An answer may be there all the same.
    pub(crate) send_error: Option<String>,
    /// What came back, or why nothing could.
    pub(crate) outcome: Result<Answer, String>,
}

/// How a status is to be taken where a case needs an answer to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Accepted,
    /// The server says that it does not do this.
    Declined,
    /// The server is busy, or starting.
    Busy,
    /// The key does not open it.
    Locked,
    Other,
}

impl Exchange {
    /// The answer, whole or not, as far as it has a head.
    pub(crate) fn answer(&self) -> Result<&Answer, Objection> {
        let objection = |seen: String| Objection::inconclusive(seen).about(self);
        match &self.outcome {
            Err(reason) => Err(objection(format!("no answer: {reason}"))),
            Ok(answer) if answer.head.is_none() => {
                let sending = self.send_error.as_ref().map(|error| format!("; {error}")).unwrap_or_default();
                Err(objection(format!("no answer: {}{sending}", told_ending(&answer.received.ending))))
            }
            Ok(answer) => Ok(answer),
        }
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> Result<u16, Objection> {
        Ok(self.answer()?.status().unwrap_or_default())
    }

    /// The value of the first header of this name, bytes that are no UTF-8 replaced.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = self.outcome.as_ref().ok()?.head.as_ref()?;
        head.fields.first(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The media type in lower case, without parameters; empty if there is none.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body, as far as it came; content codings are not undone.
    pub(crate) fn body(&self) -> &[u8] {
        self.outcome.as_ref().map_or(&[], |answer| answer.received.body.as_slice())
    }

    /// How the answer ended.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.outcome.as_ref().ok().map(|answer| &answer.received.ending)
    }

    /// The exchange itself if the answer's status says that the request was accepted.
    ///
    /// # Errors
    /// UNSUPPORTED where the server declines (400, 404, 405, 415, 422, 501), else INCONCLUSIVE; for cases to which a refusal
    /// says nothing. A case that demands acceptance asks [`Exchange::must_accept`].
    pub(crate) fn accepted(&self) -> Result<&Exchange, Objection> {
        let status = self.status()?;
        let seen = self.told_refusal(status);
        match standing(status) {
            Standing::Accepted => Ok(self),
            Standing::Declined => Err(Objection::unsupported(seen).about(self)),
            Standing::Busy | Standing::Locked | Standing::Other => {
                Err(Objection::inconclusive(seen).about(self))
            }
        }
    }

    /// The exchange itself if the request was accepted.
    ///
    /// # Errors
    /// The requirement is broken where the server refuses or fails; INCONCLUSIVE where it is busy, or gave no answer.
    pub(crate) fn must_accept(&self) -> Result<&Exchange, Objection> {
        let status = self.status()?;
        let seen = self.told_refusal(status);
        match standing(status) {
            Standing::Accepted => Ok(self),
            Standing::Busy | Standing::Locked => Err(Objection::inconclusive(seen).about(self)),
            Standing::Declined | Standing::Other => Err(Objection::broken(seen).about(self)),
        }
    }

    /// Whether it was the server that ended the answer, whole or not.
    ///
    /// # Errors
    /// INCONCLUSIVE where this side gave up reading: what is missing then is not held against the server.
    pub(crate) fn read_to_its_end(&self) -> Result<(), Objection> {
        match self.answer()?.received.ending {
            Ending::Complete { .. }
            | Ending::Cut(_)
            | Ending::Reset(_)
            | Ending::LengthMismatch { .. }
            | Ending::Malformed { .. } => Ok(()),
            ending @ (Ending::TimedOut { .. }
            | Ending::TooLarge(_)
            | Ending::Failed { .. }
            | Ending::Abandoned(_)) => Err(Objection::inconclusive(told_ending(&ending)).about(self)),
        }
    }

    /// The body as one JSON value.
    ///
    /// # Errors
    /// INCONCLUSIVE where it is none; a case that demands JSON turns that into what it means to it.
    pub(crate) fn json(&self) -> Result<Value, Objection> {
        serde_json::from_slice(self.body()).map_err(|error| {
            let end = self.ending().map(told_ending).unwrap_or_default();
            let seen = format!(
                "a body that is no JSON ({error}): {}; {end}",
                excerpt(self.body(), MESSAGE_CHARACTERS)
            );
            Objection::inconclusive(seen).about(self)
        })
    }

    /// The body read as an event stream.
    pub(crate) fn event_stream(&self) -> EventStream {
        EventStream::read(self.body())
    }

    /// When the first `len` bytes of the body were there, counted from when the request had been sent.
    pub(crate) fn time_of_body(&self, len: usize) -> Option<Duration> {
        let answer = self.outcome.as_ref().ok()?;
        let at = answer.received.time_of_body(len)?;
        Some(at.saturating_duration_since(answer.sent_at.unwrap_or(self.sent_at)))
    }

    /// From when the request had been sent to the last byte that came.
    pub(crate) fn duration(&self) -> Option<Duration> {
        let answer = self.outcome.as_ref().ok()?;
        let last = answer.received.reads.last()?;
        Some(last.at.saturating_duration_since(answer.sent_at.unwrap_or(self.sent_at)))
    }

    /// `status 400: "no such parameter"`, for people.
    pub(crate) fn told_refusal(&self, status: u16) -> String {
        if let Some(location) = self.header("location").filter(|_| (300..400).contains(&status)) {
            return format!("status {status}, a redirection to {location}, which is not followed");
        }
        let told = serde_json::from_slice::<Value>(self.body()).ok();
        let message = told.as_ref().and_then(|body| {
            let error = body.get("error").unwrap_or(body);
            let message = error.get("message").or_else(|| body.get("detail")).or(Some(error))?;
            Some(message.as_str().map_or_else(|| message.to_string(), str::to_owned))
        });
        match message {
            Some(message) => format!("status {status}: {}", excerpt(message.as_bytes(), MESSAGE_CHARACTERS)),
            None if self.body().is_empty() => format!("status {status}, without a body"),
            None => format!("status {status}: {}", excerpt(self.body(), MESSAGE_CHARACTERS)),
        }
    }
}

fn standing(status: u16) -> Standing {
    match status {
        200..=299 => Standing::Accepted,
        400 | 404 | 405 | 415 | 422 | 501 => Standing::Declined,
        408 | 425 | 429 | 502 | 503 | 504 | 529 => Standing::Busy,
        401 | 403 => Standing::Locked,
        _ => Standing::Other,
    }
}

/// A character as it stands between double quotes: as Rust escapes it, but for the apostrophe, which ends nothing there.
fn shown(character: char) -> String {
    if character == '\'' { "'".to_owned() } else { character.escape_debug().to_string() }
}

/// The beginning of bytes in quotes, for people; what is no printable text is escaped.
pub(crate) fn excerpt(bytes: &[u8], characters: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(characters * 4)]);
    let shown: String = text.chars().take(characters).map(shown).collect();
    let more = if text.chars().count() > characters || bytes.len() > characters * 4 { "…" } else { "" };
    format!("\"{shown}{more}\"")
}
