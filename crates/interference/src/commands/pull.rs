//! `interference pull`: brings a model's file into the cache, and prints its path on stdout.

use std::io::Write;

use interference_model_store::{ModelDirectory, ModelEntry, default_model, ensure, find};

use crate::fetch_progress::StderrProgress;
use crate::talk::say;

/// What `interference pull` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct PullArguments {
    /// The model's name, as `interference models` lists it
    #[arg(default_value = default_model().name, value_parser = model_named)]
    model: &'static ModelEntry,
}

fn model_named(name: &str) -> Result<&'static ModelEntry, String> {
    find(name).ok_or_else(|| "no model has that name; `interference models` lists them".to_owned())
}

/// Fetches the model unless it is there.
///
/// # Errors
/// A `FetchError` or `NoCacheDirectory` of the model store, or what stdout said.
pub(crate) fn run(arguments: &PullArguments) -> anyhow::Result<()> {
    let directory = ModelDirectory::from_environment()?;
    let path = ensure(arguments.model, &directory, &mut StderrProgress::default())?;
    say(&format!("{} is licensed under {}", arguments.model.name, arguments.model.licence));
    writeln!(std::io::stdout().lock(), "{}", path.display())?;
    Ok(())
}
