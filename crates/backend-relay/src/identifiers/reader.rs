//! The `id` of a JSON object, found in its bytes as they come.
//!
//! Owns where in the text a byte stands: in which object, in a name or in a value. Every byte is read once, however the
//! text is cut, and nothing is kept but the name or the id at hand. What is no JSON is somebody else's to refuse. It refuses
//! to know what the text belongs to.

use std::ops::ControlFlow;

/// How long an id may be, in bytes as it is spelled.
const LONGEST_ID: usize = 512;

/// Where an object has its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// In itself, or in the object that is its `response`, whichever comes first.
    AboveResponse,
    /// In itself.
    Innermost,
}

/// Reads one object up to its id.
pub(super) struct IdReader {
    depth: Depth,
    /// In how many objects and arrays the next byte is.
    level: usize,
    /// The level of the object whose names are read: 1, or 2 in a `response`.
    read_level: usize,
    name: Name,
    text: Option<Text>,
    /// Of the text at hand, if it is a name or the id.
    kept: Vec<u8>,
}

/// What was read of a member, in the object whose names are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    /// Nothing: its name comes next.
    Next,
    /// All of it; a colon comes next.
    Read(Known),
    /// The value comes next.
    Of(Known),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Id,
    Response,
    Other,
}

/// A string whose end has not come.
struct Text {
    is_kept: bool,
    is_escaped: bool,
}

impl IdReader {
    pub(super) fn new(depth: Depth) -> IdReader {
        IdReader { depth, level: 0, read_level: 1, name: Name::Next, text: None, kept: Vec::new() }
    }

