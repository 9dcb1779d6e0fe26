//! What a server keeps of responses: whether it can be found, followed and deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::case::{Objection, Outcome, held};
use crate::exchange::{Exchange, excerpt};
use crate::question::Question;
use crate::response_request::{LEAST_LIMIT, ResponseRequest, kept_path};
use crate::response_stream::{ResponseStream, TOLD_CHARACTERS};
use crate::response_texts::output_text;
use crate::trial::Trial;

/// A word that nobody says by chance.
const WORD: &str = "marzipan";
/// A response that never was.
const UNKNOWN_ID: &str = "resp_5f3c1b0a9d8e7f6a5b4c3d2e1f0a9b8c";

/// What became of a request that asks for something kept.
enum Found {
    /// Status 2xx.
    There,
    /// A refusal, with its words.
    Refused(String),
}

pub(super) async fn previous_id(trial: &Trial) -> Outcome {
    let question = "Which word have I told you?";
    let follow_up = |title: &str| ResponseRequest::new(trial, title, question, LEAST_LIMIT);
    let alone = trial.ask(follow_up("a response to a question alone")).await;
    let alone = response_of(&alone)?;
    let stray = follow_up("a response that follows one that never was")
        .with("previous_response_id", json!(UNKNOWN_ID));
    let stray = trial.ask(stray).await;
    if let Found::There = found(&stray)? {
        return Err(Objection::broken("a previous_response_id that never was is taken: it is passed over")
            .expected("a status of 4xx")
            .about(&stray));
    }
    let told = format!("The word is {WORD}. Keep it in mind.");
    let first = ResponseRequest::new(trial, "a response to be followed", told, LEAST_LIMIT)
        .with("store", json!(true));
    let first = response_of(&trial.ask(first).await)?;
    let second =
        follow_up("a response that follows another").with("previous_response_id", json!(id_of(&first)?));
    let exchange = trial.ask(second).await;
    if let Found::Refused(refusal) = found(&exchange)? {
        return held(format!("refused: {refusal}"));
    }
    let second = exchange.json()?;
    let text = output_text(&second);
    let recalls = text.to_lowercase().contains(WORD);
    let tokens = |response: &Value| response.pointer("/usage/input_tokens").and_then(Value::as_u64);
    match (tokens(&alone), tokens(&second)) {
        _ if recalls => held(format!("the answer has the word: {}", excerpt(text.as_bytes(), TOLD_CHARACTERS))),
        (Some(alone), Some(following)) if following > alone => {
            held(format!("{following} input tokens, and {alone} without the response before"))
        }
        (Some(alone), Some(following)) => Err(Objection::broken(format!(
            "{following} input tokens, as many as the {alone} without the response before, and an answer without \
             the word: {}",
            excerpt(text.as_bytes(), TOLD_CHARACTERS)
        ))
        .expected("an answer that knows the conversation, or a status of 400")
        .about(&exchange)),
        _ => Err(Objection::inconclusive("the answer has not the word, and no usage tells what was read")
            .about(&exchange)),
    }
}

pub(super) async fn retrieve(trial: &Trial) -> Outcome {
    let told = response_of(&trial.ask(to_be_retrieved(trial)).await)?;
    let got = trial.ask(retrieval(&told)?).await;
    retrievable(&told, &got)?;
    let kept = got.json().map_err(|objection| Objection::broken(objection.seen).about(&got))?;
    for member in ["id", "object", "status"] {
        if kept.get(member) != told.get(member) {
            let shown = |value: &Value| value.get(member).map_or("none".to_owned(), Value::to_string);
            let seen = format!("the {member} {}, which was {}", shown(&kept), shown(&told));
            return Err(Objection::broken(seen).about(&got));
        }
    }
    let (kept, told) = (output_text(&kept), output_text(&told));
    let [shown_kept, shown_told] = [&kept, &told].map(|text| excerpt(text.as_bytes(), TOLD_CHARACTERS));
    if kept != told {
        return Err(Objection::broken(format!("the text {shown_kept}, which was {shown_told}")).about(&got));
    }
    held(format!("found again, with the text {shown_kept}"))
}

pub(super) async fn delete(trial: &Trial) -> Outcome {
    let told = response_of(&trial.ask(stored(trial, "a response to be deleted", "Name a bush.")).await)?;
    let path = kept_path(&id_of(&told)?);
    let before =
        trial.ask_anew(Question::get(path.as_str()).titled("the response before it is deleted")).await;
    retrievable(&told, &before)?;
    let deleted = trial.ask_anew(Question::delete(path.as_str())).await;
    if let Found::Refused(refusal) = found(&deleted)? {
        return Err(Objection::unsupported(refusal).about(&deleted));
    }
    let after =
        trial.ask_anew(Question::get(path.as_str()).titled("the response after it was deleted")).await;
    match found(&after)? {
        Found::There => Err(Objection::broken("status 200 for a response that was deleted")
            .expected("status 404")
            .about(&after)),
        Found::Refused(refusal) => held(format!("afterwards {refusal}")),
    }
}

