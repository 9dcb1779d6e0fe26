//! A cursor over the bytes of a file that never leaves them.

use super::GgufError;

/// A name may be this long, in bytes. The longest of a real model has some 60.
const LONGEST_NAME: usize = 256;

/// Reads little-endian values one after the other.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, position: 0 }
    }

    /// Where the next value starts, from the beginning of the file.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The length of the file.
    pub(super) fn file_length(&self) -> usize {
        self.bytes.len()
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: u64, what: &str) -> Result<&'a [u8], GgufError> {
        let rest = &self.bytes[self.position..];
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let taken = taken.ok_or_else(|| GgufError::Truncated {
            what: what.to_owned(),
            offset: self.position,
            needed: length,
            available: rest.len(),
        })?;
        self.position += taken.len();
        Ok(taken)
    }

    /// Passes over `length` bytes.
    pub(super) fn skip(&mut self, length: u64, what: &str) -> Result<(), GgufError> {
        self.take(length, what).map(|_| ())
    }

    fn array<const SIZE: usize>(&mut self, what: &str) -> Result<[u8; SIZE], GgufError> {
        let mut array = [0; SIZE];
        array.copy_from_slice(self.take(SIZE as u64, what)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self, what: &str) -> Result<u8, GgufError> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self, what: &str) -> Result<u16, GgufError> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A number of things of which each takes at least `smallest` bytes: more than `most`, or than the rest of the
    /// file can hold, is an error here, before anybody reserves memory for them.
    pub(super) fn count(&mut self, what: &str, smallest: usize, most: usize) -> Result<usize, GgufError> {
        let offset = self.position;
        let count = self.u64(what)?;
        let needed = count.saturating_mul(smallest as u64);
        let available = self.bytes.len() - self.position;
        if needed > available as u64 {
            return Err(GgufError::Truncated { what: what.to_owned(), offset, needed, available });
        }
        if count > most as u64 {
            let problem = format!("has a count of {count}, where {most} is the bound");
            return Err(GgufError::Invalid { what: what.to_owned(), offset, problem });
        }
        Ok(count as usize)
    }

    /// A length, and that many bytes of UTF-8.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a str, GgufError> {
        let offset = self.position;
        let length = self.u64(what)?;
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes).map_err(|error| GgufError::Invalid {
            what: what.to_owned(),
            offset,
            problem: format!("is not UTF-8 ({error})"),
        })
    }

    /// A text that names something: short and without control characters, so that any message can show it.
    pub(super) fn name(&mut self, what: &str) -> Result<&'a str, GgufError> {
        let offset = self.position;
        let name = self.string(what)?;
        let problem = if name.len() > LONGEST_NAME {
            format!("has {} bytes, where {LONGEST_NAME} is the bound", name.len())
        } else if name.chars().any(char::is_control) {
            "has control characters".to_owned()
        } else {
            return Ok(name);
        };
        Err(GgufError::Invalid { what: what.to_owned(), offset, problem })
    }
}
