//! Matrix times columns: where nearly all the time goes.
//!
//! Every output is `Σ weight · activation`, k ascending, into one accumulator that starts at zero:
//! - quantised weights, block by block of 32: an exact integer `dot`, then
//!   `acc = fma(f32(dot), d · scale, acc)`, and with a minimum `acc = fma(m, scaled_sum, acc)`;
//! - F16, BF16 and F32 weights: `acc = fma(w, x, acc)`.
//!
//! Rows are split over the threads in runs of whole groups; a group meets as many columns at once as the instruction
//! set has registers for, so that weights are unpacked once for several columns. A column that is alone meets
//! [`LONE_COLUMN_GROUPS`] groups in one call; where weights are floats their sums go side by side, so that one need not
//! wait for its last addition. None of that changes any sum.

use super::activations::{Activations, Columns, QuantizedBlock};
#[cfg(target_arch = "x86_64")]
use super::matmul_avx2;
#[cfg(target_arch = "x86_64")]
use super::matmul_avx512;
use super::matmul_portable;
use super::packed_matrix::{BLOCK, GROUP, PackedMatrix, WeightFormat};
use super::thread_pool::ThreadPool;
use super::{CACHE_LINE, InstructionSet, prefetch_line};

/// Groups that a lone column meets at once.
const LONE_COLUMN_GROUPS: usize = 4;
/// Runs of rows for each thread: enough that a thread held up by the machine leaves little to wait for.
const RUNS_PER_THREAD: usize = 8;
/// Runs are no larger: a run's weights stay in a core's second-level cache while it meets one tile of columns after
/// the other.
const LARGEST_RUN_BYTES: usize = 128 << 10;

/// How far ahead of the reading position weights are asked for, in bytes.
const PREFETCH_BYTES: usize = 1_024;

/// What a tile kernel computes: `[group][column][row]`.
pub(super) type Products<const GROUPS: usize, const WIDTH: usize> = [[[f32; GROUP]; WIDTH]; GROUPS];

/// Some groups of rows and some columns: what a tile kernel computes.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) format: WeightFormat,
    /// The groups' blocks, group after group.
    pub(super) weights: &'a [u8],
    /// Bytes of a group.
    pub(super) group_bytes: usize,
    pub(super) inputs: &'a Activations,
    pub(super) first_column: usize,
}

impl<'a> Tile<'a> {
    /// The bytes of a group of the tile.
    #[inline(always)]
    pub(super) fn group(&self, index: usize) -> &'a [u8] {
        &self.weights[index * self.group_bytes..(index + 1) * self.group_bytes]
    }

    /// Of each of `WIDTH` columns, the blocks of its activations in eight bits.
    #[inline(always)]
    pub(super) fn quantized_columns<const WIDTH: usize>(&self) -> [&'a [QuantizedBlock]; WIDTH] {
        let mut columns: [&[QuantizedBlock]; WIDTH] = [&[]; WIDTH];
        for (index, column) in columns.iter_mut().enumerate() {
            *column = self.inputs.quantized.column(self.first_column + index);
        }
        columns
    }

    /// Of each of `WIDTH` columns, its activations by blocks.
    #[inline(always)]
    pub(super) fn float_columns<const WIDTH: usize>(&self) -> [&'a [[f32; BLOCK]]; WIDTH] {
        let mut columns: [&[[f32; BLOCK]]; WIDTH] = [&[]; WIDTH];
        for (index, column) in columns.iter_mut().enumerate() {
            *column = self.inputs.floats.column(self.first_column + index).as_chunks().0;
        }
        columns
    }
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
        let (groups_at_once, columns_at_once) = match count {
            1 => (LONE_COLUMN_GROUPS, 1),
            _ => (1, tile_columns(set, run.matrix.format())),
        };
        for first_column in (0..count).step_by(columns_at_once) {
            let columns = first_column..count.min(first_column + columns_at_once);
            let mut group = run.first_group;
            while group < run.last_group {
                let groups = if group + groups_at_once <= run.last_group { groups_at_once } else { 1 };
                multiply_tile(set, run, group..group + groups, inputs, columns.clone(), &target);
                group += groups;
            }
        }
    });
}

