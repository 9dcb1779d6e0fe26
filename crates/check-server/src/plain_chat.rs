//! A chat's answer as one JSON value.
//!
//! Owns a tolerant reading: whatever is missing or of another type is passed over, so that each case finds its own flaw
//! and no other. Knows no requirement.

use std::sync::Arc;

use serde_json::Value;

use crate::case::Objection;
use crate::exchange::Exchange;
use crate::schema::shown;

/// An accepted answer that is JSON.
#[derive(Debug, Clone)]
pub(crate) struct PlainChat {
    /// Where it comes from.
    pub(crate) exchange: Arc<Exchange>,
    /// What it says.
    pub(crate) body: Value,
}

impl PlainChat {
    /// Reads an answer.
    ///
    /// # Errors
    /// What [`Exchange::accepted`] and [`Exchange::json`] say; INCONCLUSIVE where there are no choices.
    pub(crate) fn read(exchange: &Arc<Exchange>) -> Result<PlainChat, Objection> {
        let body = exchange.accepted()?.json()?;
        if !body.get("choices").is_some_and(Value::is_array) {
            let seen = format!("an answer without choices: {}", shown(&body));
            return Err(Objection::inconclusive(seen).about(exchange));
        }
        Ok(PlainChat { exchange: Arc::clone(exchange), body })
    }

    /// The choices, in their order.
    pub(crate) fn choices(&self) -> &[Value] {
        self.body.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The content of the first choice, as far as it is text.
    pub(crate) fn text(&self) -> &str {
        self.body.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or_default()
    }

    /// The finish reason of the first choice, as far as it is a string.
    pub(crate) fn finish_reason(&self) -> Option<&str> {
        self.body.pointer("/choices/0/finish_reason").and_then(Value::as_str)
    }

    /// `usage.prompt_tokens`, where it is told.
    pub(crate) fn prompt_tokens(&self) -> Option<u64> {
        self.body.pointer("/usage/prompt_tokens").and_then(Value::as_u64)
    }

    /// `usage.completion_tokens`, where it is told.
    pub(crate) fn completion_tokens(&self) -> Option<u64> {
        self.body.pointer("/usage/completion_tokens").and_then(Value::as_u64)
    }

    /// An objection about this answer.
    pub(crate) fn broken(&self, seen: impl Into<String>) -> Objection {
        Objection::broken(seen).about(&self.exchange)
    }

    /// The same for what could not be judged.
    pub(crate) fn inconclusive(&self, seen: impl Into<String>) -> Objection {
        Objection::inconclusive(seen).about(&self.exchange)
    }
}
