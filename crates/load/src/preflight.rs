//! Before a run: single requests, and what they let one expect of many.

use std::time::{Duration, Instant};

use interference_target::Target;
use interference_wire::{Limits, TimeLimits};

use crate::calibration::Pace;
use crate::exchange::{self, Exchanged};
use crate::failure::Failure;
use crate::observation::Observation;
use crate::schedule::{Schedule, User};
use crate::work::Ask;

/// The header by which a server tells the faults of an answer.
const APPLIED_FAULTS: &str = "x-interference-applied";
/// How long the tester measures itself, before and after.
pub const CALIBRATING: Duration = Duration::from_secs(3);
/// Streams of the tester's own server, at most.
const MOST_STREAMS: u64 = 8_192;
/// Chunks of an answer of the tester's own server, at most.
const MOST_CHUNKS: u64 = 1_000;
/// From one chunk of the tester's own server to the next, at the least: what its timers tell apart.
const SHORTEST_GAP: Duration = Duration::from_millis(1);
/// The answers of the tester's own server last this long, so that a calibration sees several of each stream.
const LONGEST_ANSWER: Duration = Duration::from_secs(1);

/// Sends one request on a connection of its own.
///
/// # Cancellation
/// When the future is dropped the connection is closed.
pub async fn ask_once(target: &Target, ask: &Ask, time: TimeLimits) -> Observation {
    let scheduled = Instant::now();
    exchanged(target, ask, time).await.observed(0, scheduled, false)
}

/// The same of a request that brings a plan of faults, and whether the answer tells which of them it has: else the server
/// knows nothing of plans.
///
/// # Cancellation
/// When the future is dropped the connection is closed.
pub async fn tells_faults(target: &Target, ask: &Ask, time: TimeLimits) -> (Observation, bool) {
    let scheduled = Instant::now();
    let exchanged = exchanged(target, ask, time).await;
    let tells = exchanged.head.as_ref().is_some_and(|head| head.fields.first(APPLIED_FAULTS).is_some());
    (exchanged.observed(0, scheduled, false), tells)
}

/// One request on a connection of its own.
async fn exchanged(target: &Target, ask: &Ask, time: TimeLimits) -> Exchanged {
    let mut request = exchange::head(target, ask);
    request.extend_from_slice(&ask.body);
    let limits = Limits { time, ..Limits::default() };
    match exchange::connect(target, limits).await {
        Ok((mut connection, connect)) => {
            let exchanged = exchange::exchange(&mut connection, connect, &request, ask).await;
            Exchanged { connect: Some(connect), ..exchanged }
        }
        Err(error) => Exchanged::unsent(Failure::from(&error)),
    }
}

/// How much there is to measure at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Streams at once.
    pub streams: f64,
    /// Chunks with output of all of them, a second.
    pub chunks_per_second: f64,
}

/// What so many requests a second come to, if each takes as long as this one.
pub fn level_of(observation: &Observation, requests_per_second: f64) -> Level {
    let lasted = observation.ended.saturating_duration_since(observation.scheduled).as_secs_f64();
    Level {
        streams: requests_per_second * lasted,
        chunks_per_second: requests_per_second * observation.heard.chunks.len() as f64,
    }
}

impl Level {
    /// The same with so many streams.
    pub fn with_streams(self, streams: f64) -> Level {
        Level { streams, chunks_per_second: self.chunks_of_a_stream() * streams }
    }

    /// Chunks of one stream, a second.
    fn chunks_of_a_stream(self) -> f64 {
        let streams = if self.streams > 0.0 { self.streams } else { 1.0 };
        self.chunks_per_second / streams
    }

    /// The pace at which the tester's own server comes to this level, and when its users come: one after the other, so
    /// that their chunks do not all come at once.
    pub fn rehearsal(self) -> (Pace, Schedule) {
        let streams = (self.streams.ceil().max(1.0) as u64).min(MOST_STREAMS);
        let gap = Duration::try_from_secs_f64(1.0 / self.chunks_of_a_stream()).unwrap_or(LONGEST_ANSWER);
        let between_chunks = gap.clamp(SHORTEST_GAP, LONGEST_ANSWER);
        let chunks = (LONGEST_ANSWER.as_micros() / between_chunks.as_micros().max(1)) as u64;
        let pace = Pace {
            chunks: chunks.clamp(1, MOST_CHUNKS),
            first_content: between_chunks.min(Duration::from_millis(50)),
            between_chunks,
        };
        let users = (0..streams).map(|number| {
            let from = LONGEST_ANSWER.mul_f64(number as f64 / streams as f64);
            User { number, present: vec![from..CALIBRATING] }
        });
        (pace, Schedule::Users { users: users.collect(), of: streams })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsal_is_at_the_level() {
        for (streams, chunks_per_second) in [(1.0, 100.0), (1_000.0, 100_000.0), (40.0, 80.0)] {
            let (pace, schedule) = Level { streams, chunks_per_second }.rehearsal();
            let Schedule::Users { users, of } = schedule else { panic!() };
            assert_eq!((users.len() as f64, of as f64), (streams, streams));
            let rehearsed = streams / pace.between_chunks.as_secs_f64();
            assert!((rehearsed / chunks_per_second - 1.0).abs() < 0.01, "{pace:?}");
            assert!(users.iter().all(|user| user.present[0].start < LONGEST_ANSWER));
        }
    }

    #[test]
    fn more_streams_have_the_pace_of_one() {
        // One request a second that takes a fifth of a second, in which twenty chunks come.
        let one = Level { streams: 0.2, chunks_per_second: 20.0 };
        assert_eq!(one.with_streams(8.0), Level { streams: 8.0, chunks_per_second: 800.0 });
        assert_eq!(one.rehearsal().0.between_chunks, Duration::from_millis(10));
    }

    #[test]
    fn a_rehearsal_has_bounds() {
        for level in [(0.0, 0.0), (1e9, 1e12), (5.0, 0.0), (f64::NAN, f64::NAN)] {
            let (pace, schedule) = Level { streams: level.0, chunks_per_second: level.1 }.rehearsal();
            assert!((1..=MOST_CHUNKS).contains(&pace.chunks), "{pace:?}");
            assert!(matches!(schedule, Schedule::Users { of, .. } if (1..=MOST_STREAMS).contains(&of)));
        }
    }
}
