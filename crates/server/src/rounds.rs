//! What has nothing to give need not be asked again before its task is woken.
//!
//! The HTTP library asks a body for more, is told that there is nothing yet, sends what it has, and asks once more at
//! once. Owns the rounds in which a connection is polled, and whether an answer of this round still holds. It refuses to
//! know what is asked.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

/// So many rounds a thread may number before it meets the next one's numbers: more than it comes to.
const ROUNDS_OF_A_THREAD: u64 = 1 << 44;

thread_local! {
    /// The round that this thread is in, and the number of the last one. A connection may be polled by one thread now, and
    /// by another then: no two threads have a number in common.
    static ROUND: Cell<(Option<u64>, u64)> = {
        static THREADS: AtomicU64 = AtomicU64::new(0);
        let threads_before = THREADS.fetch_add(1, Ordering::Relaxed);
        Cell::new((None, threads_before.wrapping_mul(ROUNDS_OF_A_THREAD)))
    };
}

/// Polls a connection: whatever this does, it does in one round, with one waker.
pub(crate) fn round<T>(poll: impl FnOnce() -> T) -> T {
    struct Over;
    impl Drop for Over {
        fn drop(&mut self) {
            ROUND.set((None, ROUND.get().1));
        }
    }
    let number = ROUND.get().1.wrapping_add(1);
    ROUND.set((Some(number), number));
    let _over = Over;
    poll()
}

/// What was told in vain, and when.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// The round in which there was nothing.
    waits_in: Option<u64>,
}

impl Patience {
    /// Asks, unless there was nothing in this round: whoever said so wakes the task when there is something. Outside of
    /// rounds it always asks.
    pub(crate) fn ask<T>(&mut self, ask: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let (now, _) = ROUND.get();
        if now.is_some() && now == self.waits_in {
            return Poll::Pending;
        }
        let told = ask();
        self.waits_in = if told.is_pending() { now } else { None };
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_twice_in_a_round() {
        let (mut patience, mut asked) = (Patience::default(), 0);
        let mut ask = |told: Poll<u8>| {
            patience.ask(|| {
                asked += 1;
                told
            })
        };
        for _ in 0..2 {
            round(|| {
                assert_eq!(ask(Poll::Ready(1)), Poll::Ready(1));
                assert_eq!(ask(Poll::Pending), Poll::Pending);
                assert_eq!(ask(Poll::Ready(2)), Poll::Pending, "it was not asked");
            });
        }
        assert_eq!(ask(Poll::Pending), Poll::Pending);
        assert_eq!(ask(Poll::Ready(3)), Poll::Ready(3), "outside of a round");
        assert_eq!(asked, 6);
    }

    #[test]
    fn another_thread_is_in_another_round() {
        let waits = || {
            let mut patience = Patience::default();
            round(|| patience.ask(|| Poll::<u8>::Pending).is_pending().then_some(patience)).unwrap()
        };
        // Both are in their first round.
        let mut patience = std::thread::spawn(waits).join().unwrap();
        let asked = std::thread::spawn(move || round(|| patience.ask(|| Poll::Ready(1)))).join().unwrap();
        assert_eq!(asked, Poll::Ready(1));
    }

    #[test]
    fn a_round_ends_with_a_panic_too() {
        let mut patience = Patience::default();
        let panicked = std::panic::catch_unwind(|| round(|| panic!("as tests may")));
        assert!(panicked.is_err());
        assert_eq!(patience.ask(|| Poll::<u8>::Pending), Poll::Pending);
        assert_eq!(patience.ask(|| Poll::Ready(1)), Poll::Ready(1));
    }
}
