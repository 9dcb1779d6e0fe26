//! The forms in which a run of load is told, by name.

use std::fmt;

use super::document::LoadReport;
use super::{csv, html, terminal};
use crate::error::ReportError;
use crate::format::Form;
use crate::output::Output;
use crate::terminal::Style;

/// A form of a report of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The document itself.
    Json,
    /// A row for each interval of the run.
    Csv,
    /// One page with plots.
    Html,
    /// What a terminal shows, without colours.
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Format::Json, Format::Csv, Format::Html, Format::Text];

    /// As `--report` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Html => "html",
            Format::Text => "text",
        }
    }

    /// The text of a report.
    ///
    /// # Errors
    /// [`ReportError::Unwritable`].
    pub fn render(self, report: &LoadReport) -> Result<String, ReportError> {
        match self {
            Format::Json => report.to_json(),
            Format::Csv => Ok(csv::render(report)),
            Format::Html => html::render(report),
            Format::Text => Ok(terminal::render(report, Style::PLAIN)),
        }
    }
}

impl Form for Format {
    fn all() -> &'static [Format] {
        &Format::ALL
    }

    fn told() -> &'static str {
        "a run of load"
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Output<Format> {
    /// Writes the report.
    ///
    /// # Errors
    /// Those of [`Format::render`]; [`ReportError::Write`] and [`ReportError::Stdout`].
    pub fn write(&self, report: &LoadReport) -> Result<(), ReportError> {
        self.put(&self.format.render(report)?)
    }
}
