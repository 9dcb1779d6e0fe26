//! Several targets side by side: a row for each case, a column for each target.
//!
//! Owns the grid, of which a page and a Markdown text are made. A case that a document does not have has an empty cell.

mod grid;
mod markdown;
mod page;

pub use markdown::render as markdown;
pub use page::render as html;
