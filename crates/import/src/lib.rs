//! What other test doubles play from, as scripts and cassettes.
//!
//! Owns the formats of others and their meaning: the fixtures of aimock and llmposter become a script, as
//! `backend-script` reads it, and VCR.py's recordings become cassettes. What does not come along is told, entry by
//! entry; an entry is left out as a whole where without a part of it it would answer what the original does not. Pure
//! functions from text to text: it refuses to know files, requests, and how a script or a cassette is played.

mod aimock;
mod document;
mod draft;
mod json;
mod llmposter;
mod notes;
mod script_words;
mod tree;
mod vcr;
mod wildcard;
mod yaml;

use std::fmt;
use std::str::FromStr;

pub use document::{LONGEST_SOURCE, MOST_ENTRIES};
pub use notes::{Extent, LONGEST_NOTE, LeftOut, MOST_NOTES};
pub use tree::HEAVIEST_TREE;
pub use vcr::LONGEST_BODY;
pub use yaml::DEEPEST_TREE;

use interference_cassette::Cassette;

use crate::document::Document;
use crate::notes::Listing;

/// What somebody else's file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Fixtures of aimock, in JSON.
    Aimock,
    /// Fixtures of llmposter, in YAML.
    Llmposter,
    /// Recordings of VCR.py, in YAML or JSON.
    Vcr,
}

impl Format {
    /// All of them, as the command line names them.
    pub const NAMES: [(&'static str, Format); 3] =
        [("aimock", Format::Aimock), ("llmposter", Format::Llmposter), ("vcr", Format::Vcr)];
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Format::NAMES.iter().find(|(_, format)| format == self).map(|(name, _)| *name);
        formatter.write_str(name.unwrap_or_default())
    }
}

impl FromStr for Format {
    type Err = ImportError;

    fn from_str(text: &str) -> Result<Format, ImportError> {
        let format = Format::NAMES.iter().find(|(name, _)| *name == text);
        format.map(|(_, format)| *format).ok_or_else(|| ImportError::UnknownFormat { given: text.to_owned() })
    }
}

/// A file of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is called in what is told of it, and in the names of rules.
    pub name: String,
    /// What is in it, at most [`LONGEST_SOURCE`] bytes.
    pub text: String,
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// None where nothing could be made.
    pub made: Option<Made>,
    /// What did not come along, at most [`MOST_NOTES`]: file by file, and then what was seen of all together.
    pub left_out: Vec<LeftOut>,
    /// How much more did not come along.
    pub untold: usize,
}

/// What files of others become.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// A script, which loads.
    Script {
        /// Its text.
        text: String,
        /// How many rules it has.
        rules: usize,
    },
    /// Cassettes, each of which can be read again. Their secrets are still in them.
    Cassettes(Vec<Cassette>),
}

/// Why nothing was tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// No format is called so.
    #[error("there is no format `{given}`; known are {}", Format::NAMES.map(|(name, _)| name).join(", "))]
    UnknownFormat {
        /// What was given.
        given: String,
    },
    /// The files are of several formats.
    #[error(
        "{one} is a file of {one_format}, and {other} one of {other_format}; import each format by itself"
    )]
    Mixed {
        /// A file.
        one: String,
        /// Its format.
        one_format: Format,
        /// Another file.
        other: String,
        /// Its format.
        other_format: Format,
    },
}

/// Makes of files what can be made of them. Without a `format` each file's own is found out from what is in it.
///
/// # Errors
/// [`ImportError::Mixed`]. A file that cannot be read is no error: it is left out.
pub fn import(sources: Vec<Source>, format: Option<Format>) -> Result<Imported, ImportError> {
    let mut listing = Listing::default();
    let mut documents: Vec<Document> = Vec::new();
    for source in sources {
        match Document::read(source, format) {
            Ok(document) => {
                document.others().for_each(|other| listing.push(other));
                documents.push(document);
            }
            Err(reason) => listing.push(reason),
        }
    }
    let made = match one_format(&documents)? {
        None => None,
        Some(Format::Aimock) => aimock::script(documents, &mut listing),
        Some(Format::Llmposter) => llmposter::script(documents, &mut listing),
        Some(Format::Vcr) => {
            let cassettes = vcr::cassettes(documents, &mut listing);
            (!cassettes.is_empty()).then_some(Made::Cassettes(cassettes))
        }
    };
    let Listing { told, untold } = listing;
    Ok(Imported { made, left_out: told, untold })
}

/// The format of all documents; none where there are no documents.
fn one_format(documents: &[Document]) -> Result<Option<Format>, ImportError> {
    let Some(first) = documents.first() else { return Ok(None) };
    match documents.iter().find(|other| other.format != first.format) {
        None => Ok(Some(first.format)),
        Some(other) => Err(ImportError::Mixed {
            one: first.name.clone(),
            one_format: first.format,
            other: other.name.clone(),
            other_format: other.format,
        }),
    }
}
