//! From a command and a selection of cases to verdicts.
//!
//! Owns the order of things: first an ordinary stream, to see whether the command can be examined at all, then the
//! others, side by side. Every case gets a verdict within a bound, whatever the command does.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interference_catalogue::Selection;
use interference_report::{CaseVerdict, Finding, Verdict, milliseconds};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::case::{Case, Objection, Outcome, Tools};
use crate::cases::{cases, first, longest_run};
use crate::evidence::{Attempt, evidence};
use crate::examiner::{Asked, Examiner, Record};
use crate::oracle::{Seen, cut};
use crate::program::{Program, Run};
use crate::sample::{KEY, MODEL, PROMPT, WEATHER_TOOL};

/// How long the examiner waits for its answers to be over, once the client is.
const DISMISSAL: Duration = Duration::from_secs(2);

/// How often the time of the first run is added to the limit of the others: a command that starts slowly, or on a busy
/// machine, does not hang.
const FIRST_RUNS: u32 = 3;

/// Everything that an exam is told.
#[derive(Debug, Clone)]
pub struct Exam {
    /// The client.
    pub program: Program,
    /// Which cases.
    pub selection: Selection,
    /// Runs of the command side by side; at least 1.
    pub jobs: usize,
    /// What the client is told to set as its own time-out.
    pub timeout: Duration,
    /// How long one run of the command may take; after the first, three times as long as that took besides.
    pub limit: Duration,
    /// Whether cases that pass bring their evidence too.
    pub evidence_of_all: bool,
    /// The words of the command that repeats a case, before and behind `--only SLUG`.
    pub repeat: (String, String),
}

/// What has come of an exam.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What was found out about the client.
    pub findings: Vec<Finding>,
    /// A verdict for every case that is told of, in the catalogue's order; and where the client cannot be examined,
    /// for the ordinary stream in any case.
    pub cases: Vec<CaseVerdict>,
    /// Why the client cannot be examined, if it cannot.
    pub unfit: Option<String>,
}

/// Why there are no verdicts.
#[derive(Debug, thiserror::Error)]
pub enum ExamError {
    /// The command cannot be started.
    #[error("`{command}` cannot be run: {source}")]
    Command {
        /// Its first word.
        command: String,
        /// Why.
        source: io::Error,
    },
}

impl Exam {
    /// Examines the client. `found` hears what it is, `done` of each verdict when it is there.
    ///
    /// # Errors
    /// [`ExamError`]: nothing can be said at all.
    ///
    /// # Cancellation
    /// Dropping the future ends all runs of the command, and whatever they have left behind.
    pub async fn run(
        &self,
        found: impl FnOnce(&[Finding]),
        mut done: impl FnMut(&CaseVerdict),
    ) -> Result<Judgement, ExamError> {
        let mut verdicts = BTreeMap::new();
        let first = self.sit(first()).await.map_err(|source| ExamError::Command {
            command: self.program.command.to_string_lossy().into_owned(),
            source,
        })?;
        let findings = findings(&first.attempts);
        found(&findings);
        let unfit = first.unfit();
        let told = self.told(unfit.is_some());
        for (index, case) in told.iter().enumerate() {
            let is_first = case.slug == first.case.slug;
            let verdict = if self.selection.skips(case.slug) && !(is_first && unfit.is_some()) {
                CaseVerdict { seen: "left out as asked".to_owned(), ..self.unjudged(case, Verdict::Skip) }
            } else if is_first {
                first.verdict(self)
            } else if let Some(reason) = &unfit {
                let seen =
                    format!("not examined, since {} shows no client of streams: {reason}", first.case.slug);
                CaseVerdict { seen, ..self.unjudged(case, Verdict::Inconclusive) }
            } else {
                continue;
            };
            done(&verdict);
            verdicts.insert(index, verdict);
        }
        let first_took = first.run.ended_at - first.run.began_at;
        let limit = self.limit.max(longest_run(self.timeout));
        let exam = Exam { limit: limit + FIRST_RUNS * first_took, ..self.clone() };
        let mut waiting = told.into_iter().enumerate();
        let mut sitting: JoinSet<(usize, CaseVerdict)> = JoinSet::new();
        loop {
            while sitting.len() < self.jobs.max(1)
                && let Some((index, case)) = waiting.next()
            {
                if !verdicts.contains_key(&index) {
                    let exam = exam.clone();
                    sitting.spawn(async move { (index, exam.judge(case).await) });
                }
            }
            let Some(ended) = sitting.join_next().await else { break };
            // An oracle's panic is caught within.
            let Ok((index, verdict)) = ended else { continue };
            done(&verdict);
            verdicts.insert(index, verdict);
        }
        Ok(Judgement { findings, cases: verdicts.into_values().collect(), unfit })
    }

