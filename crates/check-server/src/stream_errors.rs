//! Errors in a chat stream that no client takes for one.
//!
//! Owns the forms in which servers have told of an error beside the one that clients read, an event whose data has a
//! member `error`. Knows no requirement.

use serde_json::Value;

use crate::chat_stream::{ChatStream, Chunk, says_something};
use crate::exchange::excerpt;
use crate::lines::LineKind;

/// What of an error is told, in characters.
const ERROR_CHARACTERS: usize = 160;

/// The first error in a form that no client takes for one, and its place, for people.
pub(crate) fn unread(stream: &ChatStream) -> Option<String> {
    let text_of = |bytes: &[u8]| excerpt(bytes, ERROR_CHARACTERS);
    if let Some(chunk) = stream.chunks.iter().find(|chunk| is_in_disguise(stream, chunk)) {
        let data = chunk.value.to_string();
        return Some(format!("{}: the data is {}", stream.place(chunk.event), text_of(data.as_bytes())));
    }
    for line in &stream.stream.lines {
        let LineKind::Field { name, value } = &line.kind else { continue };
        let text = stream.exchange.body().get(line.text.clone()).unwrap_or_default();
        let unframed = serde_json::from_slice::<Value>(text)
            .is_ok_and(|value| value.get("error").is_some_and(says_something));
        if unframed || (name == "error" && !value.is_empty()) {
            return Some(format!("a line that is no data, at byte {}: {}", line.text.start, text_of(text)));
        }
    }
    let no_json = stream.no_json.iter().filter_map(|index| Some((index, stream.stream.events.get(*index)?)));
    for (index, event) in no_json {
        let data = event.data.as_deref().unwrap_or_default();
        // A chunk that is no JSON may well speak of errors.
        let is_chunk = data.contains("\"choices\"");
        if event.closed && !is_chunk && data.to_ascii_lowercase().contains("error") {
            let data = excerpt(data.as_bytes(), ERROR_CHARACTERS);
            return Some(format!("{}: the data is {data}", stream.place(*index)));
        }
    }
    None
}

/// Whether a chunk is none, but an error that lacks the member `error`: the event's name says so, or its `object`, or
/// it has a message and a code where choices should be.
pub(crate) fn is_in_disguise(stream: &ChatStream, chunk: &Chunk) -> bool {
    let named =
        stream.stream.events.get(chunk.event).and_then(|event| event.name.as_deref()) == Some("error");
    let has = |member: &str| chunk.value.get(member).is_some_and(|value| !value.is_null());
    let tells = has("message") && ["code", "type", "status"].into_iter().any(has);
    let is_object_of_errors = chunk.value.get("object").is_some_and(|object| object == "error");
    named || is_object_of_errors || (chunk.value.get("choices").is_none() && (tells || has("detail")))
}
