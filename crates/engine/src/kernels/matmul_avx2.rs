//! The tile kernels for AVX2, FMA and F16C.
//!
//! A register of weights holds, for each of eight rows, four neighbouring weights as bytes (the layout of
//! [`super::packed_matrix`]); the four activations that they meet are broadcast to all lanes. `vpmaddubsw` makes of
//! each pair of bytes one 16-bit sum of two products, so one instruction does 32 products for eight rows, and every
//! lane keeps to its row: nothing is ever added across lanes.
//!
//! Bounds of the 16-bit sums, with |activation| ≤ 127:
//! - four bits: one result is at most 2 · 15 · 127 = 3,810; the eight of a block add up to 30,480 < 32,768;
//! - eight bits: |weight| ≤ 128, so one result is at most 2 · 128 · 127 = 32,512 < 32,768, and is widened at once.
//!   `vpmaddubsw` wants one operand unsigned: the weight gives its sign to the activation.
//!
//! Adapters that take closures (`array::from_fn`, `map`) are avoided in the loops: they are not compiled for the
//! features of the function around them, and are then not inlined either.

#![expect(unsafe_code, reason = "AVX2 intrinsics")]

use std::arch::x86_64::*;

use super::lanes::LANES;
use super::matmul::Tile;
use super::packed_matrix::{BLOCK, WeightFormat};

/// How far ahead of the reading position weights are asked for, in bytes.
const PREFETCH_BYTES: usize = 1_024;
/// Bytes that one prefetch brings.
const CACHE_LINE: usize = 64;

/// The products of a group of rows with `WIDTH` columns.
///
/// # Safety
/// The processor has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn columns<const WIDTH: usize>(tile: &Tile<'_>) -> [[f32; LANES]; WIDTH] {
    let accumulators: [__m256; WIDTH] = match tile.format {
        WeightFormat::Q4_0 => four_bits::<WIDTH, false>(tile),
        WeightFormat::Q4_1 => four_bits::<WIDTH, true>(tile),
        WeightFormat::Q8_0 => eight_bits(tile),
        WeightFormat::F16 => float::<WIDTH, 2>(tile),
        WeightFormat::F32 => float::<WIDTH, 4>(tile),
    };
    let mut outputs = [[0.0; LANES]; WIDTH];
    for (output, accumulator) in outputs.iter_mut().zip(accumulators) {
        // SAFETY: the array is 32 writable bytes; the store needs no alignment.
        unsafe { _mm256_storeu_ps(output.as_mut_ptr(), accumulator) };
    }
    outputs
}

/// Weights of four bits: with a minimum (Q4_1), or with an offset of 8 (Q4_0).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn four_bits<const WIDTH: usize, const MINIMUM: bool>(tile: &Tile<'_>) -> [__m256; WIDTH] {
    let inputs = tile.inputs.quantized;
    let mask = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let mut accumulators = [_mm256_setzero_ps(); WIDTH];
    for (block, weights) in tile.weights.chunks_exact(tile.format.group_block_bytes()).enumerate() {
        prefetch(weights);
        let (x, index) = column_blocks::<WIDTH>(tile, block);
        let mut dots = [_mm256_setzero_si256(); WIDTH];
        for i in 0..4 {
            let both = load_256(weights, i);
            let low = _mm256_and_si256(both, mask);
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(both), mask);
            for column in 0..WIDTH {
                let products = _mm256_maddubs_epi16(low, broadcast(x[column], 2 * i));
                dots[column] = _mm256_add_epi16(dots[column], products);
                let products = _mm256_maddubs_epi16(high, broadcast(x[column], 2 * i + 1));
                dots[column] = _mm256_add_epi16(dots[column], products);
            }
        }
        let scales = load_halves(weights, 8);
        for column in 0..WIDTH {
            let mut dot = _mm256_madd_epi16(dots[column], ones);
            if !MINIMUM {
                dot = _mm256_sub_epi32(dot, _mm256_set1_epi32(8 * inputs.sums[index[column]]));
            }
            let scale = _mm256_mul_ps(scales, _mm256_set1_ps(inputs.scales[index[column]]));
            accumulators[column] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, accumulators[column]);
            if MINIMUM {
                let scaled_sum = _mm256_set1_ps(inputs.scaled_sums[index[column]]);
                accumulators[column] =
                    _mm256_fmadd_ps(load_halves(weights, 9), scaled_sum, accumulators[column]);
            }
        }
    }
    accumulators
}

