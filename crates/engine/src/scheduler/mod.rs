//! Which generation or embedding computes when: one thread runs the model, a step at a time.
//!
//! Every step takes a token of each stream that decodes and pieces of the prompts that wait ([`plan`]), computes them
//! together, draws the next tokens on all threads, and tells them; of a text to embed, it adds up states. Streams come
//! and go between two steps; whether anybody still wants what is being computed is also asked between any two layers.
//! What an answer is does not depend on its company, nor on the pieces in which it was computed.

mod plan;
mod prompt_log;
mod prompt_lookup;
mod purpose;
mod queue;
mod stream;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::adjustments::{Adjuster, FORBIDDEN};
use crate::generation::{EngineFailure, FinishReason, TokenId, TokenLogprobs};
use crate::kernels::InstructionSet;
use crate::kernels::activations::NotFinite;
use crate::kv_cache::KvCache;
use crate::log_probabilities::LogProbabilities;
use crate::model::{Cancelled, Input, Machine, Model, Workspace};
use crate::ranking::Ranking;
use crate::sampler::Sampler;
use crate::statistics::{Counters, count};
use crate::tokenizer::Tokenizer;
use plan::Piece;
use purpose::Purpose;
pub(crate) use purpose::Task;
pub(crate) use queue::Queue;
pub use queue::{CancelHandle, EmbeddingSink, Sink};
use queue::{Stopped, Ticket};
use stream::{Draw, Drawn, End, Stream};

/// How much is computed together. None of it changes an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Streams at a time.
    pub(crate) places: usize,
    /// Tokens of prompts in a step.
    pub(crate) prefill_tokens: usize,
    /// Whether prompts that begin alike share pages of the cache.
    pub(crate) prefix_cache: bool,
    /// Whether a lone stream's next tokens are guessed.
    pub(crate) speculation: bool,
}

/// What the engine's thread owns.
pub(crate) struct Scheduler {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    model: Model,
    tokenizer: Arc<Tokenizer>,
    machine: Machine,
    cache: KvCache,
    policy: Policy,
    /// The streams that run, oldest first.
    streams: Vec<Stream>,
    /// Streams that the cache has no room for at the moment, oldest first, all younger than those that run.
    aside: VecDeque<Stream>,
    workspace: Workspace,
    /// One for each token that is drawn in a step.
    drawers: Vec<Drawer>,
}

/// What draws a token; keeps its memory from one to the next.
#[derive(Default)]
struct Drawer {
    adjuster: Adjuster,
    ranking: Ranking,
    sampler: Sampler,
}

