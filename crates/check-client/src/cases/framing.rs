//! Legal ways to frame a stream, all to be survived.

use std::time::Duration;

use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::{LAST_CHUNK, Step, chunk};

use super::{Group, survived};
use crate::answer::{CHUNKED, stream, until_closed, write};
use crate::case::{Case, Turn};
use crate::oracle::told;
use crate::sample::{DONE, beginning, beginning_text, event, finish, open_poem, poem};

/// Between two packets that are to arrive alone.
const BETWEEN_PACKETS: Duration = Duration::from_millis(5);

/// Pieces of the stream whose every byte is a packet.
const SHORT: usize = 2;

pub(super) const GROUP: Group = Group {
    name: "framing",
    title: "Legal framings",
    cases: &[
        survived(
            "framing.crlf",
            Level::Must,
            "Lines that end with CRLF are lines.",
            &[LINE_ENDS],
            "The ordinary stream, every line ended by CRLF.",
            |_| stream(poem().iter().map(|event| event.replace('\n', "\r\n"))),
        ),
        survived(
            "framing.cr",
            Level::Must,
            "Lines that end with a single CR are lines.",
            &[LINE_ENDS],
            "The ordinary stream, every line ended by CR.",
            |_| stream(poem().iter().map(|event| event.replace('\n', "\r"))),
        ),
        survived(
            "framing.mixed-line-ends",
            Level::Must,
            "Lines may end differently in one stream, and in one event.",
            &[LINE_ENDS],
            "The ordinary stream, its events ended in turn by CRLF LF, LF CRLF, CR CR and CRLF CR.",
            mixed_line_ends,
        ),
        survived(
            "framing.no-space",
            Level::Must,
            "A field's value begins right behind the colon where no space follows it.",
            &[Clause::event_stream(
                "section 9.2.6",
                "If value starts with a U+0020 SPACE character, remove it from value.",
            )],
            "The ordinary stream with `data:` and no space.",
            |_| stream(poem().iter().map(|event| event.replacen("data: ", "data:", 1))),
        ),
        survived(
            "framing.comment",
            Level::Must,
            "A comment is passed over.",
            &[
                Clause::event_stream(
                    "section 9.2.6",
                    "If the line starts with a U+003A COLON character (:) Ignore the line.",
                ),
                Clause::event_stream(
                    "section 9.2.7",
                    "authors can include a comment line (one starting with a ':' character) every 15 seconds or so",
                ),
            ],
            "The ordinary stream with a comment as keep-alive before each event, one with words and one without, and one inside an event.",
            comments,
        ),
        survived(
            "framing.retry-only",
            Level::Must,
            "A block that has only `retry:` is no event.",
            &[
                NO_DATA,
                Clause::field(
                    "openai-python #2722",
                    "an event of `retry:` alone was handed to the JSON parser, which failed",
                ),
            ],
            "The ordinary stream with the block `retry: 3000` first and in the middle.",
            |_| with_block("retry: 3000\n\n"),
        ),
        survived(
            "framing.event-only",
            Level::Must,
            "A block that has only `event:` is no event.",
            &[NO_DATA],
            "The ordinary stream with the block `event: ping` first and in the middle.",
            |_| with_block("event: ping\n\n"),
        ),
        survived(
            "framing.empty-data",
            Level::Must,
            "An event whose data is empty ends nothing and breaks nothing.",
            &[Clause::event_stream(
                "section 9.2.6",
                "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF) character to the data buffer.",
            )],
            "The ordinary stream with the block `data:` first and in the middle.",
            |_| with_block("data:\n\n"),
        ),
        survived(
            "framing.byte-order-mark",
            Level::Must,
            "One byte order mark before the first line is no part of it.",
            &[Clause::event_stream(
                "section 9.2.6",
                "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any.",
            )],
            "A byte order mark, and right behind it an ordinary stream whose first event has the first piece of the text.",
            byte_order_mark,
        ),
        survived(
            "framing.multi-line-data",
            Level::Must,
            "The data of several lines is joined by line feeds.",
            &[Clause::event_stream(
                "section 9.2.6",
                "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF) character to the data buffer.",
            )],
            "The ordinary stream, the JSON of each event over several `data:` lines.",
            multi_line_data,
        ),
        survived(
            "framing.id-and-unknown-fields",
            Level::Must,
            "Fields other than data, among them unknown ones and lines without a colon, change nothing.",
            &[Clause::event_stream("section 9.2.6", "Otherwise The field is ignored.")],
            "The ordinary stream, each event with `id:`, `retry:`, an unknown field, and a line without a colon.",
            |_| {
                stream(
                    poem()
                        .iter()
                        .map(|event| format!("id: 7\nretry: 3000\nx-trace: a: b\nnonsense\n{event}")),
                )
            },
        ),
        Case {
            oracle: |seen| Ok(told(seen.whole(&beginning_text(SHORT))?)),
            ..survived(
                "framing.byte-per-packet",
                Level::Must,
                "It does not matter where packets end: here behind every byte.",
                &[BYTES],
                "The first two pieces of the ordinary stream without chunks, finish reason, [DONE]; one byte a packet.",
                byte_per_packet,
            )
        },
        survived(
            "framing.utf8-split",
            Level::Must,
            "A character of several bytes may lie in two packets.",
            &[
                BYTES,
                Clause::event_stream(
                    "section 9.2.5",
                    "Event streams in this format must always be encoded as UTF-8.",
                ),
            ],
            "The ordinary stream, split behind the first, second and third byte of each character that has several.",
            |_| in_parts(split_where(&poem().concat(), |bytes, at| bytes[at] & 0xC0 == 0x80)),
        ),
        survived(
            "framing.crlf-split",
            Level::Must,
            "The two bytes of a CRLF may lie in two packets, and are one line end even so.",
            &[BYTES, LINE_ENDS],
            "The ordinary stream with CRLF, split behind every CR; the data of one event has several lines.",
            crlf_split,
        ),
        survived(
            "framing.one-packet",
            Level::Must,
            "All events may come in one packet, with the head.",
            &[BYTES],
            "The ordinary stream in one chunk, head, events and last chunk in one write.",
            |_| vec![write([CHUNKED.as_bytes(), &chunk(poem().concat().as_bytes()), LAST_CHUNK].concat())],
        ),
    ],
};

