//! Chats that are stored, of the real binary on a script: found as they were answered, and also after the worst.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, Server};
use crate::exchange::{Answer, Exchange, ask, chunks, get, post, request};

const SCRIPT: &str = r#"
[[rule]]
when = { text = "umbrella", tools = "weather" }
answer = { text = "Let me see.", tool_calls = [
    { name = "weather", id = "call_1", arguments = { city = "Oslo" } },
    { name = "weather", id = "call_2", arguments = { city = "Rome" } },
] }

[[rule]]
when = { text = "silently", tools = "weather" }
answer = { tool_calls = [{ name = "weather", id = "call_1", arguments = { city = "Oslo" } }] }

[[rule]]
when = { text = "forbidden" }
answer = { refusal = "I will not." }

[[rule]]
when = { text = "think" }
answer = { reasoning = "Hm. Well.", text = "So be it." }

[[rule]]
when = { text = "endless" }
answer = { text = "One two.", latency = { between_tokens = "60s" } }

[[rule]]
when = { text = "busy" }
answer = { error = { status = 429, message = "Slow down.", retry_after = 1 } }

[[rule]]
answer = { text = "A green tree.", logprobs = -0.1234567890123456 }
"#;

/// A folder with the script, in which there is no model.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        std::fs::write(folder.file("script.toml"), SCRIPT).unwrap();
        folder
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn serve(&self, bench: &Bench, arguments: &[&str]) -> Server {
        let script = self.file("script.toml");
        bench.serve(&[&["--script", &script], arguments].concat())
    }
}

/// Asks for a chat that is stored, and gives it.
#[track_caller]
fn stored(server: &Server, prompt: &str, members: Value) -> Value {
    let mut request = request(prompt, members);
    request["store"] = json!(true);
    let answer = ask(server.address, &request);
    assert_eq!((answer.status, answer.header("x-interference-ignored")), (200, None), "{answer:#?}");
    answer.json()
}

fn send(server: &Server, method: &str, path: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    Exchange::send(server.address, request.as_bytes()).read_whole().0
}

fn path(chat: &Value) -> String {
    format!("/v1/chat/completions/{}", chat["id"].as_str().unwrap())
}

/// The ids of a list, and whether there are more.
#[track_caller]
fn listed(server: &Server, query: &str) -> (Vec<Value>, bool) {
    let list = get(server.address, &format!("/v1/chat/completions?{query}")).json();
    let chats = list["data"].as_array().unwrap();
    let ids: Vec<Value> = chats.iter().map(|chat| chat["id"].clone()).collect();
    assert_eq!(list["first_id"], ids.first().cloned().unwrap_or_default());
    assert_eq!(list["last_id"], ids.last().cloned().unwrap_or_default());
    (ids, list["has_more"].as_bool().unwrap())
}

/// Plain or streamed, what is found is the same, and is what a client was told.
#[test]
fn a_stream_is_found_as_the_whole_answer_would_be() {
    let bench = Bench::take();
    // All answers have one id, so that they can be compared; the later takes the place of the earlier.
    let server = Folder::new().serve(&bench, &["--fixed-ids"]);
    let weather = json!([{"type": "function", "function": {"name": "weather"}}]);
    for (prompt, members) in [
        ("a tree", json!({})),
        ("a tree", json!({"n": 2, "logprobs": true, "top_logprobs": 1})),
        ("a tree", json!({"max_tokens": 2})),
        ("think", json!({"metadata": {"of": "test"}})),
        ("something forbidden", json!({})),
        ("an umbrella", json!({"tools": weather})),
        ("an umbrella", json!({"tools": weather, "max_tokens": 4, "n": 2})),
        ("silently", json!({"tools": weather})),
    ] {
        let whole = stored(&server, prompt, members.clone());
        let found = get(server.address, &path(&whole)).json();
        let mut told = whole.clone();
        told["metadata"] = members.get("metadata").cloned().unwrap_or(json!({}));
        assert_eq!(found, told);

        let mut streamed = request(prompt, members);
        for (name, value) in [
            ("store", json!(true)),
            ("stream", json!(true)),
            ("stream_options", json!({"include_usage": true})),
        ] {
            streamed[name] = value;
        }
        let answer = ask(server.address, &streamed);
        assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:#?}");
        assert_eq!(get(server.address, &path(&whole)).json(), found, "{}", answer.body);
    }
}

