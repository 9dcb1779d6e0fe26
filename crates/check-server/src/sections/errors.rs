//! `errors`: what a server says when it refuses, and whom it lets in.
//!
//! Looks at statuses, at the type and the members of error bodies, and at whether a server that was asked nonsense is
//! still there. What counts as a refusal is [`refusal`](crate::refusal)'s.

mod context;
mod keys;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use interference_report::Level::{Must, Should};
use interference_wire::{Ending, TimeBound};
use serde_json::{Value, json};

use self::context::context_overflow;
use self::keys::{
    WRONG_KEYS, key_for_models, key_not_echoed, no_key, with_wrong_key, without_key, wrong_key,
};
use super::Section;
use crate::case::{Case, Company, Cost, Objection, ObjectionKind, Outcome, held};
use crate::chat::CHAT_PATH;
use crate::companion::{Companion, Leaving};
use crate::ending::told_ending;
use crate::exchange::{Exchange, excerpt};
use crate::preflight::ENDPOINTS_COST;
use crate::question::{Question, quoted};
use crate::refusal::{
    Refused, all_refused, chats_are_answered, dropped, envelope_flaws, held_by, refusal, refused,
};
use crate::samples::{self, POEM};
use crate::trial::Trial;
use interference_catalogue::{Clause, Source};

/// The limit of answers that should not be given at all.
const FEW_TOKENS: u32 = 8;
/// A name that no model has.
const NO_MODEL: &str = "no-such-model-1f9d";
/// How deep the brackets of the case of that name go.
const DEPTH: usize = 10_000;
/// A body that is too large for a chat: beyond the bound of most servers, 16 MiB included.
const LARGE_BODY_BYTES: usize = 20 << 20;
/// Chats at once that make a server with bounds say that it is busy.
const BURST: u32 = 128;
/// How long each of them may get, in tokens: long enough for the last to come before the first is done.
const BURST_TOKENS: u32 = 32;
/// How long is waited for the heads of their answers.
const BURST_HEADS: Duration = Duration::from_secs(2);
/// What of a value is told, in characters.
const TOLD_CHARACTERS: usize = 160;

const BAD_REQUEST: Clause = Clause::rfc9110(
    "section 15.5.1",
    "The 400 (Bad Request) status code indicates that the server cannot or will not process the request due to something that is perceived to be a client error",
);
const NOT_AUTHORIZED: Clause = Clause::rfc9110(
    "section 15.5.2",
    "the request has not been applied because it lacks valid authentication credentials for the target resource",
);
/// At the top of the description, for all paths that say nothing else.
const EVERYWHERE: Clause = Clause::openai("security", "ApiKeyAuth: []");
const STREAM_OF_AN_ERROR: Clause = Clause::field(
    "llama.cpp #14566",
    "a context overflow came as 200 and an error event, which clients took for an empty answer",
);

