//! A document as a tree, whatever it was written in, and members that are taken from it one by one.
//!
//! Owns the form of the tree, and the rule that nothing is passed over in silence: what nobody took out of [`Members`]
//! is noted when they end, and what is of the wrong type is told. It refuses to know how a document is written, and what its members mean.

use base64::DecodeError;
use serde_json::Number;

use crate::notes::{Notes, Unfit};

/// How heavy a tree may become: the bytes of its texts, and 64 for each node, copies by aliases included. 256 MiB.
pub const HEAVIEST_TREE: usize = 256 * 1024 * 1024;

/// What a node weighs beside its text, in bytes.
pub(crate) const NODE_WEIGHT: usize = 64;

/// A value, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// The line, from 1; none where the format's reader does not tell.
    pub(crate) line: Option<usize>,
    pub(crate) value: Value,
}

/// A member of an object.
pub(crate) type Member = (String, Node);

/// What a node says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Switch(bool),
    /// With its letters, where they are others than JSON has for it.
    Number(Number, Option<Box<str>>),
    Text(String),
    /// Of YAML's `!!binary`.
    Bytes(Vec<u8>),
    /// What should be such bytes, and is not: it costs the entry that it stands in, and not the file.
    Undecoded(DecodeError),
    List(Vec<Node>),
    Members(Vec<Member>),
}

impl Value {
    /// The number, if it is one that is not negative.
    pub(crate) fn as_amount(&self) -> Option<f64> {
        match self {
            Value::Number(number, _) => number.as_f64().filter(|amount| amount.is_finite() && *amount >= 0.0),
            _ => None,
        }
    }
}

impl Node {
    /// The node as JSON, as short as it can be written. Bytes are their text, broken characters replaced.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null | Value::Undecoded(_) => serde_json::Value::Null,
            Value::Switch(switch) => (*switch).into(),
            Value::Number(number, _) => number.clone().into(),
            Value::Text(text) => text.as_str().into(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into(),
            Value::List(list) => list.iter().map(Node::to_json).collect(),
            Value::Members(members) => serde_json::Value::Object(
                members.iter().map(|(name, node)| (name.clone(), node.to_json())).collect(),
            ),
        }
    }

    /// Whether all of it says something.
    ///
    /// # Errors
    /// There is `!!binary` in it that is no base64.
    pub(crate) fn check(&self) -> Result<(), Unfit> {
        match &self.value {
            Value::Undecoded(error) => {
                Err(Unfit(format!("there is `!!binary` in it that is no base64: {error}")))
            }
            Value::List(list) => list.iter().try_for_each(Node::check),
            Value::Members(members) => members.iter().try_for_each(|(_, node)| node.check()),
            _ => Ok(()),
        }
    }

    /// What it is, for a sentence.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Switch(_) => "true or false",
            Value::Number(..) => "a number",
            Value::Text(_) => "a text",
            Value::Bytes(_) => "bytes",
            Value::Undecoded(_) => "`!!binary` that is no base64",
            Value::List(_) => "a list",
            Value::Members(_) => "an object",
        }
    }

    /// A member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Members(members) => members.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The members of an object that nobody has taken yet.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    /// What leads to the object, such as `match`; empty at the top of an entry.
    path: String,
    left: Vec<Member>,
}

impl Members {
    /// Those of a node, which `path` leads to.
    ///
    /// # Errors
    /// Where it is no object.
    pub(crate) fn of(path: &str, node: Node) -> Result<Members, Unfit> {
        match node.value {
            Value::Members(left) => Ok(Members { path: path.to_owned(), left }),
            _ => Err(unexpected(path, node.kind(), "an object")),
        }
    }

    /// The way to a member, such as `match.model`.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a member out. `null` is as good as none.
    pub(crate) fn take(&mut self, name: &str) -> Option<Node> {
        let position = self.left.iter().position(|(key, _)| key == name)?;
        let (_, node) = self.left.remove(position);
        (node.value != Value::Null).then_some(node)
    }

