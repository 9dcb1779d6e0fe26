//! Answers of another type than a stream, and a stream in another coding.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::{LAST_CHUNK, Step, chunk};

use super::{DONE_ENDS, Group, WHOLE_OR_TYPED_ERROR, broken, survived};
use crate::answer::{BETWEEN_EVENTS, whole, write};
use crate::case::{Case, Outcome, Turn};
use crate::oracle::{Seen, told};
use crate::sample::{TEXT, poem, quoted};

/// Something at status 200 that is no answer: a typed error is required.
const fn no_answer(
    slug: &'static str,
    requirement: &'static str,
    clauses: &'static [Clause],
    served: &'static str,
    answer: fn(Turn) -> Vec<Step>,
) -> Case {
    let broken = broken(slug, Level::Must, requirement, clauses, served, answer);
    Case { oracle: |seen| Ok(told(seen.typed_error("")?)), ..broken }
}

pub(super) const GROUP: Group = Group {
    name: "types",
    title: "Other types than a stream",
    cases: &[
        Case {
            oracle: |seen| Ok(told(seen.whole_or_typed_error(TEXT)?)),
            sound: WHOLE_OR_TYPED_ERROR,
            ..no_answer(
                "types.json-completion",
                "A whole completion where a stream was asked for is taken or refused, and is no empty answer.",
                &[CONTENT_TYPE],
                "A chat completion as JSON, at status 200.",
                |_| whole("200 OK", "application/json", "", completion()),
            )
        },
        no_answer(
            "types.json-error",
            "An error object at status 200 is an error.",
            &[CONTENT_TYPE],
            "An error object as JSON, at status 200.",
            |_| whole("200 OK", "application/json", "", ERROR),
        ),
        no_answer(
            "types.html",
            "A page of HTML at status 200 is no answer.",
            &[CONTENT_TYPE],
            "A page of HTML, as a login page or a proxy gives it, at status 200.",
            |_| whole("200 OK", "text/html; charset=utf-8", "", PAGE),
        ),
        no_answer(
            "types.empty",
            "An empty body is no answer.",
            &[DONE_ENDS],
            "Status 200, the type of a stream, and not one byte.",
            |_| whole("200 OK", "text/event-stream", "", ""),
        ),
        Case {
            sound: "the whole text; a client that names no coding that it accepts may refuse with a typed error",
            oracle: decoded,
            ..survived(
                "types.gzip",
                Level::Must,
                "A stream in a coding that the client accepts is decoded.",
                &[
                    Clause::rfc9110(
                        "section 8.4",
                        "what decoding mechanisms have to be applied in order to obtain data in the media type referenced by the Content-Type header field",
                    ),
                    Clause::rfc9110(
                        "section 12.5.3",
                        "If no Accept-Encoding header field is in the request, any content coding is considered acceptable by the user agent.",
                    ),
                ],
                "The ordinary stream in gzip, flushed behind each event.",
                gzip,
            )
        },
    ],
};

const CONTENT_TYPE: Clause = Clause::event_stream(
    "section 9.2.2",
    "if res's `Content-Type` is not `text/event-stream`, then fail the connection",
);

const ERROR: &str = r#"{"error":{"message":"the model ran out of memory","type":"server_error","param":null,"code":"out_of_memory"}}"#;

const PAGE: &str =
    "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n";

fn completion() -> String {
    format!(
        r#"{{"id":"chatcmpl-exam","object":"chat.completion","created":1700000000,"model":"exam","choices":[{{"index":0,"message":{{"role":"assistant","content":{},"refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":5,"completion_tokens":12,"total_tokens":17}}}}"#,
        quoted(TEXT)
    )
}

fn gzip(_: Turn) -> Vec<Step> {
    let mut steps = vec![write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
    )];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for event in poem() {
        // Writing into memory does not fail.
        let _ = encoder.write_all(event.as_bytes()).and_then(|()| encoder.flush());
        let part = std::mem::take(encoder.get_mut());
        steps.extend([Step::Wait(BETWEEN_EVENTS), write(chunk(&part))]);
    }
    let trailer = encoder.finish().unwrap_or_default();
    steps.extend([write(chunk(&trailer)), write(LAST_CHUNK)]);
    steps
}

fn decoded(seen: &Seen) -> Outcome {
    // Nobody has to say so before nothing was asked.
    seen.account()?;
    let accepts = seen.chats().all(|chat| {
        let head = chat.request.head.as_ref();
        head.is_some_and(|head| head.fields.lists("accept-encoding", "gzip"))
    });
    let account = if accepts { seen.whole(TEXT) } else { seen.whole_or_typed_error(TEXT) };
    Ok(told(account?))
}
