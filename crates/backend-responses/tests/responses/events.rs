//! Streams: which events come, in which order, and how they end.

use futures::StreamExt;
use http::Method;
use interference_backend::{ReplyBody, StreamEnd};
use interference_backend_responses::{ResponsesOptions, StateLimits};
use serde_json::{Value, json};

use crate::chat::{Bench, Saying, chunk, finish, named};

fn request() -> Value {
    json!({"model": "m", "input": "a", "stream": true})
}

fn told(chunks: &[Value], end: &[Value]) -> Vec<Value> {
    [&[chunk(json!({"role": "assistant", "content": ""}))], chunks, end].concat()
}

/// The events in short: name, place, and what is new or done. Checks what all have.
fn in_short(events: &[(String, Value)]) -> Vec<String> {
    let lines = events.iter().enumerate().map(|(number, (name, data))| {
        assert_eq!(data["type"], **name);
        assert_eq!(data["sequence_number"], number, "{name}");
        let mut line = name.strip_prefix("response.").unwrap().to_owned();
        for place in ["output_index", "content_index"] {
            if let Some(index) = data.get(place) {
                line.push_str(&format!(" {index}"));
            }
        }
        for member in ["item_id", "delta", "text", "refusal", "arguments", "name"] {
            if let Some(text) = data.get(member).and_then(Value::as_str) {
                let text = text.split('_').next().filter(|_| member == "item_id").unwrap_or(text);
                line.push_str(&format!(" {text:?}"));
            }
        }
        for member in ["item", "part", "response"] {
            if let Some(value) = data.get(member) {
                let kind = value.get("type").and_then(Value::as_str).unwrap_or("response");
                let status = value.get("status").and_then(Value::as_str).unwrap_or("-");
                line.push_str(&format!(" {kind}:{status}"));
            }
        }
        line
    });
    lines.collect()
}

