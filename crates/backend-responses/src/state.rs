//! What is kept of responses and of chats: in memory, or in a file that outlives the process.
//!
//! Owns the tables, their bounds, and what is forgotten when. A response that others follow is only hidden when it is
//! deleted or too old: what it says is part of their conversations, so it goes with the last of them. Chats (`chats.rs`)
//! stand each for itself. Both places are SQLite, on a thread of its own, so that they keep and forget alike. It refuses to
//! know what a response or a chat says.

mod chats;
mod database;
mod error;
mod forgetting;
mod opening;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::SqliteConnection;

pub(crate) use chats::{ChatFilter, KeptChat, NewChat};
use database::Database;
pub use error::StateError;
use forgetting::forget;

/// How many responses a conversation has at most.
pub(crate) const MOST_LINKS: i64 = 1_024;

/// The bounds of what is kept. They hold for responses and for chats, each by themselves, and whatever exceeds them, the
/// oldest go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    /// How long a response or a chat is kept.
    pub age: Duration,
    /// How many responses are kept, beside those that are hidden, and how many chats.
    pub count: u64,
    /// How long the texts of all responses are together, and those of all chats, in bytes. A single one that is longer is
    /// not kept at all.
    pub bytes: u64,
}

impl StateLimits {
    /// The age that is usual: 30 days.
    pub const AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// What is usual in memory: 30 days, 1,000 of each, 64 MiB.
    pub const IN_MEMORY: StateLimits =
        StateLimits { age: StateLimits::AGE, count: 1_000, bytes: 64 * 1024 * 1024 };

    /// What is usual in a file: 30 days, 10,000 of each, 1 GiB.
    pub const IN_A_FILE: StateLimits =
        StateLimits { age: StateLimits::AGE, count: 10_000, bytes: 1024 * 1024 * 1024 };
}

/// A response to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewRecord<'a> {
    pub(crate) id: &'a str,
    /// The response that it follows.
    pub(crate) previous: Option<&'a str>,
    /// The items of its input, as a JSON array.
    pub(crate) input: &'a str,
    /// The response, as a JSON object with a member `output`.
    pub(crate) response: &'a str,
}

/// A response that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The items of its input, as a JSON array.
    pub(crate) input: String,
    /// The response, as a JSON object; of one that is hidden only its `output`.
    pub(crate) response: String,
}

/// The responses and chats that are kept.
#[derive(Debug)]
pub struct State {
    database: Database,
    limits: StateLimits,
}

impl State {
    /// Keeps a response. When this returns it is on the disk, if the state is in a file.
    ///
    /// # Errors
    /// It cannot be written, it is too long, or the response that it follows is gone. Nothing has changed then.
    ///
    /// # Cancellation
    /// The response is kept as a whole, or not at all.
    pub(crate) async fn save(&self, record: NewRecord<'_>) -> Result<(), StateError> {
        let bytes = self.limits.size(&[record.input, record.response])?;
        let mut writing = self.database.write().await?;
        let saved = self.insert(writing.sqlite(), record, bytes).await;
        writing.finish(saved).await
    }

    async fn insert(
        &self,
        connection: &mut SqliteConnection,
        record: NewRecord<'_>,
        bytes: i64,
    ) -> Result<(), StateError> {
        if let Some(previous) = record.previous {
            let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM responses WHERE id = ?")
                .bind(previous)
                .fetch_optional(&mut *connection)
                .await?;
            found.ok_or(StateError::PreviousGone)?;
        }
        sqlx::query(
            "INSERT OR REPLACE INTO responses (id, previous, saved_at, hidden, bytes, input, response) \
             VALUES (?, ?, ?, 0, ?, ?, ?)",
        )
        .bind(record.id)
        .bind(record.previous)
        .bind(seconds(SystemTime::now()))
        .bind(bytes)
        .bind(record.input)
        .bind(record.response)
        .execute(&mut *connection)
        .await?;
        self.limits.keep(connection).await?;
        let kept: Option<i64> = sqlx::query_scalar("SELECT 1 FROM responses WHERE id = ? AND hidden = 0")
            .bind(record.id)
            .fetch_optional(connection)
            .await?;
        kept.map(drop).ok_or(StateError::ConversationTooLarge { limit: self.limits.bytes })
    }

