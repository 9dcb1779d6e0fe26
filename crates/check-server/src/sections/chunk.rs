//! `chunk`: what the chunks of a chat stream say.
//!
//! Looks at every chunk and every choice of every kind of stream. Errors are apart: what a stream says when it fails is
//! one case's matter, and no other case takes it for a chunk. How a choice's chunks belong together is in `track`.

mod characters;
mod error_event;
mod length;
mod stop;
mod track;

use std::sync::Arc;

use interference_report::Level::{Must, Should};
use serde_json::Value;

use self::track::{Track, read_choices};
use super::Section;
use crate::case::{Case, Company, Cost, Objection, Outcome, held};
use crate::chat_stream::{ChatStream, Chunk, finish_reason_of};
use crate::exchange::{Exchange, excerpt};
use crate::samples::{self, POEM_TOKENS, STREAMS_COST};
use crate::stream_errors;
use crate::trial::Trial;
use crate::value::told;
use interference_catalogue::Clause;

/// What of a text is told, in characters.
const TEXT_CHARACTERS: usize = 60;
/// Milliseconds since 1973, or seconds until the year 5138: a timestamp above it is not in seconds.
const LATEST_SECOND: u64 = 100_000_000_000;
/// The reasons that a model may have had to stop.
const FINISH_REASONS: [&str; 5] = ["stop", "length", "tool_calls", "content_filter", "function_call"];

