//! Events to bytes.
//!
//! Owns the one layout that no SDK stumbles over: `event:` only where an event has a name, a `data:` line for each
//! line of the data, a blank line. Whatever the text holds, it stays inside its own event.

use memchr::memchr2;

use crate::Event;

/// What surrounds the data of an event without a name, whose data has one line: enough for most.
const FRAME_BYTES: usize = "data: \n\n".len();

/// Appends the bytes of one event to `out`.
///
/// Line ends in data (CRLF, CR or LF) begin a new `data:` line, so a reader sees each of them as LF. In a name or a
/// comment, which have one line only, they become spaces.
pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Data { name, data } => {
            out.reserve(FRAME_BYTES + data.len());
            if let Some(name) = name.as_deref().filter(|name| !name.is_empty()) {
                push_line("event: ", &on_one_line(name), out);
            }
            for line in lines(data) {
                push_line("data: ", line, out);
            }
        }
        Event::Comment(text) => push_line(": ", &on_one_line(text), out),
    }
    out.push(b'\n');
}

fn push_line(field: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

fn on_one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// The lines of a text, at least one. Unlike [`str::lines`] it knows a lone CR, and an end of line at the very end is
/// followed by one more, empty line, so that no line end gets lost.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr2(b'\r', b'\n', text.as_bytes()) else {
            rest = None;
            return Some(text);
        };
        let (line, after) = text.split_at(end);
        let line_end_len = if after.starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&after[line_end_len..]);
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(event: &Event) -> String {
        let mut out = Vec::new();
        encode(event, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_of_data() {
        assert_eq!(encoded(&Event::data("[DONE]")), "data: [DONE]\n\n");
    }

    #[test]
    fn every_line_end_begins_a_data_line() {
        assert_eq!(encoded(&Event::data("a\nb\r\nc\rd\n")), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
    }

    #[test]
    fn empty_data_is_still_a_data_line() {
        assert_eq!(encoded(&Event::data("")), "data: \n\n");
    }

    #[test]
    fn a_name_comes_first() {
        let event = Event::Data { name: Some("error".into()), data: "{}".into() };
        assert_eq!(encoded(&event), "event: error\ndata: {}\n\n");
    }

    #[test]
    fn neither_comment_nor_name_can_forge_an_event() {
        assert_eq!(encoded(&Event::Comment("ping\n\ndata: x\r\n".into())), ": ping  data: x  \n\n");
        let event = Event::Data { name: Some("a\ndata: forged".into()), data: "b".into() };
        assert_eq!(encoded(&event), "event: a data: forged\ndata: b\n\n");
    }
}
