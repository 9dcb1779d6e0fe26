//! The inputs of a matrix product: columns of floats, and the same in eight bits.
//!
//! A batch is a set of columns, one for each token computed together; a column's values lie side by side. Quantised
//! weights meet quantised activations: each 32 values share a scale, by one formula everywhere (see
//! [`quantize`]), so that what a column becomes does not depend on its neighbours.

use super::lanes::{LANES, Lanes};
use super::packed_matrix::BLOCK;
use super::thread_pool::ThreadPool;
use super::{InstructionSet, run_with_lanes};

/// Blocks whose largest absolute value is below this become zero.
const SMALLEST_AMPLITUDE: f32 = 1e-30;

/// A value that is infinite or not a number turned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotFinite;

/// `count` columns of `height` values.
#[derive(Debug, Clone)]
pub(crate) struct Columns<T = f32> {
    count: usize,
    height: usize,
    /// At least as many as there are; never fewer than before, so that steps of changing size write no zeros.
    values: Vec<T>,
}

/// Columns in eight bits: of each column, its blocks.
pub(crate) type QuantizedColumns = Columns<QuantizedBlock>;

/// 32 values of a column in eight bits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct QuantizedBlock {
    /// Each from −127 to 127.
    pub(super) quants: [i8; BLOCK],
    /// What the quants are multiplied by.
    pub(super) scale: f32,
    /// The sum of the quants, a whole number.
    pub(super) sum: f32,
    /// The sum of the first 16 of them, for weights whose scale changes there.
    pub(super) first_sum: f32,
    /// `scale · sum`, for weights with a minimum.
    pub(super) scaled_sum: f32,
}

impl<T> Default for Columns<T> {
    fn default() -> Self {
        Columns { count: 0, height: 0, values: Vec::new() }
    }
}

impl<T: Copy + Default> Columns<T> {
    /// Makes it `count` columns of `height`, keeping its memory. The values are unspecified.
    pub(crate) fn reshape(&mut self, count: usize, height: usize) {
        (self.count, self.height) = (count, height);
        let size = self.values.len().max(count * height);
        self.values.resize(size, T::default());
    }

    /// Values in a column.
    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// The number of columns.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// One column.
    pub(crate) fn column(&self, index: usize) -> &[T] {
        assert!(index < self.count, "one of the columns");
        &self.values[index * self.height..(index + 1) * self.height]
    }

    /// One column, to be written.
    #[cfg(test)]
    pub(crate) fn column_mut(&mut self, index: usize) -> &mut [T] {
        &mut self.values[index * self.height..(index + 1) * self.height]
    }

    /// The columns in order.
    pub(crate) fn iter(&self) -> std::slice::ChunksExact<'_, T> {
        self.values[..self.count * self.height].chunks_exact(self.height.max(1))
    }

    /// The columns in order, to be written.
    pub(crate) fn iter_mut(&mut self) -> std::slice::ChunksExactMut<'_, T> {
        self.values[..self.count * self.height].chunks_exact_mut(self.height.max(1))
    }

    /// All columns, one after the other.
    pub(super) fn values_mut(&mut self) -> &mut [T] {
        &mut self.values[..self.count * self.height]
    }
}

/// Quantises a column: for each block of 32, `scale = amplitude / 127` and
/// `quant = round_ties_to_even(value · (127 / amplitude))` within ±127; a block whose amplitude is below 1e-30 is zero.
///
/// # Errors
/// When a value is not finite; what was written is unspecified.
///
/// # Panics
/// When the blocks are not as many as the values make.
pub(crate) fn quantize(
    set: InstructionSet,
    values: &[f32],
    blocks: &mut [QuantizedBlock],
) -> Result<(), NotFinite> {
    assert_eq!(values.len(), blocks.len() * BLOCK, "values come in blocks");
    run_with_lanes!(set, |L| (values: &[f32], blocks: &mut [QuantizedBlock]) -> Result<(), NotFinite> {
        quantize_blocks::<L>(values, blocks)
    })
}

#[inline(always)]
fn quantize_blocks<L: Lanes>(values: &[f32], blocks: &mut [QuantizedBlock]) -> Result<(), NotFinite> {
    for (values, block) in values.as_chunks::<BLOCK>().0.iter().zip(blocks) {
        quantize_block::<L>(values, block)?;
    }
    Ok(())
}

