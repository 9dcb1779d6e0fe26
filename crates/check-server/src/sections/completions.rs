//! `completions`: text completions, the older endpoint.
//!
//! A stream is looked at with the judge's own reading of events; what its bytes are like is asked of chats alone.

use std::sync::Arc;

use interference_report::Level::{Must, Should};
use serde_json::{Map, Value, json};

use super::Section;
use crate::case::{Case, Company, Cost, Objection, Outcome, held};
use crate::exchange::{Exchange, excerpt};
use crate::json_answer::must_be_json;
use crate::question::Question;
use crate::schema::{Schema, shown};
use crate::trial::Trial;
use interference_catalogue::Clause;

/// What all cases ask to be continued.
const PROMPT: &str = "The old oak tree";
/// Prompts of one request.
const PROMPTS: [&str; 3] = ["The old oak tree", "A ship on the sea", "My first violin"];
/// The limit of each answer.
const TOKENS: u32 = 8;
/// Alternatives to each token that are asked for.
const ALTERNATIVES: u64 = 2;
/// What of a text is told, in characters.
const TEXT_CHARACTERS: usize = 80;

pub(super) const SECTION: Section = Section {
    name: "completions",
    title: "Text completions",
    cases: &[
        Case {
            slug: "completions.object",
            level: Must,
            requirement: "A completion is an object text_completion of the described form, whole and in each event of a stream.",
            clauses: &[
                Clause::openai(
                    "CreateCompletionResponse.object",
                    "The object type, which is always \"text_completion\"",
                ),
                Clause::openai("CreateCompletionResponse", "required: [id, object, created, model, choices]"),
                Clause::openai(
                    "CreateCompletionResponse",
                    "both the streamed and non-streamed response objects share the same shape (unlike the chat endpoint)",
                ),
            ],
            trigger: "A completion, plain and streamed.",
            company: Company::Others,
            cost: Cost::new(2, 2 * TOKENS),
            judge: |trial| Box::pin(object(trial)),
        },
        Case {
            slug: "completions.stream-done",
            level: Must,
            requirement: "A streamed completion is an event stream that [DONE] ends, once and last.",
            clauses: &[Clause::openai(
                "CreateCompletionRequest.stream",
                "with the stream terminated by a `data: [DONE]` message",
            )],
            trigger: "A streamed completion.",
            company: Company::Others,
            cost: Cost::new(2, 2 * TOKENS),
            judge: |trial| Box::pin(stream_done(trial)),
        },
        Case {
            slug: "completions.echo",
            level: Should,
            requirement: "With echo the text begins with the prompt.",
            clauses: &[Clause::openai(
                "CreateCompletionRequest.echo",
                "Echo back the prompt in addition to the completion",
            )],
            trigger: "A completion with echo.",
            company: Company::Others,
            cost: Cost::new(1, TOKENS),
            judge: |trial| Box::pin(echo(trial)),
        },
        Case {
            slug: "completions.prompt-array",
            level: Must,
            requirement: "Each of several prompts has its choice, with indexes from 0 in the order of the prompts.",
            clauses: &[
                Clause::openai(
                    "CreateCompletionRequest.prompt",
                    "The prompt(s) to generate completions for, encoded as a string, array of strings, array of tokens, or array of token arrays.",
                ),
                Clause::openai(
                    "CreateCompletionRequest.n",
                    "How many completions to generate for each prompt.",
                ),
            ],
            trigger: "A completion of three prompts; the same with echo, where that is taken, tells which choice is whose.",
            company: Company::Others,
            cost: Cost::new(3, 7 * TOKENS),
            judge: |trial| Box::pin(prompt_array(trial)),
        },
        Case {
            slug: "completions.logprobs",
            level: Should,
            requirement: "With logprobs each token has its log probability, and the alternatives that were asked for.",
            clauses: &[
                Clause::openai(
                    "CreateCompletionRequest.logprobs",
                    "Include the log probabilities on the `logprobs` most likely output tokens, as well the chosen tokens.",
                ),
                Clause::openai(
                    "CreateCompletionRequest.logprobs",
                    "so there may be up to `logprobs+1` elements in the response.",
                ),
            ],
            trigger: "A completion with logprobs = 2.",
            company: Company::Others,
            cost: Cost::new(1, TOKENS),
            judge: |trial| Box::pin(logprobs(trial)),
        },
    ],
};

/// An accepted answer as one JSON value.
struct Completion {
    exchange: Arc<Exchange>,
    body: Value,
}

impl Completion {
    fn read(exchange: Arc<Exchange>) -> Result<Completion, Objection> {
        let body = exchange.accepted()?.json()?;
        Ok(Completion { exchange, body })
    }

