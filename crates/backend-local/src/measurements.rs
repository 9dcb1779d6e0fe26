//! What the engine counts of itself, by the names that watchers know it by.

use interference_backend::{Distribution, MeasuredValue, Measurement};
use interference_engine::{EngineStatistics, LATENCY_BOUNDS_SECONDS, Latencies};

/// One measurement for each of the engine's numbers.
pub(crate) fn of(statistics: &EngineStatistics) -> Vec<Measurement> {
    let gauge = |name, help, value| Measurement { name, help, value: MeasuredValue::Gauge(value) };
    let counter = |name, help, value| Measurement { name, help, value: MeasuredValue::Counter(value) };
    let histogram = |name, help, latencies| Measurement {
        name,
        help,
        value: MeasuredValue::Histogram(distribution(latencies)),
    };
    // By name, so that a number that is added to the engine is not forgotten here.
    let EngineStatistics {
        waiting,
        running,
        cache_positions,
        cache_positions_in_use,
        cache_positions_kept,
        cache_bytes,
        prompt_tokens_computed,
        prompt_tokens_cached,
        generated_tokens,
        guessed_tokens,
        right_guesses,
        steps,
        to_first_token,
        between_tokens,
    } = *statistics;
    vec![
        gauge("requests_waiting", "Requests that wait for a place", waiting),
        gauge("requests_running", "Requests that are computed", running),
        gauge("cache_positions", "Positions that the cache of keys and values has room for", cache_positions),
        gauge(
            "cache_positions_in_use",
            "Positions of the cache that belong to running requests",
            cache_positions_in_use,
        ),
        gauge(
            "cache_positions_kept",
            "Positions of the cache that are kept for prompts that begin alike",
            cache_positions_kept,
        ),
        gauge("cache_bytes", "Bytes that the cache takes when it is full", cache_bytes),
        counter("prompt_tokens_computed", "Tokens of prompts that were computed", prompt_tokens_computed),
        counter(
            "prompt_tokens_cached",
            "Tokens of prompts that were found in the cache",
            prompt_tokens_cached,
        ),
        counter("generated_tokens", "Tokens that were generated", generated_tokens),
        counter("guessed_tokens", "Tokens that were guessed ahead of time", guessed_tokens),
        counter("right_guesses", "Guessed tokens that were right", right_guesses),
        counter("steps", "Steps of the model", steps),
        histogram(
            "time_to_first_token_seconds",
            "From the submission of a request to the model to its first token",
            &to_first_token,
        ),
        histogram("time_between_tokens_seconds", "From one token of a request to its next", &between_tokens),
    ]
}

fn distribution(latencies: &Latencies) -> Distribution {
    let bounds = LATENCY_BOUNDS_SECONDS.into_iter().chain([f64::INFINITY]);
    Distribution { buckets: bounds.zip(latencies.counts).collect(), sum: latencies.sum_micros as f64 / 1e6 }
}
