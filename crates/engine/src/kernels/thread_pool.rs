//! The threads that compute, and the barrier between two computations.
//!
//! A step of the model is some hundred short loops; between two of them every thread must be done with the first.
//! Workers therefore spin for a moment before they yield, and yield for a while before they park: a barrier costs
//! about two microseconds while the model runs, and an idle engine costs nothing.
//!
//! Tasks are claimed one by one from a counter. Which thread computes which task changes from run to run; since no
//! task reads what another of the same loop writes, results do not.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};

/// How often a waiting thread looks again before it gives its processor to others.
const SPINS: u32 = 4_000;
/// How often it yields before it parks. On an otherwise idle machine some hundred microseconds.
const YIELDS: u32 = 200;

/// In [`Shared::state`]: the loop is over for whoever has not entered it.
const CLOSED: u64 = 1 << 31;
/// In [`Shared::state`]: one more loop. The bits below [`CLOSED`] count the workers inside.
const NEXT_LOOP: u64 = 1 << 32;

/// A fixed set of threads that run loops together with the thread that asks for them.
pub(crate) struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<(Thread, JoinHandle<()>)>,
    parked: Arc<[AtomicBool]>,
}

struct Shared {
    /// Number of the current loop (upper half), whether it is closed, and how many workers are inside.
    state: AtomicU64,
    /// The current loop's body. Valid while the loop is open or a worker is inside.
    body: BodySlot,
    next_task: AtomicUsize,
    tasks: AtomicUsize,
    stop: AtomicBool,
    /// A task panicked; the caller must not use the results.
    panicked: AtomicBool,
}

type Body<'a> = dyn Fn(usize) + Sync + 'a;

#[derive(Default)]
struct BodySlot(std::cell::UnsafeCell<Option<*const Body<'static>>>);

#[expect(unsafe_code, reason = "the slot is shared between threads; `state` orders every access")]
// SAFETY: written only by the caller of `run` while the loop is closed and nobody is inside; read only by a worker
// that has entered an open loop. `state` (release store, acquire read-modify-write) orders the two.
unsafe impl Sync for BodySlot {}
#[expect(unsafe_code, reason = "the slot holds a pointer to a `Sync` closure")]
// SAFETY: the pointer is to a `Sync` value, and is dereferenced only as `BodySlot: Sync` above explains.
unsafe impl Send for BodySlot {}

impl ThreadPool {
    /// A pool of `threads` threads, the caller of [`ThreadPool::run`] being one of them.
    ///
    /// # Errors
    /// When the operating system gives no more threads.
    pub(crate) fn new(threads: NonZeroUsize) -> std::io::Result<ThreadPool> {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(CLOSED),
            body: BodySlot::default(),
            next_task: AtomicUsize::new(0),
            tasks: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
        });
        let parked: Arc<[AtomicBool]> = (1..threads.get()).map(|_| AtomicBool::new(false)).collect();
        let mut pool = ThreadPool { shared, workers: Vec::new(), parked };
        for index in 0..pool.parked.len() {
            let (shared, parked) = (pool.shared.clone(), pool.parked.clone());
            let handle = std::thread::Builder::new()
                .name(format!("kernels-{}", index + 1))
                .spawn(move || shared.work(&parked[index]))?;
            pool.workers.push((handle.thread().clone(), handle));
        }
        Ok(pool)
    }

    /// The number of threads, the caller's included.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `body` once for every task from 0, on all threads, and returns when all calls have returned.
    ///
    /// # Panics
    /// When a call of `body` panicked, on whichever thread.
    pub(crate) fn run(&mut self, tasks: usize, body: &Body<'_>) {
        if tasks <= 1 || self.workers.is_empty() {
            (0..tasks).for_each(body);
            return;
        }
        let shared = &*self.shared;
        #[expect(unsafe_code, reason = "the closure's lifetime ends where the compiler cannot see it")]
        // SAFETY: the loop before is closed and nobody is inside (the end of this function waits for that), so the
        // slot is ours. The pointer outlives its use: this function returns, or unwinds, only once `CloseOnDrop` has waited.
        unsafe {
            *shared.body.0.get() = Some(std::mem::transmute::<*const Body<'_>, *const Body<'static>>(body));
        }
        shared.panicked.store(false, Ordering::Relaxed);
        shared.tasks.store(tasks, Ordering::Relaxed);
        shared.next_task.store(0, Ordering::Relaxed);
        let current = shared.state.load(Ordering::Relaxed);
        // Sequentially consistent, and so is the load of `parked`: a worker that parks sets its flag before it looks
        // at the state for the last time, so one of the two sees the other.
        shared.state.store((current & !(NEXT_LOOP - 1)).wrapping_add(NEXT_LOOP), Ordering::SeqCst);
        for ((thread, _), parked) in self.workers.iter().zip(&*self.parked) {
            if parked.load(Ordering::SeqCst) {
                thread.unpark();
            }
        }
        let closing = CloseOnDrop(shared);
        shared.claim_tasks(body);
        drop(closing);
        assert!(!shared.panicked.load(Ordering::Relaxed), "a task of the kernels' thread pool panicked");
    }
}

