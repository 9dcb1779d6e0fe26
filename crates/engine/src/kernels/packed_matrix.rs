//! A weight matrix in the order in which the kernels read it.
//!
//! Rows are taken in groups of sixteen, one lane each, and a group's columns in blocks of 32; blocks of one group
//! follow each other, then comes the next group, so that a kernel reads one stream from front to back. The last
//! group is filled up with rows of zeros. Four neighbouring weights of every row of a group are a *quad*: 64 bytes, one
//! register of 512 bits or two of 256, the first for rows 0 to 7. The bytes of one block:
//!
//! ```text
//! Q4_0, Q4_1   nibbles; 16 × f16 scale; Q4_1: 16 × f16 minimum
//! Q5_0, Q5_1   nibbles; fifth bits; 16 × f16 scale; Q5_1: 16 × f16 minimum
//! Q8_0         i = 0..8: 64 bytes; lane r, byte b: w[r][4i + b] as i8
//!              then 16 × f16 scale
//! F16, BF16    k = 0..32: 16 × f16 or bf16
//! F32          k = 0..32: 16 × f32
//!
//! nibbles      i = 0..4: 64 bytes; lane r, byte b: low nibble = w[r][8i + b], high nibble = w[r][8i + 4 + b]
//! fifth bits   64 bytes; lane r, byte b: bit j = bit 4 of w[r][4j + b]
//! ```
//!
//! The K formats share a scale of scales among 256 columns, a *unit* of eight blocks. A unit has a header, then its
//! blocks:
//!
//! ```text
//! Q4_K, Q5_K   header: 16 × f16 scale of scales, 16 × f16 scale of minima
//!              block: 16 × u8 scale, 16 × u8 minimum; nibbles; Q5_K: fifth bits
//! Q6_K         header: 16 × f16 scale of scales
//!              block: 16 × i8 scale of columns 0..16, 16 × i8 scale of columns 16..32; nibbles; two-bit planes
//!
//! planes       p = 0..2: 64 bytes; lane r, byte b: bits 2t and 2t + 1 = bits 4 and 5 of w[r][4(4p + t) + b]
//! ```
//!
//! A nibble, a byte, a scale is what the model file has: nothing is rounded, and the size is the file's; but for Q4_K
//! and Q5_K, whose six-bit scales and minima become bytes (2 to 3 % more).

use std::ops::Range;

use super::packing::{pack_lane, unpack_lane};
use super::weight_memory::{SealedWeights, WeightMemory};

/// Rows in a group: one lane each.
pub(crate) const GROUP: usize = 16;
/// Bytes of four neighbouring weights of eight bits of each row of a group.
pub(super) const QUAD_BYTES: usize = 4 * GROUP;
/// Columns in a block.
pub(crate) const BLOCK: usize = 32;
/// Columns in a unit of the K formats.
const K_UNIT: usize = 256;

/// How the weights of a matrix are written, in a model file and packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(non_camel_case_types, reason = "the names of the file format")]
pub(crate) enum WeightFormat {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    BF16,
    /// Four bits and a scale for 32 weights: `d · (q − 8)`.
    Q4_0,
    /// Four bits, a scale and a minimum for 32 weights: `d · q + m`.
    Q4_1,
    /// Five bits and a scale for 32 weights: `d · (q − 16)`.
    Q5_0,
    /// Five bits, a scale and a minimum for 32 weights: `d · q + m`.
    Q5_1,
    /// Eight bits and a scale for 32 weights: `d · q`.
    Q8_0,
    /// Four bits; six bits each of scale and minimum for 32 weights, scales of those for 256: `(d · s) · q − (e · m)`.
    Q4_K,
    /// The same with five bits.
    Q5_K,
    /// Six bits; eight bits of scale for 16 weights, a scale of scales for 256: `(d · s) · (q − 32)`.
    Q6_K,
}

