//! Chats that are stored: whole and streamed, found, listed, changed, deleted, and those that are not kept.

use futures::StreamExt;
use http::{Method, StatusCode};
use interference_backend::{Refusal, Reply, ReplyBody, StreamEnd, Strictness};
use interference_backend_responses::{ResponsesOptions, StateLimits};
use interference_sse::Event;
use serde_json::{Value, json};

use crate::chat::{Bench, Saying, json_of, refused};

const CHATS: &str = "/chat/completions";

fn path(id: &str) -> String {
    format!("{CHATS}/{id}")
}

/// A request for a chat that is stored.
fn request(members: Value) -> Value {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "store": true});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

fn answer(id: &str) -> Value {
    json!({
        "id": id, "object": "chat.completion", "created": 7, "model": "small-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes.", "refusal": null},
                     "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    })
}

async fn ask(bench: &Bench, saying: Saying, request: &Value) -> Result<Reply, Refusal> {
    bench.say(saying);
    bench.send(Method::POST, CHATS, &request.to_string()).await
}

/// Stores a chat of this id, with these labels.
async fn store(bench: &Bench, id: &str, metadata: Value) {
    let told = ask(bench, Saying::Whole(answer(id)), &request(json!({"metadata": metadata}))).await.unwrap();
    assert_eq!(json_of(told), answer(id), "the answer itself is as it was");
}

/// The data of the events that a client gets.
async fn stream(bench: &Bench, said: &[String], members: Value) -> Vec<String> {
    let mut members = members;
    members["stream"] = json!(true);
    let reply = ask(bench, Saying::Events(said.to_vec()), &request(members)).await.unwrap();
    let (ReplyBody::Events(events), StreamEnd::Done) = (reply.body, reply.end) else { panic!("no stream") };
    let data = events.map(|event| match event {
        Event::Data { name: None, data } => data,
        other => panic!("{other:?}"),
    });
    data.collect().await
}

/// A chunk of the stream of this id.
fn chunk(id: &str, choices: Value, usage: Option<Value>) -> String {
    let mut chunk = json!({"id": id, "object": "chat.completion.chunk", "created": 7, "model": "small-1",
                           "system_fingerprint": "fp", "choices": choices});
    if let Some(usage) = usage {
        chunk["usage"] = usage;
    }
    chunk.to_string()
}

fn piece(id: &str, index: u64, delta: Value, finish_reason: Value) -> String {
    let choice = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
    chunk(id, json!([choice]), None)
}

/// A stream that says so, and ends as it should.
fn sound(id: &str) -> Vec<String> {
    vec![
        piece(id, 0, json!({"role": "assistant", "content": ""}), Value::Null),
        piece(id, 0, json!({"content": "Yes"}), Value::Null),
        piece(id, 0, json!({"content": "."}), Value::Null),
        piece(id, 0, json!({}), json!("stop")),
        "[DONE]".to_owned(),
    ]
}

async fn is_kept(bench: &Bench, id: &str) -> bool {
    bench.get(&path(id)).await.is_ok()
}

/// The ids of a list.
async fn ids(bench: &Bench, query: &str) -> Vec<String> {
    let list = bench.get(&format!("{CHATS}?{query}")).await.unwrap();
    let id = |chat: &Value| chat["id"].as_str().unwrap().to_owned();
    list["data"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn a_chat_is_found_changed_and_deleted() {
    let bench = Bench::new().await;
    store(&bench, "a", json!({"of": "test"})).await;
    let mut expected = answer("a");
    expected["metadata"] = json!({"of": "test"});
    assert_eq!(bench.get(&path("a")).await.unwrap(), expected);
    assert!(bench.send(Method::HEAD, &path("a"), "").await.is_ok());

    for (metadata, labels) in [(json!({"b": "c"}), json!({"b": "c"})), (Value::Null, json!({}))] {
        let changed = json!({"metadata": metadata}).to_string();
        expected["metadata"] = labels;
        assert_eq!(json_of(bench.send(Method::POST, &path("a"), &changed).await.unwrap()), expected);
        assert_eq!(bench.get(&path("a")).await.unwrap(), expected);
    }

    let deleted = json_of(bench.send(Method::DELETE, &path("a"), "").await.unwrap());
    assert_eq!(deleted, json!({"object": "chat.completion.deleted", "id": "a", "deleted": true}));
    let labels = json!({"metadata": {}}).to_string();
    for (method, path, body) in [
        (Method::GET, path("a"), ""),
        (Method::GET, format!("{}/messages", path("a")), ""),
        (Method::DELETE, path("a"), ""),
        (Method::POST, path("a"), labels.as_str()),
    ] {
        let (_, code, message) = refused(bench.send(method.clone(), &path, body).await);
        assert_eq!(code, "chat_completion_not_found", "{method} {path}");
        assert!(message.contains("'a'"), "{message}");
    }
}

/// More digits than a number of the program has.
#[tokio::test]
async fn numbers_stay_as_they_were_written() {
    let bench = Bench::new().await;
    let token = r#"{"logprob":-0.12345678901234567890}"#;
    let said = [
        r#"{"id":"a","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop","logprobs":{"content":["#,
        token,
        "]}}]}",
    ];
    stream(&bench, &[said.concat(), "[DONE]".to_owned()], json!({})).await;
    let kept = bench.send(Method::GET, &path("a"), "").await.unwrap();
    let ReplyBody::Whole(kept) = kept.body else { panic!("{kept:?}") };
    let kept = String::from_utf8(kept.to_vec()).unwrap();
    assert!(kept.contains(token), "{kept}");
}

#[tokio::test]
async fn what_was_streamed_is_what_is_found() {
    let bench = Bench::new().await;
    let said = sound("a");
    assert_eq!(stream(&bench, &said, json!({})).await, said, "the stream itself is as it was");
    let mut expected = answer("a");
    expected.as_object_mut().unwrap().remove("usage");
    expected["system_fingerprint"] = json!("fp");
    expected["metadata"] = json!({});
    assert_eq!(bench.get(&path("a")).await.unwrap(), expected);
}

#[tokio::test]
async fn choices_calls_and_usage_are_put_together() {
    let bench = Bench::new().await;
    let call = |index: u64, members: Value| {
        let mut call = json!({"index": index});
        call.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!({"tool_calls": [call]})
    };
    let begin = |index, id: &str, name: &str| {
        call(index, json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}}))
    };
    let more = |index, text: &str| call(index, json!({"function": {"arguments": text}}));
    let speaker = json!({"role": "assistant", "content": ""});
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3});
    let token = json!({"token": "No", "logprob": -1, "bytes": [78, 111], "top_logprobs": []});
    let spoken = json!([{"index": 1, "delta": {"content": "No"}, "finish_reason": null,
                         "logprobs": {"content": [token], "refusal": null}}]);
    let mut said = vec![
        piece("a", 0, speaker.clone(), Value::Null),
        piece("a", 1, speaker, Value::Null),
        piece("a", 0, begin(0, "call_1", "f"), Value::Null),
        chunk("a", spoken.clone(), None),
        piece("a", 0, more(0, "{\"x\""), Value::Null),
        piece("a", 0, begin(1, "call_2", "g"), Value::Null),
        chunk("a", spoken, None),
        piece("a", 0, more(0, ":1}"), Value::Null),
        piece("a", 0, more(1, "{}"), Value::Null),
        piece("a", 1, json!({"reasoning_content": "Hm."}), Value::Null),
        piece("a", 1, json!({}), json!("length")),
        piece("a", 0, json!({}), json!("tool_calls")),
        chunk("a", json!([]), Some(usage.clone())),
        "[DONE]".to_owned(),
    ];
    assert_eq!(stream(&bench, &said, json!({"n": 2})).await, said);
    let called = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let calls = json!([called("call_1", "f", "{\"x\":1}"), called("call_2", "g", "{}")]);
    let kept = bench.get(&path("a")).await.unwrap();
    assert_eq!(
        kept["choices"],
        json!([
            {"index": 0, "finish_reason": "tool_calls", "logprobs": null,
             "message": {"role": "assistant", "content": null, "refusal": null, "tool_calls": calls}},
            {"index": 1, "finish_reason": "length", "logprobs": {"content": [token, token], "refusal": null},
             "message": {"role": "assistant", "content": "NoNo", "refusal": null, "reasoning_content": "Hm."}},
        ])
    );
    assert_eq!(kept["usage"], usage);

    // With one choice less it has broken off.
    said = said.iter().map(|data| data.replace("\"id\":\"a\"", "\"id\":\"b\"")).collect();
    assert_eq!(stream(&bench, &said, json!({"n": 3})).await, said);
    assert!(!is_kept(&bench, "b").await);
}

