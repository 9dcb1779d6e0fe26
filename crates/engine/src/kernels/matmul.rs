//! Matrix times columns: where nearly all the time goes.
//!
//! Every output is `Σ weight · activation`, k ascending, into one accumulator that starts at zero:
//! - quantised weights, block by block of 32: an exact integer `dot`, then
//!   `acc = fma(f32(dot), d · scale, acc)`, and with a minimum `acc = fma(m, scaled_sum, acc)`;
//! - F16 and F32 weights: `acc = fma(w, x, acc)`.
//!
//! Rows are split over the threads in runs of whole groups; a group meets up to [`TILE`] columns at once, so that
//! weights are unpacked once for several columns. Neither changes any sum.

use super::InstructionSet;
use super::activations::{Columns, QuantizedColumns};
use super::lanes::LANES;
#[cfg(target_arch = "x86_64")]
use super::matmul_avx2;
use super::matmul_portable;
use super::packed_matrix::{GROUP, PackedMatrix, WeightFormat};
use super::thread_pool::ThreadPool;

/// Columns that meet a group of rows at once. With four, their accumulators stay in AVX2's sixteen registers.
pub(super) const TILE: usize = 4;
/// Runs of rows for each thread: enough that a thread held up by the machine leaves little to wait for.
const RUNS_PER_THREAD: usize = 8;

/// The inputs of a product, in the two forms that weights ask for.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    /// For F16 and F32 weights.
    pub(crate) floats: &'a Columns,
    /// For quantised weights: the same columns.
    pub(crate) quantized: &'a QuantizedColumns,
}

/// A group of eight rows and some columns: what a tile kernel computes.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) format: WeightFormat,
    /// The group's blocks.
    pub(super) weights: &'a [u8],
    pub(super) inputs: Inputs<'a>,
    pub(super) first_column: usize,
}

/// Multiplies each matrix by all columns; their outputs follow each other in the columns of `output`.
///
/// # Panics
/// When the inputs' height is not the matrices' width.
pub(crate) fn multiply(
    pool: &mut ThreadPool,
    set: InstructionSet,
    matrices: &[&PackedMatrix],
    inputs: Inputs<'_>,
    output: &mut Columns,
) {
    let mut count = 0;
    for matrix in matrices {
        let (height, columns) = if matrix.format().is_quantized() {
            (inputs.quantized.height(), inputs.quantized.count())
        } else {
            (inputs.floats.height(), inputs.floats.count())
        };
        assert_eq!(height, matrix.columns(), "inputs are as high as the matrix is wide");
        count = columns;
    }
    output.reshape(count, matrices.iter().map(|matrix| matrix.rows()).sum());
    let groups: usize = matrices.iter().map(|matrix| matrix.groups()).sum();
    let run = groups.div_ceil(pool.threads() * RUNS_PER_THREAD).max(1);
    let target = SharedOutput::new(output);
    pool.run(groups.div_ceil(run), &|task| {
        for group in task * run..groups.min((task + 1) * run) {
            let (matrix, group, first_row) = locate(matrices, group);
            multiply_group(set, matrix, group, inputs, count, first_row, &target);
        }
    });
}

/// The matrix that holds the group, the group's number in it, and the matrix's first row in the output.
fn locate<'a>(matrices: &[&'a PackedMatrix], mut group: usize) -> (&'a PackedMatrix, usize, usize) {
    let mut first_row = 0;
    let mut index = 0;
    while group >= matrices[index].groups() {
        group -= matrices[index].groups();
        first_row += matrices[index].rows();
        index += 1;
    }
    (matrices[index], group, first_row)
}

fn multiply_group(
    set: InstructionSet,
    matrix: &PackedMatrix,
    group: usize,
    inputs: Inputs<'_>,
    count: usize,
    first_row: usize,
    target: &SharedOutput<'_>,
) {
    let rows = GROUP.min(matrix.rows() - group * GROUP);
    for first_column in (0..count).step_by(TILE) {
        let tile = Tile { format: matrix.format(), weights: matrix.group(group), inputs, first_column };
        let width = TILE.min(count - first_column);
        let mut outputs = [[0.0; LANES]; TILE];
        tile.compute(set, width, &mut outputs);
        for (index, eight) in outputs[..width].iter().enumerate() {
            #[expect(unsafe_code, reason = "threads write disjoint rows of one output")]
            // SAFETY: a group belongs to one task, and its rows to one group.
            unsafe {
                target.write(first_column + index, first_row + group * GROUP, &eight[..rows]);
            }
        }
    }
}

impl Tile<'_> {
    fn compute(&self, set: InstructionSet, width: usize, outputs: &mut [[f32; LANES]; TILE]) {
        match width {
            1 => outputs[..1].copy_from_slice(&self.columns::<1>(set)),
            2 => outputs[..2].copy_from_slice(&self.columns::<2>(set)),
            3 => outputs[..3].copy_from_slice(&self.columns::<3>(set)),
            _ => *outputs = self.columns::<TILE>(set),
        }
    }

    fn columns<const WIDTH: usize>(&self, set: InstructionSet) -> [[f32; LANES]; WIDTH] {
        match set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => {
                #[expect(unsafe_code, reason = "calls functions compiled for AVX2")]
                // SAFETY: `Avx2` is chosen only after `InstructionSet::is_available` has found AVX2, FMA and F16C.
                unsafe {
                    matmul_avx2::columns(self)
                }
            }
            _ => matmul_portable::columns(self),
        }
    }
}

