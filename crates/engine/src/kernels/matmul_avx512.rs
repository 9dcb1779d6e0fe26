//! The tile kernels for AVX-512 with VNNI.
//!
//! A quad of a group, four neighbouring weights of sixteen rows (the layout of [`super::packed_matrix`]), fills one
//! register; the four activations that it meets are broadcast to all lanes by the load itself. `vpdpbusd` multiplies
//! unsigned weights by signed activations, and adds the four products of a lane to 32 bits, exactly:
//!
//! ```text
//! weights, a quad           r0: w0 w1 w2 w3 │ r1: w0 w1 w2 w3 │ …  r15             64 bytes
//! activations, broadcast        x0 x1 x2 x3 │     x0 x1 x2 x3 │ …
//! vpdpbusd                  dot + w0x0+w1x1+w2x2+w3x3 │ …                          16 × i32, one a row
//! ```
//!
//! Nothing can overflow: 32 products of at most 255 · 127 stay below 2²⁰. Weights of eight bits are signed; they
//! are made unsigned by adding 128, and `128 · sum` is subtracted from the dot product, as other formats' offsets are.
//!
//! A tile has up to eight columns: eight unpacked quads, eight dot products, eight accumulators and the scales fit the 32
//! registers. Every lane keeps to its row: nothing is ever added across lanes. Adapters that take closures are avoided,
//! as in [`super::matmul_avx2`].

#![expect(unsafe_code, reason = "AVX-512 intrinsics")]
#![expect(clippy::needless_range_loop, reason = "one index goes through several arrays of registers")]

use std::arch::x86_64::*;

use super::CACHE_LINE;
use super::activations::QuantizedBlock;
use super::matmul::{Products, Tile, by_format, prefetch_weights};
use super::packed_matrix::{BLOCK, GROUP, WeightFormat};

/// Quads in a block.
const QUADS: usize = BLOCK / 4;

