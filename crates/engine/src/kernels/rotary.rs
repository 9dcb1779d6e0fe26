//! Rotary position embedding: each pair of a head's values is turned by an angle that grows with the position.
//!
//! Pairs are neighbours (2i, 2i + 1), as model files of architecture `llama` order them. Angles, sines and cosines
//! are computed in double precision by the pinned `libm`, never by the platform's, and rounded once.

use super::{InstructionSet, run_with_lanes};

/// The frequencies of a model's pairs.
pub(crate) struct Rotary {
    frequencies: Vec<f64>,
}

/// The sines and cosines of one position.
#[derive(Default)]
pub(crate) struct Angles {
    /// (cosine, sine) of each pair.
    pairs: Vec<(f32, f32)>,
}

impl Rotary {
    /// For heads whose first `dimensions` values are turned, by base `base`.
    pub(crate) fn new(dimensions: usize, base: f32) -> Rotary {
        let frequency = |pair: usize| libm::pow(f64::from(base), -((2 * pair) as f64) / dimensions as f64);
        Rotary { frequencies: (0..dimensions / 2).map(frequency).collect() }
    }

    /// The angles of a position.
    pub(crate) fn angles(&self, position: usize) -> Angles {
        let pair = |frequency: &f64| {
            let (sine, cosine) = libm::sincos(position as f64 * frequency);
            (cosine as f32, sine as f32)
        };
        Angles { pairs: self.frequencies.iter().map(pair).collect() }
    }
}

impl Angles {
    /// Turns one head: `x₀' = fma(x₀, cos, −(x₁ · sin))`, `x₁' = fma(x₀, sin, x₁ · cos)`.
    pub(crate) fn turn(&self, set: InstructionSet, head: &mut [f32]) {
        let pairs = self.pairs.as_slice();
        run_with_lanes!(set, |_L| (pairs: &[(f32, f32)], head: &mut [f32]) -> () { turn_pairs(pairs, head) });
    }
}

#[inline(always)]
fn turn_pairs(angles: &[(f32, f32)], head: &mut [f32]) {
    for ((cosine, sine), pair) in angles.iter().zip(head.as_chunks_mut::<2>().0) {
        let [a, b] = *pair;
        *pair = [a.mul_add(*cosine, -(b * sine)), a.mul_add(*sine, b * cosine)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_zero_turns_nothing_and_lengths_are_kept() {
        let rotary = Rotary::new(8, 10_000.0);
        let head: Vec<f32> = (0..10).map(|i| i as f32 - 4.5).collect();
        let mut turned = head.clone();
        rotary.angles(0).turn(InstructionSet::detect(), &mut turned);
        assert_eq!(head, turned);
        rotary.angles(1_234).turn(InstructionSet::detect(), &mut turned);
        assert_eq!(head[8..], turned[8..], "values beyond the dimensions stay");
        for (before, after) in head[..8].chunks(2).zip(turned[..8].chunks(2)) {
            assert!((before[0].hypot(before[1]) - after[0].hypot(after[1])).abs() < 1e-5);
        }
        let (sine, cosine) = libm::sincos(1_234.0);
        let mut portable = head.clone();
        rotary.angles(1_234).turn(InstructionSet::Portable, &mut portable);
        assert_eq!(turned, portable);
        assert!((f64::from(turned[0]) - (-4.5 * cosine + 3.5 * sine)).abs() < 1e-5);
    }
}
