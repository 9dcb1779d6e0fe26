//! Which models recordings tell of.
//!
//! Those of recorded lists of models, if there are any; else those that recorded requests name. Refuses to know how
//! recordings are found.

use http::Method;
use http::header::CONTENT_ENCODING;
use interference_backend::ModelCard;
use interference_cassette::{Outcome, RecordedAnswer};
use serde_json::Value;

use crate::request_key::RequestKey;

/// How many models are told; what others there are can be asked for all the same.
pub(crate) const MOST_MODELS: usize = 1_000;

/// Whose the models are that a request names.
const OWNER: &str = "recorded";

/// Models in the order in which recordings tell of them.
#[derive(Debug, Default)]
pub(crate) struct ToldModels {
    listed: Vec<ModelCard>,
    named: Vec<ModelCard>,
}

impl ToldModels {
    /// Takes what an exchange tells.
    pub(crate) fn note(&mut self, key: &RequestKey, outcome: &Outcome) {
        if is_list(key) {
            if let Outcome::Answered(answer) = outcome {
                cards_of(answer).into_iter().for_each(|card| add(&mut self.listed, card));
            }
        } else if let Some(model) = key.model() {
            add(&mut self.named, card(model));
        }
    }

    /// All that are told.
    pub(crate) fn cards(&self) -> &[ModelCard] {
        if self.listed.is_empty() { &self.named } else { &self.listed }
    }
}

/// Whether a request asks for the list of models.
pub(crate) fn is_list(key: &RequestKey) -> bool {
    key.method == Method::GET && key.path == "/models"
}

fn add(cards: &mut Vec<ModelCard>, card: ModelCard) {
    if cards.len() < MOST_MODELS && cards.iter().all(|known| known.id != card.id) {
        cards.push(card);
    }
}

fn card(id: &str) -> ModelCard {
    ModelCard {
        id: id.to_owned(),
        created: 0,
        owned_by: OWNER.to_owned(),
        aliases: Vec::new(),
        context_length: None,
    }
}

/// The models of a list; none where it is no list that can be read.
fn cards_of(answer: &RecordedAnswer) -> Vec<ModelCard> {
    let is_readable = answer.status.is_success() && !answer.headers.contains_key(CONTENT_ENCODING);
    if !is_readable {
        return Vec::new();
    }
    let body: Vec<u8> = answer.reads.iter().flat_map(|read| &read.bytes).copied().collect();
    let list: Value = serde_json::from_slice(&body).unwrap_or_default();
    let entries = list.get("data").and_then(Value::as_array).into_iter().flatten();
    let cards = entries.filter_map(|entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let created = entry.get("created").and_then(Value::as_u64).unwrap_or_default();
        let owned_by = text("owned_by").unwrap_or(OWNER).to_owned();
        Some(ModelCard { created, owned_by, ..card(text("id")?) })
    });
    cards.collect()
}
