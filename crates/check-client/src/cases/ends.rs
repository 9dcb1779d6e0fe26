//! How streams end, and how they break off.

use std::time::Duration;

use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::{LAST_CHUNK, Step, chunk};

use super::{BEFORE, DONE_ENDS, Group, INCOMPLETE, broken, survived};
use crate::answer::{CHUNKED, CHUNKED_AND_CLOSED, open_stream, stream, write};
use crate::case::{Case, Harm, Objection, Outcome, Turn};
use crate::oracle::{Seen, shown, told};
use crate::sample::{DONE, TEXT, beginning, beginning_text, event, open_poem, piece, poem};

/// Before a reset, for what was sent to be read.
const BEFORE_RESET: Duration = Duration::from_millis(100);

pub(super) const GROUP: Group = Group {
    name: "ends",
    title: "Ends",
    cases: &[
        survived(
            "ends.finish-without-done",
            Level::Should,
            "An answer that has its finish reason is whole, also without [DONE].",
            &[Clause::openai(
                "CreateChatCompletionStreamResponse.choices.finish_reason",
                "The reason the model stopped generating tokens.",
            )],
            "The ordinary stream without [DONE], properly ended.",
            |_| stream(open_poem()),
        ),
        Case {
            oracle: |seen| Ok(told(seen.typed_error(TEXT)?)),
            ..broken(
                "ends.no-finish",
                Level::Must,
                "An answer that ends without a finish reason and without [DONE] is not whole.",
                &[DONE_ENDS],
                "All pieces of the ordinary stream, and then the proper end of the body.",
                |_| stream(beginning(6)),
            )
        },
        broken(
            "ends.chunked-cut-keep-alive",
            Level::Must,
            "A body in chunks that ends without the last chunk is broken.",
            &[INCOMPLETE],
            "Three pieces in chunks, and then the end of the connection, which was to stay.",
            |_| cut(CHUNKED, Step::Close),
        ),
        broken(
            "ends.chunked-cut-close",
            Level::Must,
            "A body in chunks that ends without the last chunk is broken, also where the connection was to close.",
            &[INCOMPLETE],
            "Three pieces in chunks under `Connection: close`, and then the end of the connection.",
            |_| cut(CHUNKED_AND_CLOSED, Step::Close),
        ),
        broken(
            "ends.reset",
            Level::Must,
            "A reset connection is an error.",
            &[INCOMPLETE],
            "Three pieces in chunks, and then a reset.",
            |_| {
                let mut steps = cut(CHUNKED, Step::Wait(BEFORE_RESET));
                steps.push(Step::Reset);
                steps
            },
        ),
        broken(
            "ends.length-cut",
            Level::Must,
            "A body that is shorter than its Content-Length is broken.",
            &[Clause::rfc9112(
                "section 8",
                "A message that uses a valid Content-Length is incomplete if the size of the message body received (in octets) is less than the value given by Content-Length.",
            )],
            "Three pieces of an ordinary stream whose Content-Length promises all, and then the end of the connection.",
            length_cut,
        ),
        Case {
            sound: "a typed error, and the text of the three pieces",
            oracle: text_kept,
            ..broken(
                "ends.text-kept",
                Level::Should,
                "What had arrived before a break is reported beside the error.",
                &[Clause::field(
                    "users of chats",
                    "half an answer on the screen vanishes when the error comes",
                )],
                "Three pieces in chunks, and then the end of the connection.",
                |_| cut(CHUNKED, Step::Close),
            )
        },
        survived(
            "ends.after-done",
            Level::Must,
            "What follows [DONE] is no part of the answer.",
            &[DONE_ENDS],
            "The ordinary stream, and behind [DONE] one more piece of text.",
            |_| {
                let more = event(piece(" And falls."));
                stream(poem().into_iter().chain([more]))
            },
        ),
        survived(
            "ends.done-twice",
            Level::Must,
            "A second [DONE] changes nothing.",
            &[DONE_ENDS],
            "The ordinary stream with two [DONE].",
            |_| stream(poem().into_iter().chain([DONE.to_owned()])),
        ),
        survived(
            "ends.done-space",
            Level::Should,
            "A [DONE] with a space behind it is one.",
            &[
                Clause::node("core/streaming.js, Stream.fromSSEResponse", "sse.data.startsWith('[DONE]')"),
                Clause::python(
                    "openai/_streaming.py, Stream.__stream__",
                    "if sse.data.startswith(\"[DONE]\"):",
                ),
            ],
            "The ordinary stream, whose last event is `data: [DONE] `.",
            |_| stream(open_poem().into_iter().chain([event("[DONE] ")])),
        ),
        broken(
            "ends.unterminated-event",
            Level::Must,
            "An event without the blank line behind it is dropped, and the answer that it breaks off is not whole.",
            &[Clause::event_stream(
                "section 9.2.6",
                "Once the end of the file is reached, any pending data must be discarded. (If the file ends in the middle of an event, before the final empty line, the incomplete event is not dispatched.)",
            )],
            "Three pieces, and then a fourth whose event lacks its blank line; the body is properly ended.",
            unterminated_event,
        ),
    ],
};

/// Three pieces in chunks, and then this instead of the last chunk.
fn cut(head: &str, end: Step) -> Vec<Step> {
    let mut steps = open_stream(head, beginning(BEFORE));
    steps.push(end);
    steps
}

fn length_cut(_: Turn) -> Vec<Step> {
    let promised = poem().concat().len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Length: {promised}\r\n\r\n"
    );
    vec![write(head), write(beginning(BEFORE).concat()), Step::Close]
}

fn unterminated_event(_: Turn) -> Vec<Step> {
    let mut steps = open_stream(CHUNKED, beginning(BEFORE));
    let last = event(piece("bends 🌳, "));
    steps.extend([write(chunk(last.trim_end().as_bytes())), write(LAST_CHUNK)]);
    steps
}

fn text_kept(seen: &Seen) -> Outcome {
    let account = seen.typed_error(&beginning_text(BEFORE))?;
    if account.text != beginning_text(BEFORE) {
        let told = format!(
            "beside the error it reports {} of {}",
            shown(&account.text),
            shown(&beginning_text(BEFORE))
        );
        return Err(Objection::broken(Harm::SilentLoss, told));
    }
    Ok(told(account))
}