pub(super) const SECTION: Section = Section {
    name: "errors",
    title: "Errors and keys",
    cases: &[
        Case {
            slug: "errors.envelope",
            level: Must,
            requirement: "The body of an error is an object `error` with message, type, param and code: strings, the last two or null.",
            clauses: &[
                Clause::openai("ErrorResponse", "required: [error]"),
                Clause::openai("Error", "required: [type, message, param, code]"),
                Clause::python(
                    "openai/_client.py, OpenAI._make_status_error",
                    "data = body.get(\"error\", body)",
                ),
            ],
            trigger: ERRORS,
            company: Company::Others,
            cost: Cost::new(7, 6 * FEW_TOKENS),
            judge: |trial| Box::pin(envelope(trial)),
        },
        Case {
            slug: "errors.json-type",
            level: Must,
            requirement: "The body of an error is JSON, and its content type says so.",
            clauses: &[
                Clause::rfc9110(
                    "section 8.3",
                    "The \"Content-Type\" header field indicates the media type of the associated representation",
                ),
                Clause::python(
                    "openai/_base_client.py, _make_status_error_from_response",
                    "body = json.loads(err_text)",
                ),
                Clause::node(
                    "client.js, OpenAI.makeRequest",
                    "const errJSON = (0, values_1.safeJSON)(errText);",
                ),
            ],
            trigger: ERRORS,
            company: Company::Others,
            cost: Cost::new(7, 6 * FEW_TOKENS),
            judge: |trial| Box::pin(json_type(trial)),
        },
        Case {
            slug: "errors.bad-json",
            level: Must,
            requirement: "A body that is no JSON is refused with 400.",
            clauses: &[
                BAD_REQUEST,
                Clause::rfc8259("section 2", "A JSON text is a serialized value."),
                Clause::field("llama.cpp #14060", "what a parser could not read took the whole server down"),
            ],
            trigger: "Chats whose body is cut in the middle, is plain text, and is empty; and those of errors.strict-json, which may be answered here, but bring no failure about.",
            company: Company::Others,
            cost: Cost::new(5, 2 * FEW_TOKENS),
            judge: |trial| Box::pin(bad_json(trial)),
        },
        Case {
            slug: "errors.strict-json",
            // RFC 8259, section 9: "A JSON parser MAY accept non-JSON forms or extensions."
            level: Should,
            requirement: "A body that is JSON but for a byte that is no UTF-8, or for what stands behind it, is refused with 400.",
            clauses: &[
                Clause::rfc8259("section 2", "A JSON text is a serialized value."),
                Clause::rfc8259(
                    "section 8.1",
                    "JSON text exchanged between systems that are not part of a closed ecosystem MUST be encoded using UTF-8",
                ),
            ],
            trigger: "A chat with something behind its JSON, and one with a byte in a string that is no UTF-8.",
            company: Company::Others,
            cost: Cost::new(2, 2 * FEW_TOKENS),
            judge: |trial| Box::pin(strict_json(trial)),
        },
        Case {
            slug: "errors.unknown-model",
            level: Must,
            requirement: "A model that is not there is refused with 404 or 400, streamed or not.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.model",
                    "Model ID used to generate the response, like `gpt-4o` or `o3`.",
                ),
                Clause::rfc9110(
                    "section 15.5.5",
                    "the origin server did not find a current representation for the target resource",
                ),
            ],
            trigger: "A plain and a streamed chat with a name that no model has.",
            company: Company::Others,
            cost: Cost::new(2, 2 * FEW_TOKENS),
            judge: |trial| Box::pin(unknown_model(trial)),
        },
        Case {
            slug: "errors.no-key",
            level: Must,
            requirement: "Where keys are on, a request without one is refused with 401.",
            clauses: &[EVERYWHERE, NOT_AUTHORIZED],
            trigger: "A plain and a streamed chat without the header Authorization, and as much for embeddings, completions and responses, where there are such; only if a key was given for the check, and is looked at.",
            company: Company::Others,
            cost: Cost::new(3 + ENDPOINTS_COST.requests, 3 * FEW_TOKENS + ENDPOINTS_COST.tokens),
            judge: |trial| Box::pin(no_key(trial)),
        },
        Case {
            slug: "errors.wrong-key",
            level: Must,
            requirement: "Where keys are on, a request with a wrong one is refused with 401.",
            clauses: &[EVERYWHERE, NOT_AUTHORIZED],
            trigger: "Plain and streamed chats with keys that no server has, and one with the right key and more behind it; with a wrong key also embeddings, completions and responses, where there are such; only if a key was given for the check, and is looked at.",
            company: Company::Others,
            cost: Cost::new(6 + ENDPOINTS_COST.requests, 6 * FEW_TOKENS + ENDPOINTS_COST.tokens),
            judge: |trial| Box::pin(wrong_key(trial)),
        },
        Case {
            slug: "errors.key-for-models",
            level: Should,
            requirement: "Where keys are on, the list of models needs one, too: it is what users try a key by.",
            clauses: &[EVERYWHERE],
            trigger: "`GET /models` without a key, and with a wrong one; only if a key was given for the check, and is looked at, and models are listed.",
            company: Company::Others,
            cost: Cost::new(3, FEW_TOKENS),
            judge: |trial| Box::pin(key_for_models(trial)),
        },
        Case {
            slug: "errors.key-not-echoed",
            level: Should,
            requirement: "No answer repeats the key of its request in full.",
            clauses: &[
                Clause::rfc9110(
                    "section 9.3.8, of TRACE",
                    "SHOULD exclude any request fields that are likely to contain sensitive data when that recipient generates the response content",
                ),
                Clause {
                    source: Source::Other,
                    place: "RFC 6750, abstract",
                    quote: "To prevent misuse, bearer tokens need to be protected from disclosure in storage and in transport.",
                },
            ],
            trigger: "Requests with a wrong key, and with the right one, sound and faulty ones.",
            company: Company::Others,
            cost: Cost::new(8, 2 * FEW_TOKENS + 2 * samples::POEM_TOKENS),
            judge: |trial| Box::pin(key_not_echoed(trial)),
        },
        Case {
            slug: "errors.stream-request-invalid",
            level: Must,
            requirement: "A streamed request that is invalid is refused with a status of 4xx and JSON, not with a stream.",
            clauses: &[BAD_REQUEST, STREAM_OF_AN_ERROR],
            trigger: "Streamed chats whose messages are a number, without messages, and with a text for a temperature.",
            company: Company::Others,
            cost: Cost::new(3, 3 * FEW_TOKENS),
            judge: |trial| Box::pin(stream_request_invalid(trial)),
        },
        Case {
            slug: "errors.context-overflow",
            level: Must,
            requirement: "A prompt that is longer than the context is refused with 400, streamed or not; it is neither cut in silence nor an error in a stream.",
            clauses: &[
                BAD_REQUEST,
                Clause::openai("ResponseProperties.truncation", "the request will fail with a 400 error"),
                STREAM_OF_AN_ERROR,
            ],
            trigger: "A plain and a streamed chat of a quarter more numbers than the model's listed context has tokens, and of 60,000 where no length is listed.",
            company: Company::Others,
            cost: Cost::new(3, 2),
            judge: |trial| Box::pin(context_overflow(trial)),
        },
        Case {
            slug: "errors.method",
            level: Should,
            requirement: "A method that a path does not have is refused with 405, and Allow names those that it has.",
            clauses: &[Clause::rfc9110(
                "section 15.5.6",
                "The origin server MUST generate an Allow header field in a 405 response",
            )],
            trigger: "DELETE where chats are asked.",
            company: Company::Others,
            cost: Cost::new(1, 0),
            judge: |trial| Box::pin(method(trial)),
        },
        Case {
            slug: "errors.path",
            level: Should,
            requirement: "A path that is not there is refused with 404 and JSON.",
            clauses: &[Clause::rfc9110(
                "section 15.5.5",
                "the origin server did not find a current representation for the target resource",
            )],
            trigger: "GET and POST to paths that no part of the API has.",
            company: Company::Others,
            cost: Cost::new(2, 0),
            judge: |trial| Box::pin(path(trial)),
        },
        Case {
            slug: "errors.retry-after",
            level: Should,
            requirement: "A status of 429 says by Retry-After when to come back: whole seconds or a date.",
            clauses: &[
                Clause {
                    source: Source::Other,
                    place: "RFC 6585, section 4",
                    quote: "MAY include a Retry-After header indicating how long to wait before making a new request",
                },
                Clause::rfc9110("section 10.2.3", "Retry-After = HTTP-date / delay-seconds"),
                Clause::python(
                    "openai/_base_client.py, _parse_retry_after_header",
                    "for header, divisor in ((\"retry-after-ms\", 1000), (\"retry-after\", 1)):",
                ),
            ],
            trigger: "Every 429 of the run; if there was none, 128 chats at once.",
            company: Company::Last,
            cost: Cost::new(BURST, BURST * BURST_TOKENS),
            judge: |trial| Box::pin(retry_after(trial)),
        },
        Case {
            slug: "errors.content-type",
            level: Should,
            requirement: "A chat that does not come as JSON is refused with 415 or 400.",
            clauses: &[Clause::rfc9110(
                "section 15.5.16",
                "the content is in a format not supported by this method on the target resource",
            )],
            trigger: "A chat with the content type text/plain.",
            company: Company::Others,
            cost: Cost::new(1, FEW_TOKENS),
            judge: |trial| Box::pin(content_type(trial)),
        },
        Case {
            slug: "errors.too-large",
            level: Should,
            requirement: "A body that is too large is refused with 413, not by a reset.",
            clauses: &[Clause::rfc9110(
                "section 15.5.14",
                "the request content is larger than the server is willing or able to process",
            )],
            trigger: "A chat of 20 MiB.",
            company: Company::Alone,
            cost: Cost::new(1, FEW_TOKENS),
            judge: |trial| Box::pin(too_large(trial)),
        },
        Case {
            slug: "errors.wrong-types",
            level: Must,
            requirement: "A member of another type than the API says is refused with 400.",
            clauses: &[
                BAD_REQUEST,
                Clause::openai("CreateChatCompletionRequest.messages", "type: array, minItems: 1"),
            ],
            trigger: "Chats whose messages are a text, an object, null, a list of numbers, or have a number for content; whose model is a list, and whose limit and temperature are texts.",
            company: Company::Others,
            cost: Cost::new(8, 8 * FEW_TOKENS),
            judge: |trial| Box::pin(wrong_types(trial)),
        },
        Case {
            slug: "errors.deep-json",
            level: Must,
            requirement: "JSON of 10,000 nested brackets is refused with 400, and the server is there afterwards.",
            clauses: &[
                BAD_REQUEST,
                Clause::rfc8259(
                    "section 9",
                    "An implementation may set limits on the maximum depth of nesting.",
                ),
            ],
            trigger: "10,000 brackets as a body, closed and not, and as a message's content; then an ordinary chat.",
            // What may take the server down waits until the others are done.
            company: Company::Alone,
            cost: Cost::new(5, 3 * FEW_TOKENS),
            judge: |trial| Box::pin(deep_json(trial)),
        },
    ],
};

