//! The forms in which verdicts are told, by name; and what the forms of every kind of document have in common.

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
        by_name(name)
    }
}

/// The forms of one kind of document. Which there are is known from the kind, so that none is asked to tell of another.
pub trait Form: Copy + fmt::Display + 'static {
    /// Every form.
    fn all() -> &'static [Self];
    /// Of what they tell, in the plural: `verdicts`.
    fn told() -> &'static str;
}

impl Form for Format {
    fn all() -> &'static [Format] {
        &Format::ALL
    }

    fn told() -> &'static str {
        "verdicts"
    }
}

/// The names of all forms of a kind.
pub(crate) fn names<F: Form>() -> Vec<String> {
    F::all().iter().map(F::to_string).collect()
}

/// The form of a name.
pub(crate) fn by_name<F: Form>(name: &str) -> Result<F, ReportError> {
    let form = F::all().iter().copied().find(|form| form.to_string() == name);
    form.ok_or_else(|| ReportError::UnknownFormat {
        given: name.to_owned(),
        told: F::told(),
        known: names::<F>(),
    })
}
