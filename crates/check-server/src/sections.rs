//! The catalogue, section by section.
//!
//! Each file has the cases of one section: data first, in the order in which they are told, and below it a function for
//! each.

mod chat;
mod chunk;
mod completions;
mod embeddings;
mod errors;
mod lifecycle;
mod logprobs;
mod models;
mod responses;
mod sse;
mod structured;
mod tools;
mod usage;

use crate::case::Case;

/// A section of the catalogue.
#[derive(Debug)]
pub struct Section {
    /// What its slugs begin with.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Its cases.
    pub cases: &'static [Case],
}

/// Every section, in the order in which they are told.
pub static CATALOGUE: &[Section] = &[
    sse::SECTION,
    chunk::SECTION,
    usage::SECTION,
    chat::SECTION,
    tools::SECTION,
    structured::SECTION,
    logprobs::SECTION,
    errors::SECTION,
    models::SECTION,
    embeddings::SECTION,
    completions::SECTION,
    responses::SECTION,
    lifecycle::SECTION,
];

/// Every case.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    CATALOGUE.iter().flat_map(|section| section.cases)
}
