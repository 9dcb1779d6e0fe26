//! When the pieces of an answer are due.
//!
//! Owns the schedule: each piece has its time on the clock, counted from the request, so that late ones do not make
//! the next ones later. It refuses to know what a piece is.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use interference_faults::{DelaySampler, Latency};
use tokio::time::{Instant, Sleep, sleep_until};

/// What is due when an addition of times overflows: in a year.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The schedule of one answer.
pub(crate) struct Pace {
    start: Instant,
    /// Before the first piece; taken when that was waited for.
    first: Option<DelaySampler>,
    between: Option<DelaySampler>,
    is_first: bool,
    /// When the piece at hand is due, after the start.
    due: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether `sleep` waits for the piece at hand.
    is_set: bool,
}

impl Pace {
    /// The schedule of an answer that was asked for at `start`; none if there is nothing to wait for.
    pub(crate) fn new(latency: Option<&Latency>, start: Instant, seed: u64) -> Option<Pace> {
        let latency = latency.filter(|latency| !latency.is_empty())?;
        Some(Pace {
            start,
            first: latency.first_token.as_ref().map(|delay| delay.sampler(seed)),
            between: latency.between_tokens.as_ref().map(|delay| delay.sampler(seed)),
            is_first: true,
            due: Duration::ZERO,
            sleep: None,
            is_set: false,
        })
    }

    /// The time at which the next piece is due.
    fn next_due(&mut self) -> Instant {
        let sampler = if std::mem::take(&mut self.is_first) { &mut self.first } else { &mut self.between };
        let delay = sampler.as_mut().and_then(Iterator::next).unwrap_or_default();
        self.due = self.due.saturating_add(delay);
        self.start.checked_add(self.due).unwrap_or_else(|| self.start + FAR_AWAY)
    }

    /// Waits until the next piece is due.
    pub(crate) fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.is_set {
            let due = self.next_due();
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(due),
                None => self.sleep = Some(Box::pin(sleep_until(due))),
            }
            self.is_set = true;
        }
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(context));
        }
        self.is_set = false;
        Poll::Ready(())
    }

    /// Waits until so many pieces would have been told.
    ///
    /// # Cancellation
    /// Safe: nothing is lost when the future is dropped.
    pub(crate) async fn all(mut self: Box<Self>, pieces: usize) {
        let mut due = self.start;
        for _ in 0..pieces {
            due = self.next_due();
        }
        sleep_until(due).await;
    }
}
