//! Faults of bytes: joined, marked, rewritten, damaged, compressed, and cut into writes.
//!
//! Takes the actions of the frames and gives the ones that are carried out. The order of the stages is the order of the
//! fields of [`ByteFaults`]. Knows nothing of events, but that a write was one.

mod line_end_rewriter;
mod pieces;

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::frame_faults::{ending_of, push_wait};
use crate::happenings::Happenings;
use crate::pipeline::{Action, COLLECTED_BYTES_MAX, Ending, PIECES_MAX};
use crate::plan::model::{Corrupt, CorruptPlace, CorruptWith, CutPlace, Drip, Faults};
use crate::seeds;
use line_end_rewriter::LineEndRewriter;
use pieces::Splitter;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The faults of the bytes of one body.
#[derive(Debug)]
pub(crate) struct ByteFaults {
    /// What is kept for the one write.
    joined: Option<Vec<u8>>,
    mark_is_due: bool,
    line_ends: Option<LineEndRewriter>,
    corrupter: Option<Corrupter>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    splitter: Option<Splitter>,
    dripper: Option<Dripper>,
    cut: Option<(u64, Ending)>,
    /// Bytes of the body that are out.
    bytes_out: u64,
    pieces_out: usize,
    has_ended: bool,
}

impl ByteFaults {
    pub(crate) fn new(seed: u64, faults: &Faults) -> ByteFaults {
        let cut = faults.cut.and_then(|cut| match cut.place {
            CutPlace::AfterBytes(count) => Some((count, ending_of(cut.by))),
            CutPlace::AfterEvents(_) => None,
        });
        ByteFaults {
            joined: faults.join.then(Vec::new),
            mark_is_due: faults.byte_order_mark,
            line_ends: faults.line_ends.map(|line_ends| LineEndRewriter::new(line_ends, seed)),
            corrupter: faults.corrupt.as_ref().map(|corrupt| Corrupter::new(corrupt, seed)),
            gzip: faults.http.gzip.then(|| GzEncoder::new(Vec::new(), Compression::default())),
            splitter: faults.split.as_ref().map(|split| Splitter::new(split, seed)),
            dripper: faults.drip.map(|drip| Dripper { drip, has_begun: false }),
            cut,
            bytes_out: 0,
            pieces_out: 0,
            has_ended: false,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes one action. Nothing is appended after an end.
    pub(crate) fn take(&mut self, action: Action, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if self.has_ended {
            return;
        }
        match action {
            Action::Wait(time) => push_wait(time, actions),
            Action::Write(bytes) => match &mut self.joined {
                Some(joined) if joined.len() + bytes.len() <= COLLECTED_BYTES_MAX => {
                    joined.extend_from_slice(&bytes);
                }
                Some(_) => {
                    // Too much to keep: what there is goes out, and the rest as it comes.
                    self.release_joined(happenings, actions);
                    self.transform(bytes, happenings, actions);
                }
                None => self.transform(bytes, happenings, actions),
            },
            Action::End(ending) => self.end(ending, happenings, actions),
        }
    }

    /// What is kept goes out; nothing ends it, unless it is to be cut there.
    pub(crate) fn break_off(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if self.has_ended {
            return;
        }
        self.release_joined(happenings, actions);
        self.cut_if_due(happenings, actions);
    }

    fn end(&mut self, ending: Ending, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        self.release_joined(happenings, actions);
        if self.has_ended {
            return;
        }
        if ending == Ending::Complete
            && let Some(mut encoder) = self.gzip.take()
            && encoder.try_finish().is_ok()
        {
            let rest = std::mem::take(encoder.get_mut());
            self.divide(Bytes::from(rest), happenings, actions);
        }
        // An empty body may still be cut after no byte.
        self.cut_if_due(happenings, actions);
        if !self.has_ended {
            self.has_ended = true;
            actions.push(Action::End(ending));
        }
    }

    fn release_joined(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if let Some(joined) = self.joined.take().filter(|joined| !joined.is_empty()) {
            happenings.at_byte("join", 0);
            self.transform(Bytes::from(joined), happenings, actions);
        }
    }

    /// The stages that keep one write one write.
    fn transform(&mut self, mut bytes: Bytes, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.mark_is_due) {
            happenings.at_byte("byte_order_mark", 0);
            bytes = Bytes::from([BYTE_ORDER_MARK, &bytes].concat());
        }
        if let Some(line_ends) = &mut self.line_ends {
            bytes = line_ends.rewrite(&bytes, happenings);
        }
        if let Some(corrupter) = &mut self.corrupter {
            bytes = corrupter.corrupt(bytes, happenings);
        }
        if let Some(encoder) = &mut self.gzip {
            // Writing into memory cannot fail; if it did, an empty write would be passed over.
            let _ = encoder.write_all(&bytes).and_then(|()| encoder.flush());
            bytes = Bytes::from(std::mem::take(encoder.get_mut()));
        }
        self.divide(bytes, happenings, actions);
    }

    /// The stages that make several writes of one.
    fn divide(&mut self, bytes: Bytes, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        let pieces_left = PIECES_MAX.saturating_sub(self.pieces_out);
        let pieces = if let Some(splitter) = &mut self.splitter {
            splitter.split(bytes, self.bytes_out, pieces_left, happenings)
        } else if let Some(dripper) = &mut self.dripper {
            if !dripper.has_begun {
                happenings.at_byte("drip", self.bytes_out);
            }
            pieces::every(bytes, dripper.drip.bytes, pieces_left)
        } else {
            vec![bytes]
        };
        for piece in pieces {
            self.pieces_out = self.pieces_out.saturating_add(1);
            if let Some(dripper) = &mut self.dripper {
                push_wait(dripper.wait(), actions);
            }
            self.write(piece, happenings, actions);
            if self.has_ended {
                return;
            }
        }
    }

    fn write(&mut self, mut bytes: Bytes, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if let Some((count, _)) = self.cut {
            let room = usize::try_from(count.saturating_sub(self.bytes_out)).unwrap_or(usize::MAX);
            bytes.truncate(room);
        }
        if !bytes.is_empty() {
            self.bytes_out += bytes.len() as u64;
            actions.push(Action::Write(bytes));
        }
        self.cut_if_due(happenings, actions);
    }

    fn cut_if_due(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        let is_due = |(count, _): &mut (u64, Ending)| *count <= self.bytes_out;
        if let Some((_, ending)) = self.cut.take_if(is_due) {
            happenings.at_byte("cut", self.bytes_out);
            self.has_ended = true;
            actions.push(Action::End(ending));
        }
    }
}

/// Damages bytes.
#[derive(Debug)]
struct Corrupter {
    corrupt: Corrupt,
    generator: ChaCha8Rng,
    /// Bytes that went through.
    offset: u64,
    /// How many of the offsets named are behind.
    passed: usize,
}

impl Corrupter {
    fn new(corrupt: &Corrupt, seed: u64) -> Corrupter {
        let generator = seeds::keyed(seed, "corrupt");
        Corrupter { corrupt: corrupt.clone(), generator, offset: 0, passed: 0 }
    }

