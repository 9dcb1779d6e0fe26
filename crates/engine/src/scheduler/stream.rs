//! A generation at hand.

use std::sync::atomic::Ordering;

use super::prompt_lookup::Guesser;
use super::queue::Job;
use crate::generation::{EngineFailure, FinishReason, Progress, TokenId, TokenLogprobs};
use crate::kv_cache::Sequence;
use crate::statistics::LastTold;

/// A generation at hand: its tokens, and what of them is computed.
pub(super) struct Stream {
    pub(super) job: Job,
    /// The prompt and the answer so far.
    pub(super) tokens: Vec<TokenId>,
    pub(super) prompt_length: usize,
    /// How long the tokens may become.
    pub(super) limit: usize,
    /// The tokens whose keys and values are in the cache.
    pub(super) sequence: Sequence,
    pub(super) guesser: Guesser,
    /// For the statistics.
    pub(super) last_told: LastTold,
}

/// How a generation ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    Finished(FinishReason),
    Failed(EngineFailure),
    /// Nobody is there to be told.
    Cancelled,
}

/// What was drawn for a position.
pub(super) struct Drawn {
    pub(super) token: TokenId,
    pub(super) logprobs: Option<TokenLogprobs>,
}

impl Stream {
    pub(super) fn new(mut job: Job, context_length: usize) -> Stream {
        let tokens = std::mem::take(&mut job.request.prompt);
        let prompt_length = tokens.len();
        let room = context_length - prompt_length;
        let limit = prompt_length + job.request.max_tokens.map_or(room, |asked| asked.min(room));
        let last_told = LastTold::Submitted(job.submitted);
        Stream {
            job,
            tokens,
            prompt_length,
            limit,
            sequence: Sequence::default(),
            guesser: Guesser::default(),
            last_told,
        }
    }

    /// Tokens that are known and not computed.
    pub(super) fn remaining(&self) -> usize {
        self.tokens.len() - self.sequence.length()
    }

    /// Whether only its last token is to be computed, so that every step gives it one more.
    pub(super) fn is_decoding(&self) -> bool {
        self.remaining() == 1
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.job.cancelled.load(Ordering::Acquire)
    }

    /// Takes the next token, and tells it. Gives the end where this was the last.
    pub(super) fn take(&mut self, drawn: &Drawn, ends_turn: bool) -> Option<End> {
        if self.is_cancelled() {
            return Some(End::Cancelled);
        }
        if ends_turn {
            return Some(End::Finished(FinishReason::EndOfTurn));
        }
        self.tokens.push(drawn.token);
        (self.job.sink)(Progress::Token { id: drawn.token, logprobs: drawn.logprobs.clone() });
        (self.tokens.len() >= self.limit).then_some(End::Finished(FinishReason::Length))
    }

    /// Tells the end.
    pub(super) fn tell(mut self, end: End) {
        match end {
            End::Finished(reason) => (self.job.sink)(Progress::Finished(reason)),
            End::Failed(failure) => (self.job.sink)(Progress::Failed(failure)),
            End::Cancelled => {}
        }
    }
}
