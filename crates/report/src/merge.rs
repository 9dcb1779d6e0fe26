//! Documents of several runs, read from their files.

use std::path::Path;

use crate::error::ReportError;
use crate::text_file::read_text;
use crate::verdicts::Verdicts;

/// Bytes of a document. A whole run with all its evidence takes a few million.
pub const LONGEST_DOCUMENT: u64 = 256 * 1024 * 1024;

/// Reads documents, in the order of the files.
///
/// # Errors
/// [`ReportError::Read`], [`ReportError::TooLong`] and [`ReportError::Document`], of the first file that is wrong.
pub fn read<P: AsRef<Path>>(files: &[P]) -> Result<Vec<Verdicts>, ReportError> {
    files.iter().map(|file| read_one(file.as_ref(), LONGEST_DOCUMENT)).collect()
}

fn read_one(path: &Path, most: u64) -> Result<Verdicts, ReportError> {
    Verdicts::from_json(&read_text(path, most)?)
        .map_err(|source| ReportError::Document { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beyond_the_bound_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.json");
        std::fs::write(&path, "[1, 2]").unwrap();
        let error = read_one(&path, 5).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is longer than 5 bytes", path.display()));
        assert!(matches!(read_one(&path, 6), Err(ReportError::Document { .. })));
    }
}
