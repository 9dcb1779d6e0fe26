//! The tile kernels for AVX2 of weights whose upper bits lie in planes beside their nibbles (Q5_0, Q5_1, Q5_K, Q6_K),
//! and of the K formats.
//!
//! Quads, broadcasts and `vpmaddubsw` are those of [`super::matmul_avx2`]. Integers are put together once for all
//! columns of the tile. How many 16-bit results may be added before they are widened, with |activation| ≤ 127:
//! - four bits: one result is at most 2 · 15 · 127 = 3,810; the eight of a block add up to 30,480 < 32,768;
//! - five bits: one result is at most 2 · 31 · 127 = 7,874; four, half a block, add up to 31,496 < 32,768;
//! - six bits: one result is at most 2 · 63 · 127 = 16,002; two, a nibble register, add up to 32,004 < 32,768.
//!
//! In the layout, the bits of half a block's quads lie side by side in a byte, lowest quad lowest. Shifts of 16-bit
//! words carry bits from one byte into the other, but never into the places that are kept after.

#![expect(clippy::needless_range_loop, reason = "one index goes through several arrays of registers")]

use std::arch::x86_64::*;

use super::activations::QuantizedBlock;
use super::lanes::LANES;
use super::matmul::Tile;
use super::matmul_avx2::{broadcast, column_blocks, group_units, load_256, load_halves, prefetch};
use super::packed_matrix::BLOCK;

