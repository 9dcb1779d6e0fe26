//! Generations that wait for the engine, or that it has at hand; and who may take them back.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::generation::{EngineFailure, GenerationRequest, Progress, SubmitError};

/// What receives the progress of a generation. Called on the engine's thread: it must not block.
pub type Sink = Box<dyn FnMut(Progress) + Send>;

/// A generation in the queue or at hand.
pub(super) struct Job {
    number: u64,
    pub(super) request: GenerationRequest,
    pub(super) sink: Sink,
    pub(super) cancelled: Arc<AtomicBool>,
    pub(super) submitted: Instant,
}

/// The queue, shared by the engine's thread and all who submit or cancel.
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
    bound: usize,
    places: usize,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Job>,
    next_number: u64,
    /// Which generations the engine's thread has at hand and somebody wants: at most as many as it has places.
    at_hand: HashSet<u64>,
    stopped: bool,
}

/// Cancels its generation when dropped: queued, in prefill or decoding. Its place in the queue is free at once; the
/// engine lets go of one that runs between two layers, or where others run beside it, after the step. Keep it as long
/// as the answer is wanted.
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
            state.at_hand.remove(&self.number);
            let place = state.waiting.iter().position(|job| job.number == self.number);
            let job = place.and_then(|place| state.waiting.remove(place));
            // The sink is the submitter's code: it is dropped without the lock.
            drop(state);
            drop(job);
        }
    }
}

impl Queue {
    /// A queue in which at most `bound` generations wait while the engine has `places` at hand.
    pub(crate) fn new(bound: usize, places: usize) -> Queue {
        Queue { state: Mutex::default(), changed: Condvar::new(), bound, places }
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
        // What the engine has a place for is as good as taken.
        let free_places = self.places.saturating_sub(state.at_hand.len());
        if state.waiting.len() >= self.bound + free_places {
            return Err(SubmitError::QueueFull { waiting: state.waiting.len() });
        }
        let number = state.next_number;
        state.next_number += 1;
        let cancelled = Arc::new(AtomicBool::new(false));
        let submitted = Instant::now();
        state.waiting.push_back(Job { number, request, sink, cancelled: cancelled.clone(), submitted });
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

    /// How many generations wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The engine's thread is done with a generation.
    pub(super) fn give_back(&self, job: &Job) {
        self.lock().at_hand.remove(&job.number);
    }

    /// The next generation, if there is one.
    ///
    /// # Errors
    /// When the engine stops.
    pub(super) fn try_pop(&self) -> Result<Option<Job>, Stopped> {
        self.lock().pop()
    }

    /// The next generation, once there is one.
    ///
    /// # Errors
    /// When the engine stops.
    pub(super) fn pop(&self) -> Result<Job, Stopped> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.pop()? {
                return Ok(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing that holds the lock can panic half-way through a change.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueState {
    fn pop(&mut self) -> Result<Option<Job>, Stopped> {
        if self.stopped {
            return Err(Stopped);
        }
        let job = self.waiting.pop_front();
        self.at_hand.extend(job.as_ref().map(|job| job.number));
        Ok(job)
    }
}

/// The engine is to stop.
#[derive(Debug)]
pub(super) struct Stopped;
