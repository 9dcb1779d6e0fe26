//! Why a plan cannot be taken, told so that its writer can mend it.

use std::fmt;

use super::PLAN_BYTES_MAX;

/// A place in the text of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
}

/// What an error is about: a key, and where it stands if the text is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The key's path, such as `cut.after_events`; `plan` for the plan as a whole.
    pub key: String,
    /// Where in the text; none in a plan that is a value inside of another file.
    pub position: Option<Position>,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.position {
            write!(formatter, "line {}, column {}: ", position.line, position.column)?;
        }
        write!(formatter, "`{}`", self.key)
    }
}

/// Why a text is no plan. Each message says where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More than [`PLAN_BYTES_MAX`] bytes.
    #[error("the plan has {bytes} bytes, and {PLAN_BYTES_MAX} are the most; shorten its lists")]
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// Not TOML.
    #[error(
        "line {}, column {}: {message}; write `key = value` pairs with commas between them, and texts in quotes, \
         such as `cut = {{ after_events = 5, by = \"reset\" }}, seed = 7`",
        .position.line, .position.column
    )]
    Syntax {
        /// Where reading stopped.
        position: Position,
        /// What the TOML reader says.
        message: String,
    },
    /// A key that does not exist there.
    #[error("{place} is not known here{}; known are {}", nearest_hint(*.nearest), .known.join(", "))]
    UnknownKey {
        /// The key.
        place: Place,
        /// What exists there.
        known: Vec<&'static str>,
        /// The one that is written almost alike.
        nearest: Option<&'static str>,
    },
    /// A value that cannot be taken, or that is missing.
    #[error("{place} {problem}")]
    Value {
        /// The key.
        place: Place,
        /// What is wrong with it, and what to write instead.
        problem: String,
    },
    /// Keys that cannot stand together.
    #[error("{reason}; {advice}")]
    Contradiction {
        /// Which keys, and why not.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// What [`header_value`](crate::AnswerFaults::header_value) gives for a plan too long for a header.
    #[error(
        "this stands for a plan of {bytes} bytes, too long for a header; give that plan itself, with the seed that \
         stands here"
    )]
    LeftOut {
        /// Its length.
        bytes: u64,
    },
}

fn nearest_hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
