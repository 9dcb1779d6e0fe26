//! From logits to a token.
//!
//! Tokens are ordered by (logit descending, id ascending). Probabilities are whole numbers: the weight of a token is
//! `e^((logit − max) / temperature)` in units of 2⁻⁴⁰, so that sums are exact and no order of adding matters. Tokens
//! that are less likely than that, against the most likely one, are never drawn.
//!
//! The vocabulary is never sorted as a whole. Tokens fall into buckets by how far their logit lies below the largest;
//! the order inside a bucket is looked at only where a sum ends in it.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use crate::generation::{Sampling, TokenId};
use crate::kernels::lanes::{LANES, Lanes};
use crate::kernels::{InstructionSet, run_with_lanes};

/// The weight of the most likely token.
const UNIT: f32 = 1_099_511_627_776.0;
/// Buckets are one wide, in logits divided by the temperature; weights in the last are zero (e⁻³¹ < 2⁻⁴⁰).
const BUCKETS: usize = 32;

/// Chooses tokens; keeps its memory from one to the next.
#[derive(Default)]
pub(crate) struct Sampler {
    /// `(max − logit) / temperature`.
    distances: Vec<f32>,
    /// The same, as weights.
    weights: Vec<f32>,
    members: Vec<TokenId>,
}

impl Sampler {
    /// The next token, for the sequence that it will be at `position` of. Every logit is finite.
    pub(crate) fn choose(
        &mut self,
        set: InstructionSet,
        logits: &[f32],
        sampling: &Sampling,
        position: usize,
    ) -> TokenId {
        let (best, maximum) = most_likely(logits);
        // Also for values that are not numbers.
        let is_drawn = sampling.temperature > 0.0 && sampling.top_p > 0.0;
        if !is_drawn {
            return best;
        }
        self.weigh(set, logits, maximum, sampling.temperature);
        let mut masses = [0_u64; BUCKETS];
        for (distance, weight) in self.distances.iter().zip(&self.weights) {
            masses[bucket(*distance)] += *weight as u64;
        }
        let total: u64 = masses.iter().sum();
        let nucleus = self.nucleus(logits, &masses, total, sampling.top_p);
        self.token_at(logits, &masses, draw(sampling, position, nucleus))
    }

    fn weigh(&mut self, set: InstructionSet, logits: &[f32], maximum: f32, temperature: f32) {
        // The vocabulary may end inside a register: what is behind it weighs nothing.
        let padded = logits.len().next_multiple_of(LANES);
        self.distances.clear();
        self.distances.extend(logits.iter().map(|logit| (maximum - logit) / temperature));
        self.distances.resize(padded, f32::MAX);
        self.weights.resize(padded, 0.0);
        let (distances, weights) = (&self.distances[..], &mut self.weights[..]);
        run_with_lanes!(set, |L| (distances: &[f32], weights: &mut [f32]) -> () { weigh_lanes::<L>(distances, weights) });
    }

    /// The mass of the smallest set of most likely tokens that holds `top_p` of the total.
    fn nucleus(&mut self, logits: &[f32], masses: &[u64; BUCKETS], total: u64, top_p: f32) -> u64 {
        if top_p >= 1.0 {
            return total;
        }
        // Products of doubles are rounded alike everywhere.
        let wanted = ((f64::from(top_p) * total as f64) as u64).clamp(1, total);
        self.walk(logits, masses, |before, weight| before + weight >= wanted).1
    }

    /// The token in whose part of the line of all weights, in order, the mark lies.
    fn token_at(&mut self, logits: &[f32], masses: &[u64; BUCKETS], mark: u64) -> TokenId {
        self.walk(logits, masses, |before, weight| before + weight > mark).0
    }

    /// Goes down the order of tokens until `reached` says so of the mass before a token and its weight; gives the
    /// token and the mass up to and with it. `reached` is monotone, so that whole buckets can be passed over.
    fn walk(
        &mut self,
        logits: &[f32],
        masses: &[u64; BUCKETS],
        reached: impl Fn(u64, u64) -> bool,
    ) -> (TokenId, u64) {
        let mut before = 0;
        for (index, mass) in masses.iter().enumerate() {
            if !reached(before, *mass) {
                before += mass;
                continue;
            }
            let ids = (0..logits.len() as TokenId).filter(|id| bucket(self.distances[*id as usize]) == index);
            self.members.clear();
            self.members.extend(ids);
            self.members.sort_unstable_by(|a, b| {
                logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b))
            });
            for id in &self.members {
                let weight = self.weights[*id as usize] as u64;
                if reached(before, weight) {
                    return (*id, before + weight);
                }
                before += weight;
            }
        }
        // Nothing was reached: the marks lie below the total, so this is never the case.
        (most_likely(logits).0, before)
    }
}

#[inline(always)]
fn weigh_lanes<L: Lanes>(distances: &[f32], weights: &mut [f32]) {
    for (distance, weight) in distances.as_chunks::<LANES>().0.iter().zip(weights.as_chunks_mut::<LANES>().0)
    {
        let exponential = L::splat(0.0).subtract(L::load(distance)).exponential();
        exponential.multiply(L::splat(UNIT)).store(weight);
    }
}

/// Farther away is a higher bucket; what is infinitely far is in the last.
fn bucket(distance: f32) -> usize {
    (distance as usize).min(BUCKETS - 1)
}

/// The token with the largest logit, of equals the first.
fn most_likely(logits: &[f32]) -> (TokenId, f32) {
    let mut best = (0, f32::MIN);
    for (id, logit) in logits.iter().enumerate() {
        if *logit > best.1 {
            best = (id as TokenId, *logit);
        }
    }
    best
}

