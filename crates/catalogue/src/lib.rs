//! What the catalogues of both judges have in common.
//!
//! Owns what a requirement may rest on ([`Clause`], [`Source`]), what verdicts repeat of it ([`Requirement`]), and how
//! people name cases ([`Pattern`], [`Selection`]). Refuses to know what a case does, and whom it judges.

mod clause;
mod requirement;
mod selection;

pub use clause::{Clause, Source};
pub use requirement::Requirement;
pub use selection::{Named, Pattern, Selection};
