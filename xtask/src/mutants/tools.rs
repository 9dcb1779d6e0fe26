//! Bugs in calls of tools.

use serde_json::{Value, json};

use super::mutant::{Asked, Fails, MEANT, Mutant, Told};

const SCHEMA: &str = "it is in the schema of an answer";
const BY_INDEX: &str = "what has no index of its own has none to be told apart by";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "arguments-as-an-object",
        "the arguments of a call are parsed, not told as a string",
        &[Fails("tools.arguments-string", MEANT), Fails("chat.schema", SCHEMA)],
    )
    .tell(|_, told| {
        each_call(told, |call| {
            let text = call["function"]["arguments"].as_str().unwrap_or_default();
            call["function"]["arguments"] = serde_json::from_str(text).unwrap_or_default();
        });
    }),
    Mutant::new(
        "arguments-in-single-quotes",
        "the arguments of a call are printed as the language prints its dictionaries",
        &[Fails("tools.arguments-string", MEANT)],
    )
    .tell(|_, told| {
        each_call(told, |call| {
            let text = call["function"]["arguments"].as_str().unwrap_or_default();
            call["function"]["arguments"] = json!(text.replace('"', "'"));
        });
    }),
    Mutant::new(
        "arguments-encoded-twice",
        "the arguments of a call, which are a string of JSON, are encoded as JSON",
        &[Fails("tools.arguments-string", MEANT)],
    )
    .tell(|_, told| {
        each_call(told, |call| {
            call["function"]["arguments"] = json!(call["function"]["arguments"].to_string());
        });
    }),
    Mutant::new(
        "call-without-type",
        "calls have no type",
        &[
            Fails("tools.arguments-string", MEANT),
            Fails("tools.round-trip", "the sound half of the server does not take such a call back"),
            Fails("chat.schema", SCHEMA),
        ],
    )
    .tell(|_, told| {
        each_call(told, |call| {
            call.as_object_mut().map(|call| call.remove("type"));
        });
    }),
    Mutant::new(
        "ids-by-position",
        "the id of a call is its position in the answer",
        &[Fails("tools.id-unique", MEANT)],
    )
    .tell(|_, told| {
        let mut position = 0;
        each_call(told, |call| {
            call["id"] = json!(format!("call_{position}"));
            position += 1;
        });
    }),
    Mutant::new(
        "one-id-for-all",
        "every call of a stream has the id of the answer",
        &[Fails("tools.id-unique", MEANT)],
    )
    .tell(|_, told| {
        each_delta(told, |delta| {
            if delta.get("id").is_some() {
                delta["id"] = json!("call_of_this_answer");
            }
        });
    }),
    Mutant::new(
        "calls-finish-stop",
        "every answer that is not cut ends with stop",
        &[Fails("tools.finish-tool-calls", MEANT)],
    )
    .tell(|_, told| each_finish(told, |reason| reason == "tool_calls", "stop")),
    Mutant::new(
        "tool-calls-without-any",
        "an answer to a request with tools ends with tool_calls, whatever it is",
        &[
            Fails("tools.finish-tool-calls", MEANT),
            Fails("tools.choice-required", "there is no call"),
            Fails("tools.choice-named", "there is no call"),
        ],
    )
    .tell(|asked, told| {
        if asked.json().get("tools").is_some() {
            say_in_place(told, "tool_calls");
        }
    }),
    Mutant::new(
        "call-index-as-a-string",
        "the index of a call is a string",
        &[Fails("tools.stream-index", MEANT)],
    )
    .tell(|_, told| each_delta(told, |delta| delta["index"] = json!(delta["index"].to_string()))),
    Mutant::new("call-index-as-a-float", "the index of a call is 0.0", &[Fails("tools.stream-index", MEANT)])
        .tell(|_, told| {
            each_delta(told, |delta| delta["index"] = json!(delta["index"].as_f64().unwrap_or_default()));
        }),
    Mutant::new(
        "call-index-missing",
        "deltas of calls have no index",
        &[Fails("tools.stream-index", MEANT), Fails("tools.two-calls-two-indexes", BY_INDEX)],
    )
    .tell(|_, told| {
        each_delta(told, |delta| {
            delta.as_object_mut().map(|delta| delta.remove("index"));
        });
    }),
    Mutant::new("call-index-from-one", "calls count from 1", &[Fails("tools.stream-index", MEANT)]).tell(
        |_, told| {
            each_delta(told, |delta| delta["index"] = json!(delta["index"].as_u64().unwrap_or_default() + 1));
        },
    ),
    Mutant::new(
        "name-in-each-delta",
        "each delta of a call repeats who it is",
        &[Fails("tools.id-name-once", MEANT)],
    )
    .tell(|_, told| {
        let mut known = Vec::new();
        each_delta(told, |delta| {
            let index = delta["index"].clone();
            if delta.get("id").is_some() {
                known.push((index, delta["id"].clone(), delta["function"]["name"].clone()));
            } else if let Some((_, id, name)) = known.iter().rev().find(|(other, ..)| *other == index) {
                delta["id"] = id.clone();
                delta["function"]["name"] = name.clone();
            }
        });
    }),
    Mutant::new(
        "call-without-id",
        "calls of a stream have no id",
        &[Fails("tools.id-name-once", MEANT), Fails("tools.id-unique", "there is none")],
    )
    .tell(|_, told| {
        each_delta(told, |delta| {
            delta.as_object_mut().map(|delta| delta.remove("id"));
        });
    }),
    Mutant::new(
        "cumulative-arguments",
        "each delta repeats the arguments of the deltas before",
        &[Fails("tools.fragments-join", MEANT)],
    )
    .tell(|_, told| {
        let mut before = String::new();
        each_delta(told, |delta| {
            if delta.get("id").is_some() {
                before.clear();
            }
            let fragment = delta["function"]["arguments"].as_str().unwrap_or_default();
            before.push_str(fragment);
            delta["function"]["arguments"] = json!(before);
        });
    }),
    Mutant::new(
        "last-fragment-lost",
        "what closes the arguments is held back for what might follow, and forgotten",
        &[Fails("tools.fragments-join", MEANT)],
    )
    .tell(|_, told| {
        each_delta(told, |delta| {
            let fragment = delta["function"]["arguments"].as_str().unwrap_or_default();
            delta["function"]["arguments"] = json!(fragment.trim_end_matches('}'));
        });
    }),
    Mutant::new(
        "fragments-as-values",
        "the arguments of a streamed call are parsed",
        &[Fails("tools.fragments-join", MEANT)],
    )
    .tell(|_, told| {
        each_delta(told, |delta| {
            if delta.get("id").is_none() {
                delta["function"]["arguments"] = json!({"city": "Paris"});
            }
        });
    }),
    Mutant::new(
        "call-index-always-zero",
        "every call of a stream has the index 0",
        &[
            Fails("tools.two-calls-two-indexes", MEANT),
            Fails("tools.id-name-once", "the second call begins in the first"),
        ],
    )
    .tell(|_, told| each_delta(told, |delta| delta["index"] = json!(0))),
    Mutant::new(
        "calls-hide-the-limit",
        "an answer that has begun a call ends with tool_calls",
        &[Fails("tools.length-beats", MEANT)],
    )
    .tell(|_, told| {
        if has_calls(told) {
            each_finish(told, |reason| reason == "length", "tool_calls");
        }
    }),
    Mutant::new("none-is-auto", "the tool_choice none is ignored", &[Fails("tools.choice-none", MEANT)])
        .tell(|asked, told| {
            if asked.json().get("tool_choice") == Some(&json!("none")) {
                call_in_place(asked, told, "get_weather");
            }
        }),
    Mutant::new(
        "named-is-required",
        "the name in a tool_choice is not read",
        &[Fails("tools.choice-named", MEANT)],
    )
    .tell(|asked, told| {
        if asked.json().pointer("/tool_choice/function/name").is_some() {
            call_in_place(asked, told, "get_weather");
        }
    }),
    Mutant::new(
        "required-is-auto",
        "the tool_choice required is ignored, where the question needs no tool",
        &[Fails("tools.choice-required", MEANT)],
    )
    .tell(|asked, told| {
        if asked.json().to_string().contains("Good morning") {
            say_in_place(told, "stop");
        }
    }),
    Mutant::new("parallel-always", "parallel_tool_calls is ignored", &[Fails("tools.parallel-false", MEANT)])
        .ask(|asked| {
            asked.edit(|body| {
                if body.get("parallel_tool_calls") == Some(&Value::Bool(false)) {
                    body.remove("parallel_tool_calls");
                    let prompt = "Call get_weather for Paris and get_weather for Oslo.";
                    body.insert("messages".to_owned(), json!([{"role": "user", "content": prompt}]));
                }
            });
        }),
    Mutant::new(
        "calls-without-content-refused",
        "a message of an assistant must have a content that is a string",
        &[
            Fails("tools.round-trip", MEANT),
            Fails("chat.null-content-tool-turn", "the same message, written by the judge"),
        ],
    )
    .tell(|asked, told| {
        let body = asked.json();
        let messages = body.get("messages").and_then(Value::as_array).into_iter().flatten();
        let mut assistants = messages.filter(|message| message["role"] == "assistant");
        if asked.is_chat() && assistants.any(|message| !message["content"].is_string()) {
            *told = Told::error(400, "messages[1].content must be a string.");
        }
    }),
    Mutant::new(
        "one-result-a-turn",
        "roles must alternate, and the result of a call counts as a turn",
        &[Fails("tools.round-trip", MEANT)],
    )
    .tell(|asked, told| {
        let body = asked.json();
        let messages = body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let are_results = |pair: &[Value]| pair.iter().all(|message| message["role"] == "tool");
        if asked.is_chat() && messages.windows(2).any(are_results) {
            *told = Told::error(400, "Conversation roles must alternate.");
        }
    }),
    Mutant::new(
        "results-unchecked",
        "the ids of results are not looked at",
        &[Fails("tools.dangling-id", MEANT)],
    )
    .ask(|asked| {
        asked.edit(|body| {
            let Some(messages) = body.get_mut("messages").and_then(Value::as_array_mut) else { return };
            let calls: Vec<Value> = messages
                .iter()
                .filter_map(|message| message.get("tool_calls")?.as_array())
                .flatten()
                .map(|call| call["id"].clone())
                .collect();
            let results = messages.iter_mut().filter(|message| message["role"] == "tool");
            for (result, id) in results.zip(calls) {
                result["tool_call_id"] = id;
            }
        });
    }),
];