/// A whole number from 0 to below `bound`, decided by seed, choice and position: the first eight bytes of the ChaCha20
/// stream (RFC 8439) whose key is the seed and whose nonce is choice and position, little-endian, scaled down.
fn draw(sampling: &Sampling, position: usize, bound: u64) -> u64 {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&sampling.seed.to_le_bytes());
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&sampling.choice.to_le_bytes());
    nonce[4..].copy_from_slice(&(position as u64).to_le_bytes());
    let mut bytes = [0; 8];
    ChaCha20::new(&key.into(), &nonce.into()).apply_keystream(&mut bytes);
    ((u128::from(u64::from_le_bytes(bytes)) * u128::from(bound)) >> 64) as u64
}

/// The natural logarithm of a token's probability at temperature 1.
pub(crate) fn log_probability(set: InstructionSet, logits: &[f32], token: TokenId) -> f32 {
    let (_, maximum) = most_likely(logits);
    let sum = run_with_lanes!(set, |L| (logits: &[f32], maximum: f32) -> f64 { sum_of_exponentials::<L>(logits, maximum) });
    (f64::from(logits[token as usize] - maximum) - libm::log(sum)) as f32
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
    use proptest::prelude::*;

    use super::*;

    fn sampling(temperature: f32, top_p: f32, seed: u64) -> Sampling {
        Sampling { temperature, top_p, seed, choice: 0 }
    }

    /// The same by the definition: the whole vocabulary sorted, sums from the front.
    fn by_definition(logits: &[f32], sampling: &Sampling, position: usize) -> TokenId {
        let mut sampler = Sampler::default();
        sampler.weigh(InstructionSet::Portable, logits, most_likely(logits).1, sampling.temperature);
        let mut order: Vec<TokenId> = (0..logits.len() as TokenId).collect();
        order.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b)));
        let weight = |id: &TokenId| sampler.weights[*id as usize] as u64;
        let total: u64 = order.iter().map(weight).sum();
        let wanted =
            if sampling.top_p >= 1.0 { total } else { (f64::from(sampling.top_p) * total as f64) as u64 };
        let mut nucleus = 0;
        for id in &order {
            nucleus += weight(id);
            if nucleus >= wanted.max(1) {
                break;
            }
        }
        let mark = draw(sampling, position, nucleus);
        let mut before = 0;
        for id in &order {
            before += weight(id);
            if before > mark {
                return *id;
            }
        }
        unreachable!("the mark lies below the total")
    }

    proptest! {
        #[test]
        fn the_buckets_change_nothing(
            logits in prop::collection::vec(-30.0_f32..30.0, 1..300),
            temperature in 0.05_f32..2.0,
            top_p in 0.01_f32..1.2,
            seed in any::<u64>(),
            position in 0_usize..9_000,
        ) {
            // Coarse logits, so that equal ones are common.
            let logits: Vec<f32> = logits.iter().map(|x| (x * 2.0).round() / 2.0).collect();
            let sampling = sampling(temperature, top_p, seed);
            let expected = by_definition(&logits, &sampling, position);
            for set in [InstructionSet::Portable, InstructionSet::detect()] {
                prop_assert_eq!(Sampler::default().choose(set, &logits, &sampling, position), expected);
            }
        }
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let logits = [2.0_f32, 1.0, 0.0, -1.0, -50.0];
        let exponentials: Vec<f64> = logits.iter().map(|x| libm::exp(f64::from(*x))).collect();
        let sum: f64 = exponentials.iter().sum();
        let mut counts = [0_u32; 5];
        for position in 0..40_000 {
            let sampling = sampling(1.0, 1.0, 7);
            counts[Sampler::default().choose(InstructionSet::detect(), &logits, &sampling, position)
                as usize] += 1;
        }
        for (count, exponential) in counts.iter().zip(&exponentials) {
            assert!((f64::from(*count) / 40_000.0 - exponential / sum).abs() < 0.01, "{counts:?}");
        }
        assert_eq!(counts[4], 0, "e⁻⁵² is below the unit");
    }

    #[test]
    fn a_small_nucleus_and_temperature_zero_take_the_most_likely_of_equals_the_first() {
        let logits = [1.0, 5.0, 5.0, -2.0];
        for position in 0..50 {
            let odd = [sampling(f32::NAN, 0.5, 1), sampling(1.0, f32::NAN, 1), sampling(-1.0, 1.0, 1)];
            let small = [sampling(0.0, 1.0, 1), sampling(1.0, 1e-6, 1), sampling(1.0, 0.3, 1)];
            for sampling in odd.into_iter().chain(small) {
                assert_eq!(
                    Sampler::default().choose(InstructionSet::detect(), &logits, &sampling, position),
                    1
                );
            }
        }
    }

    #[test]
    fn a_log_probability_is_that_of_the_formula() {
        let logits: Vec<f32> = (0..1_003).map(|i| libm::sinf(i as f32 * 0.37) * 9.0).collect();
        let sum: f64 = logits.iter().map(|x| libm::exp(f64::from(*x))).sum();
        for token in [0, 5, 1_002] {
            let truth = f64::from(logits[token]) - libm::log(sum);
            let portable = log_probability(InstructionSet::Portable, &logits, token as TokenId);
            assert!((f64::from(portable) - truth).abs() < 1e-5);
            let fast = log_probability(InstructionSet::detect(), &logits, token as TokenId);
            assert_eq!(portable.to_bits(), fast.to_bits());
        }
    }
}
