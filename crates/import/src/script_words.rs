//! The words that answers of scripts are made of, from what other test doubles say in numbers.
//!
//! Owns durations, paces, calls and reasons to finish as a script writes them. It refuses to know who said the numbers.

use toml::{Table, Value};

use crate::notes::{Notes, Unfit};
use crate::tree::{Members, Node};

/// The reasons to finish that a script knows.
const FINISH_REASONS: [&str; 5] = ["stop", "length", "tool_calls", "content_filter", "function_call"];

/// Milliseconds as a duration of a script, which has whole microseconds.
pub(crate) fn duration(milliseconds: f64) -> String {
    let microseconds = (milliseconds * 1000.0).round();
    if microseconds % 1000.0 == 0.0 {
        format!("{}ms", microseconds / 1000.0)
    } else {
        format!("{microseconds}us")
    }
}

/// A pace between pieces, with the jitter to both sides, in milliseconds.
pub(crate) fn wait(milliseconds: f64, jitter: f64) -> Value {
    if jitter == 0.0 {
        return duration(milliseconds).into();
    }
    table([("fixed", duration(milliseconds).into()), ("jitter", duration(jitter).into())]).into()
}

/// Pieces of so many characters.
pub(crate) fn pieces(characters: i64) -> Value {
    table([("characters", characters.into())]).into()
}

/// A table of these members.
pub(crate) fn table<const N: usize>(members: [(&str, Value); N]) -> Table {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A call of a function. The arguments are a text, which is told as it is: only so a script tells them as they were.
pub(crate) fn call(name: String, arguments: String, id: Option<String>) -> Value {
    let mut call = table([("name", name.into()), ("arguments", arguments.into())]);
    if let Some(id) = id {
        call.insert("id".to_owned(), id.into());
    }
    call.into()
}

/// What a node says as text: a text as it is, and anything else as JSON.
pub(crate) fn text_or_json(node: &Node) -> String {
    node.as_text().map_or_else(|| node.to_json().to_string(), str::to_owned)
}

/// Puts a reason to finish into an answer, if a script knows it.
pub(crate) fn finish_reason(answer: &mut Table, reason: Option<String>, path: String, notes: &mut Notes<'_>) {
    let Some(reason) = reason else { return };
    if FINISH_REASONS.contains(&reason.as_str()) {
        answer.insert("finish_reason".to_owned(), reason.into());
    } else {
        notes.part(path, "no answer of this API finishes for that reason");
    }
}

/// Takes a count out that is at least 1.
///
/// # Errors
/// Where it is smaller, or no whole number.
pub(crate) fn count(members: &mut Members, name: &str) -> Result<Option<i64>, Unfit> {
    match members.whole(name)? {
        Some(count) if count < 1 => {
            Err(Unfit(format!("`{}` is {count}, and at least 1 was expected", members.path(name))))
        }
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole() {
        for (milliseconds, text) in [
            (0.0, "0ms"),
            (20.0, "20ms"),
            (1000.0 / 30.0, "33333us"),
            (0.5, "500us"),
            (3_600_000.0, "3600000ms"),
        ] {
            assert_eq!(duration(milliseconds), text);
        }
        assert_eq!(wait(20.0, 0.0).to_string(), "\"20ms\"");
        assert_eq!(wait(20.0, 5.0).to_string(), "{ fixed = \"20ms\", jitter = \"5ms\" }");
    }
}