fn choices(body: &mut Value) -> impl Iterator<Item = &mut Value> {
    body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten()
}

/// Changes each call of a whole answer.
fn each_call(told: &mut Told, mut edit: impl FnMut(&mut Value)) {
    told.edit(|body| {
        for choice in choices(body) {
            let calls = choice.pointer_mut("/message/tool_calls").and_then(Value::as_array_mut);
            calls.into_iter().flatten().for_each(&mut edit);
        }
    });
}

/// Changes each delta of a call of a streamed answer.
fn each_delta(told: &mut Told, mut edit: impl FnMut(&mut Value)) {
    told.edit_choices(|_, choice| {
        let calls = choice.pointer_mut("/delta/tool_calls").and_then(Value::as_array_mut);
        calls.into_iter().flatten().for_each(&mut edit);
    });
}

/// Puts another finish reason in the place of those that fit, whole and streamed.
fn each_finish(told: &mut Told, fits: impl Fn(&str) -> bool, other: &str) {
    let change = |choice: &mut Value| {
        if choice["finish_reason"].as_str().is_some_and(&fits) {
            choice["finish_reason"] = json!(other);
        }
    };
    told.edit(|body| choices(body).for_each(change));
    told.edit_choices(|_, choice| change(choice));
}

fn has_calls(told: &Told) -> bool {
    String::from_utf8_lossy(&told.body()).contains("\"tool_calls\"")
}

/// Answers with a text, in the place of what there is; whole answers alone.
fn say_in_place(told: &mut Told, finish_reason: &str) {
    told.edit(|body| {
        for choice in choices(body).filter(|choice| choice["finish_reason"] != "length") {
            let content = "I would call get_weather(Paris).";
            choice["message"] = json!({"role": "assistant", "content": content, "refusal": null});
            choice["finish_reason"] = json!(finish_reason);
        }
    });
}

/// Answers with a call of this function, in the place of what there is; whole answers alone.
fn call_in_place(asked: &Asked, told: &mut Told, name: &str) {
    if asked.is_streamed() || !told.is_success() {
        return;
    }
    told.edit(|body| {
        for choice in choices(body) {
            let function = json!({"name": name, "arguments": "{\"city\":\"Paris\"}"});
            let call = json!({"id": "call_in_place", "type": "function", "function": function});
            choice["message"] =
                json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [call]});
            choice["finish_reason"] = json!("tool_calls");
        }
    });
}
