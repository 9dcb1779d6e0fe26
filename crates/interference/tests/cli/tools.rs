//! Functions that the real model calls: those that it must call, and those that it may.

use serde_json::{Value, json};

use crate::bench::{Bench, Server};
use crate::exchange::{ask, chunks, request};

/// As strict schemas of applications are.
fn grow_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "species": {"type": "string", "enum": ["oak", "birch"]},
            "place": {
                "type": "object",
                "properties": {
                    "town": {"type": "string", "maxLength": 12},
                    "position": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 2, "maxItems": 2},
                },
                "required": ["town", "position"],
                "additionalProperties": false,
            },
            "metres": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 40}, {"type": "null"}]},
        },
        "required": ["species", "place", "metres"],
        "additionalProperties": false,
    })
}

fn fell_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"number": {"type": "integer", "minimum": 0, "maximum": 999}},
        "required": ["number"],
    })
}

fn tools() -> Value {
    json!([
        {"type": "function", "function": {"name": "grow", "description": "Plants a tree.", "parameters": grow_schema(), "strict": true}},
        {"type": "function", "function": {"name": "fell", "description": "Fells a tree.", "parameters": fell_schema()}},
    ])
}

fn named(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

/// A drawn request that offers both functions.
fn drawn(members: Value) -> Value {
    let mut asked = request(
        "Plant an oak in Oslo, please.",
        json!({"temperature": 1, "seed": 7, "max_tokens": 250, "tools": tools()}),
    );
    asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    asked
}

/// The choices of a whole answer.
#[track_caller]
fn whole(server: &Server, asked: &Value) -> Vec<Value> {
    let answer = ask(server.address, asked);
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.json()["choices"].as_array().unwrap().clone()
}

/// What a stream says of each choice, put together as clients do it, in the form of a whole answer's choices. Checks
/// which chunks there are, and that each is in its place.
#[track_caller]
fn streamed(server: &Server, asked: &Value, choices: usize) -> Vec<Value> {
    let mut asked = asked.clone();
    asked["stream"] = json!(true);
    let answer = ask(server.address, &asked);
    assert_eq!(answer.status, 200, "{answer:#?}");
    let chunks = chunks(&answer.body);
    (0..choices).map(|index| joined(&chunks, index)).collect()
}

#[track_caller]
fn joined(chunks: &[Value], index: usize) -> Value {
    let said = chunks.iter().map(|chunk| &chunk["choices"][0]).filter(|choice| choice["index"] == index);
    let said: Vec<&Value> = said.collect();
    let [speaker, between @ .., end] = said.as_slice() else { panic!("{said:?}") };
    let begins_with_text = speaker["delta"] == json!({"role": "assistant", "content": ""});
    assert!(
        begins_with_text || speaker["delta"] == json!({"role": "assistant", "content": null}),
        "{speaker}"
    );
    assert_eq!(end["delta"], json!({}));
    let (mut content, mut calls) = (String::new(), Vec::<Value>::new());
    for choice in between {
        assert_eq!(choice["finish_reason"], Value::Null);
        let delta = choice["delta"].as_object().unwrap();
        if let Some(text) = delta.get("content") {
            assert!(begins_with_text, "{said:?}");
            content.push_str(text.as_str().unwrap());
            continue;
        }
        let [call] = delta["tool_calls"].as_array().unwrap().as_slice() else { panic!("{delta:?}") };
        let place = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
        let function = &call["function"];
        if call.get("id").is_some() {
            assert_eq!(place, calls.len(), "calls come one after the other");
            assert_eq!((&call["type"], &function["arguments"]), (&json!("function"), &json!("")));
            calls.push(json!({"id": call["id"], "type": "function", "function": function}));
        } else {
            assert_eq!(place + 1, calls.len(), "arguments are those of the last call");
            assert_eq!(function.as_object().unwrap().len(), 1, "{function}");
            let more = function["arguments"].as_str().unwrap();
            let arguments = format!("{}{more}", calls[place]["function"]["arguments"].as_str().unwrap());
            calls[place]["function"]["arguments"] = json!(arguments);
        }
    }
    let content = if content.is_empty() && !calls.is_empty() { Value::Null } else { json!(content) };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    json!({"index": index, "message": message, "logprobs": null, "finish_reason": end["finish_reason"]})
}

/// The names and arguments of a choice's calls, each of which is as the API has it and fits its schema.
#[track_caller]
fn calls(choice: &Value) -> Vec<(String, Value)> {
    let calls = choice["message"]["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
    let mut ids: Vec<&str> = calls.iter().map(|call| call["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), calls.len(), "{choice}");
    calls
        .iter()
        .map(|call| {
            assert_eq!(call["type"], "function");
            let name = call["function"]["name"].as_str().unwrap();
            let text = call["function"]["arguments"].as_str().unwrap();
            let arguments = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            (name.to_owned(), arguments)
        })
        .collect()
}

/// The same, of calls that were forced: they are all that was said, and fit their schemas.
#[track_caller]
fn forced(choice: &Value) -> Vec<(String, Value)> {
    assert_eq!(choice["message"]["content"], Value::Null, "{choice}");
    assert_eq!(choice["finish_reason"], "tool_calls", "{choice}");
    let calls = calls(choice);
    assert!(!calls.is_empty(), "{choice}");
    for (name, arguments) in &calls {
        let schema = match name.as_str() {
            "grow" => grow_schema(),
            "fell" => fell_schema(),
            _ => json!({"type": "object", "maxProperties": 0}),
        };
        assert!(jsonschema::validator_for(&schema).unwrap().is_valid(arguments), "{choice}");
    }
    calls
}

#[test]
fn a_named_function_is_called_once_by_its_schema() {
    let bench = Bench::take();
    let server = bench.serve(&["--fixed-ids"]);
    let mut arguments = Vec::new();
    for seed in 0..5 {
        let asked = drawn(json!({"tool_choice": named("grow"), "seed": seed}));
        let choices = whole(&server, &asked);
        assert_eq!(streamed(&server, &asked, 1), choices);
        let [(name, given)] = forced(&choices[0]).try_into().unwrap();
        assert_eq!(name, "grow");
        arguments.push(given);
    }
    let asked = drawn(json!({"tool_choice": named("grow"), "stream": true}));
    let chunks = chunks(&ask(server.address, &asked).body);
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": null}));
    assert!(arguments.iter().any(|given| *given != arguments[0]), "seeds change nothing: {arguments:?}");
    let asked = drawn(json!({"tool_choice": named("grow"), "seed": 0}));
    let again = ask(server.address, &asked);
    assert_eq!(again.header("x-interference-ignored"), None);
    assert_eq!(forced(&again.json()["choices"][0])[0].1, arguments[0]);
}

#[test]
fn some_call_is_made_where_one_is_required() {
    let bench = Bench::take();
    let server = bench.serve(&["--fixed-ids"]);
    let small = json!([tools()[1], {"type": "function", "function": {"name": "rest"}}]);
    for seed in 0..2 {
        let members = json!({"tools": small, "tool_choice": "required", "seed": seed, "max_tokens": 500});
        let mut asked = drawn(members);
        let choices = whole(&server, &asked);
        let called = forced(&choices[0]);
        assert!(called.len() <= 16, "{called:?}");
        assert_eq!(streamed(&server, &asked, 1), choices);

        // One call alone is the first of several.
        asked["parallel_tool_calls"] = json!(false);
        assert_eq!(forced(&whole(&server, &asked)[0]), called[..1]);
    }
    let allowed = json!({"mode": "required", "tools": [named("fell")]});
    let allowed =
        drawn(json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}, "max_tokens": 500}));
    assert!(forced(&whole(&server, &allowed)[0]).iter().all(|(name, _)| name == "fell"));
}

#[test]
fn a_call_that_is_cut_off_says_so() {
    let bench = Bench::take();
    let server = bench.serve(&["--fixed-ids"]);
    let asked = drawn(json!({"tool_choice": named("grow"), "max_tokens": 30}));
    let choices = whole(&server, &asked);
    assert_eq!(streamed(&server, &asked, 1), choices);
    let message = &choices[0]["message"];
    assert_eq!((&choices[0]["finish_reason"], &message["content"]), (&json!("length"), &Value::Null));
    let arguments = message["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert!(arguments.starts_with("{\"species\": \"") && !arguments.ends_with("}}"), "{arguments}");
}

#[test]
fn choices_call_each_for_itself() {
    let bench = Bench::take();
    let server = bench.serve(&["--fixed-ids"]);
    let asked = drawn(json!({"tool_choice": named("grow"), "n": 2}));
    let choices = whole(&server, &asked);
    let called: Vec<Value> = choices.iter().map(|choice| forced(choice)[0].1.clone()).collect();
    assert_ne!(called[0], called[1]);
    let id = |choice: &Value| choice["message"]["tool_calls"][0]["id"].clone();
    assert_ne!(id(&choices[0]), id(&choices[1]));
    assert_eq!(streamed(&server, &asked, 2), choices);
    let alone = whole(&server, &drawn(json!({"tool_choice": named("grow")})));
    assert_eq!(alone, choices[..1]);
}

#[test]
fn a_model_that_may_call_says_text_or_calls() {
    let bench = Bench::take();
    let server = bench.serve(&["--fixed-ids"]);
    for seed in 0..3 {
        let asked = drawn(json!({"seed": seed, "max_tokens": 30}));
        let answer = ask(server.address, &asked);
        assert_eq!(answer.header("x-interference-ignored"), Some("tools[].function.strict"));
        let choices = answer.json()["choices"].as_array().unwrap().clone();
        assert_eq!(streamed(&server, &asked, 1), choices);
        let has_calls = !choices[0]["message"]["tool_calls"].is_null();
        let reason = choices[0]["finish_reason"].as_str().unwrap();
        assert!(["length", if has_calls { "tool_calls" } else { "stop" }].contains(&reason), "{choices:?}");
        assert!(has_calls || choices[0]["message"]["content"].is_string(), "{choices:?}");
        if reason == "tool_calls" {
            assert!(calls(&choices[0]).iter().all(|(name, _)| ["grow", "fell"].contains(&name.as_str())));
        }
    }
    // Nothing that the model is not told of is called.
    let mut never = drawn(json!({"tool_choice": "none", "max_tokens": 8}));
    let told = ask(server.address, &never).json();
    never.as_object_mut().unwrap().remove("tools");
    never["tool_choice"] = Value::Null;
    assert_eq!(ask(server.address, &never).json(), told);
}

/// As frameworks ask that offer tools and have a class for the last answer.
#[test]
fn beside_a_form_an_answer_is_calls_or_of_that_form() {
    let bench = Bench::take();
    let server = bench.serve(&["--fixed-ids", "--strict"]);
    let mut schema = fell_schema();
    schema["additionalProperties"] = json!(false);
    let form =
        json!({"type": "json_schema", "json_schema": {"name": "tree", "strict": true, "schema": schema}});
    let (mut texts, mut called) = (0, 0);
    // 44 is the beginning of the mark before a call.
    for (seed, bias) in [(0, 0), (1, 8), (2, -100)] {
        let members = json!({"seed": seed, "response_format": form, "logit_bias": {"44": bias}});
        let mut asked = drawn(members);
        asked["parallel_tool_calls"] = json!(false);
        let choices = whole(&server, &asked);
        assert_eq!(streamed(&server, &asked, 1), choices);
        if choices[0]["message"]["content"].is_null() {
            forced(&choices[0]);
            called += 1;
        } else {
            assert_eq!(choices[0]["finish_reason"], "stop", "{choices:?}");
            let text = choices[0]["message"]["content"].as_str().unwrap();
            let given: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&given), "{text}");
            texts += 1;
        }
    }
    assert!(texts > 0 && called > 0, "{texts} texts, {called} calls");

    // Where there must be a call, there is no text that could have a form.
    let must = drawn(json!({"tool_choice": named("grow"), "response_format": form}));
    forced(&whole(&server, &must)[0]);
}

