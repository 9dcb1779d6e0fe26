//! A weight matrix in the order in which the kernels read it.
//!
//! Rows are taken in groups of eight, one lane each, and a group's columns in blocks of 32; blocks of one group
//! follow each other, then comes the next group, so that a kernel reads one stream from front to back. The last
//! group is filled up with rows of zeros. The bytes of one block:
//!
//! ```text
//! Q4_0, Q4_1   i = 0..4: 32 bytes; lane r, byte b: low nibble = w[r][8i + b], high nibble = w[r][8i + 4 + b]
//!              then 8 × f16 scale; Q4_1: then 8 × f16 minimum
//! Q8_0         i = 0..8: 32 bytes; lane r, byte b: w[r][4i + b] as i8
//!              then 8 × f16 scale
//! F16          k = 0..32: 8 × f16
//! F32          k = 0..32: 8 × f32
//! ```
//!
//! A nibble, a byte, a scale is what the model file has: nothing is rounded, and the size is the file's.

use half::f16;

use super::lanes::LANES;

/// Rows in a group: one lane each.
pub(crate) const GROUP: usize = LANES;
/// Columns in a block.
pub(crate) const BLOCK: usize = 32;

/// How the weights of a matrix are written, in a model file and packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WeightFormat {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// Four bits and a scale for 32 weights: `d · (q − 8)`.
    Q4_0,
    /// Four bits, a scale and a minimum for 32 weights: `d · q + m`.
    Q4_1,
    /// Eight bits and a scale for 32 weights: `d · q`.
    Q8_0,
}

impl WeightFormat {
    /// Bytes of 32 weights of one row, in a file.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            WeightFormat::F32 => 4 * BLOCK,
            WeightFormat::F16 => 2 * BLOCK,
            WeightFormat::Q4_0 => 2 + BLOCK / 2,
            WeightFormat::Q4_1 => 4 + BLOCK / 2,
            WeightFormat::Q8_0 => 2 + BLOCK,
        }
    }

    /// Bytes of a block of eight rows, packed.
    pub(crate) const fn group_block_bytes(self) -> usize {
        GROUP * self.block_bytes()
    }

    /// Whether the kernels multiply it by quantised activations, in integers.
    pub(crate) const fn is_quantized(self) -> bool {
        matches!(self, WeightFormat::Q4_0 | WeightFormat::Q4_1 | WeightFormat::Q8_0)
    }
}

/// A matrix of weights, `rows` outputs by `columns` inputs, packed as the module says.
pub(crate) struct PackedMatrix {
    format: WeightFormat,
    rows: usize,
    columns: usize,
    bytes: Box<[u8]>,
}

