//! The tile kernels for AVX2, FMA and F16C.
//!
//! A quad of a group, four neighbouring weights of sixteen rows (the layout of [`super::packed_matrix`]), fills two
//! registers, its *halves*; the four activations that it meets are broadcast to all lanes. The integer dot products
//! are made in [`super::matmul_avx2_dots`]; here they are scaled and added up. Every lane keeps to its row: nothing is
//! ever added across lanes.
//!
//! A tile has up to four columns of integers, or six of floats: broadcasts are shared by the halves, unpacked weights by
//! the columns. Adapters that take closures (`array::from_fn`, `map`) are avoided in the loops: they are not compiled for
//! the features of the function around them, and are then not inlined either.

#![expect(unsafe_code, reason = "AVX2 intrinsics")]
#![expect(clippy::needless_range_loop, reason = "one index goes through several arrays of registers")]

use std::arch::x86_64::*;

use super::CACHE_LINE;
use super::activations::QuantizedBlock;
use super::lanes::LANES;
use super::matmul::{Products, Tile, by_format, prefetch_weights};
use super::matmul_avx2_dots::{Dots, HALVES, dots, dots_of_six_bits};
use super::packed_matrix::{BLOCK, GROUP, WeightFormat};

/// A number for each row and column: of each column, two registers.
type Accumulators<const WIDTH: usize> = [[__m256; HALVES]; WIDTH];

/// The products of `GROUPS` groups of rows with `WIDTH` columns.
///
/// # Safety
/// The processor has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn products<const GROUPS: usize, const WIDTH: usize>(
    tile: &Tile<'_>,
    outputs: &mut Products<GROUPS, WIDTH>,
) {
    by_format!(
        tile.format,
        |FORMAT| quantized::<GROUPS, WIDTH, FORMAT>(tile, outputs),
        float::<GROUPS, WIDTH, FORMAT>(tile, outputs)
    );
}

