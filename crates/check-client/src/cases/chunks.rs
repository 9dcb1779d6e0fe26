//! Shapes of chunks: what the description allows, and what servers make of it.

use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::Step;

use super::{Group, WHOLE, WHOLE_OR_TYPED_ERROR, poem_or_typed_error, whole_poem};
use crate::answer::stream;
use crate::case::{Case, Harm, Objection, Outcome, Tools, Turn};
use crate::oracle::{Seen, told};
use crate::sample::{DONE, PIECES, TEXT, chunk, chunk_of, event, open_poem, poem, quoted, role};

pub(super) const GROUP: Group = Group {
    name: "chunks",
    title: "Shapes of chunks",
    cases: &[
        Case {
            slug: "chunks.choices-empty",
            level: Level::Must,
            requirement: "A chunk without a choice is passed over.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse.choices",
                    "Can also be empty for the last chunk if you set `stream_options: {\"include_usage\": true}`.",
                ),
                Clause::field(
                    "Azure OpenAI",
                    "the first chunk has no choices, and tells what a filter thought of the prompt",
                ),
            ],
            served: "The ordinary stream with a chunk of `choices: []` first, and one with the usage before [DONE].",
            sound: WHOLE,
            tools: Tools::None,
            answer: choices_empty,
            oracle: whole_poem,
        },
        Case {
            slug: "chunks.choices-missing",
            level: Level::Should,
            requirement: "A chunk without the member choices loses nothing in silence, and is no crash.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse",
                    "required: [choices, created, id, model, object]",
                ),
                Clause::field("ROCm/ATOM PR 1711", "a chunk without choices was refused by strict clients"),
            ],
            served: "The ordinary stream with a chunk that has no `choices` in the middle.",
            sound: WHOLE_OR_TYPED_ERROR,
            tools: Tools::None,
            answer: |_| with_chunk(3, CHOICES_MISSING.to_owned()),
            oracle: poem_or_typed_error,
        },
        Case {
            slug: "chunks.delta-null",
            level: Level::Should,
            requirement: "A delta that is null loses nothing in silence, and is no crash.",
            clauses: &[Clause::openai("ChatCompletionStreamResponseDelta", "type: object")],
            served: "The ordinary stream with a chunk whose delta is null in the middle, and the finish reason beside another.",
            sound: WHOLE_OR_TYPED_ERROR,
            tools: Tools::None,
            answer: delta_null,
            oracle: poem_or_typed_error,
        },
        Case {
            slug: "chunks.unknown-fields",
            level: Level::Must,
            requirement: "Members that the client does not know change nothing.",
            clauses: &[Clause::openai(
                "API reference, Backwards compatibility",
                "Adding new properties to JSON response objects or event data",
            )],
            served: "The ordinary stream, each chunk with an unknown member at its top, in its choice and in its delta.",
            sound: WHOLE,
            tools: Tools::None,
            answer: unknown_fields,
            oracle: whole_poem,
        },
        Case {
            slug: "chunks.finish-null",
            level: Level::Should,
            requirement: "Where nobody said why the model stopped, the client does not say it either.",
            clauses: &[Clause::openai(
                "CreateChatCompletionStreamResponse.choices.finish_reason",
                "nullable: true",
            )],
            // [DONE] came, so that the stream is whole as a stream; the description lets the reason be null, and no
            // sentence of it says that a last one is not. So the text is sound, and so is who doubts it; who writes
            // `stop` has made it up.
            served: "The ordinary stream, whose finish reason stays null, with [DONE].",
            sound: "the whole text with the finish reason null, or a typed error with a beginning of the text",
            tools: Tools::None,
            answer: finish_null,
            oracle: reason_not_invented,
        },
        Case {
            slug: "chunks.reasoning-only",
            level: Level::Should,
            requirement: "What a model reasons is no part of its answer.",
            clauses: &[Clause::field(
                "DeepSeek, vLLM, llama.cpp",
                "reasoning comes as `reasoning_content` beside a content that is null or not there",
            )],
            served: "A stream of three chunks with `reasoning_content` alone, finish reason stop, [DONE].",
            sound: "an empty text, and no error",
            tools: Tools::None,
            answer: reasoning_only,
            oracle: |seen| Ok(told(seen.whole("")?)),
        },
    ],
};

const CHOICES_MISSING: &str =
    r#"{"id":"chatcmpl-exam","object":"chat.completion.chunk","created":1700000000,"model":"exam"}"#;

/// The ordinary stream with this chunk before its event of this index.
fn with_chunk(index: usize, chunk: String) -> Vec<Step> {
    let mut events = poem();
    events.insert(index, event(chunk));
    stream(events)
}

fn choices_empty(_: Turn) -> Vec<Step> {
    let usage = chunk_of("[]").replacen(
        '{',
        r#"{"usage":{"prompt_tokens":5,"completion_tokens":12,"total_tokens":17},"#,
        1,
    );
    let events =
        [event(chunk_of("[]"))].into_iter().chain(open_poem()).chain([event(usage), DONE.to_owned()]);
    stream(events)
}

fn delta_null(_: Turn) -> Vec<Step> {
    let mut events = poem();
    let finish = events.len() - 2;
    events[finish] = event(chunk("null", r#""stop""#));
    events.insert(4, event(chunk("null", "null")));
    stream(events)
}

fn unknown_fields(_: Turn) -> Vec<Step> {
    let known = poem().into_iter();
    stream(known.map(|event| {
        event
            .replacen("{\"id\"", "{\"x_trace\":{\"spans\":[1,2]},\"id\"", 1)
            .replacen("{\"index\"", "{\"x_matched\":null,\"index\"", 1)
            .replacen("\"delta\":{", "\"delta\":{\"x_speaker\":\"oak\",", 1)
            .replacen(",}", "}", 1)
    }))
}

fn finish_null(_: Turn) -> Vec<Step> {
    let mut events = poem();
    let finish = events.len() - 2;
    events[finish] = event(chunk("{}", "null"));
    stream(events)
}

fn reason_not_invented(seen: &Seen) -> Outcome {
    let account = seen.whole_or_typed_error(TEXT)?;
    match (&account.error, account.finish_reason.as_deref()) {
        (None, Some(reason)) => Err(Objection::broken(
            Harm::Invention,
            format!("the finish reason is {reason}, which nobody sent"),
        )),
        _ => Ok(told(account)),
    }
}

fn reasoning_only(_: Turn) -> Vec<Step> {
    let thoughts =
        PIECES[..3].iter().map(|text| chunk(&format!(r#"{{"reasoning_content":{}}}"#, quoted(text)), "null"));
    let chunks = [role()].into_iter().chain(thoughts).chain([chunk("{}", r#""stop""#)]);
    stream(chunks.map(event).chain([DONE.to_owned()]))
}
