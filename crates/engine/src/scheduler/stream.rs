//! A generation or an embedding at hand.

use std::sync::Mutex;

use super::purpose::{Purpose, Task};
use super::queue::{Job, Ticket};
use crate::adjustments::Past;
use crate::constraint::Matching;
use crate::generation::{EngineFailure, FinishReason, GenerationRequest, Progress, TokenId, TokenLogprobs};
use crate::kv_cache::Sequence;
use crate::statistics::Counters;

/// A generation or an embedding at hand: its tokens, and what of them is computed.
pub(super) struct Stream {
    pub(super) ticket: Ticket,
    /// The prompt and the answer so far, or the text.
    pub(super) tokens: Vec<TokenId>,
    /// The tokens whose keys and values are in the cache.
    pub(super) sequence: Sequence,
    pub(super) purpose: Purpose,
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// All of it is there; a text that is embedded is so at its length.
    Finished(FinishReason),
    Failed(EngineFailure),
    /// Nobody is there to be told.
    Cancelled,
}

/// A token to be drawn: what is asked, and what comes before it.
pub(super) struct Draw<'a> {
    pub(super) request: &'a GenerationRequest,
    pub(super) past: Past<'a>,
    pub(super) matching: &'a Mutex<Option<Matching>>,
}

/// What was drawn for a position.
pub(super) struct Drawn {
    pub(super) token: TokenId,
    pub(super) logprobs: Option<TokenLogprobs>,
    /// Whether its constraint lets nothing come after it.
    pub(super) completes: bool,
}

impl Stream {
    pub(super) fn new(job: Job) -> Stream {
        let Job { ticket, task: Task { tokens, purpose } } = job;
        Stream { ticket, tokens, sequence: Sequence::default(), purpose }
    }

    /// Tokens that are known and not computed.
    pub(super) fn remaining(&self) -> usize {
        self.tokens.len() - self.sequence.length()
    }

    /// How many of the tokens were there from the start.
    pub(super) fn prompt_length(&self) -> usize {
        match &self.purpose {
            Purpose::Generation(generation) => generation.prompt_length,
            Purpose::Embedding(_) => self.tokens.len(),
        }
    }

    /// Whether nothing more is to be computed for it.
    pub(super) fn is_complete(&self) -> bool {
        match &self.purpose {
            Purpose::Generation(generation) => {
                generation.prompt_log.is_none() && self.tokens.len() >= generation.limit
            }
            Purpose::Embedding(_) => false,
        }
    }

    /// Whether only its last token is to be computed, so that every step gives it one more.
    pub(super) fn is_decoding(&self) -> bool {
        matches!(self.purpose, Purpose::Generation(_)) && self.remaining() == 1
    }

    /// Whether it can use pages that others have filled, and they its own. An embedding needs what no page holds: the
    /// state of every position; and so does who asks how likely the prompt is.
    pub(super) fn shares_pages(&self) -> bool {
        match &self.purpose {
            Purpose::Generation(generation) => generation.prompt_log.is_none(),
            Purpose::Embedding(_) => false,
        }
    }

    /// Guesses at what follows the last token, so few that they and the token after them find a place in the answer; none
    /// at an answer with a constraint, which would have to follow each of them.
    pub(super) fn guess(&self) -> &[TokenId] {
        match &self.purpose {
            Purpose::Generation(generation) if generation.request.constraint.is_none() => {
                let most = (generation.limit - self.tokens.len()).saturating_sub(1);
                generation.guesser.guess(&self.tokens, most)
            }
            Purpose::Generation(_) | Purpose::Embedding(_) => &[],
        }
    }

    /// The tokens to be drawn behind the last known one, and behind each of the guesses; an embedding draws none.
    pub(super) fn draws<'a>(&'a self, guesses: &'a [TokenId]) -> impl Iterator<Item = Draw<'a>> {
        let generation = match &self.purpose {
            Purpose::Generation(generation) => Some(generation),
            Purpose::Embedding(_) => None,
        };
        generation.into_iter().flat_map(move |generation| {
            let (prompt, answer) = self.tokens.split_at(generation.prompt_length);
            (0..=guesses.len()).map(move |count| {
                let past = Past { prompt, answer, guesses: &guesses[..count] };
                Draw { request: &generation.request, past, matching: &generation.matching }
            })
        })
    }

    /// Takes the next token, and tells it. Gives the end where this was the last.
    pub(super) fn take(&mut self, drawn: &Drawn, ends_turn: bool) -> Option<End> {
        let Purpose::Generation(generation) = &mut self.purpose else { return None };
        if self.ticket.is_cancelled() {
            return Some(End::Cancelled);
        }
        if ends_turn {
            return Some(End::Finished(FinishReason::EndOfTurn));
        }
        self.tokens.push(drawn.token);
        (generation.sink)(Progress::Token { id: drawn.token, logprobs: drawn.logprobs.clone() });
        if drawn.completes {
            return Some(End::Finished(FinishReason::EndOfTurn));
        }
        (self.tokens.len() >= generation.limit).then_some(End::Finished(FinishReason::Length))
    }

    /// Counts the token that was just told, and how long it took.
    pub(super) fn count_told(&mut self, counters: &Counters) {
        if let Purpose::Generation(generation) = &mut self.purpose {
            counters.token_told(&mut generation.last_told);
        }
    }

    /// Learns what the guesses that were made were worth, now that the tokens behind them are known.
    pub(super) fn learn(&mut self, guesses: usize, right: usize) {
        if let Purpose::Generation(generation) = &mut self.purpose {
            generation.guesser.learn(guesses, right, self.tokens.len());
        }
    }
}
