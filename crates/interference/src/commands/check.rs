//! `interference check`: judges an OpenAI-compatible server, case by case, with evidence.
//!
//! Owns the command line, the progress on stderr, and the exit code. What is judged is `check-server`'s business, how
//! it is told `report`'s.

mod listing;
mod progress;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use interference_catalogue::{Pattern, Selection};
use interference_check_server::{Judge, Judgement, PreflightError, Target, TargetError, Wishes, cases, cost};
use interference_report::terminal::{self, Style};
use interference_report::{Baseline, FORMAT, Level, Output, Summary, Tool, Verdicts, json};

use crate::failure::{Failure, TEST_FAILED, TOOL_FAILED, WRONG_USAGE, may_colour};
use crate::interrupt::end_at_ctrl_c;
use crate::settings;
use crate::talk::say;
use progress::Progress;

/// Of `--timeout`, in seconds.
const DEFAULT_TIMEOUT: &str = "30";

/// What `interference check` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArguments {
    /// The server, as SDKs take it: it ends in /v1 as a rule. Without a path, /v1 is tried first
    #[arg(value_name = "BASE_URL", required_unless_present = "list")]
    base_url: Option<String>,
    /// The model to ask; by default the first of the server's list that answers a chat
    #[arg(short, long, value_name = "MODEL")]
    model: Option<String>,
    /// The model to ask for embeddings; by default one of the list that is called so, else the same
    #[arg(long, value_name = "MODEL")]
    embedding_model: Option<String>,
    /// The key; `env:NAME` or `@FILE` keep it off the command line. By default what OPENAI_API_KEY holds
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// A header that every request brings, as `Name: value` (repeatable)
    #[arg(long, value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,
    /// Certificates of authorities to trust besides the system's, a PEM file
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Judge only these: a slug, a section, or a pattern with `*` (repeatable)
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Leave these out (repeatable)
    #[arg(long, value_name = "PATTERN")]
    skip: Vec<String>,
    /// Print the cases, what they rest on and what they cost, and ask nothing
    #[arg(long)]
    list: bool,
    /// Print the document of verdicts as JSON
    #[arg(long)]
    json: bool,
    /// Cases side by side
    #[arg(long, value_name = "N", default_value = "4")]
    jobs: NonZeroUsize,
    /// Seconds that the server may be silent
    #[arg(long, value_name = "SECONDS", default_value = DEFAULT_TIMEOUT, value_parser = settings::seconds)]
    timeout: Duration,
    /// Seconds that the whole run may take; what is not judged by then is INCONCLUSIVE
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = settings::seconds)]
    max_time: Duration,
    /// Known failures, one slug a line: they do not count, and one that has become sound counts as a failure
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// A report besides: json, junit, sarif, html, badge, matrix, matrix-md, baseline or text, and its file (repeatable)
    #[arg(long = "report", value_name = "FORMAT=PATH")]
    reports: Vec<String>,
    /// From which level on a broken requirement makes the run fail
    #[arg(long, value_enum, default_value_t = CountedLevel::Must)]
    level: CountedLevel,
    /// Which cases bring their evidence
    #[arg(long, value_enum, default_value_t = Evidence::NotPassed)]
    evidence: Evidence,
    /// What to call the server in reports, such as `llama.cpp b6100`
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// `--level`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum CountedLevel {
    /// Broken MUSTs alone
    Must,
    /// Broken SHOULDs too
    Should,
}

/// `--evidence`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Evidence {
    /// Those that are not passed
    NotPassed,
    /// All
    All,
}

