//! Calls of functions, put together from the fragments of a stream.
//!
//! Owns which fragment belongs to which call. Refuses to know what arguments mean, or whether they are whole.

use serde_json::{Value, json};

use super::bug::{Bug, Manner, Variant};
use super::failure::{Failure, Kind};

/// No answer has so many.
const MOST_CALLS: usize = 1024;

/// The calls of an answer so far.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    manner: Manner,
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl ToolCalls {
    pub(super) fn new(manner: Manner) -> ToolCalls {
        ToolCalls { manner, calls: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes one element of a delta's `tool_calls`, and its place in that array.
    ///
    /// # Errors
    /// When a member has another type than the API gives it, or there are too many calls.
    pub(super) fn take(&mut self, fragment: &Value, position: usize) -> Result<(), Failure> {
        let index = match fragment.get("index").filter(|index| !index.is_null()) {
            Some(index) => Some(index.as_u64().ok_or_else(|| wrong_type("index"))?),
            None if self.manner.has(Bug::MissingIndexEscapes) => {
                return Err(Failure::new(Kind::Escaped, "no key `index`"));
            }
            None if self.manner.has(Bug::MissingIndexDropped) => return Ok(()),
            None if self.manner.is(Variant::RefusesOddShapes) => {
                return Err(Failure::new(Kind::Format, "a fragment of a call has no `index`"));
            }
            None => None,
        };
        let id = text(fragment.get("id"), "id")?;
        let name = text(fragment.pointer("/function/name"), "name")?;
        let arguments = text(fragment.pointer("/function/arguments"), "arguments")?;

        let manner = self.manner;
        let is_new = !id.is_empty() && self.calls.last().is_none_or(|last| last.id != id);
        let call = match manner {
            manner if manner.has(Bug::FragmentsByPosition) => self.with_index(position as u64)?,
            manner if manner.has(Bug::FragmentsInOrderOfArrival) && !is_new => self.last()?,
            manner if manner.has(Bug::FragmentsInOrderOfArrival) => self.add()?,
            _ => match index {
                Some(index) => self.with_index(index)?,
                None if !id.is_empty() => self.with_id(id)?,
                None => self.last()?,
            },
        };
        let is_first = call.id.is_empty() && call.name.is_empty() && call.arguments.is_empty();
        if manner.has(Bug::IdentifiersJoined) {
            call.id.push_str(id);
            call.name.push_str(name);
        }
        if call.id.is_empty() || manner.has(Bug::LastIdentifier) && fragment.get("id").is_some() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() && (is_first || !manner.has(Bug::NameOfFirstFragment)) {
            name.clone_into(&mut call.name);
        }
        if manner.has(Bug::LastArguments) && !arguments.is_empty() {
            call.arguments.clear();
        }
        call.arguments.push_str(arguments);
        Ok(())
    }

    /// The member `tool_calls` of what the client prints.
    pub(super) fn to_json(&self) -> Value {
        let call = |call: &Call| {
            let arguments = if self.manner.has(Bug::ArgumentsRepaired) {
                repaired(&call.arguments)
            } else {
                call.arguments.clone()
            };
            json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments},
            })
        };
        self.calls.iter().map(call).collect()
    }

    fn with_index(&mut self, index: u64) -> Result<&mut Call, Failure> {
        match self.calls.iter().position(|call| call.index == Some(index)) {
            Some(position) => Ok(&mut self.calls[position]),
            None => {
                let call = self.add()?;
                call.index = Some(index);
                Ok(call)
            }
        }
    }

    fn with_id(&mut self, id: &str) -> Result<&mut Call, Failure> {
        match self.calls.iter().position(|call| call.id == id) {
            Some(position) => Ok(&mut self.calls[position]),
            None => self.add(),
        }
    }

    /// The call that came last, or the first one of all.
    fn last(&mut self) -> Result<&mut Call, Failure> {
        match self.calls.len().checked_sub(1) {
            Some(position) => Ok(&mut self.calls[position]),
            None => self.add(),
        }
    }

    fn add(&mut self) -> Result<&mut Call, Failure> {
        if self.calls.len() >= MOST_CALLS {
            return Err(Failure::new(Kind::TooLong, format!("an answer has more than {MOST_CALLS} calls")));
        }
        Ok(self.calls.push_mut(Call::default()))
    }
}

