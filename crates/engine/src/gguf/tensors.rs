//! The table of tensors of a model file.

use std::ops::Range;

use super::reader::Reader;
use super::{GgufError, Metadata};

/// The least bytes that an entry takes: a name's length, a number of dimensions, a type, an offset.
pub(super) const SMALLEST_ENTRY: usize = 24;
/// More tensors than any model has.
pub(super) const MOST_TENSORS: usize = 1 << 16;
/// As the format has it.
const MOST_DIMENSIONS: u32 = 4;
/// Unless `general.alignment` says otherwise.
const DEFAULT_ALIGNMENT: u32 = 32;

/// A type's number in the format, its name, weights in a block, and bytes of a block. All that GGUF defines and is
/// still written; what the kernels can multiply is less.
const TYPES: [(u32, &str, u64, u64); 18] = [
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (20, "IQ4_NL", 32, 18),
    (23, "IQ4_XS", 256, 136),
    (28, "F64", 1, 8),
    (30, "BF16", 1, 2),
];

/// How a tensor's numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TensorType {
    /// The format's name for it.
    pub(crate) name: &'static str,
    block_weights: u64,
    block_bytes: u64,
}

/// One tensor: its name, its shape, and where its bytes are.
#[derive(Debug, Clone)]
pub(crate) struct TensorInfo {
    /// Its name.
    pub(crate) name: String,
    /// The first dimension is the one whose numbers lie side by side.
    pub(crate) dimensions: Vec<usize>,
    /// How its numbers are written.
    pub(crate) kind: TensorType,
    /// Its bytes in the file; checked to be there.
    pub(crate) range: Range<usize>,
}

/// Reads the table; checks that every tensor lies inside the file.
pub(super) fn read(
    reader: &mut Reader<'_>,
    count: usize,
    metadata: &Metadata,
) -> Result<Vec<TensorInfo>, GgufError> {
    let entries: Vec<Entry> = (0..count).map(|index| Entry::read(reader, index)).collect::<Result<_, _>>()?;
    let alignment = metadata.optional("general.alignment", Metadata::u32)?.unwrap_or(DEFAULT_ALIGNMENT);
    if !alignment.is_power_of_two() {
        return Err(GgufError::WrongMetadata {
            key: "general.alignment".to_owned(),
            expected: "a power of two".to_owned(),
        });
    }
    let data = (reader.position() as u64).next_multiple_of(alignment.into());
    let located = entries.into_iter().map(|entry| entry.locate(data, alignment.into(), reader.file_length()));
    let tensors: Vec<TensorInfo> = located.collect::<Result<_, _>>()?;
    refuse_shared_bytes(&tensors)?;
    Ok(tensors)
}

/// Tensors that share bytes, or a name: a small file could claim any size by them.
fn refuse_shared_bytes(tensors: &[TensorInfo]) -> Result<(), GgufError> {
    let invalid = |tensor: &TensorInfo, problem: String| {
        Err(GgufError::Invalid {
            what: format!("tensor `{}`", tensor.name),
            offset: tensor.range.start,
            problem,
        })
    };
    let mut by_place: Vec<&TensorInfo> = tensors.iter().collect();
    by_place.sort_by_key(|tensor| tensor.range.start);
    for pair in by_place.windows(2) {
        if pair[1].range.start < pair[0].range.end {
            return invalid(pair[1], format!("overlaps tensor `{}`", pair[0].name));
        }
    }
    let mut by_name = by_place;
    by_name.sort_by_key(|tensor| &tensor.name);
    for pair in by_name.windows(2) {
        if pair[1].name == pair[0].name {
            return invalid(pair[1], "is there twice".to_owned());
        }
    }
    Ok(())
}

/// An entry of the table as it is written.
struct Entry {
    name: String,
    what: String,
    position: usize,
    dimensions: Vec<u64>,
    kind: TensorType,
    offset: u64,
}

impl Entry {
    fn read(reader: &mut Reader<'_>, index: usize) -> Result<Entry, GgufError> {
        let position = reader.position();
        let name = reader.name(&format!("the name of tensor {index}"))?.to_owned();
        let what = format!("tensor `{name}`");
        let invalid = |problem: String| GgufError::Invalid { what: what.clone(), offset: position, problem };
        let rank = reader.u32(&what)?;
        if !(1..=MOST_DIMENSIONS).contains(&rank) {
            return Err(invalid(format!("has {rank} dimensions; 1 to {MOST_DIMENSIONS} are possible")));
        }
        let dimensions: Vec<u64> = (0..rank).map(|_| reader.u64(&what)).collect::<Result<_, _>>()?;
        if dimensions.contains(&0) {
            return Err(invalid("has a dimension of 0".to_owned()));
        }
        let number = reader.u32(&what)?;
        let known = TYPES.iter().find(|(known, ..)| *known == number);
        let &(_, type_name, block_weights, block_bytes) =
            known.ok_or_else(|| invalid(format!("has unknown type {number}")))?;
        let kind = TensorType { name: type_name, block_weights, block_bytes };
        let offset = reader.u64(&what)?;
        Ok(Entry { name, what, position, dimensions, kind, offset })
    }

    fn locate(self, data: u64, alignment: u64, file_length: usize) -> Result<TensorInfo, GgufError> {
        let invalid =
            |problem: String| GgufError::Invalid { what: self.what.clone(), offset: self.position, problem };
        let first = self.dimensions.first().copied().unwrap_or(0);
        if first % self.kind.block_weights != 0 {
            return Err(invalid(format!(
                "has rows of {first} weights, no multiple of {} as {} needs",
                self.kind.block_weights, self.kind.name
            )));
        }
        let weights = self.dimensions.iter().try_fold(1_u64, |product, size| product.checked_mul(*size));
        let bytes = weights
            .and_then(|weights| (weights / self.kind.block_weights).checked_mul(self.kind.block_bytes));
        let bytes = bytes.ok_or_else(|| invalid("is larger than any file".to_owned()))?;
        if !self.offset.is_multiple_of(alignment) {
            return Err(invalid(format!("starts at {}, which is not aligned to {alignment}", self.offset)));
        }
        let start = data.saturating_add(self.offset);
        let end = start.saturating_add(bytes);
        if end > file_length as u64 {
            return Err(GgufError::Truncated {
                what: self.what,
                offset: usize::try_from(start).unwrap_or(usize::MAX),
                needed: bytes,
                available: file_length.saturating_sub(usize::try_from(start).unwrap_or(usize::MAX)),
            });
        }
        // What ends inside the file fits a usize.
        let dimensions = self.dimensions.iter().map(|size| *size as usize).collect();
        Ok(TensorInfo { name: self.name, dimensions, kind: self.kind, range: start as usize..end as usize })
    }
}
