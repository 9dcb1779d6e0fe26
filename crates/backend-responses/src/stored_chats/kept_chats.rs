//! What is asked of chats that are kept: one or many, what was said before, other labels, their end.

use interference_api_types::openai::stored_chats::UpdateChatCompletionRequest;
use interference_api_types::parse;
use interference_backend::{Refusal, Reply, Request};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::items::quote;
use crate::kept::whole;
use crate::page::{List, Order, Page, members};
use crate::parameters::check_metadata;
use crate::refusals::{broken, missing, state_failed, unreadable};
use crate::responses_backend::ResponsesBackend;
use crate::state::{ChatFilter, KeptChat, StateError};

impl ResponsesBackend {
    /// `GET /chat/completions`.
    ///
    /// # Errors
    /// The query is wrong.
    pub(crate) async fn list_chats(&self, request: &Request) -> Result<Reply, Refusal> {
        let mut page = Page::first(Order::OldestFirst);
        let mut filter = ChatFilter::default();
        let mut ignored = Vec::new();
        for (name, value) in members(request.query.as_deref()) {
            if page.take(&name, &value)? {
                continue;
            }
            let label = name.strip_prefix("metadata[").and_then(|rest| rest.strip_suffix(']'));
            match (name.as_str(), label) {
                ("model", _) => filter.model = Some(value),
                (_, Some(label)) => filter.labels.extend([(label.to_owned(), value)]),
                _ => ignored.push(name),
            }
        }
        check_metadata(Some(&filter.labels))?;
        request.strictness.check(&ignored)?;
        let found = self.state.chats(&filter, &page).await.map_err(state_failed)?;
        let (chats, has_more) = found.ok_or_else(|| page.nothing_after())?;
        let told = chats.iter().map(|chat| RawValue::from_string(told(chat)).map_err(unreadable));
        let told = told.collect::<Result<Vec<_>, Refusal>>()?;
        let ends = [chats.first(), chats.last()].map(|chat| Some(chat?.id.as_str()));
        reply(&List::new(&told, ends, has_more), ignored)
    }

    /// `GET /chat/completions/{id}`.
    ///
    /// # Errors
    /// It is not kept.
    pub(crate) async fn retrieve_chat(&self, id: &str, request: &Request) -> Result<Reply, Refusal> {
        let ignored: Vec<String> = members(request.query.as_deref()).map(|(name, _)| name).collect();
        request.strictness.check(&ignored)?;
        let chat = self.state.chat(id).await.map_err(state_failed)?;
        Ok(Reply { ignored, ..whole(told(&chat.ok_or_else(|| not_found(id))?)) })
    }

    /// `GET /chat/completions/{id}/messages`.
    ///
    /// # Errors
    /// It is not kept, or the query is wrong.
    pub(crate) async fn list_messages(&self, id: &str, request: &Request) -> Result<Reply, Refusal> {
        let mut page = Page::first(Order::OldestFirst);
        let mut ignored = Vec::new();
        for (name, value) in members(request.query.as_deref()) {
            if !page.take(&name, &value)? {
                ignored.push(name);
            }
        }
        request.strictness.check(&ignored)?;
        let messages = self.state.messages(id).await.map_err(state_failed)?.ok_or_else(|| not_found(id))?;
        let messages: Vec<Map<String, Value>> = serde_json::from_str(&messages).map_err(unreadable)?;
        let told = messages.into_iter().enumerate();
        let told =
            told.map(|(position, message)| told_message(format!("{id}-{position}"), message)).collect();
        let (told, has_more) = page.of(told, id_of)?;
        reply(
            &List::new(&told, [told.first(), told.last()].map(|message| id_of(message?)), has_more),
            ignored,
        )
    }

    /// `POST /chat/completions/{id}`: other labels take the place of those that are there.
    ///
    /// # Errors
    /// It is not kept, the request is wrong, or the change cannot be written.
    pub(crate) async fn update_chat(&self, id: &str, request: &Request) -> Result<Reply, Refusal> {
        let parsed = parse::<UpdateChatCompletionRequest>(&request.body).map_err(broken)?;
        let metadata = parsed.request.metadata.ok_or_else(|| missing("metadata"))?;
        check_metadata(Some(&metadata))?;
        request.strictness.check(&parsed.unknown)?;
        let changed = self.state.label_chat(id, &json!(metadata).to_string()).await;
        let chat = changed.map_err(|error| not_changed("changed", &error))?.ok_or_else(|| not_found(id))?;
        Ok(Reply { ignored: parsed.unknown, ..whole(told(&chat)) })
    }

    /// `DELETE /chat/completions/{id}`.
    ///
    /// # Errors
    /// It is not kept, or the change cannot be written.
    pub(crate) async fn delete_chat(&self, id: &str) -> Result<Reply, Refusal> {
        let deleted = self.state.delete_chat(id).await.map_err(|error| not_changed("deleted", &error))?;
        if !deleted {
            return Err(not_found(id));
        }
        Ok(whole(json!({"object": "chat.completion.deleted", "id": id, "deleted": true}).to_string()))
    }
}

/// The answer as it was given, with its labels behind everything else. It is not read: its numbers stay to the digit.
fn told(chat: &KeptChat) -> String {
    let answer = chat.completion.strip_suffix('}').unwrap_or(&chat.completion);
    [answer, ",\"metadata\":", &chat.metadata, "}"].concat()
}

/// A message of the request, with a name of its own. A content in parts is told apart from one that is a text.
fn told_message(id: String, mut message: Map<String, Value>) -> Map<String, Value> {
    let mut take = |name| message.shift_remove(name).unwrap_or(Value::Null);
    let (content, parts) = match take("content") {
        parts @ Value::Array(_) => (Value::Null, parts),
        content => (content, Value::Null),
    };
    let head = [
        ("id", Value::String(id)),
        ("role", take("role")),
        ("content", content),
        ("content_parts", parts),
        ("refusal", take("refusal")),
        ("name", take("name")),
    ];
    let mut told = Map::from_iter(head.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in message {
        told.entry(name).or_insert(value);
    }
    told
}

fn id_of(message: &Map<String, Value>) -> Option<&str> {
    message.get("id").and_then(Value::as_str)
}

fn reply<T: serde::Serialize>(list: &List<'_, T>, ignored: Vec<String>) -> Result<Reply, Refusal> {
    Ok(Reply { ignored, ..whole(serde_json::to_string(list).map_err(unreadable)?) })
}

/// A chat that is not kept.
fn not_found(id: &str) -> Refusal {
    Refusal::NothingFits {
        message: format!(
            "Chat completion with id '{}' not found. Chats are kept if 'store' is true, and the oldest are forgotten \
             first.",
            quote(id)
        ),
        code: "chat_completion_not_found",
    }
}

fn not_changed(done: &str, error: &StateError) -> Refusal {
    tracing::error!(%error, "a chat could not be {done}");
    Refusal::StateNotSaved { message: format!("The chat could not be {done}: {error}.") }
}
