//! The tile kernels in plain Rust: what every other form must equal to the bit.

use half::{bf16, f16};

use super::activations::QuantizedBlock;
use super::matmul::{Products, Tile};
use super::packed_matrix::{BLOCK, GROUP, QUAD_BYTES, WeightFormat};
use super::packing::quant;

/// A number for each row of a group.
type Rows = [f32; GROUP];
/// Quads of eight bits of each row of a group.
type Quad = [u8; QUAD_BYTES];

/// The products of `GROUPS` groups of rows with `WIDTH` columns.
pub(super) fn products<const GROUPS: usize, const WIDTH: usize>(
    tile: &Tile<'_>,
    outputs: &mut Products<GROUPS, WIDTH>,
) {
    for (index, outputs) in outputs.iter_mut().enumerate() {
        let group = tile.group(index);
        *outputs = if tile.format.is_quantized() {
            quantized(tile.format, group, &tile.quantized_columns())
        } else {
            tile.float_columns().map(|column| float(tile.format, group, column.as_flattened()))
        };
    }
}

fn quantized<const WIDTH: usize>(
    format: WeightFormat,
    group: &[u8],
    columns: &[&[QuantizedBlock]; WIDTH],
) -> [Rows; WIDTH] {
    let mut accumulators = [[0.0; GROUP]; WIDTH];
    let blocks_of_unit = format.unit_columns() / BLOCK;
    for (unit, weights) in group.chunks_exact(format.group_unit_bytes()).enumerate() {
        let (header, blocks) = weights.split_at(format.group_header_bytes());
        for (index, weights) in blocks.chunks_exact(format.group_block_bytes()).enumerate() {
            let factors = Factors::of(format, header, weights);
            let mut unpacked = [[0; QUAD_BYTES]; BLOCK / 4];
            let quants = Quants::of(format, &weights[format.group_quants()], &mut unpacked);
            for (column, accumulator) in columns.iter().zip(&mut accumulators) {
                factors.add_product(&quants, &column[unit * blocks_of_unit + index], accumulator);
            }
        }
    }
    accumulators
}

/// What the integers of a block are worth.
enum Factors {
    /// `scale · (q − offset)`.
    Scale { scale: Rows, offset: i32 },
    /// `scale · q + minimum`.
    Minimum { scale: Rows, minimum: Rows },
    /// `scale · (q − offset)`, with a scale for either half of the block.
    Halves { scales: [Rows; 2], offset: i32 },
}

impl Factors {
    /// Those of a block of a group, in a unit with this header. Products of a half-precision number with eight bits are
    /// exact.
    fn of(format: WeightFormat, header: &[u8], block: &[u8]) -> Factors {
        let (first, second) = (&block[..GROUP], &block[GROUP..2 * GROUP]);
        let behind = &block[format.group_quants().end..];
        let products = |halves: Rows, number: fn(u8) -> f32, bytes: &[u8]| -> Rows {
            std::array::from_fn(|row| halves[row] * number(bytes[row]))
        };
        match format {
            WeightFormat::Q4_0 => Factors::Scale { scale: halves(behind, 0), offset: 8 },
            WeightFormat::Q5_0 => Factors::Scale { scale: halves(behind, 0), offset: 16 },
            WeightFormat::Q4_1 | WeightFormat::Q5_1 => {
                Factors::Minimum { scale: halves(behind, 0), minimum: halves(behind, 1) }
            }
            WeightFormat::Q4_K | WeightFormat::Q5_K => Factors::Minimum {
                scale: products(halves(header, 0), f32::from, first),
                minimum: products(halves(header, 1), |byte| -f32::from(byte), second),
            },
            WeightFormat::Q6_K => {
                let signed = |byte: u8| f32::from(byte.cast_signed());
                let scales = [first, second].map(|bytes| products(halves(header, 0), signed, bytes));
                Factors::Halves { scales, offset: 32 }
            }
            _ => Factors::Scale { scale: halves(behind, 0), offset: 0 },
        }
    }

    /// Adds the product of a block with the activations that it meets.
    fn add_product(&self, quants: &Quants<'_>, activations: &QuantizedBlock, accumulator: &mut Rows) {
        let mut add = |dots: &[i32; GROUP], offset: i32, scale: &Rows| {
            for row in 0..GROUP {
                let dot = (dots[row] - offset) as f32;
                accumulator[row] = dot.mul_add(scale[row] * activations.scale, accumulator[row]);
            }
        };
        let (first_sum, sum) = (activations.first_sum as i32, activations.sum as i32);
        match self {
            Factors::Scale { scale, offset } => add(&quants.dots(activations), offset * sum, scale),
            Factors::Minimum { scale, minimum } => {
                add(&quants.dots(activations), 0, scale);
                for (accumulator, minimum) in accumulator.iter_mut().zip(minimum) {
                    *accumulator = minimum.mul_add(activations.scaled_sum, *accumulator);
                }
            }
            Factors::Halves { scales, offset } => {
                let [first, second] = quants.dots_of_halves(activations);
                add(&first, offset * first_sum, &scales[0]);
                add(&second, offset * (sum - first_sum), &scales[1]);
            }
        }
    }
}

