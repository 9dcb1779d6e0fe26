//! The connections of one worker that wait for a request.
//!
//! The one that was used last is taken first, so that those which a quiet time leaves over grow old and are closed by the
//! server. Whether one was closed meanwhile is looked at before it is used.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use interference_wire::{Aftermath, Connection};
use tokio::sync::OwnedSemaphorePermit;

/// Connections that wait, at most, for each worker.
const MOST_IDLE: usize = 65_536;

/// Connections that wait.
#[derive(Debug, Default)]
pub(crate) struct Idle(Mutex<Vec<Held>>);

/// A connection, and its place among those that may be open.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) connection: Connection,
    /// How long it took to open it.
    pub(crate) round_trip: Duration,
    #[expect(dead_code, reason = "it is given back when the connection goes")]
    pub(crate) socket: OwnedSemaphorePermit,
}

impl Idle {
    /// One that was open a moment ago; none where a new one is needed.
    pub(crate) async fn take(&self) -> Option<Held> {
        loop {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if held.connection.glance().await == Aftermath::Quiet {
                return Some(held);
            }
        }
    }

    /// Closes one, if there is one, for the sake of a place.
    pub(crate) fn close_one(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().is_some()
    }

    /// Keeps one for later.
    pub(crate) fn give(&self, held: Held) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(held);
        }
    }
}
