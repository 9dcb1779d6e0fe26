//! The tile kernels in plain Rust: what every other form must equal to the bit.

use super::activations::QuantizedBlock;
use super::lanes::{LANES, Lanes, PortableLanes};
use super::matmul::Tile;
use super::packed_matrix::{BLOCK, WeightFormat};
use super::packing::quant;

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
    let format = tile.format;
    let columns: [&[QuantizedBlock]; WIDTH] =
        std::array::from_fn(|index| tile.inputs.quantized.column(tile.first_column + index));
    let mut accumulators = [PortableLanes::splat(0.0); WIDTH];
    let blocks_of_unit = format.unit_columns() / BLOCK;
    for (unit, weights) in tile.weights.chunks_exact(format.group_unit_bytes()).enumerate() {
        let (header, blocks) = weights.split_at(format.group_header_bytes());
        for (index, weights) in blocks.chunks_exact(format.group_block_bytes()).enumerate() {
            let factors = Factors::of(format, header, weights);
            let mut unpacked = [[0; 32]; BLOCK / 4];
            let quants = Quants::of(format, &weights[format.group_quants()], &mut unpacked);
            for (column, accumulator) in columns.iter().zip(&mut accumulators) {
                *accumulator =
                    factors.add_product(&quants, &column[unit * blocks_of_unit + index], *accumulator);
            }
        }
    }
    accumulators.map(PortableLanes::to_array)
}

/// What the integers of a block are worth.
enum Factors {
    /// `scale · (q − offset)`.
    Scale { scale: PortableLanes, offset: i32 },
    /// `scale · q + minimum`.
    Minimum { scale: PortableLanes, minimum: PortableLanes },
    /// `scale · (q − offset)`, with a scale for either half of the block.
    Halves { scales: [PortableLanes; 2], offset: i32 },
}

impl Factors {
    /// Those of a block of eight rows, in a unit with this header. Products of a half-precision number with eight
    /// bits are exact.
    fn of(format: WeightFormat, header: &[u8], block: &[u8]) -> Factors {
        let (scales, minima) = (&block[..LANES], &block[LANES..2 * LANES]);
        let behind = &block[format.group_quants().end..];
        match format {
            WeightFormat::Q4_0 => Factors::Scale { scale: halves(behind, 0), offset: 8 },
            WeightFormat::Q5_0 => Factors::Scale { scale: halves(behind, 0), offset: 16 },
            WeightFormat::Q4_1 | WeightFormat::Q5_1 => {
                Factors::Minimum { scale: halves(behind, 0), minimum: halves(behind, 1) }
            }
            WeightFormat::Q4_K | WeightFormat::Q5_K => Factors::Minimum {
                scale: halves(header, 0).multiply(integers(scales, f32::from)),
                minimum: halves(header, 1).multiply(integers(minima, |byte| -f32::from(byte))),
            },
            WeightFormat::Q6_K => {
                let signed = |byte: u8| f32::from(byte.cast_signed());
                let scales = [scales, minima].map(|half| halves(header, 0).multiply(integers(half, signed)));
                Factors::Halves { scales, offset: 32 }
            }
            _ => Factors::Scale { scale: halves(behind, 0), offset: 0 },
        }
    }

    /// Adds the product of a block with the activations that it meets.
    fn add_product(
        &self,
        quants: &Quants<'_>,
        activations: &QuantizedBlock,
        accumulator: PortableLanes,
    ) -> PortableLanes {
        let add = |dots: [i32; LANES], offset: i32, scale: PortableLanes, accumulator: PortableLanes| {
            let dots = PortableLanes::load(&dots.map(|dot| (dot - offset) as f32));
            dots.multiply_add(scale.multiply(PortableLanes::splat(activations.scale)), accumulator)
        };
        match *self {
            Factors::Scale { scale, offset } => {
                add(quants.dots(activations), offset * activations.sum, scale, accumulator)
            }
            Factors::Minimum { scale, minimum } => {
                let accumulator = add(quants.dots(activations), 0, scale, accumulator);
                minimum.multiply_add(PortableLanes::splat(activations.scaled_sum), accumulator)
            }
            Factors::Halves { scales, offset } => {
                let sums = [activations.first_sum, activations.sum - activations.first_sum];
                let [first, second] = quants.dots_of_halves(activations);
                let accumulator = add(first, offset * sums[0], scales[0], accumulator);
                add(second, offset * sums[1], scales[1], accumulator)
            }
        }
    }
}

/// The integers of a block of eight rows, quad after quad.
enum Quants<'a> {
    /// Two quads in 32 bytes.
    Nibbles(&'a [[u8; 32]]),
    /// One quad in 32 bytes; signed.
    Bytes(&'a [[u8; 32]]),
}

impl<'a> Quants<'a> {
    /// Those in `bits`; of five and six bits, made bytes in `unpacked`.
    fn of(format: WeightFormat, bits: &'a [u8], unpacked: &'a mut [[u8; 32]; BLOCK / 4]) -> Quants<'a> {
        match format.bits() {
            4 => Quants::Nibbles(bits.as_chunks().0),
            8 => Quants::Bytes(bits.as_chunks().0),
            _ => {
                for (quad, bytes) in unpacked.iter_mut().enumerate() {
                    for (place, byte) in bytes.iter_mut().enumerate() {
                        *byte = quant(format, bits, quad, place);
                    }
                }
                Quants::Bytes(unpacked)
            }
        }
    }

    /// The dot products of eight rows with the activations.
    fn dots(&self, activations: &QuantizedBlock) -> [i32; LANES] {
        let quads = activations.quants.as_chunks::<4>().0;
        match self {
            Quants::Nibbles(bits) => four_bits(bits, quads),
            Quants::Bytes(bytes) => eight_bits(bytes, quads),
        }
    }

    /// The same for columns 0 to 16, and for columns 16 to 32.
    fn dots_of_halves(&self, activations: &QuantizedBlock) -> [[i32; LANES]; 2] {
        let (first, second) = activations.quants.as_chunks::<4>().0.split_at(BLOCK / 8);
        match self {
            Quants::Nibbles(bits) => [four_bits(&bits[..2], first), four_bits(&bits[2..], second)],
            Quants::Bytes(bytes) => [eight_bits(&bytes[..4], first), eight_bits(&bytes[4..], second)],
        }
    }
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
        let weights = match tile.format {
            WeightFormat::F16 => halves(tile.weights, k),
            WeightFormat::BF16 => {
                let bytes = &tile.weights.as_chunks::<2>().0.as_chunks::<LANES>().0[k];
                PortableLanes::load(
                    &bytes.map(|word| f32::from_bits(u32::from(u16::from_le_bytes(word)) << 16)),
                )
            }
            _ => {
                let bytes = &tile.weights.as_chunks::<4>().0.as_chunks::<LANES>().0[k];
                PortableLanes::load(&bytes.map(f32::from_le_bytes))
            }
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

/// Eight bytes as numbers.
fn integers(bytes: &[u8], number: fn(u8) -> f32) -> PortableLanes {
    PortableLanes::load(&std::array::from_fn(|lane| number(bytes[lane])))
}
