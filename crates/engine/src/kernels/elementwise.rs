//! What is done to each value by itself, and the one norm.

use super::lanes::{LANES, Lanes};
use super::{InstructionSet, run_with_lanes};

/// Root-mean-square norm: `target = source / sqrt(mean(source²) + epsilon) · weight`.
///
/// The squares go into eight sums by index modulo 8, added up by one fixed tree.
///
/// # Errors
/// When the sum of squares is not finite, so that a value is not, or nearly so.
///
/// # Panics
/// When the lengths differ, or are no multiple of 8.
pub(crate) fn root_mean_square_norm(
    set: InstructionSet,
    source: &[f32],
    weight: &[f32],
    epsilon: f32,
    target: &mut [f32],
) -> Result<(), super::activations::NotFinite> {
    assert!(source.len() == target.len() && source.len() == weight.len(), "lengths agree");
    assert_eq!(source.len() % LANES, 0, "whole lanes");
    run_with_lanes!(set, |L| (source: &[f32], weight: &[f32], epsilon: f32, target: &mut [f32]) -> Result<(), super::activations::NotFinite> {
        norm::<L>(source, weight, epsilon, target)
    })
}

#[inline(always)]
fn norm<L: Lanes>(
    source: &[f32],
    weight: &[f32],
    epsilon: f32,
    target: &mut [f32],
) -> Result<(), super::activations::NotFinite> {
    let source = source.as_chunks::<LANES>().0;
    let mut squares = L::splat(0.0);
    for eight in source {
        let values = L::load(eight);
        squares = values.multiply_add(values, squares);
    }
    let sum = squares.sum();
    if !sum.is_finite() {
        return Err(super::activations::NotFinite);
    }
    let length = (source.len() * LANES) as f32;
    let factor = L::splat(1.0 / (sum / length + epsilon).sqrt());
    let targets = target.as_chunks_mut::<LANES>().0;
    for ((eight, weight), target) in source.iter().zip(weight.as_chunks::<LANES>().0).zip(targets) {
        L::load(eight).multiply(factor).multiply(L::load(weight)).store(target);
    }
    Ok(())
}

/// Whether no value is infinite or not a number.
pub(crate) fn all_finite(set: InstructionSet, values: &[f32]) -> bool {
    run_with_lanes!(set, |L| (values: &[f32]) -> bool { all_finite_lanes::<L>(values) })
}

#[inline(always)]
fn all_finite_lanes<L: Lanes>(values: &[f32]) -> bool {
    // x − x is 0 for finite values and NaN for all others, and a NaN stays in a sum.
    let (eights, rest) = values.as_chunks::<LANES>();
    let mut sums = L::splat(0.0);
    for eight in eights {
        let values = L::load(eight);
        sums = sums.add(values.subtract(values));
    }
    sums.sum() == 0.0 && rest.iter().all(|value| value.is_finite())
}

/// `target += source`.
///
/// # Panics
/// When the lengths differ, or are no multiple of 8.
pub(crate) fn add(set: InstructionSet, target: &mut [f32], source: &[f32]) {
    assert!(target.len() == source.len() && source.len().is_multiple_of(LANES), "whole lanes of one length");
    run_with_lanes!(set, |L| (target: &mut [f32], source: &[f32]) -> () { add_lanes::<L>(target, source) });
}

#[inline(always)]
fn add_lanes<L: Lanes>(target: &mut [f32], source: &[f32]) {
    for (a, b) in target.as_chunks_mut::<LANES>().0.iter_mut().zip(source.as_chunks::<LANES>().0) {
        L::load(a).add(L::load(b)).store(a);
    }
}

/// The gated unit of the feed-forward network: `target = gate / (1 + e^−gate) · up`.
///
/// # Panics
/// When the lengths differ, or are no multiple of 8.
pub(crate) fn gated_sigmoid_unit(set: InstructionSet, gate: &[f32], up: &[f32], target: &mut [f32]) {
    assert!(gate.len() == up.len() && gate.len() == target.len(), "lengths agree");
    assert_eq!(gate.len() % LANES, 0, "whole lanes");
    run_with_lanes!(set, |L| (gate: &[f32], up: &[f32], target: &mut [f32]) -> () {
        gated_unit_lanes::<L>(gate, up, target)
    });
}

#[inline(always)]
fn gated_unit_lanes<L: Lanes>(gate: &[f32], up: &[f32], target: &mut [f32]) {
    let pairs = gate.as_chunks::<LANES>().0.iter().zip(up.as_chunks::<LANES>().0);
    for ((gate, up), target) in pairs.zip(target.as_chunks_mut::<LANES>().0) {
        let gate = L::load(gate);
        let divisor = L::splat(0.0).subtract(gate).exponential().add(L::splat(1.0));
        gate.divide(divisor).multiply(L::load(up)).store(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, step: f32) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) * step).collect()
    }

    fn on_every_set(kernel: impl Fn(InstructionSet, &mut [f32])) -> Vec<f32> {
        let [portable, fast] = [InstructionSet::Portable, InstructionSet::detect()].map(|set| {
            let mut target = values(96, 0.25);
            kernel(set, &mut target);
            target
        });
        assert!(portable.iter().zip(&fast).all(|(a, b)| a.to_bits() == b.to_bits()));
        portable
    }

    #[test]
    fn the_norm_is_that_of_the_formula() {
        let (source, weight) = (values(96, 0.1), values(96, 0.02));
        let result = on_every_set(|set, target| {
            root_mean_square_norm(set, &source, &weight, 1e-5, target).unwrap();
        });
        let mean = source.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() / 96.0;
        for ((x, w), y) in source.iter().zip(&weight).zip(&result) {
            let truth = f64::from(*x) / (mean + 1e-5).sqrt() * f64::from(*w);
            assert!((f64::from(*y) - truth).abs() < 1e-6);
        }
    }

    #[test]
    fn the_norm_refuses_what_is_not_finite() {
        for bad in [f32::NAN, f32::INFINITY, 1e38] {
            let mut source = vec![1.0; 16];
            source[11] = bad;
            let outcome =
                root_mean_square_norm(InstructionSet::detect(), &source, &[1.0; 16], 1e-5, &mut [0.0; 16]);
            assert!(outcome.is_err());
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_found_anywhere() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for set in [InstructionSet::Portable, InstructionSet::detect()] {
                let mut finite = values(99, 1e36);
                assert!(all_finite(set, &finite));
                for index in [0, 7, 50, 95, 96, 98] {
                    let good = std::mem::replace(&mut finite[index], bad);
                    assert!(!all_finite(set, &finite), "{bad} at {index}");
                    finite[index] = good;
                }
            }
        }
    }

    #[test]
    fn the_gated_unit_is_that_of_the_formula() {
        let (gate, up) = (values(96, 0.4), values(96, 0.3));
        let result = on_every_set(|set, target| gated_sigmoid_unit(set, &gate, &up, target));
        for ((g, u), y) in gate.iter().zip(&up).zip(&result) {
            let (g, u) = (f64::from(*g), f64::from(*u));
            let truth = g / (1.0 + libm::exp(-g)) * u;
            assert!((f64::from(*y) - truth).abs() <= truth.abs() * 1e-6, "{y} is not {truth}");
        }
    }

    #[test]
    fn addition_adds() {
        let source = values(96, 1.5);
        let result = on_every_set(|set, target| add(set, target, &source));
        for ((x, y), sum) in values(96, 0.25).iter().zip(&source).zip(&result) {
            assert_eq!(x + y, *sum);
        }
    }
}