/// Quantised weights of the format whose index is `FORMAT`, group after group.
#[target_feature(enable = "avx2,fma,f16c")]
fn quantized<const GROUPS: usize, const WIDTH: usize, const FORMAT: usize>(
    tile: &Tile<'_>,
    outputs: &mut Products<GROUPS, WIDTH>,
) {
    let columns = tile.quantized_columns::<WIDTH>();
    for (index, outputs) in outputs.iter_mut().enumerate() {
        let accumulators = quantized_group::<WIDTH, FORMAT>(tile.group(index), &columns);
        store(&accumulators, outputs);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn quantized_group<const WIDTH: usize, const FORMAT: usize>(
    group: &[u8],
    columns: &[&[QuantizedBlock]; WIDTH],
) -> Accumulators<WIDTH> {
    let format = const { WeightFormat::by_index(FORMAT) };
    let blocks_of_unit = format.unit_columns() / BLOCK;
    let mut accumulators = [[_mm256_setzero_ps(); HALVES]; WIDTH];
    let mut first = 0;
    for unit in group.chunks_exact(format.group_unit_bytes()) {
        let (header, blocks) = unit.split_at(format.group_header_bytes());
        for (index, block) in blocks.chunks_exact(format.group_block_bytes()).enumerate() {
            prefetch_weights(block);
            let mut x = [&columns[0][first + index]; WIDTH];
            for (column, x) in x.iter_mut().enumerate() {
                *x = &columns[column][first + index];
            }
            add_block::<WIDTH, FORMAT>(header, block, &x, &mut accumulators);
        }
        first += blocks_of_unit;
    }
    accumulators
}

/// Adds the products of a block with the activations that it meets.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn add_block<const WIDTH: usize, const FORMAT: usize>(
    header: &[u8],
    block: &[u8],
    x: &[&QuantizedBlock; WIDTH],
    accumulators: &mut Accumulators<WIDTH>,
) {
    let format = const { WeightFormat::by_index(FORMAT) };
    let (quants, behind) = (&block[format.group_quants()], &block[format.group_quants().end..]);
    if matches!(format, WeightFormat::Q6_K) {
        for part in 0..2 {
            let dots = dots_of_six_bits(quants, x, part);
            let mut scales = [_mm256_setzero_ps(); HALVES];
            for half in 0..HALVES {
                scales[half] =
                    _mm256_mul_ps(load_halves(header, half), load_signed(block, part * HALVES + half));
            }
            let mut sums = [0.0; WIDTH];
            for column in 0..WIDTH {
                let first_sum = x[column].first_sum;
                sums[column] = if part == 0 { first_sum } else { x[column].sum - first_sum };
            }
            add_scaled(&dots, &scales, x, Some((32.0, &sums)), accumulators);
        }
        return;
    }
    let (mut scales, mut minima) = ([_mm256_setzero_ps(); HALVES], [_mm256_setzero_ps(); HALVES]);
    for half in 0..HALVES {
        if matches!(format, WeightFormat::Q4_K | WeightFormat::Q5_K) {
            scales[half] = _mm256_mul_ps(load_halves(header, half), load_unsigned(block, half));
            minima[half] =
                _mm256_mul_ps(load_halves(header, HALVES + half), load_unsigned(block, HALVES + half));
        } else {
            scales[half] = load_halves(behind, half);
            if matches!(format, WeightFormat::Q4_1 | WeightFormat::Q5_1) {
                minima[half] = load_halves(behind, HALVES + half);
            }
        }
    }
    let mut sums = [0.0; WIDTH];
    for column in 0..WIDTH {
        sums[column] = x[column].sum;
    }
    let offset = match format {
        WeightFormat::Q4_0 => Some((8.0, &sums)),
        WeightFormat::Q5_0 => Some((16.0, &sums)),
        _ => None,
    };
    add_scaled(&dots::<WIDTH, FORMAT>(quants, x), &scales, x, offset, accumulators);
    for column in 0..WIDTH {
        let scaled_sum = _mm256_set1_ps(x[column].scaled_sum);
        for half in 0..HALVES {
            let accumulator = &mut accumulators[column][half];
            match format {
                WeightFormat::Q4_1 | WeightFormat::Q5_1 => {
                    *accumulator = _mm256_fmadd_ps(minima[half], scaled_sum, *accumulator);
                }
                // acc − minima · scaled_sum, rounded once: the same bits as with −minima and a plus.
                WeightFormat::Q4_K | WeightFormat::Q5_K => {
                    *accumulator = _mm256_fnmadd_ps(minima[half], scaled_sum, *accumulator);
                }
                _ => {}
            }
        }
    }
}

/// Adds `f32(dot − offset · sum) · (scale · the column's scale)`, with an offset and the columns' sums where there is
/// one. All of it is whole numbers below 2²⁴ until it is scaled, so the difference is exact also in single precision.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn add_scaled<const WIDTH: usize>(
    dots: &Dots<WIDTH>,
    scales: &[__m256; HALVES],
    x: &[&QuantizedBlock; WIDTH],
    offset: Option<(f32, &[f32; WIDTH])>,
    accumulators: &mut Accumulators<WIDTH>,
) {
    for column in 0..WIDTH {
        let column_scale = _mm256_set1_ps(x[column].scale);
        for half in 0..HALVES {
            let mut dot = _mm256_cvtepi32_ps(dots[column][half]);
            if let Some((offset, sums)) = offset {
                dot = _mm256_fnmadd_ps(_mm256_set1_ps(offset), _mm256_set1_ps(sums[column]), dot);
            }
            let accumulator = &mut accumulators[column][half];
            *accumulator = _mm256_fmadd_ps(dot, _mm256_mul_ps(scales[half], column_scale), *accumulator);
        }
    }
}

