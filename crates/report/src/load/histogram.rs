//! Values of one measure: all of them, to three digits.
//!
//! Owns the bounds and the form in JSON, which is that of HdrHistogram (V2, compressed, in base64), so that other tools
//! read it. Refuses to know what its values count.

mod encoding;

use std::borrow::Cow;
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

/// Buckets that are kept one by one: a run of many threads has thousands of histograms of few values.
const MOST_FEW: usize = 512;

/// A histogram of microseconds or of counts, from 0 to [`LONGEST`]; what is beyond counts as that. It grows with its
/// values: up to 8 KB while they are few, and to some 180 KB with its highest.
#[derive(Debug, Clone)]
pub struct Histogram(Kept);

#[derive(Debug, Clone)]
enum Kept {
    /// The lowest value of each bucket that has any, ascending, and how many it has.
    Few(Vec<(u64, u64)>),
    /// All buckets.
    Many(hdrhistogram::Histogram<u64>),
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

impl PartialEq for Histogram {
    /// Whether both have the same values, however they keep them.
    fn eq(&self, other: &Histogram) -> bool {
        self.recorded().eq(other.recorded())
    }
}

impl Histogram {
    /// Without a value.
    pub fn new() -> Histogram {
        Histogram(Kept::Few(Vec::new()))
    }

    /// Adds a time, rounded to microseconds.
    pub fn record_time(&mut self, time: Duration) {
        let nanos = time.as_nanos().saturating_add(500) / 1_000;
        self.record(u64::try_from(nanos).unwrap_or(u64::MAX));
    }

    /// Adds a value.
    pub fn record(&mut self, value: u64) {
        self.record_many(value, 1);
    }

    /// Adds a value so many times.
    fn record_many(&mut self, value: u64, times: u64) {
        let value = value.min(HIGHEST);
        if let Kept::Few(buckets) = &mut self.0 {
            let bucket = least_like(value);
            match buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                Ok(place) => {
                    buckets[place].1 = buckets[place].1.saturating_add(times);
                    return;
                }
                Err(place) if buckets.len() < MOST_FEW => {
                    buckets.insert(place, (bucket, times));
                    return;
                }
                Err(_) => {}
            }
        }
        // It resizes itself up to its highest value; nothing is beyond.
        let _ = self.all_buckets().record_n(value, times);
    }

    /// The buckets, from here on all of them.
    fn all_buckets(&mut self) -> &mut hdrhistogram::Histogram<u64> {
        if let Kept::Few(buckets) = &self.0 {
            self.0 = Kept::Many(filled(buckets));
        }
        match &mut self.0 {
            Kept::Many(histogram) => histogram,
            Kept::Few(_) => unreachable!("it has just become one with all buckets"),
        }
    }

    /// The library's histogram of the same values.
    fn as_of_library(&self) -> Cow<'_, hdrhistogram::Histogram<u64>> {
        match &self.0 {
            Kept::Few(buckets) => Cow::Owned(filled(buckets)),
            Kept::Many(histogram) => Cow::Borrowed(histogram),
        }
    }

    /// How many values there are.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Kept::Few(buckets) => buckets.iter().map(|(_, times)| times).sum(),
            Kept::Many(histogram) => histogram.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value that so many of the values do not exceed; `quantile` is from 0 to 1. None without values.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        self.told(|histogram| histogram.value_at_quantile(quantile))
    }

    /// The mean; none without values.
    pub fn mean(&self) -> Option<f64> {
        self.told(hdrhistogram::Histogram::mean)
    }

    /// How far values are from their mean, as the root of the mean square; none without values.
    pub fn deviation(&self) -> Option<f64> {
        self.told(hdrhistogram::Histogram::stdev)
    }

    /// The highest value; none without values.
    pub fn max(&self) -> Option<u64> {
        self.told(hdrhistogram::Histogram::max)
    }

    /// The lowest value; none without values.
    pub fn min(&self) -> Option<u64> {
        self.told(hdrhistogram::Histogram::min)
    }

    fn told<T>(&self, tell: impl FnOnce(&hdrhistogram::Histogram<u64>) -> T) -> Option<T> {
        (!self.is_empty()).then(|| tell(&self.as_of_library()))
    }

    /// How many values are at most this, to the precision of the histogram.
    pub fn count_at_most(&self, value: u64) -> u64 {
        self.as_of_library().count_between(0, value.min(HIGHEST))
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Histogram) {
        match &other.0 {
            Kept::Few(buckets) => {
                buckets.iter().for_each(|(bucket, times)| self.record_many(*bucket, *times))
            }
            // Both have the same bounds.
            Kept::Many(histogram) => drop(self.all_buckets().add(histogram)),
        }
    }

    /// Values with how often each occurs, ascending.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u64)> {
        let histogram = self.as_of_library();
        let steps = histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()));
        steps.collect::<Vec<_>>().into_iter()
    }
}

/// The lowest value that is kept as this one is, to three digits: buckets are 1 wide up to 2,048, and from there on twice as
/// wide with each doubling.
pub(super) fn least_like(value: u64) -> u64 {
    const EXACT_BITS: u32 = 11;
    let further_bits = (u64::BITS - value.leading_zeros()).saturating_sub(EXACT_BITS);
    (value >> further_bits) << further_bits
}

fn filled(buckets: &[(u64, u64)]) -> hdrhistogram::Histogram<u64> {
    let mut histogram = empty();
    for (bucket, times) in buckets {
        // None is beyond its bounds.
        let _ = histogram.record_n(*bucket, *times);
    }
    histogram
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
        let written = V2DeflateSerializer::new().serialize(&*self.as_of_library(), &mut bytes);
        written.map_err(serde::ser::Error::custom)?;
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
        let mut histogram = Histogram::new();
        // What another tool wrote may be wider than ours.
        for step in read.iter_recorded() {
            histogram.record_many(step.value_iterated_to(), step.count_at_value());
        }
        Ok(histogram)
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
        /// However values are kept, all that is told of them is the library's.
        #[test]
        fn few_and_many_tell_the_same(
            spread in 1..HIGHEST,
            values in proptest::collection::vec(0.0..1.2_f64, 1..900),
            quantile in 0.0..=1.0_f64,
        ) {
            let (mut own, mut library) = (Histogram::new(), empty());
            for value in &values {
                let value = (value * spread as f64) as u64;
                own.record(value);
                library.record(value.min(HIGHEST)).unwrap();
                prop_assert_eq!(least_like(value), library.lowest_equivalent(value));
            }
            prop_assert_eq!(own.len(), library.len());
            prop_assert_eq!((own.min(), own.max()), (Some(library.min()), Some(library.max())));
            prop_assert_eq!(own.quantile(quantile), Some(library.value_at_quantile(quantile)));
            let median = library.value_at_quantile(0.5);
            prop_assert_eq!(own.count_at_most(median), library.count_between(0, median));
            // The library's sums of floats depend on nothing but the buckets.
            prop_assert_eq!((own.mean(), own.deviation()), (Some(library.mean()), Some(library.stdev())));
        }

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
