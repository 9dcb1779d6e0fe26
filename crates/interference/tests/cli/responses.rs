//! The Responses API of the real binary, on a script: events, calls, what is kept, and what survives.

mod parameters;
mod state;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, Server};
use crate::exchange::{Answer, Exchange, ask, chunks, get, post};

const SCRIPT: &str = r#"
[[rule]]
name = "result"
when = { tool = "weather", tool_result = "rain" }
answer = { text = "Take it." }

[[rule]]
name = "call"
when = { text = "umbrella", tools = "weather" }
answer = { text = "Let me see.", tool_calls = [{ name = "weather", id = "call_1", arguments = { city = "Oslo" } }] }

[[rule]]
name = "name"
when = { text = "Who am I?", turn = 2 }
answer = { text = "You are Ann." }

[[rule]]
name = "busy"
when = { text = "busy" }
answer = { error = { status = 429, message = "Slow down.", retry_after = 1 } }

[[rule]]
name = "endless"
when = { text = "endless" }
answer = { text = "One two.", latency = { between_tokens = "60s" } }

[[rule]]
name = "thought"
when = { text = "think" }
answer = { reasoning = "Hm. Well.", text = "So be it." }

[[rule]]
name = "tree"
answer = { text = "A green tree." }
"#;

/// A folder with the script, in which there is no model.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        std::fs::write(folder.file("script.toml"), SCRIPT).unwrap();
        folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The script, served with more arguments.
    fn serve(&self, bench: &Bench, arguments: &[&str]) -> Server {
        let script = self.file("script.toml");
        let arguments = [&["--script", script.to_str().unwrap()], arguments].concat();
        let home = self.path().to_str().unwrap();
        let server = bench.serve_with(&arguments, &[("INTERFERENCE_HOME", home)]);
        server.until_said("ready");
        server
    }
}

/// Asks for a response.
fn create(server: &Server, request: &Value) -> Answer {
    Exchange::send(server.address, post("/v1/responses", &request.to_string()).as_bytes()).read_whole().0
}

/// Asks for a response that is answered.
#[track_caller]
fn created(server: &Server, request: &Value) -> Value {
    let answer = create(server, request);
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.json()
}

fn delete(server: &Server, path: &str) -> Answer {
    let request = format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    Exchange::send(server.address, request.as_bytes()).read_whole().0
}

fn id(response: &Value) -> &str {
    response["id"].as_str().unwrap()
}

fn path(response: &Value) -> String {
    format!("/v1/responses/{}", id(response))
}

/// The events of a stream: names are types, numbers rise by one, there is one end, and nothing else.
#[track_caller]
fn events(stream: &str) -> Vec<Value> {
    let blocks = stream.strip_suffix("\n\n").unwrap_or_else(|| panic!("no end: {stream}")).split("\n\n");
    let events = blocks.filter(|block| !block.starts_with(':')).enumerate().map(|(number, block)| {
        let (name, data) = block.split_once('\n').unwrap_or_else(|| panic!("no name: {block}"));
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], name.strip_prefix("event: ").unwrap());
        assert_eq!(data["sequence_number"], number, "{stream}");
        data
    });
    let events: Vec<Value> = events.collect();
    let is_end = |event: &&Value| {
        ["response.completed", "response.incomplete", "response.failed"]
            .iter()
            .any(|end| event["type"] == *end)
    };
    assert_eq!(events.iter().filter(is_end).count(), 1, "{stream}");
    assert!(events.last().is_some_and(|last| is_end(&last)), "{stream}");
    events
}

/// What each event says, in short: its type, and its text.
fn in_short(events: &[Value]) -> Vec<String> {
    let line = |event: &Value| {
        let texts = ["delta", "text", "arguments"].iter().filter_map(|name| event[name].as_str());
        let kind = event["type"].as_str().unwrap().trim_start_matches("response.");
        std::iter::once(kind).chain(texts).collect::<Vec<_>>().join(" ")
    };
    events.iter().map(line).collect()
}

fn umbrella(members: Value) -> Value {
    let mut request = json!({
        "model": "gpt-4o",
        "input": "Do I need an umbrella?",
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": false}],
    });
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

#[test]
fn events_come_in_their_order() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &["--fixed-ids"]);
    let answer = create(&server, &umbrella(json!({"stream": true})));
    assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{answer:#?}");
    assert_eq!(answer.header("x-interference-rule"), Some("call"), "{answer:#?}");
    let events = events(&answer.body);
    assert_eq!(
        in_short(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta Let",
            "output_text.delta  me",
            "output_text.delta  see.",
            "output_text.done Let me see.",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta {\"city\":\"Oslo\"}",
            "function_call_arguments.done {\"city\":\"Oslo\"}",
            "output_item.done",
            "completed",
        ]
    );
    for (event, output_index) in events[2..14].iter().zip([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]) {
        assert_eq!(event["output_index"], output_index, "{event}");
        let item = event["item_id"].as_str().or(event["item"]["id"].as_str());
        assert_eq!(item, events[14]["response"]["output"][output_index]["id"].as_str(), "{event}");
    }
    // The same, whole.
    let whole = created(&server, &umbrella(json!({"stream": false})));
    for member in ["status", "usage", "model"] {
        assert_eq!(whole[member], events[14]["response"][member], "{member}");
    }
    assert_eq!(whole["output"][1]["arguments"], "{\"city\":\"Oslo\"}");

    let limited =
        create(&server, &json!({"model": "m", "input": "a", "max_output_tokens": 2, "stream": true}));
    let last = self::events(&limited.body).pop().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"], json!({"reason": "max_output_tokens"}));
}

#[test]
fn both_apis_get_the_same_answer() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &[]);
    let chat = post("/chat/completions", &crate::exchange::request("a", json!({"stream": true})).to_string());
    let (chat, _) = Exchange::send(server.address, chat.as_bytes()).read_whole();
    let said = chunks(&chat.body);
    let said: Vec<&str> =
        said.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    let response = create(&server, &json!({"model": "m", "input": "a", "stream": true}));
    let events = events(&response.body);
    let told: Vec<&str> = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(told, said.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>());

    let chat = ask(server.address, &crate::exchange::request("think", json!({}))).json();
    let response = created(&server, &json!({"model": "m", "input": "think", "reasoning": {"effort": "low"}}));
    for (usage, details) in
        [(&chat["usage"], "completion_tokens_details"), (&response["usage"], "output_tokens_details")]
    {
        assert_eq!(usage[details], json!({"reasoning_tokens": 2}), "{usage}");
    }
}