#[test]
fn chats_are_listed_changed_and_deleted() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &[]);
    let labels = [json!({"team": "red", "of": "test"}), json!({"team": "blue"}), json!({"team": "red"})];
    let chats = labels.map(|metadata| stored(&server, "a tree", json!({"metadata": metadata})));
    let other = stored(&server, "a tree", json!({"model": "other"}));
    let [a, b, c, d] = [&chats[0], &chats[1], &chats[2], &other].map(|chat| chat["id"].clone());
    let all = vec![a.clone(), b.clone(), c.clone(), d.clone()];
    assert_eq!(listed(&server, ""), (all, false));
    assert_eq!(listed(&server, "limit=2"), (vec![a.clone(), b.clone()], true));
    let after = |id: &Value| format!("limit=2&after={}", id.as_str().unwrap());
    assert_eq!(listed(&server, &after(&b)), (vec![c.clone(), d.clone()], false));
    assert_eq!(listed(&server, &format!("{}&order=desc", after(&d))), (vec![c.clone(), b.clone()], true));
    assert_eq!(listed(&server, "metadata%5Bteam%5D=red"), (vec![a.clone(), c.clone()], false));
    assert_eq!(listed(&server, "metadata[team]=red&metadata[of]=test"), (vec![a.clone()], false));
    assert_eq!(listed(&server, "model=other"), (vec![d.clone()], false));
    assert_eq!(listed(&server, "model=nobody"), (vec![], false));

    let body = json!({"metadata": {"team": "green"}}).to_string();
    let (changed, _) = Exchange::send(server.address, post(&path(&other), &body).as_bytes()).read_whole();
    assert_eq!(changed.json()["metadata"], json!({"team": "green"}));
    assert_eq!(get(server.address, &path(&other)).json(), changed.json());
    assert_eq!(listed(&server, "metadata[team]=green"), (vec![d.clone()], false));

    let deleted = send(&server, "DELETE", &path(&other)).json();
    assert_eq!(deleted, json!({"object": "chat.completion.deleted", "id": d, "deleted": true}));
    let missing = send(&server, "DELETE", &path(&other));
    assert_eq!(
        (missing.status, &missing.json()["error"]["code"]),
        (404, &json!("chat_completion_not_found"))
    );
    assert_eq!(get(server.address, &path(&other)).status, 404);
    assert_eq!(listed(&server, "model=other"), (vec![], false));
    let refused = get(server.address, &format!("/v1/chat/completions?{}", after(&d)));
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("after")));
}

