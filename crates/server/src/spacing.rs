//! Has the HTTP library send each piece of a stream alone, or those together that are there at the same time.
//!
//! The library collects what is ready at the same time, and sends it when it is told that nothing more is there. So
//! between two pieces that are to be apart it is told that. Who has only one piece at a time, as a model does, is asked
//! no more often than without, and never twice in one round. It refuses to know what the pieces are.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;

use crate::rounds::Patience;

/// Which pieces are sent together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spacing {
    /// None.
    EachAlone,
    /// Those that are ready at the same time. Each stays a chunk of its own.
    AsTheyCome,
}

/// Gives pieces so spaced. To be alone, one that is ready while the piece before has not been sent waits, and asks for
/// another poll. So does an error in any case, also the first of all, since the library drops what it has not sent when it
/// meets one, and be it the head. The end follows at once.
pub(crate) struct Spaced<S: Stream> {
    stream: S,
    spacing: Spacing,
    /// The piece before may be unsent.
    given: bool,
    /// What was ready too early: never more than one piece.
    early: Option<S::Item>,
    patience: Patience,
}

impl<S: Stream> Spaced<S> {
    /// Of this stream.
    pub(crate) fn new(stream: S, spacing: Spacing) -> Spaced<S> {
        Spaced { stream, spacing, given: false, early: None, patience: Patience::default() }
    }
}

impl<S, T, E> Stream for Spaced<S>
where
    S: Stream<Item = Result<T, E>> + Unpin,
    T: Unpin,
    E: Unpin,
{
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T, E>>> {
        let next = match self.early.take() {
            Some(early) => Some(early),
            None => {
                let spaced = &mut *self;
                let given = std::mem::take(&mut spaced.given);
                let stream = Pin::new(&mut spaced.stream);
                let next = ready!(spaced.patience.ask(|| stream.poll_next(context)));
                let waits = match next {
                    Some(Ok(_)) => given && self.spacing == Spacing::EachAlone,
                    Some(Err(_)) => true,
                    None => false,
                };
                if waits {
                    self.early = next;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                next
            }
        };
        self.given = next.is_some();
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use futures::{StreamExt, stream};

    use super::*;

    type Piece = Result<u8, &'static str>;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What each poll gives, to the end, and how often another one was asked for.
    fn polls(spacing: Spacing, items: Vec<Poll<Piece>>) -> (Vec<Poll<Option<Piece>>>, usize) {
        let mut items = items.into_iter();
        let source = stream::poll_fn(move |_| match items.next() {
            Some(Poll::Ready(item)) => Poll::Ready(Some(item)),
            Some(Poll::Pending) => Poll::Pending,
            None => Poll::Ready(None),
        });
        let (mut spaced, wakes) = (Spaced::new(source, spacing), Arc::new(Wakes::default()));
        let waker = Arc::clone(&wakes).into();
        let mut context = Context::from_waker(&waker);
        let mut polls = Vec::new();
        while polls.last() != Some(&Poll::Ready(None)) {
            polls.push(spaced.poll_next_unpin(&mut context));
        }
        (polls, wakes.0.load(Ordering::Relaxed))
    }

    #[test]
    fn between_two_that_are_ready_there_is_a_pause() {
        let (given, wakes) = polls(Spacing::EachAlone, vec![Poll::Ready(Ok(1)), Poll::Ready(Ok(2))]);
        let expected = [Poll::Ready(Some(Ok(1))), Poll::Pending, Poll::Ready(Some(Ok(2))), Poll::Ready(None)];
        assert_eq!((given.as_slice(), wakes), (expected.as_slice(), 1));
    }

    #[test]
    fn one_that_comes_late_costs_no_poll_more() {
        let (given, wakes) =
            polls(Spacing::EachAlone, vec![Poll::Ready(Ok(1)), Poll::Pending, Poll::Ready(Ok(2))]);
        let expected = [Poll::Ready(Some(Ok(1))), Poll::Pending, Poll::Ready(Some(Ok(2))), Poll::Ready(None)];
        assert_eq!((given.as_slice(), wakes), (expected.as_slice(), 0));
    }

    #[test]
    fn what_comes_together_may_stay_together() {
        let (given, wakes) = polls(Spacing::AsTheyCome, vec![Poll::Ready(Ok(1)), Poll::Ready(Ok(2))]);
        let expected = [Poll::Ready(Some(Ok(1))), Poll::Ready(Some(Ok(2))), Poll::Ready(None)];
        assert_eq!((given.as_slice(), wakes), (expected.as_slice(), 0));
    }

    #[test]
    fn before_an_error_there_is_a_pause() {
        for spacing in [Spacing::EachAlone, Spacing::AsTheyCome] {
            let (given, wakes) = polls(spacing, vec![Poll::Ready(Err("broken"))]);
            let expected = [Poll::Pending, Poll::Ready(Some(Err("broken"))), Poll::Ready(None)];
            assert_eq!((given.as_slice(), wakes), (expected.as_slice(), 1), "{spacing:?}");
        }
    }
}
