//! The name of the model in a request's body, for those who read nothing else of it, and how another takes its place.
//!
//! All bytes but those of the name stay as they are. It refuses to know which models there are.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A model's name in the JSON of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName {
    /// The name.
    pub name: String,
    /// Where its string stands in the body, with the quotation marks.
    place: Range<usize>,
}

impl ModelName {
    /// The member `model` of a body that is a JSON object, if it is a string.
    pub fn find(body: &[u8]) -> Option<ModelName> {
        #[derive(Deserialize)]
        struct OnlyModel<'body> {
            #[serde(borrow)]
            model: Option<&'body RawValue>,
        }
        // Files and forms are no JSON, and may be long.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }
        let raw = serde_json::from_slice::<OnlyModel<'_>>(body).ok()?.model?.get();
        let name = serde_json::from_str(raw).ok()?;
        // `raw` is a part of `body`.
        let start = raw.as_ptr().addr() - body.as_ptr().addr();
        Some(ModelName { name, place: start..start + raw.len() })
    }

    /// The body with another name in the place of this one.
    pub fn replaced(&self, body: &[u8], name: &str) -> Vec<u8> {
        self.spelled(body, serde_json::Value::from(name).to_string().as_bytes())
    }

    /// The body with the end of this name, behind a prefix, in its place, spelled as it was.
    pub fn without_prefix(&self, body: &[u8], prefix: &str) -> Vec<u8> {
        let raw = &body[self.place.clone()];
        match raw.strip_prefix(b"\"").and_then(|raw| raw.strip_prefix(prefix.as_bytes())) {
            Some(rest) => self.spelled(body, &[b"\"", rest].concat()),
            // The prefix is spelled with escapes.
            None => self.replaced(body, self.name.strip_prefix(prefix).unwrap_or(&self.name)),
        }
    }

    fn spelled(&self, body: &[u8], name: &[u8]) -> Vec<u8> {
        [&body[..self.place.start], name, &body[self.place.end..]].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(body: &str, prefix: &str) -> Option<(String, String)> {
        let found = ModelName::find(body.as_bytes())?;
        let without = found.without_prefix(body.as_bytes(), prefix);
        Some((found.name, String::from_utf8(without).unwrap()))
    }

    #[test]
    fn only_the_prefix_goes() {
        let table = [
            (r#"{"model":"a/b/c"}"#, "a/b/c", r#"{"model":"b/c"}"#),
            (
                r#"{ "x": 1.50, "model" : "a\/b\u0020", "y":"a/" }"#,
                "a/b ",
                r#"{ "x": 1.50, "model" : "b ", "y":"a/" }"#,
            ),
            (r#" {"model":"a/b\u0020"}"#, "a/b ", r#" {"model":"b\u0020"}"#),
        ];
        for (body, name, without) in table {
            assert_eq!(cut(body, "a/"), Some((name.to_owned(), without.to_owned())), "{body}");
        }
    }

    #[test]
    fn other_bodies_have_no_model() {
        for body in [
            "",
            "[]",
            "[\"a/b\"]",
            "{",
            r#"{"model":1}"#,
            r#"{"a":{"model":"a/b"}}"#,
            "--boundary",
            r#"{"model":null}"#,
        ] {
            assert_eq!(cut(body, "a/"), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn all_other_bytes_stay(before in "[a-z\"\\\\ ]{0,20}", name in "[a-z/\"\\\\é]{0,20}", after in ".{0,20}") {
            let text = |text: &str| serde_json::Value::from(text).to_string();
            let (before, after) = (text(&before), text(&after));
            let body = format!("{{\"x\":{before},\"model\":{},\"y\" :{after}}}", text(&format!("a/{name}")));
            let expected = format!("{{\"x\":{before},\"model\":{},\"y\" :{after}}}", text(&name));
            prop_assert_eq!(cut(&body, "a/"), Some((format!("a/{name}"), expected)));
        }
    }
}
