//! The engine's benchmark as a program: how it is run, and the JSON that it prints.
//!
//! `crates/engine/benches/engine` counts and times, and prints what `document.rs` there says; xtask sees no crate of
//! the workspace, so the same is written down here once more, as what is read.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::steps::cargo;

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct EngineRun {
    pub(crate) model: Model,
    pub(crate) threads: usize,
    pub(crate) kernels: String,
    /// One for each round.
    pub(crate) limits: Vec<Limits>,
    pub(crate) rows: Vec<Row>,
    pub(crate) constraint: Constraint,
}

/// What a constraint costs by itself, on one thread, in seconds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Constraint {
    /// To compile the first one, with the words of the model, and another one.
    pub(crate) first_compiled: f64,
    pub(crate) compiled: f64,
    /// For each answer, to begin it.
    pub(crate) begun: Vec<f64>,
    /// For each token.
    pub(crate) tokens: Vec<f64>,
}

/// The model and what it weighs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) main_format: String,
    pub(crate) layers: Matrices,
    pub(crate) head: Matrices,
}

/// Packed bytes, and weights that a column multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Matrices {
    pub(crate) bytes: u64,
    pub(crate) weights: u64,
}

/// The machine's limits, per second.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, serde::Serialize)]
pub(crate) struct Limits {
    /// Bytes from memory.
    pub(crate) memory_read: OnThreads,
    /// Bytes of a buffer of the model's size, read again and again.
    pub(crate) weights_read: OnThreads,
    /// Operations of the product kernel in the caches.
    pub(crate) operations: OnThreads,
}

/// On one thread, and on all.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, serde::Serialize)]
pub(crate) struct OnThreads {
    pub(crate) one: f64,
    pub(crate) all: f64,
}

/// One thing that was measured in every round.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Row {
    /// `prefill`, `decode` or `constrained`.
    pub(crate) name: String,
    pub(crate) streams: usize,
    pub(crate) rounds: Vec<Measurement>,
}

/// What was done, and in which time.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) seconds: f64,
    /// Tokens read or written, of all streams.
    pub(crate) tokens: u64,
    /// Steps, each of which reads the layers once, and the columns that met the layers in them.
    pub(crate) layer_steps: u64,
    pub(crate) layer_columns: u64,
    /// Those of them that read the output matrix, and the columns that met it.
    pub(crate) head_steps: u64,
    pub(crate) head_columns: u64,
}

/// Builds the benchmark, runs it on a model file, and reads what it prints. It bounds its own waits.
pub(crate) fn run(model: &Path, threads: usize, rounds: usize) -> anyhow::Result<EngineRun> {
    let mut command =
        cargo(["bench", "--package", "interference-engine", "--bench", "engine", "--", "--model"]);
    command.arg(model).args(["--threads", &threads.to_string(), "--rounds", &rounds.to_string()]);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "the engine's benchmark ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("the engine's benchmark printed what was not expected")
}
