//! Files of text that somebody names, read within a bound.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::ReportError;

/// The text of a file of at most `most` bytes.
///
/// # Errors
/// [`ReportError::Read`], also where it is no UTF-8, and [`ReportError::TooLong`].
pub(crate) fn read_text(path: &Path, most: u64) -> Result<String, ReportError> {
    let unread = |source| ReportError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(unread)?;
    if bytes.len() as u64 > most {
        return Err(ReportError::TooLong { path: path.to_owned(), most });
    }
    String::from_utf8(bytes).map_err(|error| unread(io::Error::new(io::ErrorKind::InvalidData, error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beyond_the_bound_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.json");
        std::fs::write(&path, "[1, 2]").unwrap();
        let error = read_text(&path, 5).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is longer than 5 bytes", path.display()));
        assert_eq!(read_text(&path, 6).unwrap(), "[1, 2]");
    }
}
