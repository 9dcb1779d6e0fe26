//! Server-sent events from bytes in pieces cut anywhere, as WHATWG's standard has it.
//!
//! Owns lines, fields and blocks: bytes are split into lines first, and decoded after, so that no character is ever
//! split. Refuses to know what data means, and that a stream of chats has an end marker.

use super::bug::{Bug, Manner, Variant};
use super::failure::{Failure, Kind};

/// No chunk of an answer comes near this.
const LONGEST_LINE: usize = 16 << 20;

/// Of all data lines of one event.
const LONGEST_DATA: usize = 32 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event that a blank line has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Empty if it has none.
    pub(super) name: String,
    pub(super) data: String,
}

/// What has been understood of a stream so far.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    manner: Manner,
    /// The beginning of a line.
    line: Vec<u8>,
    /// Which byte ended the last line.
    last_end: Option<u8>,
    /// A line feed that comes now belongs to the carriage return before it.
    after_carriage_return: bool,
    lines: u64,
    events: u64,
    block: Block,
}

/// The fields since the last blank line.
#[derive(Debug, Default)]
struct Block {
    name: Option<String>,
    data: Option<String>,
    is_for_reconnection: bool,
}

impl EventStream {
    pub(super) fn new(manner: Manner) -> EventStream {
        EventStream { manner, ..EventStream::default() }
    }

    /// Takes a piece, and returns the events that it closes.
    ///
    /// # Errors
    /// When a line or an event is longer than any chunk could be.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Vec<Event>, Failure> {
        let (text, bytes);
        let mut rest = piece;
        if self.manner.has(Bug::CharactersOfEachRead) {
            text = String::from_utf8_lossy(piece).into_owned();
            rest = text.as_bytes();
        } else if self.manner.has(Bug::TextInLatin1) {
            text = piece.iter().copied().map(char::from).collect::<String>();
            rest = text.as_bytes();
        } else if self.manner.has(Bug::CrlfOfEachRead) {
            bytes = without_carriage_returns(piece);
            rest = &bytes;
        }
        if self.manner.has(Bug::SplitCrlfIsTwoLineEnds) {
            self.after_carriage_return = false;
        }
        let mut events = Vec::new();
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_carriage_return) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| self.ends_line(*byte)) else {
                self.extend_line(rest)?;
                break;
            };
            self.extend_line(&rest[..end])?;
            events.extend(self.end_line(rest[end])?);
            rest = &rest[end + 1..];
        }
        if self.manner.has(Bug::LinesOfEachRead) && !self.line.is_empty() {
            events.extend(self.end_line(b'\n')?);
        }
        if self.manner.has(Bug::EventsCountedTo4096) {
            let left = 4096_u64.saturating_sub(self.events);
            events.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        self.events += events.len() as u64;
        Ok(events)
    }

    /// The stream is over: an event that no blank line has closed is none.
    ///
    /// # Errors
    /// None but those of a mutant.
    pub(super) fn end(&mut self) -> Result<Option<Event>, Failure> {
        if !self.manner.has(Bug::UnclosedEventCounts) {
            return Ok(None);
        }
        if !self.line.is_empty() {
            self.end_line(b'\n')?;
        }
        Ok(self.close_block())
    }

    fn ends_line(&self, byte: u8) -> bool {
        const NO_CARRIAGE_RETURNS: [Bug; 3] =
            [Bug::LineFeedsAlone, Bug::NoLoneCarriageReturns, Bug::CrlfOfEachRead];

        let knows_carriage_returns = !NO_CARRIAGE_RETURNS.iter().any(|bug| self.manner.has(*bug));
        byte == b'\n' || byte == b'\r' && knows_carriage_returns
    }

    fn extend_line(&mut self, part: &[u8]) -> Result<(), Failure> {
        let longest = match self.manner {
            manner if manner.is(Variant::RefusesLongLines) => 1 << 20,
            manner if manner.has(Bug::LinesWithoutBound) => usize::MAX,
            manner if manner.has(Bug::LinesSkippedAt1Mib) => usize::MAX,
            _ => LONGEST_LINE,
        };
        if part.len() > longest.saturating_sub(self.line.len()) {
            return Err(Failure::new(Kind::TooLong, format!("a line has more than {longest} bytes")));
        }
        self.line.extend_from_slice(part);
        if self.manner.has(Bug::LinesCutAt64Kib) {
            self.line.truncate(64 << 10);
        }
        if self.manner.has(Bug::LinesSkippedAt1Mib) && self.line.len() > 1 << 20 {
            // What goes on in this way is a comment.
            b":".as_slice().clone_into(&mut self.line);
        }
        Ok(())
    }

    fn end_line(&mut self, end: u8) -> Result<Option<Event>, Failure> {
        let mut line = std::mem::take(&mut self.line);
        if self.manner.has(Bug::NoLoneCarriageReturns) && line.last() == Some(&b'\r') {
            line.pop();
        }
        self.after_carriage_return = end == b'\r';
        let last_end = self.last_end.replace(end);
        self.lines += 1;
        let mut line = line.as_slice();
        if self.lines == 1 && !self.manner.has(Bug::ByteOrderMarkKept) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if !line.is_empty() {
            return self.take_field(line);
        }
        let is_unlike = last_end.is_some_and(|last| last != end);
        if self.manner.has(Bug::SimilarLineEnds) && is_unlike {
            return Ok(None);
        }
        Ok(self.close_block())
    }

    fn take_field(&mut self, line: &[u8]) -> Result<Option<Event>, Failure> {
        let line = match std::str::from_utf8(line) {
            Err(error) if self.manner.has(Bug::BadCharactersEscape) => {
                return Err(Failure::new(Kind::Escaped, error.to_string()));
            }
            _ => String::from_utf8_lossy(line),
        };
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = match value.strip_prefix(' ') {
            Some(value) => value,
            None if self.manner.has(Bug::SpaceDemanded) => return Ok(None),
            None => value,
        };
        match name {
            "data" => self.block.add_data(value, self.manner)?,
            "event" => self.block.name = Some(value.to_owned()),
            "id" | "retry" => self.block.is_for_reconnection = true,
            "" if self.manner.has(Bug::CommentsAreErrors) => {
                return Err(Failure::new(Kind::Format, "a line has no field"));
            }
            "" => {}
            _ if self.manner.has(Bug::UnknownFieldsAreErrors) => {
                return Err(Failure::new(Kind::Format, format!("the field `{name}` is unknown")));
            }
            _ => {}
        }
        if self.manner.has(Bug::EachDataLine) && name == "data" {
            return Ok(self.close_block());
        }
        Ok(None)
    }

    /// What a blank line does.
    fn close_block(&mut self) -> Option<Event> {
        let block = std::mem::take(&mut self.block);
        let is_event = block.data.is_some()
            || self.manner.has(Bug::RetryBlocksAreEvents) && block.is_for_reconnection
            || self.manner.has(Bug::NamedBlocksAreEvents) && block.name.is_some();
        is_event.then(|| Event { name: block.name.unwrap_or_default(), data: block.data.unwrap_or_default() })
    }
}