    fn choices(&self) -> &[Value] {
        self.body.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    fn broken(&self, seen: impl Into<String>) -> Objection {
        Objection::broken(seen).about(&self.exchange)
    }
}

fn text_of(choice: &Value) -> &str {
    choice.get("text").and_then(Value::as_str).unwrap_or_default()
}

/// A completion of [`PROMPT`], unless the parameters say otherwise.
fn question(trial: &Trial, title: &str, parameters: Value) -> Question {
    let knowledge = trial.knowledge();
    let limit = TOKENS.saturating_mul(knowledge.limit_factor);
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(knowledge.model));
    body.insert("prompt".to_owned(), json!(PROMPT));
    body.insert("max_tokens".to_owned(), json!(limit));
    if knowledge.takes_temperature {
        body.insert("temperature".to_owned(), json!(0));
    }
    if let Value::Object(parameters) = parameters {
        body.extend(parameters);
    }
    Question::post("/completions", &Value::Object(body)).titled(title)
}

/// What every case asks first, since a server without completions says so here.
async fn plain(trial: &Trial) -> Result<Completion, Objection> {
    Completion::read(trial.ask(question(trial, "a completion", json!({}))).await)
}

async fn streamed(trial: &Trial) -> Arc<Exchange> {
    trial.ask(question(trial, "a streamed completion", json!({"stream": true}))).await
}

async fn object(trial: &Trial) -> Outcome {
    let exchange = trial.ask(question(trial, "a completion", json!({}))).await;
    exchange.accepted()?;
    must_be_json(&exchange)?;
    let completion = Completion::read(exchange)?;
    Schema::Completion.check(&completion.body).map_err(|flaw| flaw.about(&completion.exchange))?;
    if completion.choices().is_empty() {
        return Err(completion.broken("no choice"));
    }
    let exchange = streamed(trial).await;
    let mut chunks = 0;
    if exchange.accepted().is_ok() {
        for (place, value) in values(&exchange) {
            if value.get("error").is_some_and(|error| !error.is_null()) {
                let seen = format!("the stream broke off with an error: {}", shown(&value));
                return Err(Objection::inconclusive(seen).about(&exchange));
            }
            Schema::CompletionChunk.check(&value).map_err(|flaw| flaw.of(&place).about(&exchange))?;
            chunks += 1;
        }
    }
    held(format!("so in a whole answer and in {chunks} events"))
}

/// The JSON values of a stream's events, each with its place for people.
fn values(exchange: &Exchange) -> Vec<(String, Value)> {
    let stream = exchange.event_stream();
    let value = |(index, event): (usize, &crate::lines::Event)| {
        let value = serde_json::from_str(event.data.as_deref()?).ok()?;
        Some((format!("event {}", index + 1), value))
    };
    stream.events.iter().enumerate().filter_map(value).collect()
}

async fn stream_done(trial: &Trial) -> Outcome {
    plain(trial).await?;
    let exchange = streamed(trial).await;
    exchange.accepted()?;
    let broken = |seen: String| Objection::broken(seen).about(&exchange);
    let media_type = exchange.media_type();
    if media_type != "text/event-stream" {
        let told = excerpt(exchange.body(), TEXT_CHARACTERS);
        return Err(broken(format!("no event stream, but `{media_type}`: {told}")));
    }
    let stream = exchange.event_stream();
    // What no blank line closes, and what is empty, no client sees.
    let events: Vec<&str> = stream
        .events
        .iter()
        .filter(|event| event.closed)
        .filter_map(|event| event.data.as_deref().filter(|data| !data.is_empty()))
        .collect();
    let is_done = |data: &str| data.trim() == "[DONE]";
    let done: Vec<usize> =
        events.iter().enumerate().filter(|(_, data)| is_done(data)).map(|(index, _)| index).collect();
    if done.is_empty() {
        exchange.read_to_its_end()?;
    }
    match done[..] {
        [] => {
            let last = excerpt(events.last().unwrap_or(&"").as_bytes(), TEXT_CHARACTERS);
            Err(broken(format!("no [DONE] in {} events; the last is {last}", events.len())))
        }
        [at] if at + 1 == events.len() => {
            if !values(&exchange).iter().any(|(_, value)| value.get("choices").is_some()) {
                return Err(broken("[DONE], and nothing of a completion before it".to_owned()));
            }
            held(format!("[DONE] is the last of {} events", events.len()))
        }
        [at] => {
            let after = excerpt(events[at + 1].as_bytes(), TEXT_CHARACTERS);
            Err(broken(format!("event {} follows [DONE]: {after}", at + 2)))
        }
        _ => Err(broken(format!("{} times [DONE]", done.len()))),
    }
}