impl PackedMatrix {
    /// Packs a matrix as a model file has it: row after row, each row's blocks in order. `columns` is a multiple of
    /// [`BLOCK`], and `source` has exactly the bytes of the matrix; the model's loader has checked both.
    pub(crate) fn pack(format: WeightFormat, rows: usize, columns: usize, source: &[u8]) -> PackedMatrix {
        assert_eq!(columns % BLOCK, 0, "columns come in blocks");
        let blocks = columns / BLOCK;
        let row_bytes = blocks * format.block_bytes();
        assert_eq!(source.len(), rows * row_bytes, "the source is the whole matrix");
        let groups = rows.div_ceil(GROUP);
        let mut bytes = vec![0; groups * blocks * format.group_block_bytes()].into_boxed_slice();
        for (index, target) in bytes.chunks_exact_mut(format.group_block_bytes()).enumerate() {
            let (group, block) = (index / blocks, index % blocks);
            for lane in 0..GROUP.min(rows - group * GROUP) {
                let start = (group * GROUP + lane) * row_bytes + block * format.block_bytes();
                pack_lane(format, lane, &source[start..start + format.block_bytes()], target);
            }
        }
        PackedMatrix { format, rows, columns, bytes }
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

    /// Groups of eight rows, the last one perhaps filled up.
    pub(crate) fn groups(&self) -> usize {
        self.rows.div_ceil(GROUP)
    }

    /// Bytes of a group.
    pub(crate) fn group_bytes(&self) -> usize {
        self.columns / BLOCK * self.format.group_block_bytes()
    }

    /// Bytes of the whole matrix.
    pub(crate) fn byte_length(&self) -> usize {
        self.bytes.len()
    }

    /// The blocks of some groups, group after group.
    pub(crate) fn groups_in(&self, groups: std::ops::Range<usize>) -> &[u8] {
        let size = self.group_bytes();
        &self.bytes[groups.start * size..groups.end * size]
    }

    /// One row in single precision: the embedding of a token.
    pub(crate) fn unpack_row(&self, row: usize, target: &mut [f32]) {
        assert_eq!(target.len(), self.columns, "the target is a whole row");
        let lane = row % GROUP;
        let group = row / GROUP;
        let blocks = self.groups_in(group..group + 1).chunks_exact(self.format.group_block_bytes());
        for (block, values) in blocks.zip(target.chunks_exact_mut(BLOCK)) {
            unpack_lane(self.format, lane, block, values);
        }
    }
}

/// The half-precision number at `index` in `bytes`.
fn half_at(bytes: &[u8], index: usize) -> f32 {
    f16::from_le_bytes([bytes[2 * index], bytes[2 * index + 1]]).to_f32_const()
}

fn pack_lane(format: WeightFormat, lane: usize, source: &[u8], target: &mut [u8]) {
    match format {
        WeightFormat::F32 => {
            for (k, value) in source.chunks_exact(4).enumerate() {
                target[(k * GROUP + lane) * 4..][..4].copy_from_slice(value);
            }
        }
        WeightFormat::F16 => {
            for (k, value) in source.chunks_exact(2).enumerate() {
                target[(k * GROUP + lane) * 2..][..2].copy_from_slice(value);
            }
        }
        WeightFormat::Q4_0 | WeightFormat::Q4_1 => {
            // In the file, byte j holds weight j in its low nibble and weight j + 16 in its high one.
            let (scales, nibbles) = source.split_at(source.len() - BLOCK / 2);
            let weight = |k: usize| if k < 16 { nibbles[k] & 15 } else { nibbles[k - 16] >> 4 };
            for i in 0..4 {
                for b in 0..4 {
                    target[i * 32 + lane * 4 + b] = weight(8 * i + b) | weight(8 * i + 4 + b) << 4;
                }
            }
            for (index, scale) in scales.chunks_exact(2).enumerate() {
                target[128 + index * 16 + lane * 2..][..2].copy_from_slice(scale);
            }
        }
        WeightFormat::Q8_0 => {
            let (scale, weights) = source.split_at(2);
            for (i, four) in weights.chunks_exact(4).enumerate() {
                target[i * 32 + lane * 4..][..4].copy_from_slice(four);
            }
            target[256 + lane * 2..][..2].copy_from_slice(scale);
        }
    }
}

fn unpack_lane(format: WeightFormat, lane: usize, block: &[u8], values: &mut [f32]) {
    for (k, value) in values.iter_mut().enumerate() {
        *value = match format {
            WeightFormat::F32 => {
                let at = (k * GROUP + lane) * 4;
                f32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
            }
            WeightFormat::F16 => half_at(block, k * GROUP + lane),
            WeightFormat::Q4_0 => half_at(&block[128..], lane) * (f32::from(nibble(block, lane, k)) - 8.0),
            WeightFormat::Q4_1 => {
                let minimum = half_at(&block[144..], lane);
                half_at(&block[128..], lane).mul_add(f32::from(nibble(block, lane, k)), minimum)
            }
            WeightFormat::Q8_0 => {
                half_at(&block[256..], lane) * f32::from(block[k / 4 * 32 + lane * 4 + k % 4].cast_signed())
            }
        };
    }
}

/// Weight `k` of a lane in a packed block of nibbles.
fn nibble(block: &[u8], lane: usize, k: usize) -> u8 {
    let byte = block[k / 8 * 32 + lane * 4 + k % 4];
    if k % 8 < 4 { byte & 15 } else { byte >> 4 }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// All formats, for tests over all of them.
    pub(in crate::kernels) const FORMATS: [WeightFormat; 5] =
        [WeightFormat::F32, WeightFormat::F16, WeightFormat::Q4_0, WeightFormat::Q4_1, WeightFormat::Q8_0];

    /// Bytes of a matrix in file order: every bit pattern of weights, scales from a small set of finite values.
    pub(in crate::kernels) fn matrix_bytes(
        format: WeightFormat,
        rows: usize,
        columns: usize,
        seed: u64,
    ) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u32
        };
        let mut half = || f16::from_f32_const((next() % 2_001) as f32 / 1_000.0 - 1.0).to_le_bytes();
        let mut bytes = Vec::new();
        for _ in 0..rows * columns / BLOCK {
            match format {
                WeightFormat::F32 => {
                    for _ in 0..BLOCK {
                        let value = f16::from_le_bytes(half()).to_f32_const() * 1.000_1;
                        bytes.extend(value.to_le_bytes());
                    }
                }
                WeightFormat::F16 => (0..BLOCK).for_each(|_| bytes.extend(half())),
                quantized => {
                    let scales =
                        quantized.block_bytes() - if quantized == WeightFormat::Q8_0 { 32 } else { 16 };
                    (0..scales / 2).for_each(|_| bytes.extend(half()));
                    (scales..quantized.block_bytes()).for_each(|_| bytes.push(half()[0] ^ half()[1] << 3));
                }
            }
        }
        bytes
    }

    /// The definition of each format, from the file's bytes.
    fn weight(format: WeightFormat, row: &[u8], k: usize) -> f32 {
        let block = &row[k / BLOCK * format.block_bytes()..];
        let j = k % BLOCK;
        let q4 = |nibbles: &[u8]| f32::from(if j < 16 { nibbles[j] & 15 } else { nibbles[j - 16] >> 4 });
        match format {
            WeightFormat::F32 => f32::from_le_bytes(block[4 * j..4 * j + 4].try_into().unwrap()),
            WeightFormat::F16 => half_at(block, j),
            WeightFormat::Q4_0 => half_at(block, 0) * (q4(&block[2..]) - 8.0),
            WeightFormat::Q4_1 => half_at(block, 0).mul_add(q4(&block[4..]), half_at(block, 1)),
            WeightFormat::Q8_0 => half_at(block, 0) * f32::from(block[2 + j] as i8),
        }
    }

    #[test]
    fn a_packed_row_unpacks_to_what_the_file_says() {
        for format in FORMATS {
            for rows in [1, 7, 8, 19] {
                let source = matrix_bytes(format, rows, 96, 5);
                let matrix = PackedMatrix::pack(format, rows, 96, &source);
                for row in 0..rows {
                    let mut values = [0.0; 96];
                    matrix.unpack_row(row, &mut values);
                    let row_bytes = &source[row * source.len() / rows..];
                    for (k, value) in values.iter().enumerate() {
                        assert_eq!(*value, weight(format, row_bytes, k), "{format:?} row {row} column {k}");
                    }
                }
            }
        }
    }
}
