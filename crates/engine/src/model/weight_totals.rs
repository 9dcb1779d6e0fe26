//! How much a model weighs: what a step reads from memory, and what a column multiplies.
//!
//! A step reads the matrices once, however many columns it computes; every column multiplies every weight. The output
//! matrix is apart, since only columns that sample meet it. Norms and gathered embeddings are too small to count.

use crate::kernels::packed_matrix::{PackedMatrix, WeightFormat};

/// Some matrices of a model taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MatrixTotals {
    /// Bytes of the packed weights.
    pub bytes: u64,
    /// Weights: a column takes two operations for each.
    pub weights: u64,
}

/// The matrices of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightTotals {
    /// Those of all layers, which every column meets.
    pub layers: MatrixTotals,
    /// The output matrix, which only columns that sample meet.
    pub head: MatrixTotals,
    main_format: WeightFormat,
}

impl WeightTotals {
    pub(super) fn of(layers: &[&PackedMatrix], head: &PackedMatrix) -> WeightTotals {
        let of_format = |format: WeightFormat| {
            let matrices = layers.iter().filter(|matrix| matrix.format() == format);
            matrices.map(|matrix| weights_of(matrix)).sum::<u64>()
        };
        let formats = WeightFormat::NAMES.map(|(format, _)| format);
        let main_format = formats.into_iter().max_by_key(|format| of_format(*format));
        WeightTotals {
            layers: layers.iter().fold(MatrixTotals::default(), |totals, matrix| totals.with(matrix)),
            head: MatrixTotals::default().with(head),
            main_format: main_format.unwrap_or(head.format()),
        }
    }

    /// The format in which most weights of the layers are written, by its name in a model file.
    pub fn main_format_name(&self) -> &'static str {
        let known = WeightFormat::NAMES.iter().find(|(format, _)| *format == self.main_format);
        known.map_or("unknown", |(_, name)| name)
    }

    /// The format in which most weights of the layers are written.
    pub(crate) fn main_format(&self) -> WeightFormat {
        self.main_format
    }
}

impl MatrixTotals {
    fn with(self, matrix: &PackedMatrix) -> MatrixTotals {
        MatrixTotals {
            bytes: self.bytes + (matrix.groups() * matrix.group_bytes()) as u64,
            weights: self.weights + weights_of(matrix),
        }
    }
}

fn weights_of(matrix: &PackedMatrix) -> u64 {
    (matrix.rows() * matrix.columns()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(format: WeightFormat, rows: usize, columns: usize) -> PackedMatrix {
        let bytes = rows * columns / format.unit_columns() * format.unit_bytes();
        PackedMatrix::alone(format, rows, columns, &vec![0; bytes]).unwrap()
    }

    #[test]
    fn bytes_are_those_of_whole_groups_and_weights_those_of_the_matrix() {
        let layers = [
            matrix(WeightFormat::Q4_1, 16, 64),
            matrix(WeightFormat::Q8_0, 17, 32),
            matrix(WeightFormat::Q4_1, 16, 32),
        ];
        let head = matrix(WeightFormat::F16, 16, 64);
        let totals = WeightTotals::of(&layers.each_ref(), &head);
        let expected_bytes = 16 * 2 * 20 + 32 * 34 + 16 * 20;
        assert_eq!(
            totals.layers,
            MatrixTotals { bytes: expected_bytes, weights: 16 * 64 + 17 * 32 + 16 * 32 }
        );
        assert_eq!(totals.head, MatrixTotals { bytes: 16 * 64 * 2, weights: 16 * 64 });
        assert_eq!(totals.main_format_name(), "Q4_1");
    }
}
