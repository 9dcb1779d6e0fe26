//! Bugs in plain chats: what they take, and what their answers look like.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::mutant::{Asked, End, Fails, Framing, MEANT, Mutant, Told};

const FORM: &str = "the form has it too";

/// The members that a typed language knows of a chat request.
const MEMBERS: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "created-as-float",
        "the time of creation has fractions of a second",
        &[Fails("chat.schema", MEANT)],
    )
    .tell(|asked, told| on_plain(asked, told, |body| body["created"] = json!(1_700_000_000.25))),
    Mutant::new(
        "whole-answers-break-off",
        "the connection is closed when all is written, without the last chunk",
        &[Fails("chat.schema", MEANT)],
    )
    .tell(|asked, told| {
        if asked.is_chat() && told.is_success() && !told.is_stream() {
            (told.framing, told.end) = (Framing::Chunked, End::Cut);
        }
    }),
    Mutant::new("json-as-text", "plain answers go out as text/plain", &[Fails("chat.schema", MEANT)]).tell(
        |asked, told| {
            if asked.is_chat() && told.is_success() && !told.is_stream() {
                told.set_header("content-type", "text/plain; charset=utf-8");
            }
        },
    ),
    Mutant::new(
        "finish-reason-eos",
        "the engine's own word for the end is passed on",
        &[Fails("chat.schema", MEANT)],
    )
    .tell(|asked, told| {
        let has_stop = asked.json().get("stop").is_some();
        each_choice(asked, told, |choice| {
            if choice["finish_reason"] == "stop" && !has_stop {
                choice["finish_reason"] = json!("eos_token");
            }
        });
    }),
    Mutant::new(
        "no-content-beside-calls",
        "a message that calls a tool has no member content",
        &[Fails("chat.content-type-of-content", MEANT), Fails("chat.schema", FORM)],
    )
    .tell(|asked, told| {
        each_choice(asked, told, |choice| {
            let message = choice["message"].as_object_mut();
            if let Some(message) = message.filter(|message| message.contains_key("tool_calls")) {
                message.shift_remove("content");
            }
        });
    }),
    Mutant::new(
        "role-of-another-dialect",
        "messages come from the model, as another API calls it",
        &[
            Fails("chat.role-assistant", MEANT),
            Fails("chat.schema", FORM),
            Fails("tools.round-trip", "the message is sent back as it came, and its role is refused"),
        ],
    )
    .tell(|asked, told| each_choice(asked, told, |choice| choice["message"]["role"] = json!("model"))),
    Mutant::new("each-choice-is-the-first", "all choices have the index 0", &[Fails("chat.indexes", MEANT)])
        .tell(|asked, told| each_choice(asked, told, |choice| choice["index"] = json!(0))),
    Mutant::new("index-from-one", "choices are counted from 1", &[Fails("chat.indexes", MEANT)]).tell(
        |asked, told| {
            each_choice(asked, told, |choice| {
                choice["index"] = json!(choice["index"].as_u64().map(|index| index + 1))
            });
        },
    ),
    Mutant::new(
        "index-as-string",
        "indexes are printed as strings",
        &[Fails("chat.indexes", MEANT), Fails("chat.schema", FORM)],
    )
    .tell(|asked, told| {
        each_choice(asked, told, |choice| choice["index"] = json!(choice["index"].to_string()))
    }),
    Mutant::new(
        "one-choice-for-all",
        "a plain chat has one choice, whatever n is",
        &[Fails("chat.indexes", MEANT)],
    )
    .ask(|asked| {
        if !asked.is_streamed() {
            on_chat(asked, |body| {
                if body.get("n").and_then(Value::as_u64).is_some_and(|n| n > 1) {
                    body.shift_remove("n");
                }
            });
        }
    }),
    Mutant::new(
        "first-part-alone",
        "of a content in parts, the first is taken for all",
        &[Fails("chat.multipart-text", MEANT)],
    )
    .ask(|asked| {
        each_parts(asked, |parts| {
            parts.first().and_then(|part| part.get("text")).cloned().unwrap_or_default()
        })
    }),
    Mutant::new(
        "parts-printed",
        "a content in parts is printed into the prompt as the language prints arrays",
        &[Fails("chat.multipart-text", MEANT)],
    )
    .ask(|asked| each_parts(asked, |parts| json!(json!(parts).to_string().replace('"', "'")))),
    Mutant::new(
        "parts-refused",
        "the content of a message must be a string",
        &[Fails("chat.multipart-text", MEANT)],
    )
    .tell(|asked, told| refuse_where(asked, told, |message| message["content"].is_array())),
    Mutant::new(
        "developer-dropped",
        "messages of unknown roles are left out of the prompt",
        &[Fails("chat.developer-role", MEANT)],
    )
    .ask(|asked| {
        on_chat(asked, |body| {
            if let Some(messages) = body.get_mut("messages").and_then(Value::as_array_mut) {
                messages.retain(|message| message["role"] != "developer");
            }
        });
    }),
    Mutant::new("developer-refused", "the role developer is unknown", &[Fails("chat.developer-role", MEANT)])
        .tell(|asked, told| refuse_where(asked, told, |message| message["role"] == "developer")),
    Mutant::new(
        "new-limit-ignored",
        "max_completion_tokens is not known, and passed over",
        &[Fails("chat.max-completion-tokens", MEANT)],
    )
    .ask(|asked| on_chat(asked, |body| _ = body.shift_remove("max_completion_tokens"))),
    Mutant::new(
        "unknown-member-fails",
        "a member that the request's type does not have is an exception that nobody catches",
        &[Fails("chat.unknown-field", MEANT)],
    )
    .tell(|asked, told| {
        let body = asked.json();
        let unknown = |(name, _): (&String, &Value)| !MEMBERS.contains(&name.as_str());
        if asked.is_chat() && body.as_object().is_some_and(|body| body.iter().any(unknown)) {
            *told = Told::error(500, "unexpected keyword argument");
        }
    }),
    Mutant::new(
        "temperature-clamped",
        "a temperature out of range is silently brought into it",
        &[Fails("chat.temperature-range", MEANT)],
    )
    .ask(|asked| {
        on_chat(asked, |body| {
            if let Some(temperature) = body.get("temperature").and_then(Value::as_f64) {
                body.insert("temperature".to_owned(), json!(temperature.clamp(0.0, 2.0)));
            }
        });
    }),
    Mutant::new("zero-is-false", "n = 0 counts as no n", &[Fails("chat.n-zero", MEANT)]).ask(|asked| {
        on_chat(asked, |body| {
            if body.get("n") == Some(&json!(0)) {
                body.shift_remove("n");
            }
        });
    }),
    Mutant::new(
        "empty-prompt",
        "a chat without messages is answered from nothing",
        &[Fails("chat.empty-messages", MEANT)],
    )
    .ask(|asked| {
        on_chat(asked, |body| {
            if body.get("messages") == Some(&json!([])) {
                body.insert("messages".to_owned(), json!([{"role": "user", "content": ""}]));
            }
        });
    }),
    Mutant::new(
        "null-content-refused",
        "the content of every message must be a string",
        &[
            Fails("chat.null-content-tool-turn", MEANT),
            Fails("tools.round-trip", "the message with the call is sent back as it came"),
        ],
    )
    .tell(|asked, told| {
        refuse_where(asked, told, |message| message.get("content").is_none_or(Value::is_null));
    }),
    Mutant::new(
        "first-stop-alone",
        "of several stop strings the first is taken",
        &[Fails("chat.stop-array", MEANT)],
    )
    .ask(|asked| on_chat(asked, first_stop)),
    Mutant::new(
        "first-stop-alone-in-streams",
        "the loop that streams looks for the first of several stop strings",
        &[Fails("chat.stop-array", MEANT)],
    )
    .ask(|asked| {
        if asked.is_streamed() {
            on_chat(asked, first_stop);
        }
    }),
    Mutant::new("seed-ignored", "a seed does not reach the sampler", &[Fails("chat.seed-repeats", MEANT)])
        .tell(|asked, told| {
            static DRAWN: AtomicU64 = AtomicU64::new(0);
            if asked
                .json()
                .get("temperature")
                .and_then(Value::as_f64)
                .is_some_and(|temperature| temperature > 0.0)
            {
                let drawn = DRAWN.fetch_add(1, Ordering::Relaxed);
                each_choice(asked, told, |choice| {
                    let text = choice["message"]["content"].as_str().unwrap_or_default();
                    choice["message"]["content"] = json!(format!("{drawn} {text}"));
                });
            }
        }),
    Mutant::new(
        "no-fingerprint-at-all",
        "plain answers have no fingerprint",
        &[Fails("chat.system-fingerprint", MEANT)],
    )
    .tell(|asked, told| {
        on_plain(asked, told, |body| {
            body.as_object_mut().map(|body| body.shift_remove("system_fingerprint"));
        });
    }),
    Mutant::new("streams-of-no-choice", "a stream with n = 0 has one choice", &[Fails("chat.n-zero", MEANT)])
        .ask(|asked| {
            if asked.is_chat() && asked.is_streamed() {
                asked.edit(|body| {
                    if body.get("n") == Some(&json!(0)) {
                        body.insert("n".to_owned(), json!(1));
                    }
                });
            }
        }),
];

