//! Documents of several runs, read from their files.

use std::path::{Path, PathBuf};

use crate::error::ReportError;
use crate::kind::{Kind, Unread};
use crate::load::LoadReport;
use crate::text_file::read_text;
use crate::verdicts::Verdicts;

/// Bytes of a document. A whole run with all its evidence takes a few million.
pub const LONGEST_DOCUMENT: u64 = 256 * 1024 * 1024;

/// Documents of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Documents {
    /// What judges have found.
    Verdicts(Vec<Verdicts>),
    /// What runs of load have measured.
    Load(Vec<LoadReport>),
}

/// Reads documents, in the order of the files. They are of one kind, that of the first.
///
/// # Errors
/// [`ReportError::Read`], [`ReportError::TooLong`], [`ReportError::Document`] and [`ReportError::Mixture`], of the first
/// file that is wrong.
pub fn read<P: AsRef<Path>>(files: &[P]) -> Result<Documents, ReportError> {
    let mut verdicts = Vec::new();
    let mut runs = Vec::new();
    let mut first: Option<(Kind, PathBuf)> = None;
    for path in files.iter().map(AsRef::as_ref) {
        let of_file = |source| ReportError::Document { path: path.to_owned(), source };
        let unread = Unread::open(&read_text(path, LONGEST_DOCUMENT)?, &Kind::ALL).map_err(of_file)?;
        let (first, first_path) = first.get_or_insert_with(|| (unread.kind, path.to_owned()));
        if *first != unread.kind {
            return Err(ReportError::Mixture {
                path: path.to_owned(),
                kind: unread.kind,
                first_path: first_path.clone(),
                first: *first,
            });
        }
        match unread.kind {
            Kind::Verdicts => verdicts.push(unread.read().map_err(of_file)?),
            Kind::Load => runs.push(LoadReport::of(unread).map_err(of_file)?),
        }
    }
    Ok(match first {
        Some((Kind::Load, _)) => Documents::Load(runs),
        _ => Documents::Verdicts(verdicts),
    })
}

/// Reads the document of a run of load.
///
/// # Errors
/// [`ReportError::Read`], [`ReportError::TooLong`] and [`ReportError::Document`].
pub fn read_load(path: &Path) -> Result<LoadReport, ReportError> {
    LoadReport::from_json(&read_text(path, LONGEST_DOCUMENT)?)
        .map_err(|source| ReportError::Document { path: path.to_owned(), source })
}
