//! Errors in a stream: how a client is told that an answer has failed after its 200.
//!
//! A server that offers faults is asked for an error; of others, what came by itself is judged. What an error looks like
//! that no client reads is known to [`stream_errors`].

use serde_json::Value;

use crate::case::{Objection, Outcome, held};
use crate::chat_stream::ChatStream;
use crate::exchange::excerpt;
use crate::preflight::{FAULTS_APPLIED_HEADER, FAULTS_HEADER};
use crate::samples;
use crate::stream_errors;
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
        .header(FAULTS_HEADER, PLAN);
    let stream = trial.stream(question).await?;
    let applied = stream.exchange.header(FAULTS_APPLIED_HEADER).unwrap_or_default();
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
    if let Some(seen) = stream_errors::unread(stream) {
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
