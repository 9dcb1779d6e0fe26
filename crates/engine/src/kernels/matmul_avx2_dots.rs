//! Integer dot products for AVX2: a block of a group with the activations of some columns.
//!
//! `vpmaddubsw` makes of each pair of bytes one 16-bit sum of two products, so one instruction does 32 products for
//! eight rows:
//!
//! ```text
//! weights, half of a quad       r0: w0 w1 w2 w3 │ r1: w0 w1 w2 w3 │ …  r7          32 bytes
//! activations, broadcast            x0 x1 x2 x3 │     x0 x1 x2 x3 │ …
//! vpmaddubsw                    w0x0+w1x1 w2x2+w3x3 │ …                            16 × i16
//! vpmaddwd with ones                both together   │ …                            8 × i32, one a row
//! ```
//!
//! How many 16-bit results may be added before they are widened, with |activation| ≤ 127:
//! - four bits: one result is at most 2 · 15 · 127 = 3,810; the eight of a block add up to 30,480 < 32,768;
//! - five bits: one result is at most 2 · 31 · 127 = 7,874; four, half a block, add up to 31,496 < 32,768;
//! - six bits: one result is at most 2 · 63 · 127 = 16,002; two add up to 32,004 < 32,768;
//! - eight bits: |weight| ≤ 128, so one result is at most 2 · 128 · 127 = 32,512 < 32,768, and is widened at once.
//!   `vpmaddubsw` wants one operand unsigned: the weight gives its sign to the activation.
//!
//! In the layout, the upper bits of several quads lie side by side in a byte, lowest quad lowest. Shifts of 16-bit words
//! carry bits from one byte into the other, but never into the places that are kept after.

#![expect(clippy::needless_range_loop, reason = "one index goes through several arrays of registers")]

use std::arch::x86_64::*;

use super::activations::QuantizedBlock;
use super::matmul_avx2::load_256;
use super::packed_matrix::WeightFormat;

/// Registers that a quad of a group fills, and that hold a number for each row.
pub(super) const HALVES: usize = 2;

/// A dot product for each row and column.
pub(super) type Dots<const WIDTH: usize> = [[__m256i; HALVES]; WIDTH];

