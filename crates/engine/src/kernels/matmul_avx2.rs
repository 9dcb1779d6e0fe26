//! The tile kernels for AVX2, FMA and F16C.
//!
//! A register of weights holds, for each of eight rows, four neighbouring weights as bytes, a *quad* (the layout of
//! [`super::packed_matrix`]); the four activations that they meet are broadcast to all lanes. `vpmaddubsw` makes of
//! each pair of bytes one 16-bit sum of two products, so one instruction does 32 products for eight rows, and every
//! lane keeps to its row: nothing is ever added across lanes.
//!
//! ```text
//! weights, a quad of 8 rows     r0: w0 w1 w2 w3 │ r1: w0 w1 w2 w3 │ …  r7          32 bytes
//! activations, broadcast            x0 x1 x2 x3 │     x0 x1 x2 x3 │ …
//! vpmaddubsw                    w0x0+w1x1 w2x2+w3x3 │ …                            16 × i16
//! vpmaddwd with ones                both together   │ …                            8 × i32, one a row
//! ```
//!
//! How many 16-bit results may be added before they are widened, with |activation| ≤ 127:
//! - four bits: one result is at most 2 · 15 · 127 = 3,810; the eight of a block add up to 30,480 < 32,768;
//! - eight bits: |weight| ≤ 128, so one result is at most 2 · 128 · 127 = 32,512 < 32,768, and is widened at once.
//!   `vpmaddubsw` wants one operand unsigned: the weight gives its sign to the activation.
//!
//! A tile is one or two groups of rows by up to four columns: broadcasts are shared by the groups, unpacked weights by
//! the columns. Adapters that take closures (`array::from_fn`, `map`) are avoided in the loops: they are not compiled
//! for the features of the function around them, and are then not inlined either.

#![expect(unsafe_code, reason = "AVX2 intrinsics")]
#![expect(clippy::needless_range_loop, reason = "one index goes through several arrays of registers")]

use std::arch::x86_64::*;

use super::activations::QuantizedBlock;
use super::lanes::LANES;
use super::matmul::Tile;
use super::matmul_avx2_planes::{five_bits, scaled_minima, six_bits};
use super::packed_matrix::WeightFormat;

/// How far ahead of the reading position weights are asked for, in bytes.
const PREFETCH_BYTES: usize = 1_024;
/// Bytes that one prefetch brings.
const CACHE_LINE: usize = 64;

/// The products of `GROUPS` groups of rows with `WIDTH` columns.
///
/// # Safety
/// The processor has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn products<const GROUPS: usize, const WIDTH: usize>(
    tile: &Tile<'_>,
) -> [[[f32; LANES]; WIDTH]; GROUPS] {
    let accumulators: [[__m256; WIDTH]; GROUPS] = match tile.format {
        WeightFormat::Q4_0 => four_bits::<GROUPS, WIDTH, false>(tile),
        WeightFormat::Q4_1 => four_bits::<GROUPS, WIDTH, true>(tile),
        WeightFormat::Q5_0 => five_bits::<GROUPS, WIDTH, false>(tile),
        WeightFormat::Q5_1 => five_bits::<GROUPS, WIDTH, true>(tile),
        WeightFormat::Q8_0 => eight_bits(tile),
        WeightFormat::Q4_K => scaled_minima::<GROUPS, WIDTH, 4>(tile),
        WeightFormat::Q5_K => scaled_minima::<GROUPS, WIDTH, 5>(tile),
        WeightFormat::Q6_K => six_bits(tile),
        WeightFormat::F16 => float::<GROUPS, WIDTH, 2, false>(tile),
        WeightFormat::BF16 => float::<GROUPS, WIDTH, 2, true>(tile),
        WeightFormat::F32 => float::<GROUPS, WIDTH, 4, false>(tile),
    };
    let mut outputs = [[[0.0; LANES]; WIDTH]; GROUPS];
    for (outputs, accumulators) in outputs.iter_mut().zip(accumulators) {
        for (output, accumulator) in outputs.iter_mut().zip(accumulators) {
            // SAFETY: the array is 32 writable bytes; the store needs no alignment.
            unsafe { _mm256_storeu_ps(output.as_mut_ptr(), accumulator) };
        }
    }
    outputs
}

