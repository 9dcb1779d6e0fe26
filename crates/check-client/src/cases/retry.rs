//! What a client asks again, when, and what it must not make of it.
//!
//! A client need not ask again: a typed error is as sound. One that does has to keep to what it is told.

use std::time::Duration;

use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::Step;
use serde_json::Value;

use super::{BEFORE, Group, INCOMPLETE, WHOLE_OR_TYPED_ERROR, poem_or_typed_error, survived};
use crate::answer::{CHUNKED, open_stream, stream, whole};
use crate::case::{Case, Harm, Objection, Outcome, Turn};
use crate::oracle::{Seen, told};
use crate::sample::{beginning, poem};

/// How long Retry-After says in seconds, and how long it means at least as a date, which has no fractions.
const SECOND: Duration = Duration::from_secs(1);
/// How long Retry-After says in milliseconds.
const MILLISECONDS: u64 = 700;
/// Clocks that are not ours, and rounding.
const TOLERANCE: Duration = Duration::from_millis(20);

/// A refusal first, and then the ordinary stream.
const fn refused_once(
    slug: &'static str,
    level: Level,
    requirement: &'static str,
    clauses: &'static [Clause],
    served: &'static str,
    answer: fn(Turn) -> Vec<Step>,
) -> Case {
    Case {
        sound: "a typed error without asking again, or the whole text after waiting as long as it was told",
        oracle: |seen| waited(seen, SECOND),
        ..survived(slug, level, requirement, clauses, served, answer)
    }
}

pub(super) const GROUP: Group = Group {
    name: "retry",
    title: "Asking again",
    cases: &[
        refused_once(
            "retry.after-seconds",
            Level::Should,
            "Who asks again after a 429 waits as many seconds as Retry-After says.",
            &[RETRY_AFTER, Clause::rfc9110("section 10.2.3", "Retry-After = HTTP-date / delay-seconds")],
            "429 with `Retry-After: 1`, then the ordinary stream.",
            |turn| once(turn, "429 Too Many Requests", "Retry-After: 1\r\n"),
        ),
        refused_once(
            "retry.after-date",
            Level::Should,
            "Who asks again after a 429 waits until the date that Retry-After says.",
            &[RETRY_AFTER, Clause::rfc9110("section 10.2.3", "Retry-After = HTTP-date / delay-seconds")],
            "429 with a Retry-After that is a date, two seconds ahead; then the ordinary stream.",
            |turn| {
                let date = httpdate::fmt_http_date(turn.now + 2 * SECOND);
                once(turn, "429 Too Many Requests", &format!("Retry-After: {date}\r\n"))
            },
        ),
        Case {
            oracle: |seen| waited(seen, Duration::from_millis(MILLISECONDS)),
            ..refused_once(
                "retry.after-ms",
                Level::Should,
                "Who asks again after a 429 waits as many milliseconds as retry-after-ms says.",
                &[Clause::python(
                    "openai/_base_client.py",
                    "for header, divisor in ((\"retry-after-ms\", 1000), (\"retry-after\", 1)):",
                )],
                "429 with `retry-after-ms: 700`, then the ordinary stream.",
                |turn| once(turn, "429 Too Many Requests", &format!("retry-after-ms: {MILLISECONDS}\r\n")),
            )
        },
        Case {
            sound: WHOLE_OR_TYPED_ERROR,
            oracle: same_question,
            ..refused_once(
                "retry.503-then-success",
                Level::Must,
                "A 503 is an error, or forgotten after an answer that is whole.",
                &[Clause::rfc9110(
                    "section 15",
                    "a client MUST understand the class of any status code, as indicated by the first digit",
                )],
                "503, then the ordinary stream.",
                |turn| once(turn, "503 Service Unavailable", ""),
            )
        },
        Case {
            sound: "a typed error, after one request",
            oracle: asked_once,
            ..refused_once(
                "retry.400-never",
                Level::Must,
                "A request that is wrong is not sent again.",
                &[Clause::rfc9110(
                    "section 15.5.1",
                    "the server cannot or will not process the request due to something that is perceived to be a client error",
                )],
                "400 to every request.",
                |_| refusal("400 Bad Request", ""),
            )
        },
        Case {
            sound: WHOLE_OR_TYPED_ERROR,
            oracle: same_question,
            ..survived(
                "retry.no-text-twice",
                Level::Must,
                "A client that asks again after a break does not report the beginning twice.",
                &[INCOMPLETE],
                "Three pieces and a cut, then, to whoever asks again, the ordinary stream.",
                cut_once,
            )
        },
    ],
};

const RETRY_AFTER: Clause = Clause::rfc9110(
    "section 10.2.3",
    "Servers send the \"Retry-After\" header field to indicate how long the user agent ought to wait before making a follow-up request.",
);

/// A refusal with these fields, and afterwards the ordinary stream.
fn once(turn: Turn, status: &str, fields: &str) -> Vec<Step> {
    if turn.before > 0 { stream(poem()) } else { refusal(status, fields) }
}

fn refusal(status: &str, fields: &str) -> Vec<Step> {
    whole(status, "application/json", fields, REFUSAL)
}

const REFUSAL: &str =
    r#"{"error":{"message":"not now, or not so","type":"server_error","param":null,"code":null}}"#;

fn cut_once(turn: Turn) -> Vec<Step> {
    if turn.before > 0 {
        return stream(poem());
    }
    let mut steps = open_stream(CHUNKED, beginning(BEFORE));
    steps.push(Step::Close);
    steps
}

/// The whole ordinary answer, or a typed error; and whoever asks again asks the same.
fn same_question(seen: &Seen) -> Outcome {
    let mut bodies = seen.chats().map(|chat| chat.request.received.body.as_slice());
    let first = bodies.next().unwrap_or_default();
    if bodies.any(|body| !is_the_same(body, first)) {
        return Err(Objection::broken(Harm::Retry, "it asked again with another body than at first"));
    }
    poem_or_typed_error(seen)
}

/// The same bytes, or the same JSON: members may stand in another order.
fn is_the_same(body: &[u8], other: &[u8]) -> bool {
    let json = |body| serde_json::from_slice::<Value>(body).ok();
    body == other || json(body).is_some_and(|value| json(other) == Some(value))
}

fn waited(seen: &Seen, least: Duration) -> Outcome {
    let chats: Vec<_> = seen.chats().collect();
    if let [first, second, ..] = chats.as_slice() {
        // From the first moment at which it can have been told: on a busy machine the end of a write is seen late.
        let waited = second.came_at.saturating_duration_since(first.last_write_began_at());
        if waited + TOLERANCE < least {
            let told = format!(
                "it asked again after {} ms, and was told at least {} ms",
                waited.as_millis(),
                least.as_millis()
            );
            return Err(Objection::broken(Harm::Retry, told));
        }
    }
    same_question(seen)
}

fn asked_once(seen: &Seen) -> Outcome {
    let account = seen.typed_error("")?;
    match seen.chats().count() {
        1 => Ok(told(account)),
        many => Err(Objection::broken(Harm::Retry, format!("it asked {many} times"))),
    }
}
