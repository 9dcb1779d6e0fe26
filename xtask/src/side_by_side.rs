//! One work for many items, some of them at a time.
//!
//! Owns the threads, and the order of what comes out. Refuses to know what the work is, and whether it went well.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does the work for each item, `jobs` at a time but at least one. Items are begun in their order, and the outcomes are
/// in it, too.
pub(crate) fn side_by_side<Item: Send, Outcome: Send>(
    jobs: usize,
    items: Vec<Item>,
    work: impl Fn(Item) -> Outcome + Sync,
) -> Vec<Outcome> {
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(items.iter().map(|_| None).collect());
    let waiting = Mutex::new(items.into_iter().enumerate());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some((place, item)) = next() {
                    let outcome = work(item);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn outcomes_are_in_the_order_of_the_items_whoever_ends_first() {
        // The first ends when the third has begun, which is when the second has ended.
        let meeting = Barrier::new(2);
        let outcomes = side_by_side(2, vec![1, 2, 3], |number| {
            if number != 2 {
                meeting.wait();
            }
            number * 10
        });
        assert_eq!(outcomes, [10, 20, 30]);
        assert_eq!(side_by_side(0, vec![4], |number| number), [4]);
    }
}