#[inline(always)]
fn quantize_block<L: Lanes>(values: &[f32; BLOCK], block: &mut QuantizedBlock) -> Result<(), NotFinite> {
    /// Adding and subtracting 1.5 · 2²³ rounds to a whole number, ties to even.
    const ROUNDER: f32 = 12_582_912.0;

    let eights = values.as_chunks::<LANES>().0;
    let mut wide = [L::splat(0.0); BLOCK / LANES];
    let mut largest = L::splat(0.0);
    // `larger` lets a NaN pass as its first operand only; x − x is 0 for finite values and NaN for all others.
    let mut finite = L::splat(0.0);
    for (values, eight) in wide.iter_mut().zip(eights) {
        *values = L::load(eight);
        largest = values.absolute().larger(largest);
        finite = finite.add(values.subtract(*values));
    }
    if finite.sum() != 0.0 {
        return Err(NotFinite);
    }
    let amplitude = largest.largest();
    if amplitude < SMALLEST_AMPLITUDE {
        *block = QuantizedBlock::default();
        return Ok(());
    }
    let (factor, rounder) = (L::splat(127.0 / amplitude), L::splat(ROUNDER));
    for values in &mut wide {
        // Within ±127: of a value no larger than the amplitude, the product is below 127.5.
        *values = values.multiply(factor).add(rounder).subtract(rounder);
    }
    L::store_bytes(wide, &mut block.quants);
    // Sums of at most 32 · 127 are exact in single precision, in any order.
    let first_sum = wide[0].add(wide[1]).sum();
    let sum = first_sum + wide[2].add(wide[3]).sum();
    let scale = amplitude / 127.0;
    (block.scale, block.sum, block.first_sum, block.scaled_sum) = (scale, sum, first_sum, scale * sum);
    Ok(())
}

/// Computes one column, given with its number.
pub(crate) type Fill<'a> = dyn Fn(usize, &mut [f32]) -> Result<(), NotFinite> + Sync + 'a;

/// Columns as a product takes them: floats, and the same in eight bits where a weight matrix asks for that.
#[derive(Default)]
pub(crate) struct Activations {
    pub(super) floats: Columns,
    pub(super) quantized: QuantizedColumns,
}

impl Activations {
    /// Makes `failed.len()` columns of `height`: `fill` computes each, on all threads. A column that `fill` refuses, or
    /// that has a value which is not finite, becomes zero and is marked as failed; the others do not suffer.
    pub(crate) fn fill(
        &mut self,
        pool: &mut ThreadPool,
        set: InstructionSet,
        height: usize,
        is_quantized: bool,
        failed: &mut [bool],
        fill: &Fill<'_>,
    ) {
        self.floats.reshape(failed.len(), height);
        self.quantized.reshape(failed.len(), height / BLOCK);
        let columns = self.floats.iter_mut().zip(self.quantized.iter_mut()).zip(failed);
        let mut columns: Vec<_> = columns.collect();
        pool.run_on_each(&mut columns, &|index, ((values, blocks), failed)| {
            let mut outcome = fill(index, values);
            if is_quantized && outcome.is_ok() {
                outcome = quantize(set, values, blocks);
            }
            if outcome.is_err() {
                **failed = true;
                values.fill(0.0);
                blocks.fill(QuantizedBlock::default());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut portable = vec![QuantizedBlock::default(); values.len() / BLOCK];
        quantize(InstructionSet::Portable, &values, &mut portable).unwrap();
        for (chunk, block) in values.chunks(BLOCK).zip(&portable) {
            let amplitude = chunk.iter().fold(0.0_f32, |a, x| a.max(x.abs()));
            for (x, quant) in chunk.iter().zip(block.quants) {
                let expected =
                    if amplitude < 1e-30 { 0.0 } else { (x * (127.0 / amplitude)).round_ties_even() };
                assert_eq!(f32::from(quant), expected.clamp(-127.0, 127.0));
            }
            let sum = |quants: &[i8]| quants.iter().map(|quant| i32::from(*quant)).sum::<i32>() as f32;
            assert_eq!((block.sum, block.first_sum), (sum(&block.quants), sum(&block.quants[..16])));
            assert_eq!(block.scale, if amplitude < 1e-30 { 0.0 } else { amplitude / 127.0 });
            assert_eq!(block.scaled_sum, block.scale * block.sum);
        }
        if InstructionSet::Avx2.is_available() {
            let mut avx2 = vec![QuantizedBlock::default(); values.len() / BLOCK];
            quantize(InstructionSet::Avx2, &values, &mut avx2).unwrap();
            assert_eq!(portable, avx2);
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_refused() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for set in [InstructionSet::Portable, InstructionSet::detect()] {
                for position in [0, 31, 32, 63] {
                    let mut values = vec![1.0; 64];
                    values[position] = bad;
                    let mut blocks = [QuantizedBlock::default(); 2];
                    assert_eq!(quantize(set, &values, &mut blocks), Err(NotFinite), "{bad} at {position}");
                }
            }
        }
    }
}
