//! Keys: who is let in, at every endpoint that the server has, and what is said of those who are not. The list of models is
//! a matter of its own: many servers show it to everybody, as a shop does.

use std::sync::Arc;

use super::{chat, cut_json, messages_are_a_text, streamed_chat};
use crate::case::{Objection, Outcome, held};
use crate::chat::Chat;
use crate::exchange::Exchange;
use crate::preflight::to_endpoint;
use crate::question::Question;
use crate::refusal::chats_are_answered;
use crate::samples;
use crate::trial::Trial;

/// Keys that no server has. A mask may leave the ends of one visible, and not the whole.
pub(super) const WRONG_KEYS: [&str; 2] = ["sk-interference-check-0b5fe2c1-is-no-key", "wrong"];
/// Shorter keys than this may stand in an answer by chance.
const SHORTEST_KEY_TO_LOOK_FOR: usize = 8;

/// Of the kinds of chat that the server answers.
pub(super) fn without_key(trial: &Trial) -> Vec<Question> {
    let kinds = [chat(trial, "a chat without a key"), streamed_chat(trial, "a streamed chat without a key")];
    answered(trial, kinds).map(|chat| chat.question().without_key()).collect()
}

/// Of the kinds of chat that the server answers.
pub(super) fn with_wrong_key(trial: &Trial, key: &str) -> Vec<Question> {
    let kinds =
        [chat(trial, "a chat with a wrong key"), streamed_chat(trial, "a streamed chat with a wrong key")];
    answered(trial, kinds).map(|chat| chat.question().with_key(key)).collect()
}

/// A request to each endpoint beside chats that the server answers with its own key.
fn elsewhere(trial: &Trial) -> impl Iterator<Item = Question> {
    let knowledge = trial.knowledge();
    knowledge.answering().map(|endpoint| to_endpoint(knowledge, endpoint))
}

/// Those of a plain and a streamed chat that the server answers with its own key.
fn answered<'a>(trial: &Trial, [plain, streamed]: [Chat<'a>; 2]) -> impl Iterator<Item = Chat<'a>> {
    let knowledge = trial.knowledge();
    let kinds = [(knowledge.plain.is_ok(), plain), (knowledge.streamed.is_ok(), streamed)];
    kinds.into_iter().filter(|(is_answered, _)| *is_answered).map(|(_, chat)| chat)
}

/// What a server that may have keys says to requests that bring none of them. Where it takes all of them, another one
/// tells whether it has keys.
async fn locked_out(
    trial: &Trial,
    questions: impl IntoIterator<Item = Question>,
    another: Option<Question>,
) -> Outcome {
    let another = another.ok_or_else(|| Objection::inconclusive("no chat is answered"))?;
    let mut opened: Option<Arc<Exchange>> = None;
    let mut refusals = 0_usize;
    for question in questions {
        let exchange = trial.ask(question).await;
        let title = &exchange.question.title;
        let status = exchange.status()?;
        match status {
            200..=299 => opened = opened.or(Some(exchange)),
            401 => refusals += 1,
            300..=399 | 408 | 425 | 429 | 502 | 503 | 504 | 529 => {
                let seen = format!("{title}: {}", exchange.told_refusal(status));
                return Err(Objection::inconclusive(seen).about(&exchange));
            }
            _ => {
                let seen = format!("{title}: {}", exchange.told_refusal(status));
                return Err(Objection::broken(seen).expected("status 401").about(&exchange));
            }
        }
    }
    match opened {
        None => held(format!("{refusals} requests, each refused with status 401")),
        Some(_) if refusals == 0 && !matches!(trial.ask(another).await.status()?, 401 | 403) => {
            Err(Objection::not_applicable("the server answers with any key and without one: keys are off"))
        }
        Some(exchange) => {
            let seen = format!("{} is answered with status {}", exchange.question.title, exchange.status()?);
            Err(Objection::broken(seen).expected("status 401").about(&exchange))
        }
    }
}

fn key_was_given(trial: &Trial) -> Result<(), Objection> {
    chats_are_answered(trial)?;
    match trial.asker().target().key() {
        Some(_) => Ok(()),
        None => Err(Objection::not_applicable("no key was given, and the server is open without one")),
    }
}

pub(super) async fn no_key(trial: &Trial) -> Outcome {
    key_was_given(trial)?;
    let wrong = with_wrong_key(trial, WRONG_KEYS[0]).into_iter().next();
    let elsewhere = elsewhere(trial).map(|question| question.without_key().further_titled("without a key"));
    locked_out(trial, without_key(trial).into_iter().chain(elsewhere), wrong).await
}