const ERRORS: &str = "Chats that are no JSON, that name an unknown model, and that have wrong types, streamed or not; with a key, also without it and with a wrong one.";

fn chat<'a>(trial: &'a Trial, title: &str) -> crate::chat::Chat<'a> {
    trial.chat(POEM, FEW_TOKENS).titled(title)
}

fn streamed_chat<'a>(trial: &'a Trial, title: &str) -> crate::chat::Chat<'a> {
    trial.chat(POEM, FEW_TOKENS).streamed().titled(title)
}

fn broken_json(title: &str, body: &str) -> Question {
    Question::post_bytes(CHAT_PATH, "application/json", body).titled(title)
}

fn cut_json() -> Question {
    broken_json(
        "a chat that is cut in the middle",
        r#"{"model": "gpt-4o-mini", "messages": [{"role": "user""#,
    )
}

/// A sound chat, and something behind it, which makes it no JSON.
fn json_and_more(trial: &Trial) -> Question {
    let chat = chat(trial, "").question().json().unwrap_or_default();
    broken_json("a chat with something behind its JSON", &format!("{chat} and more"))
}

/// A sound chat, but for a byte of its prompt that no character of UTF-8 has.
fn not_utf8(trial: &Trial) -> Question {
    let chat = chat(trial, "").question().json().unwrap_or_default().to_string();
    let (before, behind) = chat.split_once(POEM).unwrap_or_default();
    let body = [before.as_bytes(), b"\xff", POEM.as_bytes(), behind.as_bytes()].concat();
    let print = |text: &str| format!("printf %s {}; ", quoted(text));
    Question::post_bytes(CHAT_PATH, "application/json", body)
        .titled("a chat with a byte that is no UTF-8")
        .recipe(format!("{{ {}printf '\\377'; {}}}", print(before), print(&format!("{POEM}{behind}"))))
}