/// Stops the queue when the engine's thread ends, however it ends.
struct StopOnDrop(Arc<Queue>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Scheduler {
    pub(crate) fn new(
        queue: Arc<Queue>,
        counters: Arc<Counters>,
        model: Model,
        tokenizer: Arc<Tokenizer>,
        machine: Machine,
        cache: KvCache,
        policy: Policy,
    ) -> Scheduler {
        counters.set_occupancy(cache.occupancy());
        Scheduler {
            queue,
            counters,
            model,
            tokenizer,
            machine,
            cache,
            policy,
            streams: Vec::new(),
            aside: VecDeque::new(),
            workspace: Workspace::default(),
            drawers: Vec::new(),
        }
    }

    /// The engine's thread: runs generations until the queue is stopped.
    pub(crate) fn run(mut self) {
        let stop = StopOnDrop(self.queue.clone());
        let outcome = catch_unwind(AssertUnwindSafe(|| while let Ok(()) = self.turn() {}));
        if outcome.is_err() {
            // A bug of ours. The state behind it cannot be trusted: what runs now and all that comes later fails.
            tracing::error!("the engine's thread panicked");
        }
        drop(stop);
        for stream in self.streams.into_iter().chain(self.aside) {
            stream.purpose.tell(End::Failed(EngineFailure::Stopped));
        }
    }

    /// One step, with those who come before it and those who go behind it.
    fn turn(&mut self) -> Result<(), Stopped> {
        if self.queue.is_stopped() {
            return Err(Stopped);
        }
        self.forget_cancelled();
        self.admit()?;
        if !self.streams.is_empty() {
            let pieces = self.plan();
            if pieces.is_empty() {
                // One stream alone that the whole cache cannot hold. Its context is no longer than the cache.
                self.end(vec![(0, End::Finished(FinishReason::Length))]);
            } else if self.compute(&pieces).is_ok() {
                self.use_columns(&pieces);
            }
        }
        self.tell_occupancy();
        Ok(())
    }

    fn tell_occupancy(&self) {
        self.counters.set_occupancy(self.cache.occupancy());
        self.counters.running.store((self.streams.len() + self.aside.len()) as u64, Ordering::Relaxed);
    }

    /// Frees the places of those whom nobody wants any more.
    fn forget_cancelled(&mut self) {
        let cancelled = self.streams.iter().enumerate().filter(|(_, stream)| stream.ticket.is_cancelled());
        let ends = cancelled.map(|(index, _)| (index, End::Cancelled)).collect();
        self.end(ends);
        // Their places in the queue were given back by whoever cancelled them.
        self.aside.retain(|stream| !stream.ticket.is_cancelled());
    }

    /// Lets in those who find a place and room in the cache, in order; waits where there is nothing to do.
    fn admit(&mut self) -> Result<(), Stopped> {
        while self.streams.len() < self.policy.places {
            if self.aside.is_empty() {
                let job =
                    if self.streams.is_empty() { Some(self.queue.pop()?) } else { self.queue.try_pop()? };
                let Some(job) = job else { return Ok(()) };
                self.aside.push_back(Stream::new(job));
            }
            let Some(next) = self.aside.pop_front() else { return Ok(()) };
            if next.is_complete() {
                self.queue.give_back(&next.ticket);
                next.purpose.tell(End::Finished(FinishReason::Length));
                if self.streams.is_empty() {
                    return Ok(());
                }
            } else if self.streams.is_empty() || self.has_room_for(&next) {
                self.streams.push(next);
            } else {
                self.aside.push_front(next);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Computes the pieces together.
    fn compute(&mut self, pieces: &[Piece]) -> Result<(), Cancelled> {
        let mut inputs = Vec::new();
        for piece in pieces {
            let stream = &self.streams[piece.stream];
            inputs.extend(piece.tokens(stream).map(|(position, token)| Input {
                token,
                position,
                pages: stream.sequence.pages(),
                slot: KvCache::slot(&stream.sequence, position),
            }));
        }
        let tickets: Vec<&Ticket> = pieces.iter().map(|piece| &self.streams[piece.stream].ticket).collect();
        let cancelled = || tickets.iter().all(|ticket| ticket.is_cancelled());
        self.model.step(&mut self.machine, &mut self.workspace, &mut self.cache, &inputs, &cancelled)?;
        count(&self.counters.steps, 1);
        Ok(())
    }

    /// Draws the tokens behind the pieces that end with the last known one, and tells them; adds up the states of texts
    /// that are embedded.
    fn use_columns(&mut self, pieces: &[Piece]) {
        let mut ends = Vec::new();
        let mut drawing = Vec::new();
        let mut columns = Vec::new();
        let mut first_column = 0;
        for piece in pieces {
            let stream = &self.streams[piece.stream];
            let of_prompt = stream.prompt_length().saturating_sub(piece.first).min(piece.count);
            count(&self.counters.prompt_tokens_computed, of_prompt);
            let last = first_column + piece.columns();
            // What was computed of a guess counts only where the guess is right, which is found out token by token.
            let mut known = first_column..first_column + piece.count;
            if let Some(failed) = known.find(|column| self.workspace.has_failed(*column)) {
                let position = piece.first + failed - first_column;
                ends.push((piece.stream, End::Failed(EngineFailure::NotFinite { position })));
            } else if matches!(stream.purpose, Purpose::Embedding(_)) {
                ends.extend(self.add_states(piece, first_column).map(|end| (piece.stream, end)));
            } else if let Some(end) = self.log_prompt(piece, first_column) {
                ends.push((piece.stream, end));
            } else if self.streams[piece.stream].is_complete() {
                ends.push((piece.stream, End::Finished(FinishReason::Length)));
            } else if piece.first + piece.count == self.streams[piece.stream].tokens.len() {
                drawing.push(piece);
                columns.extend(first_column + piece.count - 1..last);
            } else if self.policy.prefix_cache {
                let stream = &mut self.streams[piece.stream];
                self.cache.publish(&mut stream.sequence, &stream.tokens);
            }
            first_column = last;
        }
        let mut drawn = self.draw(&drawing, &columns).into_iter();
        for piece in drawing {
            let drawn = drawn.by_ref().take(1 + piece.guesses.len()).collect();
            if let Some(end) = self.take(piece, drawn) {
                ends.push((piece.stream, end));
            }
        }
        self.end(ends);
    }

    /// Adds the states of a piece to its embedding. Gives the end where this was the last piece.
    fn add_states(&mut self, piece: &Piece, first_column: usize) -> Option<End> {
        let stream = &mut self.streams[piece.stream];
        let Purpose::Embedding(embedding) = &mut stream.purpose else { return None };
        for (column, position) in (first_column..).zip(piece.first..piece.first + piece.count) {
            if position < embedding.states.positions() {
                // It was put aside, and computes again what is no longer in the cache.
                continue;
            }
            match self.model.final_state(self.machine.set, &mut self.workspace, column) {
                Ok(state) => embedding.states.add(state),
                Err(NotFinite) => return Some(End::Failed(EngineFailure::NotFinite { position })),
            }
        }
        let is_whole = embedding.states.positions() == stream.tokens.len();
        is_whole.then_some(End::Finished(FinishReason::Length))
    }

    /// Draws a token for each of the columns, which are those of the pieces' last known tokens and guesses; or tells
    /// why there is none.
    fn draw(&mut self, pieces: &[&Piece], columns: &[usize]) -> Vec<Result<Drawn, End>> {
        if columns.is_empty() {
            return Vec::new();
        }
        self.model.compute_logits(&mut self.machine, &mut self.workspace, columns);
        self.drawers.resize_with(self.drawers.len().max(columns.len()), Drawer::default);
        let draws = pieces.iter().flat_map(|piece| self.streams[piece.stream].draws(&piece.guesses));
        let mut rows: Vec<_> = draws
            .zip(self.workspace.logits())
            .zip(&mut self.drawers)
            .map(|((draw, logits), drawer)| (draw, logits.ok(), drawer, None))
            .collect();
        let (set, ends_of_turn) = (self.machine.set, self.tokenizer.ends_of_turn());
        self.machine.pool.run_on_each(&mut rows, &|_, (draw, logits, drawer, drawn)| {
            *drawn = logits.as_mut().map(|logits| {
                let unwanted = if draw.request.ignore_eos { ends_of_turn } else { &[] };
                draw_one(set, draw, unwanted, logits, drawer)
            });
        });
        let not_finite = |position| Err(End::Failed(EngineFailure::NotFinite { position }));
        rows.into_iter()
            .map(|(draw, _, _, drawn)| drawn.unwrap_or_else(|| not_finite(draw.past.length() - 1)))
            .collect()
    }

    /// Gives a stream the tokens that were drawn behind a piece of it: the first one, and further ones as long as the
    /// guesses before them were right.
    fn take(&mut self, piece: &Piece, drawn: Vec<Result<Drawn, End>>) -> Option<End> {
        let stream = &mut self.streams[piece.stream];
        let known = stream.tokens.len();
        let mut end = None;
        for (index, drawn) in drawn.into_iter().enumerate() {
            if index > 0 && stream.tokens.last() != Some(&piece.guesses[index - 1]) {
                break;
            }
            end = match drawn {
                Ok(drawn) => stream.take(&drawn, self.tokenizer.ends_of_turn().contains(&drawn.token)),
                Err(end) => Some(end),
            };
            if stream.tokens.len() > known + index {
                stream.count_told(&self.counters);
            }
            if end.is_some() {
                break;
            }
        }
        let taken = stream.tokens.len() - known;
        let right = taken.saturating_sub(1);
        stream.learn(piece.guesses.len(), right);
        count(&self.counters.generated_tokens, taken);
        count(&self.counters.guessed_tokens, piece.guesses.len());
        count(&self.counters.right_guesses, right);
        // Positions of wrong guesses hold nothing of use.
        let computed = stream.sequence.length().min(known + right);
        self.cache.truncate(&mut stream.sequence, computed);
        if self.policy.prefix_cache {
            self.cache.publish(&mut stream.sequence, &stream.tokens);
        }
        end
    }

    /// Ends streams, given with their numbers; each number occurs once.
    fn end(&mut self, mut ends: Vec<(usize, End)>) {
        // From the last to the first, so that numbers stay true.
        ends.sort_unstable_by_key(|(index, _)| std::cmp::Reverse(*index));
        for (index, end) in ends {
            let mut stream = self.streams.remove(index);
            self.cache.release(std::mem::take(&mut stream.sequence));
            // Before its end is told: whoever hears it may ask again at once, and finds the place free.
            self.queue.give_back(&stream.ticket);
            self.tell_occupancy();
            stream.purpose.tell(end);
        }
    }
}

/// Draws a token, none of the `unwanted`; or tells how the answer ends instead. Log probabilities are those of the row
/// before anything is forbidden or adjusted.
fn draw_one(
    set: InstructionSet,
    draw: &Draw<'_>,
    unwanted: &[TokenId],
    logits: &mut [f32],
    drawer: &mut Drawer,
) -> Result<Drawn, End> {
    let Draw { request, past, matching } = draw;
    let Drawer { adjuster, ranking, sampler } = drawer;
    let told = request.logprobs.map(|count| {
        let probabilities = LogProbabilities::of(set, logits);
        let top = probabilities.alternatives(set, logits, count, ranking);
        (probabilities, top)
    });
    unwanted.iter().for_each(|id| logits[*id as usize] = FORBIDDEN);
    adjuster.adjust(&request.adjustments, *past, logits);
    let mut place = matching.lock().unwrap_or_else(PoisonError::into_inner);
    let constraint = request.constraint.as_ref();
    let mut matching = constraint.map(|constraint| place.get_or_insert_with(|| constraint.begin()));
    let allowed = match &mut matching {
        Some(matching) => {
            let allowed = matching.allowed(logits, unwanted).map_err(End::Failed)?;
            allowed.ok_or(End::Finished(FinishReason::EndOfTurn))?
        }
        None => &*logits,
    };
    let token = sampler.choose(set, allowed, &request.sampling, past.length());
    let completes = match matching {
        Some(matching) => matching.advance(token).map_err(End::Failed)?,
        None => false,
    };
    let logprobs = told.map(|(probabilities, top)| {
        let logprob = probabilities.of_logit(adjuster.before(logits, token));
        TokenLogprobs { logprob, top }
    });
    Ok(Drawn { token, logprobs, completes })
}
