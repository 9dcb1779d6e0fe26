//! `interference report`: reports of runs that were made before, from their documents.

use std::path::PathBuf;

use interference_report::{Output, merge};

/// What `interference report` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Read the JSON documents of one or several runs, and tell of them in other formats
    Merge(MergeArguments),
}

#[derive(Debug, clap::Args)]
struct MergeArguments {
    /// A document that `--report json=FILE` has written
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What to write and where to, `-` for stdout; may be given several times. One file: json, html, badge, baseline.
    /// One or several: matrix, matrix-md, junit, sarif, text
    #[arg(long = "report", required = true, value_name = "FORMAT=PATH")]
    reports: Vec<String>,
}

/// Does what was asked for.
///
/// # Errors
/// `ReportError`, before anything is written if the command line or a document is wrong.
pub(crate) fn run(arguments: &ReportArguments) -> anyhow::Result<()> {
    let Task::Merge(MergeArguments { files, reports }) = &arguments.task;
    let outputs = reports.iter().map(|report| report.parse()).collect::<Result<Vec<Output>, _>>()?;
    for output in &outputs {
        output.format.accept(files.len())?;
    }
    let documents = merge::read(files)?;
    for output in &outputs {
        output.write(&documents)?;
    }
    Ok(())
}
