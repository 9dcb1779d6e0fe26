//! Values of one measure: all of them, to three digits.
//!
//! Owns the bounds and the form in JSON, which is that of HdrHistogram (V2, compressed, in base64), so that other tools
//! read it. Refuses to know what its values count.

mod encoding;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer as HdrReader, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest time that is told from longer ones.
pub const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The same in microseconds; also the highest count.
const HIGHEST: u64 = LONGEST.as_micros() as u64;
/// Every value is kept to so many digits.
const DIGITS: u8 = 3;
/// Bytes of a histogram in JSON, at most. One with a value in every bucket takes less.
const LONGEST_TEXT: usize = 4 << 20;

/// A histogram of microseconds or of counts, from 0 to [`LONGEST`]; what is beyond counts as that. It grows with its
/// highest value, to some 180 KB.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

impl Histogram {
    /// Without a value.
    pub fn new() -> Histogram {
        Histogram(empty())
    }

    /// Adds a time, rounded to microseconds.
    pub fn record_time(&mut self, time: Duration) {
        let nanos = time.as_nanos().saturating_add(500) / 1_000;
        self.record(u64::try_from(nanos).unwrap_or(u64::MAX));
    }

    /// Adds a value.
    pub fn record(&mut self, value: u64) {
        // It resizes itself up to its highest value; nothing is beyond.
        let _ = self.0.record(value.min(HIGHEST));
    }

    /// How many values there are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that so many of the values do not exceed; `quantile` is from 0 to 1. None without values.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.value_at_quantile(quantile))
    }

    /// The mean; none without values.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.0.mean())
    }

    /// How far values are from their mean, as the root of the mean square; none without values.
    pub fn deviation(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.0.stdev())
    }

    /// The highest value; none without values.
    pub fn max(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.max())
    }

    /// The lowest value; none without values.
    pub fn min(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.min())
    }

    /// The lowest value that is kept as this one is, to three digits.
    pub fn least_like(&self, value: u64) -> u64 {
        self.0.lowest_equivalent(value)
    }

    /// How many values are at most this, to the precision of the histogram.
    pub fn count_at_most(&self, value: u64) -> u64 {
        self.0.count_between(0, value.min(HIGHEST))
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Histogram) {
        // Both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    /// Values with how often each occurs, ascending.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))
    }
}

fn empty() -> hdrhistogram::Histogram<u64> {
    let mut histogram = hdrhistogram::Histogram::new(DIGITS).unwrap_or_else(|_| {
        unreachable!("three digits are within the bounds of the library");
    });
    histogram.auto(true);
    histogram
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Histogram, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > LONGEST_TEXT {
            return Err(de::Error::custom("a histogram is too long"));
        }
        let bytes =
            STANDARD.decode(text).map_err(|error| de::Error::custom(format!("no base64: {error}")))?;
        let plain = encoding::unpacked(&bytes)
            .map_err(|reason| de::Error::custom(format!("no histogram: {reason}")))?;
        let read: hdrhistogram::Histogram<u64> = HdrReader::new()
            .deserialize(&mut plain.as_slice())
            .map_err(|error| de::Error::custom(format!("no histogram: {error:?}")))?;
        let mut histogram = empty();
        // What another tool wrote may be wider than ours.
        for step in read.iter_recorded() {
            let _ = histogram.record_n(step.value_iterated_to().min(HIGHEST), step.count_at_value());
        }
        Ok(Histogram(histogram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_beyond_the_longest_counts_as_that() {
        let mut histogram = Histogram::new();
        histogram.record_time(Duration::MAX);
        assert_eq!(histogram.len(), 1);
        let highest = histogram.max().unwrap();
        assert!(highest.abs_diff(HIGHEST) <= HIGHEST / 1_000, "{highest}");
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        for text in ["\"\"", "\"!\"", "\"AAAA\"", "3"] {
            assert!(serde_json::from_str::<Histogram>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn merged_is_as_recorded_together(
            left in proptest::collection::vec(0..HIGHEST, 0..40),
            right in proptest::collection::vec(0..5_000_u64, 0..40),
        ) {
            let of = |values: &[u64]| {
                let mut histogram = Histogram::new();
                values.iter().for_each(|value| histogram.record(*value));
                histogram
            };
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let both = of(&[left, right].concat());
            prop_assert!(merged.recorded().eq(both.recorded()));
            let text = serde_json::to_string(&merged).unwrap();
            let back: Histogram = serde_json::from_str(&text).unwrap();
            prop_assert!(back.recorded().eq(merged.recorded()));
        }
    }
}
