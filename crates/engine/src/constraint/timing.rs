//! What a constraint costs at each token of a text. For benchmarks: nothing in here decides anything.

use std::time::{Duration, Instant};

use super::Constraint;
use crate::generation::{EngineFailure, TokenId};

/// The times that a text took under a constraint, on one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintTimes {
    /// To begin a generation.
    pub beginning: Duration,
    /// For each token: to find what may come, to forbid the rest, and to take the token.
    pub tokens: Vec<Duration>,
}

impl Constraint {
    /// Follows a text as a generation does, and takes the time.
    ///
    /// # Errors
    /// When the text is not one that the constraint lets be written, or its bounds are exceeded.
    pub fn time(&self, text: &[TokenId]) -> Result<ConstraintTimes, EngineFailure> {
        let logits = vec![0.0; self.vocabulary.words()];
        let begun = Instant::now();
        let mut matching = self.begin();
        let beginning = begun.elapsed();
        let mut tokens = Vec::with_capacity(text.len());
        for token in text {
            let begun = Instant::now();
            matching.allowed(&logits, &[])?;
            matching.advance(*token)?;
            tokens.push(begun.elapsed());
        }
        Ok(ConstraintTimes { beginning, tokens })
    }
}
