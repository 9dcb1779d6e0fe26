//! A model: its sizes, its weights as the kernels read them, and one step of it.
//!
//! The door for a second architecture is [`Model::load`], which looks at `general.architecture`; there is one behind
//! it, [`llama`].

#[cfg(test)]
mod fidelity;
mod hyperparameters;
mod llama;
mod weight_totals;
mod weights;

use crate::gguf::{GgufError, GgufFile, excerpt};
use crate::kernels::InstructionSet;
use crate::kernels::packed_matrix::WeightFormat;
use crate::kernels::thread_pool::ThreadPool;
use hyperparameters::Hyperparameters;
pub(crate) use llama::{Cancelled, Input, Llama as Model, Workspace};
pub use weight_totals::{MatrixTotals, WeightTotals};

/// Why a model file cannot be used, though it is a sound GGUF file.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Metadata that is missing or of the wrong kind.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// A model of another architecture.
    #[error("has the architecture `{architecture}`; supported: `llama`")]
    UnsupportedArchitecture {
        /// `general.architecture`.
        architecture: String,
    },
    /// Something of this architecture that is not implemented.
    #[error("has {what}, which is not supported")]
    Unsupported {
        /// What it is, with its name in the file.
        what: String,
    },
    /// A tensor in a format that the kernels do not multiply.
    #[error("has tensor `{tensor}` of type {kind}; supported: {}", supported_types())]
    UnsupportedType {
        /// The tensor.
        tensor: String,
        /// Its type.
        kind: &'static str,
    },
    /// A tensor that the architecture needs is not there.
    #[error("has no tensor `{tensor}`")]
    MissingTensor {
        /// The tensor.
        tensor: String,
    },
    /// A tensor of a shape that contradicts the metadata.
    #[error("has tensor `{tensor}` of shape {found:?}; the metadata asks for {expected:?}")]
    WrongShape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// The operating system does not give the memory for the weights.
    #[error("does not fit into memory: {0}")]
    NoMemory(std::io::Error),
    /// Sizes that contradict each other, or that are past all bounds.
    #[error("has `{key}` of {value}, which {problem}")]
    Absurd {
        /// The key.
        key: String,
        /// Its value.
        value: u64,
        /// Why it cannot be.
        problem: &'static str,
    },
}

fn supported_types() -> String {
    WeightFormat::NAMES.map(|(_, name)| name).join(", ")
}

/// What computes: the threads and the form of the kernels.
pub(crate) struct Machine {
    pub(crate) pool: ThreadPool,
    pub(crate) set: InstructionSet,
}

/// Reads the weights of a model file.
pub(crate) fn load(file: &GgufFile) -> Result<Model, ModelError> {
    let architecture = file.metadata.string("general.architecture")?;
    match architecture {
        "llama" => Model::load(file),
        other => Err(ModelError::UnsupportedArchitecture { architecture: excerpt(other) }),
    }
}
