//! What a verdict tells of the case that it is on.
//!
//! Owns the way from a case's data to the document. Knows neither whom a case judges nor what was seen.

use interference_report::{CaseVerdict, Level, Verdict};

use crate::clause::Clause;
use crate::selection::section_of;

/// The data of a case, as every verdict on it repeats them.
#[derive(Debug, Clone, Copy)]
pub struct Requirement {
    /// Its name, which never changes, with that of its section before the dot: `sse.done-last`.
    pub slug: &'static str,
    /// MUST or SHOULD.
    pub level: Level,
    /// What must hold, in one sentence.
    pub requirement: &'static str,
    /// What it rests on.
    pub clauses: &'static [Clause],
    /// How it is brought about.
    pub trigger: &'static str,
    /// What was to be seen.
    pub expected: &'static str,
}

impl Requirement {
    /// The verdict where nothing was seen yet; `repeat` is the command that repeats the case.
    pub fn unjudged(self, verdict: Verdict, repeat: String) -> CaseVerdict {
        CaseVerdict {
            slug: self.slug.to_owned(),
            section: section_of(self.slug).to_owned(),
            level: self.level,
            requirement: self.requirement.to_owned(),
            clauses: self.clauses.iter().map(Clause::told).collect(),
            trigger: self.trigger.to_owned(),
            verdict,
            expected: self.expected.to_owned(),
            seen: String::new(),
            in_baseline: false,
            requests: 0,
            duration_ms: 0.0,
            repeat,
            evidence: Vec::new(),
        }
    }
}
