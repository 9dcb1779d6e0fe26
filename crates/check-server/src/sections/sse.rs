//! `sse`: the bytes of a stream, before anybody asks what they say.
//!
//! Looks at lines and events as [`lines`](crate::lines) reads them, and at the framing of HTTP; [`arrival`] looks at times.

mod arrival;

use futures::future::join_all;
use interference_report::Level::{Must, Should};
use interference_wire::{Ending, Framing};
use serde_json::{Value, json};

use super::Section;
use crate::case::{Case, Company, Cost, Objection, Outcome, held};
use crate::chat_stream::{ChatStream, Chunk, says_something};
use crate::ending::told_ending;
use crate::exchange::excerpt;
use crate::lines::LineKind;
use crate::refusal::chats_are_answered;
use crate::samples::{self, POEM, STREAMS_COST};
use crate::trial::Trial;
use interference_catalogue::Clause;

/// What of an event is told, in characters.
const EVENT_CHARACTERS: usize = 120;

const DONE_IS_THE_END: Clause = Clause::openai(
    "CreateCompletionRequest.stream",
    "with the stream terminated by a `data: [DONE]` message",
);

pub(super) const SECTION: Section = Section {
    name: "sse",
    title: "Server-sent events",
    cases: &[
        Case {
            slug: "sse.content-type",
            level: Must,
            requirement: "A streamed chat is answered with the content type text/event-stream.",
            clauses: &[
                Clause::event_stream(
                    "section 9.2.2",
                    "if res's `Content-Type` is not `text/event-stream`, then fail the connection",
                ),
                Clause::openai(
                    "CreateChatCompletionRequest.stream",
                    "the model response data will be streamed to the client as it is generated using server-sent events",
                ),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(content_type(trial)),
        },
        Case {
            slug: "sse.status-after-accept",
            level: Must,
            requirement: "A streamed request that cannot be answered gets an error status, not a 200 whose first event is the error.",
            clauses: &[
                Clause::rfc9110(
                    "section 15.3.1",
                    "The 200 (OK) status code indicates that the request has succeeded.",
                ),
                Clause::field(
                    "llama.cpp #14566",
                    "a context overflow came as 200 and an error event, which clients took for an empty answer",
                ),
            ],
            trigger: "Streamed chats with an unknown model, with messages that are no array, and with n = 0.",
            company: Company::Others,
            cost: Cost::new(3, 3 * 8),
            judge: |trial| Box::pin(status_after_accept(trial)),
        },
        Case {
            slug: "sse.blank-line",
            level: Must,
            requirement: "Each event is closed by one blank line.",
            clauses: &[
                Clause::event_stream(
                    "section 9.2.6",
                    "If the line is empty (a blank line), dispatch the event",
                ),
                Clause::field(
                    "lemonade #2826",
                    "a gateway forwarded an error without the blank line, and no client saw it",
                ),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(blank_line(trial)),
        },
        Case {
            slug: "sse.one-json",
            level: Must,
            requirement: "The data of each event is one JSON value or [DONE].",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.stream",
                    "streamed to the client as it is generated using server-sent events",
                ),
                Clause::python("openai/_streaming.py, Stream.__stream__", "data = sse.json()"),
                Clause::node("core/streaming.js, Stream.fromSSEResponse", "data = JSON.parse(sse.data)"),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(one_json(trial)),
        },
        Case {
            slug: "sse.utf8",
            level: Must,
            requirement: "The body of a stream is valid UTF-8.",
            clauses: &[Clause::event_stream(
                "section 9.2.5",
                "Event streams in this format must always be encoded as UTF-8.",
            )],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(utf8(trial)),
        },
        Case {
            slug: "sse.no-bom",
            level: Must,
            requirement: "A stream does not begin with a byte order mark.",
            clauses: &[
                Clause::python(
                    "openai/_streaming.py, SSEDecoder.decode",
                    "fieldname, _, value = line.partition(\":\")",
                ),
                Clause::event_stream(
                    "section 9.2.6",
                    "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any.",
                ),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(no_bom(trial)),
        },
        Case {
            slug: "sse.no-empty-event",
            level: Should,
            requirement: "No event is without data.",
            clauses: &[
                Clause::event_stream(
                    "section 9.2.6",
                    "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and return.",
                ),
                Clause::field(
                    "openai-python #2722",
                    "an event of `retry:` alone was handed to the JSON parser, which failed",
                ),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(no_empty_event(trial)),
        },
        Case {
            slug: "sse.keepalive-comment",
            level: Should,
            requirement: "What keeps a stream alive is a comment, not an event or an unknown field.",
            clauses: &[Clause::event_stream(
                "section 9.2.7",
                "authors can include a comment line (one starting with a ':' character) every 15 seconds or so",
            )],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(keepalive_comment(trial)),
        },
        Case {
            slug: "sse.done-once",
            level: Must,
            requirement: "A stream has exactly one [DONE].",
            clauses: &[DONE_IS_THE_END],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(done_once(trial)),
        },
        Case {
            slug: "sse.done-last",
            level: Must,
            requirement: "Nothing follows [DONE].",
            clauses: &[DONE_IS_THE_END],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(done_last(trial)),
        },
        Case {
            slug: "sse.done-exact",
            level: Must,
            requirement: "The data of the last event is exactly the bytes [DONE].",
            clauses: &[
                DONE_IS_THE_END,
                Clause::node("core/streaming.js, Stream.fromSSEResponse", "sse.data.startsWith('[DONE]')"),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(done_exact(trial)),
        },
        Case {
            slug: "sse.clean-eof",
            level: Must,
            requirement: "A stream ends as its framing promises: with the last chunk, at its length, or with an orderly close.",
            clauses: &[Clause::rfc9112(
                "section 8",
                "A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk that terminates the encoding has not been received.",
            )],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(clean_eof(trial)),
        },
        Case {
            slug: "sse.no-length-with-chunked",
            level: Must,
            requirement: "A stream in chunks has no Content-Length.",
            clauses: &[Clause::rfc9112(
                "section 6.2",
                "A sender MUST NOT send a Content-Length header field in any message that contains a Transfer-Encoding header field.",
            )],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(no_length_with_chunked(trial)),
        },
        Case {
            slug: "sse.no-hidden-buffering",
            level: Must,
            requirement: "A stream for a client that accepts gzip arrives as it is made, compressed or not.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.stream",
                    "the model response data will be streamed to the client as it is generated",
                ),
                Clause::field("llama.cpp PR 24774", "a proxy held streams back until they were whole"),
            ],
            trigger: "The ordinary streamed chat with `Accept-Encoding: gzip, deflate, br`, as SDKs send it.",
            company: Company::Alone,
            cost: Cost::new(7, 4 * samples::POEM_TOKENS + 3),
            judge: |trial| Box::pin(arrival::no_hidden_buffering(trial)),
        },
        Case {
            slug: "sse.cache-control",
            level: Should,
            requirement: "A stream is not to be kept by caches: Cache-Control has no-cache or no-store.",
            clauses: &[Clause::event_stream("section 9.2.2", "Set request's cache mode to \"no-store\".")],
            trigger: "An ordinary streamed chat.",
            company: Company::Others,
            cost: Cost::new(1, samples::POEM_TOKENS),
            judge: |trial| Box::pin(cache_control(trial)),
        },
        Case {
            slug: "sse.incremental",
            level: Must,
            requirement: "The pieces of an answer arrive while it is made, not all together at its end.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.stream",
                    "the model response data will be streamed to the client as it is generated",
                ),
                Clause::field("ollama #9092", "with tools in the request the stream came as one block"),
                Clause::field("litellm #26102", "the whole stream was delivered at once"),
            ],
            trigger: "The ordinary streamed chat, without and with a tool on offer, against the same chat of one token, which tells how long the prompt takes.",
            company: Company::Alone,
            cost: Cost::new(12, 6 * samples::POEM_TOKENS + 6),
            judge: |trial| Box::pin(arrival::incremental(trial)),
        },
        Case {
            slug: "sse.no-id-retry",
            level: Should,
            requirement: "No event has an id: or retry: line.",
            clauses: &[Clause::field(
                "openai-python #2722, #3833",
                "events of `retry:` or `id:` alone crashed the SDK's parser",
            )],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(no_id_retry(trial)),
        },
    ],
};

