//! Keeps one chat.

use std::collections::BTreeMap;
use std::sync::Arc;

use interference_backend::Refusal;
use serde_json::Value;
use serde_json::value::RawValue;

use super::wish::Wanted;
use crate::state::{NewChat, State, StateError};

/// Where one chat is to be kept, and what is known of it before it is answered.
pub(super) struct Keeper {
    state: Arc<State>,
    wanted: Wanted,
}

impl Keeper {
    pub(super) fn new(state: Arc<State>, wanted: Wanted) -> Keeper {
        Keeper { state, wanted }
    }

    /// How many answers there will be.
    pub(super) fn choices(&self) -> u64 {
        self.wanted.choices
    }

    /// Keeps the chat with this answer, which stays as it is to the byte.
    ///
    /// # Errors
    /// The answer is none, or the chat cannot be kept.
    pub(super) async fn keep(&self, completion: &[u8]) -> Result<(), StateError> {
        let Wanted { model: asked_for, metadata, messages, choices: _ } = &self.wanted;
        let completion = str::from_utf8(completion).map_err(|_| StateError::NoId)?.trim_ascii();
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(completion).map_err(|_| StateError::NoId)?;
        let text = |name| members.get(name).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let id = text("id").ok_or(StateError::NoId)?;
        let model = text("model").unwrap_or_default();
        let metadata = Value::from_iter(metadata.clone()).to_string();
        let (id, model, metadata) = (&id, &model, &metadata);
        self.state.save_chat(NewChat { id, model, asked_for, metadata, messages, completion }).await
    }
}

/// What a client is told whose chat could not be kept.
pub(super) fn not_saved_message(error: &StateError) -> String {
    tracing::error!(%error, "a chat could not be kept");
    format!("The chat could not be kept: {error}. Without 'store' it need not be.")
}

/// The same as a refusal.
pub(super) fn not_saved(error: &StateError) -> Refusal {
    Refusal::StateNotSaved { message: not_saved_message(error) }
}
