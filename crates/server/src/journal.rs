//! What clients sent and what they got, for the tests of whoever wrote the client.
//!
//! Owns the memory of recent exchanges: it is bounded in number and in bytes, the oldest are forgotten, and what was
//! forgotten is counted. Secrets are taken out before anything is kept. It refuses to know what bodies mean.

mod entry;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use interference_faults::Happening;
use tokio::sync::watch;
use tokio::time::timeout;

pub(crate) use entry::Ended;
use entry::Entry;

/// How many exchanges are remembered.
pub(crate) const MOST_ENTRIES: usize = 1_000;

/// How many bytes bodies and heads take, of all exchanges together.
const MOST_BYTES: i64 = 64 << 20;

/// The memory of recent exchanges.
pub(crate) struct Journal {
    memory: Mutex<Memory>,
    /// Told after every change that somebody waits for.
    changed: watch::Sender<()>,
}

/// What the lock protects. It is held for no longer than it takes to put one entry in and to take one out.
#[derive(Default)]
struct Memory {
    entries: VecDeque<Arc<Mutex<Entry>>>,
    /// Another one after every clearing: exchanges that began before count no more.
    counts: Arc<Counts>,
}

/// Counted since the start, or since the last clearing.
#[derive(Default)]
struct Counts {
    /// With those that were forgotten.
    received: AtomicU64,
    ended: AtomicU64,
    /// The memory of bodies and heads, in all entries. Bytes may be taken off before they were added, when an entry is forgotten meanwhile.
    bytes: AtomicI64,
}

/// What a reader of the journal waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// At least so many exchanges.
    pub(crate) count: u64,
    /// Only those that have ended count.
    pub(crate) ended: bool,
    /// No longer than this.
    pub(crate) bound: Duration,
}