impl ThreadPool {
    /// Calls `body` once for each item with its number, on all threads.
    ///
    /// # Panics
    /// When a call of `body` panicked, on whichever thread.
    pub(crate) fn run_on_each<T: Send>(&mut self, items: &mut [T], body: &(dyn Fn(usize, &mut T) + Sync)) {
        let start = SharedStart(items.as_mut_ptr());
        self.run(items.len(), &|task| {
            #[expect(unsafe_code, reason = "each task gets an item of its own")]
            // SAFETY: `items` is borrowed for the whole call, `task` is below its length, and each task runs once.
            let item = unsafe { &mut *start.at(task) };
            body(task, item);
        });
    }
}

/// The start of a slice whose items go to different threads.
struct SharedStart<T>(*mut T);

#[expect(unsafe_code, reason = "each task gets an item of its own")]
// SAFETY: the pointer is only used to reach disjoint items, each from one thread at a time, see `run_on_each`.
unsafe impl<T: Send> Sync for SharedStart<T> {}

impl<T> SharedStart<T> {
    fn at(&self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}

/// Closes the loop and waits for the workers inside, also when the caller's own share of the tasks panics.
struct CloseOnDrop<'a>(&'a Shared);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        let mut waited = 0;
        let mut state = self.0.state.fetch_or(CLOSED, Ordering::AcqRel);
        while state & (CLOSED - 1) != 0 {
            if waited < SPINS {
                std::hint::spin_loop()
            } else {
                std::thread::yield_now()
            }
            waited += 1;
            state = self.0.state.load(Ordering::Acquire);
        }
    }
}

impl Shared {
    fn claim_tasks(&self, body: &Body<'_>) {
        let tasks = self.tasks.load(Ordering::Relaxed);
        loop {
            let task = self.next_task.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return;
            }
            body(task);
        }
    }

    /// A worker's life: wait for a loop, enter it if it is still open, help, leave.
    fn work(&self, parked: &AtomicBool) {
        let mut seen = self.state.load(Ordering::Acquire) / NEXT_LOOP;
        loop {
            let state = self.wait_for_loop_after(seen, parked);
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            if state & CLOSED != 0 {
                // Over before this thread woke.
                seen = state / NEXT_LOOP;
                continue;
            }
            if self.state.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                // Somebody entered, left or closed at this moment: look again.
                continue;
            }
            seen = state / NEXT_LOOP;
            #[expect(unsafe_code, reason = "reads the slot that the caller of `run` filled")]
            // SAFETY: we are inside an open loop, so the caller waits for us before the closure ends.
            let body = unsafe { (*self.body.0.get()).map(|body| &*body) };
            if let Some(body) = body {
                let outcome =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.claim_tasks(body)));
                if outcome.is_err() {
                    self.panicked.store(true, Ordering::Relaxed);
                }
            }
            self.state.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Returns the state once its loop's number is another than `seen`, or the pool stops.
    fn wait_for_loop_after(&self, seen: u64, parked: &AtomicBool) -> u64 {
        let mut waited = 0;
        loop {
            let state = self.state.load(Ordering::SeqCst);
            if state / NEXT_LOOP != seen || self.stop.load(Ordering::Acquire) {
                return state;
            }
            waited += 1;
            if waited < SPINS {
                std::hint::spin_loop();
            } else if waited < SPINS + YIELDS {
                std::thread::yield_now();
            } else {
                parked.store(true, Ordering::SeqCst);
                if self.state.load(Ordering::SeqCst) / NEXT_LOOP == seen && !self.stop.load(Ordering::SeqCst)
                {
                    std::thread::park();
                }
                parked.store(false, Ordering::SeqCst);
            }
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for (thread, handle) in self.workers.drain(..) {
            thread.unpark();
            // A worker cannot panic: it catches the panics of its tasks.
            drop(handle.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> ThreadPool {
        ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap()
    }

    #[test]
    fn every_task_runs_once_in_every_loop() {
        for threads in [1, 2, 4] {
            let mut pool = pool(threads);
            for round in 0..2_000 {
                let counts: Vec<AtomicUsize> = (0..round % 37).map(|_| AtomicUsize::new(0)).collect();
                pool.run(counts.len(), &|task| {
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "round {round}");
            }
        }
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_the_pool_lives_on() {
        let mut pool = pool(3);
        for _ in 0..20 {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pool.run(16, &|task| assert_ne!(task, 7));
            }));
            assert!(outcome.is_err());
            let sum = AtomicUsize::new(0);
            pool.run(10, &|task| {
                sum.fetch_add(task, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 45);
        }
    }
}