    /// Takes the next byte. A break is the id, or says that none will come.
    pub(super) fn read(&mut self, byte: u8) -> ControlFlow<Option<String>> {
        if self.text.is_some() {
            return self.read_in_text(byte);
        }
        let is_at_names = self.level == self.read_level;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'{' if self.level == 0 => self.level = 1,
            _ if self.level == 0 => return ControlFlow::Break(None),
            b'"' => {
                let is_kept = is_at_names && matches!(self.name, Name::Next | Name::Of(Known::Id));
                self.kept.clear();
                self.text = Some(Text { is_kept, is_escaped: false });
            }
            b'}' | b']' => return self.leave(),
            b'{' | b'[' => return self.enter(byte),
            b':' if is_at_names => {
                self.name = match self.name {
                    Name::Read(known) => Name::Of(known),
                    other => other,
                }
            }
            b',' if is_at_names => self.name = Name::Next,
            _ if is_at_names => return self.unless_id(),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// An id is a string.
    fn unless_id(&self) -> ControlFlow<Option<String>> {
        match self.name {
            Name::Of(Known::Id) => ControlFlow::Break(None),
            _ => ControlFlow::Continue(()),
        }
    }

    fn enter(&mut self, bracket: u8) -> ControlFlow<Option<String>> {
        if self.level == self.read_level {
            self.unless_id()?;
            let is_response = bracket == b'{' && self.name == Name::Of(Known::Response);
            if is_response && self.depth == Depth::AboveResponse && self.level == 1 {
                self.read_level = 2;
                self.name = Name::Next;
            }
        }
        self.level += 1;
        ControlFlow::Continue(())
    }

    fn leave(&mut self) -> ControlFlow<Option<String>> {
        if self.level == 1 {
            return ControlFlow::Break(None);
        }
        if self.level == self.read_level {
            self.read_level = 1;
            self.name = Name::Of(Known::Other);
        }
        self.level -= 1;
        ControlFlow::Continue(())
    }

    fn read_in_text(&mut self, byte: u8) -> ControlFlow<Option<String>> {
        let Some(text) = &mut self.text else { return ControlFlow::Continue(()) };
        match byte {
            _ if text.is_escaped => text.is_escaped = false,
            b'\\' => text.is_escaped = true,
            b'"' => {
                let is_kept = text.is_kept;
                self.text = None;
                return if is_kept { self.kept_text() } else { ControlFlow::Continue(()) };
            }
            _ => {}
        }
        if text.is_kept && self.kept.len() <= LONGEST_ID {
            self.kept.push(byte);
        }
        ControlFlow::Continue(())
    }

    /// The end of a name, or of the id.
    fn kept_text(&mut self) -> ControlFlow<Option<String>> {
        if self.name != Name::Next {
            return ControlFlow::Break(self.id());
        }
        self.name = Name::Read(match self.kept.as_slice() {
            b"id" => Known::Id,
            b"response" => Known::Response,
            _ => Known::Other,
        });
        ControlFlow::Continue(())
    }

    fn id(&self) -> Option<String> {
        if self.kept.len() > LONGEST_ID {
            return None;
        }
        let quoted = [b"\"", self.kept.as_slice(), b"\""].concat();
        serde_json::from_slice(&quoted).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    /// The id, and how many bytes were read for it.
    fn read(depth: Depth, text: &str) -> (Option<String>, usize) {
        let mut reader = IdReader::new(depth);
        for (index, byte) in text.bytes().enumerate() {
            if let ControlFlow::Break(found) = reader.read(byte) {
                return (found, index + 1);
            }
        }
        (None, text.len())
    }

    #[test]
    fn nothing_is_read_behind_an_id_or_where_none_can_be() {
        for (text, id, rest) in [
            (r#"{"id":"x_1","a":1}"#, Some("x_1"), r#","a":1}"#),
            (r#"{"a":[{"id":"y"},"id"],"b":{"id":"y"},"c":"id","id":"x"}"#, Some("x"), "}"),
            (r#"{"\"id":"y","a\\":"\\\"","id" : "x\u005f\/1" }"#, Some("x_/1"), " }"),
            // The first byte of a value says that it is no text.
            (r#"{"id":1,"id":"x"}"#, None, r#","id":"x"}"#),
            (r#"{"id":{"id":"x"}}"#, None, r#""id":"x"}}"#),
            (r#"{"id":null}"#, None, "ull}"),
            (r#"{} {"id":"x"}"#, None, r#" {"id":"x"}"#),
            (r#"[{"id":"x"}]"#, None, r#"{"id":"x"}]"#),
            ("[DONE]", None, "DONE]"),
            ("\"id\"", None, "id\""),
        ] {
            let (found, bytes) = read(Depth::Innermost, text);
            assert_eq!((found.as_deref(), &text[bytes..]), (id, rest), "{text}");
        }
    }

    #[test]
    fn a_response_has_the_id_of_its_event() {
        for (text, id) in [
            (r#"{"type":"a","response":{"object":"b","id":"x"}}"#, Some("x")),
            (r#"{"response":{"response":{"id":"y"},"a":[{"id":"y"}],"id":"x"}}"#, Some("x")),
            (r#"{"response":{"a":1},"id":"x"}"#, Some("x")),
            (r#"{"response":{},"id":"x"}"#, Some("x")),
            (r#"{"response":"response","id":"x"}"#, Some("x")),
            (r#"{"response":[{"id":"y"}],"id":"x"}"#, Some("x")),
            (r#"{"metadata":{"response":{"id":"y"}}}"#, None),
        ] {
            assert_eq!(read(Depth::AboveResponse, text).0.as_deref(), id, "{text}");
        }
        assert_eq!(read(Depth::Innermost, r#"{"response":{"id":"y"}}"#).0, None);
    }

    #[test]
    fn an_id_has_a_bound() {
        for (length, is_found) in [(LONGEST_ID, true), (LONGEST_ID + 1, false)] {
            let id = "x".repeat(length);
            let (found, _) = read(Depth::Innermost, &format!(r#"{{"{id}":1,"id":"{id}"}}"#));
            assert_eq!(found, is_found.then_some(id), "{length}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let texts =
            prop_oneof![Just("id".to_owned()), Just("response".to_owned()), "[a\"\\\\{}\\[\\],:]{0,4}"];
        let leaf =
            prop_oneof![texts.prop_map(Value::from), any::<i32>().prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(3, 12, 4, |inner| {
            let names = prop_oneof![Just("id".to_owned()), Just("response".to_owned()), "[a\"\\\\{}]{0,3}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((names, inner), 0..4)
                    .prop_map(|members| Value::Object(Map::from_iter(members))),
            ]
        })
    }

    proptest! {
        /// What a parser of JSON finds is found, however names and texts are spelled.
        #[test]
        fn an_id_is_that_of_the_object(value in values(), is_pretty in any::<bool>()) {
            let text = if is_pretty { format!("{value:#}") } else { value.to_string() };
            let expected = value.as_object().and_then(|members| members.get("id")?.as_str());
            let (found, _) = read(Depth::Innermost, &text);
            prop_assert_eq!(found.as_deref(), expected, "{}", text);
        }

        /// Nothing is a panic.
        #[test]
        fn any_bytes_are_read(text in "[{}\\[\\]\",:a1\\\\]{0,40}") {
            for depth in [Depth::Innermost, Depth::AboveResponse] {
                read(depth, &text);
            }
        }
    }
}
