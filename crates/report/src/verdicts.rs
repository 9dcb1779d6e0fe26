//! The document of verdicts: one run of a judge against one target.
//!
//! Owns its types and their JSON, of which `docs/schemas/verdicts-1.json` is the schema. Members are only ever added;
//! whatever else changes gets a new number in [`FORMAT`].

use serde::{Deserialize, Serialize};

/// What the member `format` of a document says.
pub const FORMAT: &str = "interference-verdicts-1";

/// What a case has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// A MUST is broken.
    #[serde(rename = "FAIL")]
    Fail,
    /// The judge has failed, not its target.
    #[serde(rename = "HARNESS-ERROR")]
    HarnessError,
    /// A SHOULD is broken, or a liberty taken over which some client stumbles.
    #[serde(rename = "NON-STRICT")]
    NonStrict,
    /// The target did not show the behaviour, in so many tries.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
    /// The target says cleanly that it does not have it.
    #[serde(rename = "UNSUPPORTED")]
    Unsupported,
    /// There is nothing to judge.
    #[serde(rename = "NOT-APPLICABLE")]
    NotApplicable,
    /// It was asked to be left out.
    #[serde(rename = "SKIP")]
    Skip,
    /// What must hold holds.
    #[serde(rename = "PASS")]
    Pass,
}

impl Verdict {
    /// Every verdict, the worst first.
    pub const ALL: [Verdict; 8] = [
        Verdict::Fail,
        Verdict::HarnessError,
        Verdict::NonStrict,
        Verdict::Inconclusive,
        Verdict::Unsupported,
        Verdict::NotApplicable,
        Verdict::Skip,
        Verdict::Pass,
    ];

    /// As documents spell it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Fail => "FAIL",
            Verdict::HarnessError => "HARNESS-ERROR",
            Verdict::NonStrict => "NON-STRICT",
            Verdict::Inconclusive => "INCONCLUSIVE",
            Verdict::Unsupported => "UNSUPPORTED",
            Verdict::NotApplicable => "NOT-APPLICABLE",
            Verdict::Skip => "SKIP",
            Verdict::Pass => "PASS",
        }
    }
}

/// What a broken requirement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Its clause demands it: broken, the verdict is FAIL.
    Must,
    /// Good practice, or the report of somebody whom it hurt: broken, the verdict is NON-STRICT.
    Should,
}

impl Level {
    /// As people write it: `MUST`.
    pub fn word(self) -> &'static str {
        match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
        }
    }
}

/// What a requirement rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clause {
    /// Whose it is: `OpenAI API description`, `openai-python`, `WHATWG server-sent events`, `RFC 9112`, `field report`, …
    pub source: String,
    /// Where in it: a schema's property, a section, a file, an issue.
    pub place: String,
    /// Its words; empty where there are none to be quoted.
    pub quote: String,
}

impl Clause {
    /// `RFC 9112, section 8: "A message body that …"`; without words to quote, the place alone.
    pub(crate) fn in_words(&self) -> String {
        let Clause { source, place, quote } = self;
        if quote.is_empty() {
            format!("{source}, {place}")
        } else {
            format!("{source}, {place}: \"{quote}\"")
        }
    }
}

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the target.
    Sent,
    /// From the target.
    Received,
    /// No bytes: something that happened, such as the end of the connection.
    Event,
}

/// A line of a wire log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireEntry {
    /// Milliseconds since the request had been sent or, where a client sent it, read; negative for what came before.
    pub at_ms: f64,
    /// Which way.
    pub direction: Direction,
    /// Where the bytes begin, counted from the first one of the request, of the answer, or of what a client printed.
    pub offset: usize,
    /// How many bytes there were, also where `text` shows fewer.
    pub bytes: usize,
    /// The bytes with escapes visible, secrets blackened; or what happened.
    pub text: String,
}

/// A request, and what came of it; or what a client printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// What it was for, in a few words.
    pub title: String,
    /// A command line that brings it about again: for a server one of curl, with the key as `$OPENAI_API_KEY`; for a client
    /// the one that repeats the case.
    pub curl: String,
    /// What crossed the wire, in order of time.
    pub wire: Vec<WireEntry>,
}

/// A case and what it has come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseVerdict {
    /// Its name, which never changes: `sse.done-last`.
    pub slug: String,
    /// The section, which the slug begins with: `sse`.
    pub section: String,
    /// How much it matters.
    pub level: Level,
    /// The requirement, in one sentence.
    pub requirement: String,
    /// What it rests on.
    pub clauses: Vec<Clause>,
    /// How the target is brought to show it: what a server is asked, or what a client is sent.
    pub trigger: String,
    /// What it has come to.
    pub verdict: Verdict,
    /// What was to be seen.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Whether the baseline lists it, so that a failure is no surprise.
    #[serde(default)]
    pub in_baseline: bool,
    /// Requests that it looked at: of those that a server was sent, shared ones included; of a client, its own.
    pub requests: u32,
    /// How long it took.
    pub duration_ms: f64,
    /// The command that repeats it.
    pub repeat: String,
    /// The exchanges that it rests on: for a server the most telling first; for a client in the order of its requests, and
    /// then what it printed. Empty where the verdict is PASS, unless asked for.
    #[serde(default)]
    pub evidence: Vec<Exchange>,
}

/// Something that was found out about the target before it was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What: `model`, `streaming`, `tools`, `user agent`, …
    pub name: String,
    /// How it is with the target, in a few words.
    pub value: String,
}

/// Who has judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `interference`
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How many cases have come to what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub struct Summary {
    /// All cases.
    #[serde(rename = "total")]
    pub total: usize,
    /// A MUST is broken.
    pub fail: usize,
    /// The judge has failed.
    pub harness_error: usize,
    /// A SHOULD is broken.
    pub non_strict: usize,
    /// Not shown.
    pub inconclusive: usize,
    /// Not there, and said so.
    pub unsupported: usize,
    /// Nothing to judge.
    pub not_applicable: usize,
    /// Left out.
    pub skip: usize,
    /// Holds.
    pub pass: usize,
    /// Failures that the baseline does not list: FAIL, and NON-STRICT where SHOULDs count.
    #[serde(rename = "unexpected")]
    pub unexpected: usize,
}

/// One run of a judge against one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdicts {
    /// [`FORMAT`].
    pub format: String,
    /// Who has judged.
    pub tool: Tool,
    /// The command that was run, secrets left out: `interference check http://localhost:1337/v1`.
    pub command: String,
    /// What was judged: a base URL, or the command of a client.
    pub target: String,
    /// What people call it: a name and a version, where they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// When it began, as RFC 3339 has it, in UTC.
    pub started_at: String,
    /// How long it took.
    pub duration_ms: f64,
    /// From which level on a broken requirement counts for the exit code.
    pub level: Level,
    /// What was found out beforehand.
    pub findings: Vec<Finding>,
    /// The counts.
    pub summary: Summary,
    /// Entries of the baseline whose cases hold (PASS); each counts as a failure.
    #[serde(default)]
    pub stale_baseline: Vec<String>,
    /// Every case, in the order of the catalogue.
    pub cases: Vec<CaseVerdict>,
}