#[tokio::test]
async fn what_broke_off_is_passed_on_and_not_kept() {
    let bench = Bench::new().await;
    let error = json!({"error": {"message": "m", "type": "server_error", "param": null, "code": "c"}});
    let cut = |at: usize, last: &[&str]| {
        let mut said = sound("a");
        said.truncate(at);
        said.extend(last.iter().map(|data| (*data).to_owned()));
        said
    };
    for said in [
        cut(2, &[&error.to_string(), "[DONE]"]),
        cut(4, &[&error.to_string(), "[DONE]"]),
        cut(3, &["[DONE]"]),
        cut(3, &[]),
        cut(4, &[]),
        cut(3, &["nonsense", "more", "[DONE]"]),
    ] {
        assert_eq!(stream(&bench, &said, json!({})).await, said);
        assert!(!is_kept(&bench, "a").await, "{said:?}");
    }
    let failed = request(json!({}));
    let scripted = ask(&bench, Saying::Error(StatusCode::TOO_MANY_REQUESTS, answer("a")), &failed).await;
    assert_eq!(scripted.unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    let refusal = Refusal::Unavailable { message: "m".to_owned() };
    assert_eq!(ask(&bench, Saying::Refusal(refusal.clone()), &failed).await.unwrap_err(), refusal);
    assert_eq!(ids(&bench, "").await, [""; 0]);
}

/// A client that has read the end finds the chat: nothing of the end comes before the chat is kept.
#[tokio::test]
async fn the_end_is_told_when_the_chat_is_kept() {
    let bench = Bench::new().await;
    let mut asked = request(json!({"stream": true}));
    let said = sound("a");
    let reply = ask(&bench, Saying::Events(said.clone()), &asked).await.unwrap();
    let ReplyBody::Events(mut events) = reply.body else { panic!("no stream") };
    for expected in &said[..3] {
        assert_eq!(events.next().await, Some(Event::data(expected)));
        assert!(!is_kept(&bench, "a").await);
    }
    assert_eq!(events.next().await, Some(Event::data(&said[3])));
    assert!(is_kept(&bench, "a").await);
    drop(events);

    // Whoever goes away before leaves nothing behind.
    asked["metadata"] = json!({"of": "test"});
    let reply = ask(&bench, Saying::Events(sound("b")), &asked).await.unwrap();
    let ReplyBody::Events(events) = reply.body else { panic!("no stream") };
    drop(events.take(3).collect::<Vec<Event>>().await);
    assert!(!is_kept(&bench, "b").await);
}

#[tokio::test]
async fn what_cannot_be_kept_is_no_answer() {
    let limits = StateLimits { bytes: 100, ..StateLimits::IN_MEMORY };
    let bench = Bench::with(limits, ResponsesOptions::default()).await;
    let whole = ask(&bench, Saying::Whole(answer("a")), &request(json!({}))).await.unwrap_err();
    assert!(matches!(whole, Refusal::StateNotSaved { .. }), "{whole:?}");

    let events = stream(&bench, &sound("a"), json!({})).await;
    assert_eq!(events[..3], sound("a")[..3]);
    let error: Value = serde_json::from_str(&events[3]).unwrap();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["type"]),
        (&json!("state_not_saved"), &json!("server_error"))
    );
    assert_eq!(events[4..], ["[DONE]"], "in the place of the end");
    assert!(error["error"]["message"].as_str().unwrap().contains("Without 'store'"), "{error}");

    let nameless = ask(&bench, Saying::Whole(json!({"choices": []})), &request(json!({}))).await.unwrap_err();
    assert!(nameless.to_string().contains("the answer is no JSON object with an id"), "{nameless}");
    let unkept = request(json!({"store": false}));
    assert!(ask(&bench, Saying::Whole(answer("a")), &unkept).await.is_ok());
}

