//! Matrix times columns: where nearly all the time goes.
//!
//! Every output is `Σ weight · activation`, k ascending, into one accumulator that starts at zero:
//! - quantised weights, block by block of 32: an exact integer `dot`, then
//!   `acc = fma(f32(dot), d · scale, acc)`, and with a minimum `acc = fma(m, scaled_sum, acc)`;
//! - F16 and F32 weights: `acc = fma(w, x, acc)`.
//!
//! Rows are split over the threads in runs of whole groups; [`TILE_GROUPS`] groups meet up to [`TILE_COLUMNS`] columns
//! at once, so that weights are unpacked once for several columns, and activations fetched once for several groups.
//! None of that changes any sum.

use super::InstructionSet;
use super::activations::{Activations, Columns};
use super::lanes::LANES;
#[cfg(target_arch = "x86_64")]
use super::matmul_avx2;
use super::matmul_portable;
use super::packed_matrix::{BLOCK, GROUP, PackedMatrix, WeightFormat};
use super::thread_pool::ThreadPool;

/// Columns that meet a tile's rows at once.
const TILE_COLUMNS: usize = 4;
/// Groups of rows in a tile.
const TILE_GROUPS: usize = 2;
/// Runs of rows for each thread: enough that a thread held up by the machine leaves little to wait for.
const RUNS_PER_THREAD: usize = 8;
/// Runs are no larger: a run's weights stay in a core's second-level cache while it meets one tile of columns after
/// the other.
const LARGEST_RUN_BYTES: usize = 128 << 10;

/// Some groups of eight rows and some columns: what a tile kernel computes.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) format: WeightFormat,
    /// The groups' blocks, group after group.
    pub(super) weights: &'a [u8],
    pub(super) inputs: &'a Activations,
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
    inputs: &Activations,
    output: &mut Columns,
) {
    let mut count = 0;
    for matrix in matrices {
        let (height, columns) = if matrix.format().is_quantized() {
            (inputs.quantized.height() * BLOCK, inputs.quantized.count())
        } else {
            (inputs.floats.height(), inputs.floats.count())
        };
        assert_eq!(height, matrix.columns(), "inputs are as high as the matrix is wide");
        count = columns;
    }
    output.reshape(count, matrices.iter().map(|matrix| matrix.rows()).sum());
    let target = SharedOutput::new(output);
    let runs = runs(matrices, pool.threads());
    pool.run(runs.len(), &|task| {
        let run = &runs[task];
        for first_column in (0..count).step_by(TILE_COLUMNS) {
            for first_group in (run.first_group..run.last_group).step_by(TILE_GROUPS) {
                let groups = first_group..run.last_group.min(first_group + TILE_GROUPS);
                let columns = first_column..count.min(first_column + TILE_COLUMNS);
                multiply_tile(set, run, groups, inputs, columns, &target);
            }
        }
    });
}

/// Neighbouring groups of one matrix: a task.
struct Run<'a> {
    matrix: &'a PackedMatrix,
    first_group: usize,
    last_group: usize,
    /// The matrix's first row in the output.
    first_row: usize,
}

fn runs<'a>(matrices: &[&'a PackedMatrix], threads: usize) -> Vec<Run<'a>> {
    let groups: usize = matrices.iter().map(|matrix| matrix.groups()).sum();
    let share = groups.div_ceil(threads * RUNS_PER_THREAD);
    let mut runs = Vec::new();
    let mut first_row = 0;
    for matrix in matrices {
        let size = share.min(LARGEST_RUN_BYTES / matrix.group_bytes()).next_multiple_of(TILE_GROUPS);
        for first_group in (0..matrix.groups()).step_by(size.max(TILE_GROUPS)) {
            let last_group = matrix.groups().min(first_group + size.max(TILE_GROUPS));
            runs.push(Run { matrix, first_group, last_group, first_row });
        }
        first_row += matrix.rows();
    }
    runs
}

fn multiply_tile(
    set: InstructionSet,
    run: &Run<'_>,
    groups: std::ops::Range<usize>,
    inputs: &Activations,
    columns: std::ops::Range<usize>,
    target: &SharedOutput<'_>,
) {
    let Run { matrix, first_row, .. } = *run;
    let weights = matrix.groups_in(groups.clone());
    let tile = Tile { format: matrix.format(), weights, inputs, first_column: columns.start };
    let write = |group: usize, outputs: &[[f32; LANES]]| {
        let row = (groups.start + group) * GROUP;
        let rows = GROUP.min(matrix.rows() - row);
        for (column, eight) in columns.clone().zip(outputs) {
            #[expect(unsafe_code, reason = "threads write disjoint rows of one output")]
            // SAFETY: a group belongs to one task, and its rows to one group.
            unsafe {
                target.write(column, first_row + row, &eight[..rows]);
            }
        }
    };
    match groups.len() {
        TILE_GROUPS => tile.compute::<TILE_GROUPS>(set, columns.len(), write),
        _ => tile.compute::<1>(set, columns.len(), write),
    }
}

