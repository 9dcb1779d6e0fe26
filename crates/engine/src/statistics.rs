//! What the engine counts of itself, for those who watch it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::kv_cache::{Occupancy, PAGE_POSITIONS};

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
        }
    }
}

/// Counts up.
pub(crate) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}
