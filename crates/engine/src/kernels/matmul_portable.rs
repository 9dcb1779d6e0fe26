//! The tile kernels in plain Rust: what every other form must equal to the bit.

use super::lanes::{LANES, Lanes, PortableLanes};
use super::matmul::Tile;
use super::packed_matrix::WeightFormat;

/// The products of `GROUPS` groups of rows with `WIDTH` columns.
pub(super) fn products<const GROUPS: usize, const WIDTH: usize>(
    tile: &Tile<'_>,
) -> [[[f32; LANES]; WIDTH]; GROUPS] {
    let group_bytes = tile.weights.len() / GROUPS;
    std::array::from_fn(|group| {
        let tile = Tile { weights: &tile.weights[group * group_bytes..][..group_bytes], ..*tile };
        if tile.format.is_quantized() {
            return quantized(&tile);
        }
        std::array::from_fn(|index| float(&tile, tile.first_column + index))
    })
}

fn quantized<const WIDTH: usize>(tile: &Tile<'_>) -> [[f32; LANES]; WIDTH] {
    let inputs = &tile.inputs.quantized;
    let mut accumulators = [PortableLanes::splat(0.0); WIDTH];
    for (block, weights) in tile.weights.chunks_exact(tile.format.group_block_bytes()).enumerate() {
        let (bits, scales) = weights.split_at(if tile.format == WeightFormat::Q8_0 { 256 } else { 128 });
        let bits = bits.as_chunks::<32>().0;
        let scale = halves(scales, 0);
        let minimum = if tile.format == WeightFormat::Q4_1 { Some(halves(scales, 1)) } else { None };
        for (column, accumulator) in accumulators.iter_mut().enumerate() {
            let activations = &inputs.column(tile.first_column + column)[block];
            let quants = activations.quants.as_chunks::<4>().0;
            let mut dots = match tile.format {
                WeightFormat::Q8_0 => eight_bits(bits, quants),
                _ => four_bits(bits, quants),
            };
            if tile.format == WeightFormat::Q4_0 {
                dots = dots.map(|dot| dot - 8 * activations.sum);
            }
            let dots = PortableLanes::load(&dots.map(|dot| dot as f32));
            let scale = scale.multiply(PortableLanes::splat(activations.scale));
            *accumulator = dots.multiply_add(scale, *accumulator);
            if let Some(minimum) = minimum {
                let scaled_sum = PortableLanes::splat(activations.scaled_sum);
                *accumulator = minimum.multiply_add(scaled_sum, *accumulator);
            }
        }
    }
    accumulators.map(PortableLanes::to_array)
}

/// The dot products of eight rows of nibbles with the activations.
///
/// Sums of integers are exact in any order, so this is written such that a compiler finds the vectors in it. One
/// place adds up eight products of at most 15 · 127: 15,240, below 2¹⁵. Operations that wrap, though nothing does,
/// keep checks for overflow out of the loop.
fn four_bits(bits: &[[u8; 32]], quants: &[[i8; 4]]) -> [i32; LANES] {
    let mut sums = [0_i16; 32];
    for (bytes, quants) in bits.iter().zip(quants.as_chunks::<2>().0) {
        let (low, high) = (repeated(&quants[0]), repeated(&quants[1]));
        for (place, sum) in sums.iter_mut().enumerate() {
            let low = i16::from(bytes[place] & 15).wrapping_mul(low[place]);
            let high = i16::from(bytes[place] >> 4).wrapping_mul(high[place]);
            *sum = sum.wrapping_add(low.wrapping_add(high));
        }
    }
    sums_of_lanes(&sums.map(i32::from))
}

/// The same for eight rows of bytes; a product is at most 128 · 127, below 2¹⁵.
fn eight_bits(bits: &[[u8; 32]], quants: &[[i8; 4]]) -> [i32; LANES] {
    let mut sums = [0_i32; 32];
    for (bytes, quants) in bits.iter().zip(quants) {
        let quants = repeated(quants);
        for (place, sum) in sums.iter_mut().enumerate() {
            let product = i16::from(bytes[place].cast_signed()).wrapping_mul(quants[place]);
            *sum = sum.wrapping_add(i32::from(product));
        }
    }
    sums_of_lanes(&sums)
}

/// Four activations, once for each lane.
fn repeated(quants: &[i8; 4]) -> [i16; 32] {
    std::array::from_fn(|place| i16::from(quants[place % 4]))
}

fn sums_of_lanes(sums: &[i32; 32]) -> [i32; LANES] {
    let fours = sums.as_chunks::<4>().0;
    std::array::from_fn(|lane| fours[lane].iter().fold(0_i32, |sum, part| sum.wrapping_add(*part)))
}

fn float(tile: &Tile<'_>, column: usize) -> [f32; LANES] {
    let mut accumulators = PortableLanes::splat(0.0);
    for (k, value) in tile.inputs.floats.column(column).iter().enumerate() {
        let weights = if tile.format == WeightFormat::F16 {
            halves(tile.weights, k)
        } else {
            let bytes = &tile.weights.as_chunks::<4>().0.as_chunks::<LANES>().0[k];
            PortableLanes::load(&bytes.map(f32::from_le_bytes))
        };
        accumulators = weights.multiply_add(PortableLanes::splat(*value), accumulators);
    }
    accumulators.to_array()
}

/// The `index`th eight half-precision numbers in `bytes`.
fn halves(bytes: &[u8], index: usize) -> PortableLanes {
    let eight = &bytes.as_chunks::<2>().0.as_chunks::<LANES>().0[index];
    PortableLanes::load_f16(&eight.map(u16::from_le_bytes))
}