/// The integers of a block of a group, quad after quad.
enum Quants<'a> {
    /// Two quads in 64 bytes.
    Nibbles(&'a [Quad]),
    /// One quad in 64 bytes; signed.
    Bytes(&'a [Quad]),
}

impl<'a> Quants<'a> {
    /// Those in `bits`; of five and six bits, made bytes in `unpacked`.
    fn of(format: WeightFormat, bits: &'a [u8], unpacked: &'a mut [Quad; BLOCK / 4]) -> Quants<'a> {
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

    /// The dot products of all rows with the activations.
    fn dots(&self, activations: &QuantizedBlock) -> [i32; GROUP] {
        let quads = activations.quants.as_chunks::<4>().0;
        match self {
            Quants::Nibbles(bits) => four_bits(bits, quads),
            Quants::Bytes(bytes) => eight_bits(bytes, quads),
        }
    }

    /// The same for columns 0 to 16, and for columns 16 to 32.
    fn dots_of_halves(&self, activations: &QuantizedBlock) -> [[i32; GROUP]; 2] {
        let (first, second) = activations.quants.as_chunks::<4>().0.split_at(BLOCK / 8);
        match self {
            Quants::Nibbles(bits) => [four_bits(&bits[..2], first), four_bits(&bits[2..], second)],
            Quants::Bytes(bytes) => [eight_bits(&bytes[..4], first), eight_bits(&bytes[4..], second)],
        }
    }
}

/// Places that are added up side by side: those of eight rows, which is what a compiler finds registers for.
const SIDE_BY_SIDE: usize = QUAD_BYTES / 2;

/// The dot products of rows of nibbles with the activations.
///
/// Sums of integers are exact in any order, so this is written such that a compiler finds the vectors in it. One
/// place adds up eight products of at most 15 · 127: 15,240, below 2¹⁵. Operations that wrap, though nothing does,
/// keep checks for overflow out of the loop.
fn four_bits(bits: &[Quad], quants: &[[i8; 4]]) -> [i32; GROUP] {
    let mut dots = [0; GROUP];
    for (half, dots) in dots.chunks_exact_mut(GROUP / 2).enumerate() {
        let mut sums = [0_i16; SIDE_BY_SIDE];
        for (bytes, quants) in bits.iter().zip(quants.as_chunks::<2>().0) {
            let bytes = &bytes.as_chunks::<SIDE_BY_SIDE>().0[half];
            let (low, high) = (repeated(&quants[0]), repeated(&quants[1]));
            for (place, sum) in sums.iter_mut().enumerate() {
                let low = i16::from(bytes[place] & 15).wrapping_mul(low[place]);
                let high = i16::from(bytes[place] >> 4).wrapping_mul(high[place]);
                *sum = sum.wrapping_add(low.wrapping_add(high));
            }
        }
        add_up_rows(&sums.map(i32::from), dots);
    }
    dots
}

/// The same for rows of bytes; a product is at most 128 · 127, below 2¹⁵.
fn eight_bits(bits: &[Quad], quants: &[[i8; 4]]) -> [i32; GROUP] {
    let mut dots = [0; GROUP];
    for (half, dots) in dots.chunks_exact_mut(GROUP / 2).enumerate() {
        let mut sums = [0_i32; SIDE_BY_SIDE];
        for (bytes, quants) in bits.iter().zip(quants) {
            let bytes = &bytes.as_chunks::<SIDE_BY_SIDE>().0[half];
            let quants = repeated(quants);
            for (place, sum) in sums.iter_mut().enumerate() {
                let product = i16::from(bytes[place].cast_signed()).wrapping_mul(quants[place]);
                *sum = sum.wrapping_add(i32::from(product));
            }
        }
        add_up_rows(&sums, dots);
    }
    dots
}

/// Four activations, once for each row.
fn repeated(quants: &[i8; 4]) -> [i16; SIDE_BY_SIDE] {
    std::array::from_fn(|place| i16::from(quants[place % 4]))
}

fn add_up_rows(sums: &[i32; SIDE_BY_SIDE], dots: &mut [i32]) {
    for (dot, four) in dots.iter_mut().zip(sums.as_chunks::<4>().0) {
        *dot = four.iter().fold(0_i32, |sum, part| sum.wrapping_add(*part));
    }
}

fn float(format: WeightFormat, group: &[u8], column: &[f32]) -> Rows {
    let mut accumulators = [0.0; GROUP];
    for (k, value) in column.iter().enumerate() {
        let weights: Rows = match format {
            WeightFormat::F16 => halves(group, k),
            WeightFormat::BF16 => group.as_chunks::<2>().0.as_chunks::<GROUP>().0[k]
                .map(|bytes| bf16::from_le_bytes(bytes).to_f32_const()),
            _ => group.as_chunks::<4>().0.as_chunks::<GROUP>().0[k].map(f32::from_le_bytes),
        };
        for (weight, accumulator) in weights.iter().zip(&mut accumulators) {
            *accumulator = weight.mul_add(*value, *accumulator);
        }
    }
    accumulators
}

/// The `index`th half-precision number of each row.
fn halves(bytes: &[u8], index: usize) -> Rows {
    let words = &bytes.as_chunks::<2>().0.as_chunks::<GROUP>().0[index];
    words.map(|bytes| f16::from_le_bytes(bytes).to_f32_const())
}