/// Columns that meet a group at once: as many as there are registers for.
fn tile_columns(set: InstructionSet, format: WeightFormat) -> usize {
    match set {
        InstructionSet::Avx512 => 8,
        // Integers need registers for their unpacking and their sums beside the accumulators.
        InstructionSet::Avx2 if !format.is_quantized() => 6,
        InstructionSet::Avx2 | InstructionSet::Portable => 4,
    }
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
        let size = share.min(LARGEST_RUN_BYTES / matrix.group_bytes()).max(1);
        for first_group in (0..matrix.groups()).step_by(size) {
            let last_group = matrix.groups().min(first_group + size);
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
    let tile = Tile {
        format: matrix.format(),
        weights: matrix.groups_in(groups.clone()),
        group_bytes: matrix.group_bytes(),
        inputs,
        first_column: columns.start,
    };
    let write = |group: usize, outputs: &[[f32; GROUP]]| {
        let row = (groups.start + group) * GROUP;
        let rows = GROUP.min(matrix.rows() - row);
        for (column, values) in columns.clone().zip(outputs) {
            #[expect(unsafe_code, reason = "threads write disjoint rows of one output")]
            // SAFETY: a group belongs to one task, and its rows to one group.
            unsafe {
                target.write(column, first_row + row, values, rows);
            }
        }
    };
    tile.compute(set, groups.len(), columns.len(), write);
}

impl Tile<'_> {
    /// Computes the tile, and hands out each group's number in it with its outputs, column by column.
    fn compute(
        &self,
        set: InstructionSet,
        groups: usize,
        columns: usize,
        write: impl Fn(usize, &[[f32; GROUP]]),
    ) {
        match (groups, columns) {
            (LONE_COLUMN_GROUPS, 1) => self.products::<LONE_COLUMN_GROUPS, 1>(set, write),
            (_, 1) => self.products::<1, 1>(set, write),
            (_, 2) => self.products::<1, 2>(set, write),
            (_, 3) => self.products::<1, 3>(set, write),
            (_, 4) => self.products::<1, 4>(set, write),
            (_, 5) => self.products::<1, 5>(set, write),
            (_, 6) => self.products::<1, 6>(set, write),
            (_, 7) => self.products::<1, 7>(set, write),
            _ => self.products::<1, 8>(set, write),
        }
    }

    fn products<const GROUPS: usize, const WIDTH: usize>(
        &self,
        set: InstructionSet,
        write: impl Fn(usize, &[[f32; GROUP]]),
    ) {
        let mut products: Products<GROUPS, WIDTH> = [[[0.0; GROUP]; WIDTH]; GROUPS];
        match set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => {
                #[expect(unsafe_code, reason = "calls functions compiled for AVX-512")]
                // SAFETY: `Avx512` is chosen only after `InstructionSet::is_available` has found its features.
                unsafe {
                    matmul_avx512::products(self, &mut products);
                }
            }
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => {
                #[expect(unsafe_code, reason = "calls functions compiled for AVX2")]
                // SAFETY: `Avx2` is chosen only after `InstructionSet::is_available` has found AVX2, FMA and F16C.
                unsafe {
                    matmul_avx2::products(self, &mut products);
                }
            }
            _ => matmul_portable::products(self, &mut products),
        }
        for (group, outputs) in products.iter().enumerate() {
            write(group, outputs);
        }
    }
}

/// Calls what is compiled for one format, with that format's index as a constant: the first for those that are
/// quantised, the second for the others.
macro_rules! by_format {
    ($format:expr, |$index:ident| $quantized:expr, $float:expr) => {{
        use $crate::kernels::packed_matrix::WeightFormat;
        macro_rules! call {
            ($name:ident, $call:expr) => {{
                const $index: usize = WeightFormat::$name as usize;
                $call
            }};
        }
        match $format {
            WeightFormat::Q4_0 => call!(Q4_0, $quantized),
            WeightFormat::Q4_1 => call!(Q4_1, $quantized),
            WeightFormat::Q5_0 => call!(Q5_0, $quantized),
            WeightFormat::Q5_1 => call!(Q5_1, $quantized),
            WeightFormat::Q8_0 => call!(Q8_0, $quantized),
            WeightFormat::Q4_K => call!(Q4_K, $quantized),
            WeightFormat::Q5_K => call!(Q5_K, $quantized),
            WeightFormat::Q6_K => call!(Q6_K, $quantized),
            WeightFormat::F16 => call!(F16, $float),
            WeightFormat::BF16 => call!(BF16, $float),
            WeightFormat::F32 => call!(F32, $float),
        }
    }};
}
pub(super) use by_format;

