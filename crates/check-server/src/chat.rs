//! A chat request in the making.
//!
//! Owns which parameters a request brings on this server: those that it refuses are left out, limits have room for a
//! model that thinks first. Everything else is what the case says.

use serde_json::{Map, Value, json};

use crate::knowledge::Knowledge;
use crate::question::Question;

/// Where chats are asked.
pub(crate) const CHAT_PATH: &str = "/chat/completions";

/// What a seed is where a case names none.
const SEED: u64 = 7;

/// A chat request in the making. It is greedy (temperature 0, a seed) and plain unless told otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Chat<'a> {
    knowledge: &'a Knowledge,
    title: String,
    body: Map<String, Value>,
}

impl<'a> Chat<'a> {
    /// One message of a user, an answer of at most `limit` tokens.
    pub(crate) fn new(knowledge: &'a Knowledge, prompt: &str, limit: u32) -> Chat<'a> {
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(knowledge.model));
        body.insert("messages".to_owned(), json!([{"role": "user", "content": prompt}]));
        if knowledge.takes_temperature {
            body.insert("temperature".to_owned(), json!(0));
        }
        if knowledge.takes_seed {
            body.insert("seed".to_owned(), json!(SEED));
        }
        Chat { knowledge, title: "a plain chat".to_owned(), body }
            .limit(limit.saturating_mul(knowledge.limit_factor))
    }

    /// What it is for, in a few words.
    pub(crate) fn titled(self, title: impl Into<String>) -> Chat<'a> {
        Chat { title: title.into(), ..self }
    }

    /// An answer of exactly at most so many tokens, whatever the model needs for its thoughts. Nothing where the server
    /// takes no limit.
    pub(crate) fn limit(mut self, tokens: u32) -> Chat<'a> {
        if let Some(name) = self.knowledge.limit.name() {
            self.body.insert(name.to_owned(), json!(tokens));
        }
        self
    }

    /// Streamed.
    pub(crate) fn streamed(self) -> Chat<'a> {
        let title =
            if self.title == "a plain chat" { "a streamed chat".to_owned() } else { self.title.clone() };
        self.titled(title).with("stream", json!(true))
    }

    /// With another set of messages.
    pub(crate) fn messages(self, messages: Value) -> Chat<'a> {
        self.with("messages", messages)
    }

    /// With a parameter, whatever it was before.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Chat<'a> {
        self.body.insert(name.to_owned(), value);
        self
    }

    /// Without a parameter.
    pub(crate) fn without(mut self, name: &str) -> Chat<'a> {
        self.body.remove(name);
        self
    }

    /// The request.
    pub(crate) fn question(self) -> Question {
        Question::post(CHAT_PATH, &Value::Object(self.body)).titled(self.title)
    }
}

impl From<Chat<'_>> for Question {
    fn from(chat: Chat<'_>) -> Question {
        chat.question()
    }
}