#[tokio::test]
async fn what_is_not_kept_is_named() {
    let bench = Bench::new().await;
    let usual = ["messages[].name", "reasoning_effort"];
    let named = async |saying, members| {
        let ignored = ask(&bench, saying, &request(members)).await.unwrap().ignored;
        assert_eq!(ignored[..2], usual);
        ignored[2..].to_vec()
    };
    let labels = json!({"a": "b"});
    let whole = || Saying::Whole(answer("a"));
    assert_eq!(named(whole(), json!({"metadata": labels})).await, [""; 0]);
    assert_eq!(named(whole(), json!({"metadata": labels, "store": false})).await, ["metadata"]);
    assert_eq!(named(whole(), json!({"metadata": {}, "store": null})).await, [""; 0]);
    assert_eq!(named(Saying::Frames(vec![b"data: {}"]), json!({})).await, ["store"]);

    let strict = async |saying, members| {
        bench.say(saying);
        let body = request(members).to_string();
        refused(bench.send_with(Method::POST, CHATS, &body, Strictness::RefuseIgnored).await)
    };
    let (param, code, _) = strict(Saying::Frames(Vec::new()), json!({})).await;
    assert_eq!((param.as_str(), code), ("messages[].name", "unknown_parameter"));
    let (param, code, _) = strict(whole(), json!({"metadata": labels, "store": false})).await;
    assert_eq!((param.as_str(), code), ("metadata", "unknown_parameter"));
}

