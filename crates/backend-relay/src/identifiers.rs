//! Which upstream gave which id, so that what was created somewhere is asked for there.
//!
//! Owns a bounded memory of places. A place is the path of a POST with the id behind it that the answer had:
//! `/responses/resp_1`. No other path is an upstream's to claim, whatever its ids look like. It refuses to know how an id
//! is found in an answer (`sight.rs`), and what it stands for.

mod reader;
mod sight;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;

pub use sight::LOOKED_AT;
pub(crate) use sight::Sight;

/// How many ids are remembered; the oldest are forgotten first.
pub const MOST_IDENTIFIERS: usize = 10_000;

/// How long the path of what was created may be, in bytes, with the id at its end.
const LONGEST_PLACE: usize = 512;

/// The places of what was created, and who has it.
#[derive(Default)]
pub(crate) struct Identifiers(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    members: HashMap<Arc<str>, usize>,
    order: VecDeque<Arc<str>>,
}

impl Identifiers {
    /// The member that has what is at a path, or at a place above it.
    pub(crate) fn member_in(&self, path: &str) -> Option<usize> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        let mut places = ends.take_while(|end| *end <= LONGEST_PLACE).filter_map(|end| path.get(..end));
        places.find_map(|place| memory.members.get(place).copied())
    }

    /// The member that made what has this id, when it was asked to at this path.
    pub(crate) fn member_with(&self, collection: &str, id: &str) -> Option<usize> {
        // A place above it would be another's.
        if id.contains('/') { None } else { self.member_in(&format!("{collection}/{id}")) }
    }

    /// Where the ids of answers to this request belong, if it may create something.
    pub(crate) fn collection(self: &Arc<Self>, method: &Method, path: &str) -> Option<Collection> {
        let path = path.trim_end_matches('/');
        may_create(method, path).then(|| Collection { identifiers: Arc::clone(self), path: path.to_owned() })
    }

    fn remember(&self, collection: &str, id: &str, member: usize) {
        let place = format!("{collection}/{id}");
        if id.is_empty() || id.contains('/') || place.len() > LONGEST_PLACE {
            return;
        }
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place: Arc<str> = Arc::from(place);
        if memory.members.insert(Arc::clone(&place), member).is_none() {
            memory.order.push_back(place);
        }
        if memory.order.len() > MOST_IDENTIFIERS
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.members.remove(&oldest);
        }
    }
}

/// Whether the answer to a request may have the id of something that it created.
pub(crate) fn may_create(method: &Method, path: &str) -> bool {
    method == Method::POST && !path.trim_end_matches('/').is_empty()
}

/// Where what a request creates is found again.
pub(crate) struct Collection {
    identifiers: Arc<Identifiers>,
    path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let identifiers = Identifiers::default();
        for number in 0..=MOST_IDENTIFIERS {
            identifiers.remember("/files", &format!("id{number}"), number % 3);
        }
        assert_eq!(identifiers.member_in("/files/id0"), None);
        assert_eq!(identifiers.member_in("/files/id1/content"), Some(1));
        identifiers.remember("/files", &"x".repeat(LONGEST_PLACE), 0);
        identifiers.remember("/files", "a/b", 0);
        assert_eq!((identifiers.member_in("/files/a/b"), identifiers.member_in("/files/a")), (None, None));
        assert_eq!(identifiers.0.lock().unwrap().order.len(), MOST_IDENTIFIERS);
    }

    #[test]
    fn an_id_is_known_where_it_was_made_and_nowhere_else() {
        let identifiers = Arc::new(Identifiers::default());
        identifiers.remember("/chat/completions", "completions", 1);
        identifiers.remember("/threads/t/runs", "run_1", 2);
        for (path, member) in [
            ("/chat/completions", None),
            ("/completions", None),
            ("/chat/completions/completions", Some(1)),
            ("/threads/t/runs/run_1/steps", Some(2)),
            ("/threads/t/runs/run_12", None),
            ("/files/run_1", None),
            ("", None),
        ] {
            assert_eq!(identifiers.member_in(path), member, "{path}");
        }
        for (id, member) in [("run_1", Some(2)), ("run_12", None), ("run_1/steps", None), ("", None)] {
            assert_eq!(identifiers.member_with("/threads/t/runs", id), member, "{id}");
        }
        assert!(identifiers.collection(&Method::POST, "/").is_none());
        assert!(identifiers.collection(&Method::PUT, "/files").is_none());
    }
}
