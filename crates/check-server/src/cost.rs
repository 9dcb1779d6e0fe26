//! What the selected cases cost.
//!
//! Which cases those are is the business of [`Selection`]. Knows no server.

use interference_catalogue::Selection;

use crate::case::{Case, Cost};
use crate::preflight::PREFLIGHT_COST;
use crate::sections::cases;

/// What the selected cases ask of a server at most, the preflight included. Less where cases share an answer, more where
/// the server refuses something or is busy, and is asked another way or again.
pub fn cost(selection: &Selection) -> (u64, u64) {
    let judged = selection.judged(cases());
    let sum = |of: fn(&Case) -> u32| -> u64 { judged.iter().map(|case| u64::from(of(case))).sum() };
    let Cost { requests, tokens } = PREFLIGHT_COST;
    (sum(|case| case.cost.requests) + u64::from(requests), sum(|case| case.cost.tokens) + u64::from(tokens))
}
