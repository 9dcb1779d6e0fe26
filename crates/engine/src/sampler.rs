//! From logits to a token.
//!
//! Tokens are ordered by (logit descending, id ascending). Probabilities are whole numbers: the weight of a token is
//! `e^((logit − max) / temperature)` in units of 2⁻⁴⁰, so that sums are exact and no order of adding matters. Tokens
//! that are less likely than that, against the most likely one, are never drawn.
//!
//! What is drawn from is the beginning of that order, as far as all three of these reach, each on what the one before
//! left: the `top_k` first tokens; of these, the fewest first ones that hold `top_p` of their mass; of these, those up
//! to the first that is lighter than `min_p` of the most likely one.
//!
//! The vocabulary is never sorted as a whole. Tokens near the most likely one are kept, in buckets by how far their
//! logit lies below the largest; the order inside a bucket is looked at only where a sum ends in it. Of the many tokens
//! farther away only the sum of their weights is needed, except in the rare case that a sum ends among them. Of
//! `top_k` tokens, all are kept, and no others are looked at.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use crate::generation::{Sampling, TokenId};
use crate::kernels::lanes::{LANES, Lanes};
use crate::kernels::{InstructionSet, run_with_lanes};
use crate::ranking::{Ranked, Ranking, most_likely};

/// The weight of the most likely token.
const UNIT: f32 = 1_099_511_627_776.0;
/// Buckets are one wide, in logits divided by the temperature.
const BUCKETS: usize = 31;
/// Tokens that are farther away than all buckets have no weight: e⁻³¹ < 2⁻⁴⁰.
const WEIGHTLESS: f32 = BUCKETS as f32;
/// Tokens that are farther away than this are not kept at first. The weight of each is below 2⁴⁰ · e⁻¹⁵ <
/// [`HEAVIEST_FAR`], so that [`FAR_ADDITIONS`] of them add up to less than 2²⁴: exactly, in single precision.
const NEAR: f32 = 15.0;
/// More than the weight of any token that is not kept.
const HEAVIEST_FAR: u64 = 336_400;
/// How many weights of far tokens are added up in single precision.
const FAR_ADDITIONS: usize = 32;

/// Chooses tokens; keeps its memory from one to the next.
#[derive(Default)]
pub(crate) struct Sampler {
    candidates: Vec<Candidate>,
    members: Vec<Candidate>,
    ranking: Ranking,
    /// The logits of the `top_k` first tokens.
    first_logits: Vec<f32>,
}

/// A token that may be drawn.
#[derive(Clone, Copy)]
struct Candidate {
    token: Ranked,
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

/// The weights of all tokens.
struct Masses {
    /// Those of the candidates, by bucket.
    buckets: [Run; BUCKETS],
    /// The sum of those of the others.
    far: u64,
    /// The sum of all.
    total: u64,
}

/// The weights of neighbours in the order of tokens.
#[derive(Clone, Copy)]
struct Run {
    mass: u64,
    lightest: u64,
}

impl Run {
    const EMPTY: Run = Run { mass: 0, lightest: u64::MAX };

    fn of(weight: u64) -> Run {
        Run { mass: weight, lightest: weight }
    }

    fn and(self, next: Run) -> Run {
        Run { mass: self.mass + next.mass, lightest: self.lightest.min(next.lightest) }
    }
}

/// Where a walk down the order of tokens ended.
struct Reached {
    token: TokenId,
    /// The mass before that token.
    before: u64,
    /// The mass up to and with it.
    mass: u64,
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
        let Ranked { id: best, logit: maximum } = most_likely(set, logits);
        // Also for values that are not numbers.
        let is_drawn = sampling.temperature > 0.0 && sampling.top_p > 0.0;
        if !is_drawn {
            return best;
        }
        let near = Scale { maximum, temperature: sampling.temperature, limit: NEAR };
        let all = Scale { limit: WEIGHTLESS, ..near };
        let drawn = if (1..logits.len()).contains(&(sampling.top_k as usize)) {
            let masses = self.weigh_first(set, logits, sampling.top_k as usize, all);
            self.draw_from(&masses, sampling, position)
        } else {
            let masses = weigh(set, logits, near, &mut self.candidates);
            self.draw_from(&masses, sampling, position).or_else(|| {
                let masses = weigh(set, logits, all, &mut self.candidates);
                self.draw_from(&masses, sampling, position)
            })
        };
        drawn.unwrap_or(best)
    }