impl Tile<'_> {
    /// Computes the tile, and hands out each group's number in it with its outputs, column by column.
    fn compute<const GROUPS: usize>(
        &self,
        set: InstructionSet,
        columns: usize,
        write: impl Fn(usize, &[[f32; LANES]]),
    ) {
        match columns {
            1 => self.products::<GROUPS, 1>(set, write),
            2 => self.products::<GROUPS, 2>(set, write),
            3 => self.products::<GROUPS, 3>(set, write),
            _ => self.products::<GROUPS, TILE_COLUMNS>(set, write),
        }
    }

    fn products<const GROUPS: usize, const WIDTH: usize>(
        &self,
        set: InstructionSet,
        write: impl Fn(usize, &[[f32; LANES]]),
    ) {
        let products: [[[f32; LANES]; WIDTH]; GROUPS] = match set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => {
                #[expect(unsafe_code, reason = "calls functions compiled for AVX2")]
                // SAFETY: `Avx2` is chosen only after `InstructionSet::is_available` has found AVX2, FMA and F16C.
                unsafe {
                    matmul_avx2::products(self)
                }
            }
            _ => matmul_portable::products(self),
        };
        for (group, outputs) in products.iter().enumerate() {
            write(group, outputs);
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

    use super::super::activations::{QuantizedColumns, quantize};
    use super::super::packed_matrix::tests::{halves_of_unit, matrix_bytes, matrix_bytes_with};
    use super::*;

    fn activations(set: InstructionSet, floats: &Columns) -> Activations {
        let mut quantized = QuantizedColumns::default();
        quantized.reshape(floats.count(), floats.height() / BLOCK);
        for (column, blocks) in floats.iter().zip(quantized.iter_mut()) {
            quantize(set, column, blocks).unwrap();
        }
        Activations { floats: floats.clone(), quantized }
    }

    fn product(set: InstructionSet, threads: usize, matrices: &[&PackedMatrix], floats: &Columns) -> Columns {
        let mut pool = ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap();
        let mut output = Columns::default();
        multiply(&mut pool, set, matrices, &activations(set, floats), &mut output);
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

    /// What AVX2 and the portable form make of a matrix, for all widths of tiles.
    fn assert_agreement(matrix: &PackedMatrix, counts: impl Iterator<Item = usize>, amplitudes: &[f32]) {
        for count in counts {
            for amplitude in amplitudes {
                let floats = inputs(count, matrix.columns(), *amplitude);
                let portable = product(InstructionSet::Portable, 1, &[matrix], &floats);
                let fast = product(InstructionSet::detect(), 2, &[matrix], &floats);
                let (format, rows, columns) = (matrix.format(), matrix.rows(), matrix.columns());
                assert!(portable.iter().flatten().all(|value| !value.is_nan()), "{format:?}: numbers");
                assert_eq!(
                    bits(&portable),
                    bits(&fast),
                    "{format:?} {rows}×{columns}, {count} columns, {amplitude:e}"
                );
            }
        }
    }

    #[test]
    fn avx2_and_portable_agree_to_the_bit_for_all_formats_and_widths() {
        for (format, _) in WeightFormat::NAMES {
            for (rows, columns) in [(1, 32_usize), (8, 64), (13, 96), (40, 576)] {
                let columns = columns.next_multiple_of(format.unit_columns());
                let matrix =
                    PackedMatrix::pack(format, rows, columns, &matrix_bytes(format, rows, columns, 11));
                assert_agreement(&matrix, 1..=17, &[1.0, 1e-31, 3e-39, 1e30]);
            }
        }
    }

    /// The largest scales of a format and the smallest, which are subnormal in half precision, with activations whose
    /// products with them are subnormal in single precision.
    #[test]
    fn avx2_and_portable_agree_on_extreme_scales() {
        let extreme = |random: u32| [65_504.0, -65_504.0, 6e-8, -6e-8, 3e-5, 0.0, -0.0][random as usize % 7];
        for (format, _) in WeightFormat::NAMES {
            let columns = 3 * format.unit_columns();
            let source = matrix_bytes_with(format, 21, columns, 7, extreme);
            let matrix = PackedMatrix::pack(format, 21, columns, &source);
            assert_agreement(&matrix, 1..=5, &[1.0, 2e-30, 1e-33, 1e20]);
        }
    }

    /// The largest magnitudes that the integer paths can meet: no sum of 16-bit products may wrap or saturate.
    #[test]
    fn extreme_weights_and_activations_do_not_overflow() {
        for (format, _) in WeightFormat::NAMES.into_iter().filter(|(format, _)| format.is_quantized()) {
            let columns = 2 * format.unit_columns();
            for fill in [0x00, 0x80, 0x7f, 0xff] {
                let mut bytes = vec![fill; 8 * 2 * format.unit_bytes()];
                for unit in bytes.chunks_mut(format.unit_bytes()) {
                    // Scale 1, and a minimum of 1 where there is one; the largest scales of blocks.
                    for place in halves_of_unit(format) {
                        unit[*place..place + 2].copy_from_slice(&[0x00, 0x3c]);
                    }
                    match format {
                        WeightFormat::Q4_K | WeightFormat::Q5_K => unit[4..16].fill(0xff),
                        WeightFormat::Q6_K => unit[192..208].fill(0x80),
                        _ => {}
                    }
                }
                let matrix = PackedMatrix::pack(format, 8, columns, &bytes);
                for sign in [1.0, -1.0] {
                    let mut floats = Columns::default();
                    floats.reshape(5, columns);
                    floats.values_mut().fill(127.0 * sign);
                    let mut row = vec![0.0; columns];
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
