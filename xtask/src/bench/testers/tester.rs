//! The testers: which there are, how each is told what to do, and what it says afterwards.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::sample::Quantiles;
use super::{aiperf, guidellm, oha, ours};

/// A load tester.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tester {
    /// `interference load`
    Interference,
    /// In Python, with several processes
    Aiperf,
    /// In Python, with several processes
    Guidellm,
    /// In Rust; knows no event streams, so that it times whole answers
    Oha,
}

/// What a tester is asked to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    /// Of the server, with `/v1`.
    pub(super) base_url: &'a str,
    /// Streams that begin in a second, evenly spaced; and as many are open at once.
    pub(super) streams: u32,
    /// How long streams begin.
    pub(super) seconds: u32,
    /// Empty, for whatever it writes.
    pub(super) folder: &'a Path,
}

/// What a tester says, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Said {
    /// From the request to the first text.
    pub(super) first: Option<Quantiles>,
    /// From a chunk to the next, or whatever comes nearest to that.
    pub(super) between: Option<Quantiles>,
    /// From the request to the end of its answer.
    pub(super) whole: Option<Quantiles>,
    /// Answers that it counts as good.
    pub(super) good: u64,
    /// Whether it says that its own numbers can be trusted; none where it says nothing of the kind.
    pub(super) certified: Option<bool>,
}

impl Tester {
    pub(super) const ALL: [Tester; 4] = [Tester::Interference, Tester::Aiperf, Tester::Guidellm, Tester::Oha];

    /// As the table has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Tester::Interference => "interference",
            Tester::Aiperf => "aiperf",
            Tester::Guidellm => "guidellm",
            Tester::Oha => "oha",
        }
    }

    /// What a reader of its figures should know.
    pub(super) fn note(self) -> &'static str {
        match self {
            Tester::Interference => ours::NOTE,
            Tester::Aiperf => aiperf::NOTE,
            Tester::Guidellm => guidellm::NOTE,
            Tester::Oha => oha::NOTE,
        }
    }

    /// The program with all that it is told.
    ///
    /// # Errors
    /// When a file that it needs cannot be written.
    pub(super) fn command(self, program: &Path, task: Task<'_>) -> anyhow::Result<Command> {
        match self {
            Tester::Interference => Ok(ours::command(program, task)),
            Tester::Aiperf => aiperf::command(program, task),
            Tester::Guidellm => guidellm::command(program, task),
            Tester::Oha => Ok(oha::command(program, task)),
        }
    }

    /// What it has written into its folder.
    ///
    /// # Errors
    /// When that is not there, or something else.
    pub(super) fn said(self, folder: &Path) -> anyhow::Result<Said> {
        match self {
            Tester::Interference => ours::said(folder),
            Tester::Aiperf => aiperf::said(folder),
            Tester::Guidellm => guidellm::said(folder),
            Tester::Oha => oha::said(folder),
        }
    }
}

/// The JSON of a file.
pub(super) fn json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
}

/// The numbers at two places of a document, times so much; none where one of them is missing or null.
pub(super) fn quantiles(document: &Value, [p50, p99]: [&str; 2], times: f64) -> Option<Quantiles> {
    let at = |place: &str| document.pointer(place).and_then(Value::as_f64).map(|value| value * times);
    Some(Quantiles { p50: at(p50)?, p99: at(p99)? })
}
