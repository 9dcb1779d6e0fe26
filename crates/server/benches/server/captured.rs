//! What a server answered, kept in a file: the bare server writes the same bytes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::AnyError;

/// Fields that the HTTP library writes by itself.
const WRITTEN_BY_LIBRARY: [&str; 4] = ["connection", "content-length", "date", "transfer-encoding"];

/// One answer of each kind.
#[derive(Serialize, Deserialize)]
pub(crate) struct Captured {
    pub(crate) plain: CapturedAnswer,
    pub(crate) stream: CapturedAnswer,
    pub(crate) paced: CapturedAnswer,
}

/// Fields of a head, and the body frame by frame; a body of known length is one frame.
#[derive(Serialize, Deserialize)]
pub(crate) struct CapturedAnswer {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) frames: Vec<String>,
}

impl CapturedAnswer {
    /// Without the fields that the library writes.
    pub(crate) fn new(fields: Vec<(String, String)>, frames: Vec<String>) -> CapturedAnswer {
        let fields = fields.into_iter().filter(|(name, _)| !WRITTEN_BY_LIBRARY.contains(&name.as_str()));
        CapturedAnswer { fields: fields.collect(), frames }
    }
}

impl Captured {
    /// Reads a file that [`Captured::write`] wrote.
    pub(crate) fn read(path: &Path) -> Result<Captured, AnyError> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// Writes it down.
    pub(crate) fn write(&self, path: &Path) -> Result<(), AnyError> {
        Ok(std::fs::write(path, serde_json::to_vec(self)?)?)
    }
}
