//! Between the two orders of a unit of weights: a model file's, and that of [`super::packed_matrix`].
//!
//! Bits move, and nothing is computed, until [`unpack_lane`] makes floats of packed weights. What the integers of a
//! unit mean is said there, and in the portable kernels; how the file arranges them is known here alone.

use half::{bf16, f16};

use super::packed_matrix::{BLOCK, GROUP, QUAD_BYTES, WeightFormat};

/// Puts a unit of one row, as the file has it, into a lane of a packed unit.
pub(super) fn pack_lane(format: WeightFormat, lane: usize, source: &[u8], target: &mut [u8]) {
    match format {
        WeightFormat::F32 => pack_words::<4>(source, lane, target),
        WeightFormat::F16 | WeightFormat::BF16 => pack_words::<2>(source, lane, target),
        WeightFormat::Q8_0 => {
            let (scale, weights) = source.split_at(2);
            for (i, four) in weights.chunks_exact(4).enumerate() {
                target[i * QUAD_BYTES + lane * 4..][..4].copy_from_slice(four);
            }
            pack_words::<2>(scale, lane, &mut target[format.group_quants().end..]);
        }
        WeightFormat::Q4_0 | WeightFormat::Q4_1 | WeightFormat::Q5_0 | WeightFormat::Q5_1 => {
            let scales = if matches!(format, WeightFormat::Q4_0 | WeightFormat::Q5_0) { 2 } else { 4 };
            let (bits, halves) = target.split_at_mut(format.group_quants().end);
            pack_quants(format, &quants_of_one(&source[scales..]), lane, bits);
            pack_words::<2>(&source[..scales], lane, halves);
        }
        WeightFormat::Q4_K | WeightFormat::Q5_K => {
            let (header, blocks) = target.split_at_mut(format.group_header_bytes());
            pack_words::<2>(&source[..4], lane, header);
            for (index, block) in blocks.chunks_exact_mut(format.group_block_bytes()).enumerate() {
                (block[lane], block[GROUP + lane]) = scale_and_minimum(&source[4..16], index);
                let fifths = if format == WeightFormat::Q5_K { Some(&source[16..48]) } else { None };
                let nibbles = &source[source.len() - 128..][index / 2 * BLOCK..][..BLOCK];
                let quants = std::array::from_fn(|k| {
                    let fifth = fifths.map_or(0, |fifths| fifths[k] >> index & 1);
                    nibbles[k] >> (index % 2 * 4) & 15 | fifth << 4
                });
                pack_quants(format, &quants, lane, &mut block[format.group_quants()]);
            }
        }
        WeightFormat::Q6_K => {
            let (header, blocks) = target.split_at_mut(format.group_header_bytes());
            pack_words::<2>(&source[208..], lane, header);
            for (index, block) in blocks.chunks_exact_mut(format.group_block_bytes()).enumerate() {
                let scales = &source[192 + 2 * index..];
                (block[lane], block[GROUP + lane]) = (scales[0], scales[1]);
                // Four blocks share 64 bytes of nibbles, the first two the low ones; and 32 bytes of upper bits.
                let (four, place) = (index / 4, index % 4);
                let nibbles = &source[64 * four + place % 2 * BLOCK..][..BLOCK];
                let high = &source[128 + four * BLOCK..][..BLOCK];
                let quants = std::array::from_fn(|k| {
                    nibbles[k] >> (place / 2 * 4) & 15 | (high[k] >> (2 * place) & 3) << 4
                });
                pack_quants(format, &quants, lane, &mut block[format.group_quants()]);
            }
        }
    }
}

/// Makes floats of a lane of a packed unit.
pub(super) fn unpack_lane(format: WeightFormat, lane: usize, unit: &[u8], values: &mut [f32]) {
    let (header, blocks) = unit.split_at(format.group_header_bytes());
    let blocks = blocks.chunks_exact(format.group_block_bytes());
    for (block, values) in blocks.zip(values.chunks_exact_mut(BLOCK)) {
        unpack_block(format, lane, header, block, values);
    }
}

