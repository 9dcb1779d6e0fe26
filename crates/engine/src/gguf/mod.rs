//! Model files in the GGUF format: what is in them, and where.
//!
//! Reads version 2 and 3 of the format (little-endian): a header, metadata as typed values by key, a table of
//! tensors, and the tensors' bytes, each aligned. Every length and offset is checked against the file before it is
//! used, so that a truncated or foreign file is an error that names the place, never a panic or a huge allocation.
//!
//! It knows no model: which keys and tensors there should be is for [`crate::model`] to say.

mod memory_map;
mod metadata;
mod reader;
mod tensors;

use std::path::Path;

pub(crate) use memory_map::MappedFile;
pub(crate) use metadata::Metadata;
use reader::Reader;
pub(crate) use tensors::TensorInfo;

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file could not be opened or mapped.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It does not begin with the format's four letters.
    #[error("is not a GGUF file: it begins with {found:?}, not with \"GGUF\"")]
    NotGguf {
        /// The first bytes, as text.
        found: String,
    },
    /// A version that this reader does not know.
    #[error("has GGUF version {version}; versions 2 and 3 are supported")]
    UnsupportedVersion {
        /// The version in the file.
        version: u32,
    },
    /// Something reaches past the end of the file.
    #[error(
        "is truncated: {what} at byte {offset} needs {needed} bytes, and the file ends after {available} more"
    )]
    Truncated {
        /// What was being read.
        what: String,
        /// Where it starts.
        offset: usize,
        /// How long it claims to be.
        needed: u64,
        /// What is left of the file there.
        available: usize,
    },
    /// A value that the format does not allow.
    #[error("is damaged: {what} at byte {offset} {problem}")]
    Invalid {
        /// What was being read.
        what: String,
        /// Where it starts.
        offset: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A key that the model needs is not there.
    #[error("has no metadata `{key}`")]
    MissingMetadata {
        /// The key.
        key: String,
    },
    /// A key has a value of another kind.
    #[error("has metadata `{key}` that is not {expected}")]
    WrongMetadata {
        /// The key.
        key: String,
        /// What it should be.
        expected: String,
    },
}

/// A text of the file, for a message: its beginning, without characters that move a terminal's cursor.
pub(crate) fn excerpt(text: &str) -> String {
    excerpt_of(text, 80)
}