/// The output of a product, written by several threads at once.
struct SharedOutput<'a> {
    values: *mut f32,
    height: usize,
    count: usize,
    lifetime: std::marker::PhantomData<&'a mut [f32]>,
}

#[expect(unsafe_code, reason = "threads write disjoint rows of one output")]
// SAFETY: the only access is `write`, whose callers write disjoint rows.
unsafe impl Sync for SharedOutput<'_> {}

impl<'a> SharedOutput<'a> {
    fn new(columns: &'a mut Columns) -> SharedOutput<'a> {
        let (height, count) = (columns.height(), columns.count());
        SharedOutput {
            values: columns.values_mut().as_mut_ptr(),
            height,
            count,
            lifetime: std::marker::PhantomData,
        }
    }

    /// Writes rows of a column from `row` on.
    ///
    /// # Safety
    /// No two threads write the same row of the same column at the same time.
    #[expect(unsafe_code, reason = "threads write disjoint rows of one output")]
    unsafe fn write(&self, column: usize, row: usize, values: &[f32]) {
        assert!(column < self.count && row + values.len() <= self.height, "inside the output");
        // SAFETY: in bounds by the assertion, exclusive by this function's contract.
        unsafe {
            let target = self.values.add(column * self.height + row);
            std::ptr::copy_nonoverlapping(values.as_ptr(), target, values.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::super::packed_matrix::tests::{FORMATS, matrix_bytes};
    use super::*;

    fn product(set: InstructionSet, threads: usize, matrices: &[&PackedMatrix], floats: &Columns) -> Columns {
        let mut pool = ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap();
        let mut quantized = QuantizedColumns::default();
        quantized.quantize(set, floats).unwrap();
        let mut output = Columns::default();
        multiply(&mut pool, set, matrices, Inputs { floats, quantized: &quantized }, &mut output);
        output
    }

    fn inputs(count: usize, height: usize, amplitude: f32) -> Columns {
        let mut columns = Columns::default();
        columns.reshape(count, height);
        for (i, value) in columns.values_mut().iter_mut().enumerate() {
            *value = ((i * i % 1_009) as f32 / 504.5 - 1.0) * amplitude;
        }
        columns
    }

    fn bits(columns: &Columns) -> Vec<u32> {
        (0..columns.count())
            .flat_map(|c| columns.column(c).iter().map(|x| x.to_bits()).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn avx2_and_portable_agree_to_the_bit_for_all_formats_and_widths() {
        let set = InstructionSet::detect();
        for format in FORMATS {
            for (rows, columns) in [(1, 32), (8, 64), (13, 96), (40, 576)] {
                let matrix =
                    PackedMatrix::pack(format, rows, columns, &matrix_bytes(format, rows, columns, 11));
                for count in 1..=17 {
                    for amplitude in [1.0, 1e-31, 3e-39, 1e30] {
                        let floats = inputs(count, columns, amplitude);
                        let portable = product(InstructionSet::Portable, 1, &[&matrix], &floats);
                        let fast = product(set, 2, &[&matrix], &floats);
                        assert_eq!(
                            bits(&portable),
                            bits(&fast),
                            "{format:?} {rows}×{columns}, {count} columns"
                        );
                    }
                }
            }
        }
    }

    /// The largest magnitudes that the integer paths can meet: no sum of 16-bit products may wrap or saturate.
    #[test]
    fn extreme_weights_and_activations_do_not_overflow() {
        for format in [WeightFormat::Q4_0, WeightFormat::Q4_1, WeightFormat::Q8_0] {
            for fill in [0x00, 0x80, 0x7f, 0xff] {
                let mut bytes = vec![fill; 8 * 2 * format.block_bytes()];
                for block in bytes.chunks_mut(format.block_bytes()) {
                    // Scale 1, and a minimum of 1 where there is one.
                    block[..2].copy_from_slice(&[0x00, 0x3c]);
                    if format == WeightFormat::Q4_1 {
                        block[2..4].copy_from_slice(&[0x00, 0x3c]);
                    }
                }
                let matrix = PackedMatrix::pack(format, 8, 64, &bytes);
                for sign in [1.0, -1.0] {
                    let mut floats = Columns::default();
                    floats.reshape(5, 64);
                    floats.values_mut().fill(127.0 * sign);
                    let mut row = [0.0; 64];
                    matrix.unpack_row(0, &mut row);
                    let truth: f64 = row.iter().map(|w| f64::from(*w) * 127.0 * f64::from(sign)).sum();
                    for set in [InstructionSet::Portable, InstructionSet::detect()] {
                        let output = product(set, 2, &[&matrix], &floats);
                        assert_eq!(f64::from(output.column(4)[7]), truth, "{format:?} {fill:#x} {set:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_column_is_the_same_alone_and_among_others_and_beside_another_matrix() {
        let formats = [WeightFormat::Q4_1, WeightFormat::Q8_0];
        let matrices =
            formats.map(|format| PackedMatrix::pack(format, 20, 64, &matrix_bytes(format, 20, 64, 3)));
        let floats = inputs(9, 64, 2.0);
        let together = product(InstructionSet::detect(), 3, &[&matrices[0], &matrices[1]], &floats);
        for column in 0..9 {
            let mut alone = Columns::default();
            alone.reshape(1, 64);
            alone.column_mut(0).copy_from_slice(floats.column(column));
            for (index, matrix) in matrices.iter().enumerate() {
                let output = product(InstructionSet::detect(), 1, &[matrix], &alone);
                assert_eq!(output.column(0), &together.column(column)[index * 20..][..20]);
            }
        }
    }
}