pub(super) const SECTION: Section = Section {
    name: "chunk",
    title: "Chunks of a chat stream",
    cases: &[
        Case {
            slug: "chunk.object",
            level: Must,
            requirement: "The object of each chunk is chat.completion.chunk.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse.object",
                    "The object type, which is always `chat.completion.chunk`.",
                ),
                Clause::python(
                    "openai/lib/streaming/chat/_completions.py, _is_valid_chat_completion_chunk_weak",
                    "return sse_event.object == \"chat.completion.chunk\"",
                ),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(object(trial)),
        },
        Case {
            slug: "chunk.id-constant",
            level: Must,
            requirement: "All chunks of a stream have the same id, which is not empty.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse.id",
                    "A unique identifier for the chat completion. Each chunk has the same ID.",
                ),
                Clause::node("lib/ChatCompletionStream.js, accumulateChatCompletion", "else if (chunk.id) {"),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(id_constant(trial)),
        },
        Case {
            slug: "chunk.required-keys",
            level: Must,
            requirement: "Each chunk is an object with id, choices, created, model and object; id and model are strings, choices is an array.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse",
                    "required: [choices, created, id, model, object]",
                ),
                Clause::field("ROCm/ATOM PR 1711", "a chunk without choices was refused by strict clients"),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(required_keys(trial)),
        },
        Case {
            slug: "chunk.created-integer",
            level: Must,
            requirement: "The created of all chunks of a stream is the same integer, in seconds.",
            clauses: &[
                Clause::openai("CreateChatCompletionStreamResponse.created", "type: integer"),
                Clause::openai(
                    "CreateChatCompletionStreamResponse.created",
                    "The Unix timestamp (in seconds) of when the chat completion was created. Each chunk has the same timestamp.",
                ),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(created_integer(trial)),
        },
        Case {
            slug: "chunk.choice-keys",
            level: Must,
            requirement: "Each choice of a chunk has delta, finish_reason and an index, which is an integer.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse.choices",
                    "required: [delta, finish_reason, index]",
                ),
                Clause::openai("CreateChatCompletionStreamResponse.choices.index", "type: integer"),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(choice_keys(trial)),
        },
        Case {
            slug: "chunk.role-once-first",
            level: Must,
            requirement: "Each choice has its role once, not behind its content, and it is assistant.",
            clauses: &[
                Clause::python(
                    "openai/lib/streaming/_deltas.py, accumulate_delta",
                    "acc_value += delta_value",
                ),
                Clause::node(
                    "lib/ChatCompletionStream.js, finalizeChatCompletion",
                    "missing role for choice ${index}",
                ),
                Clause::field("LocalAI #340", "the role came in every delta"),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(role_once_first(trial)),
        },
        Case {
            slug: "chunk.delta-object",
            level: Must,
            requirement: "Each delta is an object, never null; its content is a string or null.",
            clauses: &[
                Clause::openai("ChatCompletionStreamResponseDelta", "type: object"),
                Clause::openai("ChatCompletionStreamResponseDelta.content", "type: string"),
                Clause::python(
                    "openai/lib/streaming/chat/_completions.py, _accumulate_chunk",
                    "choice.delta.to_dict()",
                ),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(delta_object(trial)),
        },
        Case {
            slug: "chunk.finish-once",
            level: Must,
            requirement: "No choice has more than one finish_reason.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse.choices.finish_reason",
                    "The reason the model stopped generating tokens.",
                ),
                Clause::python(
                    "openai/lib/streaming/chat/_completions.py, _accumulate_chunk",
                    "choice_snapshot.finish_reason = choice.finish_reason",
                ),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(finish_once(trial)),
        },
        Case {
            slug: "chunk.finish-enum",
            level: Must,
            requirement: "A finish_reason is null or one of stop, length, tool_calls, content_filter and function_call.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse.choices.finish_reason",
                    "enum: [stop, length, tool_calls, content_filter, function_call]",
                ),
                Clause::field("LocalAI #5102", "the finish_reason was an empty string"),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(finish_enum(trial)),
        },
        Case {
            slug: "chunk.finish-before-done",
            level: Must,
            requirement: "Each choice has a finish_reason that is not null before the stream ends.",
            clauses: &[
                Clause::node(
                    "lib/ChatCompletionStream.js, finalizeChatCompletion",
                    "missing finish_reason for choice ${index}",
                ),
                Clause::field("ollama #4357, LocalAI #5102", "streams ended without a finish_reason"),
                Clause::field("vllm PR 40986", "an early error was swallowed, and [DONE] was all that came"),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(finish_before_done(trial)),
        },
        Case {
            slug: "chunk.nothing-after-finish",
            level: Must,
            requirement: "Behind the finish_reason of a choice comes no more of its content, refusal or calls.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse.choices.finish_reason",
                    "The reason the model stopped generating tokens.",
                ),
                Clause::python(
                    "openai/lib/streaming/chat/_completions.py, ChoiceEventState._content_done_events",
                    "if choice_snapshot.message.content and not self._content_done:",
                ),
            ],
            trigger: samples::STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(nothing_after_finish(trial)),
        },
        Case {
            slug: "chunk.length-at-max-tokens",
            level: Must,
            requirement: "An answer that its limit has cut at one token has the finish_reason length.",
            clauses: &[Clause::openai(
                "CreateChatCompletionStreamResponse.choices.finish_reason",
                "`length` if the maximum number of tokens specified in the request was reached",
            )],
            trigger: "A request for a poem, streamed, of one token.",
            company: Company::Others,
            cost: Cost::new(1, 1),
            judge: |trial| Box::pin(length::length_at_max_tokens(trial)),
        },
        Case {
            slug: "chunk.stop-excluded",
            level: Must,
            requirement: "A stop string ends the text with the finish_reason stop, and is not in it.",
            clauses: &[
                Clause::openai("StopConfiguration", "The returned text will not contain the stop sequence."),
                Clause::openai(
                    "CreateChatCompletionStreamResponse.choices.finish_reason",
                    "`stop` if the model hit a natural stop point or a provided stop sequence",
                ),
            ],
            trigger: "The ordinary streamed chat, and the same with a word of its answer as the stop string.",
            company: Company::Others,
            cost: Cost::new(1 + 3 * stop::TRIES, (1 + 3 * stop::TRIES) * POEM_TOKENS),
            judge: |trial| Box::pin(stop::stop_excluded(trial)),
        },
        Case {
            slug: "chunk.stop-across-tokens",
            level: Must,
            requirement: "Where a stop string begins inside a token and ends inside another, the text ends right before it.",
            clauses: &[
                Clause::openai("StopConfiguration", "The returned text will not contain the stop sequence."),
                Clause::field(
                    "vllm #3574",
                    "the tokens of which a stop string is made were sent, all but the last",
                ),
            ],
            trigger: "The ordinary streamed chat, and the same with a stop string from inside one word of its answer to inside the next.",
            company: Company::Others,
            cost: Cost::new(1 + 3 * stop::TRIES, (1 + 3 * stop::TRIES) * POEM_TOKENS),
            judge: |trial| Box::pin(stop::stop_across_tokens(trial)),
        },
        Case {
            slug: "chunk.no-replacement-char",
            level: Must,
            requirement: "Characters of several bytes arrive whole: neither as U+FFFD nor as half of a surrogate pair, and none is lost.",
            clauses: &[
                Clause::openai(
                    "ChatCompletionStreamResponseDelta.content",
                    "The contents of the chunk message.",
                ),
                Clause::rfc8259(
                    "section 8.2",
                    "The behavior of software that receives JSON texts containing such values is unpredictable",
                ),
                Clause::field(
                    "llama.cpp PR 28926, mlc-llm #1142",
                    "emoji that consist of several tokens were streamed as U+FFFD",
                ),
            ],
            trigger: "A chat that asks to repeat emoji and CJK, streamed, and the same plain.",
            company: Company::Others,
            cost: Cost::new(4, 4 * POEM_TOKENS),
            judge: |trial| Box::pin(characters::no_replacement_char(trial)),
        },
        Case {
            slug: "chunk.equals-plain",
            level: Should,
            requirement: "The pieces of a streamed answer, joined, are the plain answer, with the same seed and temperature 0.",
            clauses: &[Clause::openai(
                "CreateChatCompletionRequest.seed",
                "repeated requests with the same `seed` and parameters should return the same result",
            )],
            trigger: "The ordinary chat, plain and streamed; twice, where they differ.",
            company: Company::Others,
            cost: Cost::new(4, 4 * POEM_TOKENS),
            judge: |trial| Box::pin(equals_plain(trial)),
        },
        Case {
            slug: "chunk.n-two",
            level: Must,
            requirement: "A stream with n = 2 has the choices 0 and 1, and both finish.",
            clauses: &[Clause::openai(
                "CreateChatCompletionRequest.n",
                "How many chat completion choices to generate for each input message.",
            )],
            trigger: "The ordinary streamed chat with n = 2.",
            company: Company::Others,
            cost: Cost::new(1, 2 * POEM_TOKENS),
            judge: |trial| Box::pin(n_two(trial)),
        },
        Case {
            slug: "chunk.error-in-stream",
            level: Must,
            requirement: "An error after the 200 is an event whose data is an object with a member error, itself an object with a message.",
            clauses: &[
                Clause::python(
                    "openai/_streaming.py, Stream.__stream__",
                    "if legacy and is_mapping(data) and data.get(\"error\"):",
                ),
                Clause::node("core/streaming.js, Stream.fromSSEResponse", "if (data && data.error) {"),
                Clause::field("llama.cpp PR 16109", "errors came in a field `error:`, which no parser reads"),
                Clause::field("lemonade #2826", "a gateway passed an error on without a frame"),
            ],
            trigger: "A streamed chat with the header x-interference, where a server offers faults; elsewhere whatever error comes in a streamed chat.",
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(error_event::error_in_stream(trial)),
        },
    ],
};

