//! JSON as a tree, within bounds.
//!
//! Owns that a tree is weighed while it is read, and that of several members of one name the last counts, as it does
//! for JavaScript and Python. It refuses to know what a document is about.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Number};

use crate::tree::{HEAVIEST_TREE, Member, NODE_WEIGHT, Node, Value};

/// The tree of a text. Nodes have no lines.
///
/// # Errors
/// Where it is no JSON, or passes a bound.
pub(crate) fn read(text: &str) -> Result<Node, serde_json::Error> {
    let weight = Cell::new(0);
    let mut deserializer = Deserializer::from_str(text);
    let node = Reader { weight: &weight }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(node)
}

/// Reads a node, and what is in it.
#[derive(Clone, Copy)]
struct Reader<'w> {
    /// Of the tree so far.
    weight: &'w Cell<usize>,
}

impl Reader<'_> {
    fn node<E: Error>(self, value: Value, text_bytes: usize) -> Result<Node, E> {
        self.weight.set(self.weight.get().saturating_add(NODE_WEIGHT + text_bytes));
        if self.weight.get() > HEAVIEST_TREE {
            return Err(E::custom(format!("its tree is heavier than {HEAVIEST_TREE} bytes; split it")));
        }
        Ok(Node { line: None, value })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.node(Value::Null, 0)
    }

    fn visit_bool<E: Error>(self, switch: bool) -> Result<Node, E> {
        self.node(Value::Switch(switch), 0)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
        self.node(Value::Number(number.into(), None), 0)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
        self.node(Value::Number(number.into(), None), 0)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
        self.node(Number::from_f64(number).map_or(Value::Null, |number| Value::Number(number, None)), 0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        self.node(Value::Text(text.to_owned()), text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        self.node(Value::List(list), 0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut members: Vec<Member> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        while let Some(name) = entries.next_key::<String>()? {
            let member = entries.next_value_seed(self)?;
            let place = *places.entry(name.clone()).or_insert(members.len());
            match members.get_mut(place) {
                Some((_, earlier)) => *earlier = member,
                None => members.push((name, member)),
            }
        }
        self.node(Value::Members(members), 0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_comes_back_as_it_was() {
        let value = json!({"b": [1, -2.5, null, true, u64::MAX], "a": {"é": "\u{1f600}\n"}});
        assert_eq!(read(&value.to_string()).unwrap().to_json(), value);
    }

    #[test]
    fn the_last_of_one_name_counts() {
        let node = read(r#"{"a": 1, "b": 2, "a": 3}"#).unwrap();
        assert_eq!(node.to_json().to_string(), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn the_tree_is_bounded() {
        let text = format!("[{}0]", "0,".repeat(HEAVIEST_TREE / NODE_WEIGHT));
        let error = read(&text).unwrap_err().to_string();
        assert!(error.starts_with("its tree is heavier than 268435456 bytes"), "{error}");
        assert!(read(&"[".repeat(1_000)).is_err());
        assert!(read("1 2").is_err());
    }
}
