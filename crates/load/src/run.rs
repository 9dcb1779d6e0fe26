//! A run: workers are started, arrivals are handed to them when their time has come, and what they observed is joined.
//!
//! Owns the threads and the clock of the schedule. The thread that hands out arrivals does nothing else, and sleeps to the
//! very time of each: no arrival waits for another, and one that is late all the same is counted by when it was due.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use interference_report::load::{Basis, Watch};
use interference_target::Target;
use interference_wire::{Limits, ReadLimits, TimeLimits};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::beat::Beats;
use crate::connections::Idle;
use crate::live::Live;
use crate::schedule::{Arrival, Schedule, User};
use crate::stop::Stop;
use crate::work::Work;
use crate::worker::{self, Common, Due, Reuse, Tally};

/// How often a thread that waits for the next arrival looks whether the run is to stop.
const LOOKING: Duration = Duration::from_millis(50);
/// Bytes of an answer that are kept at once: what came and was not yet read, and its head.
const KEPT_BYTES: usize = 40 << 20;

/// What is done, and how.
#[derive(Clone)]
pub struct Run {
    /// Where to.
    pub target: Target,
    /// What is asked.
    pub work: Arc<dyn Work>,
    /// When.
    pub schedule: Schedule,
    /// The zero of the schedule.
    pub start: Instant,
    /// What has not ended by then is abandoned.
    pub end: Instant,
    /// How long each step of a request may take.
    pub time_limits: TimeLimits,
    /// Threads that send and read.
    pub workers: usize,
    /// Connections that may be open at once.
    pub sockets: usize,
    /// Whether connections are used again.
    pub reuse: Reuse,
    /// A tester that stands still for longer has no certificate.
    pub stall_bound: Duration,
    /// How long each thread stands still once a second, to see that it is found out.
    pub planted_stall: Option<Duration>,
    /// What can be seen while it goes on.
    pub live: Arc<Live>,
    /// The way to end it early.
    pub stop: Arc<Stop>,
}

/// What a run came to, before it is told.
pub(crate) struct Ran<T> {
    /// Of each worker.
    pub(crate) tallies: Vec<T>,
    /// How it stood still.
    pub(crate) watched: Watch,
}

impl Run {
    /// From when latencies count.
    pub fn basis(&self) -> Basis {
        match self.schedule {
            Schedule::Arrivals(_) => Basis::Scheduled,
            Schedule::Users { .. } => Basis::Sent,
        }
    }

    /// Does it, and blocks until all has ended.
    ///
    /// # Errors
    /// When the system has no means for a thread or a runtime.
    pub(crate) fn perform<T: Tally>(&self, tally: impl Fn() -> T) -> io::Result<Ran<T>> {
        let workers = self.workers.max(1);
        let common = Arc::new(self.common(workers));
        let (mut senders, mut threads) = (Vec::new(), Vec::new());
        for number in 0..workers {
            let (sender, due) = unbounded_channel();
            let (common, tally) = (Arc::clone(&common), tally());
            let thread = thread::Builder::new()
                .name(format!("load-{number}"))
                .spawn(move || worker::run(common, number, tally, due))?;
            senders.push(sender);
            threads.push(thread);
        }
        match &self.schedule {
            Schedule::Arrivals(arrivals) => self.hand_out(arrivals, &senders),
            Schedule::Users { users, of } => self.call_in(users, *of, &senders),
        }
        drop(senders);
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(tally) => tally,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        let tallies = joined.collect::<io::Result<Vec<T>>>()?;
        Ok(Ran { tallies, watched: common.beats.watched() })
    }

    fn common(&self, workers: usize) -> Common {
        let read = ReadLimits {
            body_bytes: KEPT_BYTES,
            raw_bytes: KEPT_BYTES + KEPT_BYTES / 4,
            ..ReadLimits::default()
        };
        Common {
            target: self.target.clone(),
            work: Arc::clone(&self.work),
            limits: Limits { read, time: self.time_limits },
            sockets: Arc::new(Semaphore::new(self.sockets.min(Semaphore::MAX_PERMITS))),
            idle: (0..workers).map(|_| Idle::default()).collect(),
            reuse: self.reuse,
            basis: self.basis(),
            end: self.end,
            live: Arc::clone(&self.live),
            stop: Arc::clone(&self.stop),
            beats: Beats::default(),
            stall_bound: self.stall_bound,
            planted_stall: self.planted_stall,
        }
    }

    /// Each arrival at its time, to one worker after the other.
    fn hand_out(&self, arrivals: &[Arrival], workers: &[UnboundedSender<Due>]) {
        for (arrival, worker) in arrivals.iter().zip(workers.iter().cycle()) {
            let scheduled = self.start + arrival.at;
            if !self.sleep_until(scheduled) {
                return;
            }
            // A worker goes only when its thread panics, which is told when it is joined.
            let _ = worker.send(Due::Arrival { number: arrival.number, scheduled });
        }
    }

    /// Each user whenever it is there, always to the same worker.
    fn call_in(&self, users: &[User], of: u64, workers: &[UnboundedSender<Due>]) {
        let mut presences: Vec<_> = users
            .iter()
            .zip(workers.iter().cycle())
            .flat_map(|(user, worker)| user.present.iter().map(move |present| (present, user.number, worker)))
            .collect();
        presences.sort_by_key(|(present, number, _)| (present.start, *number));
        for (present, number, worker) in presences {
            if !self.sleep_until(self.start + present.start) {
                return;
            }
            let _ = worker.send(Due::User { number, of, until: self.start + present.end });
        }
    }

    /// Returns at this time, or at once if it is past; false once the run is to stop.
    fn sleep_until(&self, time: Instant) -> bool {
        while !self.stop.is_wished() {
            let left = time.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(LOOKING));
        }
        false
    }
}
