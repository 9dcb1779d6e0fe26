//! How well an upstream is, by what became of the requests that it got: a circuit breaker.
//!
//! Owns the decision whether an upstream may be asked now, and the memory of its recent failures. Time is an argument
//! everywhere. It refuses to know requests, other upstreams, and who asks.

use std::time::{Duration, Instant};

/// So many failures in a row leave an upstream alone for a while.
const FAILURES_IN_A_ROW: u32 = 5;

/// From so many outcomes on, more than half of them failures do so, too.
const ENOUGH_OUTCOMES: u32 = 10;

/// How long outcomes are remembered, in seconds.
const MEMORY_SECONDS: usize = 10;

/// How long an upstream is left alone at first; it doubles with every probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest time that it is left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a probe keeps other requests away: an answer that is not streamed may take minutes, and is no bad sign.
const PROBING: Duration = Duration::from_secs(1);

/// How long an upstream counts as full that does not say for how long it is.
const FULL: Duration = Duration::from_secs(1);

/// The longest time that an upstream may have itself counted as full.
const LONGEST_FULL: Duration = Duration::from_secs(60);

/// What became of a request, as far as it tells how well the upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered, with whatever status that is its own business.
    Answered,
    /// It has no room now (429); perhaps it said for how long.
    Full(Option<Duration>),
    /// It failed; perhaps it said when to come back.
    Failed(Option<Duration>),
}

/// What a request is for the upstream that gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// One among others.
    Ordinary,
    /// The one that finds out whether the upstream is well again.
    Probe,
}

/// Whether an upstream may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may.
    Open(Purpose),
    /// Not before this time.
    Closed(Instant),
}

/// The health of one upstream.
#[derive(Debug)]
pub(crate) struct Health {
    in_a_row: u32,
    recent: Recent,
    breaker: Breaker,
    full_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaker {
    /// Requests pass.
    Closed,
    /// None passes until then; the first one after it is a probe.
    Open { until: Instant, pause: Duration },
    /// A probe is under way; if nothing is known of it by then, another may follow.
    Probing { until: Instant, pause: Duration },
}

impl Health {
    /// A well one.
    pub(crate) fn new(now: Instant) -> Health {
        Health { in_a_row: 0, recent: Recent::new(now), breaker: Breaker::Closed, full_until: None }
    }

    /// Whether it may be asked now.
    pub(crate) fn standing(&self, now: Instant) -> Standing {
        let (left_alone_until, purpose) = match self.breaker {
            Breaker::Closed => (None, Purpose::Ordinary),
            Breaker::Open { until, .. } | Breaker::Probing { until, .. } => (Some(until), Purpose::Probe),
        };
        match self.full_until.max(left_alone_until).filter(|until| *until > now) {
            Some(until) => Standing::Closed(until),
            None => Standing::Open(purpose),
        }
    }

    /// Whether requests are kept away from it because it failed.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.breaker != Breaker::Closed
    }

    /// How many requests failed lately.
    pub(crate) fn recent_failures(&self, now: Instant) -> u32 {
        self.recent.count(now).failed
    }

    /// A probe sets out. If it is given up before anything is known, the next one waits as long as beside it.
    pub(crate) fn begin_probe(&mut self, now: Instant) {
        if let Breaker::Open { pause, .. } | Breaker::Probing { pause, .. } = self.breaker {
            self.breaker = Breaker::Probing { until: now + PROBING, pause };
        }
    }

    /// An answer has begun soundly, which ends a probe: the whole of it may take minutes. What became of the request
    /// is told when the answer has ended.
    pub(crate) fn begin_answer(&mut self, purpose: Purpose, now: Instant) {
        if purpose == Purpose::Probe {
            self.breaker = Breaker::Closed;
            // What failed before must not count against it a second time; the row of failures goes on until an answer
            // has ended as it should.
            self.recent = Recent::new(now);
        }
    }

    /// What became of a request, told once; an answer that had begun is an ordinary one. Once the breaker is open,
    /// probes alone decide.
    pub(crate) fn record(&mut self, outcome: Outcome, purpose: Purpose, now: Instant) {
        match outcome {
            Outcome::Answered => self.answered(purpose, now),
            Outcome::Full(pause) => {
                self.be_full(pause.unwrap_or(FULL), now);
                self.answered(purpose, now);
            }
            Outcome::Failed(pause) => {
                pause.into_iter().for_each(|pause| self.be_full(pause, now));
                self.failed(purpose, now);
            }
        }
    }

