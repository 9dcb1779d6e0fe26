//! From a target and a selection of cases to a document of verdicts.
//!
//! Owns the order of things: find out, run, put together. The only place that knows the whole way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use interference_report::{CaseVerdict, Finding, Verdict};

use crate::asker::{Asker, Patience};
use crate::case::{Case, Cost};
use crate::preflight::{PREFLIGHT_COST, PreflightError, Wishes, preflight};
use crate::runner::{Run, run, unjudged};
use crate::sections::cases;
use crate::target::Target;
use crate::trial::Bench;

/// Which cases are judged: a slug, or a pattern in which `*` stands for anything; a section's name alone means all of
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern.
    pub fn new(pattern: impl Into<String>) -> Pattern {
        Pattern(pattern.into())
    }

    /// Whether a slug fits.
    pub fn fits(&self, slug: &str) -> bool {
        let section = slug.split_once('.').map_or(slug, |(section, _)| section);
        self.0 == section || fits(self.0.as_bytes(), slug.as_bytes())
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
        Some((byte, rest)) => text.first() == Some(byte) && fits(rest, &text[1..]),
    }
}

/// Several patterns.
pub type Patterns = Vec<Pattern>;

/// Which cases are judged. Those that are left out by `skip` get the verdict SKIP; those that `only` does not name are
/// not told of.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these; all if empty.
    pub only: Patterns,
    /// Not these.
    pub skip: Patterns,
}

impl Selection {
    /// The cases that are told of.
    pub fn cases(&self) -> Vec<&'static Case> {
        let told =
            |case: &&Case| self.only.is_empty() || self.only.iter().any(|pattern| pattern.fits(case.slug));
        cases().filter(told).collect()
    }

    /// The cases that are judged.
    pub fn judged(&self) -> Vec<&'static Case> {
        self.cases().into_iter().filter(|case| !self.skips(case)).collect()
    }

    /// What they ask of a server at most, the preflight included: requests, and tokens of answers. Less where cases share
    /// an answer, more where the server refuses something or is busy, and is asked another way or again.
    pub fn cost(&self) -> (u64, u64) {
        let judged = self.judged();
        let sum = |of: fn(&Case) -> u32| -> u64 { judged.iter().map(|case| u64::from(of(case))).sum() };
        let Cost { requests, tokens } = PREFLIGHT_COST;
        (
            sum(|case| case.cost.requests) + u64::from(requests),
            sum(|case| case.cost.tokens) + u64::from(tokens),
        )
    }

    /// Whether a case is left out.
    pub fn skips(&self, case: &Case) -> bool {
        self.skip.iter().any(|pattern| pattern.fits(case.slug))
    }

    /// The patterns that fit no case, which are mistakes as a rule.
    pub fn strays(&self) -> Vec<&Pattern> {
        let stray = |pattern: &&Pattern| !cases().any(|case| pattern.fits(case.slug));
        self.only.iter().chain(&self.skip).filter(stray).collect()
    }
}

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
    /// Requests that were sent in all.
    pub requests: u64,
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
        let findings = bench.knowledge.findings();
        found(&findings);
        let (skipped, judged): (Vec<_>, Vec<_>) =
            self.selection.cases().into_iter().partition(|case| self.selection.skips(case));
        let how = Run { jobs: self.jobs, evidence_of_all: self.evidence_of_all, repeat: self.repeat.clone() };
        let mut verdicts = run(&bench, &judged, &how, &mut done).await;
        verdicts.extend(skipped.into_iter().map(|case| CaseVerdict {
            seen: "left out as asked".to_owned(),
            ..unjudged(case, Verdict::Skip, &self.repeat)
        }));
        verdicts.sort_by_key(|verdict| cases().position(|case| case.slug == verdict.slug));
        Ok(Judgement {
            base_url: bench_url(&bench),
            findings,
            requests: bench.asker.asked(),
            cases: verdicts,
        })
    }
}

fn bench_url(bench: &Bench) -> String {
    bench.asker.target().base_url()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_slugs_sections_and_anything_between() {
        for (pattern, slug, expected) in [
            ("sse", "sse.done-last", true),
            ("sse.*", "sse.done-last", true),
            ("*.done-*", "sse.done-last", true),
            ("sse.done", "sse.done-last", false),
            ("ss", "sse.done-last", false),
            ("*", "sse.done-last", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(slug), expected, "{pattern} {slug}");
        }
    }
}
