//! Errors in the middle of a stream, and events that cannot be read.

use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::Step;

use super::{BEFORE, Group, TYPED_ERRORS, broken};
use crate::answer::stream;
use crate::case::{Case, Harm, Objection, Outcome, Turn};
use crate::oracle::{Seen, shown, told};
use crate::sample::{DONE, PIECES, TEXT, beginning, chunk, event, open_poem, piece, poem, role};

/// What the errors say.
const MESSAGE: &str = "the model ran out of memory";

pub(super) const GROUP: Group = Group {
    name: "errors",
    title: "Errors in the stream",
    cases: &[
        broken(
            "errors.mid-stream",
            Level::Must,
            "An event with an error object ends the answer with an error.",
            &[ERROR_EVENT, ERROR_EVENT_NODE],
            "Three pieces, an event `{\"error\": {…}}`, and [DONE].",
            |_| with_error(&event(envelope())),
        ),
        Case {
            oracle: message_kept,
            sound: "a typed error that says `the model ran out of memory`",
            ..broken(
                "errors.message-kept",
                Level::Should,
                "The error of a stream says what the server said.",
                &[Clause::python(
                    "openai/_streaming.py, Stream.__stream__",
                    "message = error.get(\"message\")",
                )],
                "Three pieces, an event `{\"error\": {\"message\": \"the model ran out of memory\", …}}`, and [DONE].",
                |_| with_error(&event(envelope())),
            )
        },
        broken(
            "errors.event-error-flat",
            Level::Should,
            "An event of the type `error` is an error, also where its members are not inside `error`.",
            &[Clause::openai("ResponseErrorEvent", "Emitted when an error occurs.")],
            "Three pieces, `event: error` with a flat object of message, type and code, and [DONE].",
            |_| {
                with_error(&format!(
                    "event: error\ndata: {}\n\n",
                    flat(r#""type":"server_error","param":null,"code":"out_of_memory""#)
                ))
            },
        ),
        broken(
            "errors.object-error",
            Level::Should,
            "An object that calls itself an error is one.",
            &[Clause::field(
                "vLLM, FastChat",
                "errors in a stream are flat objects with \"object\": \"error\"",
            )],
            "Three pieces, an event `{\"object\": \"error\", \"message\": …}`, and [DONE].",
            |_| {
                with_error(&event(flat(
                    r#""object":"error","type":"InternalServerError","param":null,"code":500"#,
                )))
            },
        ),
        Case {
            oracle: |seen| Ok(told(seen.typed_error("")?)),
            ..broken(
                "errors.first-event",
                Level::Must,
                "An error may be the first event.",
                &[ERROR_EVENT, ERROR_EVENT_NODE],
                "An event `{\"error\": {…}}` first, and [DONE].",
                |_| stream([event(envelope()), DONE.to_owned()]),
            )
        },
        Case {
            oracle: |seen| without(seen, &PIECES[BEFORE..=BEFORE]),
            sound: TYPED_ERROR_WITHOUT,
            ..broken(
                "errors.bad-json",
                Level::Must,
                "An event whose data is no JSON is an error of the client's own kind, and not passed over.",
                &[NOT_JSON, TYPED_ERRORS],
                "Three pieces, a fourth whose JSON breaks off, and then the rest of the ordinary stream.",
                bad_json,
            )
        },
        Case {
            oracle: |seen| without(seen, &PIECES[2..=3]),
            sound: TYPED_ERROR_WITHOUT,
            ..broken(
                "errors.interleaved",
                Level::Must,
                "Two events written into each other are an error of the client's own kind.",
                &[NOT_JSON, TYPED_ERRORS],
                "Two pieces, the next two with the bytes of their events in turn, as two writers without a lock make them, and then the rest.",
                interleaved,
            )
        },
        Case {
            oracle: replaced_or_typed_error,
            sound: "the text with U+FFFD for the byte, or a typed error with a beginning of it",
            ..broken(
                "errors.bad-utf8",
                Level::Must,
                "A byte that is no UTF-8 is replaced, or is an error of the client's own kind.",
                &[
                    Clause::event_stream(
                        "section 9.2.6",
                        "Streams must be decoded using the UTF-8 decode algorithm.",
                    ),
                    TYPED_ERRORS,
                ],
                "The ordinary stream with the byte FF inside a piece.",
                bad_utf8,
            )
        },
    ],
};

const ERROR_EVENT: Clause =
    Clause::python("openai/_streaming.py, Stream.__stream__", "is_mapping(data) and data.get(\"error\")");

const ERROR_EVENT_NODE: Clause =
    Clause::node("core/streaming.js, Stream.fromSSEResponse", "if (data && data.error)");

const NOT_JSON: Clause = Clause::python("openai/_streaming.py, Stream.__stream__", "data = sse.json()");

fn envelope() -> String {
    format!(
        r#"{{"error":{{"message":"{MESSAGE}","type":"server_error","param":null,"code":"out_of_memory"}}}}"#
    )
}

fn flat(members: &str) -> String {
    format!(r#"{{"message":"{MESSAGE}",{members}}}"#)
}

const TYPED_ERROR_WITHOUT: &str =
    "a typed error, with a beginning of the text or of what is left without the pieces that cannot be read";

/// A typed error is required. The client may have ended at what it could not read, or have told of it and read on.
fn without(seen: &Seen, unreadable: &[&str]) -> Outcome {
    let rest = unreadable.iter().fold(TEXT.to_owned(), |text, piece| text.replace(piece, ""));
    let ended = seen.typed_error(TEXT.split(unreadable[0]).next().unwrap_or_default());
    Ok(told(ended.or_else(|_| seen.typed_error(&rest))?))
}

/// Three pieces, this, and [DONE], so that nothing but this tells of the error.
fn with_error(error: &str) -> Vec<Step> {
    stream(beginning(BEFORE).into_iter().chain([error.to_owned(), DONE.to_owned()]))
}

fn message_kept(seen: &Seen) -> Outcome {
    let account = seen.typed_error(TEXT)?;
    let message = account.error.as_ref().map_or("", |error| error.message.as_str());
    if !message.contains(MESSAGE) {
        let told = format!("the error says {}, not {}", shown(message), shown(MESSAGE));
        return Err(Objection::broken(Harm::SilentLoss, told));
    }
    Ok(told(account))
}

fn bad_json(_: Turn) -> Vec<Step> {
    let mut events = poem();
    // The event of the fourth piece: role first.
    events[1 + BEFORE] = event(piece(PIECES[BEFORE]).trim_end_matches(['}', ']']));
    stream(events)
}

fn interleaved(_: Turn) -> Vec<Step> {
    let [third, fourth] = [event(piece(PIECES[2])), event(piece(PIECES[3]))];
    let (third_begin, third_end) = third.split_at(third.len() / 2);
    // Not inside a character.
    let middle = fourth.floor_char_boundary(fourth.len() / 2);
    let (fourth_begin, fourth_end) = fourth.split_at(middle);
    let mut events = open_poem();
    let behind = events.split_off(5);
    events.truncate(3);
    events.extend([third_begin, fourth_begin, third_end, fourth_end].map(str::to_owned));
    stream(events.into_iter().chain(behind).chain([DONE.to_owned()]))
}

fn bad_utf8(_: Turn) -> Vec<Step> {
    let mut events: Vec<Vec<u8>> = [role()].into_iter().map(event).map(String::into_bytes).collect();
    for (index, text) in PIECES.iter().enumerate() {
        let mut bytes = event(piece(text)).into_bytes();
        if index == BAD_PIECE
            && let Some(at) = bytes.windows(4).position(|window| window == b"wind")
        {
            bytes[at] = 0xFF;
        }
        events.push(bytes);
    }
    events.push(event(chunk("{}", r#""stop""#)).into_bytes());
    events.push(DONE.into());
    stream(events)
}

/// The piece `in the wind, `.
const BAD_PIECE: usize = 2;

fn replaced_or_typed_error(seen: &Seen) -> Outcome {
    Ok(told(seen.whole_or_typed_error(&TEXT.replace("wind", "\u{FFFD}ind"))?))
}
