//! What a run has come to: its counts, and whether its target is sound.
//!
//! Owns the one rule for what counts as a failure. Everything is counted from the cases, never taken from a summary.

use crate::verdicts::{CaseVerdict, Level, Summary, Verdict, Verdicts};

impl Verdicts {
    /// Computes [`Verdicts::summary`] anew from the cases.
    pub fn recount(&mut self) {
        let count = |verdict| self.cases.iter().filter(|case| case.verdict == verdict).count();
        self.summary = Summary {
            total: self.cases.len(),
            fail: count(Verdict::Fail),
            harness_error: count(Verdict::HarnessError),
            non_strict: count(Verdict::NonStrict),
            inconclusive: count(Verdict::Inconclusive),
            unsupported: count(Verdict::Unsupported),
            not_applicable: count(Verdict::NotApplicable),
            skip: count(Verdict::Skip),
            pass: count(Verdict::Pass),
            unexpected: self.cases.iter().filter(|case| self.is_unexpected(case)).count(),
        };
    }

    /// Whether there is no failure that counts, beyond those of the baseline, and no stale entry in it.
    ///
    /// Exit codes follow from this, and from [`Summary::harness_error`]: a judge that has failed in a case says nothing
    /// about its target, so a run may be sound and still not be a success.
    pub fn is_sound(&self) -> bool {
        self.stale_baseline.is_empty() && !self.cases.iter().any(|case| self.is_unexpected(case))
    }

    /// Whether a case has failed in a way that decides the exit code: FAIL, and NON-STRICT where SHOULDs count. What the
    /// baseline lists counts too.
    pub fn counts(&self, case: &CaseVerdict) -> bool {
        match case.verdict {
            Verdict::Fail => true,
            Verdict::NonStrict => self.level == Level::Should,
            _ => false,
        }
    }

    /// Whether a case has failed in a way that counts, and the baseline does not list it.
    pub fn is_unexpected(&self, case: &CaseVerdict) -> bool {
        self.counts(case) && !case.in_baseline
    }

    /// What people call the target: its name, else where it is.
    pub fn called(&self) -> &str {
        self.target_name.as_deref().unwrap_or(&self.target)
    }
}

/// The cases of a section.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    pub(crate) cases: Vec<&'a CaseVerdict>,
}

impl Section<'_> {
    /// How many of its cases have come to this.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.cases.iter().filter(|case| case.verdict == verdict).count()
    }
}

/// Cases by section; both in the order in which they first come.
pub(crate) fn sections(cases: &[CaseVerdict]) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for case in cases {
        match sections.iter_mut().find(|section| section.name == case.section) {
            Some(section) => section.cases.push(case),
            None => sections.push(Section { name: &case.section, cases: vec![case] }),
        }
    }
    sections
}
