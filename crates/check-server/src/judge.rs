//! From a target and a selection of cases to a document of verdicts.
//!
//! Owns the order of things: find out, run, put together. The only place that knows the whole way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use interference_catalogue::Selection;
use interference_report::{CaseVerdict, Finding, Verdict};

use crate::asker::{Asker, Patience};
use crate::preflight::{PreflightError, Wishes, preflight};
use crate::runner::{Run, repeated, run};
use crate::sections::cases;
use interference_target::Target;

/// Everything that a run is told.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The server.
    pub target: Target,
    /// Which cases.
    pub selection: Selection,
    /// Which models.
    pub wishes: Wishes,
    /// Cases side by side, and requests, those aside that a case which runs alone sends; at least 1.
    pub jobs: usize,
    /// How long the server may be silent.
    pub silence: Duration,
    /// How long the whole run may take.
    pub longest_run: Duration,
    /// Whether cases that pass bring their evidence too.
    pub evidence_of_all: bool,
    /// The command that repeats a case, up to its slug.
    pub repeat: String,
}

/// What has come of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The base URL at which the API was found.
    pub base_url: String,
    /// What was found out beforehand.
    pub findings: Vec<Finding>,
    /// What came instead of a chat, if none was answered, neither plain nor streamed: most cases rest on one.
    pub no_chat: Option<String>,
    /// A verdict for every case that is told of, in the catalogue's order.
    pub cases: Vec<CaseVerdict>,
}

/// An answer may take so many times as long as silence in it.
const TOTAL_PER_SILENCE: u32 = 4;

impl Judge {
    /// Finds out what the server is, and judges it. `found` hears what it is, `done` of each verdict when it is there.
    ///
    /// # Errors
    /// [`PreflightError`]: it cannot be judged at all.
    ///
    /// # Cancellation
    /// Dropping the future closes all connections.
    pub async fn run(
        &self,
        found: impl FnOnce(&[Finding]),
        mut done: impl FnMut(&CaseVerdict),
    ) -> Result<Judgement, PreflightError> {
        let patience = Patience { silence: self.silence, total: self.silence * TOTAL_PER_SILENCE };
        let asker = Asker::new(self.target.clone(), patience, self.jobs, Instant::now() + self.longest_run);
        let bench = Arc::new(preflight(asker, &self.wishes).await?);
        let mut findings = bench.knowledge.findings();
        for finding in &mut findings {
            finding.value = self.target.blackened(&finding.value);
        }
        found(&findings);
        let (skipped, judged): (Vec<_>, Vec<_>) =
            self.selection.told(cases()).into_iter().partition(|case| self.selection.skips(case.slug));
        let how = Run { jobs: self.jobs, evidence_of_all: self.evidence_of_all, repeat: self.repeat.clone() };
        let mut verdicts = run(&bench, &judged, &how, &mut done).await;
        verdicts.extend(skipped.into_iter().map(|case| CaseVerdict {
            seen: "left out as asked".to_owned(),
            ..case.unjudged(Verdict::Skip, repeated(case, &self.repeat))
        }));
        verdicts.sort_by_key(|verdict| cases().position(|case| case.slug == verdict.slug));
        let no_chat = bench.knowledge.no_chat().map(|reason| self.target.blackened(reason));
        Ok(Judgement { base_url: bench.asker.target().base_url(), findings, no_chat, cases: verdicts })
    }
}
