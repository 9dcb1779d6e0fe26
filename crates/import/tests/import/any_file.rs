//! Whatever a file says: nothing panics, and what is made can be read.

use interference_backend_script::Script;
use interference_cassette::Cassette;
use interference_import::{Format, Imported, Made, import};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::source;

/// Names that mean something in one of the formats.
const NAMES: [&str; 72] = [
    "match",
    "response",
    "userMessage",
    "systemMessage",
    "inputText",
    "toolCallId",
    "toolResultContains",
    "toolName",
    "model",
    "responseFormat",
    "sequenceIndex",
    "turnIndex",
    "hasToolResult",
    "endpoint",
    "context",
    "content",
    "toolCalls",
    "blocks",
    "type",
    "text",
    "name",
    "arguments",
    "id",
    "reasoning",
    "finishReason",
    "usage",
    "prompt_tokens",
    "error",
    "message",
    "status",
    "retryAfter",
    "embedding",
    "latency",
    "chunkSize",
    "truncateAfterChunks",
    "disconnectAfterMs",
    "streamingProfile",
    "ttft",
    "tps",
    "jitter",
    "recordedTimings",
    "interChunkDelaysMs",
    "replaySpeed",
    "chaos",
    "dropRate",
    "malformedRate",
    "latencyMs",
    "user_message",
    "regex",
    "headers",
    "system_prompt",
    "tool_schema",
    "content_template",
    "tool_calls",
    "refusal",
    "reason",
    "failure",
    "latency_ms",
    "truncate_after_frames",
    "disconnect_after_ms",
    "duplicate_frames",
    "probability",
    "streaming",
    "chunk_size",
    "scenario",
    "required_state",
    "set_state",
    "priority",
    "catch_all",
    "code",
    "body",
    "string",
];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..600).prop_map(Value::from),
        (-1f64..2.0).prop_map(Value::from),
        "[a-c.*(\\[\n\"]{0,6}".prop_map(Value::from),
        prop::sample::select(vec!["chat", "embedding", "openai", "stop", "{{ user_message }}"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            members(inner, 0..6).prop_map(Value::from),
        ]
    })
}

fn members(
    value: impl Strategy<Value = Value>,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Map<String, Value>> {
    let member = (prop::sample::select(&NAMES[..]), value);
    prop::collection::vec(member, count)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// An entry that is likely to come along, with anything beside what it needs.
fn any_entry() -> impl Strategy<Value = Value> {
    let part = || members(any_value(), 0..5);
    (part(), part(), part(), any::<bool>()).prop_map(|(mut entry, conditions, mut response, speaks)| {
        entry.insert("match".to_owned(), conditions.into());
        if speaks {
            response.entry("content").or_insert_with(|| "text".into());
        }
        entry.insert("response".to_owned(), response.into());
        entry.insert("request".to_owned(), json!({"method": "POST", "uri": "/v1/chat/completions"}));
        entry.into()
    })
}

proptest! {
    #[test]
    fn is_imported_or_told(entries in prop::collection::vec(any_entry(), 1..6)) {
        let count = entries.len();
        for (list, format) in
            [("fixtures", Format::Aimock), ("fixtures", Format::Llmposter), ("interactions", Format::Vcr)]
        {
            let text = json!({list: entries}).to_string();
            let Imported { made, left_out, .. } = import(vec![source("f", &text)], Some(format)).unwrap();
            match made {
                Some(Made::Script { text, .. }) => prop_assert!(Script::parse(&text, "s").is_ok(), "{}", text),
                Some(Made::Cassettes(cassettes)) => {
                    for cassette in cassettes {
                        prop_assert!(Cassette::from_json(cassette.to_json().as_bytes()).is_ok());
                    }
                }
                None => prop_assert!(left_out.len() >= count, "{:?}", left_out),
            }
        }
    }
}