/// A server that streams some kinds of chats only answers the others with another type.
async fn content_type(trial: &Trial) -> Outcome {
    let exchanges = join_all(samples::stream_kinds(trial).map(|question| trial.ask(question))).await;
    if let Some(ordinary) = exchanges.first() {
        ordinary.accepted()?;
    }
    let mut looked_at = 0;
    for exchange in exchanges.iter().filter(|exchange| exchange.accepted().is_ok()) {
        if exchange.media_type() != "text/event-stream" {
            let told = exchange.header("content-type").unwrap_or_else(|| "no content type".to_owned());
            let body = excerpt(exchange.body(), EVENT_CHARACTERS);
            return Err(Objection::broken(format!("{told}, and a body that begins {body}"))
                .expected("content-type: text/event-stream")
                .about(exchange));
        }
        looked_at += 1;
    }
    held(format!("text/event-stream in {looked_at} streams"))
}

/// A server may take what it should refuse: that is another case's matter.
async fn status_after_accept(trial: &Trial) -> Outcome {
    chats_are_answered(trial)?;
    let chat = || trial.chat(POEM, 8).streamed();
    let questions = [
        chat().titled("a streamed chat with an unknown model").with("model", json!("no-such-model-1f9d")),
        chat().titled("a streamed chat whose messages are a number").messages(json!(42)),
        chat().titled("a streamed chat with n = 0").with("n", json!(0)),
    ];
    let mut refused = Vec::new();
    for question in questions {
        let title = question.clone().question().title;
        let exchange = trial.ask(question).await;
        let status = exchange.status()?;
        match status {
            200..=299 => {}
            // That it fails, and says so, is what this case asks for.
            400 | 404 | 405..=407 | 409..=424 | 426..=428 | 430..=501 | 505..=528 | 530..=599 => {
                refused.push(status.to_string());
                continue;
            }
            _ => {
                let seen = format!("{title}: {}", exchange.told_refusal(status));
                return Err(Objection::inconclusive(seen).about(&exchange));
            }
        }
        let stream = exchange.event_stream();
        let whole = std::str::from_utf8(exchange.body()).ok();
        let first = stream.events.iter().find_map(|event| event.data.as_deref()).or(whole);
        if let Some(error) = first.filter(|data| is_error(data)) {
            let told = excerpt(error.as_bytes(), EVENT_CHARACTERS);
            return Err(Objection::broken(format!(
                "status {status} for {title}, and the first that comes is an error: {told}"
            ))
            .expected("a status of 4xx, and the error as JSON")
            .about(&exchange));
        }
    }
    if refused.is_empty() {
        return Err(Objection::inconclusive("the server takes each of the requests that it was to refuse"));
    }
    held(format!("refused with status {}", refused.join(", ")))
}