async fn object(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        for chunk in told_chunks(stream) {
            let object = chunk.value.get("object");
            if object.is_some_and(|object| object != "chat.completion.chunk") {
                let seen = format!("{}: object is {}", stream.place(chunk.event), told(object));
                return Err(stream.broken(seen).expected("object: \"chat.completion.chunk\""));
            }
        }
        Ok(stream.chunks.len())
    })
    .await
}

async fn id_constant(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        constant(stream, "id")?;
        let empty = told_chunks(stream).find(|chunk| chunk.value.get("id").is_some_and(|id| id == ""));
        match empty {
            Some(chunk) => Err(stream.broken(format!("{}: id is empty", stream.place(chunk.event)))),
            None => Ok(stream.chunks.len()),
        }
    })
    .await
}

async fn required_keys(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        for chunk in stream.read_chunks().filter(|chunk| !stream_errors::is_in_disguise(stream, chunk)) {
            let broken = |seen: String| stream.broken(format!("{}: {seen}", stream.place(chunk.event)));
            let Value::Object(members) = &chunk.value else {
                return Err(broken(format!("the data is {}", told(Some(&chunk.value)))));
            };
            let missing = ["id", "choices", "created", "model", "object"]
                .iter()
                .find(|key| !members.contains_key(**key));
            if let Some(key) = missing {
                return Err(broken(format!("no member `{key}`")));
            }
            let flaw = [
                ("id", "a string", members["id"].is_string()),
                ("model", "a string", members["model"].is_string()),
                ("choices", "an array", members["choices"].is_array()),
            ]
            .into_iter()
            .find(|(_, _, holds)| !holds);
            if let Some((key, expected, _)) = flaw {
                let seen = broken(format!("{key} is {}", told(members.get(key))));
                return Err(seen.expected(format!("{key} is {expected}")));
            }
        }
        Ok(stream.chunks.len())
    })
    .await
}