#[tokio::test]
async fn a_text_comes_piece_by_piece() {
    let bench = Bench::new().await;
    let chunks = told(&[chunk(json!({"content": "Gr"})), chunk(json!({"content": "een."}))], &finish("stop"));
    let events = bench.events(chunks, request()).await;
    assert_eq!(
        in_short(&events),
        [
            "created response:in_progress",
            "in_progress response:in_progress",
            "output_item.added 0 message:in_progress",
            "content_part.added 0 0 \"msg\" output_text:-",
            "output_text.delta 0 0 \"msg\" \"Gr\"",
            "output_text.delta 0 0 \"msg\" \"een.\"",
            "output_text.done 0 0 \"msg\" \"Green.\"",
            "content_part.done 0 0 \"msg\" output_text:-",
            "output_item.done 0 message:completed",
            "completed response:completed",
        ]
    );
    let (_, completed) = events.last().unwrap();
    assert_eq!(completed["response"]["usage"]["total_tokens"], 5);
    assert_eq!(completed["response"]["model"], "small");
    let id = completed["response"]["id"].as_str().unwrap();
    assert_eq!(bench.get(&format!("/responses/{id}")).await.unwrap(), completed["response"]);
    // Every event speaks of the same response and the same item.
    assert_eq!(events[0].1["response"]["id"], id);
    let item = &completed["response"]["output"][0]["id"];
    assert!(events.iter().filter_map(|(_, data)| data.get("item_id")).all(|id| id == item));
    assert_eq!(bench.asked()["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn thoughts_texts_and_calls_follow_one_another() {
    let bench = Bench::new().await;
    let call = |index: u64, members: Value| {
        let mut call = json!({"index": index});
        call.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        chunk(json!({"tool_calls": [call]}))
    };
    let chunks = told(
        &[
            chunk(json!({"reasoning_content": "hm"})),
            chunk(json!({"content": "I ask."})),
            chunk(json!({"refusal": "No."})),
            call(0, json!({"id": "call_1", "function": {"name": "grow", "arguments": ""}})),
            call(0, json!({"function": {"arguments": "{\"a\""}})),
            call(0, json!({"function": {"arguments": ":1}"}})),
            call(1, json!({"id": "call_2", "function": {"name": "cut", "arguments": "{}"}})),
        ],
        &finish("tool_calls"),
    );
    let events = bench.events(chunks, request()).await;
    assert_eq!(
        in_short(&events)[2..],
        [
            "output_item.added 0 reasoning:in_progress",
            "content_part.added 0 0 \"rs\" reasoning_text:-",
            "reasoning_text.delta 0 0 \"rs\" \"hm\"",
            "reasoning_text.done 0 0 \"rs\" \"hm\"",
            "content_part.done 0 0 \"rs\" reasoning_text:-",
            "output_item.done 0 reasoning:completed",
            "output_item.added 1 message:in_progress",
            "content_part.added 1 0 \"msg\" output_text:-",
            "output_text.delta 1 0 \"msg\" \"I ask.\"",
            "output_text.done 1 0 \"msg\" \"I ask.\"",
            "content_part.done 1 0 \"msg\" output_text:-",
            "content_part.added 1 1 \"msg\" refusal:-",
            "refusal.delta 1 1 \"msg\" \"No.\"",
            "refusal.done 1 1 \"msg\" \"No.\"",
            "content_part.done 1 1 \"msg\" refusal:-",
            "output_item.done 1 message:completed",
            "output_item.added 2 function_call:in_progress",
            "function_call_arguments.delta 2 \"fc\" \"{\\\"a\\\"\"",
            "function_call_arguments.delta 2 \"fc\" \":1}\"",
            "function_call_arguments.done 2 \"fc\" \"{\\\"a\\\":1}\" \"grow\"",
            "output_item.done 2 function_call:completed",
            "output_item.added 3 function_call:in_progress",
            "function_call_arguments.delta 3 \"fc\" \"{}\"",
            "function_call_arguments.done 3 \"fc\" \"{}\" \"cut\"",
            "output_item.done 3 function_call:completed",
            "completed response:completed",
        ]
    );
}

#[tokio::test]
async fn log_probabilities_come_with_each_piece_and_together() {
    let bench = Bench::new().await;
    let logprob = |token: &str| json!({"token": token, "logprob": -0.5, "bytes": [97], "top_logprobs": []});
    let piece = |text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}, "logprobs": {"content": [logprob(text)]}}]});
    let chunks = told(&[piece("a"), piece("b")], &finish("stop"));
    let mut request = request();
    request["include"] = json!(["message.output_text.logprobs"]);
    request["top_logprobs"] = json!(2);
    let events = bench.events(chunks, request).await;
    let of = |kind: &str| -> Vec<&Value> {
        events.iter().filter(|(name, _)| name == kind).map(|(_, data)| &data["logprobs"]).collect()
    };
    assert_eq!(of("response.output_text.delta"), [&json!([logprob("a")]), &json!([logprob("b")])]);
    assert_eq!(of("response.output_text.done"), [&json!([logprob("a"), logprob("b")])]);
    let asked = bench.asked();
    assert_eq!((&asked["logprobs"], &asked["top_logprobs"]), (&json!(true), &json!(2)));
}

#[tokio::test]
async fn a_stream_has_one_end_however_the_chat_ends() {
    let text = chunk(json!({"content": "Gre"}));
    let error =
        json!({"error": {"message": "m", "type": "server_error", "param": null, "code": "engine_stopped"}});
    let late_call = [
        chunk(json!({"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": "{"}}]})),
        text.clone(),
        chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]})),
    ];
    let table = [
        (told(&[text.clone()], &finish("length")), "incomplete response:incomplete", None),
        (told(&[text.clone()], &[]), "failed response:failed", Some("stream_ended_early")),
        (told(&[text.clone()], &[json!("[DONE]")]), "failed response:failed", Some("stream_ended_early")),
        (told(&[text.clone(), error], &finish("stop")), "failed response:failed", Some("engine_stopped")),
        (told(&[json!("no JSON")], &finish("stop")), "failed response:failed", Some("chat_answer_broken")),
        (told(&late_call, &finish("stop")), "failed response:failed", Some("chat_answer_broken")),
        (Vec::new(), "failed response:failed", Some("stream_ended_early")),
    ];
    for (chunks, end, code) in table {
        let bench = Bench::new().await;
        let events = bench.events(chunks.clone(), request()).await;
        let lines = in_short(&events);
        assert_eq!(lines[0], "created response:in_progress", "{chunks:?}");
        assert_eq!(lines.last().unwrap(), end, "{chunks:?}");
        let response = &events.last().unwrap().1["response"];
        assert_eq!(response["error"]["code"].as_str(), code, "{response}");
        let id = response["id"].as_str().unwrap();
        assert_eq!(
            bench.get(&format!("/responses/{id}")).await.unwrap(),
            *response,
            "failures are kept, too"
        );
    }
}