    fn corrupt(&mut self, bytes: Bytes, happenings: &mut Happenings) -> Bytes {
        let mut bytes = Vec::from(bytes);
        for byte in &mut bytes {
            if self.chooses() {
                happenings.at_byte("corrupt", self.offset);
                match self.corrupt.with {
                    CorruptWith::Flip => *byte ^= 1 << self.generator.random_range(0..8_u32),
                    CorruptWith::Invalid => *byte = 0xFF,
                    CorruptWith::Zero => *byte = 0,
                }
            }
            self.offset += 1;
        }
        Bytes::from(bytes)
    }

    fn chooses(&mut self) -> bool {
        match &self.corrupt.place {
            CorruptPlace::At(offsets) => {
                let is_next = offsets.get(self.passed) == Some(&self.offset);
                self.passed += usize::from(is_next);
                is_next
            }
            CorruptPlace::Probability(probability) => seeds::comes_true(&mut self.generator, *probability),
        }
    }
}

/// The pace of a slow drip.
#[derive(Debug)]
struct Dripper {
    drip: Drip,
    has_begun: bool,
}

impl Dripper {
    /// The wait before a piece; none before the first.
    fn wait(&mut self) -> Duration {
        if std::mem::replace(&mut self.has_begun, true) { self.drip.every } else { Duration::ZERO }
    }
}
