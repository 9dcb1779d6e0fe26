//! `GET /models` and `GET /models/{id}`.

use http::StatusCode;
use interference_api_types::openai::models::{Model, ModelList};
use interference_backend::{ModelCard, Refusal};
use percent_encoding::percent_decode_str;

use super::Shared;
use crate::answer_body::Response;
use crate::error_response::{Rejection, json_response};

pub(super) const PATH: &str = "/models";

/// The path of one model.
pub(super) const ONE: &str = "/models/{model}";

pub(super) fn list(shared: &Shared) -> Response {
    let models = shared.backend.models().into_iter().map(model).collect();
    json_response(StatusCode::OK, &ModelList::new(models))
}

/// `spelled` is the name as the path has it, with percent signs for what cannot stand there.
pub(super) fn retrieve(shared: &Shared, spelled: &str) -> Result<Response, Rejection> {
    let id = percent_decode_str(spelled)
        .decode_utf8()
        .map_err(|_| Rejection::invalid("The model's name in the path is not valid UTF-8.".to_owned()))?;
    let mut cards = shared.backend.models();
    let Some(position) = find(&cards, &id) else {
        let known = cards.into_iter().map(|card| card.id).collect();
        return Err(Refusal::UnknownModel { model: id.into_owned(), known }.into());
    };
    Ok(json_response(StatusCode::OK, &model(cards.swap_remove(position))))
}

/// The model of that name, or else the first that has it as an alias: what a request with that name would reach.
fn find(cards: &[ModelCard], name: &str) -> Option<usize> {
    cards
        .iter()
        .position(|card| card.id == name)
        .or_else(|| cards.iter().position(|card| card.has_alias(name)))
}

fn model(card: ModelCard) -> Model {
    let mut model = Model::new(card.id, card.created, card.owned_by);
    model.aliases = card.aliases;
    model.context_length = card.context_length;
    model
}