#[tokio::test]
async fn whoever_breaks_a_stream_off_has_the_last_words() {
    let bench = Bench::new().await;
    bench.say(Saying::Events(vec![chunk(json!({"content": "Gre"})).to_string()]));
    let reply = bench.send(Method::POST, "/responses", &request().to_string()).await.unwrap();
    let (ReplyBody::Events(mut events), StreamEnd::Own(end)) = (reply.body, reply.end) else {
        panic!("no stream")
    };
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(named(events.next().await.unwrap()));
    }
    seen.extend(end.break_off("The server is going down.", "server_stopping").into_iter().map(named));
    assert_eq!(in_short(&seen)[4..], ["output_text.delta 0 0 \"msg\" \"Gre\"", "failed response:failed"]);
    let response = &seen[5].1["response"];
    assert_eq!(response["error"], json!({"code": "server_stopping", "message": "The server is going down."}));
    assert_eq!(response["output"][0]["status"], "incomplete");
    assert!(events.next().await.is_none(), "nothing follows");
}

#[tokio::test]
async fn what_was_told_and_not_passed_on_comes_before_the_last_words() {
    let bench = Bench::new().await;
    let chunks = told(&[chunk(json!({"content": "Green."}))], &finish("stop"));
    // After so many events the stream is broken off: before, while and after the end is told.
    for (passed_on, end) in
        [(1, "failed"), (5, "failed"), (6, "completed"), (8, "completed"), (9, "completed")]
    {
        let saying = chunks.iter().map(|chunk| match chunk {
            Value::String(data) => data.clone(),
            chunk => chunk.to_string(),
        });
        bench.say(Saying::Events(saying.collect()));
        let reply = bench.send(Method::POST, "/responses", &request().to_string()).await.unwrap();
        let (ReplyBody::Events(mut events), StreamEnd::Own(words)) = (reply.body, reply.end) else {
            panic!("no stream")
        };
        let mut seen = Vec::new();
        for _ in 0..passed_on {
            seen.push(named(events.next().await.unwrap()));
        }
        let last = words.break_off("The server is going down.", "server_stopping");
        assert!(last[..last.len() - 1].iter().all(|event| !words.is_end(event)), "{last:?}");
        seen.extend(last.into_iter().map(named));
        assert_eq!(*in_short(&seen).last().unwrap(), format!("{end} response:{end}"), "after {passed_on}");
    }
}

#[tokio::test]
async fn a_response_that_cannot_be_kept_is_a_failure() {
    let limits = StateLimits { bytes: 100, ..StateLimits::IN_MEMORY };
    let bench = Bench::with(limits, ResponsesOptions::default()).await;
    let chunks = || told(&[chunk(json!({"content": "Green."}))], &finish("stop"));
    let events = bench.events(chunks(), request()).await;
    let (name, data) = events.last().unwrap();
    assert_eq!(
        (name.as_str(), &data["response"]["error"]["code"]),
        ("response.failed", &json!("state_not_saved"))
    );

    let mut unkept = request();
    unkept["store"] = json!(false);
    assert_eq!(bench.events(chunks(), unkept).await.last().unwrap().0, "response.completed");
}
