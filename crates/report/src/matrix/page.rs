//! The comparison as a page of its own: one file, which loads nothing and has no scripts.

use askama::Template;

use super::grid::{Block, blocks, counts};
use crate::error::ReportError;
use crate::verdicts::{CaseVerdict, Verdict, Verdicts};
use crate::visible::one_line;

#[derive(Template)]
#[template(path = "matrix.html")]
struct Page<'a> {
    documents: &'a [Verdicts],
    blocks: Vec<Block<'a>>,
}

/// The page: the grid, and below it what was seen of each case that does not simply hold.
///
/// # Errors
/// [`ReportError::Unwritable`] where the template engine fails, which no document should bring about.
pub fn render(documents: &[Verdicts]) -> Result<String, ReportError> {
    let page = Page { documents, blocks: blocks(documents) };
    page.render().map_err(|error| ReportError::Unwritable { form: "HTML", reason: error.to_string() })
}

/// What the cells of a target lead to.
fn told(verdicts: &Verdicts) -> Vec<&CaseVerdict> {
    verdicts.cases.iter().filter(|case| case.verdict != Verdict::Pass).collect()
}