/// An error object, by its member or as an object of its own.
fn is_error(data: &str) -> bool {
    let value: Value = serde_json::from_str(data).unwrap_or_default();
    value.get("error").is_some_and(says_something)
        || value.get("object").is_some_and(|object| object == "error")
}

async fn blank_line(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let open = stream.stream.events.iter().position(|event| !event.closed);
        match open {
            // What a cut has left open is the cut's fault.
            Some(index) if is_whole(stream) => {
                Err(stream.broken(format!("{} has no blank line behind it", stream.place(index))))
            }
            _ => several_values(stream),
        }
    })
    .await
}

/// Two values in one event are two events with no blank line between them.
fn several_values(stream: &ChatStream) -> Result<usize, Objection> {
    for (index, event) in stream.stream.events.iter().enumerate() {
        let Some(data) = event.data.as_deref().filter(|_| event.data_lines > 1) else { continue };
        let values = data.split('\n').filter(|line| !line.is_empty());
        let each_is_one = values.clone().all(|line| {
            line.trim() == "[DONE]"
                || serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object())
        });
        if each_is_one && values.count() > 1 {
            let told = excerpt(data.as_bytes(), EVENT_CHARACTERS);
            return Err(stream.broken(format!("{} has several values: {told}", stream.place(index))));
        }
    }
    Ok(stream.stream.events.len())
}

