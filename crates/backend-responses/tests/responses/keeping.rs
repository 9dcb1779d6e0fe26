//! Responses that are kept: found, followed, listed, deleted.

use http::Method;
use interference_backend::Refusal;
use interference_backend_responses::{ResponsesOptions, StateLimits};
use serde_json::{Value, json};

use crate::chat::{Bench, Saying, completion, json_of, refused};

fn id(response: &Value) -> String {
    response["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_response_follows_another() {
    let bench = Bench::new().await;
    let first = bench
        .respond("Hello Ann.", json!({"model": "m", "input": "I am Ann.", "instructions": "sing"}))
        .await;
    let request = json!({"model": "m", "input": "Who am I?", "previous_response_id": id(&first)});
    let second = bench.respond("Ann.", request).await;
    assert_eq!(second["previous_response_id"], first["id"]);
    let messages = json!([
        {"role": "user", "content": "I am Ann."},
        {"role": "assistant", "content": "Hello Ann."},
        {"role": "user", "content": "Who am I?"},
    ]);
    assert_eq!(bench.asked()["messages"], messages, "instructions are not carried over");

    let deleted =
        json_of(bench.send(Method::DELETE, &format!("/responses/{}", id(&first)), "").await.unwrap());
    assert_eq!(deleted, json!({"id": id(&first), "object": "response", "deleted": true}));
    let third = json!({"model": "m", "input": "Sure?", "previous_response_id": id(&second)});
    bench.respond("Yes.", third).await;
    assert_eq!(
        bench.asked()["messages"].as_array().unwrap().len(),
        5,
        "what the second was told stays with it"
    );

    let gone = json!({"model": "m", "input": "?", "previous_response_id": id(&first)}).to_string();
    let (param, code, message) = refused(bench.send(Method::POST, "/responses", &gone).await);
    assert_eq!((param.as_str(), code), ("previous_response_id", "previous_response_not_found"));
    assert!(message.contains(&id(&first)), "{message}");
}

#[tokio::test]
async fn a_response_is_found_however_its_name_is_spelled() {
    let bench = Bench::new().await;
    let first = bench.respond("Hello.", json!({"model": "m", "input": "a"})).await;
    let spelled = id(&first).replacen('_', "%5F", 1);
    assert_eq!(bench.get(&format!("/responses/{spelled}")).await.unwrap()["id"], first["id"]);
}

#[tokio::test]
async fn calls_and_their_outputs_follow_a_response() {
    let bench = Bench::new().await;
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}});
    bench.say(Saying::Whole(completion(json!({"content": null, "tool_calls": [call]}), "tool_calls")));
    let first = bench.created(json!({"model": "m", "input": "What time is it?"})).await;
    let output = json!([{"type": "function_call_output", "call_id": "call_1", "output": "noon"}]);
    bench.respond("Noon.", json!({"model": "m", "input": output, "previous_response_id": id(&first)})).await;
    assert_eq!(
        bench.asked()["messages"],
        json!([
            {"role": "user", "content": "What time is it?"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
        ])
    );
}

#[tokio::test]
async fn an_item_may_be_named_instead_of_repeated() {
    let bench = Bench::new().await;
    let first = bench.respond("Green.", json!({"model": "m", "input": "a tree"})).await;
    let item = first["output"][0]["id"].clone();
    let input = json!([{"type": "item_reference", "id": item}, {"role": "user", "content": "Really?"}]);
    bench.respond("Yes.", json!({"model": "m", "input": input})).await;
    assert_eq!(bench.asked()["messages"][0], json!({"role": "assistant", "content": "Green."}));
    for unknown in ["msg_1", &format!("msg_{}_9", "0".repeat(32))] {
        let request = json!({"model": "m", "input": [{"type": "item_reference", "id": unknown}]}).to_string();
        let (param, code, _) = refused(bench.send(Method::POST, "/responses", &request).await);
        assert_eq!((param.as_str(), code), ("input[0].id", "item_not_found"));
    }
}

/// What a request asks to be put together is bounded by what it is put together from, not by its own length.
#[tokio::test]
async fn what_is_referred_to_and_what_is_followed_have_bounds() {
    let bench = Bench::new().await;
    let first = bench.respond("Green.", json!({"model": "m", "input": "a tree ".repeat(300_000)})).await;
    let item = bench.get(&format!("/responses/{}/input_items", id(&first))).await.unwrap();
    let reference = json!({"type": "item_reference", "id": item["data"][0]["id"]});
    let refused_for =
        async |request: Value| refused(bench.send(Method::POST, "/responses", &request.to_string()).await);
    let input = |count: usize| json!({"model": "m", "input": vec![reference.clone(); count]});
    let (param, code, message) = refused_for(input(8)).await;
    assert_eq!((param.as_str(), code), ("input[7].id", "conversation_too_long"), "{message}");
    let (param, code, message) = refused_for(input(129)).await;
    assert_eq!((param.as_str(), code), ("input", "invalid_value"), "{message}");

    let many = vec![json!({"role": "user", "content": "a"}); 4_096];
    let second = bench.respond("b", json!({"model": "m", "input": many})).await;
    let follows =
        |response: &Value| json!({"model": "m", "input": "?", "previous_response_id": id(response)});
    let (param, code, message) = refused_for(follows(&second)).await;
    assert_eq!((param.as_str(), code), ("previous_response_id", "conversation_too_long"), "{message}");
    let long = bench.respond("b", json!({"model": "m", "input": "a".repeat(16 << 20)})).await;
    let (param, code, message) = refused_for(follows(&long)).await;
    assert_eq!((param.as_str(), code), ("previous_response_id", "conversation_too_long"), "{message}");
}

