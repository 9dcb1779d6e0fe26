//! A case: what is served, and what a sound client may say of it.
//!
//! Owns the form of cases and of what they come to. A case is data beside two small functions: the steps of an answer,
//! and the oracle, which judges what was seen. Refuses to know how a client is run.

use std::time::{Duration, SystemTime};

use interference_catalogue::{Clause, Named, Requirement};
use interference_report::{CaseVerdict, Level, Verdict};
use interference_wire::Step;

use crate::oracle::Seen;

/// One requirement of the catalogue.
#[derive(Debug)]
pub struct Case {
    /// Its name, which never changes, with that of its group before the dot: `framing.crlf`.
    pub slug: &'static str,
    /// MUST or SHOULD.
    pub level: Level,
    /// What is required of a client, in one sentence.
    pub requirement: &'static str,
    /// What it rests on; a MUST has at least one with words to quote.
    pub clauses: &'static [Clause],
    /// What is served, in words.
    pub served: &'static str,
    /// What a sound client may say of it, in words: the oracle for people.
    pub sound: &'static str,
    /// Whether the client is given tools.
    pub tools: Tools,
    /// The steps of one answer, from the first byte of its head on.
    pub answer: fn(Turn) -> Vec<Step>,
    /// Judges what was seen.
    pub oracle: fn(&Seen) -> Outcome,
}

/// What the client is to offer the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tools {
    /// Nothing: `INTERFERENCE_TOOLS` is not set.
    None,
    /// The tool of [`WEATHER_TOOL`](crate::sample::WEATHER_TOOL).
    Weather,
}

/// Which answer is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Answers that the client has had before in this case.
    pub before: usize,
    /// The time of day.
    pub now: SystemTime,
    /// The time-out that the client was told to set.
    pub timeout: Duration,
}

/// Whether the requirement holds, and what was seen either way.
pub type Outcome = Result<String, Objection>;

/// Why a case is not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    pub(crate) kind: ObjectionKind,
    pub(crate) seen: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectionKind {
    Broken(Harm),
    Inconclusive,
    Harness,
}

/// How a client is unsound, by what its user is left with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// Something is missing, and nothing says so.
    SilentLoss,
    /// It says something that was not sent, or says it twice.
    Invention,
    /// An error of another kind than the client's own escapes.
    ForeignError,
    /// A typed error where the answer was whole.
    Refusal,
    /// It did not end in time.
    Hang,
    /// It ended without an account.
    NoAccount,
    /// It asked again when, or sooner than, it should not.
    Retry,
    /// It took in more than anybody can want.
    Unbounded,
}

impl Harm {
    /// Every harm.
    pub const ALL: [Harm; 8] = [
        Harm::SilentLoss,
        Harm::Invention,
        Harm::ForeignError,
        Harm::Refusal,
        Harm::Hang,
        Harm::NoAccount,
        Harm::Retry,
        Harm::Unbounded,
    ];

    /// As verdicts name it, in front of what was seen.
    pub fn name(self) -> &'static str {
        match self {
            Harm::SilentLoss => "silent loss",
            Harm::Invention => "invention",
            Harm::ForeignError => "wrong exception",
            Harm::Refusal => "refusal",
            Harm::Hang => "hang",
            Harm::NoAccount => "no account",
            Harm::Retry => "retry",
            Harm::Unbounded => "unbounded",
        }
    }
}

impl Objection {
    /// The client is unsound; `seen` says by what.
    pub(crate) fn broken(harm: Harm, seen: impl AsRef<str>) -> Objection {
        let seen = format!("{}: {}", harm.name(), seen.as_ref());
        Objection { kind: ObjectionKind::Broken(harm), seen }
    }

    /// The client was not brought to show it.
    pub(crate) fn inconclusive(seen: impl Into<String>) -> Objection {
        Objection { kind: ObjectionKind::Inconclusive, seen: seen.into() }
    }

    /// Something failed on this side.
    pub(crate) fn harness(seen: impl Into<String>) -> Objection {
        Objection { kind: ObjectionKind::Harness, seen: seen.into() }
    }

    /// How the client is unsound, if it is.
    pub fn harm(&self) -> Option<Harm> {
        match self.kind {
            ObjectionKind::Broken(harm) => Some(harm),
            ObjectionKind::Inconclusive | ObjectionKind::Harness => None,
        }
    }

    /// The verdict on a case of this level.
    pub(crate) fn verdict(&self, level: Level) -> Verdict {
        match (self.kind, level) {
            (ObjectionKind::Broken(_), Level::Must) => Verdict::Fail,
            (ObjectionKind::Broken(_), Level::Should) => Verdict::NonStrict,
            (ObjectionKind::Inconclusive, _) => Verdict::Inconclusive,
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
        let Case { slug, level, requirement, clauses, served, sound, .. } = *self;
        let data = Requirement { slug, level, requirement, clauses, trigger: served, expected: sound };
        data.unjudged(verdict, repeat)
    }
}
