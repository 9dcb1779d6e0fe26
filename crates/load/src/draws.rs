//! Draws that are the same on every machine.
//!
//! Owns the way from a seed to numbers. Machines that share a schedule must draw alike to the last bit, so that nothing
//! here depends on the platform's mathematics or on what a library of distributions thinks best: ChaCha gives the bits,
//! and the rest is IEEE's basic operations and a pinned `libm`. Refuses to know what is drawn for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What is drawn for: each has draws of its own, so that one more of these changes no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// When requests are sent.
    Arrivals = 1,
    /// What one arrival asks; numbered by the arrival.
    Prompt = 2,
    /// A text that several prompts begin with; numbered by the text.
    SharedText = 3,
}

/// The draws for one thing.
#[derive(Debug, Clone)]
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// The draws for the thing of this number.
    pub(crate) fn of(seed: u64, purpose: Purpose, number: u64) -> Draws {
        Draws::of_run(0, seed, purpose, number)
    }

    /// The same in a further run of a series, counted from 0.
    pub(crate) fn of_run(run: u32, seed: u64, purpose: Purpose, number: u64) -> Draws {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = purpose as u8;
        key[9..13].copy_from_slice(&run.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(number);
        Draws(generator)
    }

    /// Evenly from 0 up to 1, which it never is, in steps of 2^-53.
    pub(crate) fn fraction(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.0.next_u64() >> 11) as f64 * STEP
    }

    /// Evenly from 0 up to this bound, which it never is; 0 where that is 0. No number is likelier than another by more
    /// than bound / 2^64.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// From the exponential distribution of mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        // The logarithm of 0 is none, and 1 less a fraction is never 0.
        -libm::log(1.0 - self.fraction())
    }

    /// From the normal distribution of mean 0 and deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * libm::cos(2.0 * std::f64::consts::PI * self.fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(draw: impl Fn(&mut Draws) -> f64) -> Vec<f64> {
        let mut draws = Draws::of(7, Purpose::Prompt, 0);
        (0..100_000).map(|_| draw(&mut draws)).collect()
    }

    fn mean_and_variance(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        (mean, squares / values.len() as f64)
    }

    #[test]
    fn draws_depend_on_seed_purpose_and_number() {
        let first = |seed, purpose, number| Draws::of(seed, purpose, number).below(u64::MAX);
        let all = [
            first(1, Purpose::Prompt, 0),
            first(2, Purpose::Prompt, 0),
            first(1, Purpose::SharedText, 0),
            first(1, Purpose::Prompt, 1),
        ];
        let different: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(first(1, Purpose::Prompt, 0), all[0]);
    }

    #[test]
    fn distributions_have_their_means_and_variances() {
        // 5 standard errors of 100,000 draws.
        let close = |found: f64, expected: f64, deviation: f64| {
            (found - expected).abs() < 5.0 * deviation / 100_000_f64.sqrt()
        };
        let (mean, variance) = mean_and_variance(&many(Draws::fraction));
        assert!(close(mean, 0.5, 0.289) && close(variance, 1.0 / 12.0, 0.0746), "{mean} {variance}");
        let (mean, variance) = mean_and_variance(&many(Draws::exponential));
        assert!(close(mean, 1.0, 1.0) && close(variance, 1.0, 2.83), "{mean} {variance}");
        let (mean, variance) = mean_and_variance(&many(Draws::normal));
        assert!(close(mean, 0.0, 1.0) && close(variance, 1.0, 1.42), "{mean} {variance}");
    }

    #[test]
    fn numbers_below_a_bound_are_all_drawn() {
        let mut draws = Draws::of(7, Purpose::Prompt, 0);
        let mut counts = [0; 5];
        (0..10_000).for_each(|_| counts[draws.below(5) as usize] += 1);
        assert!(counts.iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
        assert_eq!((draws.below(0), draws.below(1)), (0, 0));
    }
}