pub(super) async fn store_false(trial: &Trial) -> Outcome {
    let ask = |title: &str, prompt: &str| {
        ResponseRequest::new(trial, title, prompt, LEAST_LIMIT).with("store", json!(false))
    };
    let plain = trial.ask(ask("a response that is not stored", "Name a flower.")).await;
    let streamed = trial.ask(ask("a streamed response that is not stored", "Name a herb.").streamed()).await;
    let mut ids = vec![id_of(&response_of(&plain)?)?];
    if let Ok(stream) = ResponseStream::read(&streamed) {
        ids.extend(stream.id().map(str::to_owned));
    }
    let mut refusals = Vec::new();
    for id in &ids {
        let got = trial.ask(Question::get(kept_path(id)).titled("the response that is not stored")).await;
        match found(&got)? {
            Found::There => {
                return Err(Objection::broken(format!("status 200 for {id}, which was not to be stored"))
                    .expected("status 404")
                    .about(&got));
            }
            Found::Refused(refusal) => refusals.push(refusal),
        }
    }
    // Where nothing is kept at all, nobody has looked for these.
    let stored = response_of(&trial.ask(to_be_retrieved(trial)).await)?;
    let got = trial.ask(retrieval(&stored)?).await;
    if let Found::Refused(refusal) = found(&got)? {
        let seen = format!("a response with store: true is not found either: {refusal}");
        return Err(Objection::unsupported(seen).about(&got));
    }
    held(refusals.join("; "))
}

pub(super) async fn input_items(trial: &Trial) -> Outcome {
    let text = "The tree in front of my house is a linden.";
    let input =
        json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}]);
    let request =
        ResponseRequest::new(trial, "a response to a message", input, LEAST_LIMIT).with("store", json!(true));
    let told = response_of(&trial.ask(request).await)?;
    let path = format!("{}/input_items", kept_path(&id_of(&told)?));
    let got = trial.ask(Question::get(path).titled("the input of a response")).await;
    if let Found::Refused(refusal) = found(&got)? {
        return Err(Objection::unsupported(refusal).about(&got));
    }
    let broken = |seen: String| Objection::broken(seen).about(&got);
    let list = got.json().map_err(|objection| broken(objection.seen))?;
    let shown =
        |name: &str| list.get(name).map_or(format!("no {name}"), |value| format!("the {name} {value}"));
    if list.get("object").is_none_or(|object| object != "list") {
        return Err(broken(shown("object")).expected("object: list"));
    }
    if !list.get("has_more").is_some_and(Value::is_boolean) {
        return Err(broken(shown("has_more")));
    }
    for name in ["first_id", "last_id"] {
        if !list.get(name).is_some_and(Value::is_string) {
            return Err(broken(shown(name)));
        }
    }
    let Some(items) = list.get("data").and_then(Value::as_array) else {
        return Err(broken(shown("data")));
    };
    let said = |item: &Value| {
        let content = item.get("content");
        let parts = content.and_then(Value::as_array).into_iter().flatten();
        content.and_then(Value::as_str) == Some(text)
            || parts.into_iter().any(|part| part.get("text").and_then(Value::as_str) == Some(text))
    };
    if !items.iter().any(said) {
        let seen = format!("{} items, none with the text that was sent", items.len());
        return Err(broken(seen));
    }
    held(format!("the text is among {} items", items.len()))
}

fn to_be_retrieved(trial: &Trial) -> ResponseRequest {
    stored(trial, "a response to be retrieved", "Name a tree.")
}

fn retrieval(told: &Value) -> Result<Question, Objection> {
    Ok(Question::get(kept_path(&id_of(told)?)).titled("the response, retrieved"))
}

fn stored(trial: &Trial, title: &str, prompt: &str) -> ResponseRequest {
    ResponseRequest::new(trial, title, prompt, LEAST_LIMIT).with("store", json!(true))
}

/// The response that was answered.
fn response_of(exchange: &Arc<Exchange>) -> Result<Value, Objection> {
    exchange.accepted()?;
    exchange.json()
}

fn id_of(response: &Value) -> Result<String, Objection> {
    let id = response.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| Objection::inconclusive("a response without an id"))
}

/// Whether a GET has found a response. One that the server says it has stored must be there; where it does not say so,
/// it need not keep anything.
fn retrievable(told: &Value, got: &Arc<Exchange>) -> Result<(), Objection> {
    match found(got)? {
        Found::There => Ok(()),
        Found::Refused(refusal) if told.get("store") == Some(&Value::Bool(true)) => {
            let seen = format!("{refusal}, for a response that said \"store\": true");
            Err(Objection::broken(seen).about(got))
        }
        Found::Refused(refusal) => Err(Objection::unsupported(refusal).about(got)),
    }
}

/// Whether it is there, by the status.
///
/// # Errors
/// Broken where the server fails; INCONCLUSIVE where it is busy, locked or silent.
fn found(exchange: &Arc<Exchange>) -> Result<Found, Objection> {
    let status = exchange.status()?;
    let told = exchange.told_refusal(status);
    match status {
        200..=299 => Ok(Found::There),
        401 | 403 | 408 | 425 | 429 | 502 | 503 | 504 | 529 => {
            Err(Objection::inconclusive(told).about(exchange))
        }
        400..=499 | 501 => Ok(Found::Refused(told)),
        _ => Err(Objection::broken(told).expected("an answer, or a status of 4xx").about(exchange)),
    }
}