fn header(given: &str) -> Result<(String, String), String> {
    let expected = || "expected `Name: value`".to_owned();
    let (name, value) = given.split_once(':').ok_or_else(expected)?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(expected());
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// Judges, and tells.
///
/// # Errors
/// The server is broken, cannot be reached, or the command line asks for what cannot be.
pub(crate) fn run(arguments: CheckArguments) -> anyhow::Result<()> {
    let selection = selection(&arguments)?;
    if arguments.list {
        return listing::print(&selection, arguments.json);
    }
    let outputs =
        arguments.reports.iter().map(|report| report.parse()).collect::<Result<Vec<Output>, _>>()?;
    for output in &outputs {
        output.format.accept(1)?;
    }
    let known: Vec<&str> = cases().map(|case| case.slug).collect();
    let baseline = arguments.baseline.as_deref().map(|path| Baseline::read(path, &known)).transpose()?;
    let judge = judge(&arguments, selection)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut verdicts = runtime.block_on(verdicts(&arguments, &judge))?;
    if let Some(baseline) = baseline {
        baseline.apply(&mut verdicts);
    }
    for output in &outputs {
        output.write(std::slice::from_ref(&verdicts))?;
    }
    tell(&arguments, &verdicts)?;
    if verdicts.summary.harness_error > 0 {
        let message = format!(
            "{} cases could not be judged by a fault of this program",
            verdicts.summary.harness_error
        );
        return Err(Failure::new(TOOL_FAILED, message, "what was seen names it; it is worth a report").into());
    }
    if !verdicts.is_sound() {
        let hint = "each failure names the command that repeats it";
        return Err(Failure::new(TEST_FAILED, verdicts.conclusion(), hint).into());
    }
    Ok(())
}

/// Which cases; a pattern that fits none is a mistake.
fn selection(arguments: &CheckArguments) -> anyhow::Result<Selection> {
    let patterns = |given: &[String]| given.iter().map(Pattern::new).collect();
    let selection = Selection { only: patterns(&arguments.only), skip: patterns(&arguments.skip) };
    if let Some(stray) = selection.strays(cases()).first() {
        let message = format!("no case is called `{}`", stray.as_str());
        return Err(Failure::new(WRONG_USAGE, message, "`interference check --list` names them all").into());
    }
    Ok(selection)
}

fn judge(arguments: &CheckArguments, selection: Selection) -> anyhow::Result<Judge> {
    let key = match &arguments.api_key {
        Some(given) => Some(settings::api_key(given)?),
        None => std::env::var("OPENAI_API_KEY").ok().filter(|key| !key.is_empty()).map(Into::into),
    };
    let base_url = arguments.base_url.as_deref().context("clap demands a base URL")?;
    let target = Target::parse(base_url, key, arguments.header.clone())
        .and_then(|target| target.trust(arguments.cacert.as_deref()))
        .map_err(|error| wrong_target(&error))?;
    let wishes =
        Wishes { model: arguments.model.clone(), embedding_model: arguments.embedding_model.clone() };
    let repeat = target.blackened(&repeat(arguments, base_url));
    Ok(Judge {
        target,
        selection,
        wishes,
        jobs: arguments.jobs.get(),
        silence: arguments.timeout,
        longest_run: arguments.max_time,
        evidence_of_all: arguments.evidence == Evidence::All,
        repeat,
    })
}

fn wrong_target(error: &TargetError) -> Failure {
    let hint = match error {
        TargetError::NotAUrl { .. } => "as in: interference check http://localhost:1337/v1",
        TargetError::Header { .. } => "a key and a header are printable ASCII on one line",
        TargetError::Certificates { .. } => "`--cacert` takes a file with certificates in PEM form",
    };
    Failure::new(WRONG_USAGE, error.to_string(), hint)
}

/// The command that judges the same server in the same way.
fn repeat(arguments: &CheckArguments, base_url: &str) -> String {
    let mut command = format!("interference check {}", shell_word(base_url));
    if let Some(model) = &arguments.model {
        command.push_str(&format!(" -m {}", shell_word(model)));
    }
    if let Some(model) = &arguments.embedding_model {
        command.push_str(&format!(" --embedding-model {}", shell_word(model)));
    }
    if let Some(key) =
        arguments.api_key.as_ref().filter(|key| key.starts_with("env:") || key.starts_with('@'))
    {
        command.push_str(&format!(" --api-key {}", shell_word(key)));
    } else if arguments.api_key.is_some() {
        command.push_str(" --api-key env:OPENAI_API_KEY");
    }
    for (name, value) in &arguments.header {
        command.push_str(&format!(" --header {}", shell_word(&format!("{name}: {value}"))));
    }
    if let Some(path) = &arguments.cacert {
        command.push_str(&format!(" --cacert {}", shell_word(&path.display().to_string())));
    }
    if settings::seconds(DEFAULT_TIMEOUT) != Ok(arguments.timeout) {
        command.push_str(&format!(" --timeout {}", arguments.timeout.as_secs_f64()));
    }
    command
}

/// As a POSIX shell takes it.
fn shell_word(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-._~:/@%+=,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

async fn verdicts(arguments: &CheckArguments, judge: &Judge) -> anyhow::Result<Verdicts> {
    end_at_ctrl_c()?;
    let began = SystemTime::now();
    let (cases, (requests, tokens)) = (judge.selection.judged(cases()), cost(&judge.selection));
    let progress = Progress::new(cases.len());
    say(&format!(
        "{} cases on {}: at most {requests} requests and {tokens} tokens of answers, {} at a time",
        cases.len(),
        judge.target.base_url(),
        judge.jobs
    ));
    let outcome = judge.run(|findings| progress.found(findings), |verdict| progress.done(verdict)).await;
    progress.finish();
    let judgement = outcome.map_err(|error| cannot_be_judged(&error))?;
    Ok(document(arguments, judge, judgement, began))
}

fn cannot_be_judged(error: &PreflightError) -> Failure {
    let hint = match error {
        PreflightError::Unreachable { .. } => "is it running, and is this its address?",
        PreflightError::Locked { .. } => "give the key with `--api-key env:NAME`, or in OPENAI_API_KEY",
    };
    Failure::new(TOOL_FAILED, error.to_string(), hint)
}

fn document(arguments: &CheckArguments, judge: &Judge, judgement: Judgement, began: SystemTime) -> Verdicts {
    let duration = began.elapsed().unwrap_or_default();
    let mut verdicts = Verdicts {
        format: FORMAT.to_owned(),
        tool: Tool { name: "interference".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        command: judge.repeat.clone(),
        target: judgement.base_url,
        target_name: arguments.name.clone(),
        started_at: humantime::format_rfc3339_seconds(began).to_string(),
        duration_ms: (duration.as_secs_f64() * 1e3).round(),
        level: match arguments.level {
            CountedLevel::Must => Level::Must,
            CountedLevel::Should => Level::Should,
        },
        findings: judgement.findings,
        summary: Summary::default(),
        stale_baseline: Vec::new(),
        cases: judgement.cases,
    };
    verdicts.recount();
    verdicts
}

fn tell(arguments: &CheckArguments, verdicts: &Verdicts) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    if arguments.json {
        writeln!(stdout, "{}", json::render(verdicts)?)?;
        return Ok(());
    }
    let style = if may_colour(&stdout) { Style::Coloured } else { Style::Plain };
    write!(stdout, "{}", terminal::render(verdicts, style))?;
    Ok(())
}
