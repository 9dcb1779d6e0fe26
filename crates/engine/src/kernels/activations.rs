//! The inputs of a matrix product: columns of floats, and the same in eight bits.
//!
//! A batch is a set of columns, one for each token computed together; a column's values lie side by side. Quantised
//! weights meet quantised activations: each 32 values share a scale, by one formula everywhere (see
//! [`QuantizedColumns::quantize`]), so that what a column becomes does not depend on its neighbours.

use super::lanes::{LANES, Lanes};
use super::packed_matrix::BLOCK;
use super::{InstructionSet, run_with_lanes};

/// Blocks whose largest absolute value is below this become zero.
const SMALLEST_AMPLITUDE: f32 = 1e-30;

/// A value that is infinite or not a number turned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotFinite;

/// `count` columns of `height` floats.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    height: usize,
    values: Vec<f32>,
}

impl Columns {
    /// Makes it `count` columns of `height`, keeping its memory. The values are unspecified.
    pub(crate) fn reshape(&mut self, count: usize, height: usize) {
        self.height = height;
        self.values.resize(count * height, 0.0);
    }

    /// Values in a column.
    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// The number of columns.
    pub(crate) fn count(&self) -> usize {
        self.values.len().checked_div(self.height).unwrap_or(0)
    }

    /// One column.
    pub(crate) fn column(&self, index: usize) -> &[f32] {
        &self.values[index * self.height..(index + 1) * self.height]
    }

    /// One column, to be written.
    pub(crate) fn column_mut(&mut self, index: usize) -> &mut [f32] {
        &mut self.values[index * self.height..(index + 1) * self.height]
    }

    /// All columns, one after the other.
    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

/// Columns in eight bits, 32 values to a scale.
#[derive(Debug, Clone, Default)]
pub(crate) struct QuantizedColumns {
    height: usize,
    /// Column after column; each from −127 to 127.
    pub(super) quants: Vec<i8>,
    /// What the quants of a block are multiplied by: column after column, block after block.
    pub(super) scales: Vec<f32>,
    /// The sums of the quants of a block.
    pub(super) sums: Vec<i32>,
    /// `scale · sum`, for weights with a minimum.
    pub(super) scaled_sums: Vec<f32>,
}

impl QuantizedColumns {
    /// Blocks in a column.
    pub(super) fn blocks(&self) -> usize {
        self.height / BLOCK
    }

    /// Values in a column.
    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// The number of columns.
    pub(crate) fn count(&self) -> usize {
        self.quants.len().checked_div(self.height).unwrap_or(0)
    }