async fn one_json(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        // What a cut has left of an event is the cut's fault.
        let closed = |index: &&usize| stream.stream.events.get(**index).is_some_and(|event| event.closed);
        let Some(index) = stream.no_json.iter().find(closed) else { return Ok(stream.stream.events.len()) };
        let event = stream.stream.events.get(*index);
        let data = event.and_then(|event| event.data.clone()).unwrap_or_default();
        let told = excerpt(data.as_bytes(), EVENT_CHARACTERS);
        Err(stream.broken(format!("{} has {told}", stream.place(*index))))
    })
    .await
}

async fn utf8(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let body = stream.exchange.body();
        match std::str::from_utf8(body) {
            Ok(_) => Ok(body.len()),
            // A character that a cut has torn apart is the cut's fault.
            Err(error) if error.error_len().is_none() && !is_whole(stream) => Ok(body.len()),
            Err(error) => {
                let at = error.valid_up_to();
                let bytes = interference_wire::escaped(&body[at..body.len().min(at + 4)]);
                Err(stream.broken(format!("no UTF-8 at byte {at} of the body: {bytes}")))
            }
        }
    })
    .await
}

async fn no_bom(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        if stream.stream.has_byte_order_mark {
            return Err(stream.broken("the body begins with \\xEF\\xBB\\xBF"));
        }
        Ok(1)
    })
    .await
}

async fn no_empty_event(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let empty = stream
            .stream
            .events
            .iter()
            .position(|event| event.data.as_deref().is_none_or(str::is_empty) && event.closed);
        match empty {
            Some(index) => {
                let told = excerpt(bytes_of(stream, index), EVENT_CHARACTERS);
                Err(stream.broken(format!("{} has no data: {told}", stream.place(index))))
            }
            None => Ok(stream.stream.events.len()),
        }
    })
    .await
}

/// A ping that is an event, a field or a JSON value has a name of its own.
async fn keepalive_comment(trial: &Trial) -> Outcome {
    let is_ping = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["ping", "heartbeat", "keepalive", "keep-alive"].contains(&name.as_str())
    };
    let says_ping = |chunk: &&Chunk| {
        let names = ["type", "event", "object"].map(|member| chunk.value.get(member));
        names.into_iter().chain([Some(&chunk.value)]).flatten().filter_map(Value::as_str).any(is_ping)
    };
    samples::each(trial, |stream| {
        let ping = stream
            .stream
            .events
            .iter()
            .position(|event| event.name.iter().chain(&event.other_fields).any(|name| is_ping(name)))
            .or_else(|| stream.chunks.iter().find(says_ping).map(|chunk| chunk.event));
        match ping {
            Some(index) => {
                let told = excerpt(bytes_of(stream, index), EVENT_CHARACTERS);
                Err(stream.broken(format!("{}: {told}", stream.place(index))))
            }
            None => Ok(stream.stream.comments()),
        }
    })
    .await
}

async fn done_once(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| match stream.done.as_slice() {
        [_] => Ok(1),
        // What a cut has taken is the cut's fault.
        [] if !stream.has_ended() => Ok(0),
        [] => Err(stream.broken(format!("no [DONE] in {} events", stream.stream.events.len()))),
        [_, second, ..] => Err(stream.broken(format!(
            "{} times [DONE]: again in {}",
            stream.done.len(),
            stream.place(*second)
        ))),
    })
    .await
}

