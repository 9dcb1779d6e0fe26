//! Bugs in what the chunks of chat streams say.

use serde_json::{Value, json};

use super::mutant::{Asked, Fails, MEANT, Mutant, Piece, Told};

const OTHER_REASON: &str = "the reason is not the one that it should be";
const TOKENS_ARE_WHOLE: &str = "the tokens say what the text has lost";
const NO_WORD_OF_ITS_OWN: &str = "what is a word of the text without spaces is none of the server's";
const NOT_STOPPED: &str = "no stop string stops";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "object-of-a-plain-answer",
        "chunks are made from the type of plain answers",
        &[Fails("chunk.object", MEANT)],
    )
    .tell(|asked, told| {
        each_chunk(asked, told, |_, chunk| chunk["object"] = json!("chat.completion"));
    }),
    Mutant::new("id-per-chunk", "every chunk draws an id", &[Fails("chunk.id-constant", MEANT)]).tell(
        |asked, told| {
            each_chunk(asked, told, |index, chunk| chunk["id"] = json!(format!("chatcmpl-{index}")))
        },
    ),
    Mutant::new("empty-ids", "nobody sets the id", &[Fails("chunk.id-constant", MEANT)])
        .tell(|asked, told| each_chunk(asked, told, |_, chunk| chunk["id"] = json!(""))),
    Mutant::new(
        "chunks-without-model",
        "the model is in the first chunk only",
        &[Fails("chunk.required-keys", MEANT)],
    )
    .tell(|asked, told| {
        each_chunk(asked, told, |index, chunk| {
            if index > 0 {
                remove(chunk, "model");
            }
        });
    }),
    Mutant::new(
        "usage-without-choices",
        "the chunk with the usage leaves out its empty choices",
        &[
            Fails("chunk.required-keys", MEANT),
            Fails("usage.empty-choices", "it is the chunk with the usage that lacks them"),
        ],
    )
    .tell(|asked, told| {
        each_chunk(asked, told, |_, chunk| {
            if chunk["choices"] == json!([]) {
                remove(chunk, "choices");
            }
        });
    }),
    Mutant::new(
        "created-with-a-fraction",
        "the clock's seconds are a float",
        &[Fails("chunk.created-integer", MEANT)],
    )
    .tell(|asked, told| {
        each_chunk(asked, told, |_, chunk| {
            chunk["created"] = json!(chunk["created"].as_f64().unwrap_or_default() + 0.25);
        });
    }),
    Mutant::new("created-anew", "every chunk reads the clock", &[Fails("chunk.created-integer", MEANT)])
        .tell(|asked, told| {
            each_chunk(asked, told, |index, chunk| {
                chunk["created"] = json!(chunk["created"].as_u64().unwrap_or_default() + index as u64 / 8);
            });
        }),
    Mutant::new(
        "created-in-milliseconds",
        "the clock counts milliseconds",
        &[Fails("chunk.created-integer", MEANT)],
    )
    .tell(|asked, told| {
        each_chunk(asked, told, |_, chunk| {
            chunk["created"] = json!(chunk["created"].as_u64().unwrap_or_default() * 1000);
        });
    }),
    Mutant::new(
        "finish-reason-left-out",
        "members that are null are left out",
        &[Fails("chunk.choice-keys", MEANT)],
    )
    .tell(|asked, told| {
        each_choice(asked, told, |_, choice| {
            if choice["finish_reason"].is_null() {
                remove(choice, "finish_reason");
            }
        });
    }),
    Mutant::new("index-as-text", "the index of a choice is a string", &[Fails("chunk.choice-keys", MEANT)])
        .tell(|asked, told| {
            each_choice(asked, told, |_, choice| choice["index"] = json!(choice["index"].to_string()))
        }),
    Mutant::new("role-in-every-delta", "every delta has its role", &[Fails("chunk.role-once-first", MEANT)])
        .tell(|asked, told| {
            each_choice(asked, told, |_, choice| choice["delta"]["role"] = json!("assistant"))
        }),
    Mutant::new("no-role", "no delta has a role", &[Fails("chunk.role-once-first", MEANT)])
        .tell(|asked, told| each_choice(asked, told, |_, choice| remove(&mut choice["delta"], "role"))),
    Mutant::new("null-delta-at-the-end", "the last delta is null", &[Fails("chunk.delta-object", MEANT)])
        .tell(|asked, told| {
            each_choice(asked, told, |_, choice| {
                if !choice["finish_reason"].is_null() && choice["delta"] == json!({}) {
                    choice["delta"] = Value::Null;
                }
            });
        }),
    Mutant::new(
        "finish-twice",
        "both the loop and what follows it tell the finish",
        &[Fails("chunk.finish-once", MEANT)],
    )
    .tell(|asked, told| {
        if let Some(at) = finish(asked, told) {
            let again = told.pieces[at].clone();
            told.pieces.insert(at + 1, again);
        }
    }),
    Mutant::new(
        "empty-finish-reasons",
        "a finish reason that is not there yet is an empty string",
        &[Fails("chunk.finish-enum", MEANT)],
    )
    .tell(|asked, told| {
        each_choice(asked, told, |_, choice| {
            if choice["finish_reason"].is_null() {
                choice["finish_reason"] = json!("");
            }
        });
    }),
    Mutant::new(
        "reason-of-the-engine",
        "the engine's word for a stop is passed on",
        &[
            Fails("chunk.finish-enum", MEANT),
            Fails("chunk.stop-excluded", OTHER_REASON),
            Fails("chat.stop-array", OTHER_REASON),
        ],
    )
    .tell(|asked, told| rename_reason(asked, told, "stop", json!("eos_token"))),
    Mutant::new(
        "no-reason-where-cut",
        "an answer that its limit cuts has no finish reason",
        &[Fails("chunk.finish-before-done", MEANT)],
    )
    .tell(|asked, told| rename_reason(asked, told, "length", Value::Null)),
    Mutant::new(
        "early-error-swallowed",
        "an error before the first token leaves nothing but the end",
        &[Fails("chunk.finish-before-done", MEANT)],
    )
    .tell(|asked, told| {
        if asked.json().get("tools").is_some()
            && asked.is_streamed()
            && let Some(done) = told.done()
        {
            told.pieces.drain(..done);
        }
    }),
    Mutant::new(
        "last-word-after-finish",
        "the text is flushed when the finish has been told",
        &[Fails("chunk.nothing-after-finish", MEANT)],
    )
    .tell(|asked, told| {
        if let Some(at) = finish(asked, told)
            && at > 0
            && asked.json().get("n").is_none()
        {
            told.pieces.swap(at - 1, at);
        }
    }),
    Mutant::new(
        "length-told-as-stop",
        "whatever ends an answer is a stop",
        &[
            Fails("chunk.length-at-max-tokens", MEANT),
            Fails("tools.length-beats", "a call that is cut has no other reason"),
        ],
    )
    .tell(|asked, told| rename_reason(asked, told, "length", json!("stop"))),
    Mutant::new(
        "stop-told-as-length",
        "an answer that a stop string ends has the reason length",
        &[Fails("chunk.stop-excluded", MEANT)],
    )
    .tell(|asked, told| {
        if stop(asked).is_some() {
            rename_reason(asked, told, "stop", json!("length"));
        }
    }),
    Mutant::new(
        "stop-string-included",
        "the stop string is sent before it is seen",
        &[Fails("chunk.stop-excluded", MEANT), Fails("chunk.stop-across-tokens", NOT_STOPPED)],
    )
    .tell(|asked, told| {
        if let Some(stop) = stop(asked) {
            say_before_finish(asked, told, &stop);
        }
    }),
    Mutant::new(
        "stop-ignored-in-streams",
        "only plain answers stop",
        &[
            Fails("chunk.stop-excluded", MEANT),
            Fails("chunk.stop-across-tokens", NOT_STOPPED),
            Fails("chat.stop-array", NOT_STOPPED),
        ],
    )
    .ask(|asked| {
        if asked.is_chat() && asked.is_streamed() {
            asked.edit(|body| {
                body.remove("stop");
            });
        }
    }),
    Mutant::new(
        "stop-within-a-token-alone",
        "a stop string is looked for in each token by itself",
        &[Fails("chunk.stop-across-tokens", MEANT)],
    )
    .ask(|asked| {
        if stop(asked).is_some_and(|stop| stop.contains(' ')) {
            asked.edit(|body| {
                body.remove("stop");
            });
        }
    }),
    Mutant::new(
        "stop-seen-too-late",
        "the token in which a stop string begins has been sent when it is seen",
        &[Fails("chunk.stop-across-tokens", MEANT)],
    )
    .tell(|asked, told| {
        if let Some((beginning, _)) = stop(asked).as_deref().and_then(|stop| stop.split_once(' ')) {
            say_before_finish(asked, told, beginning);
        }
    }),
    Mutant::new(
        "characters-cut-by-tokens",
        "each token is decoded by itself",
        &[Fails("chunk.no-replacement-char", MEANT), Fails("logprobs.streamed", TOKENS_ARE_WHOLE)],
    )
    .tell(|asked, told| {
        each_content(asked, told, |text| text.replace(|letter: char| !letter.is_ascii(), "\u{FFFD}\u{FFFD}"))
    }),
    Mutant::new(
        "characters-lost",
        "bytes that are no whole character are dropped",
        &[Fails("chunk.no-replacement-char", MEANT), Fails("logprobs.streamed", TOKENS_ARE_WHOLE)],
    )
    .tell(|asked, told| {
        each_content(asked, told, |text| text.replace(|letter: char| letter.len_utf8() > 3, ""))
    }),
    Mutant::new(
        "spaces-of-pieces-lost",
        "each piece is decoded without the space before it",
        &[
            Fails("chunk.equals-plain", MEANT),
            Fails("logprobs.streamed", TOKENS_ARE_WHOLE),
            Fails("chunk.stop-excluded", NO_WORD_OF_ITS_OWN),
            Fails("chat.stop-array", NO_WORD_OF_ITS_OWN),
        ],
    )
    .tell(|asked, told| each_content(asked, told, |text| text.trim_start().to_owned())),
    Mutant::new(
        "n-ignored-in-streams",
        "a stream has one choice",
        &[Fails("chunk.n-two", MEANT), Fails("chat.n-zero", "n = 0 is not looked at either")],
    )
    .ask(|asked| {
        if asked.is_chat() && asked.is_streamed() {
            asked.edit(|body| {
                body.remove("n");
            });
        }
    }),
    Mutant::new(
        "error-without-envelope",
        "an error in a stream is an object of its own",
        &[Fails("chunk.error-in-stream", MEANT)],
    )
    .tell(|asked, told| {
        each_chunk(asked, told, |_, chunk| {
            if chunk.get("error").is_some() {
                *chunk = json!({"object": "error", "message": chunk["error"]["message"], "code": 500});
            }
        });
    }),
    Mutant::new("error-as-text", "the error is its message", &[Fails("chunk.error-in-stream", MEANT)]).tell(
        |asked, told| {
            each_chunk(asked, told, |_, chunk| {
                if chunk.get("error").is_some() {
                    chunk["error"] = chunk["error"]["message"].take();
                }
            });
        },
    ),
    Mutant::new(
        "error-without-frame",
        "an upstream's error is written into the stream as it came",
        &[Fails("chunk.error-in-stream", MEANT)],
    )
    .tell(|asked, told| {
        if let Some(at) = error(asked, told) {
            let text = String::from_utf8_lossy(&told.pieces[at].bytes).replacen("data: ", "", 1);
            told.pieces[at] = Piece::new(text);
        }
    }),
    Mutant::new("error-swallowed", "an error just ends the stream", &[Fails("chunk.error-in-stream", MEANT)])
        .tell(|asked, told| {
            if let Some(at) = error(asked, told) {
                told.pieces.remove(at);
            }
        }),
];