/// Weights of four bits: with a minimum (Q4_1), or with an offset of 8 (Q4_0).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn four_bits<const GROUPS: usize, const WIDTH: usize, const MINIMUM: bool>(
    tile: &Tile<'_>,
) -> [[__m256; WIDTH]; GROUPS] {
    let mask = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let mut accumulators = [[_mm256_setzero_ps(); WIDTH]; GROUPS];
    for block in 0..tile.inputs.quantized.height() {
        let weights = group_units::<GROUPS>(tile, block);
        let x = column_blocks::<WIDTH>(tile, block);
        let mut dots = [[_mm256_setzero_si256(); WIDTH]; GROUPS];
        for i in 0..4 {
            let mut low = [mask; GROUPS];
            let mut high = [mask; GROUPS];
            for group in 0..GROUPS {
                let both = load_256(weights[group], i);
                low[group] = _mm256_and_si256(both, mask);
                high[group] = _mm256_and_si256(_mm256_srli_epi16::<4>(both), mask);
            }
            for column in 0..WIDTH {
                let (first, second) = (broadcast(x[column], 2 * i), broadcast(x[column], 2 * i + 1));
                for group in 0..GROUPS {
                    let products = _mm256_maddubs_epi16(low[group], first);
                    dots[group][column] = _mm256_add_epi16(dots[group][column], products);
                    let products = _mm256_maddubs_epi16(high[group], second);
                    dots[group][column] = _mm256_add_epi16(dots[group][column], products);
                }
            }
        }
        for group in 0..GROUPS {
            let scales = load_halves(weights[group], 8);
            let minima = if MINIMUM { load_halves(weights[group], 9) } else { scales };
            for column in 0..WIDTH {
                let mut dot = _mm256_madd_epi16(dots[group][column], ones);
                if !MINIMUM {
                    dot = _mm256_sub_epi32(dot, _mm256_set1_epi32(8 * x[column].sum));
                }
                let accumulator = &mut accumulators[group][column];
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(x[column].scale));
                *accumulator = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, *accumulator);
                if MINIMUM {
                    let scaled_sum = _mm256_set1_ps(x[column].scaled_sum);
                    *accumulator = _mm256_fmadd_ps(minima, scaled_sum, *accumulator);
                }
            }
        }
    }
    accumulators
}

/// Weights of eight bits and a scale (Q8_0).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn eight_bits<const GROUPS: usize, const WIDTH: usize>(tile: &Tile<'_>) -> [[__m256; WIDTH]; GROUPS] {
    let ones = _mm256_set1_epi16(1);
    let mut accumulators = [[_mm256_setzero_ps(); WIDTH]; GROUPS];
    for block in 0..tile.inputs.quantized.height() {
        let weights = group_units::<GROUPS>(tile, block);
        let x = column_blocks::<WIDTH>(tile, block);
        let mut dots = [[_mm256_setzero_si256(); WIDTH]; GROUPS];
        for i in 0..8 {
            for group in 0..GROUPS {
                let signed = load_256(weights[group], i);
                let magnitude = _mm256_abs_epi8(signed);
                for column in 0..WIDTH {
                    let activations = _mm256_sign_epi8(broadcast(x[column], i), signed);
                    let products = _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, activations), ones);
                    dots[group][column] = _mm256_add_epi32(dots[group][column], products);
                }
            }
        }
        for group in 0..GROUPS {
            let scales = load_halves(weights[group], 16);
            for column in 0..WIDTH {
                let accumulator = &mut accumulators[group][column];
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(x[column].scale));
                *accumulator = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[group][column]), scale, *accumulator);
            }
        }
    }
    accumulators
}