/// What a parser may take that is more generous than JSON: that of Go replaces bytes and leaves the rest of a body unread,
/// JavaScript's is given what a decoder has replaced.
fn nearly_json(trial: &Trial) -> [Question; 2] {
    [json_and_more(trial), not_utf8(trial)]
}

fn unknown_models(trial: &Trial) -> [Question; 2] {
    [
        chat(trial, "a chat with an unknown model").with("model", json!(NO_MODEL)).question(),
        streamed_chat(trial, "a streamed chat with an unknown model")
            .with("model", json!(NO_MODEL))
            .question(),
    ]
}

fn messages_are_a_text(trial: &Trial) -> Question {
    chat(trial, "a chat whose messages are a text").messages(json!(POEM)).question()
}

fn streamed_messages_are_a_number(trial: &Trial) -> Question {
    streamed_chat(trial, "a streamed chat whose messages are a number").messages(json!(42)).question()
}

/// Answers that tell of an error: those of a status from 400, apart from what boxes before the server say of it.
async fn error_answers(trial: &Trial) -> Result<Vec<Arc<Exchange>>, Objection> {
    chats_are_answered(trial)?;
    let mut questions = vec![cut_json(), messages_are_a_text(trial), streamed_messages_are_a_number(trial)];
    questions.extend(unknown_models(trial));
    if trial.asker().target().key().is_some() {
        questions.extend(without_key(trial).into_iter().take(1));
        questions.extend(with_wrong_key(trial, WRONG_KEYS[0]).into_iter().take(1));
    }
    let (mut answers, mut none) = (Vec::new(), None);
    for question in questions {
        let exchange = trial.ask(question).await;
        match exchange.status() {
            Ok(502..=504) => {}
            Ok(400..=599) => answers.push(exchange),
            Ok(status) => {
                let seen = format!("{}: status {status}", exchange.question.title);
                none = none.or(Some(Objection::inconclusive(seen).about(&exchange)));
            }
            Err(objection) => none = none.or(Some(objection)),
        }
    }
    if answers.is_empty() {
        return Err(none.unwrap_or_else(|| Objection::inconclusive("no error could be brought about")));
    }
    Ok(answers)
}

