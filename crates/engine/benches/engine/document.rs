//! The JSON that the program prints. `xtask/src/bench/engine_run.rs` reads it.

use std::time::Duration;

use interference_engine::{ConstraintTimes, MachineLimits, MatrixTotals, ModelInfo, OnThreads};
use serde::Serialize;

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Document {
    pub(crate) model: ModelRecord,
    pub(crate) threads: usize,
    pub(crate) kernels: &'static str,
    /// One for each round.
    pub(crate) limits: Vec<LimitsRecord>,
    pub(crate) rows: Vec<Row>,
    pub(crate) constraint: ConstraintRecord,
}

/// The model and what it weighs.
#[derive(Serialize)]
pub(crate) struct ModelRecord {
    name: String,
    sha256: String,
    main_format: &'static str,
    layers: MatricesRecord,
    head: MatricesRecord,
}

#[derive(Serialize)]
struct MatricesRecord {
    bytes: u64,
    weights: u64,
}

/// The limits of one round, per second.
#[derive(Serialize)]
pub(crate) struct LimitsRecord {
    memory_read: RateRecord,
    weights_read: RateRecord,
    operations: RateRecord,
}

/// On one thread, and on all.
#[derive(Serialize)]
struct RateRecord {
    one: f64,
    all: f64,
}

/// One thing that is measured in every round.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) streams: usize,
    pub(crate) rounds: Vec<Measurement>,
}

/// What was done, and in which time.
#[derive(Serialize)]
pub(crate) struct Measurement {
    pub(crate) seconds: f64,
    /// Tokens read or written, of all streams.
    pub(crate) tokens: usize,
    /// Steps, each of which reads the layers once, and the columns that met the layers in them.
    pub(crate) layer_steps: usize,
    pub(crate) layer_columns: usize,
    /// Those of them that read the output matrix, and the columns that met it.
    pub(crate) head_steps: usize,
    pub(crate) head_columns: usize,
}

/// What a constraint costs by itself, on one thread, in seconds.
#[derive(Serialize)]
pub(crate) struct ConstraintRecord {
    /// To compile the first one, with the words of the model, and another one.
    first_compiled: f64,
    compiled: f64,
    /// For each answer, to begin it.
    begun: Vec<f64>,
    /// For each token.
    tokens: Vec<f64>,
}

impl ConstraintRecord {
    pub(crate) fn new(first_compiled: Duration, compiled: Duration) -> ConstraintRecord {
        let (first_compiled, compiled) = (first_compiled.as_secs_f64(), compiled.as_secs_f64());
        ConstraintRecord { first_compiled, compiled, begun: Vec::new(), tokens: Vec::new() }
    }

    pub(crate) fn add(&mut self, times: &ConstraintTimes) {
        self.begun.push(times.beginning.as_secs_f64());
        self.tokens.extend(times.tokens.iter().map(Duration::as_secs_f64));
    }
}

impl ModelRecord {
    pub(crate) fn of(info: &ModelInfo) -> ModelRecord {
        let record = |MatrixTotals { bytes, weights }: MatrixTotals| MatricesRecord { bytes, weights };
        ModelRecord {
            name: info.name.clone(),
            sha256: info.sha256.clone(),
            main_format: info.weights.main_format_name(),
            layers: record(info.weights.layers),
            head: record(info.weights.head),
        }
    }
}

impl LimitsRecord {
    pub(crate) fn of(limits: &MachineLimits) -> LimitsRecord {
        let record = |OnThreads { one, all }: OnThreads| RateRecord { one, all };
        LimitsRecord {
            memory_read: record(limits.memory_read),
            weights_read: record(limits.weights_read),
            operations: record(limits.operations),
        }
    }
}

impl Row {
    pub(crate) fn new(name: &'static str, streams: usize) -> Row {
        Row { name, streams, rounds: Vec::new() }
    }
}