async fn created_integer(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        for chunk in told_chunks(stream) {
            let Some(created) = chunk.value.get("created") else { continue };
            let broken = |flaw: &str| {
                stream.broken(format!(
                    "{}: created is {}{flaw}",
                    stream.place(chunk.event),
                    told(Some(created))
                ))
            };
            match created.as_u64() {
                None => return Err(broken("").expected("created is an integer")),
                Some(time) if time > LATEST_SECOND => return Err(broken(", which is not in seconds")),
                Some(_) => {}
            }
        }
        constant(stream, "created")?;
        Ok(stream.chunks.len())
    })
    .await
}

async fn choice_keys(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let choices: Vec<_> = read_choices(stream).collect();
        for (chunk, choice) in &choices {
            let broken = |seen: String| stream.broken(format!("{}: {seen}", stream.place(chunk.event)));
            if !choice.is_object() {
                return Err(broken(format!("a choice is {}", told(Some(choice)))));
            }
            for key in ["index", "delta", "finish_reason"] {
                if choice.get(key).is_none() {
                    return Err(broken(format!("a choice has no member `{key}`")));
                }
            }
            let index = choice.get("index");
            if index.and_then(Value::as_u64).is_none() {
                let seen = broken(format!("index is {}", told(index)));
                return Err(seen.expected("index is an integer from 0"));
            }
        }
        Ok(choices.len())
    })
    .await
}

async fn role_once_first(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let tracks = Track::all_of(stream);
        for track in &tracks {
            role_of(stream, track)?;
        }
        Ok(tracks.len())
    })
    .await
}

/// A role of null or "" says nothing: some servers send every member in every delta.
fn role_of(stream: &ChatStream, track: &Track) -> Result<(), Objection> {
    let broken =
        |chunk: &Chunk, seen: String| stream.broken(format!("{}: {seen}", stream.place(chunk.event)));
    let mut role_seen = false;
    for (chunk, choice) in &track.choices {
        let Some(delta) = choice.get("delta") else { continue };
        match delta.get("role").filter(|role| !role.is_null() && *role != "") {
            Some(_) if role_seen => {
                return Err(broken(chunk, format!("{} has its role again", track.name)));
            }
            Some(role) if role != "assistant" => {
                let seen = broken(chunk, format!("the role of {} is {}", track.name, told(Some(role))));
                return Err(seen.expected("role: \"assistant\""));
            }
            Some(_) => role_seen = true,
            None => {}
        }
        if !role_seen && let Some(member) = track::part_of_an_answer(delta) {
            return Err(broken(chunk, format!("{} has `{member}` before its role", track.name)));
        }
    }
    match track.choices.last() {
        Some((last, _)) if !role_seen && stream.has_ended() && !has_error(stream) => {
            Err(broken(last, format!("{} has ended without a role", track.name)))
        }
        _ => Ok(()),
    }
}

