//! What a chat may ask for beside a text: several of them, the log probabilities of their tokens, and a form.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, Server};
use crate::exchange::{Exchange, TOKEN, ask, chunks, request};

/// A request that is drawn, not greedy.
fn drawn(members: Value) -> Value {
    let mut asked =
        request("write a poem about a tree", json!({"temperature": 1, "seed": 7, "max_tokens": 12}));
    asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    asked
}

/// The choices of a whole answer.
#[track_caller]
fn whole(server: &Server, asked: &Value) -> Vec<Value> {
    let answer = ask(server.address, asked);
    assert_eq!(answer.status, 200, "{answer:#?}");
    let choices = answer.json()["choices"].as_array().unwrap().clone();
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
    }
    choices
}

fn contents(choices: &[Value]) -> Vec<&str> {
    choices.iter().map(|choice| choice["message"]["content"].as_str().unwrap()).collect()
}

/// The chunks of one choice of a stream: all that it says, the first with the role and the last with the reason.
fn of_choice(chunks: &[Value], index: usize) -> Vec<&Value> {
    let choices = chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
    choices.filter(|choice| choice["index"] == index).collect()
}

#[test]
fn choices_are_the_same_in_any_number_and_streamed() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let three = ask(server.address, &drawn(json!({"n": 3}))).json();
    let choices = whole(&server, &drawn(json!({"n": 3})));
    let texts = contents(&choices);
    assert_eq!(three["choices"], json!(choices), "twice the same");
    assert!(texts[0] != texts[1] && texts[1] != texts[2] && texts[0] != texts[2], "{texts:?}");
    assert_eq!(contents(&whole(&server, &drawn(json!({})))), texts[..1]);
    assert_eq!(contents(&whole(&server, &drawn(json!({"n": 2})))), texts[..2]);
    let usage = json!({"prompt_tokens": 36, "completion_tokens": 36, "total_tokens": 72});
    assert_eq!(three["usage"], usage);

    let members = json!({"n": 3, "stream": true, "stream_options": {"include_usage": true}});
    let chunks = chunks(&ask(server.address, &drawn(members)).body);
    let (last, rest) = chunks.split_last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &usage));
    assert!(rest.iter().all(|chunk| chunk["usage"].is_null()));
    for (index, text) in texts.iter().enumerate() {
        let said = of_choice(rest, index);
        let roles = said.iter().filter(|choice| choice["delta"]["role"] == "assistant").count();
        assert_eq!((roles, &said[0]["delta"]["role"]), (1, &json!("assistant")));
        let reasons: Vec<&Value> = said.iter().map(|choice| &choice["finish_reason"]).collect();
        let (reason, before) = reasons.split_last().unwrap();
        assert_eq!(**reason, json!("length"));
        assert!(before.iter().all(|reason| reason.is_null()), "{reasons:?}");
        let joined: String = said.iter().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        assert_eq!(joined, *text);
    }
}

/// What a place may take to become free; see the tests of clients that go away.
const FREE_WITHIN: Duration = Duration::from_millis(1500);

#[test]
fn each_choice_takes_a_place_and_all_become_free_together() {
    let bench = Bench::take();
    let server = bench.serve(&["--queue", "1", "--streams", "2"]);
    let four = ask(server.address, &drawn(json!({"n": 4})));
    assert_eq!(four.status, 400, "{four:#?}");
    let message = four.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("'n' is 4, and each answer takes a place of its own"), "{message}");

    let long = drawn(json!({"n": 3, "stream": true, "max_tokens": 2000, "ignore_eos": true}));
    let mut running = Exchange::chat(server.address, &long);
    running.read_until(TOKEN);
    assert_eq!(ask(server.address, &drawn(json!({"n": 1}))).status, 429);
    assert_eq!(ask(server.address, &drawn(json!({"n": 3}))).status, 429);
    drop(running);
    let left = Instant::now();
    while ask(server.address, &drawn(json!({"n": 3}))).status != 200 {
        assert!(left.elapsed() < FREE_WITHIN, "the places are still taken");
    }
}