impl WeightFormat {
    /// All formats with their names in a model file.
    pub(crate) const NAMES: [(WeightFormat, &str); 11] = [
        (WeightFormat::F32, "F32"),
        (WeightFormat::F16, "F16"),
        (WeightFormat::BF16, "BF16"),
        (WeightFormat::Q4_0, "Q4_0"),
        (WeightFormat::Q4_1, "Q4_1"),
        (WeightFormat::Q5_0, "Q5_0"),
        (WeightFormat::Q5_1, "Q5_1"),
        (WeightFormat::Q8_0, "Q8_0"),
        (WeightFormat::Q4_K, "Q4_K"),
        (WeightFormat::Q5_K, "Q5_K"),
        (WeightFormat::Q6_K, "Q6_K"),
    ];

    /// The `index`th, by `format as usize`: what a kernel that is compiled for one format knows of it.
    pub(super) const fn by_index(index: usize) -> WeightFormat {
        WeightFormat::NAMES[index].0
    }

    /// The one of that name.
    pub(crate) fn by_name(name: &str) -> Option<WeightFormat> {
        WeightFormat::NAMES.into_iter().find(|(_, known)| *known == name).map(|(format, _)| format)
    }

    /// Columns that belong together, in a file and packed: one block, or the eight blocks of a K format. A matrix has a
    /// whole number of them.
    pub(crate) const fn unit_columns(self) -> usize {
        match self {
            WeightFormat::Q4_K | WeightFormat::Q5_K | WeightFormat::Q6_K => K_UNIT,
            _ => BLOCK,
        }
    }

    /// Bytes of a unit of one row, in a file.
    pub(crate) const fn unit_bytes(self) -> usize {
        match self {
            WeightFormat::F32 => 4 * BLOCK,
            WeightFormat::F16 | WeightFormat::BF16 => 2 * BLOCK,
            WeightFormat::Q4_0 => 2 + BLOCK / 2,
            WeightFormat::Q4_1 => 4 + BLOCK / 2,
            WeightFormat::Q5_0 => 2 + 4 + BLOCK / 2,
            WeightFormat::Q5_1 => 4 + 4 + BLOCK / 2,
            WeightFormat::Q8_0 => 2 + BLOCK,
            WeightFormat::Q4_K => 4 + 12 + K_UNIT / 2,
            WeightFormat::Q5_K => 4 + 12 + K_UNIT / 8 + K_UNIT / 2,
            WeightFormat::Q6_K => K_UNIT / 2 + K_UNIT / 4 + K_UNIT / 16 + 2,
        }
    }

    /// Bytes of a unit of a group before its first block, packed.
    pub(crate) const fn group_header_bytes(self) -> usize {
        match self {
            WeightFormat::Q4_K | WeightFormat::Q5_K => 2 * 2 * GROUP,
            WeightFormat::Q6_K => 2 * GROUP,
            _ => 0,
        }
    }

    /// Bytes of a block of a group, packed.
    pub(crate) const fn group_block_bytes(self) -> usize {
        match self {
            WeightFormat::Q4_K | WeightFormat::Q5_K | WeightFormat::Q6_K => self.group_quants().end,
            _ => GROUP * self.unit_bytes(),
        }
    }

    /// Where the integers are in a block of a group: scales and minima follow, or in the K formats come first.
    pub(super) const fn group_quants(self) -> Range<usize> {
        let start = if self.unit_columns() == K_UNIT { 2 * GROUP } else { 0 };
        start..start + GROUP * BLOCK * self.bits() / 8
    }

    /// Bytes of a unit of a group, packed.
    pub(crate) const fn group_unit_bytes(self) -> usize {
        self.group_header_bytes() + self.unit_columns() / BLOCK * self.group_block_bytes()
    }

