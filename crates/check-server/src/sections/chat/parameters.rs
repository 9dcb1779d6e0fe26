//! Which parameters of a plain chat are honoured, and which are refused.

use serde_json::{Value, json};

use super::messages::TOKENS;
use crate::case::{Objection, Outcome, held};
use crate::chat::Chat;
use crate::ending::told_ending;
use crate::exchange::{Exchange, excerpt};
use crate::plain_chat::PlainChat;
use crate::question::Question;
use crate::refusal::{all_refused, chats_are_answered, dropped, held_by};
use crate::samples::POEM;
use crate::trial::Trial;

/// A limit that no poem keeps by itself.
pub(super) const FEW_TOKENS: u32 = 8;
/// The limit of answers that are drawn, long enough to differ.
pub(super) const SOME_TOKENS: u32 = 24;

/// Some servers count the end of the text as a token.
const END_OF_TEXT: u64 = 1;
/// A word has a token at least; this many words are beyond doubt.
const WORDS_BEYOND_DOUBT: usize = 2 * FEW_TOKENS as usize;

/// What of a text is told, in characters.
pub(super) const TEXT_CHARACTERS: usize = 80;

pub(super) async fn max_completion_tokens(trial: &Trial) -> Outcome {
    let question = trial
        .chat(POEM, FEW_TOKENS)
        .titled("a chat with max_completion_tokens")
        .without("max_tokens")
        .with("max_completion_tokens", json!(FEW_TOKENS));
    let chat = PlainChat::read(&trial.ask(question).await)?;
    let (text, tokens) = (chat.text(), chat.completion_tokens());
    let words = text.split_whitespace().count();
    let count = tokens.map_or_else(|| "an unknown number of".to_owned(), |tokens| tokens.to_string());
    let told = format!(
        "{count} completion tokens, {words} words, finish_reason {:?}, where {FEW_TOKENS} tokens are the limit",
        chat.finish_reason().unwrap_or_default()
    );
    let too_many = tokens.is_some_and(|tokens| tokens > u64::from(FEW_TOKENS) + END_OF_TEXT);
    if too_many || words > WORDS_BEYOND_DOUBT {
        return Err(chat.broken(told).expected(format!("{FEW_TOKENS} tokens at most")));
    }
    held(told)
}

pub(super) async fn unknown_field(trial: &Trial) -> Outcome {
    chats_are_answered(trial)?;
    let user = json!({"role": "user", "content": POEM, "x_note": {"colour": ["green"]}});
    let questions = [
        trial
            .chat(POEM, TOKENS)
            .titled("a chat with an unknown member")
            .with("x_interference_unknown", json!({"list": [1, null]})),
        trial.chat(POEM, TOKENS).titled("a chat with an unknown member of a message").messages(json!([user])),
    ];
    let mut statuses = Vec::new();
    for question in questions {
        let mut exchange = trial.ask(question.clone()).await;
        if dropped(&exchange) {
            exchange = trial.ask_anew(question).await;
        }
        statuses.push(taken_or_refused(&exchange)?.to_string());
    }
    held(format!("status {}", statuses.join(", ")))
}

/// Anything but a failure.
fn taken_or_refused(exchange: &Exchange) -> Result<u16, Objection> {
    let title = &exchange.question.title;
    if dropped(exchange) {
        let ending = exchange.ending().map(told_ending).unwrap_or_default();
        return Err(Objection::broken(format!("{title}: no answer, twice: {ending}")).about(exchange));
    }
    let status = exchange.status()?;
    let told = || format!("{title}: {}", exchange.told_refusal(status));
    match status {
        200..=299 => {
            let body = exchange.json()?;
            if body.get("choices").is_none_or(|choices| !choices.is_array()) {
                return Err(Objection::broken(told())
                    .expected("an answer, or a status of 4xx")
                    .about(exchange));
            }
            Ok(status)
        }
        400..=499 if !matches!(status, 401 | 403 | 408 | 425 | 429) => Ok(status),
        500 | 501 | 505..=528 | 530..=599 => Err(Objection::broken(told()).about(exchange)),
        _ => Err(Objection::inconclusive(told()).about(exchange)),
    }
}

pub(super) async fn temperature_range(trial: &Trial) -> Outcome {
    let with = |temperature: Value| {
        let title = format!("a chat with a temperature of {temperature}");
        trial.chat(POEM, TOKENS).titled(title).with("temperature", temperature)
    };
    refused_as_invalid(trial, [with(json!(3)), with(json!(-1))]).await
}

pub(super) async fn n_zero(trial: &Trial) -> Outcome {
    let chat = trial.chat(POEM, TOKENS).titled("a chat with n = 0").with("n", json!(0));
    let streamed = chat.clone().streamed().titled("a streamed chat with n = 0");
    refused_as_invalid(trial, [chat, streamed]).await
}

pub(super) async fn empty_messages(trial: &Trial) -> Outcome {
    let chat = trial.chat(POEM, TOKENS).titled("a chat without messages").messages(json!([]));
    refused_as_invalid(trial, [chat]).await
}

/// Each is to be refused with status 400; 422 is what many frameworks say in its place.
async fn refused_as_invalid<const N: usize>(trial: &Trial, chats: [Chat<'_>; N]) -> Outcome {
    let refused = all_refused(trial, chats.map(Question::from)).await?;
    for one in &refused {
        if !matches!(one.status, 400 | 422) {
            let told = one.exchange.told_refusal(one.status);
            let seen = format!("{}: {told}", one.exchange.question.title);
            return Err(Objection::broken(seen).expected("status 400, or 422").about(&one.exchange));
        }
    }
    held_by(&refused)
}

pub(super) async fn seed_repeats(trial: &Trial) -> Outcome {
    if !trial.knowledge().takes_seed {
        return Err(Objection::unsupported("the server refuses a seed"));
    }
    let question = || {
        let chat =
            trial.chat("Write a story about a fox.", SOME_TOKENS).titled("a chat that is drawn by a seed");
        let chat = chat.with("seed", json!(11));
        if trial.knowledge().takes_temperature { chat.with("temperature", json!(1)) } else { chat }
    };
    let first = PlainChat::read(&trial.ask_anew(question()).await)?;
    if first.text().is_empty() {
        return Err(first.inconclusive("an answer without text"));
    }
    for _ in 1..3 {
        let again = PlainChat::read(&trial.ask_anew(question()).await)?;
        if again.text() == first.text() {
            continue;
        }
        let told = |chat: &PlainChat| excerpt(chat.text().as_bytes(), TEXT_CHARACTERS);
        let seen = format!("{}, then {}", told(&first), told(&again));
        let fingerprint = |chat: &PlainChat| chat.body.get("system_fingerprint").cloned();
        if fingerprint(&first) != fingerprint(&again) {
            return Err(again.inconclusive(format!("{seen}; but the fingerprint is another one")));
        }
        return Err(again.broken(seen));
    }
    held(format!("three times {}", excerpt(first.text().as_bytes(), TEXT_CHARACTERS)))
}
