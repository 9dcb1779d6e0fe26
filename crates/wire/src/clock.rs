//! The monotonic clock as a number, so that two processes of one machine can compare their times.
//!
//! On Unix it is `CLOCK_MONOTONIC` (POSIX.1-2024, `clock_gettime`), which is the clock of [`Instant`] on Linux.
//! Elsewhere numbers count from the first call and mean nothing to another process.

use std::time::{Duration, Instant};

/// Nanoseconds of the machine's monotonic clock, now.
#[cfg(unix)]
pub fn monotonic_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // Both are positive on a monotonic clock.
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Nanoseconds since the first call.
#[cfg(not(unix))]
pub fn monotonic_nanos() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// What makes an [`Instant`] of a number of the monotonic clock, and the other way round.
#[derive(Debug, Clone, Copy)]
pub struct ClockAnchor {
    instant: Instant,
    nanos: u64,
}

/// Readings of both clocks, of which the closest counts.
const TRIES: usize = 16;

impl ClockAnchor {
    /// Reads both clocks at once, as near as can be: to some tens of nanoseconds.
    pub fn take() -> ClockAnchor {
        let mut best = None;
        for _ in 0..TRIES {
            let before = Instant::now();
            let nanos = monotonic_nanos();
            let width = before.elapsed();
            if best.is_none_or(|(narrowest, _)| width < narrowest) {
                best = Some((width, ClockAnchor { instant: before + width / 2, nanos }));
            }
        }
        best.map_or_else(
            || ClockAnchor { instant: Instant::now(), nanos: monotonic_nanos() },
            |(_, anchor)| anchor,
        )
    }

    /// The nanoseconds of the monotonic clock at an instant; an instant before its zero is its zero.
    pub fn nanos_at(&self, instant: Instant) -> u64 {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match instant.checked_duration_since(self.instant) {
            Some(after) => self.nanos.saturating_add(nanos(after)),
            None => self.nanos.saturating_sub(nanos(self.instant.duration_since(instant))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_its_number() {
        let anchor = ClockAnchor::take();
        let before = monotonic_nanos();
        let told = anchor.nanos_at(Instant::now());
        let after = monotonic_nanos();
        // Two readings that are not at the same time are apart by what lies between.
        assert!(
            before.saturating_sub(1_000_000) <= told && told <= after + 1_000_000,
            "{before} {told} {after}"
        );
        let later = anchor.nanos_at(anchor.instant + Duration::from_millis(5));
        assert_eq!(later - anchor.nanos_at(anchor.instant), 5_000_000);
        assert_eq!(anchor.nanos_at(anchor.instant - Duration::from_micros(1)), anchor.nanos - 1_000);
    }
}