    /// Bits of a weight, without what it shares with others.
    pub(super) const fn bits(self) -> usize {
        match self {
            WeightFormat::F32 => 32,
            WeightFormat::F16 | WeightFormat::BF16 => 16,
            WeightFormat::Q8_0 => 8,
            WeightFormat::Q6_K => 6,
            WeightFormat::Q5_0 | WeightFormat::Q5_1 | WeightFormat::Q5_K => 5,
            WeightFormat::Q4_0 | WeightFormat::Q4_1 | WeightFormat::Q4_K => 4,
        }
    }

    /// Whether the kernels multiply it by quantised activations, in integers.
    pub(crate) const fn is_quantized(self) -> bool {
        self.bits() <= 8
    }
}

/// A matrix of weights, `rows` outputs by `columns` inputs, packed as the module says.
pub(crate) struct PackedMatrix {
    format: WeightFormat,
    rows: usize,
    columns: usize,
    memory: SealedWeights,
    place: Range<usize>,
}

impl PackedMatrix {
    /// Bytes of a matrix, packed. `columns` is a multiple of [`WeightFormat::unit_columns`].
    pub(crate) fn packed_bytes(format: WeightFormat, rows: usize, columns: usize) -> usize {
        rows.div_ceil(GROUP) * (columns / format.unit_columns()) * format.group_unit_bytes()
    }

    /// Packs a matrix as a model file has it: row after row, each row's units in order. `columns` is a multiple of
    /// [`WeightFormat::unit_columns`], and `source` has exactly the bytes of the matrix; the reader of the file and the
    /// model's loader have checked both. It can be read once the memory is sealed.
    pub(crate) fn pack(
        memory: &mut WeightMemory,
        format: WeightFormat,
        rows: usize,
        columns: usize,
        source: &[u8],
    ) -> PackedMatrix {
        assert_eq!(columns % format.unit_columns(), 0, "columns come in units");
        let units = columns / format.unit_columns();
        let row_bytes = units * format.unit_bytes();
        assert_eq!(source.len(), rows * row_bytes, "the source is the whole matrix");
        let reader = memory.reader();
        let (place, bytes) = memory.take(PackedMatrix::packed_bytes(format, rows, columns));
        for (index, target) in bytes.chunks_exact_mut(format.group_unit_bytes()).enumerate() {
            let (group, unit) = (index / units, index % units);
            for lane in 0..GROUP.min(rows - group * GROUP) {
                let start = (group * GROUP + lane) * row_bytes + unit * format.unit_bytes();
                pack_lane(format, lane, &source[start..start + format.unit_bytes()], target);
            }
        }
        PackedMatrix { format, rows, columns, memory: reader, place }
    }

    /// A matrix in memory of its own.
    ///
    /// # Errors
    /// When the operating system does not give the memory.
    pub(crate) fn alone(
        format: WeightFormat,
        rows: usize,
        columns: usize,
        source: &[u8],
    ) -> std::io::Result<PackedMatrix> {
        let size = PackedMatrix::packed_bytes(format, rows, columns);
        let mut memory = WeightMemory::for_parts(std::iter::once(size))?;
        let matrix = PackedMatrix::pack(&mut memory, format, rows, columns, source);
        memory.seal();
        Ok(matrix)
    }

    /// How its weights are written.
    pub(crate) fn format(&self) -> WeightFormat {
        self.format
    }

    /// Outputs.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Groups of rows, the last one perhaps filled up.
    pub(crate) fn groups(&self) -> usize {
        self.rows.div_ceil(GROUP)
    }

    /// Bytes of a group.
    pub(crate) fn group_bytes(&self) -> usize {
        self.columns / self.format.unit_columns() * self.format.group_unit_bytes()
    }

    /// The blocks of some groups, group after group.
    pub(crate) fn groups_in(&self, groups: Range<usize>) -> &[u8] {
        let size = self.group_bytes();
        &self.memory.bytes()[self.place.clone()][groups.start * size..groups.end * size]
    }

