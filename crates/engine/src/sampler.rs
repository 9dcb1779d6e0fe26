//! From logits to a token.
//!
//! Tokens are ordered by (logit descending, id ascending). Probabilities are whole numbers: the weight of a token is
//! `e^((logit − max) / temperature)` in units of 2⁻⁴⁰, so that sums are exact and no order of adding matters. Tokens
//! that are less likely than that, against the most likely one, are never drawn.
//!
//! The vocabulary is never sorted as a whole. Tokens near the most likely one are kept, in buckets by how far their
//! logit lies below the largest; the order inside a bucket is looked at only where a sum ends in it. Of the many tokens
//! farther away only the sum of their weights is needed, except in the rare case that a sum ends among them.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use crate::generation::{Sampling, TokenId};
use crate::kernels::lanes::{LANES, Lanes};
use crate::kernels::{InstructionSet, run_with_lanes};

/// The weight of the most likely token.
const UNIT: f32 = 1_099_511_627_776.0;
/// Buckets are one wide, in logits divided by the temperature.
const BUCKETS: usize = 31;
/// Tokens that are farther away than all buckets have no weight: e⁻³¹ < 2⁻⁴⁰.
const WEIGHTLESS: f32 = BUCKETS as f32;
/// Tokens that are farther away than this are not kept at first. The weight of each is below 2⁴⁰ · e⁻¹⁵ < 336,400, so
/// that [`FAR_ADDITIONS`] of them add up to less than 2²⁴: exactly, in single precision.
const NEAR: f32 = 15.0;
/// How many weights of far tokens are added up in single precision.
const FAR_ADDITIONS: usize = 32;
/// Tokens among which the most likely one is looked for at a time.
const STRETCH: usize = 64 * LANES;

/// Chooses tokens; keeps its memory from one to the next.
#[derive(Default)]
pub(crate) struct Sampler {
    candidates: Vec<Candidate>,
    members: Vec<Candidate>,
}

/// A token that may be drawn.
#[derive(Clone, Copy)]
struct Candidate {
    id: TokenId,
    logit: f32,
    bucket: usize,
    weight: u64,
}

/// What decides weights.
#[derive(Clone, Copy)]
struct Scale {
    maximum: f32,
    temperature: f32,
    /// Tokens farther away than this are only added up.
    limit: f32,
}

/// The weights of all tokens, added up.
struct Masses {
    /// Those of the candidates, by bucket.
    buckets: [u64; BUCKETS],
    /// All of them.
    total: u64,
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
        let (best, maximum) = most_likely(set, logits);
        // Also for values that are not numbers.
        let is_drawn = sampling.temperature > 0.0 && sampling.top_p > 0.0;
        if !is_drawn {
            return best;
        }
        let near = Scale { maximum, temperature: sampling.temperature, limit: NEAR };
        let all = Scale { limit: WEIGHTLESS, ..near };
        self.draw_from(set, logits, near, sampling, position)
            .or_else(|| self.draw_from(set, logits, all, sampling, position))
            .unwrap_or(best)
    }

    /// Draws a token; none where one beyond the scale's limit matters.
    fn draw_from(
        &mut self,
        set: InstructionSet,
        logits: &[f32],
        scale: Scale,
        sampling: &Sampling,
        position: usize,
    ) -> Option<TokenId> {
        let masses = self.weigh(set, logits, scale);
        let nucleus = self.nucleus(&masses, sampling.top_p)?;
        self.token_at(&masses, draw(sampling, position, nucleus))
    }

    fn weigh(&mut self, set: InstructionSet, logits: &[f32], scale: Scale) -> Masses {
        self.candidates.clear();
        let candidates = &mut self.candidates;
        let far = run_with_lanes!(set, |L| (logits: &[f32], scale: Scale, candidates: &mut Vec<Candidate>) -> u64 {
            weigh_lanes::<L>(logits, scale, candidates)
        });
        let mut masses = Masses { buckets: [0; BUCKETS], total: far };
        for candidate in &self.candidates {
            masses.buckets[candidate.bucket] += candidate.weight;
            masses.total += candidate.weight;
        }
        masses
    }

    /// The mass of the smallest set of most likely tokens that holds `top_p` of the total.
    fn nucleus(&mut self, masses: &Masses, top_p: f32) -> Option<u64> {
        if top_p >= 1.0 {
            return Some(masses.total);
        }
        // Products of doubles are rounded alike everywhere.
        let wanted = ((f64::from(top_p) * masses.total as f64) as u64).clamp(1, masses.total);
        Some(self.walk(masses, |before, weight| before + weight >= wanted)?.1)
    }

    /// The token in whose part of the line of all weights, in order, the mark lies.
    fn token_at(&mut self, masses: &Masses, mark: u64) -> Option<TokenId> {
        Some(self.walk(masses, |before, weight| before + weight > mark)?.0)
    }

    /// Goes down the order of candidates until `reached` says so of the mass before a token and its weight; gives the
    /// token and the mass up to and with it. `reached` is monotone, so that whole buckets can be passed over.
    fn walk(&mut self, masses: &Masses, reached: impl Fn(u64, u64) -> bool) -> Option<(TokenId, u64)> {
        let mut before = 0;
        for (index, mass) in masses.buckets.iter().enumerate() {
            if !reached(before, *mass) {
                before += mass;
                continue;
            }
            self.members.clear();
            self.members.extend(self.candidates.iter().filter(|candidate| candidate.bucket == index));
            self.members.sort_unstable_by(|a, b| b.logit.total_cmp(&a.logit).then_with(|| a.id.cmp(&b.id)));
            for member in &self.members {
                if reached(before, member.weight) {
                    return Some((member.id, before + member.weight));
                }
                before += member.weight;
            }
        }
        None
    }
}

