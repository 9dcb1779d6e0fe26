//! The layout, the way back, and the published schema.

use std::collections::{BTreeMap, BTreeSet};

use interference_cassette::{Cassette, FailureKind, Outcome, RecordedFailure};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{generated, sample};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/schemas/cassette-1.json")).unwrap()
}

fn complaints(validator: &Validator, text: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(text).unwrap();
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// No answer, and a request without anything that can be left out.
fn failure() -> Cassette {
    let mut cassette = sample::chat();
    cassette.upstream = None;
    cassette.request.query = None;
    cassette.request.headers.clear();
    cassette.request.body = "".into();
    cassette.outcome = Outcome::Failed(RecordedFailure {
        kind: FailureKind::NobodyLeft { retry_after_seconds: 7 },
        code: "upstream_unavailable".to_owned(),
        message: "`cloud` is not asked for now.".to_owned(),
        at: std::time::Duration::from_micros(250),
    });
    cassette
}

#[test]
fn a_cassette_is_laid_out_for_people() {
    let expected = r#"{
  "interference_cassette": 1,
  "recorded_at": "2025-11-26T05:56:45.042Z",
  "upstream": "cloud",
  "request": {
    "method": "POST",
    "path": "/chat/completions",
    "query": "trace=1",
    "headers": [
      ["authorization", "Bearer sk-1234"],
      ["content-type", "application/json"]
    ],
    "body": {
      "json": {
        "model": "m",
        "messages": [
          {
            "role": "user",
            "content": "a \"tree\""
          }
        ],
        "temperature": 1.0
      }
    }
  },
  "response": {
    "status": 200,
    "head_at_ms": 10.500,
    "headers": [
      ["content-type", "text/event-stream"],
      ["x-kept-apart", "one"],
      ["x-kept-apart", "two"],
      ["x-latin", {"base64": "Y2Fm6Q=="}]
    ],
    "reads": [
      {"at_ms": 10.500, "text": "data: {\"a\":\"…\"}\n\n"},
      {"at_ms": 1012.345, "base64": "ZGF0YTog4oA="}
    ],
    "end": "reset",
    "ended_at_ms": 1020.000
  }
}
"#;
    assert_eq!(sample::chat().to_json(), expected);
    assert_eq!(Cassette::from_json(expected.as_bytes()).unwrap(), sample::chat());
}

#[test]
fn what_is_not_there_has_no_member() {
    let expected = r#"{
  "interference_cassette": 1,
  "recorded_at": "2025-11-26T05:56:45.042Z",
  "request": {
    "method": "POST",
    "path": "/chat/completions",
    "headers": []
  },
  "failure": {
    "kind": "nobody_left",
    "code": "upstream_unavailable",
    "message": "`cloud` is not asked for now.",
    "at_ms": 0.250,
    "retry_after_seconds": 7
  }
}
"#;
    assert_eq!(failure().to_json(), expected);
    assert_eq!(Cassette::from_json(expected.as_bytes()).unwrap(), failure());
}

#[test]
fn a_body_of_json_keeps_its_own_white_space_beside_it() {
    let mut cassette = sample::chat();
    cassette.request.body = "{\"a\": 1}".into();
    let text = cassette.to_json();
    let body = "    \"body\": {\n      \"json\": {\n        \"a\": 1\n      },\n      \"text\": \"{\\\"a\\\": 1}\"\n    }\n";
    assert!(text.contains(body), "{text}");
    assert_eq!(Cassette::from_json(text.as_bytes()).unwrap(), cassette);
}

#[test]
fn deep_json_is_read_as_it_was_written() {
    let mut cassette = sample::chat();
    for depth in [120, 127, 128, 129, 10_000] {
        cassette.request.body = format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into();
        assert_eq!(Cassette::from_json(cassette.to_json().as_bytes()).as_ref(), Ok(&cassette), "{depth}");
    }
}

#[test]
fn every_cassette_follows_the_schema_and_is_read_as_it_was() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    proptest!(ProptestConfig::with_cases(256), |(cassette in generated::cassette())| {
        let text = cassette.to_json();
        prop_assert_eq!(complaints(&validator, &text), [""; 0]);
        prop_assert_eq!(Cassette::from_json(text.as_bytes()), Ok(cassette));
    });
}

#[test]
fn what_is_finer_than_is_written_is_not_kept() {
    let text = sample::chat().to_json().replace(".042Z", ".0429999Z").replace("12.345", "12.3449999");
    assert!(text.contains(".0429999Z") && text.contains("12.3449999"));
    assert_eq!(Cassette::from_json(text.as_bytes()), Ok(sample::chat()));
}

/// Members of objects, by what the schema calls the object.
type Members = BTreeMap<String, BTreeSet<String>>;

fn collect(name: &str, value: &Value, members: &mut Members) {
    match (name, value) {
        // What a client sent has members of its own.
        ("json", _) => {}
        (_, Value::Array(items)) => {
            let item = if name == "headers" { "header_value" } else { name.trim_end_matches('s') };
            items.iter().for_each(|value| collect(item, value, members));
        }
        (_, Value::Object(object)) => {
            members.entry(name.to_owned()).or_default().extend(object.keys().cloned());
            object.iter().for_each(|(name, value)| collect(name, value, members));
        }
        _ => {}
    }
}

#[test]
fn the_schema_knows_every_member_and_no_other_and_describes_it() {
    let mut found = Members::new();
    let mut other = sample::chat();
    other.request.body = vec![0xff].into();
    let mut spaced = sample::chat();
    spaced.request.body = "{ }".into();
    for cassette in [sample::chat(), failure(), other, spaced] {
        collect("cassette", &serde_json::from_str(&cassette.to_json()).unwrap(), &mut found);
    }
    // The items of a pair are not told apart from the pair.
    let pair: Value = serde_json::from_str(&sample::chat().to_json()).unwrap();
    assert_eq!(pair["response"]["headers"][3], json!(["x-latin", {"base64": "Y2Fm6Q=="}]));
    let schema = schema();
    let definitions =
        schema["$defs"].as_object().unwrap().iter().map(|(name, definition)| (name.as_str(), definition));
    let mut described = Members::new();
    for (name, definition) in definitions.chain([("cassette", &schema)]) {
        assert!(definition["description"].is_string(), "{name} is not described");
        let Some(properties) = definition["properties"].as_object() else { continue };
        assert_eq!(definition["additionalProperties"], json!(false), "{name} takes other members");
        for (member, property) in properties {
            let is_described = property["description"].is_string() || property["$ref"].is_string();
            assert!(is_described, "{name}.{member} is not described");
        }
        described.insert(name.to_owned(), properties.keys().cloned().collect());
    }
    assert_eq!(found, described);
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let sound: Value = serde_json::from_str(&sample::chat().to_json()).unwrap();
    let wrong: [(&str, Value); 9] = [
        ("/interference_cassette", json!(2)),
        ("/recorded_at", json!("yesterday")),
        ("/request/path", json!("chat")),
        ("/request/body", json!({"text": "a", "base64": "YQ=="})),
        ("/request/headers/0", json!(["a"])),
        ("/response/status", json!(101)),
        ("/response/end", json!("broken")),
        ("/response/reads/0", json!({"at_ms": 1})),
        ("/response/head_at_ms", json!(-1)),
    ];
    for (place, value) in wrong {
        let mut document = sound.clone();
        *document.pointer_mut(place).unwrap() = value;
        let text = document.to_string();
        assert!(!complaints(&validator, &text).is_empty(), "the schema takes {place}");
        assert!(Cassette::from_json(text.as_bytes()).is_err(), "the reader takes {place}");
    }
}