#[test]
fn messages_are_listed_as_they_were_sent() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &[]);
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "tree"}]);
    let call = json!({"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}});
    let messages = json!([
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": parts},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
    ]);
    let chat = stored(&server, "", json!({"messages": messages}));
    let list = get(server.address, &format!("{}/messages", path(&chat))).json();
    let told = list["data"].as_array().unwrap();
    let content = told.iter().map(|message| (&message["content"], &message["content_parts"]));
    let (none, brief, rain) = (Value::Null, json!("Be brief."), json!("rain"));
    assert_eq!(
        content.collect::<Vec<_>>(),
        [(&brief, &none), (&none, &parts), (&none, &none), (&rain, &none)]
    );
    assert_eq!((&told[2]["tool_calls"], &told[3]["tool_call_id"]), (&json!([call]), &json!("c")));
    let page = get(server.address, &format!("{}/messages?limit=1&order=desc", path(&chat))).json();
    assert_eq!((&page["data"], &page["has_more"]), (&json!([told[3]]), &json!(true)));
}

#[test]
fn a_chat_whose_end_was_told_survives_a_kill() {
    let bench = Bench::take();
    let folder = Folder::new();
    let state = folder.file("state.db");
    let serve = || folder.serve(&bench, &["--state", &state]);

    let mut server = serve();
    let streamed = request("a tree", json!({"store": true, "stream": true, "metadata": {"of": "test"}}));
    let mut exchange = Exchange::chat(server.address, &streamed);
    exchange.read_until("\"finish_reason\":\"stop\"");
    server.signal("KILL");
    assert_eq!(server.exit_code(), None, "a signal ended it");
    let text = exchange.text();
    let id = text.split_once("\"id\":\"").unwrap().1.split('"').next().unwrap();

    let mut server = serve();
    let found = get(server.address, &format!("/v1/chat/completions/{id}")).json();
    assert_eq!(found["choices"][0]["message"]["content"], "A green tree.");
    assert_eq!(found["metadata"], json!({"of": "test"}));
    let whole = stored(&server, "a tree", json!({}));
    server.signal("KILL");
    assert_eq!(server.exit_code(), None);

    let server = serve();
    assert_eq!(listed(&server, ""), (vec![json!(id), whole["id"].clone()], false));
}

#[test]
fn the_oldest_go_first() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &["--state-max-count", "2"]);
    let chats = [1, 2, 3].map(|_| stored(&server, "a tree", json!({})));
    assert_eq!(listed(&server, ""), (vec![chats[1]["id"].clone(), chats[2]["id"].clone()], false));
}

#[test]
fn what_broke_off_or_is_not_to_be_stored_is_not_there() {
    let bench = Bench::take();
    let folder = Folder::new();
    let state = folder.file("state.db");
    let mut server = folder.serve(&bench, &["--drain", "0", "--state", &state]);
    let unkept = ask(server.address, &request("a tree", json!({"metadata": {"of": "test"}})));
    assert_eq!(unkept.header("x-interference-ignored"), Some("metadata"));
    assert_eq!(get(server.address, &path(&unkept.json())).status, 404);
    let busy = ask(server.address, &request("busy", json!({"store": true})));
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("1")));

    let endless = request("endless", json!({"store": true, "stream": true}));
    let mut exchange = Exchange::chat(server.address, &endless);
    exchange.read_until("One");
    server.signal("TERM");
    let (answer, _) = exchange.read_whole();
    assert_eq!(chunks(&answer.body).last().unwrap()["error"]["code"], "server_stopping", "{answer:#?}");
    assert_eq!(server.exit_code(), Some(0));
    let server = folder.serve(&bench, &["--state", &state]);
    assert_eq!(listed(&server, ""), (vec![], false));
}

#[test]
fn strictness_and_methods_are_as_everywhere() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &["--strict"]);
    let chat = stored(&server, "a tree", json!({"metadata": {"of": "test"}}));
    let labels = ask(server.address, &request("a tree", json!({"metadata": {"of": "test"}})));
    let error = &labels.json()["error"];
    assert_eq!((&error["param"], &error["code"]), (&json!("metadata"), &json!("unknown_parameter")));
    assert_eq!(get(server.address, &format!("{}?zeal=1", path(&chat))).status, 400);
    for (method, path, methods) in [
        ("PUT", "/v1/chat/completions".to_owned(), "GET,HEAD,POST"),
        ("PATCH", path(&chat), "GET,HEAD,POST,DELETE"),
        ("DELETE", format!("{}/messages", path(&chat)), "GET,HEAD"),
    ] {
        let answer = send(&server, method, &path);
        assert_eq!((answer.status, answer.header("allow")), (405, Some(methods)), "{answer:#?}");
    }
    let without_v1 = path(&chat).replacen("/v1", "", 1);
    assert_eq!(get(server.address, &without_v1).json()["id"], chat["id"]);
}
