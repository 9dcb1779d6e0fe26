use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::page::{Order, Page};

const LIMITS: StateLimits = StateLimits { age: Duration::from_secs(3_600), count: 3, bytes: 10_000 };

async fn save(state: &State, id: &str, previous: Option<&str>) -> Result<(), StateError> {
    let (input, response) =
        (format!("[\"in {id}\"]"), format!("{{\"id\":\"{id}\",\"output\":[\"out {id}\"]}}"));
    state.save(NewRecord { id, previous, input: &input, response: &response }).await
}

/// The ids of those that can be found.
async fn visible(state: &State, ids: &[&'static str]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for id in ids {
        if state.response(id).await.unwrap().is_some() {
            found.push(*id);
        }
    }
    found
}

/// All rows, with whether each is hidden.
async fn rows(state: &State) -> Vec<(String, bool)> {
    let mut reading = state.database.read().await;
    sqlx::query_as("SELECT id, hidden FROM responses ORDER BY rowid")
        .fetch_all(reading.sqlite())
        .await
        .unwrap()
}

async fn execute(state: &State, sql: &'static str) {
    sqlx::query(sql).execute(state.database.read().await.sqlite()).await.unwrap();
}

#[tokio::test]
async fn a_conversation_is_what_was_said_before() {
    let state = State::in_memory(LIMITS).await.unwrap();
    save(&state, "a", None).await.unwrap();
    save(&state, "b", Some("a")).await.unwrap();
    save(&state, "c", Some("b")).await.unwrap();
    let inputs = |records: Option<Vec<Record>>| -> Vec<String> {
        records.unwrap().into_iter().map(|record| record.input).collect()
    };
    assert_eq!(inputs(state.conversation("c").await.unwrap()), [r#"["in a"]"#, r#"["in b"]"#, r#"["in c"]"#]);
    assert_eq!(inputs(state.conversation("a").await.unwrap()), [r#"["in a"]"#]);
    assert_eq!(state.conversation("z").await.unwrap(), None);
}

#[tokio::test]
async fn what_others_follow_is_hidden_and_goes_with_the_last_of_them() {
    let state = State::in_memory(LIMITS).await.unwrap();
    save(&state, "a", None).await.unwrap();
    save(&state, "b", Some("a")).await.unwrap();
    save(&state, "c", Some("b")).await.unwrap();
    assert!(state.delete("a").await.unwrap());
    assert!(!state.delete("a").await.unwrap(), "it is deleted already");
    assert!(state.delete("b").await.unwrap());
    assert_eq!(visible(&state, &["a", "b", "c"]).await, ["c"]);
    assert_eq!(state.conversation("b").await.unwrap(), None, "nothing new can follow it");
    let conversation = state.conversation("c").await.unwrap().unwrap();
    let of_a = Record { input: r#"["in a"]"#.into(), response: r#"{"output":["out a"]}"#.into() };
    assert_eq!((conversation.len(), &conversation[0]), (3, &of_a), "only what was said is left of it");
    assert!(state.delete("c").await.unwrap());
    assert_eq!(rows(&state).await, []);
}

#[tokio::test]
async fn the_oldest_go_first() {
    let state = State::in_memory(LIMITS).await.unwrap();
    let ids = ["a", "b", "c", "d", "e"];
    for id in ids {
        save(&state, id, None).await.unwrap();
    }
    assert_eq!(visible(&state, &ids).await, ["c", "d", "e"]);

    // What the last one follows is over the limit, and stays for it.
    save(&state, "f", Some("c")).await.unwrap();
    assert_eq!(visible(&state, &["c", "d", "e", "f"]).await, ["d", "e", "f"]);
    let hidden = |id: &str, hidden| (id.to_owned(), hidden);
    assert_eq!(rows(&state).await[0], hidden("c", true));
    assert_eq!(state.conversation("f").await.unwrap().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_too_large_with_its_conversation_is_refused_and_nothing_has_to_go_for_it() {
    // Three of a conversation are kept in 93 bytes, the first two of them hidden.
    let state = State::in_memory(StateLimits { bytes: 100, ..LIMITS }).await.unwrap();
    for (id, previous) in [("a", None), ("b", Some("a")), ("c", Some("b"))] {
        save(&state, id, previous).await.unwrap();
    }
    let before = rows(&state).await;
    assert_eq!(visible(&state, &["a", "b", "c"]).await, ["c"]);
    let error = save(&state, "d", Some("c")).await.unwrap_err();
    assert!(matches!(error, StateError::ConversationTooLarge { limit: 100 }), "{error}");
    assert_eq!(rows(&state).await, before);
    assert_eq!(visible(&state, &["c", "d"]).await, ["c"]);
}

#[tokio::test]
async fn texts_are_bounded_as_a_whole() {
    let state = State::in_memory(StateLimits { bytes: 100, ..LIMITS }).await.unwrap();
    // Each has 36 bytes.
    for id in ["a", "b", "c"] {
        save(&state, id, None).await.unwrap();
    }
    assert_eq!(visible(&state, &["a", "b", "c"]).await, ["b", "c"]);
    let long = "x".repeat(101);
    let record = NewRecord { id: "d", previous: None, input: &long, response: "{}" };
    let error = state.save(record).await.unwrap_err();
    assert_eq!(error.to_string(), "it has 103 bytes, and 100 is the limit for all that is kept");
    assert_eq!(visible(&state, &["b", "c"]).await, ["b", "c"], "nothing had to go for it");
}

#[tokio::test]
async fn what_is_too_old_is_not_there_and_goes_with_the_next() {
    let state = State::in_memory(LIMITS).await.unwrap();
    save(&state, "a", None).await.unwrap();
    execute(&state, "UPDATE responses SET saved_at = saved_at - 3601").await;
    assert_eq!(state.response("a").await.unwrap(), None);
    assert_eq!(state.conversation("a").await.unwrap(), None);
    assert!(!state.delete("a").await.unwrap());
    save(&state, "b", None).await.unwrap();
    assert_eq!(rows(&state).await, [("b".to_owned(), false)]);
}

#[tokio::test]
async fn a_conversation_is_bounded() {
    let state = State::in_memory(StateLimits { count: 10_000, bytes: 1_000_000, ..LIMITS }).await.unwrap();
    let mut previous: Option<String> = None;
    for number in 0..=MOST_LINKS {
        let id = number.to_string();
        save(&state, &id, previous.as_deref()).await.unwrap();
        previous = Some(id);
    }
    let longest = (MOST_LINKS - 1).to_string();
    assert_eq!(state.conversation(&longest).await.unwrap().unwrap().len(), MOST_LINKS as usize);
    let error = state.conversation(&MOST_LINKS.to_string()).await.unwrap_err();
    assert!(matches!(error, StateError::ConversationTooLong { .. }), "{error}");
}

#[tokio::test]
async fn nothing_follows_what_is_gone() {
    let state = State::in_memory(LIMITS).await.unwrap();
    assert!(matches!(save(&state, "b", Some("a")).await, Err(StateError::PreviousGone)));
    assert_eq!(rows(&state).await, []);
    save(&state, "c", None).await.unwrap();
}

async fn save_chat(state: &State, id: &str) -> Result<(), StateError> {
    save_chat_with(state, id, "[]").await
}

async fn save_chat_with(state: &State, id: &str, messages: &str) -> Result<(), StateError> {
    let completion = format!("{{\"id\":\"{id}\"}}");
    let chat = NewChat { id, model: "m", asked_for: "n", metadata: "{}", messages, completion: &completion };
    state.save_chat(chat).await
}

/// The ids of the chats that can be found.
async fn visible_chats(state: &State, ids: &[&'static str]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for id in ids {
        if state.chat(id).await.unwrap().is_some() {
            found.push(*id);
        }
    }
    found
}

#[tokio::test]
async fn the_oldest_chats_go_first_and_responses_stay() {
    let state = State::in_memory(LIMITS).await.unwrap();
    save(&state, "a", None).await.unwrap();
    let ids = ["a", "b", "c", "d"];
    for id in ids {
        save_chat(&state, id).await.unwrap();
    }
    assert_eq!(visible_chats(&state, &ids).await, ["b", "c", "d"]);
    assert_eq!(visible(&state, &["a"]).await, ["a"]);
    // One that is saved again is as new as it can be.
    save_chat(&state, "b").await.unwrap();
    save_chat(&state, "a").await.unwrap();
    assert_eq!(visible_chats(&state, &ids).await, ["a", "b", "d"]);
}

#[tokio::test]
async fn texts_of_chats_are_bounded_as_a_whole() {
    // Each has 12 bytes.
    let state = State::in_memory(StateLimits { bytes: 30, ..LIMITS }).await.unwrap();
    for id in ["a", "b", "c"] {
        save_chat(&state, id).await.unwrap();
    }
    assert_eq!(visible_chats(&state, &["a", "b", "c"]).await, ["b", "c"]);
    let error = save_chat(&state, "a name that is a little too long").await.unwrap_err();
    assert!(matches!(error, StateError::TooLong { limit: 30, .. }), "{error}");
    assert_eq!(visible_chats(&state, &["b", "c"]).await, ["b", "c"], "nothing had to go for it");
}

#[tokio::test]
async fn a_page_of_long_chats_ends_early() {
    let state = State::in_memory(StateLimits { bytes: 64 << 20, ..LIMITS }).await.unwrap();
    let long = "x".repeat(6 << 20);
    for id in ["a", "b", "c"] {
        save_chat_with(&state, id, &long).await.unwrap();
    }
    let listed = async |page: &Page| {
        let (chats, has_more) = state.chats(&ChatFilter::default(), page).await.unwrap().unwrap();
        (chats.into_iter().map(|chat| chat.id).collect::<Vec<_>>().concat(), has_more)
    };
    let first = Page::first(Order::OldestFirst);
    assert_eq!(listed(&first).await, ("ab".to_owned(), true));
    assert_eq!(listed(&Page { after: Some("b".to_owned()), ..first }).await, ("c".to_owned(), false));
}

#[tokio::test]
async fn a_chat_that_is_too_old_is_not_there_and_goes_with_the_next() {
    let state = State::in_memory(LIMITS).await.unwrap();
    save_chat(&state, "a").await.unwrap();
    execute(&state, "UPDATE chats SET saved_at = saved_at - 3601").await;
    assert_eq!(state.chat("a").await.unwrap(), None);
    assert_eq!(state.messages("a").await.unwrap(), None);
    assert_eq!(state.label_chat("a", "{}").await.unwrap(), None);
    assert!(!state.delete_chat("a").await.unwrap());
    let page = Page::first(Order::OldestFirst);
    assert_eq!(state.chats(&ChatFilter::default(), &page).await.unwrap(), Some((Vec::new(), false)));
    let behind = Page { after: Some("a".to_owned()), ..page };
    assert_eq!(state.chats(&ChatFilter::default(), &behind).await.unwrap(), None);
    save_chat(&state, "b").await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM chats")
        .fetch_one(state.database.read().await.sqlite())
        .await
        .unwrap();
    assert_eq!(rows, 1);
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("state.db")
}

async fn open(path: &Path) -> Result<State, StateError> {
    State::in_file(path, LIMITS).await
}

#[tokio::test]
async fn a_file_is_found_again_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(&file(&folder)).await.unwrap();
    save(&state, "a", None).await.unwrap();
    drop(state);
    let state = open(&file(&folder)).await.unwrap();
    assert_eq!(visible(&state, &["a"]).await, ["a"]);
    save(&state, "b", Some("a")).await.unwrap();
}

/// What was written before there were chats.
#[tokio::test]
async fn a_file_without_chats_gets_a_place_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(&file(&folder)).await.unwrap();
    save(&state, "a", None).await.unwrap();
    execute(&state, "DROP TABLE chats").await;
    drop(state);
    let state = open(&file(&folder)).await.unwrap();
    save_chat(&state, "b").await.unwrap();
    drop(state);
    let state = State::in_file(&file(&folder), StateLimits { count: 1, ..LIMITS }).await.unwrap();
    assert_eq!(visible(&state, &["a"]).await, ["a"]);
    assert_eq!(visible_chats(&state, &["b"]).await, ["b"]);
}

#[tokio::test]
async fn what_is_no_state_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    std::fs::write(
        &path,
        "a letter to my bank, which is longer than a header of a database would be.\n".repeat(9),
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, StateError::NotAStateFile { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let path = folder.path().join("other.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut other = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query("CREATE TABLE mine (a TEXT)").execute(&mut other).await.unwrap();
    sqlx::Connection::close(other).await.unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, StateError::NotAStateFile { .. }), "{error}");
}

#[tokio::test]
async fn a_file_of_a_later_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    let state = open(&path).await.unwrap();
    execute(&state, "PRAGMA user_version = 2").await;
    drop(state);
    let error = open(&path).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} was written by a later release: it has version 2 of the state file, and this program knows 1",
            path.display()
        )
    );
    let nowhere = folder.path().join("no folder").join("state.db");
    assert!(matches!(open(&nowhere).await, Err(StateError::NotOpened { .. })));
}

#[tokio::test]
async fn a_full_disk_fails_one_save_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(&file(&folder)).await.unwrap();
    save(&state, "a", None).await.unwrap();
    execute(&state, "PRAGMA max_page_count = 1").await;
    let long = "x".repeat(9_000);
    let record = NewRecord { id: "b", previous: None, input: &long, response: "{}" };
    let error = state.save(record.clone()).await.unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(visible(&state, &["a", "b"]).await, ["a"]);
    execute(&state, "PRAGMA max_page_count = 1000").await;
    state.save(record).await.unwrap();
}

#[tokio::test]
async fn a_save_that_is_abandoned_is_undone() {
    let state = State::in_memory(LIMITS).await.unwrap();
    let mut writing = state.database.write().await.unwrap();
    sqlx::query("INSERT INTO responses VALUES ('a', NULL, 0, 0, 0, '', '')")
        .execute(writing.sqlite())
        .await
        .unwrap();
    drop(writing);
    assert_eq!(rows(&state).await, []);
    save(&state, "b", None).await.unwrap();
    assert_eq!(visible(&state, &["b"]).await, ["b"]);
}