/// The tokens of a list of log probabilities, which is as the API has it.
#[track_caller]
fn tokens(logprobs: &Value, alternatives: usize) -> Vec<Value> {
    let tokens = logprobs["content"].as_array().unwrap();
    for token in tokens {
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!(top.len(), alternatives, "{token}");
        let values: Vec<f64> = top.iter().map(|other| other["logprob"].as_f64().unwrap()).collect();
        assert!(values.is_sorted_by(|a, b| a >= b), "{token}");
        let own = token["logprob"].as_f64().unwrap();
        assert!(own <= 0.0 && values.iter().all(|value| *value <= 0.0), "{token}");
        // Either the token is among the likeliest, or it is less likely than all of them.
        let is_listed = top.iter().any(|other| other["bytes"] == token["bytes"]);
        assert!(is_listed || values.iter().all(|value| *value >= own), "{token}");
    }
    tokens.clone()
}

fn bytes(tokens: &[Value]) -> Vec<u8> {
    let bytes = tokens.iter().flat_map(|token| token["bytes"].as_array().unwrap());
    bytes.map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn log_probabilities_are_those_of_the_content() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let emoji = json!([{"role": "user", "content": "Repeat: 🌳🌲 日本 🌳🌲 日本 🌳🌲"}]);
    for members in [json!({}), json!({"messages": emoji, "temperature": 0, "max_tokens": 24})] {
        let mut asked = drawn(members);
        asked["logprobs"] = json!(true);
        asked["top_logprobs"] = json!(3);
        let choice = &whole(&server, &asked)[0];
        let told = tokens(&choice["logprobs"], 3);
        assert!(!told.is_empty());
        assert_eq!(String::from_utf8_lossy(&bytes(&told)), choice["message"]["content"].as_str().unwrap());

        asked["stream"] = json!(true);
        let chunks = chunks(&ask(server.address, &asked).body);
        let mut streamed = Vec::new();
        for said in of_choice(&chunks, 0) {
            if said["delta"]["content"].as_str().is_some_and(|text| !text.is_empty()) {
                streamed.extend(tokens(&said["logprobs"], 3));
            } else {
                assert_eq!(said["logprobs"], Value::Null);
            }
        }
        assert_eq!(streamed, told);
    }
}

#[test]
fn an_answer_has_the_form_that_was_asked_for() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let schema = json!({
        "type": "object",
        "properties": {
            "species": {"type": "string", "enum": ["oak", "birch"]},
            "height": {"type": "integer"},
            "leaves": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
        },
        "required": ["species", "height", "leaves"],
        "additionalProperties": false,
    });
    let form =
        json!({"type": "json_schema", "json_schema": {"name": "tree", "schema": schema, "strict": true}});
    let mut asked = drawn(json!({"response_format": form, "max_tokens": 200, "n": 2}));
    let choices = whole(&server, &asked);
    let validator = jsonschema::validator_for(&schema).unwrap();
    for content in contents(&choices) {
        let value: Value = serde_json::from_str(content).unwrap_or_else(|error| panic!("{error}: {content}"));
        assert!(validator.is_valid(&value), "{content}");
        let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["species", "height", "leaves"], "in the schema's order");
    }
    asked["stream"] = json!(true);
    let chunks = chunks(&ask(server.address, &asked).body);
    for (index, content) in contents(&choices).into_iter().enumerate() {
        let said = of_choice(&chunks, index);
        let joined: String = said.iter().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        assert_eq!(joined, content);
    }

    let date = json!({"type": "regex", "regex": "[0-9]{4}-[0-9]{2}"});
    let choices = whole(&server, &drawn(json!({"response_format": date})));
    let text = contents(&choices)[0];
    assert!(text.len() == 7 && text.as_bytes()[4] == b'-', "{text}");

    for (form, param) in [
        (
            json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "tree"}}}),
            "response_format.json_schema.schema",
        ),
        (json!({"type": "regex", "regex": "("}), "response_format.regex"),
        (json!({"type": "xml"}), "response_format.type"),
    ] {
        let refused = ask(server.address, &drawn(json!({"response_format": form, "stream": true})));
        assert_eq!(refused.status, 400, "{refused:#?}");
        assert_eq!(refused.json()["error"]["param"], param, "{refused:#?}");
    }
}