/// Weights of two bytes (F16; BF16, which is the upper half of single precision) or four (F32).
#[target_feature(enable = "avx2,fma,f16c")]
fn float<const GROUPS: usize, const WIDTH: usize, const FORMAT: usize>(
    tile: &Tile<'_>,
    outputs: &mut Products<GROUPS, WIDTH>,
) {
    let format = const { WeightFormat::by_index(FORMAT) };
    let step = format.bits() / 8 * GROUP;
    let columns = tile.float_columns::<WIDTH>();
    let mut accumulators = [[[_mm256_setzero_ps(); HALVES]; WIDTH]; GROUPS];
    for block in 0..columns[0].len() {
        let mut x = [&columns[0][block]; WIDTH];
        for column in 0..WIDTH {
            x[column] = &columns[column][block];
        }
        let mut blocks: [&[u8]; GROUPS] = [&[]; GROUPS];
        for group in 0..GROUPS {
            blocks[group] = &tile.group(group)[block * BLOCK * step..][..BLOCK * step];
        }
        for k in 0..BLOCK {
            let mut weights = [[_mm256_setzero_ps(); HALVES]; GROUPS];
            for group in 0..GROUPS {
                let bytes = &blocks[group][k * step..][..step];
                if k.is_multiple_of((CACHE_LINE / step).max(1)) {
                    prefetch_weights(bytes);
                }
                for half in 0..HALVES {
                    weights[group][half] = match format {
                        WeightFormat::BF16 => load_truncated(bytes, half),
                        WeightFormat::F16 => load_halves(bytes, half),
                        _ => _mm256_castsi256_ps(load_256(bytes, half)),
                    };
                }
            }
            for column in 0..WIDTH {
                let value = _mm256_set1_ps(x[column][k]);
                for group in 0..GROUPS {
                    for half in 0..HALVES {
                        let accumulator = &mut accumulators[group][column][half];
                        *accumulator = _mm256_fmadd_ps(weights[group][half], value, *accumulator);
                    }
                }
            }
        }
    }
    for (accumulators, outputs) in accumulators.iter().zip(outputs) {
        store(accumulators, outputs);
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store<const WIDTH: usize>(accumulators: &Accumulators<WIDTH>, outputs: &mut [[f32; GROUP]; WIDTH]) {
    for (accumulators, output) in accumulators.iter().zip(outputs) {
        for (accumulator, output) in accumulators.iter().zip(output.as_chunks_mut::<LANES>().0) {
            // SAFETY: the array is 32 writable bytes; the store needs no alignment.
            unsafe { _mm256_storeu_ps(output.as_mut_ptr(), *accumulator) };
        }
    }
}

/// The `index`th 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load_256(bytes: &[u8], index: usize) -> __m256i {
    let source = &bytes.as_chunks::<32>().0[index];
    // SAFETY: the array is 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(source.as_ptr().cast()) }
}

/// The `index`th eight half-precision numbers, exactly.
#[target_feature(enable = "avx2,f16c")]
#[inline]
fn load_halves(bytes: &[u8], index: usize) -> __m256 {
    let source = &bytes.as_chunks::<16>().0[index];
    // SAFETY: the array is 16 readable bytes; the load needs no alignment.
    unsafe { _mm256_cvtph_ps(_mm_loadu_si128(source.as_ptr().cast())) }
}

/// The `index`th eight numbers that are the upper halves of single precision, exactly.
#[target_feature(enable = "avx2")]
#[inline]
fn load_truncated(bytes: &[u8], index: usize) -> __m256 {
    let source = &bytes.as_chunks::<16>().0[index];
    // SAFETY: the array is 16 readable bytes; the load needs no alignment.
    let words = unsafe { _mm_loadu_si128(source.as_ptr().cast()) };
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(words)))
}

/// The `index`th eight bytes as numbers.
#[target_feature(enable = "avx2")]
#[inline]
fn load_unsigned(bytes: &[u8], index: usize) -> __m256 {
    let source = i64::from_le_bytes(bytes.as_chunks::<8>().0[index]);
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(source)))
}

/// The `index`th eight signed bytes as numbers.
#[target_feature(enable = "avx2")]
#[inline]
fn load_signed(bytes: &[u8], index: usize) -> __m256 {
    let source = i64::from_le_bytes(bytes.as_chunks::<8>().0[index]);
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_cvtsi64_si128(source)))
}
