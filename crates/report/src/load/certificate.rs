//! Whether a run's own numbers can be trusted: what the tester found out about itself.
//!
//! Owns the bounds and the judgement. How the errors were measured is the tester's business.

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;

/// What the tester's own error may be, for a run to be certified.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Of the error on the time to the first content, the 99th percentile. 10 ms.
    pub first_content_ms_p99: f64,
    /// Of the error on the time between chunks, the 99th percentile. 2 ms.
    pub between_chunks_ms_p99: f64,
    /// How long the tester may have stood still at once. 18 ms.
    pub stall_ms: f64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { first_content_ms_p99: 10.0, between_chunks_ms_p99: 2.0, stall_ms: 18.0 }
    }
}

/// Quantiles of an error, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
}

impl Quantiles {
    /// Of a histogram of microseconds; none of an empty one.
    pub fn of(histogram: &Histogram) -> Option<Quantiles> {
        let millis = |micros: u64| micros as f64 / 1e3;
        Some(Quantiles {
            p50: millis(histogram.quantile(0.5)?),
            p99: millis(histogram.quantile(0.99)?),
            max: millis(histogram.max()?),
        })
    }
}

/// How the tester did against a server whose every write is stamped with its time.
///
/// An error is the time of receipt minus the stamp that the server took just before its write, on the same clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Streams at once, at most.
    pub streams: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Requests that failed, which should be none.
    pub errors: u64,
    /// Chunks with output that came, a second.
    pub chunks_per_second: f64,
    /// Of the first chunks; absent where none came.
    pub first_content_error_ms: Option<Quantiles>,
    /// Of the times between two chunks of an answer; absent where none came.
    pub between_chunks_error_ms: Option<Quantiles>,
    /// How long the tester stood still at once.
    pub longest_stall_ms: f64,
}

/// How long the tester stood still while it measured: by a beat in each of its threads that should have come on time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Watch {
    /// The longest.
    pub longest_stall_ms: f64,
    /// How many were longer than the bound.
    pub stalls: u64,
}

/// What the tester found out about itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Certificate {
    /// What its error may be.
    pub bounds: Bounds,
    /// Just before the run; absent if it was not done.
    pub before: Option<Calibration>,
    /// Just after, at what the run had come to; absent if it was not done.
    pub after: Option<Calibration>,
    /// During the run.
    pub during: Watch,
    /// What the run came to, to be held against the calibrations: streams at once.
    pub streams: u64,
    /// The same: chunks a second, in the busiest interval.
    pub chunks_per_second: f64,
}

impl Certificate {
    /// Why the numbers cannot be trusted, each a sentence; none if they can.
    pub fn objections(&self) -> Vec<String> {
        let mut objections = Vec::new();
        for (when, calibration) in [("before", &self.before), ("after", &self.after)] {
            match calibration {
                None => objections.push(format!("the tester did not measure itself {when} the run")),
                Some(calibration) => self.object(when, calibration, &mut objections),
            }
        }
        if self.during.longest_stall_ms > self.bounds.stall_ms {
            objections.push(format!(
                "the tester stood still for {:.1} ms during the run (bound {} ms; {} times)",
                self.during.longest_stall_ms, self.bounds.stall_ms, self.during.stalls
            ));
        }
        objections
    }

    fn object(&self, when: &str, calibration: &Calibration, objections: &mut Vec<String>) {
        let errors = [
            ("first content", calibration.first_content_error_ms, self.bounds.first_content_ms_p99),
            ("between chunks", calibration.between_chunks_error_ms, self.bounds.between_chunks_ms_p99),
        ];
        for (what, error, bound) in errors {
            if let Some(Quantiles { p99, .. }) = error.filter(|error| error.p99 > bound) {
                objections.push(format!(
                    "its error on {what} {when} the run was {p99:.2} ms at the 99th percentile (bound {bound} ms)"
                ));
            }
        }
        if calibration.first_content_error_ms.is_none() {
            objections.push(format!("nothing came of its measuring itself {when} the run"));
        }
        if calibration.errors > 0 {
            objections
                .push(format!("{} requests to its own server failed {when} the run", calibration.errors));
        }
        if calibration.longest_stall_ms > self.bounds.stall_ms {
            objections.push(format!(
                "it stood still for {:.1} ms as it measured itself {when} the run (bound {} ms)",
                calibration.longest_stall_ms, self.bounds.stall_ms
            ));
        }
    }
}
