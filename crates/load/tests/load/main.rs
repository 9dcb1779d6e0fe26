//! Runs of load against real servers on loopback: sound ones, hostile ones, and ones whose clock is known.

#![expect(clippy::unwrap_used, reason = "what the tests share may fail a test like the tests themselves")]

mod arrivals;
mod calibration;
mod connections;
mod failures;
mod numbers;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use interference_load::schedule::{Arrival, Schedule, User};
use interference_load::{Ask, Conversation, Counting, Endpoint, Live, Measured, Reuse, Run, Work, measure};
use interference_report::load::{Histogram, Measure, Objective};
use interference_target::Target;
use interference_wire::TimeLimits;

/// Long enough that only what hangs is ended by it.
const LONG: Duration = Duration::from_secs(20);

/// Asks the same so many times in each conversation.
struct Questions {
    turns: u64,
    pause: Duration,
    /// How long it takes to think of the first.
    slowness: Duration,
}

struct Asking {
    left: u64,
    pause: Duration,
}

impl Work for Questions {
    fn conversation(&self, _: u64) -> Box<dyn Conversation> {
        std::thread::sleep(self.slowness);
        Box::new(Asking { left: self.turns, pause: self.pause })
    }

    fn describe(&self) -> String {
        "questions".to_owned()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        vec![Endpoint::Chat]
    }
}

impl Conversation for Asking {
    fn next(&mut self, _: &str) -> Option<Ask> {
        self.left = self.left.checked_sub(1)?;
        Some(Ask {
            endpoint: Endpoint::Chat,
            pause: self.pause,
            body: br#"{"model":"m","stream":true,"messages":[]}"#.to_vec(),
            streamed: true,
            wants_text: false,
        })
    }
}

fn questions(turns: u64) -> Arc<dyn Work> {
    Arc::new(Questions { turns, pause: Duration::ZERO, slowness: Duration::ZERO })
}

/// Arrivals of one moment.
fn at_once(count: u64) -> Schedule {
    Schedule::Arrivals((0..count).map(|number| Arrival { number, at: Duration::ZERO }).collect())
}

/// Users who are there from the start.
fn users(count: u64, presence: Duration) -> Schedule {
    let user = |number| User { number, present: Vec::from([Duration::ZERO..presence]) };
    Schedule::Users { users: (0..count).map(user).collect(), of: count }
}

/// A run from now on, on one thread.
fn run(url: &str, schedule: Schedule, work: Arc<dyn Work>) -> Run {
    let start = Instant::now();
    Run {
        target: Target::parse(url, None, Vec::new()).unwrap(),
        work,
        schedule,
        start,
        end: start + LONG,
        time_limits: TimeLimits::default(),
        workers: 1,
        sockets: 64,
        reuse: Reuse::KeepAlive,
        stall_bound: LONG,
        planted_stall: None,
        live: Arc::new(Live::default()),
        stop: Arc::default(),
    }
}

/// What a run measures, of which every request is counted exactly once.
fn measured(run: &Run, objectives: &[&str]) -> Measured {
    let counting = Counting {
        from: run.start,
        late_after: Duration::from_millis(50),
        objectives: objectives.iter().map(|text| text.parse::<Objective>().unwrap()).collect(),
    };
    let measured = measure(run, &counting).unwrap();
    let counts = &measured.measurements.counts;
    let failed = measured.measurements.failed();
    assert_eq!(counts.scheduled, counts.good + counts.missed_slo + failed, "{:?}", measured.measurements);
    let live = run.live.snapshot();
    assert_eq!((live.in_flight, live.completed, live.errors), (0, counts.good + counts.missed_slo, failed));
    // Whoever failed has no part in the latencies.
    assert_eq!(histogram(&measured, Measure::Total).len(), counts.good + counts.missed_slo);
    measured
}

fn histogram(measured: &Measured, measure: Measure) -> Histogram {
    measured.measurements.histograms.get(&measure).cloned().unwrap_or_default()
}

/// The errors by kind: `3 cut, 1 reset`.
fn errors(measured: &Measured) -> String {
    let kinds = measured.measurements.errors.iter().map(|(kind, count)| format!("{count} {kind}"));
    kinds.collect::<Vec<_>>().join(", ")
}