#[test]
fn a_call_and_its_result_make_a_conversation() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &[]);
    let first = created(&server, &umbrella(json!({})));
    let call = &first["output"][1];
    assert_eq!((&call["type"], &call["call_id"]), (&json!("function_call"), &json!("call_1")));
    let result = json!({"type": "function_call_output", "call_id": "call_1", "output": "rain"});
    // By the id of the response before, and by sending all of it again.
    let by_id = umbrella(json!({"input": [result], "previous_response_id": id(&first)}));
    let mut all = vec![json!({"role": "user", "content": "Do I need an umbrella?"})];
    all.extend(first["output"].as_array().unwrap().iter().cloned());
    all.push(result);
    for request in [by_id, umbrella(json!({"input": all}))] {
        let answer = created(&server, &request);
        assert_eq!(answer["output"][0]["content"][0]["text"], "Take it.");
    }
}

#[test]
fn who_answers_decides_on_images_and_files() {
    let bench = Bench::take();
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"});
    let file =
        json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="});
    let text = json!({"type": "input_text", "text": "What is it?"});
    let asked = json!({"model": "gpt-4o", "input": [{"role": "user", "content": [text, image, file]}]});

    let server = Folder::new().serve(&bench, &[]);
    let answer = create(&server, &asked);
    assert_eq!(answer.status, 200, "{answer:#?}");
    let ignored = "input[].content[].image_url, input[].content[].input_file";
    assert_eq!(answer.header("x-interference-ignored"), Some(ignored));
    let items = get(server.address, &format!("{}/input_items", path(&answer.json()))).json();
    assert_eq!(items["data"][0]["content"], asked["input"][0]["content"]);
    let follows = json!({"model": "gpt-4o", "input": "And now?", "previous_response_id": id(&answer.json())});
    assert_eq!(created(&server, &follows)["output"][0]["content"][0]["text"], "A green tree.");
    drop(server);

    let error = create(&bench.serve(&[]), &asked).json()["error"].clone();
    assert_eq!(
        (&error["param"], &error["code"]),
        (&json!("input[0].content[1].type"), &json!("unsupported_value")),
        "{error}"
    );
}

#[test]
fn what_goes_wrong_is_told_before_the_first_event_or_ends_the_stream() {
    let bench = Bench::take();
    let mut server = Folder::new().serve(&bench, &["--drain", "0", "--allow-faults"]);
    let busy = create(&server, &json!({"model": "m", "input": "busy", "stream": true}));
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("1")));
    assert_eq!(busy.json()["error"]["message"], "Slow down.");

    let unknown = create(&server, &json!({"model": "m", "input": "a", "previous_response_id": "resp_1"}));
    assert_eq!(unknown.status, 400);
    let error = &unknown.json()["error"];
    assert_eq!(
        (&error["param"], &error["code"]),
        (&json!("previous_response_id"), &json!("previous_response_not_found"))
    );

    let faulty = post("/v1/responses", &json!({"model": "m", "input": "a", "stream": true}).to_string())
        .replace("host: ", "x-interference: cut.after_events = 5, cut.by = 'end', done = 'omit'\r\nhost: ");
    let (faulty, _) = Exchange::send(server.address, faulty.as_bytes()).read_whole();
    assert_eq!(faulty.body.matches("event: ").count(), 5, "{faulty:#?}");
    assert_eq!(faulty.header("x-interference-ignored"), Some("x-interference.done"));

    let request =
        post("/v1/responses", &json!({"model": "m", "input": "endless", "stream": true}).to_string());
    let mut endless = Exchange::send(server.address, request.as_bytes());
    endless.read_until("response.content_part.added");
    server.signal("TERM");
    let (answer, _) = endless.read_whole();
    let last = events(&answer.body).pop().unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["error"]["code"], "server_stopping");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn paths_have_their_methods() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &[]);
    for (path, methods) in [
        ("/v1/responses", "POST"),
        ("/responses/resp_1/cancel", "POST"),
        ("/v1/responses/resp_1/input_items/more", ""),
    ] {
        let answer = get(server.address, path);
        let expected = if methods.is_empty() { (404, None) } else { (405, Some(methods)) };
        assert_eq!((answer.status, answer.header("allow")), expected, "{path}: {answer:#?}");
    }
    let answer = get(server.address, "/responses/resp_1");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!("response_not_found")));
}