#[test]
fn the_result_of_a_call_is_answered() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let first = whole(&server, &drawn(json!({"tool_choice": named("grow")})));
    let message = &first[0]["message"];
    let conversation = |result: &str, id: &Value| {
        let question = json!({"role": "user", "content": "Plant an oak in Oslo, please."});
        let result = json!({"role": "tool", "tool_call_id": id, "content": result});
        drawn(json!({"messages": [question, message, result], "max_tokens": 8}))
    };
    let id = &message["tool_calls"][0]["id"];
    let answer = ask(server.address, &conversation("planted", id));
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert!(answer.json()["usage"]["completion_tokens"].as_u64().unwrap() > 0, "{answer:#?}");
    // The model reads it.
    let longer = ask(server.address, &conversation("planted and planted", id)).json();
    let tokens = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens(&longer) > tokens(&answer.json()));

    let unknown = ask(server.address, &conversation("planted", &json!("call_of_nobody")));
    assert_eq!(unknown.status, 400, "{unknown:#?}");
    assert_eq!(unknown.json()["error"]["param"], "messages[2].tool_call_id");
}

#[test]
fn what_a_tool_says_is_plain_text() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let tokens = |word: &str, schema: Value| {
        let tools = json!([{"type": "function", "function": {"name": "grow", "description": word, "parameters": schema}}]);
        let answer = ask(server.address, &drawn(json!({"tools": tools, "max_tokens": 1}))).json();
        answer["usage"]["prompt_tokens"].as_u64().unwrap()
    };
    let schema = |word: &str| json!({"type": "object", "properties": {word: {"description": word}}});
    let benign = tokens("a", schema("a"));
    // As a control token it would be 1, which is what the word is.
    assert!(tokens("<|im_end|>", schema("a")) > benign + 3);
    assert!(tokens("a", schema("<|im_end|>")) > benign + 6);
}

