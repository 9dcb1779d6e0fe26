//! A recorded exchange on disk.
//!
//! Owns the format of cassettes: what one holds, how it is written, read and kept in a folder, and what is taken out of
//! it before anything touches a disk. A cassette is JSON, laid out so that people can read it, compare it and edit it;
//! `docs/schemas/cassette-1.json` is its schema. Refuses to know who records, who plays back, which recording answers
//! which request, and everything of tokio and of sockets.

mod cassette;
mod error;
mod folder;
mod json_layout;
mod reading;
mod redaction;
mod writing;

pub use cassette::{
    Cassette, End, FailureKind, LONGEST_TIME, Outcome, Read, RecordedAnswer, RecordedFailure, RecordedRequest,
};
pub use error::{FolderError, Mistake, ReadError, WriteError};
pub use folder::{Folder, LARGEST_FOLDER, MOST_FILES, Recording, Recordings, read_file, read_folder};
pub use reading::{LONGEST_FILE, MOST_READS};
pub use redaction::{
    REDACTED, Redaction, SHORTEST_CLIENT_KEY, SHORTEST_SECRET, is_secret, query_without_secrets,
    value_without_secrets,
};
