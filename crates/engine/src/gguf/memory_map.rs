//! The memory map of a model file.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

/// A file whose bytes can be read as if they were in memory.
pub(crate) struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Maps a whole file for reading.
    pub(crate) fn open(path: &Path) -> std::io::Result<MappedFile> {
        // Asked before opening: a named pipe would be waited for.
        if !std::fs::metadata(path)?.is_file() {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a file"));
        }
        let file = File::open(path)?;
        #[expect(unsafe_code, reason = "a memory map is unsafe by nature")]
        // SAFETY: the map is read-only, and lives only while a model is loaded. Whoever changes or truncates the file
        // in that time can make the model wrong or this process die of a bus error; model files are written once and
        // renamed into place, and the same holds for every program that maps its data.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(MappedFile { map })
    }

    /// These bytes, as if a file had them.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn holding(bytes: &[u8]) -> std::io::Result<MappedFile> {
        let mut map = memmap2::MmapMut::map_anon(bytes.len())?;
        map.copy_from_slice(bytes);
        Ok(MappedFile { map: map.make_read_only()? })
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }
}
