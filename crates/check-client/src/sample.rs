//! The ordinary answer, event by event, as literal bytes.
//!
//! Owns the words that nearly every case serves, and the spelling of a chunk. Knows neither HTTP nor cases.

use serde_json::Value;

/// What the client is asked to ask for.
pub(crate) const MODEL: &str = "exam";

/// What the client is asked to say.
pub(crate) const PROMPT: &str = "write a poem about a tree";

/// The key that the client is given; nobody looks at it.
pub(crate) const KEY: &str = "sk-exam";

/// The tools of a case that has any.
pub(crate) const WEATHER_TOOL: &str = r#"[{"type":"function","function":{"name":"get_weather","description":"The weather in a city.","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]"#;

/// The pieces of the ordinary answer, characters of one to four bytes among them. None repeats another, so that a piece
/// that is lost or comes twice is seen.
pub(crate) const PIECES: [&str; 6] =
    ["An oak ", "stands 木 ", "in the wind, ", "bends 🌳, ", "and does not ", "break."];

/// The ordinary answer.
pub(crate) const TEXT: &str = "An oak stands 木 in the wind, bends 🌳, and does not break.";

/// The end of a stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A chunk with these choices: the JSON of it.
pub(crate) fn chunk_of(choices: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-exam","object":"chat.completion.chunk","created":1700000000,"model":"exam","choices":{choices}}}"#
    )
}

/// A chunk with one choice, of this delta and finish reason, both as JSON.
pub(crate) fn chunk(delta: &str, finish_reason: &str) -> String {
    chunk_of(&format!(r#"[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}]"#))
}

/// A chunk with a piece of text.
pub(crate) fn piece(text: &str) -> String {
    chunk(&format!(r#"{{"content":{}}}"#, quoted(text)), "null")
}

/// The first chunk, which names the role.
pub(crate) fn role() -> String {
    chunk(r#"{"role":"assistant","content":""}"#, "null")
}

/// The last chunk, which tells why the model stopped.
pub(crate) fn finish(reason: &str) -> String {
    chunk("{}", &quoted(reason))
}

/// An event: one line of data, and a blank line.
pub(crate) fn event(data: impl AsRef<str>) -> String {
    format!("data: {}\n\n", data.as_ref())
}

/// Role, pieces, finish reason: the ordinary answer before its `[DONE]`.
pub(crate) fn open_poem() -> Vec<String> {
    let pieces = PIECES.iter().map(|text| piece(text));
    [role()].into_iter().chain(pieces).chain([finish("stop")]).map(event).collect()
}

/// The ordinary answer.
pub(crate) fn poem() -> Vec<String> {
    let mut events = open_poem();
    events.push(DONE.to_owned());
    events
}

/// The first so many pieces of the ordinary answer, and the role before them.
pub(crate) fn beginning(pieces: usize) -> Vec<String> {
    open_poem().into_iter().take(1 + pieces).collect()
}

/// The text of [`beginning`].
pub(crate) fn beginning_text(pieces: usize) -> String {
    PIECES[..pieces].concat()
}

/// As JSON.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_make_the_text_and_no_piece_stands_in_it_twice() {
        assert_eq!(PIECES.concat(), TEXT);
        for piece in PIECES {
            assert_eq!(TEXT.matches(piece).count(), 1);
        }
        assert!(serde_json::from_str::<Value>(WEATHER_TOOL).unwrap().is_array());
    }
}
