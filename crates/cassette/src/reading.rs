//! From a text to a cassette.
//!
//! Owns what is read, within which bounds, and how mistakes are told: by member, line and column. People edit cassettes,
//! so that nothing is passed over: an unknown member is a mistake, and so are times that go backwards. Refuses to know
//! files.

mod forms;
mod values;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;

use crate::cassette::Cassette;
use crate::error::Mistake;
use crate::writing::VERSION;

/// How long a file may be, in bytes: 256 MiB.
pub const LONGEST_FILE: u64 = 256 * 1024 * 1024;

/// How many reads an answer may have.
pub const MOST_READS: usize = 262_144;

/// A document of some version, or another document.
#[derive(Deserialize)]
struct AnyVersion {
    interference_cassette: Option<u64>,
}

impl Cassette {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// All that can be wrong with a text: see [`Mistake`]. Bounds are [`LONGEST_FILE`], [`MOST_READS`] and
    /// [`LONGEST_TIME`](crate::LONGEST_TIME).
    pub fn from_json(text: &[u8]) -> Result<Cassette, Mistake> {
        if text.len() as u64 > LONGEST_FILE {
            return Err(Mistake::TooLong { most: LONGEST_FILE });
        }
        serde_json::from_slice::<IgnoredAny>(text).map_err(|error| not_json(text, &error))?;
        if !text.trim_ascii_start().starts_with(b"{") {
            return Err(Mistake::NotACassette);
        }
        // Of a later version nothing is known but that member.
        match serde_json::from_slice(text) {
            Ok(AnyVersion { interference_cassette: Some(found) }) if found > VERSION => {
                return Err(Mistake::LaterVersion { found });
            }
            Ok(AnyVersion { interference_cassette: None }) => return Err(Mistake::NotACassette),
            // Whatever else is wrong is told better below.
            Ok(_) | Err(_) => {}
        }
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = serde_path_to_error::deserialize(&mut json);
        read.map(|forms::Document(cassette)| cassette).map_err(|error| {
            let member = error.path().to_string();
            wrong_member(text, member, error.inner())
        })
    }
}

fn not_json(text: &[u8], error: &serde_json::Error) -> Mistake {
    let (line, column, reason) = (error.line(), error.column(), reason_of(error));
    // A number that is cut off here is none, where other values have merely not ended.
    let is_half_a_number = || text.ends_with(b".") || text.ends_with(b"-") || text.ends_with(b"e");
    if error.classify() == Category::Eof || (is_half_a_number() && (line, column) == end_of(text)) {
        return Mistake::CutOff { line, column, reason };
    }
    Mistake::NotJson { line, column, reason }
}

/// The line and the column of the last byte.
fn end_of(text: &[u8]) -> (usize, usize) {
    let line_ends = memchr::memchr_iter(b'\n', text).count();
    let last_line = memchr::memrchr(b'\n', text).map_or(text.len(), |end| text.len() - end - 1);
    (line_ends + 1, last_line)
}

fn wrong_member(text: &[u8], member: String, error: &serde_json::Error) -> Mistake {
    match error.classify() {
        Category::Data => {
            Mistake::Member { member, line: error.line(), column: error.column(), reason: reason_of(error) }
        }
        // A string with half of a surrogate pair, for example: it is seen only by those who read it.
        Category::Eof | Category::Syntax | Category::Io => not_json(text, error),
    }
}

/// What is wrong, without the place, which is told elsewhere.
fn reason_of(error: &serde_json::Error) -> String {
    let told = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    told.strip_suffix(&place).map_or(told.clone(), str::to_owned)
}