async fn delta_object(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let mut deltas = 0;
        for (chunk, choice) in read_choices(stream) {
            let Some(delta) = choice.get("delta") else { continue };
            if !delta.is_object() {
                let seen = format!("{}: delta is {}", stream.place(chunk.event), told(Some(delta)));
                return Err(stream.broken(seen).expected("delta is an object"));
            }
            let content = delta.get("content").filter(|content| !content.is_null() && !content.is_string());
            if content.is_some() {
                let seen = format!("{}: content is {}", stream.place(chunk.event), told(content));
                return Err(stream.broken(seen).expected("content is a string or null"));
            }
            deltas += 1;
        }
        Ok(deltas)
    })
    .await
}

async fn finish_once(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let tracks = Track::all_of(stream);
        for track in &tracks {
            if let [(_, first), (chunk, again), ..] = track.finish_reasons().as_slice() {
                return Err(stream.broken(format!(
                    "{}: {} has the finish_reason {}, and had {} before",
                    stream.place(chunk.event),
                    track.name,
                    told(Some(again)),
                    told(Some(first)),
                )));
            }
        }
        Ok(tracks.len())
    })
    .await
}

async fn finish_enum(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let mut reasons = 0;
        for (chunk, choice) in read_choices(stream) {
            let Some(reason) = choice.get("finish_reason").filter(|reason| !reason.is_null()) else {
                continue;
            };
            if !reason.as_str().is_some_and(|reason| FINISH_REASONS.contains(&reason)) {
                return Err(stream.broken(format!(
                    "{}: finish_reason is {}",
                    stream.place(chunk.event),
                    told(Some(reason))
                )));
            }
            reasons += 1;
        }
        Ok(reasons)
    })
    .await
}

/// What a cut or an error has kept from coming is not judged.
async fn finish_before_done(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        if !stream.has_ended() || has_error(stream) {
            return Ok(0);
        }
        let tracks = Track::all_of(stream);
        if tracks.is_empty() && !stream.done.is_empty() {
            return Err(stream.broken("[DONE], and no choice before it"));
        }
        for track in &tracks {
            if track.finish_reasons().is_empty() {
                let last = track.choices.last().and_then(|(_, choice)| choice.get("finish_reason"));
                return Err(stream.broken(format!(
                    "{} has no finish_reason in its {} chunks: in the last it is {}",
                    track.name,
                    track.choices.len(),
                    told(last)
                )));
            }
        }
        Ok(tracks.len())
    })
    .await
}

async fn nothing_after_finish(trial: &Trial) -> Outcome {
    samples::each(trial, |stream| {
        let tracks = Track::all_of(stream);
        for track in &tracks {
            let behind =
                track.choices.iter().skip_while(|(_, choice)| finish_reason_of(choice).is_none()).skip(1);
            for (chunk, choice) in behind {
                let Some(delta) = choice.get("delta") else { continue };
                if let Some(member) = track::part_of_an_answer(delta) {
                    return Err(stream.broken(format!(
                        "{}: {} has finished, and has {member} {}",
                        stream.place(chunk.event),
                        track.name,
                        told(delta.get(member))
                    )));
                }
            }
        }
        Ok(tracks.len())
    })
    .await
}