    /// Takes all that are left.
    pub(crate) fn take_all(&mut self) -> Vec<Member> {
        std::mem::take(&mut self.left)
    }

    /// Takes an object out.
    ///
    /// # Errors
    /// Where it is something else; so do all that follow.
    pub(crate) fn members(&mut self, name: &str) -> Result<Option<Members>, Unfit> {
        let path = self.path(name);
        self.take(name).map(|node| Members::of(&path, node)).transpose()
    }

    /// Takes a text out.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Unfit> {
        self.typed(name, "a text", |value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        })
    }

    /// Takes true or false out.
    pub(crate) fn switch(&mut self, name: &str) -> Result<Option<bool>, Unfit> {
        self.typed(name, "true or false", |value| match value {
            Value::Switch(switch) => Some(switch),
            _ => None,
        })
    }

    /// Takes a list out.
    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Node>>, Unfit> {
        self.typed(name, "a list", |value| match value {
            Value::List(list) => Some(list),
            _ => None,
        })
    }

    /// Takes a number out that is not negative.
    pub(crate) fn amount(&mut self, name: &str) -> Result<Option<f64>, Unfit> {
        self.typed(name, "a number from 0 on", |value| value.as_amount())
    }

    /// Takes a whole number out.
    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<i64>, Unfit> {
        self.typed(name, "a whole number", |value| match value {
            Value::Number(number, _) => number.as_i64(),
            _ => None,
        })
    }

    /// Notes all that nobody took.
    pub(crate) fn end(self, notes: &mut Notes<'_>) {
        for (name, node) in &self.left {
            if node.value != Value::Null {
                notes.part(self.path(name), "there is nothing like it");
            }
        }
    }

    fn typed<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl Fn(Value) -> Option<T>,
    ) -> Result<Option<T>, Unfit> {
        let Some(node) = self.take(name) else { return Ok(None) };
        let kind = node.kind();
        let taken = read(node.value);
        taken.map(Some).ok_or_else(|| unexpected(&self.path(name), kind, expected))
    }
}

fn unexpected(path: &str, kind: &str, expected: &str) -> Unfit {
    let path = if path.is_empty() { "it".to_owned() } else { format!("`{path}`") };
    Unfit(format!("{path} is {kind}, and {expected} was expected"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json;
    use crate::notes::{Listing, Origin};

    fn members(value: serde_json::Value) -> Members {
        Members::of("match", json::read(&value.to_string()).unwrap()).unwrap()
    }

    #[test]
    fn what_nobody_takes_is_noted() {
        let origin = Origin { file: "a.json".to_owned(), line: Some(4), noun: "fixture", number: 2 };
        let mut listing = Listing::default();
        let mut members = members(json!({"model": "gpt", "none": null, "turns": 3}));
        assert_eq!(members.text("model").unwrap().as_deref(), Some("gpt"));
        assert_eq!(members.text("none"), Ok(None));
        members.end(&mut Notes::new(&origin, &mut listing));
        let told: Vec<String> = listing.told.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["a.json:4: fixture 2: `match.turns` is left out: there is nothing like it"]);
    }

    #[test]
    fn what_is_of_another_type_is_told() {
        let mut members = members(json!({"model": 3, "turn": 1.5, "delay": -1}));
        let told = [
            members.text("model").unwrap_err(),
            members.whole("turn").unwrap_err(),
            members.amount("delay").unwrap_err(),
            Members::of("", json::read("[]").unwrap()).unwrap_err(),
        ];
        let told: Vec<&str> = told.iter().map(|Unfit(reason)| reason.as_str()).collect();
        assert_eq!(
            told,
            [
                "`match.model` is a number, and a text was expected",
                "`match.turn` is a number, and a whole number was expected",
                "`match.delay` is a number, and a number from 0 on was expected",
                "it is a list, and an object was expected",
            ]
        );
    }
}