/// The products of `GROUPS` groups of rows with `WIDTH` columns.
///
/// # Safety
/// The processor has AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn quantized<const GROUPS: usize, const WIDTH: usize, const FORMAT: usize>(
    tile: &Tile<'_>,
    outputs: &mut Products<GROUPS, WIDTH>,
) {
    let columns = tile.quantized_columns::<WIDTH>();
    for (index, outputs) in outputs.iter_mut().enumerate() {
        store(&quantized_group::<WIDTH, FORMAT>(tile.group(index), &columns), outputs);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn quantized_group<const WIDTH: usize, const FORMAT: usize>(
    group: &[u8],
    columns: &[&[QuantizedBlock]; WIDTH],
) -> [__m512; WIDTH] {
    let format = const { WeightFormat::by_index(FORMAT) };
    let blocks_of_unit = format.unit_columns() / BLOCK;
    let mut accumulators = [_mm512_setzero_ps(); WIDTH];
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn add_block<const WIDTH: usize, const FORMAT: usize>(
    header: &[u8],
    block: &[u8],
    x: &[&QuantizedBlock; WIDTH],
    accumulators: &mut [__m512; WIDTH],
) {
    let format = const { WeightFormat::by_index(FORMAT) };
    let quads = quads::<FORMAT>(&block[format.group_quants()]);
    let behind = &block[format.group_quants().end..];
    match format {
        WeightFormat::Q6_K => {
            for part in 0..2 {
                let scales = _mm512_mul_ps(load_halves(header, 0), load_signed(block, part));
                for column in 0..WIDTH {
                    let first = _mm512_set1_ps(x[column].first_sum);
                    let all = _mm512_set1_ps(x[column].sum);
                    let sum = if part == 0 { first } else { _mm512_sub_ps(all, first) };
                    let dot = dot(&quads, x[column], part * QUADS / 2..(part + 1) * QUADS / 2);
                    let dot = _mm512_fnmadd_ps(_mm512_set1_ps(32.0), sum, dot);
                    let scale = _mm512_mul_ps(scales, _mm512_set1_ps(x[column].scale));
                    accumulators[column] = _mm512_fmadd_ps(dot, scale, accumulators[column]);
                }
            }
        }
        WeightFormat::Q4_K | WeightFormat::Q5_K => {
            let scales = _mm512_mul_ps(load_halves(header, 0), load_unsigned(block, 0));
            let minima = _mm512_mul_ps(load_halves(header, 1), load_unsigned(block, 1));
            add_scaled(&quads, x, scales, 0.0, Some(negated(minima)), accumulators);
        }
        WeightFormat::Q4_1 | WeightFormat::Q5_1 => {
            let minima = Some(load_halves(behind, 1));
            add_scaled(&quads, x, load_halves(behind, 0), 0.0, minima, accumulators);
        }
        WeightFormat::Q4_0 => add_scaled(&quads, x, load_halves(behind, 0), 8.0, None, accumulators),
        WeightFormat::Q5_0 => add_scaled(&quads, x, load_halves(behind, 0), 16.0, None, accumulators),
        // Eight bits, which [`quads`] has moved by 128.
        _ => add_scaled(&quads, x, load_halves(behind, 0), 128.0, None, accumulators),
    }
}

/// Adds `f32(dot − offset · sum) · (scale · the column's scale)`, then with a minimum `minimum · scaled_sum`. All of it
/// is whole numbers below 2²⁴ until it is scaled, so the difference is exact also in single precision.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
fn add_scaled<const WIDTH: usize>(
    quads: &[__m512i; QUADS],
    x: &[&QuantizedBlock; WIDTH],
    scales: __m512,
    offset: f32,
    minima: Option<__m512>,
    accumulators: &mut [__m512; WIDTH],
) {
    for column in 0..WIDTH {
        let mut dot = dot(quads, x[column], 0..QUADS);
        if offset != 0.0 {
            dot = _mm512_fnmadd_ps(_mm512_set1_ps(offset), _mm512_set1_ps(x[column].sum), dot);
        }
        let scale = _mm512_mul_ps(scales, _mm512_set1_ps(x[column].scale));
        let accumulator = _mm512_fmadd_ps(dot, scale, accumulators[column]);
        accumulators[column] = match minima {
            Some(minima) => _mm512_fmadd_ps(minima, _mm512_set1_ps(x[column].scaled_sum), accumulator),
            None => accumulator,
        };
    }
}

/// The same numbers with the other sign.
#[target_feature(enable = "avx512f")]
#[inline]
fn negated(numbers: __m512) -> __m512 {
    _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(numbers), _mm512_set1_epi32(i32::MIN)))
}

/// The dot product of some quads of a block with a column's activations.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
fn dot(quads: &[__m512i; QUADS], x: &QuantizedBlock, range: std::ops::Range<usize>) -> __m512 {
    let activations = x.quants.as_chunks::<4>().0;
    let mut dot = _mm512_setzero_si512();
    for quad in range {
        let [a, b, c, d] = activations[quad];
        let four = _mm512_set1_epi32(i32::from_ne_bytes([a as u8, b as u8, c as u8, d as u8]));
        dot = _mm512_dpbusd_epi32(dot, quads[quad], four);
    }
    _mm512_cvtepi32_ps(dot)
}

/// The integers of a block, quad after quad, as unsigned bytes; those of eight bits with 128 added.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn quads<const FORMAT: usize>(quants: &[u8]) -> [__m512i; QUADS] {
    let bits = const { WeightFormat::by_index(FORMAT).bits() };
    let low_bits = _mm512_set1_epi8(15);
    let mut quads = [low_bits; QUADS];
    if bits == 8 {
        for (quad, target) in quads.iter_mut().enumerate() {
            *target = _mm512_xor_si512(load_512(quants, quad), _mm512_set1_epi8(-128));
        }
        return quads;
    }
    for pair in 0..QUADS / 2 {
        let both = load_512(quants, pair);
        quads[2 * pair] = _mm512_and_si512(both, low_bits);
        quads[2 * pair + 1] = _mm512_and_si512(_mm512_srli_epi16::<4>(both), low_bits);
    }
    // Upper bits of several quads lie side by side in a byte, lowest quad lowest. Shifts of 16-bit words carry bits from
    // one byte into the other, but never into the places that are kept after.
    if bits == 5 {
        let plane = load_512(quants, 4);
        for (quad, target) in quads.iter_mut().enumerate() {
            *target = with_upper_bits(*target, shifted_left(plane, 4 - quad as i32), 0x10);
        }
    } else if bits == 6 {
        for (quad, target) in quads.iter_mut().enumerate() {
            let plane = load_512(quants, 4 + quad / 4);
            *target = with_upper_bits(*target, shifted_left(plane, 4 - 2 * (quad as i32 % 4)), 0x30);
        }
    }
    quads
}

