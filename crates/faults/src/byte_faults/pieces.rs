//! One write to several.

use bytes::Bytes;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::happenings::Happenings;
use crate::plan::model::Split;
use crate::seeds;

/// Cuts the writes of one body.
#[derive(Debug)]
pub(super) struct Splitter {
    split: Split,
    generator: ChaCha8Rng,
    has_told: bool,
}

impl Splitter {
    pub(super) fn new(split: &Split, seed: u64) -> Splitter {
        Splitter { split: split.clone(), generator: seeds::keyed(seed, "split"), has_told: false }
    }

    /// Cuts a write that begins at this offset of the body, into at most so many pieces, but at least one.
    pub(super) fn split(
        &mut self,
        bytes: Bytes,
        offset: u64,
        pieces_max: usize,
        happenings: &mut Happenings,
    ) -> Vec<Bytes> {
        let pieces = match &self.split {
            Split::Every(every) => self::every(bytes, *every, pieces_max),
            Split::InsideCodePoints => {
                at(bytes, pieces_max, |before, after| before >= 0xC0 && (0x80..0xC0).contains(&after))
            }
            Split::InsideLineEnds => at(bytes, pieces_max, |before, after| {
                matches!((before, after), (b'\r', b'\n') | (b'\n', b'\n') | (b'\r', b'\r'))
            }),
            Split::At(offsets) => {
                let ahead = &offsets[offsets.partition_point(|cut| *cut <= offset)..];
                let lengths =
                    ahead.iter().scan(offset, |last, cut| Some(*cut - std::mem::replace(last, *cut)));
                of_lengths(bytes, pieces_max, lengths)
            }
            Split::Random(mean) => {
                let generator = &mut self.generator;
                let lengths = std::iter::repeat_with(|| generator.random_range(1..2 * *mean));
                of_lengths(bytes, pieces_max, lengths)
            }
        };
        if let [first, _, ..] = pieces.as_slice()
            && !std::mem::replace(&mut self.has_told, true)
        {
            happenings.at_byte("split", offset + first.len() as u64);
        }
        pieces
    }
}

/// Pieces of so many bytes each; the last may be shorter.
pub(super) fn every(bytes: Bytes, every: u64, pieces_max: usize) -> Vec<Bytes> {
    of_lengths(bytes, pieces_max, std::iter::repeat(every))
}

/// Pieces of these lengths, none of them 0, and what is left.
fn of_lengths(mut bytes: Bytes, pieces_max: usize, lengths: impl Iterator<Item = u64>) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    for length in lengths.take(pieces_max.saturating_sub(1)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length >= bytes.len() {
            break;
        }
        pieces.push(bytes.split_to(length));
    }
    pieces.push(bytes);
    pieces
}

/// Pieces with a cut wherever two neighbours ask for it.
fn at(bytes: Bytes, pieces_max: usize, mut is_cut: impl FnMut(u8, u8) -> bool) -> Vec<Bytes> {
    let whole = bytes.clone();
    let cuts = whole.windows(2).enumerate().filter(|(_, pair)| is_cut(pair[0], pair[1]));
    let lengths = cuts
        .map(|(index, _)| index + 1)
        .scan(0, |last, cut| Some((cut - std::mem::replace(last, cut)) as u64));
    of_lengths(bytes, pieces_max, lengths)
}
