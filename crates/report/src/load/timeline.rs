//! What happened when: one interval after another, from the common start of a run.
//!
//! Owns the width of intervals, which doubles as a run grows long, so that there are never more than
//! [`MOST_INTERVALS`].

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::bounded;
use super::histogram::Histogram;

/// Intervals of a run, at most.
pub const MOST_INTERVALS: usize = 600;
/// The width that a run begins with.
const FIRST_WIDTH_MS: u64 = 1_000;

/// The intervals of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// How long each is: 1,000, or that doubled some times.
    #[serde(deserialize_with = "width")]
    pub interval_ms: u64,
    /// From the start on, without a gap.
    #[serde(deserialize_with = "bounded::list::<_, _, MOST_INTERVALS>")]
    pub intervals: Vec<Interval>,
}

/// A width that another can be brought to: the first one, doubled some times.
fn width<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let width = u64::deserialize(deserializer)?;
    if width.is_multiple_of(FIRST_WIDTH_MS) && (width / FIRST_WIDTH_MS).is_power_of_two() {
        return Ok(width);
    }
    Err(de::Error::custom(format_args!(
        "intervals of {width} ms: it has to be {FIRST_WIDTH_MS}, or twice, four times … that"
    )))
}

/// What happened in one interval.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Interval {
    /// Requests that were to be sent in it.
    pub scheduled: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Answers that ended soundly, whether they met the SLO or not.
    pub completed: u64,
    /// Answers that ended soundly and met the SLO.
    pub good: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Chunks with output that came.
    pub chunks: u64,
    /// Requests without an end, at most at once; added where machines are merged.
    pub in_flight: u64,
    /// `first_content_ms` of the sound answers whose first content came in it, in microseconds.
    pub first_content: Histogram,
    /// `between_chunks_ms` of the chunks of sound answers that came in it, in microseconds.
    pub between_chunks: Histogram,
}

impl Default for Timeline {
    fn default() -> Timeline {
        Timeline { interval_ms: FIRST_WIDTH_MS, intervals: Vec::new() }
    }
}

impl Timeline {
    /// The interval at a time since the start.
    pub fn at(&mut self, since_start: Duration) -> &mut Interval {
        let millis = u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX);
        while millis / self.interval_ms >= MOST_INTERVALS as u64 {
            self.widen();
        }
        let index = (millis / self.interval_ms) as usize;
        if self.intervals.len() <= index {
            self.intervals.resize_with(index + 1, Interval::default);
        }
        &mut self.intervals[index]
    }

    /// Adds what happened on another machine, from the same start.
    pub fn merge(&mut self, other: &Timeline) {
        self.take(other, u64::saturating_add);
    }

    /// Adds what another thread of the same machine has seen, which knew how many requests were in flight in all.
    pub fn join(&mut self, other: &Timeline) {
        self.take(other, u64::max);
    }

    fn take(&mut self, other: &Timeline, in_flight_of_both: impl Fn(u64, u64) -> u64) {
        let mut other = other.clone();
        while self.interval_ms < other.interval_ms {
            self.widen();
        }
        while other.interval_ms < self.interval_ms {
            other.widen();
        }
        if self.intervals.len() < other.intervals.len() {
            self.intervals.resize_with(other.intervals.len(), Interval::default);
        }
        for (own, other) in self.intervals.iter_mut().zip(&other.intervals) {
            let in_flight = in_flight_of_both(own.in_flight, other.in_flight);
            own.add(other);
            own.in_flight = in_flight;
        }
    }

    /// Two intervals become one.
    fn widen(&mut self) {
        self.interval_ms = self.interval_ms.saturating_mul(2).max(FIRST_WIDTH_MS);
        let narrow = std::mem::take(&mut self.intervals);
        self.intervals = narrow
            .chunks(2)
            .map(|pair| {
                let mut wide = pair[0].clone();
                if let Some(second) = pair.get(1) {
                    let in_flight = wide.in_flight.max(second.in_flight);
                    wide.add(second);
                    wide.in_flight = in_flight;
                }
                wide
            })
            .collect();
    }
}

impl Interval {
    /// Adds everything but what was in flight.
    pub(super) fn add(&mut self, other: &Interval) {
        for (own, other) in [
            (&mut self.scheduled, other.scheduled),
            (&mut self.sent, other.sent),
            (&mut self.completed, other.completed),
            (&mut self.good, other.good),
            (&mut self.errors, other.errors),
            (&mut self.chunks, other.chunks),
        ] {
            *own = own.saturating_add(other);
        }
        self.first_content.merge(&other.first_content);
        self.between_chunks.merge(&other.between_chunks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_wide_intervals() {
        let mut timeline = Timeline::default();
        for second in 0..3_000 {
            timeline.at(Duration::from_secs(second)).sent += 1;
            timeline.at(Duration::from_secs(second)).in_flight = second;
        }
        assert_eq!(timeline.interval_ms, 8_000);
        assert_eq!(timeline.intervals.len(), 375);
        assert!(timeline.intervals.iter().all(|interval| interval.sent == 8));
        assert_eq!(timeline.intervals[1].in_flight, 15);
    }

    #[test]
    fn machines_are_added_whatever_their_widths() {
        let mut long = Timeline::default();
        long.at(Duration::from_secs(700)).sent = 5;
        long.at(Duration::ZERO).in_flight = 3;
        let mut short = Timeline::default();
        short.at(Duration::from_secs(1)).sent = 7;
        short.at(Duration::from_secs(1)).in_flight = 4;
        let (mut one, mut other) = (long.clone(), short.clone());
        one.merge(&short);
        other.merge(&long);
        assert_eq!(one, other);
        assert_eq!((one.interval_ms, one.intervals.len()), (2_000, 351));
        assert_eq!((one.intervals[0].sent, one.intervals[0].in_flight), (7, 7));
    }
}
