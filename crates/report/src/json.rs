//! The document itself, written and read.
//!
//! `docs/schemas/verdicts-1.json` describes it. Members that a reader does not know are passed over, since a later
//! version may have added them.

use serde::Deserialize;

use crate::error::{DocumentError, ReportError};
use crate::verdicts::{FORMAT, Verdicts};

/// The document, indented, with a line feed at its end.
///
/// # Errors
/// [`ReportError::Unwritable`] where JSON cannot say a number, such as one that is infinite.
pub fn render(verdicts: &Verdicts) -> Result<String, ReportError> {
    let unwritable =
        |error: serde_json::Error| ReportError::Unwritable { form: "JSON", reason: error.to_string() };
    let mut text = serde_json::to_string_pretty(verdicts).map_err(unwritable)?;
    text.push('\n');
    Ok(text)
}

/// What is looked at first, so that another kind of document is not told by the members that it lacks.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    format: Option<String>,
}

impl Verdicts {
    /// Reads a document.
    ///
    /// # Errors
    /// [`DocumentError`], which says where the text is no JSON, which other format it has, or which member is wrong.
    pub fn from_json(text: &str) -> Result<Verdicts, DocumentError> {
        let no_json = |error: serde_json::Error| DocumentError::NotJson { reason: error.to_string() };
        let value: serde_json::Value = serde_json::from_str(text).map_err(no_json)?;
        let format = Envelope::deserialize(&value).ok().and_then(|envelope| envelope.format);
        if format.as_deref() != Some(FORMAT) {
            return Err(DocumentError::OtherFormat { found: format });
        }
        serde_path_to_error::deserialize(value).map_err(|error| DocumentError::Member {
            path: error.path().to_string(),
            reason: error.inner().to_string(),
        })
    }
}