/// The same with so many characters at most.
pub(crate) fn excerpt_of(text: &str, longest: usize) -> String {
    let mut characters = text.chars();
    let shown = characters.by_ref().take(longest).map(|character| match character {
        character if character.is_control() => character.escape_debug().to_string(),
        character => character.to_string(),
    });
    let mut shown: String = shown.collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A model file, mapped into memory and checked.
pub(crate) struct GgufFile {
    map: MappedFile,
    pub(crate) metadata: Metadata,
    tensors: Vec<TensorInfo>,
}

impl GgufFile {
    /// Maps a file and reads its head.
    pub(crate) fn open(path: &Path) -> Result<GgufFile, GgufError> {
        GgufFile::read(MappedFile::open(path)?)
    }

    /// Reads the head of a file.
    pub(crate) fn read(map: MappedFile) -> Result<GgufFile, GgufError> {
        let (metadata, tensors) = read_head(map.bytes())?;
        Ok(GgufFile { map, metadata, tensors })
    }

    /// All tensors, in the order of the file.
    pub(crate) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The bytes of a tensor of this file.
    pub(crate) fn tensor_bytes(&self, tensor: &TensorInfo) -> &[u8] {
        &self.map.bytes()[tensor.range.clone()]
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.map.bytes()
    }
}

/// Reads all that comes before the tensors' bytes, and checks that these are there.
fn read_head(bytes: &[u8]) -> Result<(Metadata, Vec<TensorInfo>), GgufError> {
    let mut reader = Reader::new(bytes);
    let magic = &bytes[..bytes.len().min(4)];
    if magic != b"GGUF" {
        return Err(GgufError::NotGguf { found: String::from_utf8_lossy(magic).into_owned() });
    }
    reader.skip(4, "the magic number")?;
    let version = reader.u32("the version")?;
    if !(2..=3).contains(&version) {
        return Err(GgufError::UnsupportedVersion { version });
    }
    let tensor_count =
        reader.count("the number of tensors", tensors::SMALLEST_ENTRY, tensors::MOST_TENSORS)?;
    let value_count =
        reader.count("the number of metadata values", metadata::SMALLEST_ENTRY, metadata::MOST_VALUES)?;
    let metadata = Metadata::read(&mut reader, value_count)?;
    let tensors = tensors::read(&mut reader, tensor_count, &metadata)?;
    Ok((metadata, tensors))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The small file with a second tensor of the same shape, at this offset.
    fn with_second_tensor(name: &str, offset: u64) -> Vec<u8> {
        let mut bytes = small_file();
        bytes[8..16].copy_from_slice(&2_u64.to_le_bytes());
        let entry = bytes.windows(7).position(|window| window == b"weights").unwrap() - 8;
        let (shape, end) = (entry + 15..entry + 15 + 4 + 16 + 4, entry + 15 + 4 + 16 + 4 + 8);
        let second = [&string(name)[..], &bytes[shape], &offset.to_le_bytes()].concat();
        let mut bytes = [&bytes[..end], &second].concat();
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend([7; 512]);
        bytes
    }

    #[test]
    fn tensors_do_not_share_bytes_or_names() {
        assert_eq!(read_head(&with_second_tensor("other", 256)).unwrap().1.len(), 2);
        let overlap = read_head(&with_second_tensor("other", 224)).map(|_| ()).unwrap_err().to_string();
        assert!(
            overlap.contains("tensor `other`") && overlap.contains("overlaps tensor `weights`"),
            "{overlap}"
        );
        let twice = read_head(&with_second_tensor("weights", 256)).map(|_| ()).unwrap_err().to_string();
        assert!(twice.contains("is there twice"), "{twice}");
    }

    fn string(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    /// A file with one number, one list of strings, and one F32 tensor of 2 × 32.
    pub(super) fn small_file() -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend(string("answer"));
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(42_u32.to_le_bytes());
        bytes.extend(string("words"));
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(8_u32.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend(string("one"));
        bytes.extend(string("two"));
        bytes.extend(string("weights"));
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend(32_u64.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend([7; 256]);
        bytes
    }

    #[test]
    fn a_small_file_is_read() {
        let bytes = small_file();
        let (metadata, tensors) = read_head(&bytes).unwrap();
        assert_eq!(metadata.u32("answer").unwrap(), 42);
        assert_eq!(metadata.strings("words").unwrap(), ["one", "two"]);
        assert_eq!((tensors[0].name.as_str(), &tensors[0].dimensions[..]), ("weights", &[32, 2][..]));
        assert_eq!(bytes[tensors[0].range.clone()], [7; 256]);
    }

    #[test]
    fn every_truncation_is_an_error_that_says_where() {
        let bytes = small_file();
        for length in 0..bytes.len() {
            let error = read_head(&bytes[..length]).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("truncated") || error.contains("not a GGUF"), "{length}: {error}");
        }
    }

    #[test]
    fn absurd_counts_are_refused_before_memory_is_taken() {
        for position in [8, 16] {
            let mut bytes = small_file();
            bytes[position..position + 8].copy_from_slice(&u64::MAX.to_le_bytes());
            let error = read_head(&bytes).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("truncated"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(changes in prop::collection::vec((0_usize..400, any::<u8>()), 1..12)) {
            let mut bytes = small_file();
            let length = bytes.len();
            for (position, value) in changes {
                bytes[position % length] = value;
            }
            drop(read_head(&bytes));
        }

        #[test]
        fn excerpts_are_short_and_harmless(text in any::<String>()) {
            let shown = excerpt(&text.repeat(9));
            prop_assert!(shown.chars().count() <= 80 * 8 + 1 && !shown.chars().any(char::is_control));
        }

        #[test]
        fn foreign_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(read_head(&bytes));
            if bytes.len() > 8 {
                bytes[..8].copy_from_slice(b"GGUF\x03\0\0\0");
                drop(read_head(&bytes));
            }
        }
    }
}
