//! `interference report`: reports of runs that were made before, from their documents.

use std::path::PathBuf;

use interference_report::load::comparison::{self, Comparison, Conclusion};
use interference_report::load::{self, LoadReport};
use interference_report::merge::{self, Documents};
use interference_report::{Form, Format, Output, ReportError};

use crate::failure::{Failure, TEST_FAILED, WRONG_USAGE};
use crate::stdout::{self, Stdout};
use crate::talk;

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
    /// Put two runs of load side by side, and tell whether they differ beyond noise
    Compare(CompareArguments),
}

#[derive(Debug, clap::Args)]
struct MergeArguments {
    /// A document that `--report json=FILE` has written: all of judges, or all of the shards of one run of load
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What to write and where to, `-` for stdout; may be given several times. Verdicts of one file: json, html, badge,
    /// baseline. Of one or several: matrix, matrix-md, junit, sarif, text. Load: json, csv, html, text
    #[arg(long = "report", required = true, value_name = "FORMAT=PATH")]
    reports: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct CompareArguments {
    /// The document of the run to compare with, as `load --report json=FILE` has written it
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The document of the run that is compared: what is worse in it decides the exit code
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
    /// A report besides: json, html or text, and its file (repeatable)
    #[arg(long = "report", value_name = "FORMAT=PATH")]
    reports: Vec<String>,
}

/// Does what was asked for.
///
/// # Errors
/// `ReportError`, before anything is written if the command line or a document is wrong; of a comparison, that B is worse.
pub(crate) fn run(arguments: &ReportArguments) -> anyhow::Result<()> {
    match &arguments.task {
        Task::Merge(arguments) => merge_files(arguments),
        Task::Compare(arguments) => compare(arguments),
    }
}

/// Where reports go, and whose stdout is.
fn outputs<F: Form>(reports: &[String], json: bool) -> anyhow::Result<(Vec<Output<F>>, Stdout)> {
    let outputs = reports.iter().map(|report| report.parse()).collect::<Result<Vec<Output<F>>, _>>()?;
    let owner = Stdout::of(&outputs, json)?;
    Ok((outputs, owner))
}

fn merge_files(MergeArguments { files, reports }: &MergeArguments) -> anyhow::Result<()> {
    match merge::read(files)? {
        Documents::Verdicts(documents) => {
            let (outputs, _) = outputs::<Format>(reports, false)?;
            for output in &outputs {
                output.format.accept(documents.len())?;
            }
            // Whatever cannot be written, the rest is.
            outputs.iter().map(|output| output.write(&documents)).fold(Ok(()), Result::and)?;
        }
        Documents::Load(documents) => {
            let (outputs, _) = outputs::<load::Format>(reports, false)?;
            let whole = LoadReport::merge(documents).map_err(|source| ReportError::Merge { source })?;
            for note in &whole.notes {
                talk::say(note);
            }
            outputs.iter().map(|output| output.write(&whole)).fold(Ok(()), Result::and)?;
        }
    }
    Ok(())
}

fn compare(CompareArguments { a, b, json, reports }: &CompareArguments) -> anyhow::Result<()> {
    let (outputs, owner) = outputs::<comparison::Format>(reports, *json)?;
    let comparison = comparison::compare(&merge::read_load(a)?, &merge::read_load(b)?);
    let written = outputs.iter().map(|output| output.write(&comparison)).fold(Ok(()), Result::and);
    let printed = match owner {
        Stdout::Own => print(&comparison, *json),
        Stdout::Report => Ok(()),
    };
    written?;
    conclude(comparison)?;
    printed
}

fn print(comparison: &Comparison, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json {
        comparison.to_json()?
    } else {
        comparison::terminal::render(comparison, stdout::style())
    };
    Ok(stdout::print(&text)?)
}

fn conclude(comparison: Comparison) -> anyhow::Result<()> {
    match comparison.conclusion {
        Conclusion::NotComparable => {
            let hint =
                "both have to be runs with answers, and long enough for their figures to be told from chance";
            Err(Failure::new(WRONG_USAGE, comparison.summary, hint).into())
        }
        conclusion if conclusion.is_worse() => {
            let hint = "`--report html=FILE` shows every figure; a run of the same against itself tells how far noise goes";
            Err(Failure::new(TEST_FAILED, comparison.summary, hint).into())
        }
        _ => Ok(()),
    }
}
