//! The calls that fixtures make, by which results of tools are known.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{Node, Value};

/// The calls of all fixtures.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The tool of each call that has an id.
    by_id: BTreeMap<String, String>,
    tools: BTreeSet<String>,
}

impl Calls {
    /// Those of these fixtures.
    pub(super) fn of<'n>(fixtures: impl Iterator<Item = &'n Node>) -> Calls {
        let mut calls = Calls::default();
        let responses = fixtures.filter_map(|fixture| fixture.get("response"));
        let lists = responses.flat_map(|response| [response.get("toolCalls"), response.get("blocks")]);
        for list in lists.flatten() {
            let Value::List(list) = &list.value else { continue };
            for call in list {
                let Some(name) = call.get("name").and_then(Node::as_text) else { continue };
                calls.tools.insert(name.to_owned());
                if let Some(id) = call.get("id").and_then(Node::as_text) {
                    calls.by_id.insert(id.to_owned(), name.to_owned());
                }
            }
        }
        calls
    }

    /// The tool of the call that has this id.
    pub(super) fn tool(&self, id: &str) -> Option<&str> {
        self.by_id.get(id).map(String::as_str)
    }

    /// All tools that are called, by name.
    pub(super) fn tools(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tools.iter().map(String::as_str)
    }
}
