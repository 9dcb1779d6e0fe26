//! How likely the tokens of a prompt are, for those who want to know.
//!
//! Owns what of that is known so far. Every position of the prompt but the last tells the token behind it, so that all of
//! them are computed, also those that others have computed before: no page of the cache keeps what they told.

use super::Scheduler;
use super::plan::Piece;
use super::purpose::Purpose;
use super::stream::End;
use crate::generation::{EngineFailure, Progress, PromptLogprobs, TokenId, TokenLogprobs};
use crate::log_probabilities::LogProbabilities;

/// What is known of a prompt's tokens.
pub(super) struct PromptLog {
    /// The first token, which nothing comes before.
    first: TokenId,
    /// The tokens behind it, as far as they are known.
    rest: Vec<(TokenId, TokenLogprobs)>,
}

impl PromptLog {
    /// Of a prompt that begins with this token.
    pub(super) fn new(first: TokenId) -> PromptLog {
        PromptLog { first, rest: Vec::new() }
    }
}

impl Scheduler {
    /// Reads what a piece tells of the prompt, if that is asked for; tells it when all is there. Gives the end where
    /// the piece has no sound value.
    pub(super) fn log_prompt(&mut self, piece: &Piece, first_column: usize) -> Option<End> {
        let stream = &mut self.streams[piece.stream];
        let Purpose::Generation(generation) = &mut stream.purpose else { return None };
        let log = generation.prompt_log.as_mut()?;
        // One that was put aside computes again what is no longer in the cache.
        let begin = (log.rest.len()).max(piece.first);
        let end = (piece.first + piece.count).min(generation.prompt_length - 1);
        if begin < end {
            let columns: Vec<usize> =
                (begin..end).map(|position| first_column + position - piece.first).collect();
            let alternatives = generation.request.logprobs.unwrap_or_default();
            self.model.compute_logits(&mut self.machine, &mut self.workspace, &columns);
            self.drawers.resize_with(self.drawers.len().max(columns.len()), Default::default);
            let following = stream.tokens[begin + 1..=end].iter();
            let mut rows: Vec<_> = following
                .zip(self.workspace.logits())
                .zip(&mut self.drawers)
                .map(|((token, logits), drawer)| (*token, logits.ok(), &mut drawer.ranking, None))
                .collect();
            let set = self.machine.set;
            self.machine.pool.run_on_each(&mut rows, &|_, (token, logits, ranking, told)| {
                *told = logits.as_ref().map(|logits| {
                    let probabilities = LogProbabilities::of(set, logits);
                    let top = probabilities.alternatives(set, logits, alternatives, ranking);
                    let logprob = probabilities.of_logit(logits[*token as usize]);
                    TokenLogprobs { logprob, top }
                });
            });
            for (position, (token, _, _, told)) in (begin..).zip(rows) {
                match told {
                    Some(told) => log.rest.push((token, told)),
                    None => return Some(End::Failed(EngineFailure::NotFinite { position })),
                }
            }
        }
        if log.rest.len() + 1 == generation.prompt_length
            && let Some(PromptLog { first, rest }) = generation.prompt_log.take()
        {
            (generation.sink)(Progress::Prompt(PromptLogprobs { first, rest }));
        }
        None
    }
}
