//! The forms in which a comparison is told, by name.

use std::fmt;

use super::{Comparison, html, terminal};
use crate::error::ReportError;
use crate::format::Form;
use crate::output::Output;
use crate::terminal::Style;

/// A form of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The comparison itself.
    Json,
    /// One page.
    Html,
    /// What a terminal shows, without colours.
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Json, Format::Html, Format::Text];

    /// As `--report` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Html => "html",
            Format::Text => "text",
        }
    }

    /// The text of a comparison.
    ///
    /// # Errors
    /// [`ReportError::Unwritable`].
    pub fn render(self, comparison: &Comparison) -> Result<String, ReportError> {
        match self {
            Format::Json => comparison.to_json(),
            Format::Html => html::render(comparison),
            Format::Text => Ok(terminal::render(comparison, Style::PLAIN)),
        }
    }
}

impl Form for Format {
    fn all() -> &'static [Format] {
        &Format::ALL
    }

    fn told() -> &'static str {
        "a comparison"
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Output<Format> {
    /// Writes the comparison.
    ///
    /// # Errors
    /// Those of [`Format::render`]; [`ReportError::Write`] and [`ReportError::Stdout`].
    pub fn write(&self, comparison: &Comparison) -> Result<(), ReportError> {
        self.put(&self.format.render(comparison)?)
    }
}
