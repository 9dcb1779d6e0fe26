//! How likely tokens are, for those who want to know: natural logarithms of probabilities at temperature 1.
//!
//! They are those of a row of logits as the model gave it. What a request does to the row afterwards, to choose from it
//! ([`crate::adjustments`], [`crate::sampler`]), is none of this module's business.

use crate::generation::{MOST_ALTERNATIVES, TokenId};
use crate::kernels::lanes::{LANES, Lanes};
use crate::kernels::{InstructionSet, run_with_lanes};
use crate::ranking::{Ranked, Ranking, most_likely};

/// What makes log probabilities of the logits of a row.
pub(crate) struct LogProbabilities {
    maximum: f32,
    log_of_sum: f64,
}

impl LogProbabilities {
    /// Those of a row whose logits are finite.
    pub(crate) fn of(set: InstructionSet, logits: &[f32]) -> LogProbabilities {
        let maximum = most_likely(set, logits).logit;
        let sum = run_with_lanes!(set, |L| (logits: &[f32], maximum: f32) -> f64 { sum_of_exponentials::<L>(logits, maximum) });
        LogProbabilities { maximum, log_of_sum: libm::log(sum) }
    }

    /// That of a token with this logit.
    pub(crate) fn of_logit(&self, logit: f32) -> f32 {
        (f64::from(logit - self.maximum) - self.log_of_sum) as f32
    }

    /// The most likely tokens of the same row with theirs, in order; of `count`, at most [`MOST_ALTERNATIVES`].
    pub(crate) fn alternatives(
        &self,
        set: InstructionSet,
        logits: &[f32],
        count: usize,
        ranking: &mut Ranking,
    ) -> Vec<(TokenId, f32)> {
        let first = ranking.first(set, logits, count.min(MOST_ALTERNATIVES));
        first.sort_unstable_by(Ranked::order);
        first.iter().map(|token| (token.id, self.of_logit(token.logit))).collect()
    }
}

/// `Σ e^(logit − maximum)`: eight sums in double precision by index modulo 8, added by the one tree.
#[inline(always)]
fn sum_of_exponentials<L: Lanes>(logits: &[f32], maximum: f32) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (eights, rest) = logits.as_chunks::<LANES>();
    let mut add = |values: &[f32; LANES], count: usize| {
        let exponentials = L::load(values).subtract(L::splat(maximum)).exponential().to_array();
        for (sum, exponential) in sums.iter_mut().zip(&exponentials[..count]) {
            *sum += f64::from(*exponential);
        }
    };
    eights.iter().for_each(|eight| add(eight, LANES));
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    add(&last, rest.len());
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits() -> Vec<f32> {
        (0..1_003).map(|i| libm::sinf(i as f32 * 0.37) * 9.0).collect()
    }

    #[test]
    fn a_log_probability_is_that_of_the_formula() {
        let logits = logits();
        let sum: f64 = logits.iter().map(|x| libm::exp(f64::from(*x))).sum();
        let [portable, fast] = [InstructionSet::Portable, InstructionSet::detect()]
            .map(|set| LogProbabilities::of(set, &logits));
        for logit in [logits[0], logits[5], logits[1_002]] {
            let truth = f64::from(logit) - libm::log(sum);
            assert!((f64::from(portable.of_logit(logit)) - truth).abs() < 1e-5);
            assert_eq!(portable.of_logit(logit).to_bits(), fast.of_logit(logit).to_bits());
        }
    }

    #[test]
    fn alternatives_come_in_order_with_their_own_values_and_are_bounded() {
        let mut logits = logits();
        logits[700] = 12.5;
        logits[30] = 12.5;
        logits[31] = 20.0;
        for set in [InstructionSet::Portable, InstructionSet::detect()] {
            let probabilities = LogProbabilities::of(set, &logits);
            let told = |count| probabilities.alternatives(set, &logits, count, &mut Ranking::default());
            let values = [20.0, 12.5, 12.5].map(|logit| probabilities.of_logit(logit));
            assert_eq!(told(3), [(31, values[0]), (30, values[1]), (700, values[2])]);
            assert_eq!(told(0), []);
            assert_eq!(told(1_000).len(), MOST_ALTERNATIVES);
        }
    }
}
