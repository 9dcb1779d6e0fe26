//! Opens the place where responses and chats are kept, and finds out whether it is one.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::database::Database;
use super::{State, StateError, StateLimits};

/// Marks a database as ours: `intf`.
const APPLICATION_ID: i64 = 0x696e_7466;

/// The version of the tables.
const VERSION: i64 = 1;

/// How long it is waited for another process that writes to the same file.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS responses (
        id TEXT PRIMARY KEY NOT NULL,
        previous TEXT,
        saved_at INTEGER NOT NULL,
        hidden INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        input TEXT NOT NULL,
        response TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS responses_previous ON responses (previous);
    CREATE INDEX IF NOT EXISTS responses_size ON responses (hidden, bytes);
    CREATE TABLE IF NOT EXISTS chats (
        id TEXT PRIMARY KEY NOT NULL,
        saved_at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        model TEXT NOT NULL,
        asked_for TEXT NOT NULL,
        metadata TEXT NOT NULL,
        messages TEXT NOT NULL,
        completion TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS chats_size ON chats (bytes);
    PRAGMA application_id = 1768846438;
    PRAGMA user_version = 1;
";

impl State {
    /// Keeps responses and chats in memory: they go with the process.
    ///
    /// # Errors
    /// There is no memory for it.
    pub async fn in_memory(limits: StateLimits) -> Result<State, StateError> {
        let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await?;
        sqlx::raw_sql(TABLES).execute(&mut connection).await?;
        Ok(State { database: Database::new(connection), limits })
    }

    /// Keeps responses and chats in a file, which is made if it is not there. What is saved survives the end of the process
    /// at any moment: the log is on the disk before a response or a chat counts as kept.
    ///
    /// # Errors
    /// The file cannot be opened or written, is something else, or comes from a later release. It is left as it was.
    pub async fn in_file(path: &Path, limits: StateLimits) -> Result<State, StateError> {
        let not_opened = |error: sqlx::Error| match error {
            // SQLITE_NOTADB
            sqlx::Error::Database(error) if error.code().as_deref() == Some("26") => {
                StateError::NotAStateFile { path: path.to_owned() }
            }
            error => StateError::NotOpened { path: path.to_owned(), reason: error.to_string() },
        };
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(LONGEST_WAIT);
        // Looked at before anything is written: whatever the file is, it must not be changed by a mistake.
        if path.exists() {
            let connection = options.clone().read_only(true).connect().await;
            check_kind(connection.map_err(not_opened)?, path, &not_opened).await?;
        }
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let database = Database::new(options.connect().await.map_err(not_opened)?);
        let mut writing = database.write().await.map_err(not_opened)?;
        let prepared = async {
            sqlx::raw_sql(TABLES).execute(&mut *writing.sqlite()).await?;
            limits.keep(writing.sqlite()).await?;
            limits.keep_chats(writing.sqlite()).await
        };
        let prepared = prepared.await;
        writing.finish(prepared).await.map_err(not_opened)?;
        Ok(State { database, limits })
    }
}

/// An empty file may become a state file; one that has something must be one.
async fn check_kind(
    mut connection: SqliteConnection,
    path: &Path,
    not_opened: &impl Fn(sqlx::Error) -> StateError,
) -> Result<(), StateError> {
    let mut number = async |query: &'static str| {
        sqlx::query_scalar::<_, i64>(query).fetch_one(&mut connection).await.map_err(not_opened)
    };
    let application = number("PRAGMA application_id").await?;
    let version = number("PRAGMA user_version").await?;
    let tables = number("SELECT count(*) FROM sqlite_schema").await?;
    match (application, version) {
        (0, 0) if tables == 0 => {}
        (APPLICATION_ID, 0..=VERSION) => {}
        (APPLICATION_ID, found) => {
            return Err(StateError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        _ => return Err(StateError::NotAStateFile { path: path.to_owned() }),
    }
    connection.close().await.map_err(not_opened)
}
