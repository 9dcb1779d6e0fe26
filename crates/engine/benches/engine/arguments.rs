//! What the program is told on its command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

const USAGE: &str = "usage: --model PATH [--threads N] [--rounds N]";
const DEFAULT_ROUNDS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// What is to be measured.
pub(crate) struct Arguments {
    /// The model's file.
    pub(crate) model: PathBuf,
    /// Threads that compute; by default as many as the machine offers.
    pub(crate) threads: Option<NonZeroUsize>,
    /// How often everything is measured. Default 5.
    pub(crate) rounds: NonZeroUsize,
}

impl Arguments {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let (mut model, mut threads, mut rounds) = (None, None, DEFAULT_ROUNDS);
        while let Some(name) = arguments.next() {
            if name == "--bench" {
                // Cargo says so to every benchmark.
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} without a value; {USAGE}"))?;
            let number =
                || value.parse().map_err(|_| format!("{name} takes a number from 1, not `{value}`; {USAGE}"));
            match name.as_str() {
                "--model" => model = Some(PathBuf::from(&value)),
                "--threads" => threads = Some(number()?),
                "--rounds" => rounds = number()?,
                _ => return Err(format!("unknown argument `{name}`; {USAGE}")),
            }
        }
        let model = model.ok_or_else(|| format!("no model; {USAGE}"))?;
        Ok(Arguments { model, threads, rounds })
    }
}