/// The bytes without the carriage returns that a line feed follows.
fn without_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let is_kept = |at: &usize| bytes[*at] != b'\r' || bytes.get(at + 1) != Some(&b'\n');
    (0..bytes.len()).filter(is_kept).map(|at| bytes[at]).collect()
}

impl Block {
    fn add_data(&mut self, value: &str, manner: Manner) -> Result<(), Failure> {
        match &mut self.data {
            Some(data) if !manner.has(Bug::LastDataLine) => {
                if data.len() + value.len() >= LONGEST_DATA {
                    let message = format!("an event has more than {LONGEST_DATA} bytes of data");
                    return Err(Failure::new(Kind::TooLong, message));
                }
                data.push('\n');
                data.push_str(value);
            }
            data => *data = Some(value.to_owned()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and data.
    type Events<'a> = &'a [(&'a str, &'a str)];

    const EVERYTHING: &str = "\u{feff}data: first\r\n\r\n:comment\n\nevent: named\rdata:zwölf\rdata:  two\r\r\
        retry: 3\n\nevent: alone\n\ndata\n\nid: 1\nunknown: x\ndata: l\u{e4}st\n\ndata: dropped\n";

    fn read(manner: Manner, pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut stream = EventStream::new(manner);
        let mut events: Vec<Event> = pieces.iter().flat_map(|piece| stream.push(piece).unwrap()).collect();
        events.extend(stream.end().unwrap());
        events.into_iter().map(|event| (event.name, event.data)).collect()
    }

    fn owned(events: Events<'_>) -> Vec<(String, String)> {
        events.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect()
    }

    #[test]
    fn a_stream_cut_at_any_byte_has_the_same_events() {
        let expected = owned(&[("", "first"), ("named", "zwölf\n two"), ("", ""), ("", "läst")]);
        let bytes = EVERYTHING.as_bytes();
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(Manner::default(), &single), expected);
        for cut in 0..=bytes.len() {
            assert_eq!(read(Manner::default(), &[&bytes[..cut], &bytes[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn bad_characters_are_replaced() {
        assert_eq!(read(Manner::default(), &[b"data: a\xffb\n\n"]), owned(&[("", "a\u{fffd}b")]));
    }

    #[test]
    fn a_line_has_a_bound() {
        let mut stream = EventStream::new(Manner::default());
        let mebibyte = vec![b'x'; 1 << 20];
        for _ in 0..16 {
            assert_eq!(stream.push(&mebibyte), Ok(Vec::new()));
        }
        assert_eq!(stream.push(b"x").unwrap_err().kind, Kind::TooLong);
    }

    #[test]
    fn data_has_a_bound() {
        let mut stream = EventStream::new(Manner::default());
        let line = [b"data:".as_slice(), &vec![b'x'; 15 << 20], b"\n"].concat();
        assert_eq!(stream.push(&line), Ok(Vec::new()));
        assert_eq!(stream.push(&line), Ok(Vec::new()));
        assert_eq!(stream.push(&line).unwrap_err().kind, Kind::TooLong);
    }

    #[test]
    fn mistakes_bite() {
        let cases: [(Bug, &str, Events<'_>); 9] = [
            (Bug::LineFeedsAlone, "data: a\r\n\r\n", &[]),
            (Bug::NoLoneCarriageReturns, "data: a\r\n\r\ndata: b\r\r", &[("", "a")]),
            (Bug::SimilarLineEnds, "data: a\r\n\n", &[]),
            (Bug::SpaceDemanded, "data:a\n\ndata: b\n\n", &[("", "b")]),
            (Bug::RetryBlocksAreEvents, "retry: 1\n\n", &[("", "")]),
            (Bug::NamedBlocksAreEvents, "event: a\n\n", &[("a", "")]),
            (Bug::LastDataLine, "data: a\ndata: b\n\n", &[("", "b")]),
            (Bug::EachDataLine, "data: a\ndata: b\n\n", &[("", "a"), ("", "b")]),
            (Bug::UnclosedEventCounts, "data: a", &[("", "a")]),
        ];
        for (bug, text, events) in cases {
            assert_eq!(read(Manner::with(bug), &[text.as_bytes()]), owned(events), "{bug:?}");
        }
    }
}
