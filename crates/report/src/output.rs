//! Where a report goes: `--report FORMAT=PATH`.
//!
//! A file appears whole or not at all: it is written beside its place and then moved there. What is no regular file,
//! such as a pipe or `/dev/null`, is written to as it is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tempfile::{Builder, NamedTempFile};

use crate::error::ReportError;
use crate::format::{Form, Format, by_name, names};
use crate::terminal::Style;
use crate::verdicts::Verdicts;
use crate::{badge, baseline, html, json, junit, matrix, sarif, terminal};

/// A report that was asked for: its format, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<F = Format> {
    /// The format; its type says of which kind of document it tells.
    pub format: F,
    /// The file; `-` is stdout. Folders that are not there yet are made.
    pub path: PathBuf,
}

impl<F: Form> FromStr for Output<F> {
    type Err = ReportError;

    /// Reads `FORMAT=PATH`.
    fn from_str(text: &str) -> Result<Output<F>, ReportError> {
        match text.split_once('=') {
            Some((format, path)) if !format.is_empty() && !path.is_empty() => {
                Ok(Output { format: by_name(format)?, path: path.into() })
            }
            _ => Err(ReportError::NotAnOutput { given: text.to_owned(), known: names::<F>() }),
        }
    }
}

impl Format {
    /// The text of a report.
    ///
    /// # Errors
    /// [`ReportError::OneDocument`] where the format tells of one and there is another number of them;
    /// [`ReportError::Unwritable`].
    pub fn render(self, documents: &[Verdicts]) -> Result<String, ReportError> {
        let one = || match documents {
            [verdicts] => Ok(verdicts),
            _ => Err(ReportError::OneDocument { format: self, documents: documents.len() }),
        };
        match self {
            Format::Json => json::render(one()?),
            Format::Junit => Ok(junit::render(documents)),
            Format::Sarif => sarif::render(documents),
            Format::Html => html::render(one()?),
            Format::Badge => Ok(badge::render(one()?)),
            Format::Matrix => matrix::html(documents),
            Format::MatrixMd => Ok(matrix::markdown(documents)),
            Format::Baseline => Ok(baseline::render(one()?)),
            Format::Text => {
                let views = documents.iter().map(|verdicts| terminal::render(verdicts, Style::PLAIN));
                Ok(views.collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

impl Output {
    /// Writes the report.
    ///
    /// # Errors
    /// Those of [`Format::render`]; [`ReportError::Write`] and [`ReportError::Stdout`].
    pub fn write(&self, documents: &[Verdicts]) -> Result<(), ReportError> {
        self.put(&self.format.render(documents)?)
    }
}

impl<F> Output<F> {
    /// Whether it goes to stdout.
    pub fn is_to_stdout(&self) -> bool {
        self.path == Path::new("-")
    }

    /// Puts a text where the report goes.
    ///
    /// # Errors
    /// [`ReportError::Write`] and [`ReportError::Stdout`].
    pub(crate) fn put(&self, text: &str) -> Result<(), ReportError> {
        if self.is_to_stdout() {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
            return written.map_err(|source| ReportError::Stdout { source });
        }
        let written = write_file(&self.path, text.as_bytes());
        written.map_err(|source| ReportError::Write { path: self.path.clone(), source })
    }
}

fn write_file(path: &Path, text: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        // The file that a link leads to is replaced, not the link.
        Ok(metadata) if metadata.is_file() => replace(&fs::canonicalize(path)?, text),
        Ok(_) => File::options().write(true).open(path)?.write_all(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            replace(path, text)
        }
        Err(error) => Err(error),
    }
}

/// Writes a new file beside the place, and moves it there.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = new_file(folder).map_err(|error| bare(&error))?;
    file.write_all(text)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// What the system said, without the name of the file beside the place, which nobody knows.
fn bare(error: &io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|error| error.source()).and_then(|cause| cause.downcast_ref());
    let code = cause.and_then(io::Error::raw_os_error);
    code.map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// Readable for others as far as the umask says, unlike a temporary file: a report is for others.
#[cfg(unix)]
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)
}

#[cfg(not(unix))]
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    Builder::new().tempfile_in(folder)
}