/// Asks for the weights that lie [`PREFETCH_BYTES`] behind these.
#[inline(always)]
pub(super) fn prefetch_weights(bytes: &[u8]) {
    for line in (0..bytes.len()).step_by(CACHE_LINE) {
        prefetch_line(bytes.as_ptr().wrapping_add(line + PREFETCH_BYTES));
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

    /// Writes the first `rows` values of a group into a column from `row` on.
    ///
    /// # Safety
    /// No two threads write the same row of the same column at the same time.
    #[expect(unsafe_code, reason = "threads write disjoint rows of one output")]
    unsafe fn write(&self, column: usize, row: usize, values: &[f32; GROUP], rows: usize) {
        assert!(column < self.count && row + rows <= self.height && rows <= GROUP, "inside the output");
        // SAFETY: in bounds by the assertion, exclusive by this function's contract.
        unsafe {
            let target = self.values.add(column * self.height + row);
            if rows == GROUP {
                // The usual case, of a length that the compiler knows.
                target.cast::<[f32; GROUP]>().write(*values);
            } else {
                std::ptr::copy_nonoverlapping(values.as_ptr(), target, rows);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::super::activations::{QuantizedColumns, quantize};
    use super::super::packed_matrix::tests::{halves_of_unit, matrix_bytes, matrix_bytes_with, packed};
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

    /// What every instruction set of this machine makes of a matrix, for all widths of tiles.
    fn assert_agreement(matrix: &PackedMatrix, counts: impl Iterator<Item = usize>, amplitudes: &[f32]) {
        for count in counts {
            for amplitude in amplitudes {
                let floats = inputs(count, matrix.columns(), *amplitude);
                let portable = product(InstructionSet::Portable, 1, &[matrix], &floats);
                let (format, rows, columns) = (matrix.format(), matrix.rows(), matrix.columns());
                assert!(portable.iter().flatten().all(|value| !value.is_nan()), "{format:?}: numbers");
                for set in InstructionSet::available() {
                    assert_eq!(
                        bits(&portable),
                        bits(&product(set, 2, &[matrix], &floats)),
                        "{set:?}, {format:?} {rows}×{columns}, {count} columns, {amplitude:e}"
                    );
                }
            }
        }
    }

    #[test]
    fn instruction_sets_agree_to_the_bit_for_all_formats_and_widths() {
        for (format, _) in WeightFormat::NAMES {
            for (rows, columns) in [(1, 32_usize), (16, 64), (21, 96), (75, 576), (168, 64)] {
                let columns = columns.next_multiple_of(format.unit_columns());
                let matrix = packed(format, rows, columns, &matrix_bytes(format, rows, columns, 11));
                assert_agreement(&matrix, 1..=17, &[1.0, 1e-31, 3e-39, 1e30]);
            }
        }
    }

    /// The largest scales of a format and the smallest, which are subnormal in half precision, with activations whose
    /// products with them are subnormal in single precision.
    #[test]
    fn instruction_sets_agree_on_extreme_scales() {
        let extreme = |random: u32| [65_504.0, -65_504.0, 6e-8, -6e-8, 3e-5, 0.0, -0.0][random as usize % 7];
        for (format, _) in WeightFormat::NAMES {
            let columns = 3 * format.unit_columns();
            let source = matrix_bytes_with(format, 85, columns, 7, extreme);
            let matrix = packed(format, 85, columns, &source);
            assert_agreement(&matrix, 1..=5, &[1.0, 2e-30, 1e-33, 1e20]);
        }
    }

    /// The largest magnitudes that the integer paths can meet: no sum of 16-bit products may wrap or saturate.
    #[test]
    fn extreme_weights_and_activations_do_not_overflow() {
        for (format, _) in WeightFormat::NAMES.into_iter().filter(|(format, _)| format.is_quantized()) {
            let columns = 2 * format.unit_columns();
            for fill in [0x00, 0x80, 0x7f, 0xff] {
                let mut bytes = vec![fill; 16 * 2 * format.unit_bytes()];
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
                let matrix = packed(format, 16, columns, &bytes);
                for sign in [1.0, -1.0] {
                    let mut floats = Columns::default();
                    floats.reshape(5, columns);
                    floats.values_mut().fill(127.0 * sign);
                    let mut row = vec![0.0; columns];
                    matrix.unpack_row(0, &mut row);
                    let truth: f64 = row.iter().map(|w| f64::from(*w) * 127.0 * f64::from(sign)).sum();
                    for set in InstructionSet::available() {
                        let output = product(set, 2, &[&matrix], &floats);
                        assert_eq!(f64::from(output.column(4)[15]), truth, "{format:?} {fill:#x} {set:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_column_is_the_same_alone_and_among_others_and_beside_another_matrix() {
        let formats = [WeightFormat::Q4_1, WeightFormat::Q8_0];
        let matrices = formats.map(|format| packed(format, 20, 64, &matrix_bytes(format, 20, 64, 3)));
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
