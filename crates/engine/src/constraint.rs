//! What an answer must read like: a grammar that tells at every token which may come next.

/// What an answer must read like.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstraintSource {
    /// Any JSON object.
    JsonObject,
    /// JSON that this schema accepts.
    JsonSchema(String),
    /// A text that this regular expression matches as a whole.
    Regex(String),
    /// A text of this grammar, in the Lark-like language of `llguidance`; its first rule is `start`.
    Grammar(String),
}

/// A compiled constraint; every generation begins it anew.
#[derive(Debug)]
pub struct Constraint {
    source: ConstraintSource,
}

impl PartialEq for Constraint {
    fn eq(&self, other: &Constraint) -> bool {
        self.source == other.source
    }
}

/// Why a constraint cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConstraintError(pub String);
