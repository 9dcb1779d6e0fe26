//! Where recordings are found by what was asked.
//!
//! Owns the order in which several that match answer: each once, in the order of their names, and the last of them from
//! then on. One lock is around all of it, so that requests that come at once get one each. Refuses to know how
//! requests are read, and how answers are played.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interference_backend::ModelCard;
use interference_cassette::{LARGEST_FOLDER, Outcome};

use crate::models::ToldModels;
use crate::nearest::MOST_COMPARED;
use crate::request_key::RequestKey;

/// Something that can be played.
#[derive(Debug)]
pub(crate) struct Playable {
    /// The name of its file.
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
}

/// A request that is known, and the first recording of it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) key: Arc<RequestKey>,
}

/// Whether there was space for a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// It stands there.
    Found,
    /// It does not.
    None,
}

/// All recordings, with up to so many bytes in their bodies: as many as a folder has that is read.
#[derive(Debug)]
pub(crate) struct Shelf {
    bytes_max: u64,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: u64,
    groups: HashMap<Arc<RequestKey>, Group>,
    /// By path and method, for those whose requests match none.
    endpoints: BTreeMap<(String, String), Vec<Known>>,
    models: ToldModels,
    count: u64,
}

/// Recordings of requests that are alike, at least one.
#[derive(Debug, Default)]
struct Group {
    recordings: Vec<Arc<Playable>>,
    /// How many requests were answered.
    answered: usize,
}

impl Default for Shelf {
    fn default() -> Shelf {
        Shelf { bytes_max: LARGEST_FOLDER, content: Mutex::default() }
    }
}

impl Shelf {
    /// Puts a recording, with so many bytes in its bodies, behind those that are there.
    pub(crate) fn add(&self, key: RequestKey, playable: Playable, bytes: u64) -> Space {
        let key = Arc::new(key);
        let mut content = self.content();
        if content.bytes.saturating_add(bytes) > self.bytes_max {
            return Space::None;
        }
        content.bytes += bytes;
        content.models.note(&key, &playable.outcome);
        content.count += 1;
        let group = content.groups.entry(Arc::clone(&key)).or_default();
        let is_first = group.recordings.is_empty();
        let name = playable.name.clone();
        group.recordings.push(Arc::new(playable));
        if is_first {
            let endpoint = (key.path.clone(), key.method.to_string());
            content.endpoints.entry(endpoint).or_default().push(Known { name, key });
        }
        Space::Found
    }

    /// The recording whose turn it is.
    pub(crate) fn take(&self, key: &RequestKey) -> Option<Arc<Playable>> {
        let mut content = self.content();
        let group = content.groups.get_mut(key)?;
        let turn = group.answered.min(group.recordings.len().checked_sub(1)?);
        group.answered = turn + 1;
        group.recordings.get(turn).map(Arc::clone)
    }

    /// Requests to the same endpoint, the first [`MOST_COMPARED`] of them.
    pub(crate) fn known(&self, key: &RequestKey) -> Vec<Known> {
        let content = self.content();
        let endpoint = (key.path.clone(), key.method.to_string());
        let known = content.endpoints.get(&endpoint).map_or(&[][..], Vec::as_slice);
        known[..known.len().min(MOST_COMPARED)].to_vec()
    }

    /// Every endpoint that something was recorded of, such as `POST /embeddings`; the first so many.
    pub(crate) fn endpoints(&self, most: usize) -> Vec<String> {
        let content = self.content();
        content.endpoints.keys().take(most).map(|(path, method)| format!("{method} {path}")).collect()
    }

    /// The models that recordings tell of.
    pub(crate) fn models(&self) -> Vec<ModelCard> {
        self.content().models.cards().to_vec()
    }

    /// How many recordings there are.
    pub(crate) fn count(&self) -> u64 {
        self.content().count
    }

    /// Nothing that is done under the lock can leave it in disorder.
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{HeaderMap, Method};
    use interference_cassette::{FailureKind, RecordedFailure};

    use super::*;
    use crate::replay_backend::ReplayOptions;
    use crate::request_key::RequestParts;

    #[test]
    fn what_has_no_space_is_not_found() {
        let shelf = Shelf { bytes_max: 10, ..Shelf::default() };
        let key = |path| {
            let (method, headers, body) = (&Method::GET, &HeaderMap::new(), &Bytes::new());
            RequestKey::of(
                &RequestParts { method, path, query: None, headers, body },
                &ReplayOptions::default(),
            )
        };
        let failure = RecordedFailure {
            kind: FailureKind::Broken,
            code: String::new(),
            message: String::new(),
            at: Duration::ZERO,
        };
        for (path, bytes, space) in
            [("/a", 6, Space::Found), ("/b", 5, Space::None), ("/c", 4, Space::Found), ("/d", 1, Space::None)]
        {
            let playable = Playable { name: path.to_owned(), outcome: Outcome::Failed(failure.clone()) };
            assert_eq!(shelf.add(key(path), playable, bytes), space, "{path}");
            assert_eq!(shelf.take(&key(path)).is_some(), space == Space::Found, "{path}");
        }
        assert_eq!(shelf.count(), 2);
    }
}