/// Weighs all tokens: those within the limit become candidates, the weights of the others are added up.
#[inline(always)]
fn weigh_lanes<L: Lanes>(logits: &[f32], scale: Scale, candidates: &mut Vec<Candidate>) -> u64 {
    let mut far = 0;
    for (index, stretch) in logits.chunks(FAR_ADDITIONS * LANES).enumerate() {
        let mut far_sums = L::splat(0.0);
        let first = index * FAR_ADDITIONS * LANES;
        let (eights, rest) = stretch.as_chunks::<LANES>();
        let mut last = [f32::MIN; LANES];
        last[..rest.len()].copy_from_slice(rest);
        let has_rest = usize::from(!rest.is_empty());
        for (id, eight) in (first..).step_by(LANES).zip(eights.iter().chain(&[last][..has_rest])) {
            // What lies behind the vocabulary is infinitely far, and weighs nothing.
            let distances =
                L::splat(scale.maximum).subtract(L::load(eight)).divide(L::splat(scale.temperature));
            let closeness = L::splat(0.0).subtract(distances);
            let weights = closeness.exponential().multiply(L::splat(UNIT));
            if closeness.largest() > -scale.limit {
                far += keep_near(id, eight, &distances.to_array(), &weights.to_array(), scale, candidates);
            } else {
                far_sums = far_sums.add(weights.truncated());
            }
        }
        for sum in far_sums.to_array() {
            far += sum as u64;
        }
    }
    far
}

/// Keeps those of eight tokens that are within the limit; gives the sum of the weights of the others.
#[inline(always)]
fn keep_near(
    first_id: usize,
    logits: &[f32; LANES],
    distances: &[f32; LANES],
    weights: &[f32; LANES],
    scale: Scale,
    candidates: &mut Vec<Candidate>,
) -> u64 {
    let mut far = 0;
    for lane in 0..LANES {
        let (distance, weight) = (distances[lane], weights[lane] as u64);
        if distance < scale.limit {
            let id = (first_id + lane) as TokenId;
            candidates.push(Candidate { id, logit: logits[lane], bucket: distance as usize, weight });
        } else {
            far += weight;
        }
    }
    far
}

/// The token with the largest logit, of equals the first.
fn most_likely(set: InstructionSet, logits: &[f32]) -> (TokenId, f32) {
    run_with_lanes!(set, |L| (logits: &[f32]) -> (TokenId, f32) { most_likely_lanes::<L>(logits) })
}

#[inline(always)]
fn most_likely_lanes<L: Lanes>(logits: &[f32]) -> (TokenId, f32) {
    let (mut maximum, mut first) = (f32::MIN, 0);
    for (index, stretch) in logits.chunks(STRETCH).enumerate() {
        let (eights, rest) = stretch.as_chunks::<LANES>();
        let mut largest = L::splat(f32::MIN);
        for eight in eights {
            largest = L::load(eight).larger(largest);
        }
        let largest = rest.iter().fold(largest.largest(), |a, b| if *b > a { *b } else { a });
        if largest > maximum {
            (maximum, first) = (largest, index * STRETCH);
        }
    }
    let place = logits[first..].iter().position(|logit| *logit == maximum).unwrap_or(0);
    ((first + place) as TokenId, maximum)
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
    let (_, maximum) = most_likely(set, logits);
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
    use crate::kernels::lanes::{Arithmetic, PortableLanes};

    fn sampling(temperature: f32, top_p: f32, seed: u64) -> Sampling {
        Sampling { temperature, top_p, seed, choice: 0, ..Sampling::GREEDY }
    }

    /// The same by the definition: the whole vocabulary sorted, sums from the front.
    fn by_definition(logits: &[f32], sampling: &Sampling, position: usize) -> TokenId {
        let maximum = logits.iter().copied().fold(f32::MIN, f32::max);
        let weight = |id: &TokenId| {
            let distance = (maximum - logits[*id as usize]) / sampling.temperature;
            (PortableLanes::splat(-distance).exponential().to_array()[0] * UNIT) as u64
        };
        let mut order: Vec<TokenId> = (0..logits.len() as TokenId).collect();
        order.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b)));
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

    /// A crowd of unlikely tokens outweighs the likely ones: sums end beyond what is kept at first.
    #[test]
    fn far_tokens_are_drawn_as_the_definition_says() {
        let crowd = |id: usize| -15.0 - (id % 5) as f32 * 0.05;
        let logits: Vec<f32> = (0..49_155).map(|id| if id == 7 { 0.0 } else { crowd(id) }).collect();
        let mut far = 0;
        for position in 0..300 {
            let top_p = if position % 2 == 0 { 1.0 } else { 0.999_9 };
            let sampling = sampling(1.0, top_p, 3);
            let expected = by_definition(&logits, &sampling, position);
            for set in [InstructionSet::Portable, InstructionSet::detect()] {
                assert_eq!(Sampler::default().choose(set, &logits, &sampling, position), expected);
            }
            far += usize::from(expected != 7);
        }
        assert!(far > 0, "some draws end far away");
    }

    #[test]
    fn the_most_likely_is_the_first_of_the_largest() {
        for count in [1, 7, 8, 513, 2_000] {
            for at in [0, count / 2, count - 1] {
                let mut logits = vec![-1.0_f32; count];
                logits[at..].fill(2.5);
                for set in [InstructionSet::Portable, InstructionSet::detect()] {
                    assert_eq!(most_likely(set, &logits), (at as TokenId, 2.5));
                }
            }
        }
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