#[tokio::test]
async fn what_is_not_to_be_stored_is_not_there() {
    let bench = Bench::new().await;
    let response = bench.respond("a", json!({"model": "m", "input": "a", "store": false})).await;
    assert_eq!(response["store"], false);
    let path = format!("/responses/{}", id(&response));
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::HEAD, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/cancel")),
        (Method::GET, format!("{path}/input_items")),
    ] {
        let (_, code, message) = refused(bench.send(method.clone(), &path, "").await);
        assert_eq!(code, "response_not_found", "{method} {path}");
        assert!(message.contains(&id(&response)), "{message}");
    }
    let follows = json!({"model": "m", "input": "a", "previous_response_id": id(&response)}).to_string();
    assert_eq!(
        refused(bench.send(Method::POST, "/responses", &follows).await).1,
        "previous_response_not_found"
    );
}

#[tokio::test]
async fn the_input_is_listed() {
    let bench = Bench::new().await;
    let input = json!([
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "content": "Well?"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"id": "msg_mine", "role": "user", "content": [{"type": "input_text", "text": "Go on."}]},
    ]);
    let response = bench.respond("a", json!({"model": "m", "input": input})).await;
    let path = format!("/responses/{}/input_items", id(&response));
    let own = id(&response).replace("resp_", "");
    let list = bench.get(&format!("{path}?order=asc")).await.unwrap();
    assert_eq!(
        list,
        json!({
            "object": "list",
            "first_id": format!("msg_{own}_in0"),
            "last_id": "msg_mine",
            "has_more": false,
            "data": [
                {"type": "message", "id": format!("msg_{own}_in0"), "status": "completed", "role": "system",
                 "content": [{"type": "input_text", "text": "be brief"}]},
                {"type": "message", "id": format!("msg_{own}_in1"), "status": "completed", "role": "assistant",
                 "content": [{"type": "output_text", "text": "Well?", "annotations": [], "logprobs": []}]},
                {"type": "function_call", "id": format!("fc_{own}_in2"), "status": "completed", "call_id": "c",
                 "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "id": format!("fco_{own}_in3"), "status": "completed",
                 "call_id": "c", "output": "x"},
                {"type": "message", "id": "msg_mine", "status": "completed", "role": "user",
                 "content": [{"type": "input_text", "text": "Go on."}]},
            ],
        })
    );
    let newest = bench.get(&format!("{path}?limit=2")).await.unwrap();
    assert_eq!((&newest["first_id"], &newest["has_more"]), (&json!("msg_mine"), &json!(true)));
    let last = newest["last_id"].as_str().unwrap();
    let rest = bench.get(&format!("{path}?after={last}")).await.unwrap();
    assert_eq!(rest["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_kept_response_is_neither_streamed_nor_cancelled() {
    let bench = Bench::new().await;
    let response = bench.respond("a", json!({"model": "m", "input": "a"})).await;
    let path = format!("/responses/{}", id(&response));
    assert_eq!(bench.get(&format!("{path}?stream=false&include[]=a")).await.unwrap(), response);
    for (query, param) in [("stream=true", "stream"), ("starting_after=3", "starting_after")] {
        let (seen, code, _) = refused(bench.get(&format!("{path}?{query}")).await);
        assert_eq!((seen.as_str(), code), (param, "unsupported_value"));
    }
    let cancelled = bench.send(Method::POST, &format!("{path}/cancel"), "").await;
    assert_eq!(refused(cancelled).1, "response_not_background");
}

#[tokio::test]
async fn nothing_follows_a_failure() {
    let bench = Bench::new().await;
    let events = bench.events(Vec::new(), json!({"model": "m", "input": "a", "stream": true})).await;
    let failed = id(&events.last().unwrap().1["response"]);
    let follows = json!({"model": "m", "input": "b", "previous_response_id": failed}).to_string();
    let (param, code, _) = refused(bench.send(Method::POST, "/responses", &follows).await);
    assert_eq!((param.as_str(), code), ("previous_response_id", "previous_response_failed"));
}

#[tokio::test]
async fn what_cannot_be_kept_is_no_answer() {
    let limits = StateLimits { bytes: 100, ..StateLimits::IN_MEMORY };
    let bench = Bench::with(limits, ResponsesOptions::default()).await;
    bench.say(Saying::Whole(completion(json!({"content": "a"}), "stop")));
    let request = json!({"model": "m", "input": "a"}).to_string();
    let refusal = bench.send(Method::POST, "/responses", &request).await.unwrap_err();
    assert!(matches!(refusal, Refusal::StateNotSaved { .. }), "{refusal:?}");
    let unkept = json!({"model": "m", "input": "a", "store": false});
    assert_eq!(bench.respond("a", unkept).await["status"], "completed");
}
