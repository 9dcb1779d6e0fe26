//! What the machine can do at most: what the speed of the engine is held against.
//!
//! Two things bound a step of a model: how fast weights come from memory, and how fast the product kernel computes
//! when nothing has to come from there. Both are measured with the engine's own threads, and the kernel's peak with
//! the very kernel that the model runs, on a matrix that stays in a core's own caches.
//!
//! A machine that does other things beside is slower, never faster: of several tries the best one counts.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use crate::kernels::InstructionSet;
use crate::kernels::activations::{Activations, Columns};
use crate::kernels::matmul::multiply;
use crate::kernels::packed_matrix::{GROUP, PackedMatrix, WeightFormat};
use crate::kernels::thread_pool::ThreadPool;
use crate::model::WeightTotals;

/// Columns of the small matrix: a multiple of every format's unit.
const WIDTH: usize = 512;
/// Columns that the small matrix meets in one product.
const INPUTS: usize = 64;
/// Bytes of the small matrix for each thread, about: a core's second-level cache holds them beside their inputs.
const MATRIX_BYTES: usize = 128 << 10;
/// Its rows come in multiples of this, so that every thread gets an equal number of whole tiles.
const ROWS: usize = 4 * GROUP;
/// A byte that, repeated, is a sound number in every format, and of ordinary size.
const WEIGHT_BYTE: u8 = 0x2c;
/// Bytes that a thread reads at a time.
const READ_RUN_BYTES: usize = 4 << 20;

/// How thorough the measurements are.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// The buffer for reads from memory.
    buffer_bytes: usize,
    /// Tries, of which the best counts.
    tries: usize,
    /// How long a try lasts, at least.
    time: Duration,
}

/// A rate on one thread, and on all that were asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnThreads {
    /// On one thread.
    pub one: f64,
    /// On all threads.
    pub all: f64,
}

/// The most that the machine can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MachineLimits {
    /// Bytes per second of a streaming read over a buffer far larger than the caches.
    pub memory_read: OnThreads,
    /// Bytes per second of a streaming read, again and again, over as many bytes as the model's matrices have, at
    /// most the buffer's: more than from memory where a cache holds them.
    pub weights_read: OnThreads,
    /// Operations per second of the product kernel for the model's main format, two for each weight and column, on a
    /// matrix that stays in a core's own caches.
    pub operations: OnThreads,
}

/// Measures the machine's limits. Holds a buffer of up to 2 GiB, and threads that sleep between measurements.
pub struct LimitsProbe {
    set: InstructionSet,
    effort: Effort,
    buffer: Vec<u64>,
    weights_words: usize,
    inputs: Activations,
    one: Team,
    all: Team,
}

/// Threads, and a matrix for them.
struct Team {
    pool: ThreadPool,
    matrix: PackedMatrix,
    output: Columns,
}

impl LimitsProbe {
    /// Prepares to measure for a model of these weights, with the best kernels there are where the processor lacks those
    /// of `set`.
    ///
    /// # Errors
    /// When the operating system gives no threads or no memory.
    pub fn new(
        weights: &WeightTotals,
        threads: NonZeroUsize,
        set: InstructionSet,
    ) -> std::io::Result<LimitsProbe> {
        // Kernels that the processor lacks must not run, whoever asks.
        let set = if set.is_available() { set } else { InstructionSet::detect() };
        let effort = Effort { buffer_bytes: buffer_bytes(), tries: 3, time: Duration::from_millis(20) };
        let weights_bytes = (weights.layers.bytes + weights.head.bytes) as usize;
        LimitsProbe::with_effort(weights.main_format(), weights_bytes, threads, set, effort)
    }

    fn with_effort(
        format: WeightFormat,
        weights_bytes: usize,
        threads: NonZeroUsize,
        set: InstructionSet,
        effort: Effort,
    ) -> std::io::Result<LimitsProbe> {
        let mut one = Team::new(format, NonZeroUsize::MIN)?;
        let all = Team::new(format, threads)?;
        let mut inputs = Activations::default();
        let mut failed = [false; INPUTS];
        inputs.fill(&mut one.pool, set, WIDTH, format.is_quantized(), &mut failed, &|column, values| {
            for (index, value) in values.iter_mut().enumerate() {
                *value = ((column + index * index) % 1_009) as f32 / 504.5 - 1.0;
            }
            Ok(())
        });
        let words = effort.buffer_bytes / size_of::<u64>();
        // Ones, not zeros: the system would map untouched zeros to one and the same page.
        let buffer = vec![1; words];
        let weights_words = (weights_bytes / size_of::<u64>()).clamp(1, words);
        Ok(LimitsProbe { set, effort, buffer, weights_words, inputs, one, all })
    }

