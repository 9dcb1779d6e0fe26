//! Bytes of a stream, cut anywhere, to blocks that end with a blank line.
//!
//! Knows as much of WHATWG HTML §9.2 as it takes to find an event and its data; line ends (LF, CRLF, CR) stay as they
//! are, and every byte that goes in comes out. What an event means is not known here.

use std::ops::Range;

/// How long an event may be that faults of events concern: 1 MiB. A longer one passes in pieces, uncounted.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// An event, with the blank line that ends it.
    Event(Vec<u8>),
    /// Anything else: comments, blank lines, a piece of an event that is too long, the unfinished end.
    Other(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    LineFeed,
    CarriageReturn,
    Both,
}

/// Regroups the bytes of one stream.
#[derive(Debug)]
pub(crate) struct EventBlocks {
    block: Vec<u8>,
    bytes_max: usize,
    /// A part of the block at hand is out already.
    is_oversized: bool,
    /// Nothing but line ends since the last one.
    at_line_start: bool,
    /// The last byte was a CR; a LF that follows belongs to it.
    after_carriage_return: bool,
    /// The block is complete but for the LF that the last CR may have.
    is_complete: bool,
    last_line_end: LineEnd,
}

impl EventBlocks {
    /// At the start of a stream, with blocks of at most so many bytes.
    pub(crate) fn new(bytes_max: usize) -> EventBlocks {
        EventBlocks {
            block: Vec::new(),
            bytes_max,
            is_oversized: false,
            at_line_start: true,
            after_carriage_return: false,
            is_complete: false,
            last_line_end: LineEnd::LineFeed,
        }
    }

    /// Takes the front of `input` up to the end of the next block, and moves `input` past it. `None` means that all was
    /// taken and completed no block.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Option<Block> {
        while let Some((&byte, rest)) = input.split_first() {
            let belongs_to_line_end = self.after_carriage_return && byte == b'\n';
            if self.is_complete && !belongs_to_line_end {
                return Some(self.take());
            }
            if self.block.len() >= self.bytes_max {
                self.is_oversized = true;
                return Some(self.take_piece());
            }
            *input = rest;
            self.block.push(byte);
            if self.ends_block(byte, belongs_to_line_end) {
                return Some(self.take());
            }
        }
        None
    }

    /// What is left when the stream has ended.
    pub(crate) fn finish(&mut self) -> Option<Block> {
        if self.is_complete {
            return Some(self.take());
        }
        (!self.block.is_empty()).then(|| self.take_piece())
    }

    /// Notes a byte, and tells whether the block ends with it for certain.
    fn ends_block(&mut self, byte: u8, belongs_to_line_end: bool) -> bool {
        self.after_carriage_return = byte == b'\r';
        if belongs_to_line_end {
            self.last_line_end = LineEnd::Both;
            return self.is_complete;
        }
        if !matches!(byte, b'\r' | b'\n') {
            self.at_line_start = false;
            return false;
        }
        let is_blank = std::mem::replace(&mut self.at_line_start, true);
        let before = self.last_line_end;
        self.last_line_end = if byte == b'\n' { LineEnd::LineFeed } else { LineEnd::CarriageReturn };
        // Where lines end with a lone CR there will be no LF, and waiting for one would hold the event back until the
        // next; elsewhere a LF follows at once.
        self.is_complete = is_blank && byte == b'\r' && before != LineEnd::CarriageReturn;
        is_blank && !self.is_complete
    }

    fn take(&mut self) -> Block {
        self.is_complete = false;
        if std::mem::take(&mut self.is_oversized) {
            return self.take_piece();
        }
        let block = std::mem::take(&mut self.block);
        if lines(&block).any(|line| field_value(&block[line], b"data").is_some()) {
            Block::Event(block)
        } else {
            Block::Other(block)
        }
    }

    fn take_piece(&mut self) -> Block {
        Block::Other(std::mem::take(&mut self.block))
    }
}

