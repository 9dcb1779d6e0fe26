//! Where cassettes are written.
//!
//! Owns the folder, the room that recordings under way take together, and the count of what is still to be written.
//! Refuses to know how an answer passes by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use interference_backend::{MeasuredValue, Measurement};
use interference_cassette::{Cassette, Folder};
use tokio::sync::watch;

use crate::replay_backend::ReplayBackend;

/// How much of one exchange is held in memory until it is written, in bytes: 64 MiB.
pub const MOST_HELD: usize = 64 * 1024 * 1024;

/// How much of all exchanges is held together, in bytes: 512 MiB.
pub const MOST_HELD_TOGETHER: usize = 512 * 1024 * 1024;

/// Writes cassettes, and counts.
pub(super) struct Desk {
    folder: Folder,
    /// Who answers from what was written.
    replay: Option<Arc<ReplayBackend>>,
    held: AtomicUsize,
    /// How many cassettes are still to be written.
    waiting: watch::Sender<usize>,
    recorded: AtomicU64,
    left_out: AtomicU64,
    failed: AtomicU64,
}

/// Room that an exchange takes, which is given back when this is dropped.
pub(super) struct Room {
    desk: Arc<Desk>,
    bytes: usize,
}

impl Desk {
    pub(super) fn new(folder: Folder, replay: Option<Arc<ReplayBackend>>) -> Desk {
        Desk {
            folder,
            replay,
            held: AtomicUsize::new(0),
            waiting: watch::Sender::new(0),
            recorded: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Writes an exchange that has ended, on a thread that may wait for a disk where there is a runtime, else at once.
    /// Its room is taken until then.
    pub(super) fn keep(self: &Arc<Desk>, cassette: Cassette, room: Room) {
        let waiting = Waiting::new(Arc::clone(self));
        let write = move || {
            waiting.desk.write(&cassette);
            drop(room);
            drop(waiting);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(write)),
            Err(_) => write(),
        }
    }

    fn write(&self, cassette: &Cassette) {
        match self.folder.write(cassette) {
            Ok(recording) => {
                self.recorded.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(recording = recording.name, "an exchange was recorded");
                if let Some(replay) = &self.replay {
                    replay.add(recording);
                }
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "an exchange could not be recorded");
            }
        }
    }

    /// Notes that an exchange is not recorded.
    pub(super) fn leave_out(&self, reason: &str) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("an answer is not recorded: {reason}");
    }

    /// Room for an exchange, which takes none yet.
    pub(super) fn room(self: &Arc<Desk>) -> Room {
        Room { desk: Arc::clone(self), bytes: 0 }
    }

    pub(super) async fn written(&self) {
        // An error would mean that there is no sender, which `self` holds.
        let _ = self.waiting.subscribe().wait_for(|count| *count == 0).await;
    }

    pub(super) fn measurements(&self) -> Vec<Measurement> {
        let counter = |name, help, value: &AtomicU64| Measurement {
            name,
            help,
            value: MeasuredValue::Counter(value.load(Ordering::Relaxed)),
        };
        vec![
            counter("exchanges_recorded", "Exchanges that were recorded", &self.recorded),
            counter(
                "exchanges_left_out",
                "Exchanges that were not recorded, being too large or of events",
                &self.left_out,
            ),
            counter("recordings_not_written", "Recordings that could not be written", &self.failed),
        ]
    }
}

impl Room {
    /// Takes more room, if there is any within the bounds.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        if self.bytes.saturating_add(bytes) > MOST_HELD {
            return false;
        }
        let held = self.desk.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        held.saturating_add(bytes) <= MOST_HELD_TOGETHER
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.desk.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Counts a cassette that is to be written, until it was, or nobody will.
struct Waiting {
    desk: Arc<Desk>,
}

impl Waiting {
    fn new(desk: Arc<Desk>) -> Waiting {
        desk.waiting.send_modify(|count| *count += 1);
        Waiting { desk }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.desk.waiting.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use interference_cassette::Redaction;

    use super::*;

    #[test]
    fn room_has_a_bound_for_each_and_for_all_and_comes_back() {
        let place = tempfile::tempdir().unwrap();
        let desk = Arc::new(Desk::new(Folder::open(place.path(), Redaction::default()).unwrap(), None));
        let mut rooms: Vec<Room> = (0..MOST_HELD_TOGETHER / MOST_HELD).map(|_| desk.room()).collect();
        for room in &mut rooms {
            assert!(room.take(MOST_HELD - 1) && room.take(1) && !room.take(1));
        }
        assert!(!desk.room().take(1));
        rooms.pop();
        assert!(desk.room().take(MOST_HELD));
        assert!(desk.room().take(MOST_HELD));
    }
}
