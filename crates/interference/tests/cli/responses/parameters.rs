//! The tables of `docs/responses.md` against OpenAI's own description of the API, and against what the server does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Folder, create};
use crate::bench::Bench;
use crate::openai_description;

const TABLES: &str = include_str!("../../../../../docs/responses.md");

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Honoured,
    PassedOn,
    Hint,
    Refused,
}

/// The parameters of all rows below the headings, with what becomes of them.
fn rows() -> Vec<(Kind, &'static str)> {
    let mut kind = None;
    let mut rows = Vec::new();
    for line in TABLES.lines() {
        if line.starts_with("## ") {
            kind = None;
        }
        if let Some(heading) = line.strip_prefix("### ") {
            kind = match heading {
                "Honoured" => Some(Kind::Honoured),
                "Passed on" => Some(Kind::PassedOn),
                "Hints" => Some(Kind::Hint),
                "Refused" => Some(Kind::Refused),
                _ => None,
            };
        }
        let name = line.strip_prefix("| `").and_then(|rest| rest.split('`').next());
        rows.extend(kind.zip(name));
    }
    rows
}

#[test]
fn every_parameter_of_the_api_has_a_row_and_no_other() {
    let described = openai_description::properties(&openai_description::read(), "CreateResponse");
    for name in ["input", "tools", "temperature", "stream", "top_logprobs"] {
        assert!(described.contains(name), "the description was not read well: {described:?}");
    }
    let told: BTreeSet<String> =
        rows().iter().map(|(_, name)| name.split('.').next().unwrap_or(name).to_owned()).collect();
    assert_eq!(told, described);
}

/// A value of a parameter that is not as good as absent.
fn value(name: &str) -> Value {
    match name {
        "model" | "input" | "instructions" | "user" | "safety_identifier" | "prompt_cache_key" => json!("a"),
        "previous_response_id" => Value::Null,
        "store" => json!(false),
        "stream" | "background" => json!(true),
        "parallel_tool_calls" => json!(false),
        "metadata" => json!({"project": "trees"}),
        "max_output_tokens" | "max_tool_calls" => json!(3),
        "temperature" | "top_p" => json!(0.5),
        "tools" => json!([{"type": "function", "name": "grow"}]),
        "tool_choice" => json!("none"),
        "text.format" => json!({"type": "json_object"}),
        "text.verbosity" | "reasoning.effort" => json!("low"),
        "include" => json!(["message.output_text.logprobs"]),
        "top_logprobs" => json!(2),
        "service_tier" => json!("flex"),
        "prompt_cache_retention" => json!("24h"),
        "truncation" | "reasoning.summary" | "reasoning.generate_summary" => json!("auto"),
        "stream_options.include_obfuscation" => json!(true),
        "conversation" => json!("conv_1"),
        "prompt" => json!({"id": "pmpt_1"}),
        "context_management" => json!([{"type": "compaction"}]),
        name => panic!("`{name}` has a row and no sample"),
    }
}

#[test]
fn what_the_tables_say_is_what_the_server_does() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &[]);
    for (kind, name) in rows() {
        let mut asked = json!({"model": "m", "input": "a"});
        match name.split_once('.') {
            None => asked[name] = value(name),
            Some((outer, inner)) => asked[outer] = json!({inner: value(name)}),
        }
        if name == "top_logprobs" {
            asked["include"] = value("include");
        }
        let answer = create(&server, &asked);
        match kind {
            Kind::Honoured | Kind::PassedOn => {
                assert_eq!((answer.status, answer.header("x-interference-ignored")), (200, None), "{name}");
            }
            Kind::Hint => {
                let ignored = (answer.status, answer.header("x-interference-ignored"));
                assert_eq!(ignored, (200, Some(name)), "{answer:#?}");
            }
            Kind::Refused => {
                let error = &answer.json()["error"];
                assert_eq!(
                    (answer.status, &error["param"], &error["code"]),
                    (400, &json!(name), &json!("unsupported_value"))
                );
            }
        }
    }
}