/// Nibbles, and of another register the bits in `mask`.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn with_upper_bits(nibbles: __m512i, upper: __m512i, mask: i8) -> __m512i {
    _mm512_or_si512(nibbles, _mm512_and_si512(upper, _mm512_set1_epi8(mask)))
}

/// Words of 16 bits shifted to the left, or to the right where `by` is negative.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn shifted_left(words: __m512i, by: i32) -> __m512i {
    let by_signless = _mm_cvtsi32_si128(by.abs());
    if by < 0 { _mm512_srl_epi16(words, by_signless) } else { _mm512_sll_epi16(words, by_signless) }
}

/// Weights of two bytes (F16; BF16, which is the upper half of single precision) or four (F32).
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn float<const GROUPS: usize, const WIDTH: usize, const FORMAT: usize>(
    tile: &Tile<'_>,
    outputs: &mut Products<GROUPS, WIDTH>,
) {
    let format = const { WeightFormat::by_index(FORMAT) };
    let step = format.bits() / 8 * GROUP;
    let columns = tile.float_columns::<WIDTH>();
    let mut accumulators = [[_mm512_setzero_ps(); WIDTH]; GROUPS];
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
            let mut weights = [_mm512_setzero_ps(); GROUPS];
            for group in 0..GROUPS {
                let bytes = &blocks[group][k * step..][..step];
                if k.is_multiple_of((CACHE_LINE / step).max(1)) {
                    prefetch_weights(bytes);
                }
                weights[group] = match format {
                    WeightFormat::BF16 => load_truncated(bytes),
                    WeightFormat::F16 => load_halves(bytes, 0),
                    _ => _mm512_castsi512_ps(load_512(bytes, 0)),
                };
            }
            for column in 0..WIDTH {
                let value = _mm512_set1_ps(x[column][k]);
                for group in 0..GROUPS {
                    let accumulator = &mut accumulators[group][column];
                    *accumulator = _mm512_fmadd_ps(weights[group], value, *accumulator);
                }
            }
        }
    }
    for (accumulators, outputs) in accumulators.iter().zip(outputs) {
        store(accumulators, outputs);
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store<const WIDTH: usize>(accumulators: &[__m512; WIDTH], outputs: &mut [[f32; GROUP]; WIDTH]) {
    for (accumulator, output) in accumulators.iter().zip(outputs) {
        // SAFETY: the array is 64 writable bytes; the store needs no alignment.
        unsafe { _mm512_storeu_ps(output.as_mut_ptr(), *accumulator) };
    }
}

/// The `index`th 64 bytes.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_512(bytes: &[u8], index: usize) -> __m512i {
    let source = &bytes.as_chunks::<64>().0[index];
    // SAFETY: the array is 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(source.as_ptr().cast()) }
}

/// The `index`th 32 bytes.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_256(bytes: &[u8], index: usize) -> __m256i {
    let source = &bytes.as_chunks::<32>().0[index];
    // SAFETY: the array is 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(source.as_ptr().cast()) }
}

/// The `index`th sixteen half-precision numbers, exactly.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_halves(bytes: &[u8], index: usize) -> __m512 {
    _mm512_cvtph_ps(load_256(bytes, index))
}

/// Sixteen numbers that are the upper halves of single precision, exactly.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_truncated(bytes: &[u8]) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(load_256(bytes, 0))))
}

/// The `index`th sixteen bytes as numbers.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_unsigned(bytes: &[u8], index: usize) -> __m512 {
    _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load_128(bytes, index)))
}

/// The `index`th sixteen signed bytes as numbers.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_signed(bytes: &[u8], index: usize) -> __m512 {
    _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_128(bytes, index)))
}

/// The `index`th 16 bytes.
#[inline(always)]
fn load_128(bytes: &[u8], index: usize) -> __m128i {
    let source = &bytes.as_chunks::<16>().0[index];
    // SAFETY: every x86-64 has SSE2; the array is 16 readable bytes, and the load needs no alignment.
    unsafe { _mm_loadu_si128(source.as_ptr().cast()) }
}