    /// Measures; takes a second or so.
    pub fn measure(&mut self) -> MachineLimits {
        let LimitsProbe { set, effort, buffer, weights_words, inputs, one, all } = self;
        let mut on_threads = |rate: &dyn Fn(&mut Team) -> f64| OnThreads { one: rate(one), all: rate(all) };
        MachineLimits {
            memory_read: on_threads(&|team| team.read_rate(buffer, effort)),
            weights_read: on_threads(&|team| team.read_rate(&buffer[..*weights_words], effort)),
            operations: on_threads(&|team| team.product_rate(*set, inputs, effort)),
        }
    }
}

impl std::fmt::Debug for LimitsProbe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LimitsProbe").field("effort", &self.effort).finish_non_exhaustive()
    }
}

impl Team {
    fn new(format: WeightFormat, threads: NonZeroUsize) -> std::io::Result<Team> {
        let row_bytes = WIDTH / format.unit_columns() * format.unit_bytes();
        let rows = (MATRIX_BYTES / row_bytes / ROWS).max(1) * ROWS * threads.get();
        let matrix = PackedMatrix::alone(format, rows, WIDTH, &vec![WEIGHT_BYTE; rows * row_bytes])?;
        Ok(Team { pool: ThreadPool::new(threads)?, matrix, output: Columns::default() })
    }

    /// Bytes per second.
    fn read_rate(&mut self, buffer: &[u64], effort: &Effort) -> f64 {
        let runs: Vec<_> = buffer.chunks(READ_RUN_BYTES / size_of::<u64>()).collect();
        best_rate(effort, || {
            self.pool.run(runs.len(), &|run| {
                black_box(runs[run].iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)));
            });
            size_of_val(buffer)
        })
    }

    /// Operations per second.
    fn product_rate(&mut self, set: InstructionSet, inputs: &Activations, effort: &Effort) -> f64 {
        let Team { pool, matrix, output } = self;
        best_rate(effort, || {
            multiply(pool, set, &[matrix], inputs, output);
            2 * matrix.rows() * matrix.columns() * INPUTS
        })
    }
}

/// The rate of the best try. `work` says how much it did.
fn best_rate(effort: &Effort, mut work: impl FnMut() -> usize) -> f64 {
    let tries = (0..effort.tries).map(|_| {
        let (started, mut done) = (Instant::now(), 0);
        loop {
            done += work();
            let elapsed = started.elapsed();
            if elapsed >= effort.time {
                return done as f64 / elapsed.as_secs_f64();
            }
        }
    });
    tries.fold(0.0, f64::max)
}

/// Four times the largest cache, where the system tells of it, between 256 MiB and 2 GiB.
fn buffer_bytes() -> usize {
    const SMALLEST: usize = 256 << 20;
    const LARGEST: usize = 2 << 30;
    largest_cache_bytes().map_or(SMALLEST, |bytes| bytes.saturating_mul(4).clamp(SMALLEST, LARGEST))
}

fn largest_cache_bytes() -> Option<usize> {
    let caches = std::fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let sizes = caches.filter_map(|cache| {
        let size = std::fs::read_to_string(cache.ok()?.path().join("size")).ok()?;
        cache_bytes(size.trim())
    });
    sizes.max()
}

/// Reads a size such as `32768K`.
fn cache_bytes(size: &str) -> Option<usize> {
    let (number, unit) = match size.strip_suffix('K') {
        Some(number) => (number, 1 << 10),
        None => (size.strip_suffix('M')?, 1 << 20),
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_limits_and_made_up_weights_give_sound_products() {
        let effort = Effort { buffer_bytes: 1 << 20, tries: 1, time: Duration::ZERO };
        let threads = NonZeroUsize::new(2).unwrap();
        for (format, name) in WeightFormat::NAMES {
            let set = InstructionSet::detect();
            let mut probe = LimitsProbe::with_effort(format, 1 << 16, threads, set, effort).unwrap();
            let MachineLimits { memory_read, weights_read, operations } = probe.measure();
            for OnThreads { one, all } in [memory_read, weights_read, operations] {
                assert!(one.is_normal() && all.is_normal() && one > 0.0 && all > 0.0, "{name}");
            }
            for team in [&probe.one, &probe.all] {
                assert_eq!((team.output.count(), team.output.height()), (INPUTS, team.matrix.rows()));
                let values = team.output.iter().flatten();
                assert!(values.clone().all(|value| value.is_finite()), "{name}");
                assert!(values.clone().any(|value| value.is_normal()), "{name}");
            }
        }
    }

    #[test]
    fn the_best_of_the_tries_counts() {
        let effort = Effort { buffer_bytes: 0, tries: 3, time: Duration::ZERO };
        let mut amounts = [1, 1 << 40, 1].into_iter();
        // Nothing takes a hundred seconds.
        assert!(best_rate(&effort, || amounts.next().unwrap()) > (1_u64 << 40) as f64 / 100.0);
    }

    #[test]
    fn sizes_of_caches_are_read_as_the_system_writes_them() {
        assert_eq!(cache_bytes("32K"), Some(32 << 10));
        assert_eq!(cache_bytes("1M"), Some(1 << 20));
        assert_eq!(cache_bytes("many"), None);
        assert!((256 << 20..=2 << 30).contains(&buffer_bytes()));
    }
}
