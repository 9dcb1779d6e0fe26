//! The document itself, written and read.
//!
//! `docs/schemas/verdicts-1.json` describes it. Members that a reader does not know are passed over, since a later
//! version may have added them.

use crate::error::{DocumentError, ReportError};
use crate::kind::{Kind, Unread};
use crate::verdicts::Verdicts;

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

impl Verdicts {
    /// Reads a document.
    ///
    /// # Errors
    /// [`DocumentError`], which says where the text is no JSON, which other format it has, or which member is wrong.
    pub fn from_json(text: &str) -> Result<Verdicts, DocumentError> {
        Unread::open(text, &[Kind::Verdicts])?.read()
    }
}