#[tokio::test]
async fn lists_have_pages_and_filters() {
    let bench = Bench::new().await;
    let labels = [
        ("a", json!({"team": "red", "odd \"name\\": "1 + 1"})),
        ("b", json!({"team": "blue"})),
        ("c", json!({"team": "red"})),
        ("d", json!({})),
    ];
    for (id, metadata) in labels {
        store(&bench, id, metadata).await;
    }
    let table: [(&str, &[&str]); 12] = [
        ("", &["a", "b", "c", "d"]),
        ("order=desc", &["d", "c", "b", "a"]),
        ("limit=2", &["a", "b"]),
        ("limit=2&after=b", &["c", "d"]),
        ("limit=2&after=c&order=desc", &["b", "a"]),
        ("after=d", &[]),
        ("model=small-1&limit=1", &["a"]),
        ("model=m&after=c", &["d"]),
        ("model=large", &[]),
        ("metadata%5Bteam%5D=red", &["a", "c"]),
        ("metadata[team]=red&metadata[odd+%22name%5C]=1+%2B+1", &["a"]),
        ("metadata[team]=red&order=desc&after=c", &["a"]),
    ];
    for (query, expected) in table {
        assert_eq!(ids(&bench, query).await, expected, "{query}");
    }
    let list = bench.get(&format!("{CHATS}?limit=3&order=desc")).await.unwrap();
    let told = |list: &Value| (list["first_id"].clone(), list["last_id"].clone(), list["has_more"].clone());
    assert_eq!(told(&list), (json!("d"), json!("b"), json!(true)));
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"][2], bench.get(&path("b")).await.unwrap());
    let rest = bench.get(&format!("{CHATS}?order=desc&after=b")).await.unwrap();
    assert_eq!(told(&rest), (json!("a"), json!("a"), json!(false)));
    let none = bench.get(&format!("{CHATS}?model=large")).await.unwrap();
    assert_eq!(told(&none), (Value::Null, Value::Null, json!(false)));

    let many: Vec<String> = (0..17).map(|label| format!("metadata[{label}]=a")).collect();
    let many = many.join("&");
    for (query, name) in
        [("limit=0", "limit"), ("order=up", "order"), ("after=zz", "after"), (many.as_str(), "metadata")]
    {
        let (param, code, _) = refused(bench.get(&format!("{CHATS}?{query}")).await);
        assert_eq!((param.as_str(), code), (name, "invalid_value"), "{query}");
    }
    let reply = bench.send(Method::GET, &format!("{CHATS}?zeal=1&metadata=a"), "").await.unwrap();
    assert_eq!(reply.ignored, ["zeal", "metadata"]);
}