/// A text, or the empty one where it is missing or null.
fn text<'a>(value: Option<&'a Value>, member: &str) -> Result<&'a str, Failure> {
    match value {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong_type(member)),
    }
}

fn wrong_type(member: &str) -> Failure {
    Failure::new(Kind::Format, format!("the member `{member}` of a call has another type than the API's"))
}

/// JSON that broke off, with its open strings, arrays and objects closed.
fn repaired(arguments: &str) -> String {
    let (mut open, mut is_text, mut is_escaped) = (Vec::new(), false, false);
    for character in arguments.chars() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            '{' if !is_text => open.push('}'),
            '[' if !is_text => open.push(']'),
            '}' | ']' if !is_text => drop(open.pop()),
            _ => {}
        }
    }
    let quote = if is_text { "\"" } else { "" };
    format!("{arguments}{quote}{}", open.iter().rev().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Identifiers, names and arguments.
    type Calls<'a> = &'a [(&'a str, &'a str, &'a str)];

    fn calls(manner: Manner, fragments: &[Value]) -> Vec<(String, String, String)> {
        let mut calls = ToolCalls::new(manner);
        for (position, fragment) in fragments.iter().enumerate() {
            calls.take(fragment, position).unwrap();
        }
        calls.calls.into_iter().map(|call| (call.id, call.name, call.arguments)).collect()
    }

    fn owned(calls: Calls<'_>) -> Vec<(String, String, String)> {
        let own = |text: &str| text.to_owned();
        calls.iter().map(|(id, name, arguments)| (own(id), own(name), own(arguments))).collect()
    }

    #[test]
    fn fragments_go_where_their_index_says_else_their_id_else_to_the_last() {
        let fragments = [
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": ""}}),
            json!({"index": 1, "id": "b", "function": {"name": null, "arguments": "{"}}),
            json!({"index": 0, "id": "", "function": {"name": "", "arguments": "[1"}}),
            json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": "}"}}),
            json!({"id": "a", "function": {"name": "one", "arguments": "]"}}),
            json!({"id": "c", "function": {"name": "three"}}),
            json!({"function": {"arguments": "{}"}}),
        ];
        let expected = owned(&[("a", "one", "[1]"), ("b", "two", "{}"), ("c", "three", "{}")]);
        assert_eq!(calls(Manner::default(), &fragments), expected);
    }

    #[test]
    fn another_type_is_refused() {
        for fragment in
            [json!({"index": "0"}), json!({"id": 1}), json!({"index": 0, "function": {"arguments": {}}})]
        {
            let outcome = ToolCalls::new(Manner::default()).take(&fragment, 0);
            assert_eq!(outcome.unwrap_err().kind, Kind::Format, "{fragment}");
        }
    }

    #[test]
    fn mistakes_bite() {
        let fragments = [
            json!({"index": 0, "id": "a", "function": {"arguments": "{"}}),
            json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": "["}}),
            json!({"index": 0, "id": "", "function": {"name": "one", "arguments": "}"}}),
        ];
        let cases: [(Bug, Calls<'_>); 4] = [
            (Bug::NameOfFirstFragment, &[("a", "", "{}"), ("b", "two", "[")]),
            (Bug::LastIdentifier, &[("", "one", "{}"), ("b", "two", "[")]),
            (Bug::MissingIndexDropped, &[("a", "one", "{}"), ("b", "two", "[")]),
            (Bug::FragmentsByPosition, &[("a", "", "{"), ("b", "two", "["), ("", "one", "}")]),
        ];
        for (bug, expected) in cases {
            assert_eq!(calls(Manner::with(bug), &fragments), owned(expected), "{bug:?}");
        }
    }

    #[test]
    fn a_repair_closes_what_is_open() {
        assert_eq!(repaired(r#"{"a": ["b\"}"#), r#"{"a": ["b\"}"]}"#);
        assert_eq!(repaired("{}"), "{}");
    }
}
