//! Calls of functions, put together from the fragments in which a stream brings them.
//!
//! A fragment names its call by an index. Servers are known to leave the index out, to send 0 for every call, and to
//! repeat or blank the id and the name in later fragments; then the id, a second name, or the fragment's position in
//! its chunk tells which call is meant. Whether the arguments are whole, or JSON at all, is not judged here: the reason
//! why the answer ends tells the one, and whoever carries out the call finds out the other.

use serde::Serialize;
use serde_json::Value;

use crate::ClientError;

/// How many functions one answer may call.
const CALLS_MAX: usize = 1024;

/// How long the ids, names and arguments of one answer's calls may be, all together.
const CALLS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A function that the model wants called, as far as it has come.
///
/// As JSON it is what a message of the API holds: `{"type":"function","id","function":{"name","arguments"}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "function")]
pub struct ToolCall {
    /// What its result refers to; `None` when the server gave none.
    pub id: Option<String>,
    /// What to call.
    pub function: FunctionCall,
}

/// A function's name and what it is called with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FunctionCall {
    /// The name; empty as long as none has come.
    pub name: String,
    /// The arguments, JSON in a text. They may be cut short, as the answer's finish reason says (`length`).
    pub arguments: String,
}

/// The calls of one answer.
#[derive(Debug, Default)]
pub(crate) struct ToolCalls {
    calls: Vec<ToolCall>,
    /// By which index each is known; its own place, where no index came with it.
    indexes: Vec<u64>,
    bytes: usize,
}

/// What one fragment says. Empty texts say nothing.
struct Fragment<'chunk> {
    index: Option<u64>,
    id: Option<&'chunk str>,
    name: Option<&'chunk str>,
    arguments: String,
}

impl ToolCalls {
    /// What has come so far, in the order in which the calls began.
    pub(crate) fn calls(&self) -> &[ToolCall] {
        &self.calls
    }

    /// Takes the fragments of one chunk, or the whole calls of a message.
    ///
    /// # Errors
    /// [`ClientError::TooManyCalls`], [`ClientError::TooLong`].
    pub(crate) fn add(&mut self, fragments: &[Value]) -> Result<(), ClientError> {
        for (position, value) in fragments.iter().enumerate() {
            let fragment = Fragment::read(value);
            let place = match fragment.index {
                Some(index) => self.place_by_index(index, &fragment),
                None => self.place_without_index(&fragment, (fragments.len() > 1).then_some(position)),
            };
            self.extend(place.unwrap_or(self.calls.len()), fragment)?;
        }
        Ok(())
    }

    /// The place of a fragment with an index; `None` begins a call.
    fn place_by_index(&self, index: u64, fragment: &Fragment<'_>) -> Option<usize> {
        let place = self.indexes.iter().rposition(|known| *known == index)?;
        // Some servers number every call 0. Another id alone begins no call: others draw one for each fragment.
        let other_id =
            fragment.id.is_some_and(|id| self.calls[place].id.as_deref().is_some_and(|known| known != id));
        (!(other_id && fragment.name.is_some())).then_some(place)
    }

    /// The place of a fragment without an index; `position` is its own, where a chunk has several.
    fn place_without_index(&self, fragment: &Fragment<'_>, position: Option<usize>) -> Option<usize> {
        if let Some(id) = fragment.id {
            return self.calls.iter().position(|call| call.id.as_deref() == Some(id));
        }
        let last = self.calls.len().checked_sub(1)?;
        let named = !self.calls[last].function.name.is_empty();
        if named && fragment.name.is_some() {
            return None;
        }
        Some(position.filter(|position| *position <= last).unwrap_or(last))
    }

    fn extend(&mut self, place: usize, fragment: Fragment<'_>) -> Result<(), ClientError> {
        if place == self.calls.len() {
            if place == CALLS_MAX {
                return Err(ClientError::TooManyCalls { calls_max: CALLS_MAX });
            }
            self.calls.push(ToolCall::default());
            self.indexes.push(fragment.index.unwrap_or(place as u64));
        }
        let call = &mut self.calls[place];
        let id = fragment.id.filter(|_| call.id.is_none());
        // A name is sent once, or again with every fragment; a server that cuts names in two is not known.
        let name = fragment.name.filter(|_| call.function.name.is_empty());
        let more = id.map_or(0, str::len) + name.map_or(0, str::len) + fragment.arguments.len();
        if more > CALLS_BYTES_MAX - self.bytes {
            return Err(ClientError::TooLong { bytes_max: CALLS_BYTES_MAX });
        }
        self.bytes += more;
        call.id = call.id.take().or(id.map(str::to_owned));
        call.function.name.push_str(name.unwrap_or_default());
        call.function.arguments.push_str(&fragment.arguments);
        Ok(())
    }
}