/// The dot products of a block of the format whose index is `FORMAT`, offsets not subtracted. (Six bits, whose scale
/// changes within the block, have [`dots_of_six_bits`].)
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn dots<const WIDTH: usize, const FORMAT: usize>(
    quants: &[u8],
    x: &[&QuantizedBlock; WIDTH],
) -> Dots<WIDTH> {
    match const { WeightFormat::by_index(FORMAT).bits() } {
        4 => dots_of_four_bits(quants, x),
        5 => dots_of_five_bits(quants, x),
        _ => dots_of_eight_bits(quants, x),
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn dots_of_four_bits<const WIDTH: usize>(quants: &[u8], x: &[&QuantizedBlock; WIDTH]) -> Dots<WIDTH> {
    let low_bits = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let mut dots = [[_mm256_setzero_si256(); HALVES]; WIDTH];
    for i in 0..4 {
        let (mut low, mut high) = ([ones; HALVES], [ones; HALVES]);
        for half in 0..HALVES {
            let both = load_256(quants, i * HALVES + half);
            low[half] = _mm256_and_si256(both, low_bits);
            high[half] = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low_bits);
        }
        add_pair(&mut dots, &low, &high, x, i);
    }
    for dots in &mut dots {
        for dot in dots {
            *dot = _mm256_madd_epi16(*dot, ones);
        }
    }
    dots
}

#[target_feature(enable = "avx2")]
#[inline]
fn dots_of_five_bits<const WIDTH: usize>(quants: &[u8], x: &[&QuantizedBlock; WIDTH]) -> Dots<WIDTH> {
    let (low_bits, fifth_bit) = (_mm256_set1_epi8(15), _mm256_set1_epi8(16));
    let ones = _mm256_set1_epi16(1);
    let mut dots = [[_mm256_setzero_si256(); HALVES]; WIDTH];
    for part in 0..2 {
        // The bit of the next quad is the fifth of each byte.
        let mut fifths = [ones; HALVES];
        for half in 0..HALVES {
            let plane = load_256(quants, 4 * HALVES + half);
            fifths[half] = if part == 0 { _mm256_slli_epi16::<4>(plane) } else { plane };
        }
        let mut sums = [[_mm256_setzero_si256(); HALVES]; WIDTH];
        for i in 2 * part..2 * part + 2 {
            let (mut low, mut high) = ([ones; HALVES], [ones; HALVES]);
            for half in 0..HALVES {
                let both = load_256(quants, i * HALVES + half);
                let fifth = _mm256_and_si256(fifths[half], fifth_bit);
                low[half] = _mm256_or_si256(_mm256_and_si256(both, low_bits), fifth);
                let both = _mm256_srli_epi16::<4>(both);
                let fifth = _mm256_and_si256(_mm256_srli_epi16::<1>(fifths[half]), fifth_bit);
                high[half] = _mm256_or_si256(_mm256_and_si256(both, low_bits), fifth);
                fifths[half] = _mm256_srli_epi16::<2>(fifths[half]);
            }
            add_pair(&mut sums, &low, &high, x, i);
        }
        for column in 0..WIDTH {
            for half in 0..HALVES {
                let sum = _mm256_madd_epi16(sums[column][half], ones);
                dots[column][half] = _mm256_add_epi32(dots[column][half], sum);
            }
        }
    }
    dots
}

/// The dot products of either part of a block, columns 0 to 16 or 16 to 32, of six bits.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn dots_of_six_bits<const WIDTH: usize>(
    quants: &[u8],
    x: &[&QuantizedBlock; WIDTH],
    part: usize,
) -> Dots<WIDTH> {
    let (low_bits, high_bits) = (_mm256_set1_epi8(15), _mm256_set1_epi8(48));
    let ones = _mm256_set1_epi16(1);
    let mut dots = [[_mm256_setzero_si256(); HALVES]; WIDTH];
    for pair in 0..2 {
        let i = 2 * part + pair;
        let (mut low, mut high) = ([ones; HALVES], [ones; HALVES]);
        for half in 0..HALVES {
            let both = load_256(quants, i * HALVES + half);
            let plane = load_256(quants, (4 + part) * HALVES + half);
            let upper = if pair == 0 { _mm256_slli_epi16::<4>(plane) } else { plane };
            low[half] = _mm256_or_si256(_mm256_and_si256(both, low_bits), _mm256_and_si256(upper, high_bits));
            let (both, upper) = (_mm256_srli_epi16::<4>(both), _mm256_srli_epi16::<2>(upper));
            high[half] =
                _mm256_or_si256(_mm256_and_si256(both, low_bits), _mm256_and_si256(upper, high_bits));
        }
        let mut sums = [[_mm256_setzero_si256(); HALVES]; WIDTH];
        add_pair(&mut sums, &low, &high, x, i);
        for column in 0..WIDTH {
            for half in 0..HALVES {
                let sum = _mm256_madd_epi16(sums[column][half], ones);
                dots[column][half] = _mm256_add_epi32(dots[column][half], sum);
            }
        }
    }
    dots
}

#[target_feature(enable = "avx2")]
#[inline]
fn dots_of_eight_bits<const WIDTH: usize>(quants: &[u8], x: &[&QuantizedBlock; WIDTH]) -> Dots<WIDTH> {
    let ones = _mm256_set1_epi16(1);
    let mut dots = [[_mm256_setzero_si256(); HALVES]; WIDTH];
    for i in 0..8 {
        for half in 0..HALVES {
            let signed = load_256(quants, i * HALVES + half);
            let magnitude = _mm256_abs_epi8(signed);
            for column in 0..WIDTH {
                let activations = _mm256_sign_epi8(broadcast(x[column], i), signed);
                let products = _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, activations), ones);
                dots[column][half] = _mm256_add_epi32(dots[column][half], products);
            }
        }
    }
    dots
}

/// Adds, in 16 bits, the products of the quads 2i (`low`) and 2i + 1 (`high`).
#[target_feature(enable = "avx2")]
#[inline]
fn add_pair<const WIDTH: usize>(
    sums: &mut Dots<WIDTH>,
    low: &[__m256i; HALVES],
    high: &[__m256i; HALVES],
    x: &[&QuantizedBlock; WIDTH],
    i: usize,
) {
    for column in 0..WIDTH {
        let (first, second) = (broadcast(x[column], 2 * i), broadcast(x[column], 2 * i + 1));
        for half in 0..HALVES {
            let sum = &mut sums[column][half];
            *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(low[half], first));
            *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(high[half], second));
        }
    }
}

/// The `index`th four activations of a block in all lanes.
#[target_feature(enable = "avx2")]
#[inline]
fn broadcast(block: &QuantizedBlock, index: usize) -> __m256i {
    let [a, b, c, d] = block.quants.as_chunks::<4>().0[index];
    _mm256_set1_epi32(i32::from_ne_bytes([a as u8, b as u8, c as u8, d as u8]))
}
