//! A stream of events that somebody else writes, read so far as it takes to end it in the middle.
//!
//! Owns what is open where the stream stands (a character, a line, an event), how many events have passed, and whether
//! the last one was the stream's own end: as much of WHATWG HTML §9.2.6 as that takes. Reading copies the beginnings of
//! lines and nothing else. It refuses to know why a stream ends.

use bytes::Bytes;
use interference_faults::Dialect;
use interference_sse::{Event, encode};
use memchr::memchr2;

use crate::break_off::BreakOff;
use crate::error_response::{error_data, error_event_data};
use crate::event_stream::DONE;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How much of a line is kept: enough to know the lines that matter, and a byte order mark before them.
const LINE_BYTES: usize = 40;

/// The longest beginning of a character that is not all of it.
const OPEN_CHARACTER_BYTES: usize = 3;

/// The names of the events that end a stream of the Responses API.
const LAST_EVENTS: [&[u8]; 4] = [b"response.completed", b"response.incomplete", b"response.failed", b"error"];

/// A reading of one stream, up to where it stands.
#[derive(Debug)]
pub(crate) struct Mending {
    dialect: Dialect,
    /// The beginning of the line at hand.
    line: [u8; LINE_BYTES],
    /// How long the line at hand is.
    line_length: usize,
    /// No line has ended yet: the first may begin with a byte order mark.
    at_start: bool,
    /// The last byte was a CR; a LF that follows belongs to it.
    after_carriage_return: bool,
    open: OpenEvent,
    /// How many events have passed.
    events: u64,
    /// The stream's own end has passed.
    has_ended: bool,
    last_bytes: [u8; OPEN_CHARACTER_BYTES],
}

/// What has come of an event since the blank line before it.
#[derive(Debug, Default)]
struct OpenEvent {
    has_lines: bool,
    data: Data,
    is_last_by_name: bool,
}

/// The data of an event.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Data {
    #[default]
    None,
    /// One line, which says that the stream is done.
    Done,
    Other,
}

impl Mending {
    /// At the start of a stream.
    pub(crate) fn new(dialect: Dialect) -> Mending {
        Mending {
            dialect,
            line: [0; LINE_BYTES],
            line_length: 0,
            at_start: true,
            after_carriage_return: false,
            open: OpenEvent::default(),
            events: 0,
            has_ended: false,
            last_bytes: [0; OPEN_CHARACTER_BYTES],
        }
    }

    /// These bytes have passed.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.remember_last(bytes);
        let mut rest = bytes;
        if self.after_carriage_return {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = memchr2(b'\r', b'\n', rest) {
            let (line, after) = rest.split_at(end);
            self.take(line);
            self.end_line();
            let line_end_length = if after.starts_with(b"\r\n") { 2 } else { 1 };
            rest = &after[line_end_length..];
        }
        self.take(rest);
        self.after_carriage_return = *last == b'\r';
    }

    /// Whether the stream's own end has passed: nothing is to follow it.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What ends the stream where it stands: it closes what is open, and tells why, unless the stream has told its own
    /// end. An event that is closed so reaches the client as far as it came.
    pub(crate) fn end(&mut self, why: BreakOff) -> Bytes {
        let mut last = Vec::new();
        last.extend_from_slice(rest_of_character(&self.last_bytes));
        self.take(&last);
        if self.line_length > 0 {
            self.end_line();
            last.push(b'\n');
        } else if self.after_carriage_return {
            // It belongs to that line end, and shows it to those who look for both.
            last.push(b'\n');
        }
        if self.open.has_lines {
            self.end_line();
            last.push(b'\n');
        }
        if !self.has_ended {
            self.tell(why, &mut last);
        }
        Bytes::from(last)
    }

    fn tell(&self, why: BreakOff, out: &mut Vec<u8>) {
        let (message, code) = why.words();
        match self.dialect {
            Dialect::Chat => {
                encode(&Event::data(error_data(&message, code)), out);
                encode(&Event::data(DONE), out);
            }
            Dialect::Responses => {
                let data = error_event_data(&message, code, self.events);
                encode(&Event::Data { name: Some("error".to_owned()), data }, out);
            }
        }
    }

    fn remember_last(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(OPEN_CHARACTER_BYTES)..];
        self.last_bytes.rotate_left(new.len());
        self.last_bytes[OPEN_CHARACTER_BYTES - new.len()..].copy_from_slice(new);
    }

    /// A part of a line.
    fn take(&mut self, part: &[u8]) {
        let room = &mut self.line[self.line_length.min(LINE_BYTES)..];
        let kept = part.len().min(room.len());
        room[..kept].copy_from_slice(&part[..kept]);
        self.line_length = self.line_length.saturating_add(part.len());
    }

    fn end_line(&mut self) {
        let length = std::mem::take(&mut self.line_length);
        let line = &self.line[..length.min(LINE_BYTES)];
        let line = if std::mem::take(&mut self.at_start) {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        } else {
            line
        };
        if line.is_empty() {
            return self.end_event();
        }
        self.open.has_lines = true;
        // A longer one is none of those that are looked for.
        let is_known = |value: &[u8], known: &[u8]| length <= LINE_BYTES && value.trim_ascii() == known;
        if let Some(value) = field_value(line, b"data") {
            let is_done = self.open.data == Data::None && is_known(value, DONE.as_bytes());
            self.open.data = if is_done { Data::Done } else { Data::Other };
        } else if let Some(value) = field_value(line, b"event") {
            self.open.is_last_by_name = LAST_EVENTS.iter().any(|name| is_known(value, name));
        }
    }

    fn end_event(&mut self) {
        let event = std::mem::take(&mut self.open);
        if event.data == Data::None {
            return;
        }
        self.events += 1;
        self.has_ended |=
            event.data == Data::Done || (self.dialect == Dialect::Responses && event.is_last_by_name);
    }
}

/// The value of a line that has this field's name.
fn field_value<'line>(line: &'line [u8], name: &[u8]) -> Option<&'line [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(&[]),
        [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// What makes a character of one that was cut, if the last bytes are such a one. Which character that is, nobody can
/// know; without it, a reader would give up on all that follows.
fn rest_of_character(last_bytes: &[u8]) -> &'static [u8] {
    let open = (0..last_bytes.len()).map(|start| &last_bytes[start..]).find(|bytes| {
        let read = str::from_utf8(bytes);
        read.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    });
    match open {
        Some([0xC2..=0xDF] | [_, _, _] | [0xE0..=0xEF, _]) => b"\x80",
        Some([0xE0]) => b"\xA0\x80",
        Some([0xE1..=0xEF] | [_, _]) => b"\x80\x80",
        Some([0xF0]) => b"\x90\x80\x80",
        Some([_]) => b"\x80\x80\x80",
        _ => b"",
    }
}
