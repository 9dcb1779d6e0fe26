//! Line ends of one kind to line ends of another.

use bytes::Bytes;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::happenings::Happenings;
use crate::plan::model::LineEnds;
use crate::seeds;

const LINE_FEED: &[u8] = b"\n";
const CARRIAGE_RETURN: &[u8] = b"\r";
const BOTH: &[u8] = b"\r\n";

/// Rewrites the line ends of one body.
#[derive(Debug)]
pub(super) struct LineEndRewriter {
    line_ends: LineEnds,
    generator: ChaCha8Rng,
    /// The last byte that came in was a CR.
    came_after_carriage_return: bool,
    /// The last byte that went out was a CR.
    goes_after_carriage_return: bool,
    bytes_out: u64,
    has_told: bool,
}

impl LineEndRewriter {
    pub(super) fn new(line_ends: LineEnds, seed: u64) -> LineEndRewriter {
        LineEndRewriter {
            line_ends,
            generator: seeds::keyed(seed, "line_ends"),
            came_after_carriage_return: false,
            goes_after_carriage_return: false,
            bytes_out: 0,
            has_told: false,
        }
    }

    /// The next bytes of the body, rewritten. A CR at their end counts as a line end at once, and a LF at the beginning
    /// of the next ones belongs to it.
    pub(super) fn rewrite(&mut self, bytes: &[u8], happenings: &mut Happenings) -> Bytes {
        let mut rewritten = Vec::with_capacity(bytes.len() + bytes.len() / 8);
        for &byte in bytes {
            let completes_line_end = byte == b'\n' && self.came_after_carriage_return;
            self.came_after_carriage_return = byte == b'\r';
            if completes_line_end {
                continue;
            }
            if !matches!(byte, b'\r' | b'\n') {
                rewritten.push(byte);
                self.goes_after_carriage_return = false;
                continue;
            }
            if !std::mem::replace(&mut self.has_told, true) {
                happenings.at_byte("line_ends", self.bytes_out + rewritten.len() as u64);
            }
            let line_end = self.next_line_end();
            rewritten.extend_from_slice(line_end);
            self.goes_after_carriage_return = line_end == CARRIAGE_RETURN;
        }
        self.bytes_out += rewritten.len() as u64;
        Bytes::from(rewritten)
    }

    fn next_line_end(&mut self) -> &'static [u8] {
        match self.line_ends {
            LineEnds::CarriageReturnLineFeed => BOTH,
            LineEnds::CarriageReturn => CARRIAGE_RETURN,
            LineEnds::Mixed => {
                let drawn = [CARRIAGE_RETURN, BOTH, LINE_FEED][self.generator.random_range(0..3_usize)];
                // A LF right after a CR would be the same line end, and the blank line would be gone.
                if drawn == LINE_FEED && self.goes_after_carriage_return { BOTH } else { drawn }
            }
        }
    }
}
