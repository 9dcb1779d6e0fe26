//! The tile kernels in plain Rust: what every other form must equal to the bit.

use super::lanes::{LANES, Lanes, PortableLanes};
use super::matmul::Tile;
use super::packed_matrix::{BLOCK, WeightFormat, nibble};

/// The products of a group of rows with `WIDTH` columns.
pub(super) fn columns<const WIDTH: usize>(tile: &Tile<'_>) -> [[f32; LANES]; WIDTH] {
    std::array::from_fn(|index| {
        let column = tile.first_column + index;
        if tile.format.is_quantized() { quantized(tile, column) } else { float(tile, column) }
    })
}

fn quantized(tile: &Tile<'_>, column: usize) -> [f32; LANES] {
    let inputs = tile.inputs.quantized;
    let mut accumulators = PortableLanes::splat(0.0);
    for (block, weights) in tile.weights.chunks_exact(tile.format.group_block_bytes()).enumerate() {
        let index = column * inputs.blocks() + block;
        let quants = &inputs.quants.as_chunks::<BLOCK>().0[index];
        let (bits, scales) = weights.split_at(if tile.format == WeightFormat::Q8_0 { 256 } else { 128 });
        let mut dots = [0_i32; LANES];
        for (lane, dot) in dots.iter_mut().enumerate() {
            for (k, quant) in quants.iter().enumerate() {
                let weight = match tile.format {
                    WeightFormat::Q8_0 => i32::from(bits[k / 4 * 32 + lane * 4 + k % 4].cast_signed()),
                    _ => i32::from(nibble(bits, lane, k)),
                };
                *dot += weight * i32::from(*quant);
            }
            if tile.format == WeightFormat::Q4_0 {
                *dot -= 8 * inputs.sums[index];
            }
        }
        let dots = PortableLanes::load(&dots.map(|dot| dot as f32));
        let scale = halves(scales, 0).multiply(PortableLanes::splat(inputs.scales[index]));
        accumulators = dots.multiply_add(scale, accumulators);
        if tile.format == WeightFormat::Q4_1 {
            let scaled_sum = PortableLanes::splat(inputs.scaled_sums[index]);
            accumulators = halves(scales, 1).multiply_add(scaled_sum, accumulators);
        }
    }
    accumulators.to_array()
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