/// Weights of five bits: with a minimum (Q5_1), or with an offset of 16 (Q5_0).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn five_bits<const GROUPS: usize, const WIDTH: usize, const MINIMUM: bool>(
    tile: &Tile<'_>,
) -> [[__m256; WIDTH]; GROUPS] {
    let mut accumulators = [[_mm256_setzero_ps(); WIDTH]; GROUPS];
    for block in 0..tile.inputs.quantized.height() {
        let weights = group_units::<GROUPS>(tile, block);
        let x = column_blocks::<WIDTH>(tile, block);
        let dots = dots_of_five_bits(&weights, &x);
        for group in 0..GROUPS {
            let scales = load_halves(weights[group], 10);
            let minima = if MINIMUM { load_halves(weights[group], 11) } else { scales };
            for column in 0..WIDTH {
                let mut dot = dots[group][column];
                if !MINIMUM {
                    dot = _mm256_sub_epi32(dot, _mm256_set1_epi32(16 * x[column].sum));
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

/// Weights of four or five bits whose scales and minima have scales (Q4_K, Q5_K).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn scaled_minima<const GROUPS: usize, const WIDTH: usize, const BITS: usize>(
    tile: &Tile<'_>,
) -> [[__m256; WIDTH]; GROUPS] {
    let mut accumulators = [[_mm256_setzero_ps(); WIDTH]; GROUPS];
    for block in 0..tile.inputs.quantized.height() {
        let (headers, weights) = k_blocks::<GROUPS>(tile, block);
        let x = column_blocks::<WIDTH>(tile, block);
        let mut quants: [&[u8]; GROUPS] = [&[]; GROUPS];
        for group in 0..GROUPS {
            quants[group] = &weights[group][2 * LANES..];
        }
        let dots = if BITS == 4 { dots_of_four_bits(&quants, &x) } else { dots_of_five_bits(&quants, &x) };
        for group in 0..GROUPS {
            let scales = _mm256_mul_ps(load_halves(headers[group], 0), load_unsigned(weights[group], 0));
            let minima = _mm256_mul_ps(load_halves(headers[group], 1), load_unsigned(weights[group], 1));
            for column in 0..WIDTH {
                let accumulator = &mut accumulators[group][column];
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(x[column].scale));
                *accumulator = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[group][column]), scale, *accumulator);
                // acc − minima · scaled_sum, rounded once: the same bits as with −minima and a plus.
                let scaled_sum = _mm256_set1_ps(x[column].scaled_sum);
                *accumulator = _mm256_fnmadd_ps(minima, scaled_sum, *accumulator);
            }
        }
    }
    accumulators
}

/// Weights of six bits with a scale for 16 columns (Q6_K).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn six_bits<const GROUPS: usize, const WIDTH: usize>(
    tile: &Tile<'_>,
) -> [[__m256; WIDTH]; GROUPS] {
    let (low_bits, high_bits) = (_mm256_set1_epi8(15), _mm256_set1_epi8(48));
    let ones = _mm256_set1_epi16(1);
    let mut accumulators = [[_mm256_setzero_ps(); WIDTH]; GROUPS];
    for block in 0..tile.inputs.quantized.height() {
        let (headers, weights) = k_blocks::<GROUPS>(tile, block);
        let x = column_blocks::<WIDTH>(tile, block);
        for half in 0..2 {
            let mut dots = [[_mm256_setzero_si256(); WIDTH]; GROUPS];
            for column in 0..WIDTH {
                let (first_sum, sum) = (x[column].first_sum, x[column].sum);
                let sum = if half == 0 { first_sum } else { sum - first_sum };
                for group in 0..GROUPS {
                    dots[group][column] = _mm256_set1_epi32(-32 * sum);
                }
            }
            for pair in 0..2 {
                let i = 2 * half + pair;
                let mut low = [ones; GROUPS];
                let mut high = [ones; GROUPS];
                for group in 0..GROUPS {
                    let quants = &weights[group][2 * LANES..];
                    let (both, plane) = (load_256(quants, i), load_256(quants, 4 + half));
                    let upper = if pair == 0 { _mm256_slli_epi16::<4>(plane) } else { plane };
                    low[group] =
                        _mm256_or_si256(_mm256_and_si256(both, low_bits), _mm256_and_si256(upper, high_bits));
                    let (both, upper) = (_mm256_srli_epi16::<4>(both), _mm256_srli_epi16::<2>(upper));
                    high[group] =
                        _mm256_or_si256(_mm256_and_si256(both, low_bits), _mm256_and_si256(upper, high_bits));
                }
                for column in 0..WIDTH {
                    let (first, second) = (broadcast(x[column], 2 * i), broadcast(x[column], 2 * i + 1));
                    for group in 0..GROUPS {
                        let products = _mm256_add_epi16(
                            _mm256_maddubs_epi16(low[group], first),
                            _mm256_maddubs_epi16(high[group], second),
                        );
                        let dot = &mut dots[group][column];
                        *dot = _mm256_add_epi32(*dot, _mm256_madd_epi16(products, ones));
                    }
                }
            }
            for group in 0..GROUPS {
                let scales = _mm256_mul_ps(load_halves(headers[group], 0), load_signed(weights[group], half));
                for column in 0..WIDTH {
                    let accumulator = &mut accumulators[group][column];
                    let scale = _mm256_mul_ps(scales, _mm256_set1_ps(x[column].scale));
                    *accumulator =
                        _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[group][column]), scale, *accumulator);
                }
            }
        }
    }
    accumulators
}

/// The dot products of nibbles with the activations.
#[target_feature(enable = "avx2")]
#[inline]
fn dots_of_four_bits<const GROUPS: usize, const WIDTH: usize>(
    quants: &[&[u8]; GROUPS],
    x: &[&QuantizedBlock; WIDTH],
) -> [[__m256i; WIDTH]; GROUPS] {
    let low_bits = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let mut dots = [[_mm256_setzero_si256(); WIDTH]; GROUPS];
    for i in 0..4 {
        let mut low = [ones; GROUPS];
        let mut high = [ones; GROUPS];
        for group in 0..GROUPS {
            let both = load_256(quants[group], i);
            low[group] = _mm256_and_si256(both, low_bits);
            high[group] = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low_bits);
        }
        for column in 0..WIDTH {
            let (first, second) = (broadcast(x[column], 2 * i), broadcast(x[column], 2 * i + 1));
            for group in 0..GROUPS {
                let dot = &mut dots[group][column];
                *dot = _mm256_add_epi16(*dot, _mm256_maddubs_epi16(low[group], first));
                *dot = _mm256_add_epi16(*dot, _mm256_maddubs_epi16(high[group], second));
            }
        }
    }
    for group in 0..GROUPS {
        for column in 0..WIDTH {
            dots[group][column] = _mm256_madd_epi16(dots[group][column], ones);
        }
    }
    dots
}

