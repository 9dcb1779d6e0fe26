//! Errors in a stream: how a client is told that an answer has failed after its 200.
//!
//! Owns what an error looks like, in the one form that clients read and in those that they do not. A server that
//! offers faults is asked for an error; of others, what came by itself is judged.

use serde_json::Value;

use super::TEXT_CHARACTERS;
use crate::case::{Objection, Outcome, held};
use crate::chat_stream::{ChatStream, Chunk};
use crate::exchange::excerpt;
use crate::lines::LineKind;
use crate::samples;
use crate::trial::Trial;
use crate::value::told;

/// What the header that asks for a fault says.
const PLAN: &str = "error.after_events = 3";
/// What of an error is told, in characters.
const ERROR_CHARACTERS: usize = 160;

pub(super) async fn error_in_stream(trial: &Trial) -> Outcome {
    if !trial.knowledge().offers_faults {
        return errors_by_themselves(trial).await;
    }
    let question = samples::streamed(trial)
        .titled("a streamed chat with an error after its third event")
        .question()
        .header("x-interference", PLAN);
    let stream = trial.stream(question).await?;
    let applied = stream.exchange.header("x-interference-applied").unwrap_or_default();
    if !applied.contains("error") {
        return Err(stream.inconclusive(format!("the server has not applied {PLAN:?}: {applied:?}")));
    }
    judge(&stream)?;
    match stream.errors.first() {
        Some(error) => held(excerpt(error.value.to_string().as_bytes(), ERROR_CHARACTERS)),
        None => Err(stream.broken(format!(
            "no error in {} events, though {applied:?} was applied",
            stream.stream.events.len()
        ))),
    }
}

async fn errors_by_themselves(trial: &Trial) -> Outcome {
    let streams = samples::streams(trial).await?;
    let mut errors = 0;
    for stream in &streams {
        judge(stream)?;
        errors += stream.errors.len();
    }
    match errors {
        0 => Err(Objection::not_applicable(format!(
            "no error came in {} streams, and the server has no way to ask for one",
            streams.len()
        ))),
        _ => held(format!("{errors} errors in {} streams, each an object with a message", streams.len())),
    }
}

/// Every error in a stream, in whatever form.
fn judge(stream: &ChatStream) -> Result<(), Objection> {
    if let Some(seen) = unread(stream) {
        return Err(stream.broken(seen).expected("an event whose data is {\"error\":{\"message\":…}}"));
    }
    for error in &stream.errors {
        let told_member = |name: &str, value: Option<&Value>| {
            stream.broken(format!("{}: {name} is {}", stream.place(error.event), told(value)))
        };
        let value = error.value.get("error");
        if !value.is_some_and(Value::is_object) {
            return Err(told_member("error", value).expected("error is an object"));
        }
        let message = value.and_then(|value| value.get("message"));
        if message.and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(told_member("error.message", message).expected("error.message is a text"));
        }
    }
    Ok(())
}

/// An error in a form that no client takes for one.
fn unread(stream: &ChatStream) -> Option<String> {
    let text_of = |bytes: &[u8]| excerpt(bytes, ERROR_CHARACTERS);
    if let Some(chunk) = stream.chunks.iter().find(|chunk| is_error_in_disguise(stream, chunk)) {
        let data = chunk.value.to_string();
        return Some(format!("{}: the data is {}", stream.place(chunk.event), text_of(data.as_bytes())));
    }
    for line in &stream.stream.lines {
        let LineKind::Field { name, value } = &line.kind else { continue };
        let text = stream.exchange.body().get(line.text.clone()).unwrap_or_default();
        let unframed = serde_json::from_slice::<Value>(text).is_ok_and(|value| value.get("error").is_some());
        if unframed || (name == "error" && !value.is_empty()) {
            return Some(format!("a line that is no data, at byte {}: {}", line.text.start, text_of(text)));
        }
    }
    let no_json = stream.no_json.iter().filter_map(|index| Some((index, stream.stream.events.get(*index)?)));
    for (index, event) in no_json {
        let data = event.data.as_deref().unwrap_or_default();
        if event.closed && data.to_ascii_lowercase().contains("error") {
            let data = excerpt(data.as_bytes(), TEXT_CHARACTERS);
            return Some(format!("{}: the data is {data}", stream.place(*index)));
        }
    }
    None
}

/// Whether a chunk is none, but an error that lacks the member `error`: the event's name says so, or its `object`, or
/// it has a message and a code where choices should be.
pub(super) fn is_error_in_disguise(stream: &ChatStream, chunk: &Chunk) -> bool {
    let named =
        stream.stream.events.get(chunk.event).and_then(|event| event.name.as_deref()) == Some("error");
    let has = |member: &str| chunk.value.get(member).is_some_and(|value| !value.is_null());
    let tells = has("message") && ["code", "type", "status"].into_iter().any(has);
    let is_object_of_errors = chunk.value.get("object").is_some_and(|object| object == "error");
    named || is_object_of_errors || (chunk.value.get("choices").is_none() && (tells || has("detail")))
}

/// Whether a stream tells of an error, in whatever form.
pub(super) fn has_error(stream: &ChatStream) -> bool {
    !stream.errors.is_empty() || unread(stream).is_some()
}
