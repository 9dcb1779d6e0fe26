//! The table of chats: saved, found, listed, changed and deleted.

use std::time::SystemTime;

use interference_api_types::openai::metadata::Labels;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, SqliteConnection};

use super::{State, StateError, seconds};
use crate::page::{Order, Page};

/// How long the texts of the chats of a page are together, in bytes, unless it is one chat: 16 MiB, as a request.
const LONGEST_LIST: i64 = 16 * 1024 * 1024;

/// A chat to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewChat<'a> {
    pub(crate) id: &'a str,
    /// The model that answered.
    pub(crate) model: &'a str,
    /// The name by which it was asked for.
    pub(crate) asked_for: &'a str,
    /// A JSON object of strings.
    pub(crate) metadata: &'a str,
    /// The messages of the request, as a JSON array.
    pub(crate) messages: &'a str,
    /// The whole answer, as a JSON object.
    pub(crate) completion: &'a str,
}

/// A chat that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptChat {
    pub(crate) id: String,
    /// A JSON object of strings.
    pub(crate) metadata: String,
    /// The whole answer, as a JSON object.
    pub(crate) completion: String,
}

impl FromRow<'_, SqliteRow> for KeptChat {
    fn from_row(row: &SqliteRow) -> sqlx::Result<KeptChat> {
        let (id, metadata, completion) = FromRow::from_row(row)?;
        Ok(KeptChat { id, metadata, completion })
    }
}

/// Which chats a list is to have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ChatFilter {
    /// Those that this model answered, or that were asked of it by this name.
    pub(crate) model: Option<String>,
    /// Those that have all of these pairs.
    pub(crate) labels: Labels,
}

/// The query for the rows of a page. The direction cannot be a parameter of it.
macro_rules! rows_of_page {
    ($is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT rowid, bytes FROM chats
            WHERE saved_at >= ? AND rowid ",
            $is_behind,
            " ? AND (? IS NULL OR ? IN (model, asked_for)) AND NOT EXISTS (
                SELECT 1 FROM json_each(?) AS wanted WHERE NOT EXISTS (
                    SELECT 1 FROM json_each(chats.metadata) AS label
                    WHERE label.key = wanted.key AND label.value = wanted.value
                )
            )
            ORDER BY rowid ",
            $direction,
            " LIMIT ?"
        )
    };
}

impl State {
    /// Keeps a chat. When this returns it is on the disk, if the state is in a file.
    ///
    /// # Errors
    /// It cannot be written, or is too long. Nothing has changed then.
    ///
    /// # Cancellation
    /// The chat is kept as a whole, or not at all.
    pub(crate) async fn save_chat(&self, chat: NewChat<'_>) -> Result<(), StateError> {
        let bytes = self.limits.size(&[chat.messages, chat.completion])?;
        let mut writing = self.database.write().await?;
        let saved = self.insert_chat(writing.sqlite(), chat, bytes).await;
        Ok(writing.finish(saved).await?)
    }

    async fn insert_chat(
        &self,
        connection: &mut SqliteConnection,
        chat: NewChat<'_>,
        bytes: i64,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT OR REPLACE INTO chats (id, saved_at, bytes, model, asked_for, metadata, messages, \
             completion) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(chat.id)
        .bind(seconds(SystemTime::now()))
        .bind(bytes)
        .bind(chat.model)
        .bind(chat.asked_for)
        .bind(chat.metadata)
        .bind(chat.messages)
        .bind(chat.completion)
        .execute(&mut *connection)
        .await?;
        self.limits.keep_chats(connection).await
    }