async fn done_last(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let Some(first) = stream.done.first() else { return Ok(0) };
        let after = (first + 1..stream.stream.events.len()).find(|index| !stream.done.contains(index));
        match after {
            Some(index) => {
                let told = excerpt(bytes_of(stream, index), EVENT_CHARACTERS);
                Err(stream.broken(format!("{} follows [DONE]: {told}", stream.place(index))))
            }
            None => Ok(1),
        }
    })
    .await
}

async fn done_exact(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        for index in &stream.done {
            let data = stream.stream.events.get(*index).and_then(|event| event.data.as_deref());
            if data != Some("[DONE]") {
                let told = excerpt(data.unwrap_or_default().as_bytes(), EVENT_CHARACTERS);
                return Err(stream.broken(format!("{} has the data {told}", stream.place(*index))));
            }
        }
        // Near misses, which are neither JSON nor the end to any client.
        let miss = stream.no_json.iter().find(|index| {
            let data = stream.stream.events.get(**index).and_then(|event| event.data.as_deref());
            data.is_some_and(|data| {
                data.trim().trim_matches(['[', ']', '"', '.']).eq_ignore_ascii_case("done")
            })
        });
        match miss {
            Some(index) => {
                let told = excerpt(bytes_of(stream, *index), EVENT_CHARACTERS);
                Err(stream.broken(format!("{} is nearly [DONE]: {told}", stream.place(*index))))
            }
            None => Ok(stream.done.len()),
        }
    })
    .await
}

async fn clean_eof(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| match stream.exchange.ending() {
        Some(Ending::Complete { .. }) => Ok(1),
        // Nothing more is to be made: the end of the body is all that is waited for.
        Some(ending @ Ending::TimedOut { .. }) if !stream.done.is_empty() => {
            Err(stream.broken(format!("after [DONE] {}", told_ending(ending))))
        }
        Some(ending) => {
            stream.exchange.read_to_its_end()?;
            Err(stream.broken(told_ending(ending)))
        }
        None => Ok(0),
    })
    .await
}

async fn no_length_with_chunked(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let length = stream.exchange.header("content-length");
        let coding = stream.exchange.header("transfer-encoding");
        match (length, coding) {
            (Some(length), Some(coding)) => {
                Err(stream.broken(format!("both content-length: {length} and transfer-encoding: {coding}")))
            }
            _ => Ok(1),
        }
    })
    .await
}

async fn cache_control(trial: &Trial) -> Outcome {
    let stream = trial.stream(samples::streamed(trial)).await?;
    match stream.exchange.header("cache-control") {
        Some(value)
            if ["no-cache", "no-store"].iter().any(|word| value.to_ascii_lowercase().contains(word)) =>
        {
            held(format!("cache-control: {value}"))
        }
        Some(value) => Err(stream.broken(format!("cache-control: {value}"))),
        None => Err(stream.broken("no Cache-Control")),
    }
}

async fn no_id_retry(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        for line in &stream.stream.lines {
            let LineKind::Field { name, value } = &line.kind else { continue };
            if name == "id" || name == "retry" {
                return Err(
                    stream.broken(format!("`{name}: {value}` at byte {} of the body", line.text.start))
                );
            }
        }
        Ok(stream.stream.lines.len())
    })
    .await
}

/// Whether the answer's framing says that nothing is missing.
fn is_whole(stream: &ChatStream) -> bool {
    matches!(stream.exchange.ending(), Some(Ending::Complete { by }) if *by != Framing::NoBody)
}

fn bytes_of(stream: &ChatStream, index: usize) -> &[u8] {
    let bytes = stream.stream.events.get(index).map(|event| event.bytes.clone()).unwrap_or_default();
    stream.exchange.body().get(bytes).unwrap_or_default()
}
