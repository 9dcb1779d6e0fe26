//! What can go wrong with reports, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::baseline::BaselineError;
use crate::format::Format;
use crate::kind::Kind;
use crate::load::MergeError;

/// Why a report was not written, or its sources not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// An argument without the `=` between format and path, or with nothing on one side.
    #[error("`{given}` is not FORMAT=PATH")]
    NotAnOutput {
        /// The argument.
        given: String,
        /// The formats that there are.
        known: Vec<String>,
    },
    /// There is no such format for this kind of document.
    #[error("there is no format `{given}` for {told}")]
    UnknownFormat {
        /// The name.
        given: String,
        /// Of what was to be told: `verdicts`.
        told: &'static str,
        /// The formats that there are.
        known: Vec<String>,
    },
    /// Documents of different kinds where those of one are told of together.
    #[error(
        "{path} is a document of {kind}, and {first_path} is one of {first}: they cannot be told of together"
    )]
    Mixture {
        /// The first file of another kind than the first one.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
        /// The first file.
        first_path: PathBuf,
        /// Its kind.
        first: Kind,
    },
    /// Runs of load that are no parts of one.
    #[error("the documents cannot be merged: {source}")]
    Merge {
        /// Why not.
        source: MergeError,
    },
    /// A format that tells of one document, and another number of them.
    #[error("`{format}` tells of one document, and there are {documents}")]
    OneDocument {
        /// The format.
        format: Format,
        /// How many there are.
        documents: usize,
    },
    /// A file that cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is longer than any document should be.
    #[error("{path} is longer than {most} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The bound.
        most: u64,
    },
    /// A file that is no document.
    #[error("{path} {source}")]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// A file that is no baseline.
    #[error("{path}: {source}")]
    Baseline {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BaselineError,
    },
    /// A file that cannot be written.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Stdout cannot be written to.
    #[error("stdout cannot be written to: {source}")]
    Stdout {
        /// What the system says.
        source: io::Error,
    },
    /// A form that cannot hold the document, which is a bug of whoever made it.
    #[error("the document cannot be told as {form}: {reason}")]
    Unwritable {
        /// Which form.
        form: &'static str,
        /// Why.
        reason: String,
    },
}

impl ReportError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            ReportError::NotAnOutput { known, .. } | ReportError::UnknownFormat { known, .. } => {
                format!("formats are {}; as in `--report html=report.html`", known.join(", "))
            }
            ReportError::Mixture { first, .. } => format!("name files of {first} alone, or run the command once for each kind"),
            ReportError::Merge { source } => source.hint(),
            ReportError::OneDocument { .. } => {
                let several = Format::ALL.iter().filter(|format| format.takes_several());
                let names: Vec<_> = several.map(|format| format.name()).collect();
                format!("name one file, or one of the formats for several: {}", names.join(", "))
            }
            ReportError::Read { .. } => {
                "`interference check …` and `load …` write such files with `--report json=FILE`, or `baseline=FILE`"
                    .to_owned()
            }
            ReportError::TooLong { .. } => {
                "what is read are files that `--report json=FILE`, or `baseline=FILE`, has written".to_owned()
            }
            ReportError::Document { .. } => {
                "what is read are files that `--report json=FILE` has written".to_owned()
            }
            ReportError::Baseline { .. } => {
                "one slug a line, such as `sse.done-last # a reason`; `--report baseline=FILE` writes one"
                    .to_owned()
            }
            ReportError::Write { .. } => "name a path that can be written to, or `-` for stdout".to_owned(),
            ReportError::Stdout { .. } => "name a file instead of `-`".to_owned(),
            ReportError::Unwritable { .. } => "this is a bug of interference, and worth a report".to_owned(),
        }
    }
}

/// Why a text is no document of its kind. Follows on the name of a file in a sentence.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is no JSON.
    #[error("is no JSON: {reason}")]
    NotJson {
        /// With line and column.
        reason: String,
    },
    /// Its member `format` is another, or none.
    #[error(
        "is no document of {}: its `format` is {}, not {}",
        either(expected, Kind::to_string), told(found.as_deref()), either(expected, |kind| format!("`{}`", kind.format()))
    )]
    OtherFormat {
        /// What the member says.
        found: Option<String>,
        /// The kinds that could be read here.
        expected: &'static [Kind],
    },
    /// A member is missing, or cannot be what it is.
    #[error("has a wrong member, `{path}`: {reason}")]
    Member {
        /// Where it is: `cases[3].verdict`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn either(kinds: &[Kind], told: impl Fn(&Kind) -> String) -> String {
    kinds.iter().map(told).collect::<Vec<_>>().join(" or ")
}

fn told(format: Option<&str>) -> String {
    format.map_or_else(|| "absent".to_owned(), |format| format!("`{format}`"))
}
