//! Where cassettes are written.
//!
//! Owns the folder, the room that recordings under way take together, and the order in which they are written, which is
//! that of their ends: a client that asks the same twice must find its answers in that order.
//! Refuses to know how an answer passes by.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use interference_backend::{MeasuredValue, Measurement};
use interference_cassette::{Cassette, Folder};
use tokio::sync::watch;

use crate::expected::Expectation;
use crate::replay_backend::ReplayBackend;

/// How much of one exchange is held in memory until it is written, in bytes: 64 MiB.
pub const MOST_HELD: usize = 64 * 1024 * 1024;

/// How much of all exchanges is held together, in bytes: 512 MiB. The one that is being written takes several times its own
/// size beside that, as a text and as what is read of it again; there is never more than one.
pub const MOST_HELD_TOGETHER: usize = 512 * 1024 * 1024;

/// How long is waited for the disk when nothing more is recorded: 10 seconds.
pub const LONGEST_FLUSH: Duration = Duration::from_secs(10);

/// Writes cassettes, and counts.
pub(super) struct Desk {
    folder: Folder,
    /// Who answers from what was written.
    replay: Option<Arc<ReplayBackend>>,
    held: AtomicUsize,
    queue: Mutex<Queue>,
    /// How many exchanges of the queue are still to be written, the one at hand among them.
    waiting: watch::Sender<usize>,
    recorded: AtomicU64,
    left_out: AtomicU64,
    failed: AtomicU64,
}

/// Exchanges that have ended, the first of them first. Bounded by the room that they take.
#[derive(Default)]
struct Queue {
    exchanges: VecDeque<(Cassette, Room, Waiting)>,
    /// Whether somebody is there who writes until the queue is empty.
    has_writer: bool,
}

/// Room that an exchange takes, which is given back when this is dropped.
pub(super) struct Room {
    desk: Arc<Desk>,
    bytes: usize,
}

/// One exchange among those that are still to be written, until this is dropped.
struct Waiting {
    desk: Arc<Desk>,
    /// Of whoever answers from what is written.
    _expectation: Option<Expectation>,
}

impl Desk {
    pub(super) fn new(folder: Folder, replay: Option<Arc<ReplayBackend>>) -> Desk {
        Desk {
            folder,
            replay,
            held: AtomicUsize::new(0),
            queue: Mutex::default(),
            waiting: watch::Sender::new(0),
            recorded: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Has an exchange written that has ended, behind those that have ended before: on a thread that may wait for a disk
    /// where there is a runtime, else at once. Its room is taken until then.
    pub(super) fn keep(self: &Arc<Desk>, cassette: Cassette, room: Room) {
        let waiting = self.one_more(&cassette);
        let has_writer = {
            let mut queue = self.queue();
            queue.exchanges.push_back((cassette, room, waiting));
            std::mem::replace(&mut queue.has_writer, true)
        };
        if has_writer {
            return;
        }
        let writer = Writer { desk: Arc::clone(self), is_done: false };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(|| writer.run())),
            Err(_) => writer.run(),
        }
    }

    /// The exchange to be written next. Where there is none, the writer has gone.
    fn next(&self) -> Option<(Cassette, Room, Waiting)> {
        let mut queue = self.queue();
        let exchange = queue.exchanges.pop_front();
        queue.has_writer = exchange.is_some();
        exchange
    }

    /// Nothing that is done under the lock can leave it in disorder.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Counts an exchange that is to be written.
    fn one_more(self: &Arc<Desk>, cassette: &Cassette) -> Waiting {
        self.waiting.send_modify(|count| *count += 1);
        let expectation = self.replay.as_ref().and_then(|replay| replay.expect(cassette));
        Waiting { desk: Arc::clone(self), _expectation: expectation }
    }

    /// Waits until all is written, for [`LONGEST_FLUSH`] at most; gives up what is not, and tells how many that are.
    pub(super) async fn written(&self) -> usize {
        let mut waiting = self.waiting.subscribe();
        let all = waiting.wait_for(|count| *count == 0);
        if tokio::time::timeout(LONGEST_FLUSH, all).await.is_ok() {
            return 0;
        }
        let lost = *self.waiting.borrow();
        let left = std::mem::take(&mut self.queue().exchanges);
        left.iter().for_each(|_| self.leave_out("the disk does not take it in time"));
        lost
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
                "Exchanges that were not recorded, such as those that are too large",
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

impl Drop for Waiting {
    fn drop(&mut self) {
        self.desk.waiting.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Writes what is in the queue until that is empty; there is one at most.
struct Writer {
    desk: Arc<Desk>,
    is_done: bool,
}

impl Writer {
    fn run(mut self) {
        while let Some((cassette, room, waiting)) = self.desk.next() {
            self.desk.write(&cassette);
            drop(room);
            drop(waiting);
        }
        self.is_done = true;
    }
}

/// A runtime that ends may never run a writer: nobody waits for it then, and the next exchange gets another.
impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_done {
            let left = std::mem::take(&mut *self.desk.queue());
            left.exchanges.iter().for_each(|_| self.desk.leave_out("whoever was to write it is gone"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::SystemTime;

    use http::{HeaderMap, Method};
    use interference_cassette::{FailureKind, Outcome, RecordedFailure, RecordedRequest, Redaction};
    use tokio::time::Instant;

    use super::*;

    fn desk(folder: &Path) -> Arc<Desk> {
        Arc::new(Desk::new(Folder::open(folder, Redaction::default()).unwrap(), None))
    }

    fn exchange() -> Cassette {
        let request = RecordedRequest {
            method: Method::GET,
            path: "/models".to_owned(),
            query: None,
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
        };
        let failure = RecordedFailure {
            kind: FailureKind::Broken,
            code: "upstream_unreachable".to_owned(),
            message: String::new(),
            at: Duration::ZERO,
        };
        let outcome = Outcome::Failed(failure);
        Cassette { recorded_at: SystemTime::UNIX_EPOCH, upstream: None, request, outcome }
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_takes_nothing_is_waited_for_so_long_and_what_is_lost_is_told() {
        let place = tempfile::tempdir().unwrap();
        let desk = desk(place.path());
        // One that hangs.
        desk.queue().has_writer = true;
        for _ in 0..2 {
            let mut room = desk.room();
            assert!(room.take(MOST_HELD));
            desk.keep(exchange(), room);
        }
        let start = Instant::now();
        assert_eq!(desk.written().await, 2);
        assert_eq!(start.elapsed(), LONGEST_FLUSH);
        assert_eq!(desk.left_out.load(Ordering::Relaxed), 2);
        assert_eq!(desk.held.load(Ordering::Relaxed), 0);
        assert_eq!(desk.written().await, 0);
    }

    #[test]
    fn a_writer_that_goes_takes_nothing_along_but_what_was_in_its_queue() {
        let place = tempfile::tempdir().unwrap();
        let desk = desk(place.path());
        // It has counted itself, and stands in no queue yet.
        let other = desk.one_more(&exchange());
        desk.queue().exchanges.push_back((exchange(), desk.room(), desk.one_more(&exchange())));
        drop(Writer { desk: Arc::clone(&desk), is_done: false });
        assert_eq!(*desk.waiting.borrow(), 1);
        drop(other);
        assert_eq!(*desk.waiting.borrow(), 0);
    }

    #[test]
    fn room_has_a_bound_for_each_and_for_all_and_comes_back() {
        let place = tempfile::tempdir().unwrap();
        let desk = desk(place.path());
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
