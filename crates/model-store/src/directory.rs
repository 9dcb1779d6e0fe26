//! Where model files live on this machine.
//!
//! Owns the choice of the directory and the layout below it: `models/<name>/<file>`. It creates nothing and fetches
//! nothing.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::catalog::ModelEntry;

/// The environment variable that names the directory; without it the platform's cache directory is taken.
pub const HOME_VARIABLE: &str = "INTERFERENCE_HOME";

/// The directory below which model files live. It need not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDirectory {
    root: PathBuf,
}

/// Neither `INTERFERENCE_HOME` nor a home directory says where files may be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no cache directory on this machine; set {HOME_VARIABLE} to a directory for model files")]
pub struct NoCacheDirectory;

impl ModelDirectory {
    /// The directory that the environment asks for: `INTERFERENCE_HOME`, else `interference` in the platform's cache
    /// directory (`~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`).
    ///
    /// # Errors
    /// [`NoCacheDirectory`] when the variable is unset or empty and the platform has no cache directory.
    pub fn from_environment() -> Result<ModelDirectory, NoCacheDirectory> {
        choose(std::env::var_os(HOME_VARIABLE), dirs::cache_dir())
    }

    /// A directory of the caller's choice.
    pub fn new(root: impl Into<PathBuf>) -> ModelDirectory {
        ModelDirectory { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the model's file is, or would be.
    pub fn file_of(&self, model: &ModelEntry) -> PathBuf {
        self.root.join("models").join(model.name).join(model.file_name)
    }

    /// Whether the model's file is there, at its full size. Its SHA-256 was verified before it got there, and nobody
    /// writes to it afterwards.
    pub fn holds(&self, model: &ModelEntry) -> bool {
        fs::metadata(self.file_of(model))
            .is_ok_and(|found| found.is_file() && found.len() == model.size_bytes)
    }
}

fn choose(variable: Option<OsString>, cache: Option<PathBuf>) -> Result<ModelDirectory, NoCacheDirectory> {
    match variable.filter(|value| !value.is_empty()) {
        Some(home) => Ok(ModelDirectory::new(home)),
        None => cache.map(|cache| ModelDirectory::new(cache.join("interference"))).ok_or(NoCacheDirectory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::default_model;

    #[test]
    fn the_variable_comes_before_the_platform() {
        let cache = Some(PathBuf::from("cache"));
        assert_eq!(choose(Some("home".into()), cache.clone()), Ok(ModelDirectory::new("home")));
        assert_eq!(choose(None, cache.clone()), Ok(ModelDirectory::new("cache/interference")));
        assert_eq!(choose(Some("".into()), cache), Ok(ModelDirectory::new("cache/interference")));
        assert_eq!(choose(None, None), Err(NoCacheDirectory));
    }

    #[test]
    fn a_file_of_another_size_is_not_the_model() {
        let root = tempfile::tempdir().unwrap();
        let directory = ModelDirectory::new(root.path());
        let file = directory.file_of(default_model());
        assert!(!directory.holds(default_model()));

        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "cut").unwrap();
        assert!(!directory.holds(default_model()));
    }
}
