//! A message as it was received: bytes, times, framing, body.
//!
//! Owns the evidence and the questions that it answers: which read brought a byte, when the first bytes of a body
//! had arrived, where a chunk was torn apart. All offsets count from the first byte of the message, in
//! [`Received::raw`]. Knows nothing of what a body means.

use std::ops::Range;
use std::time::Instant;

use crate::ending::{Ending, Framing, Liberty, Place, Remark};

/// Remarks that are kept; later ones, as from chunks that are all alike, are dropped.
pub const MOST_REMARKS: usize = 1_000;

/// What one read of the socket (in TLS, of what it decrypted) brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Where its bytes begin.
    pub offset: usize,
    /// How many bytes; never zero.
    pub len: usize,
    /// Taken right after the read had returned.
    pub at: Instant,
}

/// A run of bytes of the body that came in one read, and within one chunk if there are chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyPart {
    /// Where it begins in the body.
    pub offset_in_body: usize,
    /// Where it begins in the raw bytes.
    pub offset_in_raw: usize,
    /// How many bytes; never zero.
    pub len: usize,
    /// Which of the reads brought it.
    pub read_index: usize,
}

/// One chunk of a chunked body; the last one has size zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The size as it was announced.
    pub size: u64,
    /// The line with size and extension, with its CRLF.
    pub size_line: Range<usize>,
    /// What came of the data.
    pub data: Range<usize>,
    /// What follows the size, from the first semicolon or white space on; empty as a rule.
    pub extension: Vec<u8>,
    /// Where the chunk ended, after the CRLF that follows the data; none if that did not come. For the last chunk, the
    /// end of its size line.
    pub end: Option<usize>,
}

/// A field of a head or of the trailers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As it was spelled.
    pub name: Vec<u8>,
    /// Without white space around it; folded lines joined by one space.
    pub value: Vec<u8>,
    /// Where its line begins.
    pub offset: usize,
}

/// The fields of a head or of the trailers in their order, duplicates kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(pub Vec<Field>);

impl Fields {
    /// The values of all fields of this name, upper and lower case alike.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.named(name).map(|field| field.value.as_slice())
    }

    /// The value of the first field of this name.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.named(name).next().map(|field| field.value.as_slice())
    }

    /// Whether a field of this name, read as a list with commas, has this element, upper and lower case alike.
    pub fn lists(&self, name: &str, element: &str) -> bool {
        self.named(name)
            .flat_map(|field| field.value.split(|byte| *byte == b','))
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(element.as_bytes()))
    }

    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// All that is known of a message apart from its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Every byte as it came, from the first one of the message; what came after its end too.
    pub raw: Vec<u8>,
    /// Every read, in order; they cover `raw` without gaps.
    pub reads: Vec<Read>,
    /// What tells, or would have told, where the message ends; none before the head was whole.
    pub framing: Option<Framing>,
    /// The chunks of a chunked body.
    pub chunks: Vec<Chunk>,
    /// The fields after the last chunk.
    pub trailers: Fields,
    /// The body without its framing. Content codings, and foreign transfer codings, are not undone.
    pub body: Vec<u8>,
    /// Where the body's bytes came from, in order.
    pub body_parts: Vec<BodyPart>,
    /// Liberties that the sender took, in the order in which they were found; at most [`MOST_REMARKS`].
    pub remarks: Vec<Remark>,
    /// How it ended.
    pub ending: Ending,
    /// Up to where the bytes were understood: the end of a whole message, the place of a flaw or of a passed bound,
    /// else the end of `raw`.
    pub end: usize,
}

impl Received {
    pub(crate) fn new() -> Received {
        Received {
            raw: Vec::new(),
            reads: Vec::new(),
            framing: None,
            chunks: Vec::new(),
            trailers: Fields::default(),
            body: Vec::new(),
            body_parts: Vec::new(),
            remarks: Vec::new(),
            ending: Ending::Abandoned(Place::BeforeHead),
            end: 0,
        }
    }

    /// The bytes that came after the end of a whole message; empty for any other.
    ///
    /// On a connection that lives on they may be the beginning of the next message.
    pub fn surplus(&self) -> &[u8] {
        if self.ending.is_complete() { self.raw.get(self.end..).unwrap_or_default() } else { &[] }
    }

    /// The index of the read that brought the byte at this offset of `raw`.
    pub fn read_index_at(&self, offset: usize) -> Option<usize> {
        let index = self.reads.partition_point(|read| read.offset + read.len <= offset);
        (index < self.reads.len()).then_some(index)
    }

    /// When the first `len` bytes of the body had arrived; none if they never did, or if `len` is zero.
    pub fn time_of_body(&self, len: usize) -> Option<Instant> {
        if len == 0 || len > self.body.len() {
            return None;
        }
        let index = self.body_parts.partition_point(|part| part.offset_in_body + part.len < len);
        self.reads.get(self.body_parts.get(index)?.read_index).map(|read| read.at)
    }

    /// Which bytes of the body came in this read; an empty range if none did.
    pub fn body_of_read(&self, read_index: usize) -> Range<usize> {
        let first = self.body_parts.partition_point(|part| part.read_index < read_index);
        let end = self.body_parts.partition_point(|part| part.read_index <= read_index);
        match self.body_parts.get(first..end) {
            Some([only]) => only.offset_in_body..only.offset_in_body + only.len,
            Some([from, .., to]) => from.offset_in_body..to.offset_in_body + to.len,
            _ => {
                let offset = self.body_parts.get(first).map_or(self.body.len(), |part| part.offset_in_body);
                offset..offset
            }
        }
    }

    /// The indices of the reads that brought these bytes of `raw`; more than one means that they were torn apart.
    /// Bytes that did not come, and empty ranges, have none.
    pub fn reads_of(&self, bytes: &Range<usize>) -> Range<usize> {
        let end = bytes.end.min(self.raw.len());
        if bytes.start >= end {
            return 0..0;
        }
        let first = self.reads.partition_point(|read| read.offset + read.len <= bytes.start);
        let end = self.reads.partition_point(|read| read.offset < end);
        first..end
    }
}

/// Keeps a remark while there is room.
pub(crate) fn note(remarks: &mut Vec<Remark>, liberty: Liberty, offset: usize) {
    if remarks.len() < MOST_REMARKS {
        remarks.push(Remark { liberty, offset });
    }
}