    /// Draws a token; none where one beyond the scale's limit matters.
    fn draw_from(&mut self, masses: &Masses, sampling: &Sampling, position: usize) -> Option<TokenId> {
        let nucleus = self.nucleus(masses, sampling.top_p)?;
        let likely = self.likely(masses, sampling.min_p)?;
        self.token_at(masses, draw(sampling, position, nucleus.min(likely)))
    }

    /// Weighs the `count` first tokens, as if there were no others.
    fn weigh_first(&mut self, set: InstructionSet, logits: &[f32], count: usize, scale: Scale) -> Masses {
        let first = self.ranking.first(set, logits, count);
        self.first_logits.clear();
        self.first_logits.extend(first.iter().map(|token| token.logit));
        let masses = weigh(set, &self.first_logits, scale, &mut self.candidates);
        for candidate in &mut self.candidates {
            candidate.token = first[candidate.token.id as usize];
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
        Some(self.walk(masses, |run| run.mass >= wanted)?.mass)
    }

    /// The mass of the tokens before the first that is lighter than `min_p` of the most likely one.
    fn likely(&mut self, masses: &Masses, min_p: f32) -> Option<u64> {
        // A value that is not a number asks for nothing.
        let least = ((f64::from(min_p) * f64::from(UNIT)) as u64).min(UNIT as u64);
        if least == 0 {
            return Some(masses.total);
        }
        match self.walk(masses, |run| run.lightest < least) {
            Some(reached) => Some(reached.before),
            None if masses.far == 0 || least >= HEAVIEST_FAR => Some(masses.total - masses.far),
            None => None,
        }
    }

    /// The token in whose part of the line of all weights, in order, the mark lies.
    fn token_at(&mut self, masses: &Masses, mark: u64) -> Option<TokenId> {
        Some(self.walk(masses, |run| run.mass > mark)?.token)
    }

    /// Goes down the order of candidates until `reached` says so of all tokens up to one. It is monotone, so that whole
    /// buckets can be passed over.
    fn walk(&mut self, masses: &Masses, reached: impl Fn(Run) -> bool) -> Option<Reached> {
        let mut run = Run::EMPTY;
        for (index, bucket) in masses.buckets.iter().enumerate() {
            if !reached(run.and(*bucket)) {
                run = run.and(*bucket);
                continue;
            }
            self.members.clear();
            self.members.extend(self.candidates.iter().filter(|candidate| candidate.bucket == index));
            self.members.sort_unstable_by(|a, b| a.token.order(&b.token));
            for member in &self.members {
                let before = run.mass;
                run = run.and(Run::of(member.weight));
                if reached(run) {
                    return Some(Reached { token: member.token.id, before, mass: run.mass });
                }
            }
        }
        None
    }
}

/// Weighs all tokens: those within the limit become candidates.
fn weigh(set: InstructionSet, logits: &[f32], scale: Scale, candidates: &mut Vec<Candidate>) -> Masses {
    candidates.clear();
    let far = run_with_lanes!(set, |L| (logits: &[f32], scale: Scale, candidates: &mut Vec<Candidate>) -> u64 {
        weigh_lanes::<L>(logits, scale, candidates)
    });
    let mut masses = Masses { buckets: [Run::EMPTY; BUCKETS], far, total: far };
    for candidate in candidates {
        let bucket = &mut masses.buckets[candidate.bucket];
        *bucket = bucket.and(Run::of(candidate.weight));
        masses.total += candidate.weight;
    }
    masses
}

/// Keeps the tokens within the limit, by their place in the row; gives the sum of the weights of the others.
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
            let token = Ranked { id, logit: logits[lane] };
            candidates.push(Candidate { token, bucket: distance as usize, weight });
        } else {
            far += weight;
        }
    }
    far
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
        if sampling.top_k > 0 {
            order.truncate(sampling.top_k as usize);
        }
        let total: u64 = order.iter().map(weight).sum();
        let wanted =
            if sampling.top_p >= 1.0 { total } else { (f64::from(sampling.top_p) * total as f64) as u64 };
        let mut before = 0;
        order.retain(|id| {
            let is_wanted = before < wanted.max(1);
            before += weight(id);
            is_wanted
        });
        let least = (f64::from(sampling.min_p) * f64::from(UNIT)) as u64;
        let likely = order.iter().position(|id| weight(id) < least.min(UNIT as u64)).unwrap_or(order.len());
        order.truncate(likely);
        let mark = draw(sampling, position, order.iter().map(weight).sum());
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
        for position in 0..360 {
            let top_p = if position % 2 == 0 { 1.0 } else { 0.999_9 };
            // The weights of most of the crowd are below the second of these.
            let min_p = if position < 300 { 0.0 } else { 3e-7 };
            let sampling = Sampling { min_p, ..sampling(1.0, top_p, 3) };
            let expected = by_definition(&logits, &sampling, position);
            for set in [InstructionSet::Portable, InstructionSet::detect()] {
                assert_eq!(Sampler::default().choose(set, &logits, &sampling, position), expected);
            }
            far += usize::from(expected != 7);
        }
        assert!(far > 0, "some draws end far away");
    }

    proptest! {
        #[test]
        fn the_buckets_change_nothing(
            logits in prop::collection::vec(-30.0_f32..30.0, 1..300),
            temperature in 0.05_f32..2.0,
            top_p in 0.01_f32..1.2,
            top_k in prop_oneof![Just(0_u32), 1_u32..400],
            // From what keeps all that weighs anything to what keeps the most likely alone.
            min_p in prop_oneof![Just(0.0_f32), (0.0_f32..32.0).prop_map(|distance| libm::expf(-distance)), Just(2.0)],
            seed in any::<u64>(),
            position in 0_usize..9_000,
        ) {
            // Coarse logits, so that equal ones are common.
            let logits: Vec<f32> = logits.iter().map(|x| (x * 2.0).round() / 2.0).collect();
            let sampling = Sampling { top_k, min_p, ..sampling(temperature, top_p, seed) };
            let expected = by_definition(&logits, &sampling, position);
            for set in [InstructionSet::Portable, InstructionSet::detect()] {
                prop_assert_eq!(Sampler::default().choose(set, &logits, &sampling, position), expected);
            }
        }
    }

    #[test]
    fn only_the_most_likely_are_drawn_where_that_is_asked_for() {
        let logits = [0.0_f32, -1.0, -2.0, -2.0, -3.0, -20.0];
        let drawn = |limits: Sampling| -> Vec<TokenId> {
            let drawn =
                |position| Sampler::default().choose(InstructionSet::detect(), &logits, &limits, position);
            let mut drawn: Vec<TokenId> = (0..2_000).map(drawn).collect();
            drawn.sort_unstable();
            drawn.dedup();
            drawn
        };
        let free = sampling(1.0, 1.0, 5);
        assert_eq!(drawn(free), [0, 1, 2, 3, 4]);
        assert_eq!(drawn(Sampling { top_k: 3, ..free }), [0, 1, 2], "of equals, the first");
        assert_eq!(drawn(Sampling { min_p: 0.1, ..free }), [0, 1, 2, 3], "e⁻² is 0.135");
        assert_eq!(drawn(Sampling { min_p: 0.1, temperature: 0.5, ..free }), [0, 1], "after the temperature");
        assert_eq!(drawn(Sampling { min_p: 5.0, ..free }), [0]);
        assert_eq!(drawn(Sampling { min_p: f32::NAN, ..free }), [0, 1, 2, 3, 4]);
        // Of the first two, the first has 0.73; of all, 0.61.
        assert_eq!(drawn(Sampling { top_p: 0.7, ..free }), [0, 1]);
        assert_eq!(drawn(Sampling { top_p: 0.7, top_k: 2, ..free }), [0]);
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
}