    /// The cases that are told of. What a client that cannot be examined has done stands with the ordinary stream.
    fn told(&self, with_first: bool) -> Vec<&'static Case> {
        let mut told = self.selection.told(cases());
        if with_first && !told.iter().any(|case| case.slug == first().slug) {
            told.insert(0, first());
        }
        told
    }

    async fn judge(self, case: &'static Case) -> CaseVerdict {
        let began = Instant::now();
        let failed = |seen: String| CaseVerdict {
            seen,
            duration_ms: milliseconds(began, Instant::now()),
            ..self.unjudged(case, Verdict::HarnessError)
        };
        let sitting = match self.sit(case).await {
            Ok(sitting) => sitting,
            Err(error) => return failed(format!("the command could not be run: {error}")),
        };
        // Beside what is being served: accounts may be long.
        let exam = self.clone();
        let verdict = tokio::task::spawn_blocking(move || sitting.verdict(&exam)).await;
        verdict.unwrap_or_else(|error| failed(format!("the verdict itself failed: {error}")))
    }

    /// Runs the command once, before the examiner of this case.
    async fn sit(&self, case: &'static Case) -> io::Result<Sitting> {
        let record = Record::new(case, self.timeout);
        let examiner = Examiner::open(vec![Arc::clone(&record)]).await?;
        let variables = exam_environment(&examiner.base_url(case), case, self.timeout);
        let run = self.program.run(&variables, self.limit).await?;
        examiner.dismiss(DISMISSAL).await;
        Ok(Sitting { case, attempts: record.take(), run })
    }

    /// The verdict on a case that was not run.
    fn unjudged(&self, case: &Case, verdict: Verdict) -> CaseVerdict {
        case.unjudged(verdict, format!("{} --only {} {}", self.repeat.0, case.slug, self.repeat.1))
    }
}

/// What a client's command finds in its environment, besides what is there already.
pub(crate) fn exam_environment(
    base_url: &str,
    case: &Case,
    timeout: Duration,
) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("OPENAI_BASE_URL", base_url.to_owned()),
        ("OPENAI_API_KEY", KEY.to_owned()),
        ("INTERFERENCE_MODEL", MODEL.to_owned()),
        ("INTERFERENCE_PROMPT", PROMPT.to_owned()),
        ("INTERFERENCE_TIMEOUT_MS", timeout.as_millis().to_string()),
        // The examiner is here, whatever proxy leads elsewhere.
        ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ("no_proxy", "127.0.0.1,localhost".to_owned()),
    ];
    match case.tools {
        Tools::None => {}
        Tools::Weather => variables.push(("INTERFERENCE_TOOLS", WEATHER_TOOL.to_owned())),
    }
    variables
}

/// One run of the command before one case.
struct Sitting {
    case: &'static Case,
    attempts: Vec<Attempt>,
    run: Run,
}

impl Sitting {
    fn seen(&self, timeout: Duration) -> Seen<'_> {
        Seen::of_run(&self.attempts, &self.run, timeout)
    }

    fn verdict(&self, exam: &Exam) -> CaseVerdict {
        let outcome = judged(self.case, &self.seen(exam.timeout));
        let (verdict, seen) = match outcome {
            Ok(seen) => (Verdict::Pass, seen),
            Err(objection) => (objection.verdict(self.case.level), objection.seen),
        };
        let shows = verdict != Verdict::Pass || exam.evidence_of_all;
        let unjudged = exam.unjudged(self.case, verdict);
        CaseVerdict {
            seen,
            requests: u32::try_from(self.attempts.len()).unwrap_or(u32::MAX),
            duration_ms: milliseconds(self.run.began_at, self.run.ended_at),
            evidence: if shows { evidence(&self.attempts, &self.run, &unjudged.repeat) } else { Vec::new() },
            ..unjudged
        }
    }

    /// Why there is no use in examining a client further: it gives no account of an ordinary stream, or asks for none.
    fn unfit(&self) -> Option<String> {
        let seen = self.seen(Duration::ZERO);
        match seen.account() {
            Err(objection) => Some(objection.seen),
            Ok(_) if seen.chats().all(|chat| body(chat).get("stream") == Some(&Value::Bool(true))) => None,
            Ok(_) => Some("it asks for a chat without `stream: true`".to_owned()),
        }
    }
}

/// The JSON of a request; null where it is none.
fn body(attempt: &Attempt) -> Value {
    serde_json::from_slice(&attempt.request.received.body).unwrap_or_default()
}

/// An oracle's verdict; its panic is our fault.
pub(crate) fn judged(case: &Case, seen: &Seen<'_>) -> Outcome {
    let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (case.oracle)(seen)));
    judged.unwrap_or_else(|_| Err(Objection::harness("the oracle itself failed")))
}

/// What an ordinary request tells of a client.
pub(crate) fn findings(attempts: &[Attempt]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |name: &str, value: String| findings.push(Finding { name: name.to_owned(), value });
    let Some(chat) = attempts.iter().find(|attempt| attempt.asked == Asked::Chat) else { return findings };
    if let Some(head) = &chat.request.head {
        let field = |name| head.fields.first(name).map(|value| cut(&String::from_utf8_lossy(value)));
        found("user agent", field("user-agent").unwrap_or_else(|| "none".to_owned()));
        found("accepts encodings", field("accept-encoding").unwrap_or_else(|| "none".to_owned()));
    }
    let body = body(chat);
    let member = |name: &str| body.get(name).map_or("none".to_owned(), |value| cut(&value.to_string()));
    found("stream", member("stream"));
    found("stream_options", member("stream_options"));
    findings
}