/// A server that does not repeat itself cannot be compared: each form is asked for again before they are said to
/// differ.
async fn equals_plain(trial: &Trial) -> Outcome {
    let (stream, plain) = (samples::streamed(trial), samples::plain(trial));
    let first = both_texts(&trial.ask(stream.clone()).await, &trial.ask(plain.clone()).await)?;
    if first.0 == first.1 {
        return held(format!("{} characters, the same in both", first.0.chars().count()));
    }
    let exchange = trial.ask_anew(stream).await;
    let second = both_texts(&exchange, &trial.ask_anew(plain).await)?;
    if first != second {
        let seen = "the same request, whole or streamed, brings different answers";
        return Err(Objection::inconclusive(seen).about(&exchange));
    }
    Err(Objection::broken(difference(&first.0, &first.1)).about(&exchange))
}

fn both_texts(stream: &Arc<Exchange>, plain: &Arc<Exchange>) -> Result<(String, String), Objection> {
    let stream = ChatStream::read(stream)?.unbroken()?;
    let answer = plain.accepted()?.json()?;
    let content = answer.pointer("/choices/0/message/content").and_then(Value::as_str);
    Ok((stream.text(0), content.unwrap_or_default().to_owned()))
}

/// Where two texts part, and how they go on.
fn difference(streamed: &str, plain: &str) -> String {
    let same = streamed.chars().zip(plain.chars()).take_while(|(left, right)| left == right).count();
    let rest = |text: &str| {
        let rest: String = text.chars().skip(same).collect();
        excerpt(rest.as_bytes(), TEXT_CHARACTERS)
    };
    format!(
        "after {same} characters the stream goes on with {}, the plain answer with {}",
        rest(streamed),
        rest(plain)
    )
}

async fn n_two(trial: &Trial) -> Outcome {
    let stream = trial.stream(samples::two_choices(trial)).await?.unbroken()?;
    let tracks = Track::all_of(&stream);
    let names: Vec<&str> = tracks.iter().map(|track| track.name.as_str()).collect();
    if names != ["choice 0", "choice 1"] {
        let seen = if names.is_empty() { "no choice".to_owned() } else { names.join(", ") };
        return Err(stream
            .broken(format!("asked for two choices, the stream has {seen}"))
            .expected("choice 0 and choice 1"));
    }
    if let Some(track) = tracks.iter().find(|track| track.finish_reasons().is_empty()) {
        return Err(stream.broken(format!("{} has no finish_reason", track.name)));
    }
    held("choice 0 and choice 1, both finished")
}

/// Whether a stream tells of an error, in whatever form.
fn has_error(stream: &ChatStream) -> bool {
    !stream.errors.is_empty() || stream_errors::unread(stream).is_some()
}

/// The chunks that tell of the completion. Some gateways put an object of their own before it or between: one without
/// choices whose object is the empty string, as SDKs allow for.
fn told_chunks(stream: &ChatStream) -> impl Iterator<Item = &Chunk> {
    stream.read_chunks().filter(|chunk| {
        let value = &chunk.value;
        let no_choice = value.get("choices").and_then(Value::as_array).is_some_and(Vec::is_empty);
        let is_filter = no_choice && value.get("object").is_some_and(|object| object == "");
        value.is_object() && !is_filter && !stream_errors::is_in_disguise(stream, chunk)
    })
}

/// Chunks that lack the member are another case's matter.
fn constant(stream: &ChatStream, member: &str) -> Result<(), Objection> {
    let mut values = told_chunks(stream).filter_map(|chunk| Some((chunk, chunk.value.get(member)?)));
    let Some((_, first)) = values.next() else { return Ok(()) };
    match values.find(|(_, value)| *value != first) {
        Some((chunk, value)) => Err(stream.broken(format!(
            "{}: {member} is {}, and was {} before",
            stream.place(chunk.event),
            told(Some(value)),
            told(Some(first))
        ))),
        None => Ok(()),
    }
}