#[tokio::test]
async fn messages_are_listed_as_they_were_sent() {
    let bench = Bench::new().await;
    let parts =
        json!([{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:,a"}}]);
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let messages = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": parts, "name": "Ann", "id": "mine"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ]);
    let asked = request(json!({"messages": messages}));
    ask(&bench, Saying::Whole(answer("a")), &asked).await.unwrap();
    let list = bench.get(&format!("{}/messages", path("a"))).await.unwrap();
    assert_eq!(
        list,
        json!({
            "object": "list", "first_id": "a-0", "last_id": "a-3", "has_more": false,
            "data": [
                {"id": "a-0", "role": "system", "content": "be brief", "content_parts": null, "refusal": null,
                 "name": null},
                {"id": "a-1", "role": "user", "content": null, "content_parts": parts, "refusal": null,
                 "name": "Ann"},
                {"id": "a-2", "role": "assistant", "content": null, "content_parts": null, "refusal": null,
                 "name": null, "tool_calls": [call]},
                {"id": "a-3", "role": "tool", "content": "x", "content_parts": null, "refusal": null,
                 "name": null, "tool_call_id": "c"},
            ],
        })
    );
    let page = bench.get(&format!("{}/messages?order=desc&limit=2&after=a-3", path("a"))).await.unwrap();
    let ends = (&page["first_id"], &page["last_id"], &page["has_more"]);
    assert_eq!(ends, (&json!("a-2"), &json!("a-1"), &json!(true)));
    let (param, code, _) = refused(bench.get(&format!("{}/messages?after=b-0", path("a"))).await);
    assert_eq!((param.as_str(), code), ("after", "invalid_value"));
}

#[tokio::test]
async fn labels_have_bounds_wherever_they_come_from() {
    let bench = Bench::new().await;
    store(&bench, "a", json!({})).await;
    let long = json!({"a": "b".repeat(513)});
    let body = request(json!({"metadata": long})).to_string();
    assert_eq!(refused(bench.send(Method::POST, CHATS, &body).await).0, "metadata");
    for (body, name, code) in [
        (json!({"metadata": long}), "metadata", "invalid_value"),
        (json!({"metadata": {"a": 1}}), "metadata.a", "invalid_value"),
        (json!({}), "metadata", "missing_required_parameter"),
    ] {
        let (param, seen, _) = refused(bench.send(Method::POST, &path("a"), &body.to_string()).await);
        assert_eq!((param.as_str(), seen), (name, code), "{body}");
    }
    let body = json!({"metadata": {}, "zeal": 1}).to_string();
    assert_eq!(bench.send(Method::POST, &path("a"), &body).await.unwrap().ignored, ["zeal"]);
    let strict = bench.send_with(Method::POST, &path("a"), &body, Strictness::RefuseIgnored).await;
    assert_eq!(refused(strict).1, "unknown_parameter");
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let bench = Bench::new().await;
    for (method, path) in [(Method::PUT, CHATS), (Method::GET, "/chat/completions/a/other")] {
        assert_eq!(refused(bench.send(method, path, "").await).1, "unknown_url", "{path}");
    }
}
