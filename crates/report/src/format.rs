//! The forms in which verdicts are told, by name.

use std::fmt;
use std::str::FromStr;

use crate::error::ReportError;

/// A form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The document itself.
    Json,
    /// What test runners write and CI systems show.
    Junit,
    /// SARIF 2.1.0, which code scanning shows.
    Sarif,
    /// One page with all the evidence.
    Html,
    /// A small picture for a README.
    Badge,
    /// A page that compares targets.
    Matrix,
    /// The same comparison as Markdown.
    MatrixMd,
    /// The failures as a baseline for later runs.
    Baseline,
    /// What a terminal shows, without colours.
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 9] = [
        Format::Json,
        Format::Junit,
        Format::Sarif,
        Format::Html,
        Format::Badge,
        Format::Matrix,
        Format::MatrixMd,
        Format::Baseline,
        Format::Text,
    ];

    /// As `--report` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Junit => "junit",
            Format::Sarif => "sarif",
            Format::Html => "html",
            Format::Badge => "badge",
            Format::Matrix => "matrix",
            Format::MatrixMd => "matrix-md",
            Format::Baseline => "baseline",
            Format::Text => "text",
        }
    }

    /// Whether it can tell of so many documents.
    ///
    /// # Errors
    /// [`ReportError::OneDocument`] where it tells of one, and there is another number of them.
    pub fn accept(self, documents: usize) -> Result<(), ReportError> {
        match documents {
            1 => Ok(()),
            _ if self.takes_several() => Ok(()),
            _ => Err(ReportError::OneDocument { format: self, documents }),
        }
    }

    /// Whether it can tell of several documents at once.
    pub fn takes_several(self) -> bool {
        match self {
            Format::Junit | Format::Sarif | Format::Matrix | Format::MatrixMd | Format::Text => true,
            Format::Json | Format::Html | Format::Badge | Format::Baseline => false,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = ReportError;

    fn from_str(name: &str) -> Result<Format, ReportError> {
        let format = Format::ALL.into_iter().find(|format| format.name() == name);
        format.ok_or_else(|| ReportError::UnknownFormat { given: name.to_owned() })
    }
}
