//! The numbers of a run: every observation is added to what its worker has measured, and the workers' are joined.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interference_report::load::{Measurements, Objective, Watch};

use crate::failure::Failure;
use crate::objectives;
use crate::observation::{Frame, Observation};
use crate::run::Run;
use crate::worker::Tally;

/// Statuses of which it is kept what the server says.
const MOST_REFUSALS: usize = 8;

/// What a run has measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Of all workers.
    pub measurements: Measurements,
    /// How the tester stood still meanwhile.
    pub watched: Watch,
    /// Requests without an end, at most at once.
    pub peak_streams: u64,
    /// When the last request ended; the start of what counts, if there was none.
    pub last_end: Instant,
    /// What the server said of why, as it first answered with each status other than 2xx: of a few.
    pub refusals: BTreeMap<u16, String>,
    /// Whether it was stopped before its schedule was over, or at its very end.
    pub is_stopped: bool,
}

/// What counts, and how.
#[derive(Clone)]
pub struct Counting {
    /// Requests that were scheduled before are not counted: the server was warming up.
    pub from: Instant,
    /// A request that is sent later than this counts as late.
    pub late_after: Duration,
    /// What is asked of the run, and so of each request as far as it can be asked of one.
    pub objectives: Arc<[Objective]>,
}

struct Numbers {
    frame: Frame,
    objectives: Arc<[Objective]>,
    measurements: Measurements,
    last_end: Instant,
    last_answer: Instant,
    refusals: BTreeMap<u16, String>,
}

impl Tally for Numbers {
    fn add(&mut self, observation: &Observation) -> bool {
        let met = observation.outcome.is_ok()
            && self
                .objectives
                .iter()
                .all(|objective| objectives::met(objective, observation, self.frame.basis));
        if observation.scheduled >= self.frame.start {
            observation.add_to(&mut self.measurements, &self.frame, met);
            self.hear(observation);
            self.last_end = self.last_end.max(observation.ended);
            if observation.outcome.is_ok() {
                self.last_answer = self.last_answer.max(observation.ended);
            }
        }
        met
    }

    fn in_flight(&mut self, now: Instant, count: u64) {
        if let Some(since) = now.checked_duration_since(self.frame.start) {
            let interval = self.measurements.timeline.at(since);
            interval.in_flight = interval.in_flight.max(count);
        }
    }
}

impl Numbers {
    /// Keeps what a refusal says, if it is the first of its status.
    fn hear(&mut self, observation: &Observation) {
        let Err(Failure::Status(status)) = observation.outcome else { return };
        if self.refusals.len() < MOST_REFUSALS
            && !self.refusals.contains_key(&status)
            && let Some(said) = observation.said()
        {
            self.refusals.insert(status, said);
        }
    }
}

/// Does a run, and measures it.
///
/// # Errors
/// When the system has no means for a thread or a runtime.
pub fn measure(run: &Run, counting: &Counting) -> io::Result<Measured> {
    let frame = Frame { start: counting.from, basis: run.basis(), late_after: counting.late_after };
    let numbers = || Numbers {
        frame,
        objectives: Arc::clone(&counting.objectives),
        measurements: Measurements::default(),
        last_end: frame.start,
        last_answer: frame.start,
        refusals: BTreeMap::new(),
    };
    let ran = run.perform(numbers)?;
    let is_stopped = run.stop.is_wished();
    let mut measurements = Measurements::default();
    let mut last_end = frame.start;
    let mut refusals = BTreeMap::new();
    for numbers in ran.tallies {
        for (status, said) in numbers.refusals {
            refusals.entry(status).or_insert(said);
        }
        measurements.join(&numbers.measurements);
        // Of a run that was stopped, what did not come to its end has taken its time, too.
        last_end = last_end.max(if is_stopped { numbers.last_end } else { numbers.last_answer });
    }
    let peak_streams = run.live.snapshot().peak;
    Ok(Measured { measurements, watched: ran.watched, peak_streams, last_end, refusals, is_stopped })
}