/// The dot products of nibbles and fifth bits with the activations.
#[target_feature(enable = "avx2")]
#[inline]
fn dots_of_five_bits<const GROUPS: usize, const WIDTH: usize>(
    quants: &[&[u8]; GROUPS],
    x: &[&QuantizedBlock; WIDTH],
) -> [[__m256i; WIDTH]; GROUPS] {
    let (low_bits, fifth_bit) = (_mm256_set1_epi8(15), _mm256_set1_epi8(16));
    let ones = _mm256_set1_epi16(1);
    let mut dots = [[_mm256_setzero_si256(); WIDTH]; GROUPS];
    for half in 0..2 {
        // The bit of the next quad is the fifth of each byte.
        let mut fifths = [ones; GROUPS];
        for group in 0..GROUPS {
            let plane = load_256(quants[group], 4);
            fifths[group] = if half == 0 { _mm256_slli_epi16::<4>(plane) } else { plane };
        }
        let mut sums = [[_mm256_setzero_si256(); WIDTH]; GROUPS];
        for pair in 0..2 {
            let i = 2 * half + pair;
            let mut low = [ones; GROUPS];
            let mut high = [ones; GROUPS];
            for group in 0..GROUPS {
                let both = load_256(quants[group], i);
                let fifth = _mm256_and_si256(fifths[group], fifth_bit);
                low[group] = _mm256_or_si256(_mm256_and_si256(both, low_bits), fifth);
                let both = _mm256_srli_epi16::<4>(both);
                let fifth = _mm256_and_si256(_mm256_srli_epi16::<1>(fifths[group]), fifth_bit);
                high[group] = _mm256_or_si256(_mm256_and_si256(both, low_bits), fifth);
                fifths[group] = _mm256_srli_epi16::<2>(fifths[group]);
            }
            for column in 0..WIDTH {
                let (first, second) = (broadcast(x[column], 2 * i), broadcast(x[column], 2 * i + 1));
                for group in 0..GROUPS {
                    let sum = &mut sums[group][column];
                    *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(low[group], first));
                    *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(high[group], second));
                }
            }
        }
        for group in 0..GROUPS {
            for column in 0..WIDTH {
                let sum = _mm256_madd_epi16(sums[group][column], ones);
                dots[group][column] = _mm256_add_epi32(dots[group][column], sum);
            }
        }
    }
    dots
}

/// A block of each group, asked for ahead of time, and the header of its unit.
#[target_feature(enable = "avx2")]
#[inline]
fn k_blocks<'a, const GROUPS: usize>(
    tile: &Tile<'a>,
    block: usize,
) -> ([&'a [u8]; GROUPS], [&'a [u8]; GROUPS]) {
    let (format, group_bytes) = (tile.format, tile.weights.len() / GROUPS);
    let blocks_of_unit = format.unit_columns() / BLOCK;
    let mut headers: [&[u8]; GROUPS] = [&[]; GROUPS];
    let mut blocks: [&[u8]; GROUPS] = [&[]; GROUPS];
    for group in 0..GROUPS {
        let start = group * group_bytes + block / blocks_of_unit * format.group_unit_bytes();
        let (header, unit) =
            tile.weights[start..start + format.group_unit_bytes()].split_at(format.group_header_bytes());
        let start = block % blocks_of_unit * format.group_block_bytes();
        headers[group] = header;
        blocks[group] = &unit[start..start + format.group_block_bytes()];
        prefetch(blocks[group]);
    }
    (headers, blocks)
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
