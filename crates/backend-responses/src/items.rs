//! The items of an input: their names, the items that they refer to, and the form in which they are kept.

use std::collections::HashSet;

use interference_api_types::openai::responses::{Item, ItemContent, ItemPart};
use interference_backend::Refusal;
use serde::Deserialize;
use serde_json::json;

use crate::refusals::{invalid, state_failed};
use crate::response_ids::{ResponseIds, response_of};
use crate::state::{Record, State};

/// How much of a name that a client sent is repeated to it, in characters.
const LONGEST_QUOTE: usize = 100;

/// How many items a request may refer to: each is looked for in a response of its own, which may be long.
const MOST_REFERENCES: usize = 128;

/// How long the items that a request refers to may be together, in bytes of JSON: 16 MiB, as a request.
const LONGEST_REFERRED: usize = 16 * 1024 * 1024;

/// What a kept response added to its conversation.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Its input, and what it said and called.
    pub(crate) items: Vec<Item>,
    /// How far it got; unknown of one that is hidden.
    status: Option<String>,
}

impl Turn {
    /// That of a response as it is kept.
    ///
    /// # Errors
    /// It cannot be read, which only a bug or a damaged file can cause.
    pub(crate) fn of(record: &Record) -> Result<Turn, Refusal> {
        #[derive(Deserialize)]
        struct Kept {
            output: Vec<Item>,
            #[serde(default)]
            status: Option<String>,
        }
        let unreadable = |error: serde_json::Error| Refusal::Internal {
            message: format!("A kept response cannot be read: {error}."),
        };
        let mut items: Vec<Item> = serde_json::from_str(&record.input).map_err(unreadable)?;
        let Kept { output, status } = serde_json::from_str(&record.response).map_err(unreadable)?;
        items.extend(output);
        Ok(Turn { items, status })
    }

    /// Whether there is nothing that could be followed.
    pub(crate) fn has_failed(&self) -> bool {
        self.status.as_deref() == Some("failed")
    }
}

/// What kind of item it is; one that does not say is a message.
pub(crate) fn kind(item: &Item) -> &str {
    item.kind.as_deref().unwrap_or("message")
}

/// What a client sent, short enough to be repeated to it.
pub(crate) fn quote(text: &str) -> String {
    text.chars().take(LONGEST_QUOTE).collect()
}

/// Puts the items that are referred to in the place of the references.
///
/// # Errors
/// One refers to nothing that is kept, or there are too many, or they are too long.
pub(crate) async fn resolve(items: Vec<Item>, state: &State) -> Result<Vec<Item>, Refusal> {
    let references = items.iter().filter(|item| kind(item) == "item_reference").count();
    if references > MOST_REFERENCES {
        let message =
            format!("'input' has {references} references to items; at most {MOST_REFERENCES} are allowed.");
        return Err(invalid("input", message, "invalid_value"));
    }
    let (mut resolved, mut bytes) = (Vec::with_capacity(items.len()), 0);
    for (position, item) in items.into_iter().enumerate() {
        if kind(&item) != "item_reference" {
            resolved.push(item);
            continue;
        }
        let path = format!("input[{position}].id");
        let Some(id) = item.id else {
            let message = format!("'{path}' is required: the name of an item.");
            return Err(invalid(path, message, "missing_required_parameter"));
        };
        let found = find(&id, state).await?;
        let item = found.ok_or_else(|| {
            let message = format!(
                "Item with id '{}' not found. Items are kept with their response, unless 'store' is false; give the \
                 item itself instead.",
                quote(&id)
            );
            invalid(path.as_str(), message, "item_not_found")
        })?;
        bytes += length(&item);
        if bytes > LONGEST_REFERRED {
            let message = format!(
                "The items that 'input' refers to have more than {LONGEST_REFERRED} bytes, which is the limit."
            );
            return Err(invalid(path, message, "conversation_too_long"));
        }
        resolved.push(item);
    }
    refuse_repeated(&resolved)?;
    Ok(resolved)
}

/// The items of a list are told apart by their names.
fn refuse_repeated(items: &[Item]) -> Result<(), Refusal> {
    let mut names = HashSet::new();
    let named = items.iter().enumerate().filter_map(|(position, item)| Some((position, item.id.as_deref()?)));
    for (position, id) in named {
        if !names.insert(id) {
            let message = format!("Two items of 'input' have the id '{}'; leave one of them out.", quote(id));
            return Err(invalid(format!("input[{position}].id"), message, "invalid_value"));
        }
    }
    Ok(())
}

/// How long an item is, in bytes of JSON.
fn length(item: &Item) -> usize {
    serde_json::to_vec(item).map_or(0, |json| json.len())
}

/// An item that is kept.
async fn find(id: &str, state: &State) -> Result<Option<Item>, Refusal> {
    let Some(response) = response_of(id) else { return Ok(None) };
    let Some(record) = state.response(&response).await.map_err(state_failed)? else { return Ok(None) };
    Ok(Turn::of(&record)?.items.into_iter().find(|item| item.id.as_deref() == Some(id)))
}

/// The form in which items are kept and listed: each has a name, a kind and a status, and messages have parts.
pub(crate) fn settled(items: &[Item], ids: &ResponseIds) -> Vec<Item> {
    let settle = |(position, item): (usize, &Item)| {
        let mut item = item.clone();
        let kind = kind(&item).to_owned();
        item.id.get_or_insert_with(|| ids.input(&kind, position));
        item.status.get_or_insert_with(|| "completed".to_owned());
        if let (true, Some(ItemContent::Text(text))) = (kind == "message", &item.content) {
            let part = match item.role.as_deref() {
                Some("assistant") => ItemPart {
                    annotations: Some(json!([])),
                    logprobs: Some(json!([])),
                    ..ItemPart::text("output_text", text.as_str())
                },
                _ => ItemPart::text("input_text", text.as_str()),
            };
            item.content = Some(ItemContent::Parts(vec![part]));
        }
        item.kind = Some(kind);
        item
    };
    items.iter().enumerate().map(settle).collect()
}
