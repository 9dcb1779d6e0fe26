//! The JSON that the program prints. `xtask/src/bench/client_run.rs` reads it.

use std::time::Duration;

use serde::Serialize;

/// What came within the time of a load.
#[derive(Serialize)]
pub(crate) struct LoadRecord {
    pub(crate) seconds: f64,
    /// Complete ones.
    pub(crate) answers: u64,
    /// Events with data that is not `[DONE]`, also of answers that were still coming.
    pub(crate) chunks: u64,
    /// Chunks of the chunked coding, without the empty one at the end.
    pub(crate) frames: u64,
    /// Reads from sockets that gave something.
    pub(crate) reads: u64,
    pub(crate) chunks_per_answer: u64,
    /// Of an answer's body.
    pub(crate) bytes_per_answer: u64,
    /// Processor time of the server's process; none where the system does not tell it.
    pub(crate) server_cpu_seconds: Option<f64>,
    /// TCP segments with data that the machine sent, but for those of the requests; none where the system does not tell
    /// it. Whoever else sends something at the same time is counted, too.
    pub(crate) segments: Option<u64>,
}

/// How late the pieces of streams were.
#[derive(Serialize)]
pub(crate) struct PaceRecord {
    pub(crate) streams: usize,
    /// Pieces of text that count, of all streams.
    pub(crate) chunks: usize,
    pub(crate) late_ms: Quantiles,
    /// The same, of the first piece of each stream.
    pub(crate) first_late_ms: Quantiles,
    /// How late the client itself was at the same time, with something that was sent to it at a known instant.
    pub(crate) client_ms: Quantiles,
}

/// In milliseconds. Negative is early.
#[derive(Serialize)]
pub(crate) struct Quantiles {
    min: f64,
    p50: f64,
    p99: f64,
    max: f64,
}

impl Quantiles {
    /// Of delays in microseconds; none of nothing. A quantile is the least value that so many do not exceed.
    pub(crate) fn of(mut delays: Vec<i64>) -> Option<Quantiles> {
        delays.sort_unstable();
        let at = |share: f64| {
            let rank = (share * delays.len() as f64).ceil() as usize;
            delays.get(rank.saturating_sub(1)).map(|delay| *delay as f64 / 1e3)
        };
        Some(Quantiles { min: at(0.0)?, p50: at(0.5)?, p99: at(0.99)?, max: at(1.0)? })
    }
}

/// `later - earlier` in microseconds, also where it is negative.
pub(crate) fn micros_between(earlier: std::time::Instant, later: std::time::Instant) -> i64 {
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    match later.checked_duration_since(earlier) {
        Some(late) => micros(late),
        None => -micros(earlier.duration_since(later)),
    }
}
