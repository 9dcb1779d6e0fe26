//! Runs cases, side by side where they may, and collects what they come to.
//!
//! Owns order, company, bounds in time, and that every case gets a verdict, whatever happens to it. Knows neither what
//! cases ask nor how verdicts are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interference_report::{CaseVerdict, Verdict};
use tokio::task::JoinSet;

use crate::asker::Patience;
use crate::case::{CASE_REQUEST_TIMES, Case, Company, Held, LONGEST_CASE, Objection, Outcome};
use crate::evidence::evidence;
use crate::trial::{Bench, Trial};

/// What a run is told.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Cases side by side.
    pub(crate) jobs: usize,
    /// Whether cases that pass bring their evidence too.
    pub(crate) evidence_of_all: bool,
    /// The command that repeats a case, up to its slug.
    pub(crate) repeat: String,
}

/// Runs these cases, and gives their verdicts in the same order. `done` hears of each when it is there.
///
/// # Cancellation
/// Dropping the future ends all cases.
pub(crate) async fn run(
    bench: &Arc<Bench>,
    cases: &[&'static Case],
    run: &Run,
    mut done: impl FnMut(&CaseVerdict),
) -> Vec<CaseVerdict> {
    let mut verdicts: BTreeMap<usize, CaseVerdict> = BTreeMap::new();
    for company in [Company::Others, Company::Alone, Company::Last] {
        let jobs = if company == Company::Others { run.jobs.max(1) } else { 1 };
        let mut waiting = cases.iter().enumerate().filter(|(_, case)| case.company == company);
        let mut running: JoinSet<(usize, CaseVerdict)> = JoinSet::new();
        loop {
            while running.len() < jobs
                && let Some((index, case)) = waiting.next()
            {
                let (bench, run, case) = (Arc::clone(bench), run.clone(), *case);
                running.spawn(async move { (index, judge(bench, case, &run).await) });
            }
            let Some(ended) = running.join_next().await else { break };
            // A panic is caught within; a task ends otherwise only when it is aborted, which nobody does.
            let Ok((index, verdict)) = ended else { continue };
            done(&verdict);
            verdicts.insert(index, verdict);
        }
    }
    verdicts.into_values().collect()
}

async fn judge(bench: Arc<Bench>, case: &'static Case, run: &Run) -> CaseVerdict {
    let began = Instant::now();
    let trial = Arc::new(Trial::new(Arc::clone(&bench)));
    let limit = longest(bench.asker.patience()).min(bench.asker.time_left());
    if limit.is_zero() {
        let outcome = Err(Objection::inconclusive("not judged: the time of the run is over"));
        return told(&bench, case, run, &trial, outcome, began.elapsed());
    }
    let judging = {
        let trial = Arc::clone(&trial);
        tokio::spawn(async move { tokio::time::timeout(limit, (case.judge)(&trial)).await })
    };
    let guard = AbortOnDrop(judging.abort_handle());
    let outcome = match judging.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Objection::inconclusive(format!("no verdict within {} s", limit.as_secs()))),
        Err(error) => Err(Objection::harness(format!("the case itself failed: {error}"))),
    };
    drop(guard);
    told(&bench, case, run, &trial, outcome, began.elapsed())
}

/// A case that nobody waits for any more is of no use.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn longest(patience: Patience) -> Duration {
    (patience.total * CASE_REQUEST_TIMES).min(LONGEST_CASE)
}

fn told(
    bench: &Bench,
    case: &Case,
    run: &Run,
    trial: &Trial,
    outcome: Outcome,
    duration: Duration,
) -> CaseVerdict {
    let (verdict, seen, expected, about) = match outcome {
        Ok(Held { seen }) => (Verdict::Pass, seen, None, None),
        Err(objection) => {
            (objection.verdict(case.level), objection.seen, objection.expected, objection.about)
        }
    };
    let (exchanges, target) = (trial.exchanges(), bench.asker.target());
    let shows = verdict != Verdict::Pass || run.evidence_of_all;
    CaseVerdict {
        expected: expected
            .map_or_else(|| case.requirement.to_owned(), |expected| target.blackened(&expected)),
        seen: target.blackened(&seen),
        requests: u32::try_from(exchanges.len()).unwrap_or(u32::MAX),
        duration_ms: (duration.as_secs_f64() * 1e6).round() / 1e3,
        evidence: if shows { evidence(&exchanges, about, target) } else { Vec::new() },
        ..case.unjudged(verdict, repeated(case, &run.repeat))
    }
}

/// The command that repeats a case.
pub(crate) fn repeated(case: &Case, repeat: &str) -> String {
    format!("{repeat} --only {}", case.slug)
}
