//! One connection to the database, and transactions on it that survive what breaks them.
//!
//! A full disk makes SQLite roll a transaction back by itself, and a client that goes away leaves one half done. The
//! library's own transactions lose count of either, so these are begun and ended here in plain words.

use sqlx::SqliteConnection;
use tokio::sync::{Mutex, MutexGuard};

/// The connection. Whoever waits for it holds no thread.
#[derive(Debug)]
pub(super) struct Database(Mutex<Connection>);

#[derive(Debug)]
struct Connection {
    sqlite: SqliteConnection,
    /// A transaction was begun and not ended.
    is_writing: bool,
}

/// A transaction.
#[derive(Debug)]
pub(super) struct Writing<'a>(MutexGuard<'a, Connection>);

/// The right to read.
#[derive(Debug)]
pub(super) struct Reading<'a>(MutexGuard<'a, Connection>);

impl Database {
    pub(super) fn new(sqlite: SqliteConnection) -> Database {
        Database(Mutex::new(Connection { sqlite, is_writing: false }))
    }

    pub(super) async fn read(&self) -> Reading<'_> {
        Reading(self.take().await)
    }

    /// Begins a transaction, which is undone unless [`Writing::finish`] is called.
    pub(super) async fn write(&self) -> sqlx::Result<Writing<'_>> {
        let mut connection = self.take().await;
        connection.is_writing = true;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection.sqlite).await?;
        Ok(Writing(connection))
    }

    /// The connection, outside of any transaction.
    async fn take(&self) -> MutexGuard<'_, Connection> {
        let mut connection = self.0.lock().await;
        if connection.is_writing {
            connection.undo().await;
        }
        connection
    }
}

impl Connection {
    async fn undo(&mut self) {
        if let Err(error) = sqlx::query("ROLLBACK").execute(&mut self.sqlite).await {
            // As a rule there is nothing left to undo.
            tracing::debug!(%error, "a transaction was over already");
        }
        self.is_writing = false;
    }
}

impl Reading<'_> {
    pub(super) fn sqlite(&mut self) -> &mut SqliteConnection {
        &mut self.0.sqlite
    }
}

impl Writing<'_> {
    pub(super) fn sqlite(&mut self) -> &mut SqliteConnection {
        &mut self.0.sqlite
    }

    /// Keeps what was done, if it went well; else undoes all of it.
    pub(super) async fn finish<T, E: From<sqlx::Error>>(mut self, done: Result<T, E>) -> Result<T, E> {
        let done = match done {
            Ok(done) => sqlx::query("COMMIT").execute(self.sqlite()).await.map(|_| done).map_err(E::from),
            error => error,
        };
        match done {
            Ok(_) => self.0.is_writing = false,
            Err(_) => self.0.undo().await,
        }
        done
    }
}
