//! From the states of a text's positions to one vector of length 1, in whose direction the text lies.
//!
//! The states are added up in double precision, positions ascending, one sum for each dimension; the sums are divided
//! by their Euclidean norm and rounded once. That is the direction of the mean: how many there were cancels out.
//! Knows neither how a state is computed nor when.

/// The states of the first positions of a text, added up.
#[derive(Debug, Default)]
pub(crate) struct StateSum {
    sums: Vec<f64>,
    positions: usize,
}

impl StateSum {
    /// How many positions are in it.
    pub(crate) fn positions(&self) -> usize {
        self.positions
    }

    /// Adds the state of the next position, of as many dimensions as those before; all of its values are finite.
    pub(crate) fn add(&mut self, state: &[f32]) {
        self.sums.resize(state.len(), 0.0);
        for (sum, value) in self.sums.iter_mut().zip(state) {
            *sum += f64::from(*value);
        }
        self.positions += 1;
    }

    /// The vector of length 1; none where all sums are zero, and it has no direction.
    pub(crate) fn direction(&self) -> Option<Vec<f32>> {
        // Sums of finite numbers of single precision have squares far within double precision: the norm is zero only
        // where each of them is, and never infinite.
        let squares = self.sums.iter().fold(0.0, |squares, sum| squares + sum * sum);
        let norm = f64::sqrt(squares);
        (norm > 0.0).then(|| self.sums.iter().map(|sum| (sum / norm) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(states: &[[f32; 2]]) -> Option<Vec<f32>> {
        let mut sum = StateSum::default();
        states.iter().for_each(|state| sum.add(state));
        assert_eq!(sum.positions(), states.len());
        sum.direction()
    }

    #[test]
    fn the_direction_is_that_of_the_mean() {
        assert_eq!(direction(&[[3.0, 1.0], [0.0, 3.0]]), Some(vec![0.6, 0.8]));
        assert_eq!(direction(&[[-2.0, 0.0]]), Some(vec![-1.0, 0.0]));
    }

    #[test]
    fn the_largest_and_the_smallest_states_have_one() {
        let half = std::f32::consts::FRAC_1_SQRT_2;
        assert_eq!(direction(&[[f32::MAX; 2]; 9]), Some(vec![half; 2]));
        assert_eq!(direction(&[[f32::from_bits(1); 2]]), Some(vec![half; 2]));
    }

    #[test]
    fn states_that_cancel_out_have_none() {
        assert_eq!(direction(&[[1.0, -2.0], [-1.0, 2.0]]), None);
        assert_eq!(direction(&[]), None);
    }
}
