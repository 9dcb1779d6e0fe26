//! Bugs in the tokens that chats count.

use serde_json::{Map, Value, json};

use super::mutant::{Asked, Fails, MEANT, Mutant, Told};

const ELSEWHERE: &str = "it stands before others";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("include-usage-ignored", "nobody reads stream_options", &[Fails("usage.last-chunk", MEANT)])
        .ask(|asked| {
            if asked.is_chat() && asked.is_streamed() {
                asked.edit(|body| {
                    body.remove("stream_options");
                });
            }
        }),
    Mutant::new(
        "usage-before-the-finish",
        "the usage is told when the last token is there",
        &[Fails("usage.last-chunk", MEANT), Fails("usage.null-elsewhere", ELSEWHERE)],
    )
    .tell(|asked, told| {
        if let Some(at) = usage_piece(asked, told)
            && at > 0
            && !is_for_two(asked)
        {
            told.pieces.swap(at - 1, at);
        }
    }),
    Mutant::new(
        "usage-of-one-chunk",
        "the usage is that of the last token alone",
        &[Fails("usage.last-chunk", MEANT)],
    )
    .tell(|asked, told| {
        if !is_for_two(asked) {
            each_usage(asked, told, |usage| set(usage, "completion_tokens", 1));
        }
    }),
    Mutant::new("usage-in-text", "the numbers are strings", &[Fails("usage.last-chunk", MEANT)]).tell(
        |asked, told| {
            each_usage(asked, told, |usage| {
                for name in ["prompt_tokens", "completion_tokens", "total_tokens"] {
                    usage.insert(name.to_owned(), json!(usage[name].to_string()));
                }
            });
        },
    ),
    Mutant::new(
        "usage-with-a-choice",
        "the chunk with the usage has an empty delta",
        &[Fails("usage.empty-choices", MEANT)],
    )
    .tell(|asked, told| {
        on_chunks(asked, told, |chunk| {
            if chunk["choices"] == json!([]) {
                chunk["choices"] = json!([{"index": 0, "delta": {}, "finish_reason": null}]);
            }
        });
    }),
    Mutant::new(
        "usage-in-every-chunk",
        "every chunk has the usage so far",
        &[Fails("usage.null-elsewhere", MEANT)],
    )
    .tell(|asked, told| {
        if asked.json().get("stream_options").is_some() {
            on_chunks(asked, told, |chunk| {
                if chunk["usage"].is_null() {
                    chunk["usage"] = json!({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10});
                }
            });
        }
    }),
    Mutant::new(
        "usage-unasked",
        "every stream ends with its usage",
        &[Fails("usage.absent-by-default", MEANT)],
    )
    .ask(|asked| {
        if asked.is_chat() && asked.is_streamed() {
            asked.edit(|body| {
                body.insert("stream_options".to_owned(), json!({"include_usage": true}));
            });
        }
    }),
    Mutant::new(
        "usage-although-false",
        "what counts is that stream_options are there",
        &[Fails("usage.absent-by-default", MEANT)],
    )
    .ask(|asked| {
        if asked.json().pointer("/stream_options/include_usage").is_some() && asked.is_streamed() {
            asked.edit(|body| {
                body.insert("stream_options".to_owned(), json!({"include_usage": true}));
            });
        }
    }),
    Mutant::new(
        "total-without-prompt",
        "the total of a stream leaves the prompt out",
        &[Fails("usage.total-adds-up", MEANT)],
    )
    .tell(|asked, told| {
        each_usage(asked, told, |usage| {
            usage.insert("total_tokens".to_owned(), usage["completion_tokens"].clone());
        });
    }),
    Mutant::new(
        "prompt-without-template",
        "the prompt of a stream is counted before the template is applied",
        &[Fails("usage.prompt-same", MEANT)],
    )
    .tell(|asked, told| {
        each_usage(asked, told, |usage| {
            set(
                usage,
                "prompt_tokens",
                usage["prompt_tokens"].as_u64().unwrap_or_default().saturating_sub(2),
            );
        });
    }),
    Mutant::new(
        "one-token-too-many",
        "the token that ends an answer is counted, also where the limit does",
        &[Fails("usage.within-max", MEANT)],
    )
    .tell(|asked, told| {
        each_usage(asked, told, |usage| {
            set(usage, "completion_tokens", usage["completion_tokens"].as_u64().unwrap_or_default() + 1);
        });
    }),
    Mutant::new(
        "stream-options-anyway",
        "stream_options are ignored where nothing is streamed",
        &[Fails("usage.options-need-stream", MEANT)],
    )
    .tell(|asked, told| {
        if asked.is_chat() && !asked.is_streamed() && asked.json().get("stream_options").is_some() {
            *told = Told::json(200, &json!({"id": "chatcmpl-1", "object": "chat.completion", "choices": []}));
        }
    }),
    Mutant::new(
        "usage-of-one-choice",
        "the usage is that of the choice that ended last",
        &[Fails("usage.sums-n", MEANT)],
    )
    .tell(|asked, told| {
        if is_for_two(asked) {
            each_usage(asked, told, |usage| {
                set(usage, "completion_tokens", usage["completion_tokens"].as_u64().unwrap_or_default() / 2);
            });
        }
    }),
    Mutant::new(
        "usage-per-choice",
        "every choice ends with a usage of its own",
        &[Fails("usage.sums-n", MEANT)],
    )
    .tell(|asked, told| {
        if let Some(at) = usage_piece(asked, told)
            && is_for_two(asked)
        {
            let again = told.pieces[at].clone();
            told.pieces.insert(at, again);
        }
    }),
    Mutant::new(
        "total-of-calls",
        "the tokens around a call are in the total alone",
        &[Fails("usage.total-adds-up", MEANT)],
    )
    .tell(|asked, told| {
        if asked.is_chat() && asked.json().get("tools").is_some() {
            told.edit(|body| {
                let total = body.pointer("/usage/total_tokens").and_then(Value::as_u64);
                if let Some(total) = total {
                    body["usage"]["total_tokens"] = json!(total + 5);
                }
            });
        }
    }),
];

fn on_chunks(asked: &Asked, told: &mut Told, edit: impl Fn(&mut Value)) {
    if asked.is_chat() {
        told.edit_events(|_, chunk| edit(chunk));
    }
}

/// Changes the usages of a chat stream.
fn each_usage(asked: &Asked, told: &mut Told, edit: impl Fn(&mut Map<String, Value>)) {
    on_chunks(asked, told, |chunk| {
        if let Some(usage) = chunk.get_mut("usage").and_then(Value::as_object_mut) {
            edit(usage);
        }
    });
}

/// Sets one of the two, and the total with it.
fn set(usage: &mut Map<String, Value>, name: &str, count: u64) {
    usage.insert(name.to_owned(), json!(count));
    let count = |name: &str| usage[name].as_u64().unwrap_or_default();
    let total = count("prompt_tokens") + count("completion_tokens");
    usage.insert("total_tokens".to_owned(), json!(total));
}

/// The piece of a chat stream that has the usage.
fn usage_piece(asked: &Asked, told: &Told) -> Option<usize> {
    let events = if asked.is_chat() && told.is_stream() { told.events() } else { Vec::new() };
    events.into_iter().find(|(_, chunk)| chunk["usage"].is_object()).map(|(at, _)| at)
}

fn is_for_two(asked: &Asked) -> bool {
    asked.json().get("n") == Some(&json!(2))
}
