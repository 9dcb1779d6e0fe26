//! Prompts that are longer than a model's context.
//!
//! Knows how long is long enough, and what a server has made of a prompt that it took.

use std::sync::Arc;

use serde_json::{Value, json};

use super::TOLD_CHARACTERS;
use crate::case::{Objection, ObjectionKind, Outcome};
use crate::chat_stream::ChatStream;
use crate::exchange::{Exchange, excerpt};
use crate::question::Question;
use crate::refusal::{chats_are_answered, held_by, refusal};
use crate::trial::Trial;

/// Numbers in a prompt that is beyond a context whose length is not listed. Each is a token at least.
const NUMBERS: u64 = 60_000;
/// And beyond one whose length is listed, at most.
const MOST_NUMBERS: u64 = 200_000;
/// What is left of a prompt that was cut fills a context, and no context is smaller. A usage below this is made up.
const LEAST_CUT: u64 = 256;

pub(super) async fn context_overflow(trial: &Trial) -> Outcome {
    chats_are_answered(trial)?;
    let numbers = match listed_context(trial).await {
        Some(length) => (length.min(MOST_NUMBERS) * 5 / 4 + 1024).min(MOST_NUMBERS),
        None => NUMBERS,
    };
    // In another order, so that what is known of the first prompt is of no use for the second.
    let ascending: Vec<String> = (1..=numbers).map(|number| number.to_string()).collect();
    let descending: Vec<String> = ascending.iter().rev().cloned().collect();
    let prompt = |list: &[String]| format!("How many of these numbers are even? {}", list.join(" "));
    let questions = [
        trial.chat(&prompt(&ascending), 1).titled(format!("a chat of {numbers} numbers")),
        trial
            .chat(&prompt(&descending), 1)
            .streamed()
            .titled(format!("a streamed chat of {numbers} numbers"))
            .with("stream_options", json!({"include_usage": true})),
    ];
    let (mut all, mut doubt) = (Vec::new(), None);
    for question in questions {
        let exchange = trial.ask_anew(question).await;
        let judged = match exchange.status()? {
            200..=299 => Err(taken(&exchange, numbers)),
            _ => refusal(&exchange),
        };
        match judged {
            Ok(one) => all.push(one),
            Err(objection) if objection.kind == ObjectionKind::Broken => return Err(objection),
            Err(objection) => doubt = doubt.or(Some(objection)),
        }
    }
    doubt.map_or_else(|| held_by(&all), Err)
}

/// The length of the model's context, in tokens, under one of the names that servers list it by.
async fn listed_context(trial: &Trial) -> Option<u64> {
    let listing = trial.ask(Question::get("/models")).await.json().ok()?;
    let model = &trial.knowledge().model;
    let entry = listing
        .get("data")?
        .as_array()?
        .iter()
        .find(|entry| entry.get("id").is_some_and(|id| id == model))?;
    [
        "/context_length",
        "/max_model_len",
        "/context_window",
        "/max_context_length",
        "/meta/n_ctx",
        "/meta/n_ctx_train",
    ]
    .iter()
    .find_map(|place| entry.pointer(place)?.as_u64())
    .filter(|length| *length > 0)
}

/// What a server that took too long a prompt has made of it.
fn taken(exchange: &Arc<Exchange>, numbers: u64) -> Objection {
    let title = &exchange.question.title;
    let usage = match ChatStream::read(exchange) {
        Ok(stream) if stream.exchange.media_type() == "text/event-stream" => {
            if let Some(error) = stream.errors.first() {
                let told = excerpt(error.value.to_string().as_bytes(), TOLD_CHARACTERS);
                return stream
                    .broken(format!("{title}: status 200, and then an error in the stream: {told}"));
            }
            stream.usages().last().map(|(_, usage)| (*usage).clone())
        }
        _ => exchange.json().ok().and_then(|body| body.get("usage").cloned()),
    };
    let tokens = usage.as_ref().and_then(|usage| usage.get("prompt_tokens")).and_then(Value::as_u64);
    match tokens {
        // Each number is a token at least, whatever the tokenizer; half of them leaves room for odd ways of counting.
        Some(tokens) if (LEAST_CUT..numbers / 2).contains(&tokens) => Objection::broken(format!(
            "{title}: status 200, and usage.prompt_tokens is {tokens}: the prompt was cut in silence"
        ))
        .about(exchange),
        Some(tokens) if tokens < LEAST_CUT => Objection::inconclusive(format!(
            "{title} is taken, and its usage of {tokens} tokens says nothing"
        ))
        .about(exchange),
        Some(tokens) => {
            Objection::inconclusive(format!("{title} is taken, as {tokens} tokens: the context is longer"))
                .about(exchange)
        }
        None => {
            Objection::inconclusive(format!("{title} is taken, and its usage does not say how much of it"))
                .about(exchange)
        }
    }
}