impl Journal {
    pub(crate) fn new() -> Journal {
        Journal { memory: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// A request has come, which the server names so. The headers are kept without secrets.
    pub(crate) fn begin(self: &Arc<Journal>, head: &Parts, request_id: &HeaderValue) -> Record {
        let entry = Arc::new(Mutex::new(Entry::new(head, request_id)));
        let mut memory = self.memory();
        let counts = Arc::clone(&memory.counts);
        locked(&entry).number = counts.received.fetch_add(1, Ordering::SeqCst) + 1;
        memory.entries.push_back(Arc::clone(&entry));
        let oldest = if memory.entries.len() > MOST_ENTRIES { memory.entries.pop_front() } else { None };
        drop(memory);
        if let Some(oldest) = oldest {
            counts.forget(&oldest);
        }
        let head_bytes = locked(&entry).kept_bytes();
        self.grew(&counts, head_bytes);
        self.tell();
        Record { journal: Arc::clone(self), entry, counts }
    }

    /// Forgets everything. Exchanges that still run are no longer seen.
    pub(crate) fn clear(&self) {
        let forgotten = std::mem::take(&mut *self.memory());
        for entry in forgotten.entries {
            forgotten.counts.forget(&entry);
        }
        self.tell();
    }

    /// Waits until as many exchanges are there, or for the bound. Returns whether the bound came first.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn wait(&self, awaited: Awaited) -> bool {
        let mut changed = self.changed.subscribe();
        // Beside the one in `tell`: one of the two sees what the other did.
        fence(Ordering::SeqCst);
        let enough = || {
            let counts = Arc::clone(&self.memory().counts);
            (if awaited.ended { &counts.ended } else { &counts.received }).load(Ordering::SeqCst)
                >= awaited.count
        };
        timeout(awaited.bound, changed.wait_for(|()| enough())).await.is_err()
    }

    /// All that is remembered, as JSON.
    pub(crate) fn to_json(&self, timed_out: bool) -> String {
        let (entries, received, ended) = {
            let Memory { entries, counts } = &*self.memory();
            (entries.clone(), counts.received.load(Ordering::SeqCst), counts.ended.load(Ordering::SeqCst))
        };
        let requests: Vec<String> = entries.iter().map(|entry| locked(entry).to_json()).collect();
        let forgotten = received - entries.len() as u64;
        format!(
            "{{\"requests\":[{}],\"received\":{received},\"ended\":{ended},\"forgotten\":{forgotten},\
             \"timed_out\":{timed_out}}}",
            requests.join(",")
        )
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes readers. Who begins to wait after this looked for readers sees the change by itself.
    fn tell(&self) {
        fence(Ordering::SeqCst);
        if self.changed.receiver_count() > 0 {
            self.changed.send_replace(());
        }
    }

    /// What is kept takes so much more memory. The oldest entries go when it is too much.
    fn grew(&self, counts: &Counts, bytes: usize) {
        // Most chunks of a stream find room, and leave alone what all streams share.
        if bytes == 0 {
            return;
        }
        let before = counts.bytes.fetch_add(bytes as i64, Ordering::SeqCst);
        if before + bytes as i64 <= MOST_BYTES {
            return;
        }
        while counts.bytes.load(Ordering::SeqCst) > MOST_BYTES {
            let oldest = {
                let mut memory = self.memory();
                // What was cleared counts no more, and is not to throw out what came after.
                if !std::ptr::eq(&*memory.counts, counts) {
                    return;
                }
                memory.entries.pop_front()
            };
            let Some(oldest) = oldest else { return };
            counts.forget(&oldest);
        }
    }
}

impl Counts {
    fn forget(&self, entry: &Mutex<Entry>) {
        self.bytes.fetch_sub(locked(entry).forget() as i64, Ordering::SeqCst);
    }
}

fn locked(entry: &Mutex<Entry>) -> std::sync::MutexGuard<'_, Entry> {
    entry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One exchange that is being written down. Clones write into the same entry.
#[derive(Clone)]
pub(crate) struct Record {
    journal: Arc<Journal>,
    entry: Arc<Mutex<Entry>>,
    counts: Arc<Counts>,
}

impl Record {
    /// The request's body, so far as it came.
    pub(crate) fn body(&self, body: &Bytes) {
        let kept = locked(&self.entry).set_body(body);
        self.journal.grew(&self.counts, kept);
    }

    /// Status and headers of the answer, as they go out.
    pub(crate) fn head(&self, status: StatusCode, headers: &HeaderMap) {
        let kept = locked(&self.entry).set_head(status, headers);
        self.journal.grew(&self.counts, kept);
    }

    /// Bytes of the answer's body, as they go out.
    pub(crate) fn sent(&self, bytes: &Bytes, now: Instant) {
        let kept = locked(&self.entry).add_sent(bytes, now);
        self.journal.grew(&self.counts, kept);
    }

    /// What faults did to the answer since the last time, and how much they did in all, at least that.
    pub(crate) fn happened(&self, happenings: &[Happening], in_all: u64) {
        locked(&self.entry).add_happened(happenings, in_all);
    }

    /// The exchange is over. Only the first word counts.
    pub(crate) fn end(&self, ended: Ended) {
        if !locked(&self.entry).end(ended) {
            return;
        }
        self.counts.ended.fetch_add(1, Ordering::SeqCst);
        self.journal.tell();
    }
}

/// When something was, as the journal writes it.
#[derive(Debug, Clone, Copy)]
struct Clock {
    wall: SystemTime,
    monotonic: Instant,
}

impl Clock {
    fn now() -> Clock {
        Clock { wall: SystemTime::now(), monotonic: Instant::now() }
    }

    /// Since then, in milliseconds with three digits behind the point.
    fn elapsed_ms(&self) -> f64 {
        self.ms_until(Instant::now())
    }

    /// The same, until this time.
    fn ms_until(&self, time: Instant) -> f64 {
        (time.saturating_duration_since(self.monotonic).as_micros() as f64) / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn head(path: &str) -> Parts {
        let (head, ()) = http::Request::post(path)
            .header("authorization", "Bearer sk-secret")
            .header("X-Api-Key", "sk-secret")
            .header("x-auth-token", "sk-secret")
            .header("x-team", "blue")
            .body(())
            .unwrap()
            .into_parts();
        head
    }

    fn name() -> HeaderValue {
        HeaderValue::from_static("req_1")
    }

    fn read(journal: &Journal) -> Value {
        serde_json::from_str(&journal.to_json(false)).unwrap()
    }

    #[tokio::test]
    async fn an_exchange_is_written_down_without_secrets() {
        let journal = Arc::new(Journal::new());
        let record = journal.begin(
            &head("http://user:sk-secret@localhost/v1/chat/completions?a=b&api_key=sk-secret"),
            &name(),
        );
        record.body(&Bytes::from_static(b"{\"model\":\"m\"}"));
        record.head(StatusCode::OK, &HeaderMap::new());
        record.sent(&Bytes::from_static(b"data: a\n\n"), Instant::now());
        record.sent(&Bytes::from_static(b"data: b\n\n"), Instant::now());
        record.end(Ended::Complete);
        record.end(Ended::ClientGone);
        let read = read(&journal);
        assert!(!read.to_string().contains("sk-secret"), "{read}");
        let request = &read["requests"][0];
        assert_eq!(request["number"], 1);
        assert_eq!(request["request_id"], "req_1");
        assert_eq!(request["method"], "POST");
        assert_eq!(request["path"], "/v1/chat/completions");
        assert_eq!(request["query"], "a=b&api_key=[redacted]");
        assert_eq!(request["headers"]["authorization"], "[redacted]");
        assert_eq!(request["headers"]["x-team"], "blue");
        assert_eq!(request["body"], json!({"model": "m"}));
        assert_eq!(request["answer"]["status"], 200);
        assert_eq!(request["answer"]["body"], "data: a\n\ndata: b\n\n");
        assert_eq!(request["answer"]["body_bytes"], 18);
        assert_eq!(request["ended"], "complete");
        assert_eq!(
            (&read["received"], &read["ended"], &read["forgotten"]),
            (&json!(1), &json!(1), &json!(0))
        );
    }

    #[tokio::test]
    async fn who_waits_is_told_when_enough_has_come() {
        let journal = Arc::new(Journal::new());
        let awaited = Awaited { count: 2, ended: true, bound: Duration::from_secs(60) };
        let reader = tokio::spawn({
            let journal = Arc::clone(&journal);
            async move { journal.wait(awaited).await }
        });
        let records = [journal.begin(&head("/a"), &name()), journal.begin(&head("/b"), &name())];
        records[0].end(Ended::Complete);
        records[1].end(Ended::ClientGone);
        assert!(!reader.await.unwrap());
        let read = read(&journal);
        assert_eq!(read["requests"][1]["ended"], "client_gone");
        assert_eq!(read["received"], 2);
        assert!(journal.wait(Awaited { count: 3, ended: false, bound: Duration::ZERO }).await);
    }

    #[tokio::test]
    async fn memory_is_bounded_and_what_is_forgotten_is_counted() {
        let journal = Arc::new(Journal::new());
        let large = Bytes::from(vec![b' '; 10 << 20]);
        for _ in 0..MOST_ENTRIES + 500 {
            let record = journal.begin(&head("/a"), &name());
            record.head(StatusCode::OK, &HeaderMap::new());
            record.sent(&large, Instant::now());
        }
        let memory_bytes = journal.memory().counts.bytes.load(Ordering::SeqCst);
        assert!(memory_bytes <= MOST_BYTES, "{memory_bytes}");
        let counted: usize = journal.memory().entries.iter().map(|entry| locked(entry).kept_bytes()).sum();
        assert_eq!(counted as i64, memory_bytes);
        let kept = journal.memory().entries.len();
        assert!(kept < MOST_ENTRIES, "{kept}");
        // The rest is small, so that the whole is quickly written.
        for _ in 0..MOST_ENTRIES {
            journal.begin(&head("/a"), &name());
        }
        let read = read(&journal);
        assert_eq!(read["requests"].as_array().unwrap().len(), MOST_ENTRIES);
        assert_eq!(read["forgotten"], MOST_ENTRIES + 500);
    }

    #[tokio::test]
    async fn after_clearing_nothing_of_before_counts() {
        let journal = Arc::new(Journal::new());
        let record = journal.begin(&head("/a"), &name());
        journal.clear();
        record.head(StatusCode::OK, &HeaderMap::new());
        record.sent(&Bytes::from_static(b"late"), Instant::now());
        record.end(Ended::Complete);
        let read = read(&journal);
        assert_eq!(read["requests"], json!([]));
        assert_eq!((&read["received"], &read["ended"]), (&json!(0), &json!(0)));
        // What began before does not throw out what came after, however large it grows.
        journal.begin(&head("/b"), &name());
        record.counts.bytes.store(MOST_BYTES, Ordering::SeqCst);
        record.journal.grew(&record.counts, 1);
        assert_eq!(journal.memory().entries.len(), 1);
        journal.clear();
        assert_eq!(journal.memory().counts.bytes.load(Ordering::SeqCst), 0);
    }
}
