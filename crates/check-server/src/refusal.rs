//! What a server says to a request that it is to refuse.
//!
//! Owns what counts as a refusal, and the reading of the error envelope. A server that is busy, or that the key does not
//! open, has not refused what was wrong with a request; one that was never seen to answer a chat has not either. Knows
//! no requirement of its own.

use std::sync::Arc;

use interference_wire::{Ending, Place};
use serde_json::Value;

use crate::case::{Objection, ObjectionKind, Outcome, held};
use crate::exchange::{Exchange, excerpt};
use crate::question::Question;
use crate::trial::Trial;
use crate::value::told;

/// What of an answer that should not be there is told, in characters.
const ANSWER_CHARACTERS: usize = 160;

/// A request that the server has refused.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    /// Its answer.
    pub(crate) exchange: Arc<Exchange>,
    /// Of 4xx.
    pub(crate) status: u16,
}

/// Asks for something that must be refused with a status of 4xx. A connection that is dropped without an answer is given
/// a second chance.
///
/// # Errors
/// Broken where the server takes it, fails at it, or drops the connection twice; INCONCLUSIVE where it is busy or locked,
/// or sends elsewhere.
pub(crate) async fn refused(trial: &Trial, question: impl Into<Question>) -> Result<Refused, Objection> {
    let question = question.into();
    let mut exchange = trial.ask(question.clone()).await;
    if dropped(&exchange) {
        exchange = trial.ask_anew(question).await;
    }
    if dropped(&exchange) {
        let ending = exchange.ending().map(crate::ending::told_ending).unwrap_or_default();
        let seen = format!("{}: no answer, twice; {ending}", exchange.question.title);
        return Err(Objection::broken(seen).about(&exchange));
    }
    refusal(&exchange)
}

/// The same for an answer that is there.
///
/// # Errors
/// As [`refused`]; INCONCLUSIVE where there is no answer.
pub(crate) fn refusal(exchange: &Arc<Exchange>) -> Result<Refused, Objection> {
    let status = exchange.status()?;
    let told = format!("{}: {}", exchange.question.title, told_answer(exchange, status));
    match status {
        401 | 403 | 407 | 408 | 425 | 429 | 502 | 503 | 504 | 529 => {
            Err(Objection::inconclusive(told).about(exchange))
        }
        400..=499 => Ok(Refused { exchange: Arc::clone(exchange), status }),
        200..=299 | 500..=599 => Err(Objection::broken(told).about(exchange)),
        _ => Err(Objection::inconclusive(told).about(exchange)),
    }
}

/// Asks for several things that must be refused: the first that is not decides, and a doubt about one is a doubt about
/// all.
///
/// # Errors
/// As [`refused`]; INCONCLUSIVE where no chat is answered at all.
pub(crate) async fn all_refused(
    trial: &Trial,
    questions: impl IntoIterator<Item = Question>,
) -> Result<Vec<Refused>, Objection> {
    chats_are_answered(trial)?;
    let (mut all, mut doubt) = (Vec::new(), None);
    for question in questions {
        match refused(trial, question).await {
            Ok(one) => all.push(one),
            Err(objection) if objection.kind == ObjectionKind::Broken => return Err(objection),
            Err(objection) => doubt = doubt.or(Some(objection)),
        }
    }
    doubt.map_or(Ok(all), Err)
}

/// What a case comes to that wanted nothing but refusals.
pub(crate) fn held_by(refused: &[Refused]) -> Outcome {
    let statuses: Vec<String> = refused.iter().map(|one| one.status.to_string()).collect();
    held(format!("refused with status {}", statuses.join(", ")))
}

/// Whether refusals mean anything: an endpoint that answers no chat refuses everything.
///
/// # Errors
/// INCONCLUSIVE, with what came instead of an answer.
pub(crate) fn chats_are_answered(trial: &Trial) -> Result<(), Objection> {
    let knowledge = trial.knowledge();
    match (&knowledge.plain, &knowledge.streamed) {
        (Err(reason), Err(_)) => Err(Objection::inconclusive(format!(
            "no chat is answered, so no refusal tells anything: {reason}"
        ))),
        _ => Ok(()),
    }
}

/// Whether the server ended the connection in place of an answer.
pub(crate) fn dropped(exchange: &Exchange) -> bool {
    matches!(
        exchange.ending(),
        Some(Ending::Cut(Place::BeforeHead | Place::Head) | Ending::Reset(Place::BeforeHead | Place::Head))
    )
}

/// `status 200, and an event stream that begins …`, for people.
fn told_answer(exchange: &Exchange, status: u16) -> String {
    if !(200..300).contains(&status) {
        return exchange.told_refusal(status);
    }
    let stream = exchange.event_stream();
    let first = stream.events.iter().find_map(|event| event.data.as_deref());
    match first {
        Some(data) if exchange.media_type() == "text/event-stream" => {
            let data = excerpt(data.as_bytes(), ANSWER_CHARACTERS);
            format!("status {status}, and a stream whose first event is {data}")
        }
        _ => format!("status {status}, and {}", excerpt(exchange.body(), ANSWER_CHARACTERS)),
    }
}

/// What is wrong with the body of an error; nothing if all four members are there, each of its type.
pub(crate) fn envelope_flaws(body: &Value) -> Vec<String> {
    let Some(error) = body.get("error") else {
        let members: Vec<&str> =
            body.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).take(8).collect();
        return vec![match body.as_object() {
            Some(_) => format!("no member error; there are [{}]", members.join(", ")),
            None => format!("the body is {}", told(Some(body))),
        }];
    };
    if !error.is_object() {
        return vec![format!("error is {}", told(Some(error)))];
    }
    let flaw = |(name, may_be_null): (&str, bool)| match error.get(name) {
        None => Some(format!("error.{name} is absent")),
        Some(Value::String(_)) => None,
        Some(Value::Null) if may_be_null => None,
        Some(value) => Some(format!("error.{name} is {}", told(Some(value)))),
    };
    [("message", false), ("type", false), ("param", true), ("code", true)]
        .into_iter()
        .filter_map(flaw)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_envelope_has_four_members_of_their_types() {
        let sound = json!({"error": {"message": "m", "type": "t", "param": null, "code": "c", "more": 1}});
        assert_eq!(envelope_flaws(&sound), Vec::<String>::new());
        for (body, expected) in [
            (
                json!({"error": {"message": "m", "type": "t", "code": 400}}),
                "error.param is absent; error.code is 400",
            ),
            (
                json!({"error": {"message": null, "type": ["t"], "param": null, "code": null}}),
                "error.message is null; error.type is an array, [\"t\"]",
            ),
            (json!({"error": "m"}), "error is \"m\", a string"),
            (json!({"error": null}), "error is null"),
            (json!({"detail": "m", "status": 1}), "no member error; there are [detail, status]"),
            (json!("m"), "the body is \"m\", a string"),
        ] {
            assert_eq!(envelope_flaws(&body).join("; "), expected);
        }
    }
}
