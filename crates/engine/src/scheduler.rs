//! Which generation computes when: the queue, and the one thread that runs the model.
//!
//! Generations run one after another, in the order in which they came. A prompt is computed in pieces of
//! [`PREFILL_TOKENS`]; whether anybody still wants the answer is asked before every token and between any two layers,
//! so a cancelled generation is gone within milliseconds. One that still waits leaves the queue at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use crate::generation::{EngineFailure, FinishReason, GenerationRequest, Progress, SubmitError, TokenId};
use crate::kv_cache::{KvCache, Sequence};
use crate::model::{Cancelled, Input, Machine, Model, Workspace};
use crate::sampler::{Sampler, log_probability};
use crate::tokenizer::Tokenizer;

/// Tokens of a prompt that are computed together.
const PREFILL_TOKENS: usize = 64;

/// What receives the progress of a generation. Called on the engine's thread: it must not block.
pub type Sink = Box<dyn FnMut(Progress) + Send>;

/// A generation in the queue or running.
struct Job {
    number: u64,
    request: GenerationRequest,
    sink: Sink,
    cancelled: Arc<AtomicBool>,
}

/// The queue, shared by the engine's thread and all who submit or cancel.
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
    bound: usize,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Job>,
    next_number: u64,
    /// Whether the engine's thread has a generation at hand; a first one that waits for it holds no place.
    running: bool,
    stopped: bool,
}

/// Cancels its generation when dropped: queued, in prefill or decoding. Keep it as long as the answer is wanted.
pub struct CancelHandle {
    queue: Weak<Queue>,
    number: u64,
    cancelled: Arc<AtomicBool>,
}

impl std::fmt::Debug for CancelHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "CancelHandle({})", self.number)
    }
}

impl Drop for CancelHandle {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Release);
        if let Some(queue) = self.queue.upgrade() {
            let mut state = queue.lock();
            let place = state.waiting.iter().position(|job| job.number == self.number);
            let job = place.and_then(|place| state.waiting.remove(place));
            // The sink is the submitter's code: it is dropped without the lock.
            drop(state);
            drop(job);
        }
    }
}

impl Queue {
    /// A queue in which at most `bound` generations wait.
    pub(crate) fn new(bound: usize) -> Queue {
        Queue { state: Mutex::default(), changed: Condvar::new(), bound }
    }

    /// Puts a generation at the end.
    pub(crate) fn push(
        self: &Arc<Self>,
        request: GenerationRequest,
        sink: Sink,
    ) -> Result<CancelHandle, SubmitError> {
        let mut state = self.lock();
        if state.stopped {
            return Err(SubmitError::Stopped);
        }
        if state.waiting.len() >= self.bound + usize::from(!state.running) {
            return Err(SubmitError::QueueFull { waiting: state.waiting.len() });
        }
        let number = state.next_number;
        state.next_number += 1;
        let cancelled = Arc::new(AtomicBool::new(false));
        state.waiting.push_back(Job { number, request, sink, cancelled: cancelled.clone() });
        drop(state);
        self.changed.notify_one();
        Ok(CancelHandle { queue: Arc::downgrade(self), number, cancelled })
    }

    /// Ends the engine's thread after the step that it is at; what waits or runs fails.
    pub(crate) fn stop(&self) {
        let waiting = {
            let mut state = self.lock();
            state.stopped = true;
            std::mem::take(&mut state.waiting)
        };
        self.changed.notify_all();
        for mut job in waiting {
            (job.sink)(Progress::Failed(EngineFailure::Stopped));
        }
    }

    /// Whether nothing will be generated any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// The engine's thread has nothing at hand any more, and will take the next generation.
    fn rest(&self) {
        self.lock().running = false;
    }