    fn be_full(&mut self, pause: Duration, now: Instant) {
        let until = now + pause.min(LONGEST_FULL);
        self.full_until = Some(self.full_until.map_or(until, |known| known.max(until)));
    }

    fn answered(&mut self, purpose: Purpose, now: Instant) {
        self.begin_answer(purpose, now);
        self.in_a_row = 0;
        self.recent.add(now, |second| second.sound += 1);
    }

    fn failed(&mut self, purpose: Purpose, now: Instant) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.recent.add(now, |second| second.failed += 1);
        let pause = match (self.breaker, purpose) {
            (Breaker::Probing { pause, .. }, Purpose::Probe) => (pause * 2).min(LONGEST_PAUSE),
            (Breaker::Closed, _) if self.is_failing(now) => FIRST_PAUSE,
            _ => return,
        };
        self.breaker = Breaker::Open { until: now + pause, pause };
    }

    fn is_failing(&self, now: Instant) -> bool {
        let Outcomes { failed, sound, .. } = self.recent.count(now);
        let total = failed.saturating_add(sound);
        self.in_a_row >= FAILURES_IN_A_ROW || (total >= ENOUGH_OUTCOMES && failed > total / 2)
    }
}

/// The outcomes of the last seconds, one sum for each.
#[derive(Debug)]
struct Recent {
    origin: Instant,
    seconds: [Outcomes; MEMORY_SECONDS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Outcomes {
    /// Which second it is, counted from the origin.
    second: u64,
    failed: u32,
    sound: u32,
}

impl Recent {
    fn new(now: Instant) -> Recent {
        Recent { origin: now, seconds: [Outcomes::default(); MEMORY_SECONDS] }
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_secs()
    }

    fn add(&mut self, now: Instant, change: impl FnOnce(&mut Outcomes)) {
        let second = self.second(now);
        let sum = &mut self.seconds[(second % MEMORY_SECONDS as u64) as usize];
        if sum.second != second {
            *sum = Outcomes { second, ..Outcomes::default() };
        }
        change(sum);
    }

    fn count(&self, now: Instant) -> Outcomes {
        let second = self.second(now);
        let recent = self.seconds.iter().filter(|sum| sum.second + MEMORY_SECONDS as u64 > second);
        recent.fold(Outcomes { second, ..Outcomes::default() }, |total, sum| Outcomes {
            failed: total.failed.saturating_add(sum.failed),
            sound: total.sound.saturating_add(sum.sound),
            ..total
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Outcome = Outcome::Failed(None);

    /// A health, and a clock that moves when it is told to.
    struct Patient {
        health: Health,
        now: Instant,
    }

    impl Patient {
        fn new() -> Patient {
            let now = Instant::now();
            Patient { health: Health::new(now), now }
        }

        fn wait(&mut self, millis: u64) {
            self.now += Duration::from_millis(millis);
        }

        fn purpose(&self) -> Option<Purpose> {
            match self.health.standing(self.now) {
                Standing::Open(purpose) => Some(purpose),
                Standing::Closed(_) => None,
            }
        }

        /// Asks, if it may be asked.
        fn ask(&mut self, outcome: Outcome) -> bool {
            let Some(purpose) = self.purpose() else { return false };
            if purpose == Purpose::Probe {
                self.health.begin_probe(self.now);
            }
            self.health.record(outcome, purpose, self.now);
            true
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let mut patient = Patient::new();
        for _ in 0..4 {
            assert!(patient.ask(FAILED));
        }
        patient.ask(Outcome::Answered);
        for _ in 0..5 {
            assert!(patient.ask(FAILED));
        }
        assert!(!patient.ask(FAILED));
        assert!(patient.health.is_left_alone());
    }

    #[test]
    fn more_than_half_of_ten_open_it() {
        let mut patient = Patient::new();
        for _ in 0..5 {
            assert!(patient.ask(FAILED) && patient.ask(Outcome::Answered));
        }
        assert!(patient.ask(FAILED), "half of ten is not more than half");
        assert!(!patient.ask(FAILED));
    }

    #[test]
    fn failures_are_forgotten_after_ten_seconds() {
        let mut patient = Patient::new();
        for _ in 0..4 {
            patient.ask(FAILED);
        }
        assert_eq!(patient.health.recent_failures(patient.now), 4);
        patient.wait(9_999);
        assert_eq!(patient.health.recent_failures(patient.now), 4);
        patient.wait(1);
        assert_eq!(patient.health.recent_failures(patient.now), 0);
    }

    #[test]
    fn pauses_double_up_to_thirty_seconds() {
        let mut patient = Patient::new();
        for _ in 0..5 {
            patient.ask(FAILED);
        }
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            patient.wait(pause * 1_000 - 1);
            assert_eq!(patient.purpose(), None, "{pause} s");
            patient.wait(1);
            assert_eq!(patient.purpose(), Some(Purpose::Probe), "{pause} s");
            assert!(patient.ask(FAILED));
        }
        patient.wait(30_000);
        assert!(patient.ask(Outcome::Answered));
        assert_eq!(patient.purpose(), Some(Purpose::Ordinary));
        assert_eq!(patient.health.recent_failures(patient.now), 0);
    }

    #[test]
    fn one_probe_goes_at_a_time() {
        let mut patient = Patient::new();
        for _ in 0..5 {
            patient.ask(FAILED);
        }
        patient.wait(1_000);
        patient.health.begin_probe(patient.now);
        assert_eq!(patient.purpose(), None);
        // Requests that were under way before decide nothing.
        patient.health.record(Outcome::Answered, Purpose::Ordinary, patient.now);
        patient.health.record(FAILED, Purpose::Ordinary, patient.now);
        assert_eq!(patient.purpose(), None);
        // One that is given up is no reason for another at once.
        patient.wait(999);
        assert_eq!(patient.purpose(), None);
        patient.wait(1);
        assert_eq!(patient.purpose(), Some(Purpose::Probe));
    }

    #[test]
    fn answers_that_break_off_open_it() {
        let mut patient = Patient::new();
        let break_off = |patient: &mut Patient| {
            let Some(purpose) = patient.purpose() else { return false };
            patient.health.begin_answer(purpose, patient.now);
            patient.health.record(FAILED, purpose, patient.now);
            true
        };
        for _ in 0..5 {
            assert!(break_off(&mut patient));
        }
        assert!(!break_off(&mut patient));
        // The answer to a probe begins, lets others pass, and breaks off: that one failure is enough.
        patient.wait(1_000);
        patient.health.begin_probe(patient.now);
        patient.health.begin_answer(Purpose::Probe, patient.now);
        assert_eq!(patient.purpose(), Some(Purpose::Ordinary));
        patient.health.record(FAILED, Purpose::Ordinary, patient.now);
        assert_eq!(patient.purpose(), None);
        patient.wait(1_000);
        assert!(patient.ask(Outcome::Answered));
        assert!(break_off(&mut patient));
        assert_eq!(patient.purpose(), Some(Purpose::Ordinary), "an answer that ended well ends the row");
    }

    #[test]
    fn of_two_reasons_to_wait_the_longer_one_is_told() {
        let mut patient = Patient::new();
        for _ in 0..4 {
            patient.ask(FAILED);
        }
        let seconds = Duration::from_secs;
        patient.ask(Outcome::Failed(Some(seconds(7))));
        assert_eq!(patient.health.standing(patient.now), Standing::Closed(patient.now + seconds(7)));
        patient.wait(7_000);
        assert!(patient.ask(Outcome::Failed(Some(seconds(1)))));
        assert_eq!(patient.health.standing(patient.now), Standing::Closed(patient.now + seconds(2)));
    }

    #[test]
    fn a_slow_probe_does_not_keep_others_away() {
        let mut patient = Patient::new();
        for _ in 0..5 {
            patient.ask(FAILED);
        }
        patient.wait(1_000);
        patient.health.begin_probe(patient.now);
        patient.wait(999);
        assert_eq!(patient.purpose(), None);
        patient.wait(1);
        assert_eq!(patient.purpose(), Some(Purpose::Probe));
        patient.health.begin_probe(patient.now);
        assert_eq!(patient.purpose(), None);
        patient.health.record(Outcome::Answered, Purpose::Probe, patient.now);
        assert_eq!(patient.purpose(), Some(Purpose::Ordinary));
    }

    #[test]
    fn a_full_one_is_not_a_failing_one() {
        let mut patient = Patient::new();
        for _ in 0..20 {
            assert!(patient.ask(Outcome::Full(None)));
            assert_eq!(patient.purpose(), None);
            patient.wait(1_000);
        }
        assert!(!patient.health.is_left_alone());
        patient.ask(Outcome::Full(Some(Duration::from_secs(1_000_000))));
        patient.wait(59_999);
        assert_eq!(patient.purpose(), None);
        patient.wait(1);
        assert_eq!(patient.purpose(), Some(Purpose::Ordinary));
    }
}
