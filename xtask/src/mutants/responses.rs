//! Bugs in the Responses API.

use serde_json::{Value, json};

use super::mutant::{Asked, Fails, Framing, MEANT, Mutant, Piece, Told};

const CREATED: &str = "response.created";
const PART_ADDED: &str = "response.content_part.added";
const ITEM_ADDED: &str = "response.output_item.added";
const ITEM_DONE: &str = "response.output_item.done";
const TEXT_DELTA: &str = "response.output_text.delta";
const TEXT_DONE: &str = "response.output_text.done";
const COMPLETED: &str = "response.completed";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "response-events-without-names",
        "events are written as those of chats, data alone",
        &[Fails("responses.event-equals-type", MEANT)],
    )
    .tell(|asked, told| rename(asked, told, |_| String::new())),
    Mutant::new(
        "response-events-under-short-names",
        "the events' names leave out what all have in common",
        &[Fails("responses.event-equals-type", MEANT)],
    )
    .tell(|asked, told| rename(asked, told, |name| format!("event: {}\n", name.replacen("response.", "", 1)))),
    Mutant::new(
        "response-types-in-names-alone",
        "the type of an event is told by its name and not repeated in its data",
        &[
            Fails("responses.event-equals-type", MEANT),
            Fails("responses.one-terminal", "what has no type ends nothing"),
        ],
    )
    .tell(|asked, told| each(asked, told, |_, value| remove(value, "type"))),
    Mutant::new(
        "response-sequence-of-zeros",
        "the number is a default that nobody sets",
        &[Fails("responses.sequence-rises", MEANT)],
    )
    .tell(|asked, told| each(asked, told, |_, value| value["sequence_number"] = json!(0))),
    Mutant::new(
        "response-sequence-in-quotes",
        "the number goes through a type that is written as a string",
        &[Fails("responses.sequence-rises", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |_, value| value["sequence_number"] = json!(value["sequence_number"].to_string()));
    }),
    Mutant::new(
        "response-sequence-of-deltas-missing",
        "deltas come from another place than the other events, which does not count",
        &[Fails("responses.sequence-rises", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |kind, value| {
            if kind.ends_with(".delta") {
                remove(value, "sequence_number");
            }
        });
    }),
    Mutant::new(
        "response-not-created",
        "a stream begins with response.in_progress",
        &[Fails("responses.order", MEANT)],
    )
    .tell(|asked, told| leave_out(asked, told, CREATED)),
    Mutant::new(
        "response-item-never-done",
        "the end of an item is not told",
        &[Fails("responses.order", MEANT)],
    )
    .tell(|asked, told| leave_out(asked, told, ITEM_DONE)),
    Mutant::new(
        "response-text-never-done",
        "the end of a text is not told",
        &[Fails("responses.order", MEANT)],
    )
    .tell(|asked, told| leave_out(asked, told, TEXT_DONE)),
    Mutant::new(
        "response-part-never-added",
        "a text begins with its first delta",
        &[Fails("responses.order", MEANT)],
    )
    .tell(|asked, told| leave_out(asked, told, PART_ADDED)),
    Mutant::new(
        "response-item-added-late",
        "an item is added when its first part is there",
        &[Fails("responses.order", MEANT)],
    )
    .tell(|asked, told| {
        if let (Some(item), Some(part)) = (find(asked, told, ITEM_ADDED), find(asked, told, PART_ADDED)) {
            told.pieces.swap(item, part);
            renumber(told);
        }
    }),
    Mutant::new(
        "response-item-done-early",
        "an item is done before its last delta",
        &[Fails("responses.order", MEANT)],
    )
    .tell(|asked, told| {
        if let (Some(delta), Some(done)) = (find(asked, told, TEXT_DELTA), find(asked, told, ITEM_DONE)) {
            let done = told.pieces.remove(done);
            told.pieces.insert(delta, done);
            renumber(told);
        }
    }),
    Mutant::new(
        "response-deltas-trimmed",
        "the white space around each piece is lost",
        &[Fails("responses.deltas-join", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |_, value| {
            if let Some(delta) = value.get("delta").and_then(Value::as_str) {
                value["delta"] = json!(delta.trim());
            }
        });
    }),
    Mutant::new(
        "response-last-delta-lost",
        "the last piece is taken for the end",
        &[Fails("responses.deltas-join", MEANT)],
    )
    .tell(|asked, told| {
        let last = positions(asked, told).into_iter().rfind(|(_, kind)| kind == TEXT_DELTA);
        if let Some((last, _)) = last {
            told.pieces.remove(last);
        }
    }),
    Mutant::new(
        "response-completed-empty",
        "the last event has the response as it was created",
        &[Fails("responses.deltas-join", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |kind, value| {
            if kind == COMPLETED {
                value["response"]["output"] = json!([]);
            }
        });
    }),
    Mutant::new(
        "response-deltas-without-index",
        "deltas do not say which item of the output they are of",
        &[Fails("responses.indexes", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |kind, value| {
            if kind.ends_with(".delta") {
                remove(value, "output_index");
            }
        });
    }),
    Mutant::new(
        "response-item-ids-made-anew",
        "each event makes an id of its own for its item",
        &[Fails("responses.indexes", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |_, value| {
            if value.get("item_id").is_some() {
                value["item_id"] = json!(format!("msg_{}", value["sequence_number"]));
            }
        });
    }),
    Mutant::new(
        "response-items-counted-from-one",
        "the first item has the index 1",
        &[Fails("responses.indexes", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |_, value| {
            if let Some(index) = value.get("output_index").and_then(Value::as_u64) {
                value["output_index"] = json!(index + 1);
            }
        });
    }),
    Mutant::new(
        "response-content-index-in-quotes",
        "an index goes through a type that is written as a string",
        &[Fails("responses.indexes", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |kind, value| {
            if kind == TEXT_DELTA {
                value["content_index"] = json!(value["content_index"].to_string());
            }
        });
    }),
    Mutant::new(
        "response-without-indexes",
        "events name their item by its id alone",
        &[Fails("responses.indexes", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |_, value| {
            for name in ["output_index", "content_index"] {
                value.as_object_mut().map(|event| event.remove(name));
            }
        });
    }),
    Mutant::new(
        "response-without-an-end",
        "the stream ends when the text does",
        &[Fails("responses.one-terminal", MEANT)],
    )
    .tell(|asked, told| {
        leave_out(asked, told, COMPLETED);
        leave_out(asked, told, "response.incomplete");
    }),
    Mutant::new(
        "response-completed-twice",
        "both the handler and the library behind it end the stream",
        &[Fails("responses.one-terminal", MEANT)],
    )
    .tell(|asked, told| {
        if let Some(end) = find(asked, told, COMPLETED) {
            let again = told.pieces[end].clone();
            told.pieces.insert(end, again);
            renumber(told);
        }
    }),
    Mutant::new(
        "response-completed-in-progress",
        "the last event has the status of the first",
        &[Fails("responses.one-terminal", MEANT)],
    )
    .tell(|asked, told| {
        each(asked, told, |kind, value| {
            if kind == COMPLETED {
                value["response"]["status"] = json!("in_progress");
            }
        });
    }),
    Mutant::new(
        "response-stream-as-json",
        "a streamed response comes whole",
        &[Fails("responses.one-terminal", MEANT)],
    )
    .tell(|asked, told| {
        let last = told.events().pop().map(|(_, value)| value["response"].clone());
        if let Some(response) = last.filter(|_| is_stream(asked, told)) {
            *told = Told::json(200, &response);
        }
    }),
    Mutant::new(
        "response-failure-as-an-envelope",
        "what goes wrong in a stream is told as chats tell it",
        &[Fails("responses.failure-event", MEANT)],
    )
    .tell(|asked, told| {
        let error = String::from_utf8_lossy(&told.body()).into_owned();
        fail_late(asked, told, &format!("data: {error}\n\n"));
    }),
    Mutant::new(
        "response-failure-swallowed",
        "a stream that fails ends as if nothing had happened",
        &[Fails("responses.failure-event", MEANT)],
    )
    .tell(|asked, told| fail_late(asked, told, "data: [DONE]\n\n")),
    Mutant::new(
        "response-failure-without-a-message",
        "the response fails, and nothing says why",
        &[Fails("responses.failure-event", MEANT)],
    )
    .tell(|asked, told| {
        let failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":1,\
                      \"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"failed\",\"error\":null}}\n\n";
        fail_late(asked, told, failed);
    }),
    Mutant::new(
        "previous-response-passed-over",
        "a server without memory takes the parameter and does nothing with it",
        &[Fails("responses.previous-id", MEANT)],
    )
    .ask(|asked| {
        if is_response(asked) {
            asked.edit(|body| {
                body.remove("previous_response_id");
            });
        }
    }),
    Mutant::new(
        "previous-response-unknown-is-a-crash",
        "a conversation that is not found is an exception that nobody catches",
        &[Fails("responses.previous-id", MEANT)],
    )
    .tell(|asked, told| {
        if is_response(asked) && told.status == 400 && asked.json().get("previous_response_id").is_some() {
            *told = Told::error(500, "internal server error");
        }
    }),
    Mutant::new(
        "stored-response-not-found",
        "responses say that they are stored, and are not",
        &[
            Fails("responses.retrieve", MEANT),
            Fails("responses.delete", "what cannot be found cannot be found before it is deleted either"),
        ],
    )
    .tell(|asked, told| {
        if asked.method == "GET" && is_of_one(asked) && !asked.path.ends_with("/input_items") {
            *told = Told::error(404, "There is no such response.");
        }
    }),
    Mutant::new(
        "stored-response-without-its-output",
        "of a response its head alone is stored",
        &[Fails("responses.retrieve", MEANT)],
    )
    .tell(|asked, told| {
        if asked.method == "GET" && is_of_one(asked) {
            told.edit(|body| {
                if body.get("output").is_some() {
                    body["output"] = json!([]);
                }
            });
        }
    }),
    Mutant::new(
        "deleted-response-still-there",
        "a response is told to be deleted, and stays",
        &[Fails("responses.delete", MEANT)],
    )
    .ask(|asked| {
        if asked.method == "DELETE" && is_of_one(asked) {
            asked.method = "GET".to_owned();
        }
    }),
    Mutant::new(
        "everything-stored",
        "store: false is passed over",
        &[Fails("responses.store-false", MEANT)],
    )
    .ask(|asked| {
        if is_response(asked) {
            asked.edit(|body| {
                body.remove("store");
            });
        }
    }),
    Mutant::new(
        "streams-stored-in-any-case",
        "store: false is passed over where the response is streamed",
        &[Fails("responses.store-false", MEANT)],
    )
    .ask(|asked| {
        if is_response(asked) && asked.is_streamed() {
            asked.edit(|body| {
                body.remove("store");
            });
        }
    }),
    Mutant::new(
        "input-items-empty",
        "of what is stored the output alone is listed",
        &[Fails("responses.input-items", MEANT)],
    )
    .tell(|asked, told| {
        if asked.path.ends_with("/input_items") {
            told.edit(|body| body["data"] = json!([]));
        }
    }),
    Mutant::new(
        "response-arguments-as-an-object",
        "the arguments of a call are JSON, and not a string of it",
        &[Fails("responses.function-call-items", MEANT)],
    )
    .tell(|asked, told| {
        on_calls(asked, told, |call| {
            let text = call["arguments"].as_str().unwrap_or_default();
            call["arguments"] = serde_json::from_str(text).unwrap_or_default();
        });
    }),
    Mutant::new(
        "response-calls-without-call-id",
        "a call has the item's id alone",
        &[Fails("responses.function-call-items", MEANT)],
    )
    .tell(|asked, told| on_calls(asked, told, |call| remove(call, "call_id"))),
    Mutant::new(
        "response-calls-as-chats-have-them",
        "name and arguments of a call lie in an object of their own",
        &[Fails("responses.function-call-items", MEANT)],
    )
    .tell(|asked, told| {
        on_calls(asked, told, |call| {
            call["function"] = json!({"name": call["name"], "arguments": call["arguments"]});
            remove(call, "name");
            remove(call, "arguments");
        });
    }),
    Mutant::new(
        "response-results-refused",
        "the output of a call is an item that the server does not know",
        &[Fails("responses.function-call-items", MEANT)],
    )
    .tell(|asked, told| {
        if is_response(asked) && asked.json()["input"].to_string().contains("function_call_output") {
            *told = Told::error(400, "Unknown item type: 'function_call_output'.");
        }
    }),
    Mutant::new(
        "response-cut-off-and-completed",
        "a response that its limit cuts off is told as complete",
        &[Fails("responses.incomplete-reason", MEANT)],
    )
    .tell(|asked, told| {
        let complete = |response: &mut Value| {
            if response["status"] == "incomplete" {
                response["status"] = json!("completed");
                response["incomplete_details"] = Value::Null;
            }
        };
        told.edit(complete);
        each(asked, told, |kind, value| {
            if kind == "response.incomplete" {
                value["type"] = json!(COMPLETED);
                complete(&mut value["response"]);
            }
        });
        rename(asked, told, |name| format!("event: {}\n", name.replace("incomplete", "completed")));
    }),
    Mutant::new(
        "response-cut-off-without-a-reason",
        "a response is incomplete, and does not say why",
        &[Fails("responses.incomplete-reason", MEANT)],
    )
    .tell(|asked, told| {
        if is_response(asked) {
            told.edit(|response| response["incomplete_details"] = Value::Null);
        }
    }),
    Mutant::new(
        "response-limit-passed-over",
        "max_output_tokens is a name that the server does not know",
        &[Fails("responses.incomplete-reason", MEANT)],
    )
    .ask(|asked| {
        if is_response(asked) {
            asked.edit(|body| {
                body.remove("max_output_tokens");
            });
        }
    }),
    Mutant::new(
        "deltas-of-another-part",
        "the deltas of a text count their parts from 1",
        &[
            Fails("responses.indexes", MEANT),
            Fails("responses.order", "the part is not open"),
            Fails("responses.deltas-join", "nor does any delta belong to it"),
        ],
    )
    .tell(|_, told| {
        told.edit_events(|_, value| {
            if value.get("type").is_some_and(|kind| kind == "response.output_text.delta") {
                value["content_index"] = json!(1);
            }
        });
    }),
];