fn each_chunk(asked: &Asked, told: &mut Told, edit: impl FnMut(usize, &mut Value)) {
    if asked.is_chat() {
        told.edit_events(edit);
    }
}

fn each_choice(asked: &Asked, told: &mut Told, edit: impl FnMut(usize, &mut Value)) {
    if asked.is_chat() {
        told.edit_choices(edit);
    }
}

fn each_content(asked: &Asked, told: &mut Told, edit: impl Fn(&str) -> String) {
    each_choice(asked, told, |_, choice| {
        let content = choice.pointer_mut("/delta/content");
        if let Some(Value::String(text)) = content {
            *text = edit(text);
        }
    });
}

fn rename_reason(asked: &Asked, told: &mut Told, from: &str, to: Value) {
    each_choice(asked, told, |_, choice| {
        if choice["finish_reason"] == from {
            choice["finish_reason"] = to.clone();
        }
    });
}

fn remove(object: &mut Value, member: &str) {
    if let Some(object) = object.as_object_mut() {
        object.remove(member);
    }
}

/// The piece of the first chunk with a finish reason.
fn finish(asked: &Asked, told: &Told) -> Option<usize> {
    let is_finish = |value: &Value| value["choices"][0]["finish_reason"].is_string();
    piece(asked, told, is_finish)
}

/// The piece with an error.
fn error(asked: &Asked, told: &Told) -> Option<usize> {
    piece(asked, told, |value| value.get("error").is_some())
}

fn piece(asked: &Asked, told: &Told, is_wanted: impl Fn(&Value) -> bool) -> Option<usize> {
    let events = if asked.is_chat() && told.is_stream() { told.events() } else { Vec::new() };
    events.into_iter().find(|(_, value)| is_wanted(value)).map(|(at, _)| at)
}

/// The stop string of a streamed chat.
fn stop(asked: &Asked) -> Option<String> {
    let stop = asked.json().get("stop").and_then(Value::as_str).map(str::to_owned);
    stop.filter(|_| asked.is_chat() && asked.is_streamed())
}

/// One more piece of text before the finish.
fn say_before_finish(asked: &Asked, told: &mut Told, text: &str) {
    let Some(at) = finish(asked, told) else { return };
    let Some((_, mut chunk)) = told.events().into_iter().find(|(piece, _)| *piece == at) else { return };
    chunk["choices"][0]["delta"] = json!({"content": text});
    chunk["choices"][0]["finish_reason"] = Value::Null;
    told.pieces.insert(at, Piece::new(format!("data: {chunk}\n\n")));
}