    /// The next generation, once there is one; none when the engine stops.
    fn pop(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                state.running = true;
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing that holds the lock can panic half-way through a change.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops the queue when the engine's thread ends, however it ends.
struct StopOnDrop(Arc<Queue>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What the engine's thread owns.
pub(crate) struct Scheduler {
    pub(crate) queue: Arc<Queue>,
    pub(crate) model: Model,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) machine: Machine,
    pub(crate) cache: KvCache,
    pub(crate) context_length: usize,
    pub(crate) workspace: Workspace,
    pub(crate) sampler: Sampler,
}

/// How a generation ended.
enum End {
    Finished(FinishReason),
    Failed(EngineFailure),
    /// Nobody is there to be told.
    Cancelled,
}

impl Scheduler {
    /// The engine's thread: runs generations until the queue is stopped.
    pub(crate) fn run(mut self) {
        let _stop = StopOnDrop(self.queue.clone());
        while let Some(mut job) = self.queue.pop() {
            let mut sequence = Sequence::default();
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.generate(&mut job, &mut sequence)
            }));
            let Ok(end) = outcome else {
                // A bug of ours. The state behind it cannot be trusted: this generation and all later ones fail.
                tracing::error!("the engine's thread panicked");
                (job.sink)(Progress::Failed(EngineFailure::Stopped));
                return;
            };
            self.cache.release(sequence);
            // Before its end is told: whoever hears it may ask again at once, and finds the engine free.
            self.queue.rest();
            match end {
                End::Finished(reason) => (job.sink)(Progress::Finished(reason)),
                End::Failed(failure) => (job.sink)(Progress::Failed(failure)),
                End::Cancelled => {}
            }
        }
    }

    fn generate(&mut self, job: &mut Job, sequence: &mut Sequence) -> End {
        let most = self.context_length - job.request.prompt.len();
        let most = job.request.max_tokens.map_or(most, |asked| asked.min(most));
        let mut tokens: Vec<TokenId> = std::mem::take(&mut job.request.prompt);
        for _ in 0..most {
            let column = match self.compute(job, sequence, &tokens) {
                Ok(column) => column,
                Err(end) => return end,
            };
            let set = self.machine.set;
            self.model.compute_logits(&mut self.machine, &mut self.workspace, &[column]);
            let Ok(logits) = self.workspace.logits(0) else {
                let position = sequence.length() - 1;
                return End::Failed(EngineFailure::NotFinite { position });
            };
            let token = self.sampler.choose(set, logits, &job.request.sampling, sequence.length());
            if self.tokenizer.ends_turn(token) {
                return End::Finished(FinishReason::EndOfTurn);
            }
            let logprob = job.request.logprobs.then(|| log_probability(set, logits, token));
            (job.sink)(Progress::Token { id: token, logprob });
            tokens = vec![token];
        }
        End::Finished(FinishReason::Length)
    }

    /// Appends tokens to a sequence and computes them; gives the column of the last one.
    fn compute(&mut self, job: &Job, sequence: &mut Sequence, tokens: &[TokenId]) -> Result<usize, End> {
        let queue = &self.queue;
        let cancelled = || job.cancelled.load(Ordering::Acquire);
        let mut column = 0;
        for piece in tokens.chunks(PREFILL_TOKENS) {
            if queue.is_stopped() {
                return Err(End::Failed(EngineFailure::Stopped));
            }
            let first = sequence.length();
            // The cache holds a whole context, and one generation runs at a time.
            if self.cache.extend(sequence, piece.len()).is_err() {
                return Err(End::Finished(FinishReason::Length));
            }
            let inputs: Vec<Input<'_>> = piece
                .iter()
                .zip(first..)
                .map(|(token, position)| Input {
                    token: *token,
                    position,
                    pages: sequence.pages(),
                    slot: KvCache::slot(sequence, position),
                })
                .collect();
            self.model
                .step(&mut self.machine, &mut self.workspace, &mut self.cache, &inputs, &cancelled)
                .map_err(|Cancelled| End::Cancelled)?;
            column = piece.len() - 1;
        }
        Ok(column)
    }
}