async fn envelope(trial: &Trial) -> Outcome {
    let answers = error_answers(trial).await?;
    for exchange in &answers {
        let at = format!("status {}, to {}", exchange.status()?, exchange.question.title);
        let Ok(body) = exchange.json() else {
            let told = excerpt(exchange.body(), TOLD_CHARACTERS);
            return Err(Objection::broken(format!("no JSON: {told} ({at})")).about(exchange));
        };
        let flaws = envelope_flaws(&body);
        if !flaws.is_empty() {
            return Err(Objection::broken(format!("{} ({at})", flaws.join("; ")))
                .expected(r#"{"error":{"message":"…","type":"…","param":…,"code":…}}, the last two strings or null"#)
                .about(exchange));
        }
    }
    held(format!("holds in {} errors, of status {}", answers.len(), statuses(&answers)))
}

fn statuses(exchanges: &[Arc<Exchange>]) -> String {
    let told: Vec<String> = exchanges
        .iter()
        .filter_map(|exchange| exchange.status().ok())
        .map(|status| status.to_string())
        .collect();
    told.join(", ")
}

async fn json_type(trial: &Trial) -> Outcome {
    let answers = error_answers(trial).await?;
    for exchange in &answers {
        is_json(exchange)?;
    }
    held(format!("holds in {} errors, of status {}", answers.len(), statuses(&answers)))
}

/// Both by its content type and by its bytes.
fn is_json(exchange: &Arc<Exchange>) -> Result<(), Objection> {
    let at = format!("status {}, to {}", exchange.status()?, exchange.question.title);
    let media_type = exchange.media_type();
    let told = excerpt(exchange.body(), TOLD_CHARACTERS);
    if exchange.json().is_err() {
        let seen = format!("content type `{media_type}`, and no JSON: {told} ({at})");
        return Err(Objection::broken(seen).about(exchange));
    }
    if media_type.ends_with("/json") || media_type.ends_with("+json") {
        return Ok(());
    }
    let seen = if media_type.is_empty() {
        format!("no content type with {told} ({at})")
    } else {
        format!("content type `{media_type}` with {told} ({at})")
    };
    Err(Objection::broken(seen).expected("content-type: application/json").about(exchange))
}

async fn bad_json(trial: &Trial) -> Outcome {
    let questions = [
        cut_json(),
        broken_json("a chat that is plain text", "Write a poem about a tree."),
        broken_json("a chat without a body", ""),
    ];
    let mut all = all_refused(trial, questions).await?;
    for question in nearly_json(trial) {
        // A parser that takes it is a matter of its own.
        if !matches!(trial.ask(question.clone()).await.status(), Ok(200..=299)) {
            all.push(refused(trial, question).await?);
        }
    }
    held_by(&all)
}

async fn strict_json(trial: &Trial) -> Outcome {
    chats_are_answered(trial)?;
    let mut all = Vec::new();
    for question in nearly_json(trial) {
        let exchange = trial.ask(question.clone()).await;
        match refused(trial, question).await {
            Ok(one) => all.push(one),
            // That it fails is the matter of the case before.
            Err(objection)
                if objection.kind == ObjectionKind::Broken && !matches!(exchange.status(), Ok(200..=299)) =>
            {
                return Err(Objection::inconclusive(objection.seen).about(&exchange));
            }
            Err(objection) => return Err(objection),
        }
    }
    held_by(&all)
}

async fn unknown_model(trial: &Trial) -> Outcome {
    chats_are_answered(trial)?;
    let mut statuses = Vec::new();
    for question in unknown_models(trial) {
        let exchange = trial.ask(question).await;
        // Whether a model may be used is often a matter of the key.
        match exchange.status()? {
            status @ (401 | 403) => statuses.push(status.to_string()),
            _ => statuses.push(refusal(&exchange)?.status.to_string()),
        }
    }
    held(format!("refused with status {}", statuses.join(", ")))
}

async fn stream_request_invalid(trial: &Trial) -> Outcome {
    let questions = [
        streamed_messages_are_a_number(trial),
        streamed_chat(trial, "a streamed chat without messages").without("messages").question(),
        streamed_chat(trial, "a streamed chat with a text for a temperature")
            .with("temperature", json!("hot"))
            .question(),
    ];
    let all = all_refused(trial, questions).await?;
    for Refused { exchange, .. } in &all {
        is_json(exchange)?;
    }
    held_by(&all)
}

async fn method(trial: &Trial) -> Outcome {
    chats_are_answered(trial)?;
    let exchange = trial.ask(Question::delete(CHAT_PATH)).await;
    let status = exchange.status()?;
    let allow = exchange.header("allow");
    let told = allow.as_ref().map_or_else(|| "no Allow".to_owned(), |allow| format!("allow: {allow}"));
    let names_post =
        allow.is_some_and(|allow| allow.split(',').any(|method| method.trim().eq_ignore_ascii_case("POST")));
    match status {
        405 if names_post => held(format!("status 405, {told}")),
        401 | 403 | 407 | 408 | 425 | 429 | 502 | 503 | 504 | 529 => {
            Err(Objection::inconclusive(exchange.told_refusal(status)).about(&exchange))
        }
        _ => Err(Objection::broken(format!("status {status}, {told}"))
            .expected("status 405, and Allow with POST")
            .about(&exchange)),
    }
}

async fn path(trial: &Trial) -> Outcome {
    let questions = [
        Question::get("/no-such-path-1f9d"),
        Question::post("/chat/no-such-path-1f9d", &json!({"model": trial.knowledge().model})),
    ];
    let mut all = Vec::new();
    for question in questions {
        let one = refused(trial, question).await?;
        if one.status != 404 {
            let seen = format!("{}: status {}", one.exchange.question.title, one.status);
            return Err(Objection::broken(seen).expected("status 404").about(&one.exchange));
        }
        is_json(&one.exchange)?;
        all.push(one);
    }
    held_by(&all)
}

async fn retry_after(trial: &Trial) -> Outcome {
    let mut limited: Vec<Arc<Exchange>> =
        trial.asker().busy_answers().into_iter().filter(|busy| matches!(busy.status(), Ok(429))).collect();
    if limited.is_empty() {
        limited = burst(trial).await?;
    }
    let Some(exchange) = limited.first() else {
        let seen = format!("the server has not said 429 in the whole run, nor to {BURST} chats at once");
        return Err(Objection::not_applicable(seen));
    };
    for exchange in &limited {
        trial.note(Arc::clone(exchange));
        told_wait(exchange)?;
    }
    held(told_wait(exchange)?)
}

/// Many chats at once, until the head of each answer is there or a while is over; gives those that are answered 429.
async fn burst(trial: &Trial) -> Result<Vec<Arc<Exchange>>, Objection> {
    let chat = trial.chat("Tell a long story about rain.", BURST_TOKENS).streamed();
    let question = chat.titled("one of many chats at once").question();
    let mut all = Vec::new();
    for _ in 0..BURST {
        all.push(Companion::start(trial, question.clone()).await?);
    }
    let until = Instant::now() + BURST_HEADS;
    join_all(all.iter_mut().map(|one| one.until(until, |progress| progress.status.is_some()))).await;
    let mut limited = Vec::new();
    for companion in all {
        let exchange = companion.leave(trial, Leaving::Close).await?;
        limited.extend(matches!(exchange.status(), Ok(429)).then_some(exchange));
    }
    Ok(limited)
}

/// What a busy server says of when to come back.
fn told_wait(exchange: &Arc<Exchange>) -> Result<String, Objection> {
    let is_number = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let milliseconds = exchange.header("retry-after-ms");
    if let Some(value) = milliseconds.filter(|value| value.trim().parse::<f64>().is_ok()) {
        return Ok(format!("retry-after-ms: {value}"));
    }
    match exchange.header("retry-after") {
        Some(value) if is_number(value.trim()) || is_date(value.trim()) => {
            Ok(format!("retry-after: {value}"))
        }
        Some(value) => {
            Err(Objection::broken(format!("status 429, and retry-after: {value}")).about(exchange))
        }
        None => Err(Objection::broken("status 429, and no Retry-After").about(exchange)),
    }
}

/// RFC 9110 section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn is_date(value: &str) -> bool {
    let pattern = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
    value.len() == pattern.len()
        && value.bytes().zip(pattern).all(|(byte, place)| match place {
            b'0' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            other => byte == *other,
        })
}

