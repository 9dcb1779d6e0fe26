//! Which generation computes when: one thread runs the model, a step at a time.
//!
//! Every step takes a token of each stream that decodes and pieces of the prompts that wait ([`plan`]), computes them
//! together, draws the next tokens on all threads, and tells them. Streams come and go between two steps; whether
//! anybody still wants what is being computed is also asked between any two layers. What an answer is does not depend
//! on its company, nor on the pieces in which it was computed.

mod plan;
mod prompt_lookup;
mod queue;
mod stream;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::generation::{EngineFailure, FinishReason, GenerationRequest, TokenLogprobs};
use crate::kernels::InstructionSet;
use crate::kv_cache::KvCache;
use crate::model::{Cancelled, Input, Machine, Model, Workspace};
use crate::sampler::{Sampler, log_probability};
use crate::statistics::{Counters, count};
use crate::tokenizer::Tokenizer;
use plan::Piece;
pub(crate) use queue::Queue;
use queue::Stopped;
pub use queue::{CancelHandle, Sink};
use stream::{Drawn, End, Stream};

/// How much is computed together. None of it changes an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Positions of a sequence.
    pub(crate) context_length: usize,
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
    samplers: Vec<Sampler>,
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
            samplers: Vec::new(),
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
            stream.tell(End::Failed(EngineFailure::Stopped));
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
                self.draw_and_tell(&pieces);
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
        let cancelled = self.streams.iter().enumerate().filter(|(_, stream)| stream.is_cancelled());
        let ends = cancelled.map(|(index, _)| (index, End::Cancelled)).collect();
        self.end(ends);
        // Their places in the queue were given back by whoever cancelled them.
        self.aside.retain(|stream| !stream.is_cancelled());
    }

    /// Lets in those who find a place and room in the cache, in order; waits where there is nothing to do.
    fn admit(&mut self) -> Result<(), Stopped> {
        while self.streams.len() < self.policy.places {
            if self.aside.is_empty() {
                let job =
                    if self.streams.is_empty() { Some(self.queue.pop()?) } else { self.queue.try_pop()? };
                let Some(job) = job else { return Ok(()) };
                self.aside.push_back(Stream::new(job, self.policy.context_length));
            }
            let Some(next) = self.aside.pop_front() else { return Ok(()) };
            if next.tokens.len() >= next.limit {
                self.queue.give_back(&next.job);
                next.tell(End::Finished(FinishReason::Length));
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
        let wanted: Vec<&AtomicBool> =
            pieces.iter().map(|piece| &*self.streams[piece.stream].job.cancelled).collect();
        let cancelled = || wanted.iter().all(|cancelled| cancelled.load(Ordering::Acquire));
        self.model.step(&mut self.machine, &mut self.workspace, &mut self.cache, &inputs, &cancelled)?;
        count(&self.counters.steps, 1);
        Ok(())
    }

    /// Draws the tokens behind the pieces that end with the last known one, and tells them.
    fn draw_and_tell(&mut self, pieces: &[Piece]) {
        let mut ends = Vec::new();
        let mut drawing = Vec::new();
        let mut columns = Vec::new();
        let mut first_column = 0;
        for piece in pieces {
            let stream = &self.streams[piece.stream];
            let of_prompt = stream.prompt_length.saturating_sub(piece.first).min(piece.count);
            count(&self.counters.prompt_tokens_computed, of_prompt);
            let last = first_column + piece.columns();
            if let Some(failed) = (first_column..last).find(|column| self.workspace.has_failed(*column)) {
                let position = piece.first + failed - first_column;
                ends.push((piece.stream, End::Failed(EngineFailure::NotFinite { position })));
            } else if piece.first + piece.count == stream.tokens.len() {
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

    /// Draws a token for each of the columns, which are those of the pieces' last known tokens and guesses.
    fn draw(&mut self, pieces: &[&Piece], columns: &[usize]) -> Vec<Option<Drawn>> {
        if columns.is_empty() {
            return Vec::new();
        }
        self.model.compute_logits(&mut self.machine, &mut self.workspace, columns);
        self.samplers.resize_with(self.samplers.len().max(columns.len()), Sampler::default);
        let draws = pieces.iter().flat_map(|piece| {
            let request = &self.streams[piece.stream].job.request;
            let position = piece.first + piece.count;
            (position..=position + piece.guesses.len()).map(move |position| (request, position))
        });
        let mut rows: Vec<_> = draws
            .zip(self.workspace.logits())
            .zip(&mut self.samplers)
            .map(|((draw, logits), sampler)| (draw, logits.ok(), sampler, None))
            .collect();
        let (set, ends_of_turn) = (self.machine.set, self.tokenizer.ends_of_turn());
        self.machine.pool.run_on_each(&mut rows, &|_, ((request, position), logits, sampler, drawn)| {
            *drawn = logits.as_mut().map(|logits| {
                if request.ignore_eos {
                    ends_of_turn.iter().for_each(|id| logits[*id as usize] = f32::MIN);
                }
                draw_one(set, request, logits, sampler, *position)
            });
        });
        rows.into_iter().map(|(_, _, _, drawn)| drawn).collect()
    }

    /// Gives a stream the tokens that were drawn behind a piece of it: the first one, and further ones as long as the
    /// guesses before them were right.
    fn take(&mut self, piece: &Piece, drawn: Vec<Option<Drawn>>) -> Option<End> {
        let stream = &mut self.streams[piece.stream];
        let known = stream.tokens.len();
        let mut end = None;
        for (index, drawn) in drawn.iter().enumerate() {
            if index > 0 && stream.tokens.last() != Some(&piece.guesses[index - 1]) {
                break;
            }
            let Some(drawn) = drawn else {
                let position = stream.tokens.len() - 1;
                end = Some(End::Failed(EngineFailure::NotFinite { position }));
                break;
            };
            end = stream.take(drawn, self.tokenizer.ends_of_turn().contains(&drawn.token));
            if stream.tokens.len() > known + index {
                self.counters.token_told(&mut stream.last_told);
            }
            if end.is_some() {
                break;
            }
        }
        let taken = stream.tokens.len() - known;
        let right = taken.saturating_sub(1);
        stream.guesser.learn(piece.guesses.len(), right, stream.tokens.len());
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
            self.queue.give_back(&stream.job);
            self.tell_occupancy();
            stream.tell(end);
        }
    }
}

fn draw_one(
    set: InstructionSet,
    request: &GenerationRequest,
    logits: &[f32],
    sampler: &mut Sampler,
    position: usize,
) -> Drawn {
    let token = sampler.choose(set, logits, &request.sampling, position);
    let logprobs = request
        .logprobs
        .map(|_| TokenLogprobs { logprob: log_probability(set, logits, token), top: Vec::new() });
    Drawn { token, logprobs }
}