/// Weights of two bytes (F16; BF16, where they are `TRUNCATED` single precision) or four (F32).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn float<const GROUPS: usize, const WIDTH: usize, const BYTES: usize, const TRUNCATED: bool>(
    tile: &Tile<'_>,
) -> [[__m256; WIDTH]; GROUPS] {
    let group_bytes = tile.weights.len() / GROUPS;
    let mut x: [&[f32]; WIDTH] = [&[]; WIDTH];
    for (column, x) in x.iter_mut().enumerate() {
        *x = tile.inputs.floats.column(tile.first_column + column);
    }
    let mut accumulators = [[_mm256_setzero_ps(); WIDTH]; GROUPS];
    for k in 0..tile.inputs.floats.height() {
        let mut weights = [_mm256_setzero_ps(); GROUPS];
        for group in 0..GROUPS {
            let start = group * group_bytes + k * LANES * BYTES;
            let bytes = &tile.weights[start..start + LANES * BYTES];
            if k.is_multiple_of((CACHE_LINE / (LANES * BYTES)).max(1)) {
                prefetch(&bytes[..1]);
            }
            weights[group] = match (BYTES, TRUNCATED) {
                (2, true) => load_truncated(bytes),
                (2, false) => load_halves(bytes, 0),
                _ => _mm256_castsi256_ps(load_256(bytes, 0)),
            };
        }
        for column in 0..WIDTH {
            let value = _mm256_set1_ps(x[column][k]);
            for group in 0..GROUPS {
                accumulators[group][column] =
                    _mm256_fmadd_ps(weights[group], value, accumulators[group][column]);
            }
        }
    }
    accumulators
}

/// A unit of weights of each group, asked for ahead of time.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn group_units<'a, const GROUPS: usize>(tile: &Tile<'a>, unit: usize) -> [&'a [u8]; GROUPS] {
    let (group_bytes, unit_bytes) = (tile.weights.len() / GROUPS, tile.format.group_block_bytes());
    let mut units: [&[u8]; GROUPS] = [&[]; GROUPS];
    for (group, target) in units.iter_mut().enumerate() {
        let start = group * group_bytes + unit * unit_bytes;
        *target = &tile.weights[start..start + unit_bytes];
        prefetch(target);
    }
    units
}

/// The activations of each column that meet a block of weights.
#[inline(always)]
pub(super) fn column_blocks<'a, const WIDTH: usize>(
    tile: &Tile<'a>,
    block: usize,
) -> [&'a QuantizedBlock; WIDTH] {
    let inputs = &tile.inputs.quantized;
    let mut blocks = [&inputs.column(tile.first_column)[block]; WIDTH];
    for (column, target) in blocks.iter_mut().enumerate() {
        *target = &inputs.column(tile.first_column + column)[block];
    }
    blocks
}

/// Asks for the bytes that lie [`PREFETCH_BYTES`] behind these.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn prefetch(bytes: &[u8]) {
    for line in (0..bytes.len()).step_by(CACHE_LINE) {
        let address = bytes.as_ptr().wrapping_add(line + PREFETCH_BYTES);
        // Any address will do, mapped or not: a prefetch has no effect that a program can see.
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
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
pub(super) fn load_halves(bytes: &[u8], index: usize) -> __m256 {
    let source = &bytes.as_chunks::<16>().0[index];
    // SAFETY: the array is 16 readable bytes; the load needs no alignment.
    unsafe { _mm256_cvtph_ps(_mm_loadu_si128(source.as_ptr().cast())) }
}

/// Eight numbers that are the upper halves of single precision, exactly.
#[target_feature(enable = "avx2")]
#[inline]
fn load_truncated(bytes: &[u8]) -> __m256 {
    let source = &bytes.as_chunks::<16>().0[0];
    // SAFETY: the array is 16 readable bytes; the load needs no alignment.
    let words = unsafe { _mm_loadu_si128(source.as_ptr().cast()) };
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(words)))
}

/// The `index`th four activations of a block in all lanes.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn broadcast(block: &QuantizedBlock, index: usize) -> __m256i {
    let [a, b, c, d] = block.quants.as_chunks::<4>().0[index];
    _mm256_set1_epi32(i32::from_ne_bytes([a as u8, b as u8, c as u8, d as u8]))
}
