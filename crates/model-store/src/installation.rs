//! The last steps of a file into the cache: alone, verified, whole.
//!
//! Owns the lock that keeps two processes from fetching the same model, the staging directory beside the file's place,
//! and the rename. Nobody ever sees a half-written model: whatever ends a process at whatever time, the file's place
//! holds the verified file or nothing, and what lies in staging is swept by the next fetch.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::catalog::ModelEntry;
use crate::fetch::{FetchError, SourceError};
use crate::progress::FetchProgress;

const LOCK_FILE: &str = "fetch.lock";
const STAGING_FOLDER: &str = "staging";
const READ_BYTES: usize = 256 * 1024;

/// The exclusive right to bring one model's file into its place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Installation {
    destination: PathBuf,
    staging: PathBuf,
    // Closing the file gives the lock back, also when the process is killed.
    _lock: File,
}

impl Installation {
    /// Waits until no other process is fetching to the same place, and sweeps what killed ones left.
    pub(crate) fn begin(
        destination: PathBuf,
        progress: &mut dyn FetchProgress,
    ) -> Result<Installation, FetchError> {
        let folder = destination.parent().unwrap_or(Path::new(".")).to_path_buf();
        let staging = folder.join(STAGING_FOLDER);
        fs::create_dir_all(&folder).map_err(|error| FetchError::storage("create", &folder, error))?;
        let lock = lock(&folder.join(LOCK_FILE), progress)?;
        match fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // A pip that outlived its parent may still write there. Every source gets a fresh folder, so that
                // this costs space only.
                progress.note(&format!("could not clear {}: {error}", staging.display()));
            }
            _ => {}
        }
        fs::create_dir_all(&staging).map_err(|error| FetchError::storage("create", &staging, error))?;
        Ok(Installation { destination, staging, _lock: lock })
    }

    /// An empty folder on the destination's file system, removed with all its content when dropped.
    pub(crate) fn staging_folder(&self) -> io::Result<TempDir> {
        TempDir::new_in(&self.staging)
    }

    /// Verifies the file and moves it into its place.
    pub(crate) fn install(&self, delivered: &Path, model: &ModelEntry) -> Result<(), SourceError> {
        verify(delivered, model)?;
        // Windows flushes only through a handle that may write.
        File::options().append(true).open(delivered)?.sync_all()?;
        fs::rename(delivered, &self.destination)?;
        // The rename itself is on disk only when the folder is. Not every platform can open one; then it comes later.
        if let Some(folder) = self.destination.parent().and_then(|folder| File::open(folder).ok()) {
            folder.sync_all().ok();
        }
        Ok(())
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // It is empty by now; if it is not, the next fetch sweeps it.
        fs::remove_dir(&self.staging).ok();
    }
}

fn lock(path: &Path, progress: &mut dyn FetchProgress) -> Result<File, FetchError> {
    let failed = |error| FetchError::storage("lock", path, error);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress.note("another process is fetching this model; waiting for it");
            file.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    Ok(file)
}

/// Whether the file on disk is the model, by size and SHA-256.
fn verify(path: &Path, model: &ModelEntry) -> Result<(), SourceError> {
    let mut file = File::open(path)?;
    let found = file.metadata()?.len();
    if found != model.size_bytes {
        return Err(SourceError::WrongSize { expected: model.size_bytes, found });
    }
    let found = sha256(&mut file)?;
    if found != model.sha256 {
        return Err(SourceError::WrongHash { expected: model.sha256.to_owned(), found });
    }
    Ok(())
}

fn sha256(reader: &mut impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            length => hasher.update(&buffer[..length]),
        }
    }
}