/// Where the data of an event stands that has exactly one `data:` line.
pub(crate) fn data_range(event: &[u8]) -> Option<Range<usize>> {
    let mut values = lines(event).filter_map(|line| {
        let value_start = field_value(&event[line.clone()], b"data")?;
        Some(line.start + value_start..line.end)
    });
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// Where the value of a line begins that has this field's name.
fn field_value(line: &[u8], name: &[u8]) -> Option<usize> {
    let mark = if line.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    match line[mark..].strip_prefix(name)? {
        [] => Some(line.len()),
        [b':', b' ', ..] => Some(mark + name.len() + 2),
        [b':', ..] => Some(mark + name.len() + 1),
        _ => None,
    }
}

/// The lines of a block, without their ends.
fn lines(block: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= block.len() {
            return None;
        }
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let end = block[start..].iter().position(is_end).map_or(block.len(), |len| start + len);
        // A CRLF makes an empty line between its two bytes, which holds no field.
        Some(std::mem::replace(&mut start, end + 1)..end)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks<'a>(bytes_max: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Block> {
        let mut regrouper = EventBlocks::new(bytes_max);
        let mut blocks = Vec::new();
        for mut piece in pieces {
            while let Some(block) = regrouper.next(&mut piece) {
                blocks.push(block);
            }
            assert!(regrouper.block.len() <= bytes_max);
        }
        blocks.extend(regrouper.finish());
        blocks
    }

    fn event(text: &str) -> Block {
        Block::Event(text.into())
    }

    fn other(text: &str) -> Block {
        Block::Other(text.into())
    }

    #[test]
    fn every_line_end_is_known() {
        for (stream, expected) in [
            ("data: a\n\ndata: b\n\n", ["data: a\n\n", "data: b\n\n"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", ["data: a\r\n\r\n", "data: b\r\n\r\n"]),
            ("data: a\r\rdata: b\r\r", ["data: a\r\r", "data: b\r\r"]),
            ("data: a\n\r\ndata: b\r\n\n", ["data: a\n\r\n", "data: b\r\n\n"]),
            ("\u{feff}data: a\n\ndata\n\n", ["\u{feff}data: a\n\n", "data\n\n"]),
        ] {
            assert_eq!(blocks(100, [stream.as_bytes()]), expected.map(event), "{stream:?}");
        }
    }

    #[test]
    fn an_event_is_out_as_soon_as_it_is_complete() {
        for stream in ["data: a\n\n", "data: a\r\n\r\n", "data: a\r\r"] {
            let mut regrouper = EventBlocks::new(100);
            assert_eq!(regrouper.next(&mut stream.as_bytes()), Some(event(stream)));
            assert_eq!(regrouper.finish(), None);
        }
    }

    #[test]
    fn what_is_no_event_is_told_apart() {
        assert_eq!(
            blocks(100, [&b": ping\n\ndata: a\n\n\nevent: b\n\ndatum: c\n\ndata: unfinished\n"[..]]),
            [
                other(": ping\n\n"),
                event("data: a\n\n"),
                other("\n"),
                other("event: b\n\n"),
                other("datum: c\n\n"),
                other("data: unfinished\n"),
            ]
        );
    }

    #[test]
    fn a_comment_does_not_hide_the_event_below_it() {
        let stream = ": ping\ndata: a\n\n";
        assert_eq!(blocks(100, [stream.as_bytes()]), [event(stream)]);
    }

    #[test]
    fn an_event_that_is_too_long_passes_in_pieces() {
        assert_eq!(
            blocks(10, [&b"data: 12345678901234567\n\ndata: a\n\n"[..]]),
            [other("data: 1234"), other("5678901234"), other("567\n\n"), event("data: a\n\n")]
        );
    }

    #[test]
    fn the_one_data_line_is_found() {
        let data = |event: &'static str| data_range(event.as_bytes()).map(|range| &event[range]);
        assert_eq!(data("event: x\r\ndata: a b\r\n\r\n"), Some("a b"));
        assert_eq!(data("data:{}\n: c\n\n"), Some("{}"));
        assert_eq!(data("data\n\n"), Some(""));
        assert_eq!(data("data: a\ndata: b\n\n"), None);
    }

    proptest! {
        #[test]
        fn cuts_of_the_input_change_nothing(
            stream in "(data|: |[\r\n]|\r\n|a){0,40}",
            size in 1_usize..5,
            bytes_max in 3_usize..30,
        ) {
            let whole = blocks(bytes_max, [stream.as_bytes()]);
            prop_assert_eq!(&whole, &blocks(bytes_max, stream.as_bytes().chunks(size)));
            let bytes: Vec<u8> = whole
                .into_iter()
                .flat_map(|block| match block {
                    Block::Event(bytes) | Block::Other(bytes) => bytes,
                })
                .collect();
            prop_assert_eq!(bytes, stream.as_bytes());
        }
    }
}
