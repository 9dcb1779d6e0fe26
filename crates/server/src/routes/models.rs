//! `GET /models` and `GET /models/{id}`.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use interference_api_types::openai::models::{Model, ModelList};
use interference_backend::{ModelCard, Refusal};

use super::Shared;
use crate::error_response::{Rejection, json_response};

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Response {
    let models = shared.backend.models().into_iter().map(model).collect();
    json_response(StatusCode::OK, &ModelList::new(models))
}

pub(super) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Rejection> {
    let Path(id) = id.map_err(|error| Rejection::invalid(error.body_text()))?;
    let mut cards = shared.backend.models();
    let Some(position) = find(&cards, &id) else {
        let known = cards.into_iter().map(|card| card.id).collect();
        return Err(Refusal::UnknownModel { model: id, known }.into());
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
