//! What is forgotten, and in which order.

use sqlx::SqliteConnection;

use super::StateLimits;

impl StateLimits {
    /// Forgets the oldest responses until the bounds hold.
    pub(super) async fn keep(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        // Each turn forgets one, and the last one leaves nothing that could exceed a bound.
        while let Some(id) = self.one_too_many(connection).await? {
            forget(connection, &id).await?;
        }
        Ok(())
    }

    /// The oldest response, if there is a reason to forget it.
    async fn one_too_many(&self, connection: &mut SqliteConnection) -> sqlx::Result<Option<String>> {
        let oldest: Option<(String, i64)> =
            sqlx::query_as("SELECT id, saved_at FROM responses WHERE hidden = 0 ORDER BY rowid LIMIT 1")
                .fetch_optional(&mut *connection)
                .await?;
        let Some((id, saved_at)) = oldest else { return Ok(None) };
        let (visible, bytes): (i64, i64) =
            sqlx::query_as("SELECT coalesce(sum(hidden = 0), 0), coalesce(sum(bytes), 0) FROM responses")
                .fetch_one(&mut *connection)
                .await?;
        Ok(self.are_exceeded(saved_at, visible, bytes).then_some(id))
    }

    /// Forgets the oldest chats until the bounds hold. None refers to another.
    pub(super) async fn keep_chats(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        loop {
            let oldest: Option<(i64, i64)> =
                sqlx::query_as("SELECT rowid, saved_at FROM chats ORDER BY rowid LIMIT 1")
                    .fetch_optional(&mut *connection)
                    .await?;
            let Some((row, saved_at)) = oldest else { return Ok(()) };
            let (count, bytes): (i64, i64) =
                sqlx::query_as("SELECT count(*), coalesce(sum(bytes), 0) FROM chats")
                    .fetch_one(&mut *connection)
                    .await?;
            if !self.are_exceeded(saved_at, count, bytes) {
                return Ok(());
            }
            sqlx::query("DELETE FROM chats WHERE rowid = ?").bind(row).execute(&mut *connection).await?;
        }
    }

    /// Whether the oldest has to go: for its age, or because there are so many, or so many bytes of them.
    fn are_exceeded(&self, saved_at: i64, count: i64, bytes: i64) -> bool {
        let exceeds = |value: i64, bound: u64| u64::try_from(value).is_ok_and(|value| value > bound);
        saved_at < self.oldest() || exceeds(count, self.count) || exceeds(bytes, self.bytes)
    }
}

/// Forgets a response: hides it while others follow it, else deletes it, and with it those before it that only it
/// still needed.
pub(super) async fn forget(connection: &mut SqliteConnection, id: &str) -> sqlx::Result<()> {
    if is_followed(connection, id).await? {
        return hide(connection, id).await;
    }
    let mut last = Some(id.to_owned());
    // A conversation has an end, since a response is saved after the one that it follows.
    while let Some(id) = last {
        let previous: Option<String> =
            sqlx::query_scalar("DELETE FROM responses WHERE id = ? RETURNING previous")
                .bind(&id)
                .fetch_optional(&mut *connection)
                .await?
                .flatten();
        last = match previous {
            Some(previous) if is_needed_no_more(connection, &previous).await? => Some(previous),
            _ => None,
        };
    }
    Ok(())
}

async fn is_followed(connection: &mut SqliteConnection, id: &str) -> sqlx::Result<bool> {
    let follower: Option<i64> = sqlx::query_scalar("SELECT 1 FROM responses WHERE previous = ? LIMIT 1")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    Ok(follower.is_some())
}

async fn is_needed_no_more(connection: &mut SqliteConnection, id: &str) -> sqlx::Result<bool> {
    let hidden: Option<i64> = sqlx::query_scalar("SELECT 1 FROM responses WHERE id = ? AND hidden = 1")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    Ok(hidden.is_some() && !is_followed(connection, id).await?)
}

/// Leaves of a response what conversations need: the items of its input and of its output.
async fn hide(connection: &mut SqliteConnection, id: &str) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE responses SET hidden = 1, response = json_object('output', json_extract(response, '$.output')) \
         WHERE id = ?",
    )
    .bind(id)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE responses SET bytes = length(CAST(input AS BLOB)) + length(CAST(response AS BLOB)) WHERE id = ?",
    )
    .bind(id)
    .execute(connection)
    .await?;
    Ok(())
}
