//! Kinds of documents, and how a text is told to be one.
//!
//! Owns the one way from a text to a document: its member `format` is looked at first, so that another kind is not told by
//! the members that it lacks. Refuses to know what the members mean.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::DocumentError;

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What a judge has found.
    Verdicts,
    /// What a run of load has measured.
    Load,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 2] = [Kind::Verdicts, Kind::Load];

    /// What the member `format` of such a document says.
    pub fn format(self) -> &'static str {
        match self {
            Kind::Verdicts => crate::verdicts::FORMAT,
            Kind::Load => crate::load::FORMAT,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Verdicts => "verdicts",
            Kind::Load => "load",
        })
    }
}

/// A text of which only the kind is known.
pub(crate) struct Unread {
    pub(crate) kind: Kind,
    value: Value,
}

impl Unread {
    /// Looks at a text that is to be of one of these kinds.
    pub(crate) fn open(text: &str, expected: &'static [Kind]) -> Result<Unread, DocumentError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| DocumentError::NotJson { reason: error.to_string() })?;
        let format = value.get("format").and_then(Value::as_str);
        match expected.iter().find(|kind| Some(kind.format()) == format) {
            Some(kind) => Ok(Unread { kind: *kind, value }),
            None => Err(DocumentError::OtherFormat { found: format.map(str::to_owned), expected }),
        }
    }

    /// Reads the members.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, DocumentError> {
        serde_path_to_error::deserialize(self.value).map_err(|error| DocumentError::Member {
            path: error.path().to_string(),
            reason: error.inner().to_string(),
        })
    }
}
