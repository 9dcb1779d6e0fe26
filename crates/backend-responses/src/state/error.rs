//! What can go wrong with what is kept.

use std::path::PathBuf;

/// Why responses or chats cannot be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be opened, created or written.
    #[error("the state file {path} cannot be used: {reason}")]
    NotOpened {
        /// Which file.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
    /// The file is something else.
    #[error("{path} is not a state file of this program")]
    NotAStateFile {
        /// Which file.
        path: PathBuf,
    },
    /// The file was written by a later release.
    #[error(
        "{path} was written by a later release: it has version {found} of the state file, and this program knows {known}"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The latest version that is known.
        known: i64,
    },
    /// A response or a chat is longer than all together may be.
    #[error("it has {bytes} bytes, and {limit} is the limit for all that is kept")]
    TooLong {
        /// Its length, in bytes.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A chat's answer cannot be found again.
    #[error("the answer is no JSON object with an id")]
    NoId,
    /// The response that it follows was forgotten meanwhile.
    #[error("the response that it follows was deleted, or was too old, before it was complete")]
    PreviousGone,
    /// A conversation has too many responses.
    #[error("the conversation has more than {most} responses")]
    ConversationTooLong {
        /// The limit.
        most: i64,
    },
    /// A response and those that it follows are longer than all together may be.
    #[error(
        "it and the conversation that it goes on have more than {limit} bytes, the limit for all that is kept"
    )]
    ConversationTooLarge {
        /// The limit.
        limit: u64,
    },
    /// Reading or writing failed.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
}
