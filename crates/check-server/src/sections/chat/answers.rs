//! What the answer to a plain chat looks like.

use serde_json::Value;

use crate::case::{Objection, Outcome, held};
use crate::ending::told_ending;
use crate::exchange::Exchange;
use crate::json_answer::must_be_json;
use crate::plain_chat::PlainChat;
use crate::samples;
use crate::schema::{Schema, shown};
use crate::trial::Trial;

/// So many answers with fingerprints of their own are no accident, nor a second machine.
const FINGERPRINTS_TO_TELL: usize = 3;

/// The root of all: the plainest request must have a usable answer; what else the server takes must look the same.
pub(super) async fn schema(trial: &Trial) -> Outcome {
    let [ordinary, others @ ..] = samples::plain_kinds(trial);
    let ordinary = trial.ask(ordinary).await;
    usable(&ordinary)?;
    as_described(&ordinary)?;
    let mut looked_at = 1;
    for question in others {
        let exchange = trial.ask(question).await;
        if exchange.accepted().is_ok() {
            as_described(&exchange)?;
            looked_at += 1;
        }
    }
    held(format!("{looked_at} answers as they are described"))
}

/// Whether there is an answer at all.
fn usable(exchange: &Exchange) -> Result<(), Objection> {
    let broken = |seen: String| Objection::broken(seen).expected("a chat completion").about(exchange);
    let answer = match &exchange.outcome {
        // It was not asked, or could not be.
        Err(_) => return exchange.answer().map(|_| ()),
        Ok(answer) => answer,
    };
    let Some(status) = answer.status() else {
        return Err(broken(format!("no answer: {}", told_ending(&answer.received.ending))));
    };
    match status {
        200..=299 => Ok(()),
        300..=399 => {
            let place = exchange.header("location").unwrap_or_else(|| "nowhere".to_owned());
            Err(broken(format!("status {status}, a redirect to {place}")))
        }
        // Busy, or locked: that is no answer to the question.
        401..=403 | 408 | 425 | 429 | 503 | 529 => exchange.accepted().map(|_| ()),
        400 | 404 | 405 | 415 | 422 | 501 => exchange.accepted().map(|_| ()),
        _ => Err(broken(exchange.told_refusal(status))),
    }
}

/// Whether an accepted answer is JSON, says so, comes to its end, and has the form.
fn as_described(exchange: &Exchange) -> Result<(), Objection> {
    let body = must_be_json(exchange)?;
    if let Some(ending) = exchange.ending().filter(|ending| !ending.is_complete()) {
        exchange.read_to_its_end()?;
        let seen = format!("the JSON is whole, and the answer is not: {}", told_ending(ending));
        return Err(Objection::broken(seen).of(&exchange.question.title).about(exchange));
    }
    let objection = match body.get("error") {
        Some(error) if !error.is_null() && body.get("choices").is_none() => {
            Objection::broken(format!("status {}, and an error: {}", exchange.status()?, shown(error)))
        }
        _ => match Schema::ChatCompletion.check(&body) {
            Ok(()) => return Ok(()),
            Err(flaw) => flaw,
        },
    };
    Err(objection.of(&exchange.question.title).about(exchange))
}

pub(super) async fn content_type_of_content(trial: &Trial) -> Outcome {
    each_choice(trial, |choice| match choice.pointer("/message/content") {
        Some(Value::String(_) | Value::Null) => None,
        Some(other) => Some(format!("message.content is {}, neither a string nor null", shown(other))),
        None => Some("message.content is absent".to_owned()),
    })
    .await
}

pub(super) async fn role_assistant(trial: &Trial) -> Outcome {
    each_choice(trial, |choice| match choice.pointer("/message/role") {
        Some(role) if role == "assistant" => None,
        Some(other) => Some(format!("message.role is {}", shown(other))),
        None => Some("message.role is absent".to_owned()),
    })
    .await
}

pub(super) async fn indexes(trial: &Trial) -> Outcome {
    let chats = samples::plain_chats(trial).await?;
    let mut told = Vec::new();
    for chat in &chats {
        let asked = asked_choices(&chat.exchange);
        let indexes: Vec<Option<&Value>> = chat.choices().iter().map(|choice| choice.get("index")).collect();
        let mut numbers: Vec<u64> =
            indexes.iter().filter_map(|index| index.and_then(Value::as_u64)).collect();
        numbers.sort_unstable();
        if indexes.len() as u64 != asked || !numbers.iter().copied().eq(0..asked) {
            let listed: Vec<String> =
                indexes.iter().map(|index| index.map_or_else(|| "none".to_owned(), shown)).collect();
            let seen =
                format!("{}: choices with the indexes [{}]", chat.exchange.question.title, listed.join(", "));
            let expected = format!("{asked} choices, with the indexes 0 to {}", asked.saturating_sub(1));
            return Err(chat.broken(seen).expected(expected));
        }
        told.push(asked.to_string());
    }
    held(format!("as they should be in answers of {} choices", told.join(", ")))
}

/// How many choices a request asks for.
fn asked_choices(exchange: &Exchange) -> u64 {
    let body: Value = exchange.question.json().unwrap_or_default();
    body.get("n").and_then(Value::as_u64).unwrap_or(1)
}

pub(super) async fn system_fingerprint(trial: &Trial) -> Outcome {
    let chats = samples::plain_chats(trial).await?;
    let mut fingerprints = Vec::new();
    for chat in &chats {
        match chat.body.get("system_fingerprint") {
            Some(Value::String(fingerprint)) if !fingerprint.is_empty() => {
                fingerprints.push(fingerprint.as_str())
            }
            other => {
                let told = other.map_or_else(|| "absent".to_owned(), shown);
                return Err(chat.broken(format!("system_fingerprint is {told}")));
            }
        }
    }
    let mut distinct = fingerprints.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() >= FINGERPRINTS_TO_TELL && distinct.len() == fingerprints.len() {
        let seen = format!("{} answers, each with another fingerprint: {}", chats.len(), distinct.join(", "));
        return Err(chats.first().map_or_else(|| Objection::broken(&seen), |chat| chat.broken(&seen)));
    }
    held(distinct.join(", "))
}

/// Looks at every choice of every plain chat; what is said of one is what is wrong with it.
async fn each_choice(trial: &Trial, flaw: impl Fn(&Value) -> Option<String>) -> Outcome {
    let chats = samples::plain_chats(trial).await?;
    let mut looked_at = 0;
    for chat in &chats {
        for (position, choice) in chat.choices().iter().enumerate() {
            if let Some(flaw) = flaw(choice) {
                let title = &chat.exchange.question.title;
                return Err(chat.broken(format!("{title}: in choice {position}, {flaw}")));
            }
            looked_at += 1;
        }
    }
    if looked_at == 0 {
        return Err(no_choice(&chats));
    }
    held(format!("so in {looked_at} choices of {} answers", chats.len()))
}

fn no_choice(chats: &[PlainChat]) -> Objection {
    let seen = "no choice in any answer";
    chats.first().map_or_else(|| Objection::inconclusive(seen), |chat| chat.inconclusive(seen))
}
