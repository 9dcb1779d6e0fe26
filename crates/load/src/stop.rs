//! The wish that nothing more be sent: of one run, or of several that follow on each other.
//!
//! What was sent by then is waited for as ever. Refuses to know whose wish it is.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Such a wish, which is not taken back.
#[derive(Debug, Default)]
pub struct Stop {
    wished: AtomicBool,
    news: Notify,
}

impl Stop {
    /// From here on nothing more is sent.
    pub fn wish(&self) {
        self.wished.store(true, Ordering::Release);
        self.news.notify_waiters();
    }

    /// Whether nothing more is to be sent.
    pub fn is_wished(&self) -> bool {
        self.wished.load(Ordering::Acquire)
    }

    /// Resolves when nothing more is to be sent.
    pub(crate) async fn wished(&self) {
        // It hears of a wish that comes from here on; one that came before is seen.
        let news = self.news.notified();
        if !self.is_wished() {
            news.await;
        }
    }
}