/// Weights of eight bits and a scale (Q8_0).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn eight_bits<const WIDTH: usize>(tile: &Tile<'_>) -> [__m256; WIDTH] {
    let inputs = tile.inputs.quantized;
    let ones = _mm256_set1_epi16(1);
    let mut accumulators = [_mm256_setzero_ps(); WIDTH];
    for (block, weights) in tile.weights.chunks_exact(tile.format.group_block_bytes()).enumerate() {
        prefetch(weights);
        let (x, index) = column_blocks::<WIDTH>(tile, block);
        let mut dots = [_mm256_setzero_si256(); WIDTH];
        for i in 0..8 {
            let signed = load_256(weights, i);
            let magnitude = _mm256_abs_epi8(signed);
            for column in 0..WIDTH {
                let activations = _mm256_sign_epi8(broadcast(x[column], i), signed);
                let products = _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, activations), ones);
                dots[column] = _mm256_add_epi32(dots[column], products);
            }
        }
        let scales = load_halves(weights, 16);
        for column in 0..WIDTH {
            let scale = _mm256_mul_ps(scales, _mm256_set1_ps(inputs.scales[index[column]]));
            accumulators[column] =
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[column]), scale, accumulators[column]);
        }
    }
    accumulators
}

/// Weights of two bytes (F16) or four (F32).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn float<const WIDTH: usize, const BYTES: usize>(tile: &Tile<'_>) -> [__m256; WIDTH] {
    let x: [&[f32]; WIDTH] =
        std::array::from_fn(|column| tile.inputs.floats.column(tile.first_column + column));
    let mut accumulators = [_mm256_setzero_ps(); WIDTH];
    for (k, weights) in tile.weights.chunks_exact(LANES * BYTES).enumerate() {
        if k % (CACHE_LINE / (LANES * BYTES)).max(1) == 0 {
            prefetch(&weights[..1]);
        }
        let weights =
            if BYTES == 2 { load_halves(weights, 0) } else { _mm256_castsi256_ps(load_256(weights, 0)) };
        for column in 0..WIDTH {
            accumulators[column] =
                _mm256_fmadd_ps(weights, _mm256_set1_ps(x[column][k]), accumulators[column]);
        }
    }
    accumulators
}

/// Asks for the bytes that lie [`PREFETCH_BYTES`] behind these.
#[target_feature(enable = "avx2")]
#[inline]
fn prefetch(bytes: &[u8]) {
    for line in (0..bytes.len()).step_by(CACHE_LINE) {
        let address = bytes.as_ptr().wrapping_add(line + PREFETCH_BYTES);
        // Any address will do, mapped or not: a prefetch has no effect that a program can see.
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
}

/// The `index`th 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn load_256(bytes: &[u8], index: usize) -> __m256i {
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

/// The activations of each column that meet a block of weights, and the number of their block.
#[inline(always)]
fn column_blocks<'a, const WIDTH: usize>(
    tile: &Tile<'a>,
    block: usize,
) -> ([&'a [i8; BLOCK]; WIDTH], [usize; WIDTH]) {
    let inputs = tile.inputs.quantized;
    let quants = inputs.quants.as_chunks::<BLOCK>().0;
    let (mut blocks, mut indexes) = ([&quants[0]; WIDTH], [0; WIDTH]);
    for column in 0..WIDTH {
        indexes[column] = (tile.first_column + column) * inputs.blocks() + block;
        blocks[column] = &quants[indexes[column]];
    }
    (blocks, indexes)
}

/// The `index`th four activations of a block in all lanes.
#[target_feature(enable = "avx2")]
#[inline]
fn broadcast(quants: &[i8; BLOCK], index: usize) -> __m256i {
    let [a, b, c, d] = quants.as_chunks::<4>().0[index];
    _mm256_set1_epi32(i32::from_ne_bytes([a as u8, b as u8, c as u8, d as u8]))
}
