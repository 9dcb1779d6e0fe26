//! Long lines, and many events.

use std::fmt::Write;

use bytes::Bytes;
use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::{Step, chunk};

use super::{Group, TYPED_ERRORS, WHOLE, WHOLE_OR_TYPED_ERROR};
use crate::answer::{CHUNKED, stream, write};
use crate::case::{Case, Harm, Objection, Outcome, Tools, Turn};
use crate::oracle::{Seen, told};
use crate::sample::{DONE, event, finish, piece, role};

/// A text as long as it makes a line that no longer fits into 64 KiB.
const LONG: usize = 66_000;
/// As long as many readers' largest buffer, and more.
const VERY_LONG: usize = 2 << 20;
/// Events of the stream that has many.
const MANY_EVENTS: usize = 10_000;
/// How many of them go into one write: to fill a packet, as a fast server does.
const EVENTS_A_WRITE: usize = 50;
/// How long the line without an end is, at most.
const ENDLESS: usize = 64 << 20;
/// Bytes of one write of it.
const ENDLESS_WRITE: usize = 256 << 10;

pub(super) const GROUP: Group = Group {
    name: "sizes",
    title: "Sizes",
    cases: &[
        Case {
            slug: "sizes.line-65kb",
            level: Level::Must,
            requirement: "A line of more than 64 KiB is read whole.",
            clauses: &[ANY_LENGTH],
            served: "A stream whose one piece of text has 66,000 bytes, in one line.",
            sound: WHOLE,
            tools: Tools::None,
            answer: |_| one_piece(LONG),
            oracle: |seen| Ok(told(seen.whole(&text_of(LONG))?)),
        },
        Case {
            slug: "sizes.line-2mb",
            level: Level::Must,
            requirement: "A line of 2 MiB is read whole or refused, and not cut in silence.",
            clauses: &[ANY_LENGTH, TYPED_ERRORS],
            served: "A stream whose one piece of text has 2 MiB, in one line.",
            sound: WHOLE_OR_TYPED_ERROR,
            tools: Tools::None,
            answer: |_| one_piece(VERY_LONG),
            oracle: |seen| Ok(told(seen.whole_or_typed_error(&text_of(VERY_LONG))?)),
        },
        Case {
            slug: "sizes.events-10000",
            level: Level::Must,
            requirement: "A stream may have any number of events.",
            clauses: &[Clause::event_stream("section 9.2.5", "stream        = [ bom ] *event")],
            served: "A stream of 10,000 events with a number each, fifty in a write.",
            sound: WHOLE,
            tools: Tools::None,
            answer: many_events,
            oracle: |seen| Ok(told(seen.whole(&numbers().concat())?)),
        },
        Case {
            slug: "sizes.line-without-end",
            level: Level::Should,
            requirement: "A line that does not end is given up with a typed error, before it fills the memory.",
            clauses: &[Clause::field(
                "any reader that keeps a line until it ends",
                "one line without an end is held in memory for as long as it comes",
            )],
            served: "One data line of 64 MiB of text, as fast as it is read, which then breaks off.",
            sound: "a typed error before all 64 MiB were read",
            tools: Tools::None,
            answer: endless_line,
            oracle: gives_up,
        },
    ],
};

const ANY_LENGTH: Clause = Clause::event_stream(
    "section 9.2.5",
    "field         = 1*name-char [ colon [ space ] *any-char ] end-of-line",
);

/// A text of so many bytes, in which no two places are alike.
fn text_of(len: usize) -> String {
    let mut text = String::with_capacity(len + 10);
    for number in 0_u32.. {
        if text.len() >= len {
            break;
        }
        // Writing to a string does not fail.
        let _ = write!(text, "{number} ");
    }
    text.truncate(len);
    text
}

fn one_piece(len: usize) -> Vec<Step> {
    let events = [role(), piece(&text_of(len)), finish("stop")].map(event);
    stream(events.into_iter().chain([DONE.to_owned()]))
}

fn numbers() -> Vec<String> {
    (0..MANY_EVENTS).map(|number| format!("{number} ")).collect()
}

fn many_events(_: Turn) -> Vec<Step> {
    let pieces: Vec<String> = numbers().iter().map(|number| event(piece(number))).collect();
    let writes = pieces.chunks(EVENTS_A_WRITE).map(<[String]>::concat);
    let (first, last) = (event(role()), event(finish("stop")) + DONE);
    let mut steps = vec![write(CHUNKED)];
    steps.extend(
        [first].into_iter().chain(writes).chain([last]).map(|events| write(chunk(events.as_bytes()))),
    );
    steps.push(write(interference_wire::LAST_CHUNK));
    steps
}

fn endless_line(_: Turn) -> Vec<Step> {
    let part = Bytes::from(chunk(&[b'a'; ENDLESS_WRITE]));
    let beginning = chunk(piece("").split("\"}").next().unwrap_or_default().as_bytes());
    let mut steps = vec![write(CHUNKED), write(chunk(b"data: ")), write(beginning)];
    steps.extend(std::iter::repeat_n(Step::Write(part), ENDLESS / ENDLESS_WRITE));
    steps.push(Step::Close);
    steps
}

fn gives_up(seen: &Seen) -> Outcome {
    let account = seen.typed_error("")?;
    let gave_up = seen.chats().all(|attempt| attempt.left_at.is_some());
    if !gave_up {
        return Err(Objection::broken(Harm::Unbounded, "it read all 64 MiB before it said so"));
    }
    Ok(told(account))
}
