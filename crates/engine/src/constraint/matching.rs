//! Where a generation stands in its grammar: what may come next, and what that makes of it.
//!
//! Everything that it keeps belongs to one generation alone, the memory of its lexer too: what others do, or did
//! before, changes neither its answer nor whether its bounds are kept.

use llguidance::Matcher;
use llguidance::toktrie::SimpleVob;

use crate::generation::{EngineFailure, TokenId};

/// The bits of a word of a set of tokens.
const BITS: usize = u32::BITS as usize;

/// A generation's place in its grammar.
pub(crate) struct Matching {
    matcher: Matcher,
    row: Vec<f32>,
}

impl Matching {
    pub(super) fn new(matcher: Matcher) -> Matching {
        Matching { matcher, row: Vec::new() }
    }

    /// The logits of the tokens that may come next; those of all others, and of the `unwanted`, are `f32::MIN`. None
    /// where no token is left, because the text is complete.
    ///
    /// # Errors
    /// When that takes more work than it may, or there is no token to go on with.
    pub(crate) fn allowed(
        &mut self,
        logits: &[f32],
        unwanted: &[TokenId],
    ) -> Result<Option<&[f32]>, EngineFailure> {
        let mut allowed = self.matcher.compute_mask().map_err(failure)?;
        unwanted.iter().for_each(|id| allowed.disallow_token(*id));
        if allowed.is_zero() {
            return Ok(None);
        }
        self.row.clear();
        self.row.extend_from_slice(logits);
        forbid_others(&mut self.row, &allowed);
        Ok(Some(&self.row))
    }

    /// Takes the token that was chosen among those that may come next. Gives whether the text is complete with it: it
    /// can only end.
    ///
    /// # Errors
    /// When that takes more work than it may.
    pub(crate) fn advance(&mut self, token: TokenId) -> Result<bool, EngineFailure> {
        self.matcher.consume_token(token).map_err(failure)?;
        Ok(self.matcher.is_stopped())
    }
}

/// Logits of tokens that are not in a set become those of the impossible.
fn forbid_others(logits: &mut [f32], allowed: &SimpleVob) {
    let sets = allowed.as_slice().iter().copied().chain(std::iter::repeat(0));
    for (logits, set) in logits.chunks_mut(BITS).zip(sets) {
        match set {
            0 => logits.fill(f32::MIN),
            u32::MAX => {}
            set => {
                for (bit, logit) in logits.iter_mut().enumerate() {
                    if set >> bit & 1 == 0 {
                        *logit = f32::MIN;
                    }
                }
            }
        }
    }
}

fn failure(error: impl std::fmt::Display) -> EngineFailure {
    EngineFailure::Constraint(super::problem(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_not_in_the_set_is_forbidden(
            sets in prop::collection::vec(prop_oneof![Just(0), Just(u32::MAX), any::<u32>()], 1..8),
            cut in 0..BITS,
        ) {
            let mut members: Vec<bool> =
                sets.iter().flat_map(|set| (0..BITS).map(move |bit| set >> bit & 1 == 1)).collect();
            members.truncate(members.len() - cut);
            let mut allowed = SimpleVob::alloc(members.len());
            let chosen = members.iter().enumerate().filter(|(_, is_member)| **is_member);
            chosen.for_each(|(id, _)| allowed.allow_token(id as TokenId));
            // There may be more logits than words.
            members.resize(members.len() + 40, false);
            let mut logits = vec![1.0; members.len()];
            forbid_others(&mut logits, &allowed);
            let expected = members.iter().map(|is_member| if *is_member { 1.0 } else { f32::MIN });
            prop_assert_eq!(logits, expected.collect::<Vec<f32>>());
        }
    }
}