impl Fragment<'_> {
    fn read(value: &Value) -> Fragment<'_> {
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let arguments = match value.pointer("/function/arguments") {
            Some(Value::String(arguments)) => arguments.clone(),
            // Some servers send the arguments themselves instead of a text that holds them.
            Some(arguments @ Value::Object(_)) => arguments.to_string(),
            _ => String::new(),
        };
        let index = value.get("index").and_then(Value::as_u64);
        Fragment { index, id: text("/id"), name: text("/function/name"), arguments }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Id, name and arguments of each call that these chunks make; a `-` stands for an id that never came.
    fn calls(chunks: &[Value]) -> Vec<String> {
        let mut calls = ToolCalls::default();
        for chunk in chunks {
            calls.add(chunk.as_array().unwrap()).unwrap();
        }
        let told = calls.calls().iter().map(|call| {
            let ToolCall { id, function: FunctionCall { name, arguments } } = call;
            format!("{} {name}({arguments})", id.as_deref().unwrap_or("-"))
        });
        told.collect()
    }

    #[test]
    fn fragments_follow_their_index() {
        let interleaved = [
            json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "grow", "arguments": ""}}]),
            json!([{"index": 1, "id": "b", "type": "function", "function": {"name": "fell", "arguments": ""}}]),
            json!([{"index": 1, "function": {"arguments": "{\"n\""}}, {"index": 0, "function": {"arguments": "{"}}]),
            json!([{"index": 0, "function": {"arguments": "}"}}]),
            json!([{"index": 1, "function": {"arguments": ":1}"}}]),
        ];
        assert_eq!(calls(&interleaved), ["a grow({})", "b fell({\"n\":1})"]);
        assert_eq!(
            calls(&[json!([{"index": 4, "id": "a"}]), json!([{"index": 4, "function": {"name": "grow"}}])]),
            ["a grow()"]
        );
    }

    #[test]
    fn ids_and_names_that_come_again_are_not_appended() {
        let first = json!([{"index": 0, "id": "a", "function": {"name": "grow", "arguments": "{"}}]);
        for (id, name) in [("a", "grow"), ("", ""), ("a", ""), ("", "grow"), ("other", "")] {
            let second = json!([{"index": 0, "id": id, "function": {"name": name, "arguments": "}"}}]);
            assert_eq!(calls(&[first.clone(), second]), ["a grow({})"], "{id:?} {name:?}");
        }
    }

    #[test]
    fn another_id_with_a_name_is_another_call_whatever_its_index() {
        let call = |id, name| json!([{"index": 0, "id": id, "function": {"name": name, "arguments": "{"}}]);
        let rest = json!([{"index": 0, "function": {"arguments": "}"}}]);
        let chunks = [call("a", "grow"), rest.clone(), call("b", "grow"), rest];
        assert_eq!(calls(&chunks), ["a grow({})", "b grow({})"]);
    }

    #[test]
    fn without_an_index_the_id_tells() {
        let piece = |id, arguments| json!([{"id": id, "function": {"arguments": arguments}}]);
        let chunks = [piece("a", "{"), piece("b", "["), piece("a", "}"), piece("b", "]")];
        assert_eq!(calls(&chunks), ["a ({})", "b ([])"]);
        let numbered_later = [piece("a", "{"), json!([{"index": 0, "function": {"arguments": "}"}}])];
        assert_eq!(calls(&numbered_later), ["a ({})"]);
    }

    #[test]
    fn without_index_and_id_the_name_or_the_position_tells() {
        let named = |name| json!({"function": {"name": name, "arguments": "{"}});
        let rest = json!({"function": {"arguments": "}"}});
        assert_eq!(calls(&[json!([named("grow")]), json!([rest])]), ["- grow({})"]);
        assert_eq!(
            calls(&[json!([named("grow")]), json!([named("fell")]), json!([rest])]),
            ["- grow({)", "- fell({})"]
        );
        assert_eq!(
            calls(&[json!([named("grow"), named("fell")]), json!([rest, rest])]),
            ["- grow({})", "- fell({})"]
        );
        assert_eq!(calls(&[json!([rest]), json!([named("late")])]), ["- late(}{)"]);
    }

    #[test]
    fn fragments_may_lack_anything() {
        let chunks = [json!([]), json!([null, 7, {}, {"index": 0, "function": null}])];
        assert_eq!(calls(&chunks), ["- ()"]);
        assert_eq!(
            calls(&[json!([{"function": {"name": "f", "arguments": {"b": 1, "a": 2}}}])]),
            [r#"- f({"b":1,"a":2})"#]
        );
    }

    #[test]
    fn calls_are_bounded() {
        let mut calls = ToolCalls::default();
        let many: Vec<Value> = (0..=CALLS_MAX).map(|index| json!({"index": index})).collect();
        assert!(matches!(calls.add(&many), Err(ClientError::TooManyCalls { calls_max: CALLS_MAX })));
        assert_eq!(calls.calls().len(), CALLS_MAX);

        let mut calls = ToolCalls { bytes: CALLS_BYTES_MAX - 1, ..ToolCalls::default() };
        let piece = [json!({"index": 0, "function": {"arguments": "x"}})];
        calls.add(&piece).unwrap();
        assert!(matches!(calls.add(&piece), Err(ClientError::TooLong { bytes_max: CALLS_BYTES_MAX })));
    }

    #[test]
    fn a_call_is_written_as_the_api_has_it() {
        let function = FunctionCall { name: "grow".to_owned(), arguments: "{}".to_owned() };
        let call = ToolCall { id: Some("a".to_owned()), function };
        assert_eq!(
            serde_json::to_string(&call).unwrap(),
            r#"{"type":"function","id":"a","function":{"name":"grow","arguments":"{}"}}"#
        );
    }
}