    /// A response by its id; none if there is none, or it is deleted or too old.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn response(&self, id: &str) -> Result<Option<Record>, StateError> {
        let mut reading = self.database.read().await;
        let found: Option<(String, String)> = sqlx::query_as(
            "SELECT input, response FROM responses WHERE id = ? AND hidden = 0 AND saved_at >= ?",
        )
        .bind(id)
        .bind(self.limits.oldest())
        .fetch_optional(reading.sqlite())
        .await?;
        Ok(found.map(|(input, response)| Record { input, response }))
    }

    /// The conversation that ends with this response, oldest first, hidden responses included; none if the last one is
    /// not there any more.
    ///
    /// # Errors
    /// It has more than [`MOST_LINKS`] responses, or it cannot be read.
    pub(crate) async fn conversation(&self, id: &str) -> Result<Option<Vec<Record>>, StateError> {
        let mut reading = self.database.read().await;
        let found: Vec<(Option<String>, String, String)> = sqlx::query_as(
            "WITH RECURSIVE chain (id, previous, depth) AS (
                SELECT id, previous, 0 FROM responses WHERE id = ? AND hidden = 0 AND saved_at >= ?
                UNION ALL
                SELECT r.id, r.previous, depth + 1 FROM chain JOIN responses r ON r.id = chain.previous
                WHERE depth < ?
            )
            SELECT r.previous, r.input, r.response FROM chain JOIN responses r ON r.id = chain.id
            ORDER BY depth DESC",
        )
        .bind(id)
        .bind(self.limits.oldest())
        .bind(MOST_LINKS - 1)
        .fetch_all(reading.sqlite())
        .await?;
        match found.first() {
            None => Ok(None),
            // What begins it follows nothing, unless it was not reached.
            Some((Some(_), ..)) => Err(StateError::ConversationTooLong { most: MOST_LINKS }),
            Some((None, ..)) => {
                Ok(Some(found.into_iter().map(|(_, input, response)| Record { input, response }).collect()))
            }
        }
    }

    /// Forgets a response; whether it was there.
    ///
    /// # Errors
    /// It cannot be written. Nothing has changed then.
    pub(crate) async fn delete(&self, id: &str) -> Result<bool, StateError> {
        let mut writing = self.database.write().await?;
        let deleted = self.remove(writing.sqlite(), id).await;
        Ok(writing.finish(deleted).await?)
    }

    async fn remove(&self, connection: &mut SqliteConnection, id: &str) -> sqlx::Result<bool> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM responses WHERE id = ? AND hidden = 0 AND saved_at >= ?")
                .bind(id)
                .bind(self.limits.oldest())
                .fetch_optional(&mut *connection)
                .await?;
        if found.is_some() {
            forget(connection, id).await?;
        }
        Ok(found.is_some())
    }
}

impl StateLimits {
    /// How long these texts are together, in bytes.
    ///
    /// # Errors
    /// Longer than all texts may be.
    fn size(&self, texts: &[&str]) -> Result<i64, StateError> {
        let bytes = texts.iter().map(|text| text.len() as u64).sum();
        if bytes > self.bytes {
            return Err(StateError::TooLong { bytes, limit: self.bytes });
        }
        Ok(i64::try_from(bytes).unwrap_or(i64::MAX))
    }

    /// When the oldest that still counts was kept, in seconds since the epoch.
    fn oldest(&self) -> i64 {
        SystemTime::now().checked_sub(self.age).map_or(0, seconds)
    }
}

fn seconds(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    i64::try_from(elapsed).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
