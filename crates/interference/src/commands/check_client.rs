//! `interference check-client`: judges a client of the OpenAI API, stream by stream, by what it says it got.
//!
//! Owns the command line, and that nothing of the client is left when the run ends, however it ends. What is judged is
//! `check-client`'s business, how it is told that of `judging` and `report`.

mod listen;
mod told_command;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use interference_catalogue::{Named, Selection};
use interference_check_client::{Case, Exam, ExamError, Judgement, Program, cases};

use crate::failure::{Failure, INTERRUPTED, TEST_FAILED, TOOL_FAILED};
use crate::interrupt::{asked_to_end, end_at_ctrl_c};
use crate::judging::listing::{self, Listed};
use crate::judging::progress::Progress;
use crate::judging::{Found, JudgingArguments};
use crate::settings;
use crate::talk::{counted, say};
use told_command::told_command;

/// Of `--timeout`, in seconds.
const DEFAULT_TIMEOUT: &str = "2";

/// Of `--limit`, in seconds.
const DEFAULT_LIMIT: &str = "30";

/// What `interference check-client` takes.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct CheckClientArguments {
    /// The client, run once for each case: it asks once, and prints one JSON object of what it got
    #[arg(last = true, value_name = "COMMAND", required_unless_present_any = ["list", "listen"])]
    command: Vec<OsString>,
    /// Run no command, but serve every case here, with a page, and judge what clients report of themselves
    #[arg(long, value_name = "ADDR:PORT", conflicts_with_all = ["command", "name", "jobs", "limit"], value_parser = listen::address)]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    judging: JudgingArguments,
    /// Runs of the command side by side
    #[arg(long, value_name = "N", default_value = "4", value_parser = settings::count)]
    jobs: NonZeroUsize,
    /// Seconds that the client is told to wait for the next byte (INTERFERENCE_TIMEOUT_MS)
    #[arg(long, value_name = "SECONDS", default_value = DEFAULT_TIMEOUT, value_parser = settings::seconds)]
    timeout: Duration,
    /// Seconds that one run of the command may take before it is killed; one that starts slowly gets some more, and all but
    /// the first get twice the time-out and some seconds at least
    #[arg(long, value_name = "SECONDS", default_value = DEFAULT_LIMIT, value_parser = settings::seconds)]
    limit: Duration,
}

/// Examines, and tells.
///
/// # Errors
/// The client is broken, cannot be run, or the command line asks for what cannot be.
pub(crate) fn run(arguments: &CheckClientArguments) -> anyhow::Result<()> {
    let judging = &arguments.judging;
    let selection = judging.selection(cases(), "check-client")?;
    if judging.list {
        return list(&selection, judging.json);
    }
    let telling = judging.telling(cases())?;
    if let Some(address) = arguments.listen {
        return listen::run(address, selection, arguments, telling);
    }
    let words = told_command(&arguments.command);
    let exam = exam(arguments, selection, &words);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let judgement = runtime.block_on(judgement(&exam))?;
    let found = Found {
        command: format!("{} {}", exam.repeat.0, exam.repeat.1),
        target: words,
        findings: judgement.findings,
        cases: judgement.cases,
    };
    telling.tell(found, judgement.unfit.as_deref().map(unfit))
}

fn exam(arguments: &CheckClientArguments, selection: Selection, words: &str) -> Exam {
    let mut words_of_command = arguments.command.iter().cloned();
    let repeat = repeat(arguments);
    Exam {
        program: Program {
            command: words_of_command.next().unwrap_or_default(),
            arguments: words_of_command.collect(),
        },
        selection,
        jobs: arguments.jobs.get(),
        timeout: arguments.timeout,
        limit: arguments.limit,
        evidence_of_all: arguments.judging.evidence_of_all(),
        repeat: (repeat, format!("-- {words}")),
    }
}

/// The words of a command that gives clients the same time.
fn repeat(arguments: &CheckClientArguments) -> String {
    let mut words = "interference check-client".to_owned();
    for (name, default, given) in
        [("--timeout", DEFAULT_TIMEOUT, arguments.timeout), ("--limit", DEFAULT_LIMIT, arguments.limit)]
    {
        if settings::seconds(default) != Ok(given) {
            words.push_str(&format!(" {name} {}", given.as_secs_f64()));
        }
    }
    words
}

async fn judgement(exam: &Exam) -> anyhow::Result<Judgement> {
    let cases = exam.selection.judged(cases());
    say(&format!("{}, {} of the client at a time", counted(cases.len(), "case"), counted(exam.jobs, "run")));
    let progress = Progress::new(cases.len(), "an ordinary stream first");
    let judging =
        exam.run(|findings| progress.found(findings, "user agent"), |verdict| progress.done(verdict));
    // Dropped at a signal, it ends all that it has started; a process that just ended would leave it behind.
    let asked_to_end = asked_to_end()?;
    let outcome = tokio::select! {
        outcome = judging => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
        () = asked_to_end => None,
    };
    progress.finish();
    // Once more, and nothing is told.
    end_at_ctrl_c()?;
    Ok(outcome.ok_or_else(interrupted)?.map_err(|error| cannot_be_examined(&error))?)
}

fn interrupted() -> Failure {
    Failure::new(
        INTERRUPTED,
        "interrupted: the client's processes are ended, and no report is written",
        "run it again",
    )
}

fn cannot_be_examined(error: &ExamError) -> Failure {
    let hint = "as in: interference check-client -- python3 my_client.py";
    Failure::new(TOOL_FAILED, error.to_string(), hint)
}

fn unfit(reason: &str) -> Failure {
    let hint = "a client asks once for a chat with `stream: true` at OPENAI_BASE_URL, and prints one JSON object of what \
                it got: docs/check-client.md";
    Failure::new(TEST_FAILED, format!("the client cannot be examined: {reason}"), hint)
}

/// Prints the catalogue.
fn list(selection: &Selection, as_json: bool) -> anyhow::Result<()> {
    let cases: Vec<Listed> = selection.judged(cases()).into_iter().map(listed).collect();
    if as_json {
        return listing::print_json(&cases, Vec::new());
    }
    listing::print_lines(&cases, &format!("{}, a run of the client for each", counted(cases.len(), "case")))
}

fn listed(case: &'static Case) -> Listed {
    Listed {
        slug: case.slug,
        section: case.section(),
        level: case.level,
        requirement: case.requirement,
        clauses: case.clauses,
        more: vec![("served", case.served.into()), ("sound", case.sound.into())],
    }
}
