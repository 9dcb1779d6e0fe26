//! `docs/parameters.md` and its like against OpenAI's own description of the API, and against what the server does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::exchange::{Answer, ask, request};
use crate::openai_description;

/// The text of a document with tables of an endpoint's parameters.
pub(crate) struct Tables(pub(crate) &'static str);

const CHATS: Tables = Tables(include_str!("../../../../docs/parameters.md"));

/// Parameters that are in the tables and not in the description: those of other local servers.
const EXTENSIONS: [&str; 12] = [
    "ignore_eos",
    "min_p",
    "top_k",
    "repeat_penalty",
    "repetition_penalty",
    "grammar",
    "json_schema",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
];

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Honoured,
    Hint,
    Refused,
}

impl Tables {
    /// The parameters of all rows below the three headings, with what becomes of them.
    fn rows(&self) -> Vec<(Kind, String)> {
        let mut kind = None;
        let mut rows = Vec::new();
        for line in self.0.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                kind = match heading {
                    "Honoured" => Some(Kind::Honoured),
                    "Hints" => Some(Kind::Hint),
                    "Refused" => Some(Kind::Refused),
                    _ => None,
                };
            }
            let cell = line.strip_prefix("| ").and_then(|cells| cells.split(" | ").next());
            if let (Some(kind), Some(cell)) = (kind, cell) {
                let names = cell.split(", ").filter_map(|name| name.strip_prefix('`')?.strip_suffix('`'));
                rows.extend(names.map(|name| (kind, name.to_owned())));
            }
        }
        rows
    }

    /// Checks that every property of the schema has a row, and nothing else but these extensions.
    #[track_caller]
    pub(crate) fn check_names(&self, schema: &str, extensions: &[&str]) {
        let described = openai_description::properties(&openai_description::read(), schema);
        for name in ["model", "user"] {
            assert!(described.contains(name), "the description was not read well: {described:?}");
        }
        let rows = self.rows();
        let told: BTreeSet<&str> =
            rows.iter().map(|(_, name)| name.split(['.', '[']).next().unwrap()).collect();
        let expected: BTreeSet<&str> =
            described.iter().map(String::as_str).chain(extensions.iter().copied()).collect();
        assert_eq!(told, expected);
    }

    /// Checks that each row says what the server does with its parameter, as `answer` has it.
    #[track_caller]
    pub(crate) fn check_rows(&self, answer: impl Fn(Kind, &str) -> Answer) {
        for (kind, name) in self.rows() {
            let answer = answer(kind, &name);
            match kind {
                Kind::Honoured => {
                    assert_eq!((answer.status, ignored(&answer)), (200, vec![]), "{name}: {answer:#?}");
                }
                Kind::Hint => {
                    assert_eq!((answer.status, ignored(&answer)), (200, vec![&*name]), "{name}: {answer:#?}");
                }
                Kind::Refused => {
                    assert_eq!(answer.status, 400, "{name}: {answer:#?}");
                    assert_eq!(answer.json()["error"]["code"], "unsupported_value", "{name}: {answer:#?}");
                }
            }
        }
    }
}

#[test]
fn every_parameter_of_the_api_has_a_row_and_no_other() {
    CHATS.check_names("CreateChatCompletionRequest", &EXTENSIONS);
}

/// Members of a request in which the parameter is not as good as absent.
pub(crate) fn sample(kind: Kind, name: &str) -> Value {
    let tools = json!([{"type": "function", "function": {"name": "grow"}}]);
    match (kind, name) {
        (_, "stream_options.include_usage") => {
            json!({"stream": true, "stream_options": {"include_usage": true}})
        }
        (_, "stream_options.include_obfuscation") => {
            json!({"stream": true, "stream_options": {"include_obfuscation": true}})
        }
        (_, "response_format.json_schema.description") => {
            let schema = json!({"name": "tree", "description": "A tree.", "schema": {"type": "object"}});
            json!({"response_format": {"type": "json_schema", "json_schema": schema}})
        }
        (Kind::Honoured, "metadata") => json!({"store": true, "metadata": {"project": "trees"}}),
        (_, "model" | "messages") => json!({}),
        (_, "top_logprobs") => json!({"logprobs": true, "top_logprobs": 2}),
        (_, "tool_choice") => json!({"tools": tools, "tool_choice": "required"}),
        (_, "tools[].function.strict") => {
            json!({"tools": [{"type": "function", "function": {"name": "grow", "strict": true}}]})
        }
        (_, name) => json!({name: value(name, tools)}),
    }
}

/// A value of a parameter that needs no other one.
fn value(name: &str, tools: Value) -> Value {
    match name {
        "stream" | "logprobs" | "ignore_eos" | "store" => json!(true),
        "parallel_tool_calls" => json!(false),
        "max_tokens" | "max_completion_tokens" => json!(1),
        "n" | "top_k" => json!(2),
        "seed" => json!(-7),
        "temperature" | "top_p" | "min_p" | "frequency_penalty" | "presence_penalty" => json!(0.5),
        "repeat_penalty" | "repetition_penalty" => json!(1.5),
        "stop" => json!(["tree"]),
        "logit_bias" => json!({"7": -100}),
        "response_format" => json!({"type": "json_object"}),
        "metadata" => json!({"project": "trees"}),
        "prediction" => json!({"type": "content", "content": "a tree"}),
        "reasoning_effort" | "verbosity" => json!("low"),
        "service_tier" => json!("flex"),
        "user" | "safety_identifier" | "prompt_cache_key" => json!("somebody"),
        "prompt_cache_retention" => json!("24h"),
        "tools" => tools,
        "functions" => json!([{"name": "grow"}]),
        "function_call" => json!({"name": "grow"}),
        "modalities" => json!(["text", "audio"]),
        "audio" => json!({"voice": "alloy", "format": "mp3"}),
        "web_search_options" | "json_schema" | "guided_json" | "structured_outputs" => json!({}),
        "grammar" | "guided_regex" | "guided_grammar" => json!("a+"),
        "guided_choice" => json!(["yes", "no"]),
        name => panic!("`{name}` has a row and no sample"),
    }
}

/// The names in the header of what was passed over.
fn ignored(answer: &Answer) -> Vec<&str> {
    answer.header("x-interference-ignored").map_or(Vec::new(), |names| names.split(", ").collect())
}

#[test]
fn what_the_tables_say_is_what_the_server_does() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    CHATS.check_rows(|kind, name| {
        let mut asked = request("hi", sample(kind, name));
        if asked["max_completion_tokens"].is_null() {
            asked["max_tokens"] = json!(1);
        }
        ask(server.address, &asked)
    });
}
