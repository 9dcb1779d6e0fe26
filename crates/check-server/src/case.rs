//! A case: one requirement, and the code that finds out whether a server meets it.
//!
//! Owns the form of cases and of what they come to. A case is data beside one small function; everything that it does
//! with the server goes through its [`Trial`], which keeps the evidence. Refuses to know how cases are run, and in
//! which company.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use interference_report::{CaseVerdict, Level, Verdict};

use crate::trial::Trial;
use interference_catalogue::{Clause, Named, Requirement};

/// One requirement of the catalogue.
#[derive(Debug)]
pub struct Case {
    /// Its name, which never changes, with that of its section before the dot: `sse.done-last`.
    pub slug: &'static str,
    /// MUST or SHOULD.
    pub level: Level,
    /// What must hold, in one sentence.
    pub requirement: &'static str,
    /// What it rests on; a MUST has at least one with words to quote.
    pub clauses: &'static [Clause],
    /// How a server is brought to show the behaviour.
    pub trigger: &'static str,
    /// Beside what it may run.
    pub company: Company,
    /// What it asks of the server at most, shared exchanges included.
    pub cost: Cost,
    /// Finds out.
    pub judge: fn(&Trial) -> Judging<'_>,
}

/// What a case's function gives.
pub type Judging<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Whether the requirement holds, and if it does not, or could not be judged, why.
pub type Outcome = Result<Held, Objection>;

/// Beside what a case may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Company {
    /// Any other of this kind.
    Others,
    /// Nothing: it measures time, or fills the server.
    Alone,
    /// Nothing, and after all others: it looks at what they have left.
    Last,
}

/// What a case asks of a server, at most, when the server answers at once; a server that is busy, or leaves an answer
/// open, is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Requests.
    pub requests: u32,
    /// Tokens that it asks for, in all answers together.
    pub tokens: u32,
}

/// What was seen where the requirement holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// In a few words: `41 chunks, all with the id chatcmpl-1`.
    pub seen: String,
}

/// Why a case is not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    pub(crate) kind: ObjectionKind,
    pub(crate) seen: String,
    pub(crate) expected: Option<String>,
    /// The exchange that shows it, by its number.
    pub(crate) about: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectionKind {
    Broken,
    Inconclusive,
    Unsupported,
    NotApplicable,
    Harness,
}

/// The requirement holds: `held(format!("{} chunks", chunks.len()))`.
///
/// # Errors
/// None: it is what a case's function ends with.
pub(crate) fn held(seen: impl Into<String>) -> Outcome {
    Ok(Held { seen: seen.into() })
}

impl Objection {
    fn new(kind: ObjectionKind, seen: impl Into<String>) -> Objection {
        Objection { kind, seen: seen.into(), expected: None, about: None }
    }

    /// The requirement is broken; `seen` says by what, with the value that breaks it.
    pub(crate) fn broken(seen: impl Into<String>) -> Objection {
        Objection::new(ObjectionKind::Broken, seen)
    }

    /// The server did not show the behaviour, and not because it could not.
    pub(crate) fn inconclusive(seen: impl Into<String>) -> Objection {
        Objection::new(ObjectionKind::Inconclusive, seen)
    }

    /// The server says that it does not have this.
    pub(crate) fn unsupported(seen: impl Into<String>) -> Objection {
        Objection::new(ObjectionKind::Unsupported, seen)
    }

    /// There is nothing to judge on this server, or no way to bring it about.
    pub(crate) fn not_applicable(seen: impl Into<String>) -> Objection {
        Objection::new(ObjectionKind::NotApplicable, seen)
    }

    /// Something failed on this side.
    pub(crate) fn harness(seen: impl Into<String>) -> Objection {
        Objection::new(ObjectionKind::Harness, seen)
    }

    /// What was to be seen instead, where that is more precise than the requirement.
    pub(crate) fn expected(self, expected: impl Into<String>) -> Objection {
        Objection { expected: Some(expected.into()), ..self }
    }

    /// Says of what it is, in front: `a chat of one token: …`.
    pub(crate) fn of(self, what: &str) -> Objection {
        Objection { seen: format!("{what}: {}", self.seen), ..self }
    }

    /// Names the exchange that shows it, if none has been named.
    pub(crate) fn about(self, exchange: &crate::exchange::Exchange) -> Objection {
        Objection { about: self.about.or(Some(exchange.number)), ..self }
    }

    /// The verdict on a case of this level.
    pub(crate) fn verdict(&self, level: Level) -> Verdict {
        match (self.kind, level) {
            (ObjectionKind::Broken, Level::Must) => Verdict::Fail,
            (ObjectionKind::Broken, Level::Should) => Verdict::NonStrict,
            (ObjectionKind::Inconclusive, _) => Verdict::Inconclusive,
            (ObjectionKind::Unsupported, _) => Verdict::Unsupported,
            (ObjectionKind::NotApplicable, _) => Verdict::NotApplicable,
            (ObjectionKind::Harness, _) => Verdict::HarnessError,
        }
    }
}

impl Named for Case {
    fn slug(&self) -> &'static str {
        self.slug
    }
}

impl Case {
    /// The verdict on it where nothing was seen; `repeat` is the command that repeats it.
    pub(crate) fn unjudged(&self, verdict: Verdict, repeat: String) -> CaseVerdict {
        let Case { slug, level, requirement, clauses, trigger, .. } = *self;
        let data = Requirement { slug, level, requirement, clauses, trigger, expected: requirement };
        data.unjudged(verdict, repeat)
    }
}

impl Cost {
    /// So many requests, and so many tokens in all their answers together.
    pub(crate) const fn new(requests: u32, tokens: u32) -> Cost {
        Cost { requests, tokens }
    }
}

/// For how long a case may run in a row, as a multiple of the longest time that one request may take.
pub(crate) const CASE_REQUEST_TIMES: u32 = 3;

/// No case runs longer than this, whatever the server's speed.
pub(crate) const LONGEST_CASE: Duration = Duration::from_secs(600);
