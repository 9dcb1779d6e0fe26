//! A future that is left alone until it asks to be polled.
//!
//! Owns the wakers between a future and the task that waits for it, along with much else. A task that is woken for every
//! chunk would otherwise ask each time whether the server goes down and whether the time is over, and each answer takes
//! a lock that all connections share. It refuses to know what is waited for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// Such a future. It must not be polled again once it has resolved.
pub(crate) struct Dozing<T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    call: Arc<Call>,
    /// The same, as the future gets it.
    waker: Waker,
}

/// What the future says when it wants to be polled.
struct Call {
    is_due: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Call {
    fn wake(self: Arc<Call>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Call>) {
        self.is_due.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<T> Dozing<T> {
    /// Over this future, which is polled for the first time when this is.
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Dozing<T> {
        let call = Arc::new(Call { is_due: AtomicBool::new(true), task: AtomicWaker::new() });
        Dozing { future: Box::pin(future), waker: Waker::from(Arc::clone(&call)), call }
    }
}

impl<T> Future for Dozing<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let dozing = &mut *self;
        // First, so that a call that comes meanwhile finds the task, or is seen here.
        dozing.call.task.register(context.waker());
        if !dozing.call.is_due.swap(false, Ordering::Acquire) {
            return Poll::Pending;
        }
        dozing.future.as_mut().poll(&mut Context::from_waker(&dozing.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    /// How often a future was polled until now, and one that counts it and resolves when it is told to.
    fn counted() -> (Arc<AtomicUsize>, oneshot::Sender<u8>, Dozing<u8>) {
        let (polls, (sender, mut receiver)) = (Arc::new(AtomicUsize::new(0)), oneshot::channel());
        let counter = Arc::clone(&polls);
        let future = std::future::poll_fn(move |context| {
            counter.fetch_add(1, Ordering::Relaxed);
            receiver.poll_unpin(context).map(Result::unwrap)
        });
        (polls, sender, Dozing::new(future))
    }

    #[tokio::test]
    async fn it_is_polled_when_it_has_called_and_not_before() {
        let (polls, sender, mut dozing) = counted();
        for _ in 0..3 {
            assert_eq!((&mut dozing).now_or_never(), None);
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        sender.send(7).unwrap();
        assert_eq!(dozing.await, 7);
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn the_task_that_polled_last_is_woken() {
        let (polls, sender, mut dozing) = counted();
        assert_eq!((&mut dozing).now_or_never(), None);
        let waiting = tokio::spawn(dozing);
        tokio::task::yield_now().await;
        sender.send(7).unwrap();
        assert_eq!(waiting.await.unwrap(), 7);
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }
}
