//! Which tokens are the most likely: by (logit descending, id ascending), without sorting the vocabulary.
//!
//! The very first is found by maxima alone. For more, tokens that may belong to the first are gathered until they are
//! twice as many, and cut to those that do; from then on, a token must beat the last of them to be gathered. Knows
//! neither probabilities nor what the tokens are wanted for.

use std::cmp::Ordering;

use crate::generation::TokenId;
use crate::kernels::lanes::{LANES, Lanes};
use crate::kernels::{InstructionSet, run_with_lanes};

/// Tokens among which the most likely one is looked for at a time.
const STRETCH: usize = 64 * LANES;
/// Tokens that are passed over together where none of them can belong to the first.
const SHORT_STRETCH: usize = 8 * LANES;

/// A token and its logit, which is finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ranked {
    pub(crate) id: TokenId,
    pub(crate) logit: f32,
}

impl Ranked {
    /// Which of two comes first.
    pub(crate) fn order(&self, other: &Ranked) -> Ordering {
        other.logit.total_cmp(&self.logit).then_with(|| self.id.cmp(&other.id))
    }
}

/// The token with the largest logit, of equals the first.
pub(crate) fn most_likely(set: InstructionSet, logits: &[f32]) -> Ranked {
    run_with_lanes!(set, |L| (logits: &[f32]) -> Ranked { most_likely_lanes::<L>(logits) })
}

#[inline(always)]
fn most_likely_lanes<L: Lanes>(logits: &[f32]) -> Ranked {
    let (mut maximum, mut first) = (f32::MIN, 0);
    for (index, stretch) in logits.chunks(STRETCH).enumerate() {
        let largest = largest::<L>(stretch);
        if largest > maximum {
            (maximum, first) = (largest, index * STRETCH);
        }
    }
    let place = logits[first..].iter().position(|logit| *logit == maximum).unwrap_or(0);
    Ranked { id: (first + place) as TokenId, logit: maximum }
}

#[inline(always)]
fn largest<L: Lanes>(logits: &[f32]) -> f32 {
    let (eights, rest) = logits.as_chunks::<LANES>();
    let mut largest = L::splat(f32::MIN);
    for eight in eights {
        largest = L::load(eight).larger(largest);
    }
    rest.iter().fold(largest.largest(), |a, b| if *b > a { *b } else { a })
}

/// Finds the first tokens; keeps its memory from one time to the next.
#[derive(Default)]
pub(crate) struct Ranking {
    gathered: Vec<Ranked>,
}

impl Ranking {
    /// The `count` first tokens, or all where there are no more, in no order.
    pub(crate) fn first(&mut self, set: InstructionSet, logits: &[f32], count: usize) -> &mut [Ranked] {
        self.gathered.clear();
        let (count, gathered) = (count.min(logits.len()), &mut self.gathered);
        if count > 0 {
            run_with_lanes!(set, |L| (logits: &[f32], count: usize, gathered: &mut Vec<Ranked>) -> () {
                gather::<L>(logits, count, gathered)
            });
            cut(&mut self.gathered, count);
        }
        &mut self.gathered
    }
}

#[inline(always)]
fn gather<L: Lanes>(logits: &[f32], count: usize, gathered: &mut Vec<Ranked>) {
    let mut last = f32::MIN;
    for (index, stretch) in logits.chunks(SHORT_STRETCH).enumerate() {
        if largest::<L>(stretch) < last {
            continue;
        }
        for (id, logit) in (index * SHORT_STRETCH..).zip(stretch) {
            // Of equals, the one that was there before stays.
            if gathered.len() < count || logit.total_cmp(&last).is_gt() {
                gathered.push(Ranked { id: id as TokenId, logit: *logit });
            }
        }
        if gathered.len() >= 2 * count {
            last = cut(gathered, count);
        }
    }
}

/// Leaves the `count` first, which is at least one; gives the logit of the last of them.
fn cut(gathered: &mut Vec<Ranked>, count: usize) -> f32 {
    if gathered.len() < count {
        return f32::MIN;
    }
    let (_, last, _) = gathered.select_nth_unstable_by(count - 1, Ranked::order);
    let last = last.logit;
    gathered.truncate(count);
    last
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_most_likely_is_the_first_of_the_largest() {
        for count in [1, 7, 8, 513, 2_000] {
            for at in [0, count / 2, count - 1] {
                let mut logits = vec![-1.0_f32; count];
                logits[at..].fill(2.5);
                for set in [InstructionSet::Portable, InstructionSet::detect()] {
                    assert_eq!(most_likely(set, &logits), Ranked { id: at as TokenId, logit: 2.5 });
                }
            }
        }
    }

    /// The same by the definition: all of them sorted.
    fn by_definition(logits: &[f32], count: usize) -> Vec<Ranked> {
        let mut all: Vec<Ranked> =
            (0..).zip(logits).map(|(id, logit)| Ranked { id, logit: *logit }).collect();
        all.sort_by(Ranked::order);
        all.truncate(count);
        all
    }

    fn first(set: InstructionSet, logits: &[f32], count: usize) -> Vec<Ranked> {
        let mut first = Ranking::default().first(set, logits, count).to_vec();
        first.sort_by(Ranked::order);
        first
    }

    #[test]
    fn the_first_are_found_in_a_vocabulary_that_rises_falls_or_is_of_one_logit() {
        let rising: Vec<f32> = (0..5_000).map(|id| id as f32).collect();
        let falling: Vec<f32> = rising.iter().map(|logit| -logit).collect();
        let level = vec![f32::MIN; 5_000];
        for logits in [rising, falling, level] {
            for count in [0, 1, 20, 4_999, 5_000, 6_000] {
                let expected = by_definition(&logits, count);
                assert_eq!(first(InstructionSet::Portable, &logits, count), expected);
                assert_eq!(first(InstructionSet::detect(), &logits, count), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_are_those_of_the_definition(
            // Coarse, so that equal ones are common.
            logits in prop::collection::vec((-9_i8..9).prop_map(|half| f32::from(half) / 2.0), 1..900),
            count in 0_usize..40,
        ) {
            let expected = by_definition(&logits, count);
            for set in [InstructionSet::Portable, InstructionSet::detect()] {
                prop_assert_eq!(&first(set, &logits, count), &expected);
            }
        }
    }
}