fn is_response(asked: &Asked) -> bool {
    asked.method == "POST" && asked.is_for("/responses")
}

/// Whether it is about a response that may be kept.
fn is_of_one(asked: &Asked) -> bool {
    asked.path.trim_start_matches("/v1").starts_with("/responses/")
}

fn is_stream(asked: &Asked, told: &Told) -> bool {
    is_response(asked) && told.is_stream()
}

/// Changes each event of a response's stream.
fn each(asked: &Asked, told: &mut Told, mut edit: impl FnMut(&str, &mut Value)) {
    if is_stream(asked, told) {
        told.edit_events(|_, value| {
            let kind = value["type"].as_str().unwrap_or_default().to_owned();
            edit(&kind, value);
        });
    }
}

/// Gives each event of a response's stream another line for its name.
fn rename(asked: &Asked, told: &mut Told, line: impl Fn(&str) -> String) {
    if !is_stream(asked, told) {
        return;
    }
    for piece in &mut told.pieces {
        let text = String::from_utf8_lossy(&piece.bytes).into_owned();
        if let Some((name, rest)) = text.strip_prefix("event: ").and_then(|text| text.split_once('\n')) {
            piece.bytes = format!("{}{rest}", line(name)).into_bytes();
        }
    }
}

/// The pieces of a response's stream that are events, and their types.
fn positions(asked: &Asked, told: &Told) -> Vec<(usize, String)> {
    if !is_stream(asked, told) {
        return Vec::new();
    }
    let events = told.events().into_iter();
    events.map(|(at, value)| (at, value["type"].as_str().unwrap_or_default().to_owned())).collect()
}

