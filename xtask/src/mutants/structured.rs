//! Bugs in structured output.

use serde_json::{Value, json};

use super::mutant::{Asked, Fails, MEANT, Mutant, Told};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "json-in-fences",
        "the JSON of json_object stands in a block of Markdown",
        &[Fails("structured.json-object", MEANT)],
    )
    .tell(|asked, told| {
        if format_of(asked) == "json_object" {
            each_content(told, |content| format!("```json\n{content}\n```"));
        }
    }),
    Mutant::new(
        "json-object-by-prompt-alone",
        "json_object is a word to the model, which it need not heed",
        &[Fails("structured.json-object", MEANT)],
    )
    .tell(|asked, told| {
        if format_of(asked) == "json_object" && asked.json().to_string().contains("No JSON") {
            each_content(told, |_| "An old oak stands\nin morning light.".to_owned());
        }
    }),
    Mutant::new(
        "schema-ignored",
        "json_schema is taken for json_object",
        &[
            Fails("structured.schema-valid", MEANT),
            Fails("structured.nested-enum-required", "the same for any schema"),
            Fails("structured.unsupported-says-so", "the same for any schema"),
        ],
    )
    .tell(|asked, told| {
        if format_of(asked) == "json_schema" {
            each_content(told, |_| "{\"answer\": 42}".to_owned());
        }
    }),
    Mutant::new(
        "members-optional",
        "required members of an object may be missing",
        &[
            Fails("structured.schema-valid", MEANT),
            Fails("structured.nested-enum-required", "the same for any schema"),
        ],
    )
    .tell(|asked, told| {
        if format_of(asked) == "json_schema" {
            each_value(told, |value| {
                let Some(object) = value.as_object_mut().filter(|object| object.len() > 1) else { return };
                if let Some(last) = object.keys().next_back().cloned() {
                    object.remove(&last);
                }
            });
        }
    }),
    Mutant::new(
        "streams-unconstrained",
        "the schema is not handed on to the streaming path",
        &[Fails("structured.same-streamed", MEANT)],
    )
    .tell(|asked, told| {
        if format_of(asked) == "json_schema" {
            let mut first = true;
            told.edit_choices(|_, choice| {
                let content = choice["delta"]["content"].as_str().filter(|content| !content.is_empty());
                if let Some(content) = content.filter(|_| first) {
                    choice["delta"]["content"] = json!(format!("Here it is: {content}"));
                    first = false;
                }
            });
        }
    }),
    Mutant::new(
        "no-schema-taken",
        "a schema that cannot be used is left out",
        &[Fails("structured.invalid-schema", MEANT)],
    )
    .tell(|asked, told| {
        if format_of(asked) == "json_schema" && told.status == 400 {
            *told = poem(asked);
        }
    }),
    Mutant::new(
        "no-schema-crashes",
        "a schema that cannot be used is an error of the server",
        &[Fails("structured.invalid-schema", MEANT)],
    )
    .tell(|asked, told| {
        if format_of(asked) == "json_schema" && told.status == 400 {
            *told = Told::error(500, "'list' object has no attribute 'items'");
        }
    }),
    Mutant::new(
        "depth-of-one",
        "objects within objects are any objects",
        &[Fails("structured.nested-enum-required", MEANT)],
    )
    .tell(|asked, told| {
        if format_of(asked) == "json_schema" {
            each_value(told, |value| {
                if let Some(leaf) = value.pointer_mut("/tree/leaf").and_then(Value::as_object_mut) {
                    leaf.insert("shape".to_owned(), json!("fan"));
                }
            });
        }
    }),
    Mutant::new(
        "unknown-format-ignored",
        "a response_format of an unknown type is none",
        &[Fails("structured.unsupported-says-so", MEANT)],
    )
    .ask(|asked| {
        let known = ["text", "json_object", "json_schema", ""].contains(&format_of(asked).as_str());
        if !known {
            asked.edit(|body| {
                body.remove("response_format");
            });
        }
    }),
    Mutant::new(
        "patterns-ignored",
        "patterns of strings are not enforced",
        &[Fails("structured.unsupported-says-so", MEANT)],
    )
    .tell(|_, told| {
        each_value(told, |value| {
            if let Some(code) = value.get_mut("code") {
                *code = json!("abc");
            }
        });
    }),
    Mutant::new(
        "bounds-ignored",
        "bounds of numbers are not enforced",
        &[Fails("structured.unsupported-says-so", MEANT)],
    )
    .tell(|asked, told| {
        if asked.json().to_string().contains("\"minimum\"") {
            each_value(told, |value| value["age"] = json!(3));
        }
    }),
];

/// The type of the format that is asked for; empty if there is none.
fn format_of(asked: &Asked) -> String {
    let body = asked.json();
    body.pointer("/response_format/type").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Changes the content of each choice of a whole answer.
fn each_content(told: &mut Told, edit: impl Fn(&str) -> String) {
    told.edit(|body| {
        for choice in body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(content) = choice["message"]["content"].as_str() {
                choice["message"]["content"] = json!(edit(content));
            }
        }
    });
}

/// Changes the content of each choice that is JSON.
fn each_value(told: &mut Told, edit: impl Fn(&mut Value)) {
    each_content(told, |content| match serde_json::from_str::<Value>(content) {
        Ok(mut value) => {
            edit(&mut value);
            value.to_string()
        }
        Err(_) => content.to_owned(),
    });
}

/// What a server says that has ignored the format.
fn poem(asked: &Asked) -> Told {
    let message = json!({"role": "assistant", "content": "An old oak stands.", "refusal": null});
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
    let model = asked.json()["model"].clone();
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10});
    Told::json(
        200,
        &json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}),
    )
}
