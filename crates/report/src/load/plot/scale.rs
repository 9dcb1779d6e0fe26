//! From values to places, and the values that are written beside an axis.

use std::ops::RangeInclusive;

use crate::load::number::exact;

/// Ticks of an axis, about.
const TICKS: f64 = 6.0;
/// Decades of a logarithmic axis, at most; what is below them is drawn at its foot.
const MOST_DECADES: f64 = 7.0;
/// The decades there are: from the last digit that a tick is rounded to, to where its value is still finite.
const DECADES: RangeInclusive<f64> = -9.0..=200.0;

/// A value that is written beside an axis, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) text: String,
}

/// How values are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spread {
    Even,
    /// By their logarithms.
    Decades,
}

/// From an interval of values to one of places.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    spread: Spread,
}

impl Scale {
    /// From 0 to at least the greatest value, at a whole tick.
    pub(crate) fn from_zero(greatest: f64, from: f64, to: f64) -> Scale {
        let greatest = if greatest.is_finite() && greatest > 0.0 { greatest } else { 1.0 };
        let step = step(greatest);
        Scale { low: 0.0, high: (greatest / step).ceil() * step, from, to, spread: Spread::Even }
    }

    /// From one value to another, and no further.
    pub(crate) fn between(low: f64, high: f64, from: f64, to: f64) -> Scale {
        let high = if high.is_finite() && high > low { high } else { low + 1.0 };
        Scale { low, high, from, to, spread: Spread::Even }
    }

    /// By decades, with all positive values between the two ends.
    pub(crate) fn decades(least: f64, greatest: f64, from: f64, to: f64) -> Scale {
        let high = if greatest.is_finite() && greatest > 0.0 { greatest.log10().ceil() } else { 0.0 };
        let low = if least.is_finite() && least > 0.0 { least.log10().floor() } else { high - 1.0 };
        let high = high.clamp(DECADES.start() + 1.0, *DECADES.end());
        let low = low.clamp((high - MOST_DECADES).max(*DECADES.start()), high - 1.0);
        Scale { low: 10_f64.powf(low), high: 10_f64.powf(high), from, to, spread: Spread::Decades }
    }

    /// Where a value is; those beyond the ends are at the ends.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let share = match self.spread {
            Spread::Even => (value - self.low) / (self.high - self.low),
            Spread::Decades => {
                (value.max(self.low).log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
            }
        };
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        ((self.from + share * (self.to - self.from)) * 10.0).round() / 10.0
    }

    /// The values that are written, in order.
    pub(crate) fn ticks(&self) -> Vec<Tick> {
        self.ticks_with(exact)
    }

    /// The same in other words.
    pub(crate) fn ticks_with(&self, text: impl Fn(f64) -> String) -> Vec<Tick> {
        let values = match self.spread {
            Spread::Even => self.even_values(),
            Spread::Decades => self.decade_values(),
        };
        values.into_iter().map(|value| Tick { at: self.place(value), text: text(value) }).collect()
    }

    fn even_values(&self) -> Vec<f64> {
        let step = step(self.high - self.low);
        let first = (self.low / step).ceil();
        let count = (self.high / step - first + 1e-9).floor().clamp(0.0, 2.0 * TICKS) as usize;
        // Products of whole numbers, so that no rounding adds up.
        (0..=count).map(|index| ((first + index as f64) * step * 1e9).round() / 1e9).collect()
    }

    fn decade_values(&self) -> Vec<f64> {
        let (low, high) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
        let steps: &[f64] = if high - low <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let values = (low..=high).flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
        // To nine digits, so that a hundredth is written as one.
        let values = values.map(|value| (value * 1e9).round() / 1e9);
        values.filter(|value| *value <= self.high * 1.000_001).collect()
    }
}

/// A distance of ticks that people count by: 1, 2 or 5 times a power of ten.
fn step(range: f64) -> f64 {
    let rough = range / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999_999);
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(scale: &Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn ticks_are_numbers_that_people_count_by() {
        assert_eq!(texts(&Scale::from_zero(47.0, 0.0, 100.0)), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(texts(&Scale::decades(3.0, 180.0, 0.0, 1.0)).len(), 10);
        assert_eq!(texts(&Scale::decades(0.002, 9_000.0, 0.0, 1.0)).len(), 8);
        let scale = Scale::from_zero(47.0, 200.0, 0.0);
        assert_eq!(
            [0.0, 25.0, 50.0, 99.0, -1.0].map(|value| scale.place(value)),
            [200.0, 100.0, 0.0, 0.0, 200.0]
        );
    }

    #[test]
    fn the_least_and_the_greatest_number_there_are_have_a_few_decades() {
        let least = f64::from_bits(1);
        for (one, other) in [(least, least), (0.0, least), (f64::MAX, f64::MAX), (least, f64::MAX)] {
            let scale = Scale::decades(one, other, 10.0, 90.0);
            assert!((2..=40).contains(&scale.ticks().len()), "{scale:?}");
            assert_eq!((scale.place(0.0), scale.place(f64::MAX)), (10.0, 90.0), "{scale:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_values_every_place_is_on_the_axis(
            one in any::<f64>(), other in any::<f64>(), value in any::<f64>()
        ) {
            for scale in [
                Scale::from_zero(one, 10.0, 90.0),
                Scale::decades(one, other, 10.0, 90.0),
                Scale::between(one.clamp(-1e12, 1e12), other.clamp(-1e12, 1e12), 10.0, 90.0),
            ] {
                prop_assert!((10.0..=90.0).contains(&scale.place(value)), "{scale:?}");
                let ticks = scale.ticks();
                prop_assert!(ticks.len() <= 40, "{}", ticks.len());
                prop_assert!(ticks.iter().all(|tick| (10.0..=90.0).contains(&tick.at)));
            }
        }
    }
}
