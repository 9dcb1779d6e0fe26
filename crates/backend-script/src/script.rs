//! A script, read and checked: rules and the answers to them.
//!
//! Owns what a script is made of, and the bounds of all of it. It refuses to know requests of any endpoint, sessions,
//! and files.

use std::cmp::Reverse;
use std::sync::Arc;

use http::HeaderValue;
use interference_backend::ModelCard;
use sha2::{Digest, Sha256};

use crate::answer::Answer;
use crate::condition::Condition;
use crate::error::ScriptError;
use crate::facts::{Endpoint, Facts};
use crate::reading;
use crate::template::Templates;
use crate::wildcard::Wildcard;

/// How long a script may be, in bytes: 4 MiB.
pub const LONGEST_SCRIPT: usize = 4 * 1024 * 1024;

/// The model that a script has beside those it names.
pub const DEFAULT_MODEL: &str = "scripted";

/// The state of a session at first, unless the script says otherwise.
pub const DEFAULT_STATE: &str = "start";

/// Digits of the file's SHA-256 in the fingerprint.
const FINGERPRINT_DIGITS: usize = 12;

/// A script that can be answered from: all of it was checked when it was read.
pub struct Script {
    pub(crate) file_name: String,
    pub(crate) digest: [u8; 32],
    pub(crate) fingerprint: String,
    pub(crate) models: Models,
    pub(crate) first_state: String,
    /// All states that a session can have.
    pub(crate) states: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) templates: Templates,
    /// Whether an answer can depend on those before it.
    pub(crate) memory: Memory,
}

/// The names that reach a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Models {
    /// What is listed, at least one.
    pub(crate) listed: Vec<String>,
    /// What is taken beside that.
    pub(crate) patterns: Vec<Wildcard>,
}

/// Whether a script remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Answers depend on the request alone.
    None,
    /// States or counters are kept for each session.
    Sessions,
}

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// The name as a header tells it.
    pub(crate) label: Option<HeaderValue>,
    /// In the file, from 1.
    pub(crate) line: usize,
    pub(crate) conditions: Vec<Condition>,
    /// At least one.
    pub(crate) answers: Vec<Arc<Answer>>,
    pub(crate) then: Then,
    pub(crate) serves: Serves,
}

/// What comes after the last of a rule's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Then {
    /// The same again.
    #[default]
    Last,
    /// The first again.
    Cycle,
    /// The next rules have it.
    Pass,
}

/// What a rule's answers fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serves {
    /// Chats and completions.
    Texts,
    /// Embeddings.
    Vectors,
    /// They are all errors.
    Everything,
}

impl Serves {
    /// Whether they fit requests to this endpoint.
    pub(crate) fn fits(self, endpoint: Endpoint) -> bool {
        match self {
            Serves::Texts => matches!(endpoint, Endpoint::Chat | Endpoint::Completions),
            Serves::Vectors => endpoint == Endpoint::Embeddings,
            Serves::Everything => true,
        }
    }
}

impl Script {
    /// Reads a script.
    ///
    /// `file_name` is what its messages call it.
    ///
    /// # Errors
    /// All that is wrong with it, as far as it can be seen at once. Rules that can never match are wrong, too, where
    /// that can be decided.
    pub fn parse(text: &str, file_name: &str) -> Result<Script, ScriptError> {
        if text.len() > LONGEST_SCRIPT {
            return Err(ScriptError::TooLarge { file_name: file_name.to_owned(), bytes_max: LONGEST_SCRIPT });
        }
        reading::script(text, file_name)
    }

    /// The name of its file, as messages have it.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// How many rules it has, at least one.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// The models to be listed, at least one, first the one to take when none is named.
    ///
    /// A pattern that is taken is an alias of the first; so is `*` where any name is taken.
    pub fn models(&self, created: u64) -> Vec<ModelCard> {
        let card = |(position, name): (usize, &String)| ModelCard {
            id: name.clone(),
            created,
            owned_by: "interference".to_owned(),
            aliases: match position {
                0 => self.models.patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
                _ => Vec::new(),
            },
            context_length: None,
        };
        self.models.listed.iter().enumerate().map(card).collect()
    }

    /// Whether requests for a model of this name may reach a rule.
    pub fn takes_model(&self, name: &str) -> bool {
        self.models.listed.iter().any(|known| known == name)
            || self.models.patterns.iter().any(|pattern| pattern.fits(name))
    }

    /// What is told when no rule matches: the rule that came nearest, and why it does not.
    pub(crate) fn nearest_miss(
        &self,
        facts: &Facts<'_>,
        state: &str,
        is_used_up: &dyn Fn(&Rule) -> bool,
    ) -> String {
        let misses = |rule: &Rule| {
            let failing = rule.conditions.iter().filter(|condition| !condition.holds(facts, state)).count();
            failing + usize::from(!rule.serves.fits(facts.endpoint)) + usize::from(is_used_up(rule))
        };
        // Of equals, the one of which more holds; of those, the first.
        let holding =
            |rule: &Rule| rule.conditions.iter().filter(|condition| condition.holds(facts, state)).count();
        let nearest = self.rules.iter().min_by_key(|rule| (misses(rule), Reverse(holding(rule))));
        let Some(rule) = nearest else {
            return format!("No rule of {} matches.", self.file_name);
        };
        let failing = rule.conditions.iter().filter(|condition| !condition.holds(facts, state));
        let mut reasons: Vec<String> = failing.map(|condition| condition.failure(facts, state)).collect();
        if !rule.serves.fits(facts.endpoint) {
            reasons.push(format!("none of its answers is one to a request for {}", facts.endpoint));
        }
        if is_used_up(rule) {
            reasons.push("all of its answers were given, and `then = \"pass\"`".to_owned());
        }
        let Script { file_name, .. } = self;
        let Rule { name, line, .. } = rule;
        let name = interference_toml_values::shortened(name);
        format!(
            "No rule of {file_name} matches. The nearest is rule `{name}` (line {line}): {}.",
            reasons.join("; ")
        )
    }
}

impl Rule {
    /// The endpoints at which it can match, as far as that can be decided.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        Endpoint::ALL.into_iter().filter(|endpoint| {
            self.serves.fits(*endpoint)
                && self.conditions.iter().all(|condition| condition.can_hold_at(*endpoint))
        })
    }

    /// Whether a request meets all conditions.
    pub(crate) fn fits(&self, facts: &Facts<'_>, state: &str) -> bool {
        self.serves.fits(facts.endpoint)
            && self.conditions.iter().all(|condition| condition.holds(facts, state))
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut fields = formatter.debug_struct("Script");
        fields.field("file_name", &self.file_name).field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

/// The digest of a script's text.
pub(crate) fn digest_of(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The fingerprint of a script with that digest.
pub(crate) fn fingerprint_of(digest: &[u8; 32]) -> String {
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("fp_script_{}", &digits[..FINGERPRINT_DIGITS])
}
