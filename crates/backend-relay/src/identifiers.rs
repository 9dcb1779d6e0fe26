//! Which upstream gave which id, so that what was created somewhere is asked for there.
//!
//! Owns a bounded memory of places, and the look at the beginning of an answer that finds one. A place is the path of a
//! POST with the id behind it that the answer had: `/responses/resp_1`. No other path is an upstream's to claim, whatever
//! its ids look like. Only the top-level `id` of a JSON answer counts, or that of a stream's first event (the Responses
//! API has it one level down, in `response`). It refuses to know what an id stands for.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method};
use interference_backend::is_event_stream;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How many ids are remembered; the oldest are forgotten first.
pub const MOST_IDENTIFIERS: usize = 10_000;

/// How long the path of what was created may be, in bytes, with the id at its end.
const LONGEST_PLACE: usize = 512;

/// How much of an answer's beginning is looked at, in bytes: an id stands near it.
const LOOKED_AT: usize = 16 * 1024;

/// In how many frames it is looked for.
const MOST_LOOKS: u32 = 16;

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
        let creates = method == Method::POST && !path.is_empty();
        creates.then(|| Collection { identifiers: Arc::clone(self), path: path.to_owned() })
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

/// Where what a request creates is found again.
pub(crate) struct Collection {
    identifiers: Arc<Identifiers>,
    path: String,
}

/// A look at the beginning of one answer.
pub(crate) struct Sight {
    collection: Collection,
    member: usize,
    form: Form,
    seen: Vec<u8>,
    looks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Events,
}

impl Sight {
    /// A look at an answer with these headers, if its form can have an id.
    pub(crate) fn new(collection: Collection, member: usize, headers: &HeaderMap) -> Option<Sight> {
        let encoding = headers.get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return None;
        }
        let json =
            headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let form = match json {
            true => Form::Json,
            false if is_event_stream(headers) => Form::Events,
            false => return None,
        };
        Some(Sight { collection, member, form, seen: Vec::new(), looks: 0 })
    }

    /// Looks at the next bytes; a break is the end of looking.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let room = LOOKED_AT - self.seen.len();
        self.seen.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.looks += 1;
        let found = match self.form {
            Form::Json => id_in(&self.seen, Depth::Innermost),
            Form::Events => first_data(&self.seen).and_then(|data| id_in(data, Depth::AboveResponse)),
        };
        if let Some(id) = &found {
            let Collection { identifiers, path } = &self.collection;
            identifiers.remember(path, id, self.member);
        }
        match found.is_some() || self.seen.len() >= LOOKED_AT || self.looks >= MOST_LOOKS {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// What follows the first `data:` at the beginning of a line.
fn first_data(bytes: &[u8]) -> Option<&[u8]> {
    let mut lines = bytes.split(|byte| *byte == b'\n' || *byte == b'\r');
    lines.find_map(|line| line.strip_prefix(b"data:"))
}

/// The `id` of a JSON object, of which perhaps only the beginning is there.
fn id_in(beginning: &[u8], depth: Depth) -> Option<String> {
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(beginning);
    // The error is the rule: the beginning ends anywhere, and reading ends at the id.
    drop(ObjectWithId { found: &mut found, depth }.deserialize(&mut reader));
    found
}

struct ObjectWithId<'f> {
    found: &'f mut Option<String>,
    depth: Depth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// An object whose `response` may have the id.
    AboveResponse,
    /// One in which nothing is looked into.
    Innermost,
}

impl<'de> DeserializeSeed<'de> for ObjectWithId<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ObjectWithId<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match (name.as_str(), self.depth) {
                ("id", _) => {
                    *self.found = Some(members.next_value::<String>()?);
                    return Err(A::Error::custom("found"));
                }
                ("response", Depth::AboveResponse) => {
                    members.next_value_seed(ObjectWithId { found: self.found, depth: Depth::Innermost })?;
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    // Some servers have a text in `response`: what is no object has no id, and is passed over.

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(content_type: &str, frames: &[&[u8]]) -> Option<usize> {
        let identifiers = Arc::new(Identifiers::default());
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        let collection = identifiers.collection(&Method::POST, "/responses/").unwrap();
        if let Some(mut sight) = Sight::new(collection, 7, &headers) {
            let _ = frames.iter().try_for_each(|frame| sight.look(frame));
        }
        identifiers.member_in("/responses/x_1/input_items")
    }

    #[test]
    fn ids_are_found_at_the_top_and_in_first_events() {
        for (content_type, body) in [
            ("application/json", r#"{"id":"x_1","object":"response","output":["#),
            ("application/json; charset=utf-8", r#" {"error": null, "output": [{"id": "y"}], "id": "x_1"}"#),
            ("application/json", r#"{"response":"a text","id":"x_1"}"#),
            ("text/event-stream", "data: {\"response\":\"a text\",\"id\":\"x_1\"}\n\n"),
            ("text/event-stream", "data: {\"response\":[1,{}],\"id\":\"x_1\"}\n\n"),
            ("text/event-stream", ": ping\n\ndata: {\"id\":\"x_1\"}\n\ndata: [DONE]\n\n"),
            (
                "text/event-stream",
                "event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{\"object\":\"response\",\
                 \"id\":\"x_1\"",
            ),
        ] {
            assert_eq!(found(content_type, &[body.as_bytes()]), Some(7), "{body}");
        }
        for (content_type, body) in [
            ("application/json", r#"{"data":[{"id":"x_1"}]}"#),
            ("application/json", r#"{"id":1}"#),
            ("application/json", r#"{"response":{"id":"x_1"}}"#),
            ("application/json", r#"{"metadata":{"response":{"id":"x_1"}}}"#),
            ("text/plain", r#"{"id":"x_1"}"#),
            ("text/event-stream", "data: {\"a\":1}\n\ndata: {\"id\":\"x_1\"}\n\n"),
        ] {
            assert_eq!(found(content_type, &[body.as_bytes()]), None, "{body}");
        }
    }

    #[test]
    fn looking_ends() {
        let padding = format!(r#"{{"a":"{}","id":"x_1"}}"#, "x".repeat(LOOKED_AT));
        assert_eq!(found("application/json", &[padding.as_bytes()]), None);
        let bytes: Vec<&[u8]> = br#"{"a":"0123456789","id":"x_1"}"#.chunks(1).collect();
        assert_eq!(found("application/json", &bytes), None);
    }

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

    proptest! {
        #[test]
        fn frames_may_be_cut_anywhere(cut in 0_usize..40) {
            let body = br#"data: {"id":"x_1","choices":[]}"#;
            let (one, other) = body.split_at(cut.min(body.len()));
            prop_assert_eq!(found("text/event-stream", &[one, other]), Some(7));
        }
    }
}
