//! The catalogue, group by group.
//!
//! Each file has the cases of one group: data first, in the order in which they are told, and below it what is served,
//! and the oracles.

mod framing;
mod stream;

use crate::case::Case;

/// A group of the catalogue.
#[derive(Debug)]
pub struct Group {
    /// What its slugs begin with.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Its cases.
    pub cases: &'static [Case],
}

/// Every group, in the order in which they are told.
pub static CATALOGUE: &[Group] = &[stream::GROUP, framing::GROUP];

/// Every case.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    CATALOGUE.iter().flat_map(|group| group.cases)
}

/// The ordinary stream, which shows whether a client can be examined at all.
pub(crate) fn first() -> &'static Case {
    &stream::GROUP.cases[0]
}