fn find(asked: &Asked, told: &Told, kind: &str) -> Option<usize> {
    positions(asked, told).into_iter().find(|(_, other)| other == kind).map(|(at, _)| at)
}

fn leave_out(asked: &Asked, told: &mut Told, kind: &str) {
    let out: Vec<usize> =
        positions(asked, told).into_iter().filter(|(_, other)| other == kind).map(|(at, _)| at).collect();
    for at in out.into_iter().rev() {
        told.pieces.remove(at);
    }
}

/// Events that were moved are numbered where they stand.
fn renumber(told: &mut Told) {
    told.edit_events(|index, value| value["sequence_number"] = json!(index));
}

/// In place of a refusal, a stream that has begun, and this in it.
fn fail_late(asked: &Asked, told: &mut Told, end: &str) {
    if !is_response(asked) || !asked.is_streamed() || !(400..500).contains(&told.status) || told.status == 401
    {
        return;
    }
    let created = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\
                   \"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\",\"output\":[]}}\n\n";
    told.status = 200;
    told.set_header("content-type", "text/event-stream");
    told.pieces = vec![Piece::new(created), Piece::new(end)];
    told.framing = Framing::Chunked;
}

/// Changes every item that is a call, wherever it is told.
fn on_calls(asked: &Asked, told: &mut Told, change: impl Fn(&mut Value)) {
    if !is_response(asked) {
        return;
    }
    let in_output = |response: &mut Value| {
        let output = response.get_mut("output").and_then(Value::as_array_mut).into_iter().flatten();
        output.filter(|item| item["type"] == "function_call").for_each(&change);
    };
    told.edit(in_output);
    each(asked, told, |_, value| {
        if let Some(response) = value.get_mut("response") {
            in_output(response);
        }
        if let Some(item) = value.get_mut("item").filter(|item| item["type"] == "function_call") {
            change(item);
        }
    });
}

fn remove(value: &mut Value, name: &str) {
    if let Value::Object(object) = value {
        object.remove(name);
    }
}