async fn echo(trial: &Trial) -> Outcome {
    let question = question(trial, "a completion with echo", json!({"echo": true}));
    let completion = Completion::read(trial.ask(question).await)?;
    let text = completion.choices().first().map(text_of).unwrap_or_default();
    let told = excerpt(text.as_bytes(), TEXT_CHARACTERS);
    if !begins_with(text, PROMPT) {
        return Err(completion.broken(told));
    }
    if text.trim() == PROMPT {
        return Err(Objection::inconclusive(format!("{told}: the prompt, and no completion"))
            .about(&completion.exchange));
    }
    held(told)
}

/// Vocabularies that put a space before each word add one, or lose it.
fn begins_with(text: &str, prompt: &str) -> bool {
    text.trim_start().starts_with(prompt)
}

async fn prompt_array(trial: &Trial) -> Outcome {
    plain(trial).await?;
    let count = PROMPTS.len();
    let prompts = question(trial, "a completion of three prompts", json!({"prompt": PROMPTS}));
    let completion = Completion::read(trial.ask(prompts).await)?;
    indexes(&completion, count)?;
    let echo =
        question(trial, "a completion of three prompts with echo", json!({"prompt": PROMPTS, "echo": true}));
    let echoed = trial.ask(echo).await;
    let untold = format!("{count} choices, each with its index");
    let Ok(echoed) = Completion::read(echoed) else { return held(untold) };
    let whose = |choice: &Value| {
        let prompt = PROMPTS.iter().position(|prompt| begins_with(text_of(choice), prompt))?;
        Some((choice.get("index").and_then(Value::as_u64)?, prompt))
    };
    for choice in echoed.choices() {
        match whose(choice) {
            None => return held(untold),
            Some((index, prompt)) if index != prompt as u64 => {
                let text = excerpt(text_of(choice).as_bytes(), TEXT_CHARACTERS);
                return Err(echoed.broken(format!(
                    "the choice with the index {index} is that of prompt {prompt}: {text}"
                )));
            }
            Some(_) => {}
        }
    }
    indexes(&echoed, count)?;
    held(format!("{count} choices, each that of its prompt"))
}

fn indexes(completion: &Completion, count: usize) -> Result<(), Objection> {
    let listed: Vec<&Value> =
        completion.choices().iter().map(|choice| choice.get("index").unwrap_or(&Value::Null)).collect();
    let mut numbers: Vec<u64> = listed.iter().filter_map(|index| index.as_u64()).collect();
    numbers.sort_unstable();
    if listed.len() == count && numbers.into_iter().eq(0..count as u64) {
        return Ok(());
    }
    let told: Vec<String> = listed.into_iter().map(shown).collect();
    let seen = format!("{} choices for {count} prompts, with the indexes [{}]", told.len(), told.join(", "));
    Err(completion.broken(seen).expected(format!("{count} choices, with the indexes 0 to {}", count - 1)))
}

async fn logprobs(trial: &Trial) -> Outcome {
    let question = question(trial, "a completion with logprobs", json!({"logprobs": ALTERNATIVES}));
    let completion = Completion::read(trial.ask(question).await)?;
    let Some(choice) = completion.choices().first() else { return Err(completion.broken("no choice")) };
    let logprobs = choice.get("logprobs").unwrap_or(&Value::Null);
    let list = |name: &str| logprobs.get(name).and_then(Value::as_array).map(Vec::as_slice);
    let broken = |seen: String| Err(completion.broken(seen));
    let (Some(tokens), Some(values)) = (list("tokens"), list("token_logprobs")) else {
        return broken(format!("logprobs is {}, without tokens and token_logprobs", shown(logprobs)));
    };
    if tokens.is_empty() || tokens.len() != values.len() {
        return broken(format!("{} tokens, and {} log probabilities", tokens.len(), values.len()));
    }
    if let Some(token) = tokens.iter().find(|token| !token.is_string()) {
        return broken(format!("the token {}, no string", shown(token)));
    }
    let is_sound = |value: &Value| value.is_null() || value.as_f64().is_some_and(|value| value <= ROUNDING);
    if let Some(value) = values.iter().find(|value| !is_sound(value)) {
        return broken(format!("the log probability {}", shown(value)));
    }
    match list("top_logprobs") {
        None => return broken("no top_logprobs, although alternatives were asked for".to_owned()),
        Some(top) if top.len() != tokens.len() => {
            return broken(format!("{} tokens, and alternatives to {}", tokens.len(), top.len()));
        }
        Some(top) => {
            let most = ALTERNATIVES as usize + 1;
            let count = |entry: &Value| entry.as_object().map_or(usize::MAX, Map::len);
            if let Some(entry) = top.iter().find(|entry| !entry.is_null() && count(entry) > most) {
                return broken(format!(
                    "alternatives that are no object of at most {most}: {}",
                    shown(entry)
                ));
            }
        }
    }
    held(format!("{} tokens with their log probabilities and alternatives", tokens.len()))
}

/// What rounding may add to the logarithm of a certainty.
const ROUNDING: f64 = 1e-3;
