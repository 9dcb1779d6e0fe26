//! The description of the whole server in OpenAPI 3.1, for `GET /openapi.json`.
//!
//! Owns how it is put together: each endpoint has a file of its own, `openapi/<endpoint>.json`, with the members `paths`
//! and `components.schemas`, and is named in [`ENDPOINTS`]. A path stands in it once, without `/v1`: that both work is said
//! by the two servers. What all endpoints share (errors, headers, the key) is in `openapi/shared.json`. It refuses to know
//! what is in the files; the tests hold them against the table of routes and against answers.

use std::sync::OnceLock;

use serde_json::{Map, Value};

/// Into which all others are put.
const SHARED: &str = include_str!("openapi/shared.json");

/// One file for each endpoint.
const ENDPOINTS: [&str; 10] = [
    include_str!("openapi/chat_completions.json"),
    include_str!("openapi/stored_chats.json"),
    include_str!("openapi/completions.json"),
    include_str!("openapi/responses.json"),
    include_str!("openapi/embeddings.json"),
    include_str!("openapi/models.json"),
    include_str!("openapi/health.json"),
    include_str!("openapi/metrics.json"),
    include_str!("openapi/journal.json"),
    include_str!("openapi/openapi.json"),
];

/// The whole description as JSON.
pub(crate) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| merged().to_string())
}

fn merged() -> Value {
    let mut whole = parse(SHARED);
    for endpoint in ENDPOINTS.map(parse) {
        for place in ["/paths", "/components/schemas"] {
            let of_endpoint = endpoint.pointer(place).and_then(Value::as_object);
            let of_whole = whole.pointer_mut(place).and_then(Value::as_object_mut);
            if let (Some(of_whole), Some(of_endpoint)) = (of_whole, of_endpoint) {
                of_whole.extend(of_endpoint.clone());
            }
        }
    }
    whole
}

/// The files are ours; the tests see to it that they are JSON.
fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Object(Map::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_and_nothing_is_said_twice() {
        let files = ENDPOINTS.map(|text| serde_json::from_str::<Value>(text).unwrap());
        for place in ["/paths", "/components/schemas"] {
            let members = |value: &Value| value.pointer(place).and_then(Value::as_object).unwrap().len();
            let shared: Value = serde_json::from_str(SHARED).unwrap();
            let apart: usize = files.iter().chain([&shared]).map(members).sum();
            assert_eq!(members(&merged()), apart, "{place}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(value: &Value, whole: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                        let target = reference.strip_prefix('#').and_then(|pointer| whole.pointer(pointer));
                        assert!(target.is_some(), "{reference}");
                    }
                    members.values().for_each(|member| check(member, whole));
                }
                Value::Array(elements) => elements.iter().for_each(|element| check(element, whole)),
                _ => {}
            }
        }
        let whole = merged();
        check(&whole, &whole);
    }
}
