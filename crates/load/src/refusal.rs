//! What a server says of why it refuses: a sentence, out of a body of any form.
//!
//! Owns the members under which servers tell it, and the bound of what is told. Refuses to know statuses, and what is to be
//! done about it.

use interference_report::{one_line, shortened};
use serde_json::Value;

/// Bytes of a body that are kept for it; servers say it in the first few hundred.
pub(crate) const KEPT: usize = 16 * 1024;
/// Characters that are told.
const LONGEST_SAID: usize = 400;

/// What a body says, in one line and without anything that could act on a terminal: the message of the API's envelope
/// with its code, the member that another server has for it, or a plain text. None of a page, and where nothing is said.
pub(crate) fn said(body: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(json) => of_json(&json)?,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let line = one_line(&text);
    let is_page = line.starts_with('<');
    (!line.is_empty() && !is_page).then(|| shortened(&line, LONGEST_SAID).into_owned())
}

fn of_json(json: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
    match json {
        Value::String(_) => text(json),
        Value::Object(members) => {
            let inner = members.get("error").map(|error| (of_json(error), error.get("code")));
            match inner {
                Some((Some(message), Some(Value::String(code)))) => Some(format!("{message} ({code})")),
                Some((Some(message), _)) => Some(message),
                // What FastAPI tells of a body that it cannot read is a list.
                _ => ["message", "detail", "error_description", "title"].iter().find_map(|name| {
                    let value = members.get(*name)?;
                    text(value).or_else(|| value.is_array().then(|| value.to_string()))
                }),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_found() {
        for (body, told) in [
            (
                r#"{"error":{"message":"No such model.","type":"x","code":"model_not_found"}}"#,
                "No such model. (model_not_found)",
            ),
            (r#"{"error":{"message":"Too long.","code":400}}"#, "Too long."),
            (r#"{"error":"model 'm' not found"}"#, "model 'm' not found"),
            (r#"{"object":"error","message":"The model is not there."}"#, "The model is not there."),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"detail":[{"msg":"field required"}]}"#, r#"[{"msg":"field required"}]"#),
            ("404 page not found\n", "404 page not found"),
            ("\"no\"", "no"),
        ] {
            assert_eq!(said(body.as_bytes()).as_deref(), Some(told), "{body}");
        }
    }

    #[test]
    fn nothing_is_made_up() {
        for body in [
            "",
            " \n",
            "{}",
            "[]",
            "17",
            r#"{"error":{}}"#,
            r#"{"error":{"message":" "}}"#,
            "<html>502</html>",
        ] {
            assert_eq!(said(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn what_is_told_is_bounded_and_does_nothing() {
        let told = said(format!("\x1b[2J{}", "ä".repeat(KEPT)).as_bytes()).unwrap();
        assert!(told.starts_with("\\u{1b}[2J") && told.ends_with("ä…"), "{told}");
        assert_eq!(told.chars().count(), LONGEST_SAID + 1);
        assert_eq!(said(b"one\r\n  two").as_deref(), Some("one two"));
        assert_eq!(said(b"\xff\xfe").as_deref(), Some("\u{fffd}\u{fffd}"));
    }
}