pub(super) async fn wrong_key(trial: &Trial) -> Outcome {
    key_was_given(trial)?;
    let mut questions = Vec::new();
    for key in WRONG_KEYS {
        questions.extend(with_wrong_key(trial, key));
    }
    questions.extend(
        elsewhere(trial).map(|question| question.with_key(WRONG_KEYS[0]).further_titled("with a wrong key")),
    );
    let longer = "with the right key and more behind it";
    let kinds = [
        chat(trial, &format!("a chat {longer}")),
        streamed_chat(trial, &format!("a streamed chat {longer}")),
    ];
    questions.extend(answered(trial, kinds).take(1).map(|chat| chat.question().with_longer_key()));
    let none = without_key(trial).into_iter().next();
    locked_out(trial, questions, none).await
}

pub(super) async fn key_for_models(trial: &Trial) -> Outcome {
    key_was_given(trial)?;
    if trial.knowledge().listed_models.is_empty() {
        return Err(Objection::not_applicable("no models are listed"));
    }
    let models = || Question::get("/models");
    let questions = [
        models().without_key().further_titled("without a key"),
        models().with_key(WRONG_KEYS[0]).further_titled("with a wrong key"),
    ];
    let mut statuses = Vec::new();
    let mut opened = None;
    for question in questions {
        let exchange = trial.ask(question).await;
        match exchange.status()? {
            200..=299 => opened = opened.or(Some(exchange)),
            // With which of these is the matter of other cases.
            status @ (401 | 403) => statuses.push(status.to_string()),
            status => {
                let seen = format!("{}: {}", exchange.question.title, exchange.told_refusal(status));
                return Err(Objection::inconclusive(seen).about(&exchange));
            }
        }
    }
    let Some(exchange) = opened else { return held(format!("refused with status {}", statuses.join(", "))) };
    for question in without_key(trial).into_iter().take(1) {
        if statuses.is_empty() && trial.ask(question).await.accepted().is_ok() {
            return Err(Objection::not_applicable("the server answers without a key: keys are off"));
        }
    }
    let seen = format!("{} is answered with status {}", exchange.question.title, exchange.status()?);
    Err(Objection::broken(seen).expected("status 401").about(&exchange))
}

pub(super) async fn key_not_echoed(trial: &Trial) -> Outcome {
    let wrong = WRONG_KEYS[0];
    let mut questions: Vec<(Question, &str)> =
        with_wrong_key(trial, wrong).into_iter().map(|question| (question, wrong)).collect();
    let no_path = Question::get("/no-such-path-1f9d").with_key(wrong);
    questions.push((cut_json().with_key(wrong), wrong));
    questions.push((no_path.clone(), wrong));
    let unrelated = trial.ask(no_path).await;
    // A key that is a word may stand in an answer for other reasons than that it was sent.
    let is_a_word = |key: &str| trial.knowledge().model.contains(key) || has(&unrelated, key);
    let given = trial.asker().target().key();
    let given = given.filter(|key| key.len() >= SHORTEST_KEY_TO_LOOK_FOR && !is_a_word(key));
    if let Some(key) = given {
        let answered = [samples::plain(trial).question(), samples::streamed(trial).question()];
        let refused = [cut_json(), messages_are_a_text(trial)];
        questions.extend(answered.into_iter().chain(refused).map(|question| (question, key)));
    }
    let mut looked_at = 0;
    let mut none = None;
    for (question, key) in questions {
        let exchange = trial.ask(question).await;
        if let Err(objection) = exchange.answer() {
            none = Some(objection);
            continue;
        }
        looked_at += 1;
        if has(&exchange, key) {
            let seen = format!("the answer to {} has the key in it", exchange.question.title);
            return Err(Objection::broken(seen).about(&exchange));
        }
    }
    match none {
        Some(objection) if looked_at == 0 => Err(objection),
        _ => held(format!("in none of {looked_at} answers")),
    }
}

/// Whether the key stands anywhere in an answer, head included, also where the framing of chunks tears it apart.
fn has(exchange: &Exchange, key: &str) -> bool {
    let raw = exchange.outcome.as_ref().map_or(&[][..], |answer| answer.received.raw.as_slice());
    [raw, exchange.body()].iter().any(|place| place.windows(key.len()).any(|bytes| bytes == key.as_bytes()))
}
