//! Whether the tester stood still: a beat in each of its threads, and how late it came.
//!
//! Who stands still reads nothing and stamps nothing, so that everything which came meanwhile is told too late. A beat that
//! is due every few milliseconds finds it out, whatever else is going on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use interference_report::load::Watch;

/// From one beat to the next.
pub const BEAT: Duration = Duration::from_millis(2);
/// From one planted stall to the next.
const PLANTED_EVERY: Duration = Duration::from_secs(1);

/// How late the beats of all threads came.
#[derive(Debug, Default)]
pub(crate) struct Beats {
    longest_nanos: AtomicU64,
    stalls: AtomicU64,
}

impl Beats {
    /// What was found.
    pub(crate) fn watched(&self) -> Watch {
        Watch {
            longest_stall_ms: (self.longest_nanos.load(Ordering::Relaxed) as f64 / 1e3).round() / 1e3,
            stalls: self.stalls.load(Ordering::Relaxed),
        }
    }

    fn note(&self, late: Duration, bound: Duration) {
        let nanos = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
        self.longest_nanos.fetch_max(nanos, Ordering::Relaxed);
        if late > bound {
            self.stalls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Beats for as long as it is polled. With a planted stall its thread stands still that long once a second, so that one
/// can see that it is found out.
pub(crate) async fn keep(beats: &Beats, bound: Duration, planted_stall: Option<Duration>) {
    let mut plant_at = Instant::now() + PLANTED_EVERY;
    loop {
        let due = Instant::now() + BEAT;
        tokio::time::sleep_until(due.into()).await;
        if let (Some(stall), true) = (planted_stall, Instant::now() >= plant_at) {
            std::thread::sleep(stall);
            plant_at += PLANTED_EVERY;
        }
        beats.note(due.elapsed(), bound);
    }
}