    /// One row in single precision: the embedding of a token.
    pub(crate) fn unpack_row(&self, row: usize, target: &mut [f32]) {
        assert_eq!(target.len(), self.columns, "the target is a whole row");
        let lane = row % GROUP;
        let group = row / GROUP;
        let units = self.groups_in(group..group + 1).chunks_exact(self.format.group_unit_bytes());
        for (unit, values) in units.zip(target.chunks_exact_mut(self.format.unit_columns())) {
            unpack_lane(self.format, lane, unit, values);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use half::{bf16, f16};

    use super::*;

    /// A matrix in memory of its own.
    pub(in crate::kernels) fn packed(
        format: WeightFormat,
        rows: usize,
        columns: usize,
        source: &[u8],
    ) -> PackedMatrix {
        PackedMatrix::alone(format, rows, columns, source).unwrap()
    }

    /// Numbers that look random.
    fn numbers(seed: u64) -> impl FnMut() -> u32 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u32
        }
    }

    /// Where the half-precision scales are in a unit of a quantised format; all else may be any bit pattern.
    pub(in crate::kernels) fn halves_of_unit(format: WeightFormat) -> &'static [usize] {
        match format {
            WeightFormat::F32 | WeightFormat::F16 | WeightFormat::BF16 => &[],
            WeightFormat::Q4_0 | WeightFormat::Q5_0 | WeightFormat::Q8_0 => &[0],
            WeightFormat::Q4_1 | WeightFormat::Q5_1 | WeightFormat::Q4_K | WeightFormat::Q5_K => &[0, 2],
            WeightFormat::Q6_K => &[208],
        }
    }

    /// Bytes of a matrix in file order: every bit pattern of weights; scales, and weights that are no integers, as
    /// `number` makes them of something random.
    pub(in crate::kernels) fn matrix_bytes_with(
        format: WeightFormat,
        rows: usize,
        columns: usize,
        seed: u64,
        number: fn(u32) -> f32,
    ) -> Vec<u8> {
        let mut next = numbers(seed);
        let mut bytes = Vec::new();
        for _ in 0..rows * columns / format.unit_columns() {
            match format {
                WeightFormat::F32 => {
                    (0..BLOCK).for_each(|_| bytes.extend((number(next()) * 1.000_1).to_le_bytes()));
                }
                WeightFormat::F16 => {
                    (0..BLOCK).for_each(|_| bytes.extend(f16::from_f32_const(number(next())).to_le_bytes()));
                }
                WeightFormat::BF16 => {
                    (0..BLOCK).for_each(|_| bytes.extend(bf16::from_f32_const(number(next())).to_le_bytes()));
                }
                quantized => {
                    let mut unit: Vec<u8> = (0..quantized.unit_bytes()).map(|_| next() as u8).collect();
                    for place in halves_of_unit(quantized) {
                        let half = f16::from_f32_const(number(next()));
                        unit[*place..place + 2].copy_from_slice(&half.to_le_bytes());
                    }
                    bytes.extend(unit);
                }
            }
        }
        bytes
    }

    /// The same with numbers from −1 to 1.
    pub(in crate::kernels) fn matrix_bytes(
        format: WeightFormat,
        rows: usize,
        columns: usize,
        seed: u64,
    ) -> Vec<u8> {
        matrix_bytes_with(format, rows, columns, seed, |random| (random % 2_001) as f32 / 1_000.0 - 1.0)
    }

    /// The definition of each format, from the file's bytes.
    fn weight(format: WeightFormat, row: &[u8], k: usize) -> f32 {
        let unit = &row[k / format.unit_columns() * format.unit_bytes()..][..format.unit_bytes()];
        let k = k % format.unit_columns();
        let half = |at: usize| f16::from_le_bytes([unit[at], unit[at + 1]]).to_f32_const();
        let q4 = |nibbles: &[u8]| f32::from(if k < 16 { nibbles[k] & 15 } else { nibbles[k - 16] >> 4 });
        let q5 = |bytes: &[u8]| {
            let high = u32::from_le_bytes(bytes[..4].try_into().unwrap());
            q4(&bytes[4..]) + 16.0 * (high >> k & 1) as f32
        };
        match format {
            WeightFormat::F32 => f32::from_le_bytes(unit[4 * k..4 * k + 4].try_into().unwrap()),
            WeightFormat::F16 => half(2 * k),
            WeightFormat::BF16 => bf16::from_le_bytes([unit[2 * k], unit[2 * k + 1]]).to_f32_const(),
            WeightFormat::Q4_0 => half(0) * (q4(&unit[2..]) - 8.0),
            WeightFormat::Q4_1 => half(0).mul_add(q4(&unit[4..]), half(2)),
            WeightFormat::Q5_0 => half(0) * (q5(&unit[2..]) - 16.0),
            WeightFormat::Q5_1 => half(0).mul_add(q5(&unit[4..]), half(2)),
            WeightFormat::Q8_0 => half(0) * f32::from(unit[2 + k] as i8),
            WeightFormat::Q4_K | WeightFormat::Q5_K => {
                let (j, scales) = (k / 32, &unit[4..16]);
                let (scale, minimum) = match j {
                    0..4 => (scales[j] & 63, scales[j + 4] & 63),
                    _ => (
                        scales[j + 4] & 15 | scales[j - 4] >> 6 << 4,
                        scales[j + 4] >> 4 | scales[j] >> 6 << 4,
                    ),
                };
                let is_five = format == WeightFormat::Q5_K;
                let byte = unit[if is_five { 48 } else { 16 } + k / 64 * 32 + k % 32];
                let mut q = if k % 64 < 32 { byte & 15 } else { byte >> 4 };
                if is_five && unit[16 + k % 32] & 1 << j != 0 {
                    q += 16;
                }
                (half(0) * f32::from(scale)).mul_add(f32::from(q), -(half(2) * f32::from(minimum)))
            }
            WeightFormat::Q6_K => {
                // 128 weights have 64 bytes of nibbles and 32 of upper bits.
                let (n, quarter, l) = (k / 128, k % 128 / 32, k % 32);
                let byte = unit[64 * n + 32 * (quarter % 2) + l];
                let low = if quarter < 2 { byte & 15 } else { byte >> 4 };
                let high = unit[128 + 32 * n + l] >> (2 * quarter) & 3;
                let scale = f32::from(unit[192 + k / 16] as i8);
                half(208) * scale * (f32::from(low | high << 4) - 32.0)
            }
        }
    }

    #[test]
    fn a_packed_row_unpacks_to_what_the_file_says() {
        for (format, _) in WeightFormat::NAMES {
            for rows in [1, 15, 16, 35] {
                let columns = 3 * format.unit_columns();
                let source = matrix_bytes(format, rows, columns, 5);
                let matrix = packed(format, rows, columns, &source);
                for row in 0..rows {
                    let mut values = vec![0.0; columns];
                    matrix.unpack_row(row, &mut values);
                    let row_bytes = &source[row * source.len() / rows..];
                    for (k, value) in values.iter().enumerate() {
                        assert_eq!(*value, weight(format, row_bytes, k), "{format:?} row {row} column {k}");
                    }
                }
            }
        }
    }

    #[test]
    fn memory_stays_near_the_size_of_the_file() {
        for (format, _) in WeightFormat::NAMES {
            let (packed, file) = (format.group_unit_bytes(), GROUP * format.unit_bytes());
            let more = match format {
                WeightFormat::Q4_K | WeightFormat::Q5_K => 4 * GROUP,
                _ => 0,
            };
            assert_eq!(packed, file + more, "{format:?}");
        }
    }

    #[test]
    fn formats_have_the_names_of_the_file_format() {
        for (format, name) in WeightFormat::NAMES {
            assert_eq!((format!("{format:?}").as_str(), WeightFormat::by_name(name)), (name, Some(format)));
            assert_eq!(WeightFormat::by_index(format as usize), format);
        }
        assert_eq!(WeightFormat::by_name("Q2_K"), None);
    }
}
