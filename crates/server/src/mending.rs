//! A stream of events that somebody else writes, read so far as it takes to end it in the middle.
//!
//! Owns what is open where the stream stands (a character, a line, an event), how many events have passed, and whether
//! the last one was the stream's own end: as much of WHATWG HTML §9.2.6 as that takes. Reading copies the beginnings of
//! lines and nothing else. It refuses to know why a stream ends.

use bytes::Bytes;
use interference_api_types::openai::responses_reply::LAST_EVENTS;
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

/// The name of the event that ends a stream of the Responses API beside [`LAST_EVENTS`].
const ERROR_EVENT: &str = "error";

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

    /// Whether the stream stands where another event may begin: nothing is open.
    pub(crate) fn is_between_events(&self) -> bool {
        self.line_length == 0 && !self.open.has_lines
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
                encode(&Event::Data { name: Some(ERROR_EVENT.to_owned()), data }, out);
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
            self.open.is_last_by_name =
                LAST_EVENTS.iter().chain([&ERROR_EVENT]).any(|name| is_known(value, name.as_bytes()));
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

#[cfg(test)]
mod tests {
    use interference_sse::{Decoded, Decoder};
    use proptest::prelude::*;

    use super::*;

    /// A stream cut there, as it came in pieces of this size, with its end behind it.
    fn mended(dialect: Dialect, stream: &[u8], size: usize) -> Vec<u8> {
        let mut mending = Mending::new(dialect);
        for piece in stream.chunks(size) {
            mending.read(piece);
        }
        [stream, &mending.end(BreakOff::SourceBrokeOff)].concat()
    }

    fn chat(stream: &str) -> String {
        let mended = mended(Dialect::Chat, stream.as_bytes(), stream.len().max(1));
        let text = String::from_utf8(mended).unwrap();
        text.strip_prefix(stream).unwrap().to_owned()
    }

    /// All events; what was begun and not ended is forgotten.
    fn decoded(mut stream: &[u8]) -> (Vec<Decoded>, Decoder) {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        while let Some(event) = decoder.decode(&mut stream).unwrap() {
            events.push(event);
        }
        (events, decoder)
    }

    const TOLD: &str = "data: {\"error\":{\"message\":\"The upstream broke its answer off before the end.\",\
                        \"type\":\"server_error\",\"param\":null,\"code\":\"upstream_broke_off\"}}\n\n\
                        data: [DONE]\n\n";

    #[test]
    fn what_is_open_is_closed() {
        let table = [
            ("", ""),
            ("data: a\n\n", ""),
            ("data: a\n", "\n"),
            ("data: a", "\n\n"),
            ("da", "\n\n"),
            (": comment", "\n\n"),
            ("data: a\r", "\n\n"),
            ("data: a\r\n", "\n"),
            ("data: a\r\n\r", "\n"),
            ("data: a\r\r", "\n"),
            ("data: a\r\n\r\n", ""),
        ];
        for (stream, closing) in table {
            assert_eq!(chat(stream), format!("{closing}{TOLD}"), "{stream:?}");
        }
    }

    #[test]
    fn nothing_follows_the_end_of_a_chat() {
        for (stream, closing) in [
            ("data: a\n\ndata: [DONE]\n\n", ""),
            ("data:[DONE]\r\n\r", "\n"),
            ("data: [DONE]\n", "\n"),
            ("data: [DONE]", "\n\n"),
            ("\u{feff}data: [DONE]\n\n: bye", "\n\n"),
        ] {
            assert_eq!(chat(stream), closing, "{stream:?}");
        }
        for stream in
            ["data: [DONE]\ndata: a\n\n", "data: [DON\n\n", "event: response.completed\ndata: a\n\n"]
        {
            assert_eq!(chat(stream), TOLD, "{stream:?}");
        }
    }

    #[test]
    fn a_response_ends_with_a_numbered_error_unless_it_has_ended() {
        let responses = |stream: &str| {
            let mended = mended(Dialect::Responses, stream.as_bytes(), 3);
            String::from_utf8(mended).unwrap().strip_prefix(stream).unwrap().to_owned()
        };
        assert_eq!(
            responses("event: response.created\ndata: {}\n\n: ping\n\ndata: {"),
            "\n\nevent: error\ndata: {\"type\":\"error\",\"code\":\"upstream_broke_off\",\"message\":\"The upstream broke \
             its answer off before the end.\",\"param\":null,\"sequence_number\":2}\n\n"
        );
        for name in ["response.completed", "response.incomplete", "response.failed", "error"] {
            assert_eq!(responses(&format!("event: {name}\ndata: {{}}\n\n")), "", "{name}");
        }
    }

    #[test]
    fn a_character_that_was_cut_becomes_one() {
        for character in ["é", "ࠀ", "가", "퟿", "\u{10000}", "\u{10FFFF}", "\u{40000}"] {
            for cut in 1..character.len() {
                let stream = [b"data: ", &character.as_bytes()[..cut]].concat();
                let mended = mended(Dialect::Chat, &stream, 1);
                let (events, _) = decoded(&mended);
                assert_eq!(events.len(), 3, "{character} {cut}");
                assert_eq!(events[0].data.chars().count(), 1, "{character} {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_cut_leaves_a_stream_that_can_be_read(
            lines in prop::collection::vec("(data: [aé가🌳]{0,9}|data|event: x|: ping|id: 1|)(\n|\r\n|\r)", 0..16),
            done in prop::option::of(Just("\n\ndata: [DONE]\n\n")),
            cut in any::<prop::sample::Index>(),
            size in 1_usize..9,
            is_chat in any::<bool>(),
        ) {
            let stream = lines.concat() + done.unwrap_or_default();
            let stream = &stream.as_bytes()[..cut.index(stream.len() + 1)];
            let dialect = if is_chat { Dialect::Chat } else { Dialect::Responses };
            let mended = mended(dialect, stream, size);
            let (whole, _) = decoded(stream);
            let (read, decoder) = decoded(&mended);
            prop_assert_eq!(decoder.finish(), Ok(()));
            prop_assert_eq!(&read[..whole.len()], &whole[..]);
            let behind = &read[whole.len()..];
            let is_done = |event: &Decoded| event.data == DONE;
            if whole.iter().any(is_done) {
                prop_assert_eq!(behind, &[]);
                return Ok(());
            }
            let ends_itself = behind.first().is_some_and(is_done);
            let error = behind.iter().position(|event| event.data.contains("upstream_broke_off"));
            match error {
                None => prop_assert!(ends_itself && behind.len() == 1),
                Some(error) => {
                    prop_assert!(error <= 1 && !ends_itself);
                    let number = format!("\"sequence_number\":{}}}", whole.len() + error);
                    let is_told = match dialect {
                        Dialect::Chat => behind.len() == error + 2 && is_done(&behind[error + 1]),
                        Dialect::Responses => behind.len() == error + 1 && behind[error].data.ends_with(&number),
                    };
                    prop_assert!(is_told, "{behind:?}");
                }
            }
        }
    }
}
