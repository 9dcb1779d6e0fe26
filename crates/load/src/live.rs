//! What can be seen of a run while it goes on.
//!
//! Counters that workers add to and a view reads; it never holds a worker up for longer than it takes to swap a pointer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use interference_report::load::{Basis, Histogram, Measure};

use crate::observation::Observation;

/// A run that goes on.
#[derive(Debug, Default)]
pub struct Live {
    sent: AtomicU64,
    completed: AtomicU64,
    good: AtomicU64,
    errors: AtomicU64,
    in_flight: AtomicU64,
    peak: AtomicU64,
    /// `first_content_ms` of what came since it was last looked at, in microseconds.
    recent: Mutex<Histogram>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Requests that were sent.
    pub sent: u64,
    /// Answers that were sound to their ends.
    pub completed: u64,
    /// Those of them that met the objectives.
    pub good: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests without an end.
    pub in_flight: u64,
    /// The most of them at once.
    pub peak: u64,
}

impl Live {
    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            sent: read(&self.sent),
            completed: read(&self.completed),
            good: read(&self.good),
            errors: read(&self.errors),
            in_flight: read(&self.in_flight),
            peak: read(&self.peak),
        }
    }

    /// `first_content_ms` of the sound answers that came since the last call, in microseconds.
    pub fn take_recent(&self) -> Histogram {
        std::mem::take(&mut *self.recent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request begins; gives how many there are without an end, this one included.
    pub(crate) fn begin(&self) -> u64 {
        let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(in_flight, Ordering::Relaxed);
        in_flight
    }

    /// A request has ended; gives how many there were without an end, this one included.
    pub(crate) fn end(&self, observation: &Observation, basis: Basis, met: bool) -> u64 {
        let in_flight = self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.sent.fetch_add(u64::from(observation.sent.is_some()), Ordering::Relaxed);
        if observation.outcome.is_err() {
            self.errors.fetch_add(1, Ordering::Relaxed);
            return in_flight;
        }
        self.completed.fetch_add(1, Ordering::Relaxed);
        self.good.fetch_add(u64::from(met), Ordering::Relaxed);
        if let Some(time) = observation.time(Measure::FirstContent, basis) {
            self.recent.lock().unwrap_or_else(PoisonError::into_inner).record_time(time);
        }
        in_flight
    }
}