    /// A chat by its id; none if there is none, or it is too old.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn chat(&self, id: &str) -> Result<Option<KeptChat>, StateError> {
        let found =
            sqlx::query_as("SELECT id, metadata, completion FROM chats WHERE id = ? AND saved_at >= ?")
                .bind(id)
                .bind(self.limits.oldest())
                .fetch_optional(self.database.read().await.sqlite())
                .await?;
        Ok(found)
    }

    /// The messages of a chat's request, as a JSON array; none if there is no such chat.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn messages(&self, id: &str) -> Result<Option<String>, StateError> {
        let found = sqlx::query_scalar("SELECT messages FROM chats WHERE id = ? AND saved_at >= ?")
            .bind(id)
            .bind(self.limits.oldest())
            .fetch_optional(self.database.read().await.sqlite())
            .await?;
        Ok(found)
    }

    /// The chats of a page, at least one if there is one, and whether there are more behind it; none if what they come
    /// after is not there. A page ends early where its texts would be longer than 16 MiB.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn chats(
        &self,
        filter: &ChatFilter,
        page: &Page,
    ) -> Result<Option<(Vec<KeptChat>, bool)>, StateError> {
        let mut reading = self.database.read().await;
        let connection = reading.sqlite();
        let Some(start) = self.start(connection, page).await? else { return Ok(None) };
        let rows = self.rows(connection, filter, page, start).await?;
        let mut total = 0;
        let mut chats = Vec::new();
        for (row, bytes) in rows.iter().take(page.limit) {
            total += bytes;
            if total > LONGEST_LIST && !chats.is_empty() {
                break;
            }
            let chat = sqlx::query_as("SELECT id, metadata, completion FROM chats WHERE rowid = ?")
                .bind(row)
                .fetch_one(&mut *connection)
                .await?;
            chats.push(chat);
        }
        let has_more = chats.len() < rows.len();
        Ok(Some((chats, has_more)))
    }

    /// The row behind which the page begins; none if it is not there.
    async fn start(&self, connection: &mut SqliteConnection, page: &Page) -> sqlx::Result<Option<i64>> {
        match (&page.after, page.order) {
            (None, Order::OldestFirst) => Ok(Some(i64::MIN)),
            (None, Order::NewestFirst) => Ok(Some(i64::MAX)),
            (Some(after), _) => {
                sqlx::query_scalar("SELECT rowid FROM chats WHERE id = ? AND saved_at >= ?")
                    .bind(after)
                    .bind(self.limits.oldest())
                    .fetch_optional(connection)
                    .await
            }
        }
    }

    /// The rows of the page and one more, with the sizes of their texts.
    async fn rows(
        &self,
        connection: &mut SqliteConnection,
        filter: &ChatFilter,
        page: &Page,
        start: i64,
    ) -> Result<Vec<(i64, i64)>, StateError> {
        let query = match page.order {
            Order::OldestFirst => rows_of_page!(">", "ASC"),
            Order::NewestFirst => rows_of_page!("<", "DESC"),
        };
        let labels = serde_json::Value::from_iter(filter.labels.clone()).to_string();
        let rows = sqlx::query_as(query)
            .bind(self.limits.oldest())
            .bind(start)
            .bind(filter.model.as_deref())
            .bind(filter.model.as_deref())
            .bind(labels)
            .bind(i64::try_from(page.limit + 1).unwrap_or(i64::MAX))
            .fetch_all(connection)
            .await?;
        Ok(rows)
    }

    /// Gives a chat another metadata, and returns it; none if there is no such chat.
    ///
    /// # Errors
    /// It cannot be written. Nothing has changed then.
    pub(crate) async fn label_chat(&self, id: &str, metadata: &str) -> Result<Option<KeptChat>, StateError> {
        let mut writing = self.database.write().await?;
        let changed = sqlx::query_as(
            "UPDATE chats SET metadata = ? WHERE id = ? AND saved_at >= ? RETURNING id, metadata, completion",
        )
        .bind(metadata)
        .bind(id)
        .bind(self.limits.oldest())
        .fetch_optional(writing.sqlite())
        .await;
        Ok(writing.finish(changed).await?)
    }

    /// Forgets a chat; whether it was there.
    ///
    /// # Errors
    /// It cannot be written. Nothing has changed then.
    pub(crate) async fn delete_chat(&self, id: &str) -> Result<bool, StateError> {
        let mut writing = self.database.write().await?;
        let deleted = sqlx::query("DELETE FROM chats WHERE id = ? AND saved_at >= ?")
            .bind(id)
            .bind(self.limits.oldest())
            .execute(writing.sqlite())
            .await
            .map(|done| done.rows_affected() > 0);
        Ok(writing.finish(deleted).await?)
    }
}
