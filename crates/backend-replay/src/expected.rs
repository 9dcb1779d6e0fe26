//! Recordings that have ended and are not on the disk yet.
//!
//! Owns which requests they are of. Who asks the same before they are there waits for them instead of asking somebody
//! else: a client has its last byte long before a disk has it. Refuses to know how requests are compared; it goes by their
//! bytes, and one that is taken for another has waited a little, and nothing else.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use interference_backend::Request;
use interference_cassette::RecordedRequest;
use tokio::sync::Notify;

use crate::replay_backend::LARGEST_AT_ONCE;
use crate::request_key::recorded_path;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// How many there are of each request.
    requests: Mutex<HashMap<u64, usize>>,
    /// One of them is there, or will never be.
    changed: Notify,
}

/// One of them, until this is dropped.
pub(crate) struct Expectation {
    expected: Arc<Expected>,
    request: u64,
}

impl Expected {
    /// Expects the recording of a request.
    pub(crate) fn expect(self: &Arc<Expected>, request: &RecordedRequest) -> Expectation {
        let request = mark(&request.method, &request.path, request.query.as_deref(), &request.body);
        *self.requests().entry(request).or_default() += 1;
        Expectation { expected: Arc::clone(self), request }
    }

    /// Waits until no recording of such a request is expected any more.
    pub(crate) async fn arrival(&self, request: &Request) {
        let path = recorded_path(&request.path);
        let request = mark(&request.method, path, request.query.as_deref(), &request.body);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if !self.requests().contains_key(&request) {
                return;
            }
            changed.await;
        }
    }

    /// Nothing that is done under the lock can leave it in disorder.
    fn requests(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        let mut requests = self.expected.requests();
        if let Some(count) = requests.get_mut(&self.request) {
            *count -= 1;
            if *count == 0 {
                requests.remove(&self.request);
            }
        }
        drop(requests);
        self.expected.changed.notify_waiters();
    }
}

/// What a request is known by. Of a long body the beginning and the length are enough.
fn mark(method: &Method, path: &str, query: Option<&str>, body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (method, path, query, body.len()).hash(&mut hasher);
    body[..body.len().min(LARGEST_AT_ONCE)].hash(&mut hasher);
    hasher.finish()
}