fn on_chat(asked: &mut Asked, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    if asked.is_chat() {
        asked.edit(edit);
    }
}

/// Of several stop strings the first.
fn first_stop(body: &mut serde_json::Map<String, Value>) {
    if let Some(first) = body.get("stop").and_then(|stop| stop.get(0)).cloned() {
        body.insert("stop".to_owned(), first);
    }
}

/// Puts something in the place of each content that is an array of parts.
fn each_parts(asked: &mut Asked, joined: impl Fn(&[Value]) -> Value) {
    on_chat(asked, |body| {
        for message in body.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(parts) = message.get("content").and_then(Value::as_array) {
                message["content"] = joined(parts);
            }
        }
    });
}

/// A 400 where a message is of this kind.
fn refuse_where(asked: &Asked, told: &mut Told, kind: impl Fn(&Value) -> bool) {
    let body = asked.json();
    let messages = body.get("messages").and_then(Value::as_array);
    if asked.is_chat() && told.is_success() && messages.into_iter().flatten().any(kind) {
        *told = Told::error(400, "Invalid message.");
    }
}

/// Changes the body of a plain answer.
fn on_plain(asked: &Asked, told: &mut Told, edit: impl FnOnce(&mut Value)) {
    if asked.is_chat() && told.is_success() {
        told.edit(edit);
    }
}

fn each_choice(asked: &Asked, told: &mut Told, edit: impl FnMut(&mut Value)) {
    on_plain(asked, told, |body| {
        body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten().for_each(edit);
    });
}