#[test]
fn tools_that_cannot_be_had_are_named() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let refused = |members: Value| {
        let answer = ask(server.address, &drawn(members));
        assert_eq!(answer.status, 400, "{answer:#?}");
        let error = &answer.json()["error"];
        (error["param"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    };
    let offered = |schema: Value| {
        json!([
            {"type": "function", "function": {"name": "rest"}},
            {"type": "function", "function": {"name": "grow", "parameters": schema}},
        ])
    };
    for (schema, problem) in [
        (
            json!({"properties": {"a": {"not": {}}}}),
            "the keyword `not` is not supported (at `#/properties/a`)",
        ),
        (json!({"properties": {"a": {"type": "thing"}}}), "Invalid type: thing"),
    ] {
        let tools = offered(schema);
        for choice in [json!("required"), named("grow")] {
            let (param, message) = refused(json!({"tools": tools, "tool_choice": choice, "stream": true}));
            assert_eq!(param, "tools[1].function.parameters");
            assert!(message.contains("'grow'") && message.contains(problem), "{message}");
        }
        // What need not be called is told to the model alone.
        let asked = drawn(json!({"tools": tools, "tool_choice": "auto", "max_tokens": 1}));
        assert_eq!(ask(server.address, &asked).status, 200);
    }
    let many: Vec<String> = (0..7_000).map(|number| number.to_string()).collect();
    let (param, _) = refused(json!({"tools": offered(json!({"properties": {"a": {"enum": many}}}))}));
    assert_eq!(param, "messages", "more than the context holds");
    let regex = json!({"type": "regex", "regex": "a+"});
    let (param, message) = refused(json!({"response_format": regex}));
    assert_eq!(param, "response_format");
    assert!(
        message.starts_with("An answer that may call functions cannot follow a regular expression"),
        "{message}"
    );
    let wrong = json!({"type": "json_schema", "json_schema": {"name": "tree", "schema": {"not": {}}}});
    let (param, _) = refused(json!({"response_format": wrong}));
    assert_eq!(param, "response_format.json_schema.schema");
}
