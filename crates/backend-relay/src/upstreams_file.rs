//! A file of upstreams: TOML to a list of them, or to all that is wrong with it.
//!
//! Owns the form of the file, and where each of its problems stands. Keys are never in it: `env:NAME` and `@FILE` say
//! where they are. It refuses to know what becomes of the upstreams.

use std::fmt;

/// How long a file of upstreams may be, in bytes.
pub const LONGEST_FILE: usize = 1024 * 1024;

/// How many problems of a file are told.
pub const MOST_PROBLEMS: usize = 50;

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The file.
    pub file_name: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: {}", self.file_name, self.line, self.column, self.message)
    }
}
