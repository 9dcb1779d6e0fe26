//! Tensors of a model file, found by name, checked, and packed for the kernels.

use std::collections::{HashMap, HashSet};

use super::ModelError;
use crate::gguf::{GgufFile, TensorInfo};
use crate::kernels::packed_matrix::{PackedMatrix, WeightFormat};
use crate::kernels::weight_memory::WeightMemory;

/// The tensors of a file, each to be taken once.
pub(super) struct Tensors<'a> {
    file: &'a GgufFile,
    by_name: HashMap<&'a str, &'a TensorInfo>,
    taken: HashSet<String>,
    memory: WeightMemory,
}

impl<'a> Tensors<'a> {
    /// Finds them, and reserves the memory that they take packed.
    pub(super) fn new(file: &'a GgufFile) -> Result<Tensors<'a>, ModelError> {
        let by_name = file.tensors().iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let sizes = file.tensors().iter().filter_map(|tensor| match tensor.dimensions[..] {
            [columns, rows] => Some(PackedMatrix::packed_bytes(format_of(tensor).ok()?, rows, columns)),
            _ => None,
        });
        let memory = WeightMemory::for_parts(sizes).map_err(ModelError::NoMemory)?;
        Ok(Tensors { file, by_name, taken: HashSet::new(), memory })
    }

    /// Whether there is a tensor of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// A matrix of `rows` outputs by `columns` inputs.
    pub(super) fn matrix(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<PackedMatrix, ModelError> {
        let tensor = self.take(name, &[columns, rows])?;
        let format = format_of(tensor)?;
        Ok(PackedMatrix::pack(&mut self.memory, format, rows, columns, self.file.tensor_bytes(tensor)))
    }

    /// A vector in single precision.
    pub(super) fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, ModelError> {
        let tensor = self.take(name, &[length])?;
        if format_of(tensor)? != WeightFormat::F32 {
            let what = format!("tensor `{name}` of type {} where F32 is expected", tensor.kind.name);
            return Err(ModelError::Unsupported { what });
        }
        let numbers = self.file.tensor_bytes(tensor).as_chunks::<4>().0;
        Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// Makes the matrices ready to be read, and refuses tensors that nobody took: a model that has them computes
    /// something else.
    pub(super) fn finish(self) -> Result<(), ModelError> {
        match self.file.tensors().iter().find(|tensor| !self.taken.contains(&tensor.name)) {
            Some(tensor) => Err(ModelError::Unsupported { what: format!("tensor `{}`", tensor.name) }),
            None => {
                self.memory.seal();
                Ok(())
            }
        }
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<&'a TensorInfo, ModelError> {
        let tensor = self.by_name.get(name).copied();
        let tensor = tensor.ok_or_else(|| ModelError::MissingTensor { tensor: name.to_owned() })?;
        if tensor.dimensions != shape {
            return Err(ModelError::WrongShape {
                tensor: name.to_owned(),
                found: tensor.dimensions.clone(),
                expected: shape.to_vec(),
            });
        }
        self.taken.insert(name.to_owned());
        Ok(tensor)
    }
}

fn format_of(tensor: &TensorInfo) -> Result<WeightFormat, ModelError> {
    let kind = tensor.kind.name;
    let format = WeightFormat::by_name(kind);
    format.ok_or_else(|| ModelError::UnsupportedType { tensor: tensor.name.clone(), kind })
}