async fn content_type(trial: &Trial) -> Outcome {
    let question = chat(trial, "a chat of type text/plain").question().typed("text/plain");
    held_by(&all_refused(trial, [question]).await?)
}

/// A chat's body with each of these parts so many times in its middle, and a command line that makes it.
fn repeated(before: &str, parts: &[&str], times: usize, after: &str) -> Question {
    let middle: String = parts.iter().map(|part| part.repeat(times)).collect();
    let print = |text: &str| format!("printf %s {}; ", quoted(text));
    let repeat = |part: &&str| format!("head -c {times} /dev/zero | tr '\\0' {}; ", quoted(part));
    let recipe: String = parts.iter().map(repeat).collect();
    Question::post_bytes(CHAT_PATH, "application/json", format!("{before}{middle}{after}")).recipe(format!(
        "{{ {}{recipe}{}}}",
        print(before),
        print(after)
    ))
}

async fn too_large(trial: &Trial) -> Outcome {
    chats_are_answered(trial)?;
    let model = json!(trial.knowledge().model);
    let before = format!(
        r#"{{"model": {model}, "max_tokens": {FEW_TOKENS}, "messages": [{{"role": "user", "content": ""#
    );
    let question = repeated(&before, &["a"], LARGE_BODY_BYTES, r#""}]}"#).titled("a chat of 20 MiB");
    let exchange = trial.note(Arc::new(trial.asker().ask_one_time(question).await));
    match exchange.answer() {
        Err(_) if dropped(&exchange) => {
            let sending = exchange.send_error.as_ref().map(|error| format!("; {error}")).unwrap_or_default();
            let ending = exchange.ending().map(told_ending).unwrap_or_default();
            return Err(Objection::broken(format!("no answer: {ending}{sending}")).about(&exchange));
        }
        answer => drop(answer?),
    }
    if let Some(Ending::TimedOut { bound: TimeBound::Total, .. }) = exchange.ending() {
        return Err(Objection::inconclusive("the answer did not end").about(&exchange));
    }
    match exchange.status()? {
        200..=299 => Err(Objection::inconclusive("the server takes 20 MiB").about(&exchange)),
        _ => held_by(&[refusal(&exchange)?]),
    }
}

async fn wrong_types(trial: &Trial) -> Outcome {
    let limit = trial.knowledge().limit.name().unwrap_or("max_tokens");
    let questions = [
        messages_are_a_text(trial),
        chat(trial, "a chat whose messages are an object")
            .messages(json!({"role": "user", "content": POEM}))
            .question(),
        chat(trial, "a chat whose messages are null").messages(Value::Null).question(),
        chat(trial, "a chat whose messages are numbers").messages(json!([1, 2])).question(),
        chat(trial, "a chat with a number for content")
            .messages(json!([{"role": "user", "content": 42}]))
            .question(),
        chat(trial, "a chat whose model is a list")
            .with("model", json!([trial.knowledge().model]))
            .question(),
        chat(trial, "a chat whose limit is a text").with(limit, json!("many")).question(),
        chat(trial, "a chat whose temperature is a text").with("temperature", json!("hot")).question(),
    ];
    held_by(&all_refused(trial, questions).await?)
}

async fn deep_json(trial: &Trial) -> Outcome {
    let model = json!(trial.knowledge().model);
    let before = format!(
        r#"{{"model": {model}, "max_tokens": {FEW_TOKENS}, "messages": [{{"role": "user", "content": "#
    );
    let questions = [
        repeated("", &["[", "]"], DEPTH, "").titled("10,000 brackets"),
        repeated("", &["["], DEPTH, "").titled("10,000 opening brackets"),
        repeated(&before, &["[", "]"], DEPTH, "}]}").titled("a chat whose content is 10,000 brackets"),
    ];
    let ordinary = |when: &str| samples::cut_short(trial).titled(format!("an ordinary chat {when}"));
    let was_well = trial.ask_anew(ordinary("before")).await.accepted().is_ok();
    let outcome = all_refused(trial, questions).await;
    let after = trial.ask_anew(ordinary("afterwards")).await;
    let seen = match after.status() {
        Ok(200..=299 | 401 | 403 | 408 | 425 | 429 | 503 | 529) => return held_by(&outcome?),
        Ok(status) => after.told_refusal(status),
        Err(objection) => objection.seen,
    };
    if was_well && trial.asker().time_left().is_zero() {
        return Err(Objection::inconclusive(format!("afterwards: {seen}")).about(&after));
    }
    if was_well {
        return Err(Objection::broken(format!("afterwards: {seen}")).about(&after));
    }
    held_by(&outcome?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        assert!(is_date("Sun, 06 Nov 1994 08:49:37 GMT"));
        for other in
            ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z", "soon"]
        {
            assert!(!is_date(other), "{other}");
        }
    }
}