    /// Quantises every column: for each block of 32, `scale = amplitude / 127` and
    /// `quant = round_ties_to_even(value · (127 / amplitude))` within ±127; a block whose amplitude is below 1e-30
    /// is zero. The first column with a value that is not finite is returned as an error.
    pub(crate) fn quantize(&mut self, set: InstructionSet, columns: &Columns) -> Result<(), usize> {
        assert_eq!(columns.height() % BLOCK, 0, "columns come in blocks");
        self.height = columns.height();
        let blocks = columns.count() * self.blocks();
        self.quants.resize(blocks * BLOCK, 0);
        self.scales.resize(blocks, 0.0);
        self.sums.resize(blocks, 0);
        self.scaled_sums.resize(blocks, 0.0);
        let (height, values) = (self.height, columns.values.as_slice());
        let this = self;
        run_with_lanes!(set, |L| (this: &mut QuantizedColumns, values: &[f32]) -> Result<(), usize> {
            quantize_blocks::<L>(this, values)
        })
        .map_err(|block| block * BLOCK / height)
    }
}

#[inline(always)]
fn quantize_blocks<L: Lanes>(target: &mut QuantizedColumns, values: &[f32]) -> Result<(), usize> {
    let blocks = values.as_chunks::<BLOCK>().0.iter().zip(target.quants.as_chunks_mut::<BLOCK>().0);
    for (index, (block, quants)) in blocks.enumerate() {
        let (scale, sum) = quantize_block::<L>(block, quants).map_err(|NotFinite| index)?;
        target.scales[index] = scale;
        target.sums[index] = sum;
        target.scaled_sums[index] = scale * sum as f32;
    }
    Ok(())
}

#[inline(always)]
fn quantize_block<L: Lanes>(block: &[f32; BLOCK], quants: &mut [i8; BLOCK]) -> Result<(f32, i32), NotFinite> {
    /// Adding 1.5 · 2²³ leaves the nearest whole number, ties to even, in the low bits of the sum.
    const ROUNDER: f32 = 12_582_912.0;

    let eights = block.as_chunks::<LANES>().0;
    let mut largest = L::splat(0.0);
    // `larger` lets a NaN pass as its first operand only; x − x is 0 for finite values and NaN for all others.
    let mut finite = L::splat(0.0);
    for eight in eights {
        let values = L::load(eight);
        largest = values.absolute().larger(largest);
        finite = finite.add(values.subtract(values));
    }
    if finite.sum() != 0.0 {
        return Err(NotFinite);
    }
    let amplitude = largest.largest();
    if amplitude < SMALLEST_AMPLITUDE {
        *quants = [0; BLOCK];
        return Ok((0.0, 0));
    }
    let factor = L::splat(127.0 / amplitude);
    let mut sum = 0;
    for (eight, quants) in eights.iter().zip(quants.as_chunks_mut::<LANES>().0) {
        let rounded = L::load(eight).multiply(factor).add(L::splat(ROUNDER)).to_array();
        for (value, quant) in rounded.iter().zip(quants) {
            let whole = (value.to_bits() as i32 - ROUNDER.to_bits() as i32).clamp(-127, 127);
            *quant = whole as i8;
            sum += whole;
        }
    }
    Ok((amplitude / 127.0, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(values: &[f32], height: usize) -> Columns {
        let mut columns = Columns::default();
        columns.reshape(values.len() / height, height);
        columns.values_mut().copy_from_slice(values);
        columns
    }

    fn awkward_values(count: usize) -> Vec<f32> {
        let extremes = [0.0, -0.0, 1e-31, -1e-29, 1e-40, 3e38, -3e38, 1.0, 0.5, -0.5, 126.5, 127.0];
        (0..count)
            .map(|i| {
                let block = i / BLOCK;
                let wave = libm::sinf(i as f32 * 0.7) * libm::powf(10.0, (block % 9) as f32 - 4.0);
                if block.is_multiple_of(3) { extremes[(i * 7 + block) % extremes.len()] } else { wave }
            })
            .collect()
    }

    #[test]
    fn quants_follow_the_formula_on_every_instruction_set() {
        let values = awkward_values(64 * 33);
        let source = columns(&values, 64);
        let mut portable = QuantizedColumns::default();
        portable.quantize(InstructionSet::Portable, &source).unwrap();
        for (block, chunk) in values.chunks(BLOCK).enumerate() {
            let amplitude = chunk.iter().fold(0.0_f32, |a, x| a.max(x.abs()));
            for (k, x) in chunk.iter().enumerate() {
                let expected =
                    if amplitude < 1e-30 { 0.0 } else { (x * (127.0 / amplitude)).round_ties_even() };
                assert_eq!(f32::from(portable.quants[block * BLOCK + k]), expected.clamp(-127.0, 127.0));
            }
            let sum: i32 = portable.quants[block * BLOCK..][..BLOCK].iter().map(|q| i32::from(*q)).sum();
            assert_eq!(portable.sums[block], sum);
            assert_eq!(portable.scales[block], if amplitude < 1e-30 { 0.0 } else { amplitude / 127.0 });
        }
        if InstructionSet::Avx2.is_available() {
            let mut avx2 = QuantizedColumns::default();
            avx2.quantize(InstructionSet::Avx2, &source).unwrap();
            assert_eq!((&portable.quants, &portable.sums), (&avx2.quants, &avx2.sums));
            assert!(portable.scales.iter().zip(&avx2.scales).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }

    #[test]
    fn a_value_that_is_not_finite_names_its_column() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for set in [InstructionSet::Portable, InstructionSet::detect()] {
                for position in [0, 63, 64, 191] {
                    let mut values = vec![1.0; 192];
                    values[position] = bad;
                    let outcome = QuantizedColumns::default().quantize(set, &columns(&values, 64));
                    assert_eq!(outcome, Err(position / 64), "{bad} at {position}");
                }
            }
        }
    }
}
