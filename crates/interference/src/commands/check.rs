//! `interference check`: judges an OpenAI-compatible server, case by case, with evidence.
//!
//! Owns the command line, and what is said of the target. What is judged is `check-server`'s business, how it is told
//! that of `judging` and `report`.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use interference_catalogue::{Named, Selection};
use interference_check_server::{Case, Company, Judge, Judgement, PreflightError, Wishes, cases, cost};
use interference_report::{CaseVerdict, Verdict};

use crate::failure::{self, Failure, INTERRUPTED, TOOL_FAILED};
use crate::interrupt::end_at_ctrl_c_after;
use crate::judging::listing::{self, Listed};
use crate::judging::progress::Progress;
use crate::judging::{Found, JudgingArguments, shell_word};
use crate::reaching::{ReachingArguments, without_connection};
use crate::settings;
use crate::talk::{counted, say};

/// Of `--timeout`, in seconds.
const DEFAULT_TIMEOUT: &str = "30";

/// Sections whose cases need no chat.
const WITHOUT_CHATS: [&str; 4] = ["models", "embeddings", "completions", "responses"];

/// What `interference check` takes.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
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
    #[command(flatten)]
    reaching: ReachingArguments,
    /// Cases side by side
    #[arg(long, value_name = "N", default_value = "4", value_parser = settings::count)]
    jobs: NonZeroUsize,
    /// Seconds that the server may be silent
    #[arg(long, value_name = "SECONDS", default_value = DEFAULT_TIMEOUT, value_parser = settings::seconds)]
    timeout: Duration,
    /// Seconds that the whole run may take; what is not judged by then is INCONCLUSIVE
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = settings::seconds)]
    max_time: Duration,
    #[command(flatten)]
    judging: JudgingArguments,
}

/// Judges, and tells.
///
/// # Errors
/// The server is broken, cannot be reached, or the command line asks for what cannot be.
pub(crate) fn run(arguments: CheckArguments) -> anyhow::Result<()> {
    let judging = &arguments.judging;
    let selection = judging.selection(cases(), "check")?;
    if judging.list {
        return list(&selection, judging.json);
    }
    let telling = judging.telling(cases())?;
    let judge = judge(&arguments, selection)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let judgement = runtime.block_on(judgement(&judge))?;
    let unjudged = unjudged(&judgement);
    let found = Found {
        command: judge.repeat,
        target: judgement.base_url,
        findings: judgement.findings,
        cases: judgement.cases,
    };
    telling.tell(found, unjudged)
}

/// Where no chat is answered, that nothing is broken says little: cases that wanted to look at one were not judged. The
/// status of a model's name with a typing error is that of an endpoint which is not there.
fn unjudged(judgement: &Judgement) -> Option<Failure> {
    let reason = judgement.no_chat.as_ref()?;
    let (cases, all) = (&judgement.cases, judgement.cases.len());
    let is_unjudged = |case: &&CaseVerdict| {
        matches!(case.verdict, Verdict::Inconclusive | Verdict::Unsupported)
            && !WITHOUT_CHATS.contains(&case.section.as_str())
    };
    let unjudged = cases.iter().filter(is_unjudged).count();
    let message = format!("no chat is answered ({reason}); {unjudged} of {all} cases could not be judged");
    let hint = "`-m` names the model to ask; `--only` and `--skip` leave out what the server is not for";
    (unjudged > 0).then(|| Failure::new(TOOL_FAILED, message, hint))
}

/// Prints the catalogue, and what it costs.
fn list(selection: &Selection, as_json: bool) -> anyhow::Result<()> {
    let cases: Vec<Listed> = selection.judged(cases()).into_iter().map(listed).collect();
    let (requests, tokens) = cost(selection);
    if as_json {
        return listing::print_json(&cases, vec![("requests", requests.into()), ("tokens", tokens.into())]);
    }
    let sum = format!(
        "{}: at most {requests} requests and {tokens} tokens of answers, less where cases share an answer",
        counted(cases.len(), "case")
    );
    listing::print_lines(&cases, &sum)
}

fn listed(case: &'static Case) -> Listed {
    Listed {
        slug: case.slug,
        section: case.section(),
        level: case.level,
        requirement: case.requirement,
        clauses: case.clauses,
        more: vec![
            ("trigger", case.trigger.into()),
            ("runs_alone", (case.company != Company::Others).into()),
            ("requests", case.cost.requests.into()),
            ("tokens", case.cost.tokens.into()),
        ],
    }
}

fn judge(arguments: &CheckArguments, selection: Selection) -> anyhow::Result<Judge> {
    let base_url = arguments.base_url.as_deref().context("clap demands a base URL")?;
    let target = arguments.reaching.target("check", base_url, Vec::new())?;
    let wishes =
        Wishes { model: arguments.model.clone(), embedding_model: arguments.embedding_model.clone() };
    let repeat = target.without_secrets(&repeat(arguments, base_url));
    Ok(Judge {
        target,
        selection,
        wishes,
        jobs: arguments.jobs.get(),
        silence: arguments.timeout,
        longest_run: arguments.max_time,
        evidence_of_all: arguments.judging.evidence_of_all(),
        repeat,
    })
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
    command.push_str(&arguments.reaching.repeated());
    if settings::seconds(DEFAULT_TIMEOUT) != Ok(arguments.timeout) {
        command.push_str(&format!(" --timeout {}", arguments.timeout.as_secs_f64()));
    }
    command
}

async fn judgement(judge: &Judge) -> anyhow::Result<Judgement> {
    let (cases, (requests, tokens)) = (judge.selection.judged(cases()), cost(&judge.selection));
    say(&format!(
        "{} on {}: at most {requests} requests and {tokens} tokens of answers, {} at a time",
        counted(cases.len(), "case"),
        judge.target.base_url(),
        judge.jobs
    ));
    let progress = Progress::new(cases.len(), "finding out what the server is");
    let is_judged = Arc::new(AtomicBool::new(false));
    let (shown, told) = (progress.clone(), Arc::clone(&is_judged));
    end_at_ctrl_c_after(async move {
        shown.finish();
        if !told.load(Ordering::Relaxed) {
            let message = "interrupted: no verdicts are told, and no report is written";
            failure::report(&Failure::new(INTERRUPTED, message, "run it again").into());
        }
    })?;
    let outcome =
        judge.run(|findings| progress.found(findings, "model"), |verdict| progress.done(verdict)).await;
    is_judged.store(true, Ordering::Relaxed);
    progress.finish();
    Ok(outcome.map_err(|error| cannot_be_judged(&error))?)
}

fn cannot_be_judged(error: &PreflightError) -> Failure {
    let hint = match error {
        PreflightError::Unreachable { source } => without_connection(source),
        PreflightError::Locked { .. } => "give the key with `--api-key env:NAME`, or in OPENAI_API_KEY",
    };
    Failure::new(TOOL_FAILED, error.to_string(), hint)
}