const LINE_ENDS: Clause = Clause::event_stream(
    "section 9.2.5",
    "Lines must be separated by either a U+000D CARRIAGE RETURN U+000A LINE FEED (CRLF) character pair, a single U+000A LINE FEED (LF) character, or a single U+000D CARRIAGE RETURN (CR) character.",
);

const NO_DATA: Clause = Clause::event_stream(
    "section 9.2.6",
    "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and return.",
);

const BYTES: Clause = Clause::rfc9112(
    "section 2.2",
    "A recipient MUST parse an HTTP message as a sequence of octets in an encoding that is a superset of US-ASCII",
);

fn mixed_line_ends(_: Turn) -> Vec<Step> {
    let ends = ["\r\n\n", "\n\r\n", "\r\r", "\r\n\r"];
    let mut events: Vec<String> = poem();
    for (event, end) in events.iter_mut().zip(ends.iter().cycle()) {
        event.truncate(event.trim_end().len());
        event.push_str(end);
    }
    stream(events)
}

fn comments(_: Turn) -> Vec<Step> {
    let events = poem()
        .into_iter()
        .flat_map(|event| [": keep-alive\n\n".to_owned(), ":\n\n".to_owned(), format!(":here\n{event}")]);
    stream(events)
}

/// The ordinary stream with this block first and in the middle.
fn with_block(block: &str) -> Vec<Step> {
    let mut events = poem();
    events.insert(4, block.to_owned());
    events.insert(0, block.to_owned());
    stream(events)
}

fn byte_order_mark(_: Turn) -> Vec<Step> {
    // Without the chunk of the role, so that whoever drops the first event loses text.
    let mut events = poem();
    events.remove(0);
    events[0].insert(0, '\u{FEFF}');
    stream(events)
}

fn multi_line_data(_: Turn) -> Vec<Step> {
    stream(open_poem().iter().map(|event| in_lines(event)).chain([event("[DONE]")]))
}

/// An event, its data in several lines: JSON may have white space between its tokens, so that a line may end behind each
/// comma that is no part of a string.
fn in_lines(event: &str) -> String {
    event.replace(",\"", ",\ndata: \"")
}

fn crlf_split(_: Turn) -> Vec<Step> {
    let mut events = poem();
    // Whoever counts a split CRLF twice ends this event behind its first line; elsewhere that does no harm.
    events[3] = in_lines(&events[3]);
    in_parts(split_where(&events.concat().replace('\n', "\r\n"), |bytes, at| bytes[at - 1] == b'\r'))
}

fn byte_per_packet(_: Turn) -> Vec<Step> {
    // Without the chunk of the role: each byte takes its time.
    let events = beginning(SHORT).into_iter().skip(1).chain([event(finish("stop")), DONE.to_owned()]);
    until_closed(events.collect::<String>().as_bytes().chunks(1), Duration::from_millis(1))
}

/// The parts of a text, each as a packet.
fn in_parts(parts: Vec<Vec<u8>>) -> Vec<Step> {
    until_closed(parts, BETWEEN_PACKETS)
}

/// A text, split before each byte where it is wished.
fn split_where(text: &str, wished: impl Fn(&[u8], usize) -> bool) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut parts = vec![Vec::new()];
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && wished(bytes, at) {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(*byte);
        }
    }
    parts
}
