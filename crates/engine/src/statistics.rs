//! What the engine counts of itself, for those who watch it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::kv_cache::{Occupancy, PAGE_POSITIONS};

/// The largest value of each bucket of [`Latencies`], in seconds: 1, 2.5 and 5 of each power of ten. A last bucket takes
/// what is above.
pub const LATENCY_BOUNDS_SECONDS: [f64; LATENCY_BUCKETS - 1] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0,
];

/// How many buckets [`Latencies`] has.
pub const LATENCY_BUCKETS: usize = 18;

/// How long something took, how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latencies {
    /// How many values were within each of [`LATENCY_BOUNDS_SECONDS`] and above the bound before; last, those above all.
    pub counts: [u64; LATENCY_BUCKETS],
    /// The sum of all values, in microseconds.
    pub sum_micros: u64,
}

/// [`Latencies`] as they are counted: without locks, by one thread or several.
#[derive(Default)]
pub(crate) struct LatencyCounters {
    counts: [AtomicU64; LATENCY_BUCKETS],
    sum_micros: AtomicU64,
}

impl LatencyCounters {
    /// One more value.
    pub(crate) fn add(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = LATENCY_BOUNDS_SECONDS.partition_point(|bound| *bound < seconds);
        count(&self.counts[bucket], 1);
        self.sum_micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How things stand.
    fn read(&self) -> Latencies {
        Latencies {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed)),
            sum_micros: self.sum_micros.load(Ordering::Relaxed),
        }
    }
}

/// When a generation last told something: it was submitted, or it told a token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LastTold {
    /// No token yet.
    Submitted(Instant),
    /// A token.
    Token(Instant),
}

/// Counters since the start, and how things stand at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineStatistics {
    /// Generations that wait for a place.
    pub waiting: u64,
    /// Generations that run.
    pub running: u64,
    /// Positions that the cache of keys and values has room for: its bound.
    pub cache_positions: u64,
    /// Those of generations that run, in whole pages.
    pub cache_positions_in_use: u64,
    /// Those kept for prompts that begin alike.
    pub cache_positions_kept: u64,
    /// Bytes of the whole cache.
    pub cache_bytes: u64,
    /// Tokens of prompts that were computed.
    pub prompt_tokens_computed: u64,
    /// Tokens of prompts that were found in the cache.
    pub prompt_tokens_cached: u64,
    /// Tokens that were generated.
    pub generated_tokens: u64,
    /// Tokens that were guessed ahead of time.
    pub guessed_tokens: u64,
    /// Guesses that were right.
    pub right_guesses: u64,
    /// Steps of the model.
    pub steps: u64,
    /// From the submission of a generation to its first token.
    pub to_first_token: Latencies,
    /// From one token of a generation to its next. Tokens that were guessed come together with the one before.
    pub between_tokens: Latencies,
}

/// The counters, written by the engine's thread.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) running: AtomicU64,
    pub(crate) prompt_tokens_computed: AtomicU64,
    pub(crate) prompt_tokens_cached: AtomicU64,
    pub(crate) generated_tokens: AtomicU64,
    pub(crate) guessed_tokens: AtomicU64,
    pub(crate) right_guesses: AtomicU64,
    pub(crate) steps: AtomicU64,
    to_first_token: LatencyCounters,
    between_tokens: LatencyCounters,
    cache_pages: AtomicU64,
    cache_pages_in_use: AtomicU64,
    cache_pages_kept: AtomicU64,
}

impl Counters {
    /// Tells what the cache's pages are used for.
    pub(crate) fn set_occupancy(&self, occupancy: Occupancy) {
        self.cache_pages.store(occupancy.pages as u64, Ordering::Relaxed);
        self.cache_pages_in_use.store(occupancy.in_use as u64, Ordering::Relaxed);
        self.cache_pages_kept.store(occupancy.kept as u64, Ordering::Relaxed);
    }

    /// A generation tells a token now.
    pub(crate) fn token_told(&self, last: &mut LastTold) {
        let now = Instant::now();
        match *last {
            LastTold::Submitted(then) => self.to_first_token.add(now - then),
            LastTold::Token(then) => self.between_tokens.add(now - then),
        }
        *last = LastTold::Token(now);
    }

    /// How things stand.
    pub(crate) fn read(&self, waiting: usize, page_bytes: usize) -> EngineStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let positions = |counter: &AtomicU64| read(counter) * PAGE_POSITIONS as u64;
        EngineStatistics {
            waiting: waiting as u64,
            running: read(&self.running),
            cache_positions: positions(&self.cache_pages),
            cache_positions_in_use: positions(&self.cache_pages_in_use),
            cache_positions_kept: positions(&self.cache_pages_kept),
            cache_bytes: read(&self.cache_pages) * page_bytes as u64,
            prompt_tokens_computed: read(&self.prompt_tokens_computed),
            prompt_tokens_cached: read(&self.prompt_tokens_cached),
            generated_tokens: read(&self.generated_tokens),
            guessed_tokens: read(&self.guessed_tokens),
            right_guesses: read(&self.right_guesses),
            steps: read(&self.steps),
            to_first_token: self.to_first_token.read(),
            between_tokens: self.between_tokens.read(),
        }
    }
}

/// Counts up.
pub(crate) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let counters = LatencyCounters::default();
        for micros in [0, 500, 501, 1_000_000, 100_000_000, 100_000_001] {
            counters.add(Duration::from_micros(micros));
        }
        let Latencies { counts, sum_micros } = counters.read();
        let mut expected = [0; LATENCY_BUCKETS];
        (expected[0], expected[1], expected[10], expected[16], expected[17]) = (2, 1, 1, 1, 1);
        assert_eq!(counts, expected);
        assert_eq!(sum_micros, 201_001_002);
        assert!(LATENCY_BOUNDS_SECONDS.is_sorted());
    }

    #[test]
    fn the_first_token_is_measured_from_the_submission_and_others_from_the_one_before() {
        let counters = Counters::default();
        let mut last = LastTold::Submitted(Instant::now());
        for _ in 0..3 {
            counters.token_told(&mut last);
        }
        let statistics = counters.read(0, 0);
        assert_eq!(statistics.to_first_token.counts.iter().sum::<u64>(), 1);
        assert_eq!(statistics.between_tokens.counts.iter().sum::<u64>(), 2);
    }
}
