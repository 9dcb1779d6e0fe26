//! The body of a request: a JSON object, of which only the members are known.
//!
//! Owns that every member stays as it was spelled, in its place, whatever it is. Refuses to know what members mean.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::problems::quoted;

/// Members of an object.
pub const MOST_MEMBERS: usize = 1_000;

/// A JSON object, each member with its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Body {
    members: Vec<(String, String)>,
}

impl Body {
    /// Reads an object.
    ///
    /// # Errors
    /// In words, where the text is no JSON, no object, has a member twice, or more than [`MOST_MEMBERS`].
    pub(super) fn read(text: &str) -> Result<Body, String> {
        serde_json::from_str(text).map_err(|error| match text.trim_start().starts_with('{') {
            true => told(text, &error),
            false => "it is no JSON object".to_owned(),
        })
    }

    /// Whether it has this member.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The text of a member.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, text)| text.as_str())
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let position = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.remove(position).1)
    }

    /// Puts a member in the place of the one of this name, or at the end.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.put_text(name, value.into().to_string());
    }

    /// Puts every member of another object.
    pub(super) fn put_all(&mut self, other: &Body) {
        for (name, text) in &other.members {
            self.put_text(name, text.clone());
        }
    }

    /// The names of its members, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    /// The object as JSON.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let length: usize = self.members.iter().map(|(name, text)| name.len() + text.len() + 4).sum();
        let mut bytes = Vec::with_capacity(length + 2);
        bytes.push(b'{');
        for (position, (name, text)) in self.members.iter().enumerate() {
            if position > 0 {
                bytes.push(b',');
            }
            bytes.extend_from_slice(Value::from(name.as_str()).to_string().as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.push(b'}');
        bytes
    }

    fn put_text(&mut self, name: &str, text: String) {
        match self.members.iter_mut().find(|(member, _)| member == name) {
            Some((_, own)) => *own = text,
            None => self.members.push((name.to_owned(), text)),
        }
    }
}

/// What is wrong with a text: with its column, and its line where it has several.
fn told(text: &str, error: &serde_json::Error) -> String {
    let told = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = told.strip_suffix(&place).unwrap_or(&told);
    if text.trim_end().contains('\n') {
        format!("{reason} (line {}, column {})", error.line(), error.column())
    } else {
        format!("{reason} (column {})", error.column())
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Body;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Body, A::Error> {
        let mut body = Body::default();
        while let Some(name) = entries.next_key::<String>()? {
            if body.has(&name) {
                return Err(A::Error::custom(format!("member {} is there twice", quoted(&name))));
            }
            if body.members.len() == MOST_MEMBERS {
                return Err(A::Error::custom(format!("it has more than {MOST_MEMBERS} members")));
            }
            let text = entries.next_value::<Box<RawValue>>()?;
            body.members.push((name, text.get().to_owned()));
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_object_are_refused() {
        for (text, reason) in [
            ("", "it is no JSON object"),
            ("[1]", "it is no JSON object"),
            ("{\"a\":1", "EOF while parsing an object (column 6)"),
            ("{\"a\":}", "expected value (column 6)"),
            ("{\n\"a\":}", "expected value (line 2, column 5)"),
            ("{\"a\":1,\"a\":2}", "member `a` is there twice (column 10)"),
            ("{\"a\":1} 2", "trailing characters (column 9)"),
        ] {
            assert_eq!(Body::read(text), Err(reason.to_owned()), "{text}");
        }
        let members: Vec<String> = (0..=MOST_MEMBERS).map(|number| format!("\"{number}\":0")).collect();
        let refused = Body::read(&format!("{{{}}}", members.join(","))).unwrap_err();
        assert!(refused.starts_with("it has more than 1000 members"), "{refused}");
        // Depth costs nothing.
        assert!(Body::read(&format!("{{\"a\":{}", "[".repeat(1_000_000))).is_err());
    }

    #[test]
    fn members_stay_as_they_were_spelled_and_where_they_were() {
        let mut body = Body::read(r#" {"b": 1.50e2, "mod\u0065l":"x", "c":{"d": "\u00e9"}} "#).unwrap();
        assert_eq!(body.get("model"), Some("\"x\""));
        body.put("model", "a\"b");
        body.put_all(&Body::read(r#"{"c":18446744073709551616,"e":null}"#).unwrap());
        assert_eq!(body.names().collect::<Vec<_>>(), ["b", "model", "c", "e"]);
        let text = String::from_utf8(body.to_bytes()).unwrap();
        assert_eq!(text, r#"{"b":1.50e2,"model":"a\"b","c":18446744073709551616,"e":null}"#);
        assert_eq!((body.take("e"), body.take("e")), (Some("null".to_owned()), None));
        assert_eq!(Body::default().to_bytes(), b"{}");
    }
}