fn unpack_block(format: WeightFormat, lane: usize, header: &[u8], block: &[u8], values: &mut [f32]) {
    let (quants, halves) = (&block[format.group_quants()], &block[format.group_quants().end..]);
    let quant = |k: usize| f32::from(quant(format, quants, k / 4, lane * 4 + k % 4));
    for (k, value) in values.iter_mut().enumerate() {
        *value = match format {
            WeightFormat::F32 => f32::from_le_bytes(word(block, k * GROUP + lane)),
            WeightFormat::F16 => half_at(block, k * GROUP + lane),
            WeightFormat::BF16 => bf16::from_le_bytes(word(block, k * GROUP + lane)).to_f32_const(),
            WeightFormat::Q4_0 => half_at(halves, lane) * (quant(k) - 8.0),
            WeightFormat::Q5_0 => half_at(halves, lane) * (quant(k) - 16.0),
            WeightFormat::Q4_1 | WeightFormat::Q5_1 => {
                half_at(halves, lane).mul_add(quant(k), half_at(halves, GROUP + lane))
            }
            WeightFormat::Q8_0 => {
                half_at(halves, lane) * f32::from(quants[k / 4 * QUAD_BYTES + lane * 4 + k % 4].cast_signed())
            }
            WeightFormat::Q4_K | WeightFormat::Q5_K => {
                let scale = half_at(header, lane) * f32::from(block[lane]);
                let minimum = half_at(header, GROUP + lane) * f32::from(block[GROUP + lane]);
                scale.mul_add(quant(k), -minimum)
            }
            WeightFormat::Q6_K => {
                let scale = f32::from(block[k / 16 * GROUP + lane].cast_signed());
                half_at(header, lane) * scale * (quant(k) - 32.0)
            }
        };
    }
}

/// The integer at `place` (four for each lane) of the `quad`th quad of a block of 4, 5 or 6 bits, without its offset.
#[inline(always)]
pub(super) fn quant(format: WeightFormat, bits: &[u8], quad: usize, place: usize) -> u8 {
    let nibble = bits[quad / 2 * QUAD_BYTES + place] >> (quad % 2 * 4) & 15;
    match format.bits() {
        4 => nibble,
        5 => nibble | (bits[4 * QUAD_BYTES + place] >> quad & 1) << 4,
        _ => nibble | (bits[(4 + quad / 4) * QUAD_BYTES + place] >> (quad % 4 * 2) & 3) << 4,
    }
}

/// Puts the integers of a block of one row into its lane; what is there is zero.
fn pack_quants(format: WeightFormat, quants: &[u8; BLOCK], lane: usize, bits: &mut [u8]) {
    for (k, quant) in quants.iter().enumerate() {
        let (quad, place) = (k / 4, lane * 4 + k % 4);
        bits[quad / 2 * QUAD_BYTES + place] |= (quant & 15) << (quad % 2 * 4);
        match format.bits() {
            5 => bits[4 * QUAD_BYTES + place] |= (quant >> 4) << quad,
            6 => bits[(4 + quad / 4) * QUAD_BYTES + place] |= (quant >> 4) << (quad % 4 * 2),
            _ => {}
        }
    }
}

/// The integers of a file's block of 32 columns, behind its scales: of five bits, first all fifth ones; then byte j
/// holds weight j in its low nibble and weight j + 16 in its high one.
fn quants_of_one(bytes: &[u8]) -> [u8; BLOCK] {
    let (fifths, nibbles) = bytes.split_at(bytes.len() - BLOCK / 2);
    std::array::from_fn(|k| {
        let fifth = fifths.get(k / 8).map_or(0, |byte| byte >> (k % 8) & 1);
        nibbles[k % 16] >> (k / 16 * 4) & 15 | fifth << 4
    })
}

/// Scale and minimum of a block, of the twelve bytes that eight of both share: those of the first four blocks are
/// the low six bits of a byte each; the others have four bits in the last four bytes, and two above the others'.
fn scale_and_minimum(bytes: &[u8], block: usize) -> (u8, u8) {
    if block < 4 {
        return (bytes[block] & 63, bytes[block + 4] & 63);
    }
    let low = bytes[block + 4];
    (low & 15 | bytes[block - 4] >> 6 << 4, low >> 4 | bytes[block] >> 6 << 4)
}

/// Puts words of `SIZE` bytes into a lane: the nth of them among the nth of all lanes.
fn pack_words<const SIZE: usize>(source: &[u8], lane: usize, target: &mut [u8]) {
    for (k, word) in source.chunks_exact(SIZE).enumerate() {
        target[(k * GROUP + lane) * SIZE..][..SIZE].copy_from_slice(word);
    }
}

/// The `index`th word of `SIZE` bytes.
fn word<const SIZE: usize>(bytes: &[u8], index: usize) -> [u8; SIZE] {
    bytes.as_chunks::<SIZE>().0[index]
}

/// The half-precision number at `index` in `bytes`.
fn half_at(bytes: &[u8], index: usize) -> f32 {
    f16::from_le_bytes(word(bytes, index)).to_f32_const()
}
