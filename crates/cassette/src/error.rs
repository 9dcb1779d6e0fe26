//! What can go wrong with cassettes.
//!
//! Every error names its file, and for what is wrong inside of one, the member with line and column. Refuses to know
//! what is to be done about a file that cannot be served: the others are.

use std::io;
use std::path::PathBuf;

/// Why a text is no cassette. Follows on the name of a file in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// It has more bytes than are read.
    #[error("it is longer than {most} bytes")]
    TooLong {
        /// The bound.
        most: u64,
    },
    /// It ends in the middle.
    #[error("it is cut off (line {line}, column {column}): {reason}")]
    CutOff {
        /// Where it ends, from 1.
        line: usize,
        /// Where it ends, from 1.
        column: usize,
        /// What it was in the middle of.
        reason: String,
    },
    /// It is no JSON.
    #[error("it is no JSON (line {line}, column {column}): {reason}")]
    NotJson {
        /// Where that is seen, from 1.
        line: usize,
        /// Where that is seen, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// It is JSON, and something else.
    #[error("it is no cassette: it has no member `interference_cassette`")]
    NotACassette,
    /// A later release wrote it.
    #[error(
        "it is a cassette of version {found}, and this release reads version {known}; a later release of interference \
         reads it",
        known = crate::writing::VERSION
    )]
    LaterVersion {
        /// The version that it names.
        found: u64,
    },
    /// A member is missing, unknown, or not what it should be.
    #[error("`{member}` (line {line}, column {column}): {reason}")]
    Member {
        /// Where it is, such as `response.reads[3].at_ms`.
        member: String,
        /// Where that is seen, from 1.
        line: usize,
        /// Where that is seen, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
}

/// Why a file, or a part of a folder, was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system does not give it.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It has the name of a cassette, and is no file.
    #[error("{} is no regular file", path.display())]
    NotAFile {
        /// What it is called.
        path: PathBuf,
    },
    /// It is not what a cassette should be.
    #[error("{}: {mistake}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        mistake: Mistake,
    },
    /// There are more files than are read; the last ones were left out.
    #[error(
        "{} has more cassettes than are read at once, {files_max} of {bytes_max} bytes together; {left_out} were left \
         out, the first of them {first}",
        path.display()
    )]
    FolderTooLarge {
        /// The folder.
        path: PathBuf,
        /// How many files are read.
        files_max: usize,
        /// How many bytes they may have together.
        bytes_max: u64,
        /// The name of the first file that was left out.
        first: String,
        /// How many were left out.
        left_out: usize,
    },
}

/// Why a folder cannot hold recordings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It cannot be listed.
    #[error("the folder {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not there and cannot be made.
    #[error("the folder {} cannot be made: {source}", path.display())]
    NotMade {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why a cassette was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The system does not take it.
    #[error("a cassette cannot be written to {}: {source}", folder.display())]
    Refused {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// With one more, the folder would have more than is read.
    #[error(
        "{} is full: {files_max} cassettes of {bytes_max} bytes together are read; begin another folder",
        folder.display()
    )]
    FolderFull {
        /// The folder.
        folder: PathBuf,
        /// How many files are read.
        files_max: usize,
        /// How many bytes they may have together.
        bytes_max: u64,
    },
    /// It would not be read again.
    #[error("the exchange makes no cassette: {mistake}")]
    NoCassette {
        /// What a reader would say.
        mistake: Mistake,
    },
}
