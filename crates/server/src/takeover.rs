//! The way of an answer around the HTTP library.
//!
//! An HTTP library cannot break its own rules: it sends no reset, no wrong length, and none of its chunks is cut off.
//! So an answer with faults leaves it: the handler hands the answer to the task of its connection, which takes the
//! socket back from the library, writes the answer byte by byte, and gives the socket to the library again if the
//! connection may live on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::faulted_answer::FaultedAnswer;

/// Where a handler puts such an answer, and where the task of the connection, which polls the handler, looks for one
/// afterwards. Each connection has one place, for one request at a time.
#[derive(Clone, Default)]
pub(crate) struct Takeover(Arc<Mutex<Option<Box<FaultedAnswer>>>>);

impl Takeover {
    /// Hands over the answer. Never returns: the task of the connection drops whoever waits here.
    pub(crate) async fn hand_over(self, answer: Box<FaultedAnswer>) -> std::convert::Infallible {
        *self.place() = Some(answer);
        std::future::pending().await
    }

    /// The answer, if one was handed over since the last time.
    pub(crate) fn answer(&self) -> Option<Box<FaultedAnswer>> {
        self.place().take()
    }

    fn place(&self) -> MutexGuard<'_, Option<Box<FaultedAnswer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
