//! The judge's own reading of an event stream, from bytes to lines to events.
//!
//! Follows the standard's section 9.2.6 to the letter, and keeps what a client's parser forgets: comments, events
//! without data, an event that no blank line closed, where each began and ended. Shares no code with the decoder of
//! clients, and knows no JSON.

use std::ops::Range;

/// A body read as an event stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventStream {
    /// Whether it begins with a byte order mark, which is not part of the first line.
    pub has_byte_order_mark: bool,
    /// Every line, in order. The last one may be without an end.
    pub lines: Vec<Line>,
    /// Every run of lines with at least one field among them.
    pub events: Vec<Event>,
}

/// A line, of which CRLF, LF or CR is the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its bytes in the body, without the end.
    pub text: Range<usize>,
    /// Whether it has an end.
    pub ended: bool,
    /// What it is.
    pub kind: LineKind,
}

/// What a line is to an event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineKind {
    /// Nothing: it closes an event.
    Blank,
    /// It begins with a colon.
    Comment,
    /// A field; `data` without a colon is one too, with an empty value. Bytes that are no UTF-8 are replaced.
    Field {
        /// Before the first colon.
        name: String,
        /// Behind it, without one space.
        value: String,
    },
}

/// A run of lines with at least one field, up to the blank line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The values of its `data` lines, joined by line feeds; none if it has no such line.
    pub data: Option<String>,
    /// How many `data` lines it has.
    pub data_lines: usize,
    /// The value of its last `event` line.
    pub name: Option<String>,
    /// The names of its other fields: `id`, `retry`, or unknown ones.
    pub other_fields: Vec<String>,
    /// Where it stands in the body, from its first line to the end of its blank one.
    pub bytes: Range<usize>,
    /// Whether a blank line closed it; without one a client drops it.
    pub closed: bool,
}

impl EventStream {
    /// Reads a whole body.
    pub fn read(body: &[u8]) -> EventStream {
        let mark: &[u8] = "\u{FEFF}".as_bytes();
        let mut stream =
            EventStream { has_byte_order_mark: body.starts_with(mark), ..EventStream::default() };
        let mut at = if stream.has_byte_order_mark { mark.len() } else { 0 };
        let mut open: Option<Event> = None;
        while let Some((text, end)) = next_line(body, at) {
            let ended = end > text.end;
            let kind = LineKind::of(&body[text.clone()]);
            match &kind {
                LineKind::Blank => {
                    if let Some(mut event) = open.take() {
                        event.closed = true;
                        event.bytes.end = end;
                        stream.events.push(event);
                    }
                }
                LineKind::Comment => {}
                LineKind::Field { name, value } => {
                    let event =
                        open.get_or_insert_with(|| Event { bytes: text.start..end, ..Event::default() });
                    event.bytes.end = end;
                    event.take(name, value);
                }
            }
            stream.lines.push(Line { text, ended, kind });
            at = end;
        }
        stream.events.extend(open);
        stream
    }

    /// How many lines are comments.
    pub fn comments(&self) -> usize {
        self.lines.iter().filter(|line| line.kind == LineKind::Comment).count()
    }
}

impl Event {
    fn take(&mut self, name: &str, value: &str) {
        match name {
            "data" => {
                self.data_lines += 1;
                match &mut self.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => self.data = Some(value.to_owned()),
                }
            }
            "event" => self.name = Some(value.to_owned()),
            other => self.other_fields.push(other.to_owned()),
        }
    }
}

impl LineKind {
    fn of(text: &[u8]) -> LineKind {
        match text {
            [] => LineKind::Blank,
            [b':', ..] => LineKind::Comment,
            _ => {
                let colon = text.iter().position(|byte| *byte == b':');
                let (name, value) = match colon {
                    Some(colon) => (&text[..colon], &text[colon + 1..]),
                    None => (text, &[][..]),
                };
                let value = value.strip_prefix(b" ").unwrap_or(value);
                LineKind::Field {
                    name: String::from_utf8_lossy(name).into_owned(),
                    value: String::from_utf8_lossy(value).into_owned(),
                }
            }
        }
    }
}

/// The line that begins here, and where the next begins; none at the end of the body.
fn next_line(body: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let rest = body.get(at..).filter(|rest| !rest.is_empty())?;
    let Some(len) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Some((at..body.len(), body.len()));
    };
    let end_len = if rest[len..].starts_with(b"\r\n") { 2 } else { 1 };
    Some((at..at + len, at + len + end_len))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datas(body: &str) -> Vec<Option<String>> {
        EventStream::read(body.as_bytes()).events.into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn every_line_end_is_one() {
        for end in ["\n", "\r\n", "\r"] {
            let body = format!("data: a{end}{end}data:b{end}data{end}data:  c{end}{end}");
            assert_eq!(datas(&body), [Some("a".to_owned()), Some("b\n\n c".to_owned())]);
        }
    }

    #[test]
    fn what_clients_forget_is_kept() {
        let stream = EventStream::read("\u{FEFF}: ping\n\nid: 1\n\nevent: x\ndata: y".as_bytes());
        assert!(stream.has_byte_order_mark);
        assert_eq!(stream.comments(), 1);
        let [empty, open] = stream.events.as_slice() else { panic!("{stream:?}") };
        assert_eq!(
            (&empty.data, empty.closed, empty.other_fields.as_slice()),
            (&None, true, &["id".to_owned()][..])
        );
        assert_eq!((open.data.as_deref(), open.closed, open.name.as_deref()), (Some("y"), false, Some("x")));
        assert_eq!(open.bytes, 18..34);
    }

    proptest! {
        #[test]
        fn lines_cover_the_body(body in "[a:\\r\\n \u{e4}]{0,40}") {
            let stream = EventStream::read(body.as_bytes());
            let mut at = 0;
            for line in &stream.lines {
                prop_assert!(line.text.start == at);
                let rest = &body.as_bytes()[line.text.end..];
                at = line.text.end + if rest.starts_with(b"\r\n") { 2 } else { usize::from(!rest.is_empty()) };
                prop_assert_eq!(line.ended, at > line.text.end);
            }
            prop_assert_eq!(at, body.len());
        }
    }
}
