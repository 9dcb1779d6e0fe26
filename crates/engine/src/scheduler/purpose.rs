//! What a stream is computed for: an answer to a prompt, or one vector for a text.
//!
//! Owns what either needs beside its tokens, and how either is told. What they share, a place in the queue, tokens and
//! pages of the cache, is the stream's ([`super::stream`]); whether it is computed one way or the other is asked here.

use std::sync::Mutex;
use std::time::Instant;

use super::prompt_log::PromptLog;
use super::prompt_lookup::Guesser;
use super::queue::{EmbeddingSink, Sink};
use super::stream::End;
use crate::constraint::Matching;
use crate::embedding::StateSum;
use crate::generation::{EngineFailure, GenerationRequest, Progress, TokenId};
use crate::statistics::LastTold;

/// What somebody wants: the tokens to begin with, and what for.
pub(crate) struct Task {
    pub(super) tokens: Vec<TokenId>,
    pub(super) purpose: Purpose,
}

/// What a stream is computed for.
pub(super) enum Purpose {
    Generation(Box<Generation>),
    Embedding(Embedding),
}

/// An answer: every step behind the prompt gives it a token.
pub(super) struct Generation {
    /// What is asked, but for the prompt, which is the beginning of the stream's tokens.
    pub(super) request: GenerationRequest,
    pub(super) sink: Sink,
    pub(super) prompt_length: usize,
    /// How long prompt and answer may become.
    pub(super) limit: usize,
    /// What is known of the prompt, while that is asked for and not told.
    pub(super) prompt_log: Option<PromptLog>,
    pub(super) guesser: Guesser,
    /// Where the answer stands in its constraint, once it has begun. Draws are made on the threads of the pool, but
    /// never two at a time for an answer with a constraint: no guesses are made at it.
    pub(super) matching: Mutex<Option<Matching>>,
    /// For the statistics.
    pub(super) last_told: LastTold,
}

/// A vector of a text: the state of every position is added to it, also of those that others have computed before.
pub(super) struct Embedding {
    sink: EmbeddingSink,
    pub(super) states: StateSum,
}

impl Task {
    /// An answer, in a context that is longer than its prompt.
    pub(crate) fn generation(mut request: GenerationRequest, sink: Sink, context_length: usize) -> Task {
        let tokens = std::mem::take(&mut request.prompt);
        let prompt_length = tokens.len();
        let room = context_length - prompt_length;
        let limit = prompt_length + request.max_tokens.map_or(room, |asked| asked.min(room));
        let prompt_log = tokens.first().filter(|_| request.prompt_logprobs).copied().map(PromptLog::new);
        let generation = Generation {
            request,
            prompt_log,
            sink,
            prompt_length,
            limit,
            guesser: Guesser::default(),
            matching: Mutex::default(),
            last_told: LastTold::Submitted(Instant::now()),
        };
        Task { tokens, purpose: Purpose::Generation(Box::new(generation)) }
    }

    /// The vector of a text.
    pub(crate) fn embedding(tokens: Vec<TokenId>, sink: EmbeddingSink) -> Task {
        let embedding = Embedding { sink, states: StateSum::default() };
        Task { tokens, purpose: Purpose::Embedding(embedding) }
    }
}

impl Purpose {
    /// Tells the end.
    pub(super) fn tell(self, end: End) {
        match self {
            Purpose::Generation(generation) => generation.tell(end),
            Purpose::Embedding(embedding) => embedding.tell(end),
        }
    }
}

impl Generation {
    fn tell(mut self, end: End) {
        match end {
            End::Finished(reason) => (self.sink)(Progress::Finished(reason)),
            End::Failed(failure) => (self.sink)(Progress::Failed(failure)),
            End::Cancelled => {}
        }
    }
}

impl Embedding {
    fn tell(self, end: End) {
        match end {
            End::Finished(_) => (self.sink)(self.states.direction().ok_or(EngineFailure::NoDirection)),
            End::Failed(failure) => (self.sink)(Err(failure)),
            End::Cancelled => {}
        }
    }
}
