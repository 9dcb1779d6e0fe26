//! Wakes a task for what comes from outside, and not for what its own polling brings about.
//!
//! A connection and the body that it brings are polled by one task, one after the other, and each calls for the other:
//! the connection because there are bytes, the body because it wants more. If such a call reached the task, all of it
//! would be polled once more for every chunk. Owns that calls from inside have both looked at again at once. It refuses to
//! know what is polled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// How often is looked again because of calls from inside, before others get their turn.
const ROUNDS: usize = 4;

/// Nobody is looking: a call wakes the task.
const QUIET: u8 = 0;
/// Somebody looks now, and hears a call without being woken.
const HEARD: u8 = 1;
/// There was a call.
const RUNG: u8 = 2;

/// What is polled together gets its waker.
pub(crate) struct Bell {
    ringer: Arc<Ringer>,
    /// The same, as it is given away.
    waker: Waker,
}

struct Ringer {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Ringer {
    fn wake(self: Arc<Ringer>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Ringer>) {
        if self.state.swap(RUNG, Ordering::AcqRel) == QUIET {
            self.task.wake();
        }
    }
}

impl Bell {
    pub(crate) fn new() -> Bell {
        let ringer = Arc::new(Ringer { state: AtomicU8::new(QUIET), task: AtomicWaker::new() });
        Bell { waker: Waker::from(Arc::clone(&ringer)), ringer }
    }

    /// Whether nobody has called since the last look, which found nothing: then another would find nothing either. The
    /// next call wakes this task.
    pub(crate) fn is_quiet(&self, context: &Context<'_>) -> bool {
        // First, so that a call that comes meanwhile finds the task, or is seen here.
        self.ringer.task.register(context.waker());
        self.ringer.state.load(Ordering::Acquire) == QUIET
    }

    /// Looks until there is something or nobody has called meanwhile. Whoever gets something must look again before
    /// waiting, as with any stream.
    pub(crate) fn poll<T>(
        &self,
        context: &mut Context<'_>,
        mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.ringer.task.register(context.waker());
        for _ in 0..ROUNDS {
            self.ringer.state.swap(HEARD, Ordering::AcqRel);
            let looked = look(&mut Context::from_waker(&self.waker));
            let has_rung = self.ringer.state.swap(QUIET, Ordering::AcqRel) == RUNG;
            if looked.is_ready() || !has_rung {
                return looked;
            }
        }
        // What was called for last is still to be looked at.
        self.ringer.state.store(RUNG, Ordering::Release);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Wakes>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A bell, the waker of a task, and how often that was woken.
    fn bell() -> (Bell, Waker, impl Fn() -> usize) {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        (Bell::new(), waker, move || wakes.0.load(Ordering::Relaxed))
    }

    #[test]
    fn a_call_from_inside_has_it_looked_again_and_wakes_nobody() {
        let (bell, waker, wakes) = bell();
        let mut looks = 0;
        let looked = bell.poll(&mut Context::from_waker(&waker), |context| {
            looks += 1;
            if looks == 1 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(looks)
        });
        assert_eq!((looked, wakes()), (Poll::Ready(2), 0));
    }

    #[test]
    fn a_call_from_outside_wakes_the_task_once() {
        let (bell, waker, wakes) = bell();
        let mut given = None;
        let looked: Poll<()> = bell.poll(&mut Context::from_waker(&waker), |context| {
            given = Some(context.waker().clone());
            Poll::Pending
        });
        assert_eq!((looked, wakes()), (Poll::Pending, 0));
        let given = given.unwrap();
        given.wake_by_ref();
        given.wake_by_ref();
        assert_eq!(wakes(), 1);
    }

    #[test]
    fn it_is_quiet_until_somebody_calls() {
        let (bell, waker, wakes) = bell();
        let mut given = None;
        let looked: Poll<()> = bell.poll(&mut Context::from_waker(&waker), |context| {
            given = Some(context.waker().clone());
            Poll::Pending
        });
        assert_eq!(looked, Poll::Pending);
        let other = Arc::new(Wakes::default());
        let moved = Waker::from(Arc::clone(&other));
        assert!(bell.is_quiet(&Context::from_waker(&moved)));
        given.unwrap().wake();
        assert!(!bell.is_quiet(&Context::from_waker(&moved)));
        assert_eq!((wakes(), other.0.load(Ordering::Relaxed)), (0, 1), "the task that asked last is woken");
    }

    #[test]
    fn who_calls_without_end_lets_others_have_their_turn() {
        let (bell, waker, wakes) = bell();
        let mut looks = 0;
        let looked: Poll<()> = bell.poll(&mut Context::from_waker(&waker), |context| {
            looks += 1;
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!((looked, looks, wakes()), (Poll::Pending, ROUNDS, 1));
        assert!(!bell.is_quiet(&Context::from_waker(&waker)), "there is still something to look at");
    }
}
