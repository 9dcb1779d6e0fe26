//! Requests and whole responses.

use http::{Method, StatusCode};
use interference_backend::{Refusal, Strictness};
use interference_backend_responses::{ResponsesOptions, StateLimits};
use serde_json::{Value, json};

use crate::chat::{Bench, Saying, completion, json_of, refused};

#[tokio::test]
async fn a_response_has_all_that_the_api_describes() {
    let bench = Bench::new().await;
    let response = bench
        .respond(
            "Green.",
            json!({"model": "gpt-4o", "input": "a tree", "instructions": "be brief", "temperature": 0}),
        )
        .await;
    let own = response["id"].as_str().unwrap().strip_prefix("resp_").unwrap().to_owned();
    assert_eq!(
        response,
        json!({
            "id": format!("resp_{own}"),
            "object": "response",
            "created_at": 1_735_689_600,
            "status": "completed",
            "background": false,
            "completed_at": 1_735_689_600,
            "error": null,
            "incomplete_details": null,
            "instructions": "be brief",
            "max_output_tokens": null,
            "max_tool_calls": null,
            "model": "small",
            "output": [{
                "type": "message",
                "id": format!("msg_{own}_0"),
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Green.", "annotations": [], "logprobs": []}],
            }],
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "service_tier": "default",
            "store": true,
            "temperature": 0.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": null,
            "truncation": "disabled",
            "usage": {
                "input_tokens": 3,
                "input_tokens_details": {"cached_tokens": 1},
                "output_tokens": 2,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 5,
            },
            "metadata": {},
        })
    );
    assert_eq!(
        bench.asked(),
        json!({
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "a tree"}],
            "temperature": 0.0,
        })
    );
}

#[tokio::test]
async fn what_was_asked_is_repeated_and_passed_on() {
    let bench = Bench::new().await;
    let request = json!({
        "model": "m", "input": "a", "max_tool_calls": 3, "user": "u", "safety_identifier": "s",
        "prompt_cache_key": "k", "prompt_cache_retention": "in-memory", "service_tier": "flex", "top_logprobs": 20,
        "reasoning": {"effort": "high", "summary": null, "generate_summary": "auto"}, "text": {"verbosity": "low"},
    });
    let response = bench.respond("b", request).await;
    let repeated = [
        ("max_tool_calls", json!(3)),
        ("user", json!("u")),
        ("safety_identifier", json!("s")),
        ("prompt_cache_key", json!("k")),
        ("prompt_cache_retention", json!("in_memory")),
        ("service_tier", json!("default")),
        ("top_logprobs", json!(20)),
        ("reasoning", json!({"effort": "high", "summary": null, "generate_summary": "auto"})),
        ("text", json!({"format": {"type": "text"}, "verbosity": "low"})),
    ];
    for (name, value) in repeated {
        assert_eq!(response[name], value, "{name}");
    }
    assert_eq!(
        bench.asked(),
        json!({
            "model": "m", "messages": [{"role": "user", "content": "a"}], "reasoning_effort": "high",
            "verbosity": "low", "user": "u", "safety_identifier": "s", "service_tier": "flex", "prompt_cache_key": "k",
            "prompt_cache_retention": "in_memory",
        })
    );
}

#[tokio::test]
async fn parameters_of_a_wrong_type_are_refused() {
    let bench = Bench::new().await;
    let table = [
        (json!({"reasoning": 5}), "reasoning"),
        (json!({"reasoning": {"effort": 5}}), "reasoning.effort"),
        (json!({"max_tool_calls": -1}), "max_tool_calls"),
        (json!({"user": 5}), "user"),
        (json!({"prompt_cache_key": 5}), "prompt_cache_key"),
        (json!({"safety_identifier": 5}), "safety_identifier"),
        (json!({"prompt_cache_retention": 5}), "prompt_cache_retention"),
        (json!({"service_tier": "zz"}), "service_tier"),
        (json!({"text": {"verbosity": "zz"}}), "text.verbosity"),
        (json!({"top_logprobs": 21}), "top_logprobs"),
        (json!({"metadata": {"a": 1}}), "metadata.a"),
        (json!({"metadata": []}), "metadata"),
        (json!({"metadata": {"a": "b".repeat(513)}}), "metadata"),
    ];
    for (members, expected) in table {
        let mut request = json!({"model": "m", "input": "a"});
        request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let answer = bench.send(Method::POST, "/responses", &request.to_string()).await;
        let (param, code, message) = refused(answer);
        assert_eq!((param.as_str(), code), (expected, "invalid_value"), "{members}: {message}");
    }
}

#[tokio::test]
async fn calls_are_items_of_their_own() {
    let bench = Bench::new().await;
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "grow", "arguments": "{}"}});
    let message = json!({"content": "Wait.", "tool_calls": [call("call_1"), call("call_2")]});
    bench.say(Saying::Whole(completion(message, "tool_calls")));
    let tools = json!([{"type": "function", "name": "grow", "parameters": {}, "strict": true}]);
    let response = bench.created(json!({"model": "m", "input": "a", "tools": tools})).await;
    let output = response["output"].as_array().unwrap();
    let kinds: Vec<&Value> = output.iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["message", "function_call", "function_call"]);
    assert_eq!(
        (&output[2]["call_id"], &output[2]["name"], &output[2]["arguments"], &output[2]["status"]),
        (&json!("call_2"), &json!("grow"), &json!("{}"), &json!("completed"))
    );
    assert_eq!(response["tools"][0]["description"], Value::Null);
}

#[tokio::test]
async fn a_text_comes_before_a_refusal() {
    let bench = Bench::new().await;
    bench.say(Saying::Whole(completion(json!({"content": "So far.", "refusal": "No."}), "stop")));
    let response = bench.created(json!({"model": "m", "input": "a"})).await;
    let content = response["output"][0]["content"].as_array().unwrap();
    let kinds: Vec<&Value> = content.iter().map(|part| &part["type"]).collect();
    assert_eq!(kinds, ["output_text", "refusal"]);
}

#[tokio::test]
async fn items_of_one_name_are_refused() {
    let bench = Bench::new().await;
    let item = |id: &str| json!({"role": "user", "content": "b", "id": id});
    let request = json!({"model": "m", "input": [item("msg_1"), item("msg_2"), item("msg_1")]}).to_string();
    let (param, code, message) = refused(bench.send(Method::POST, "/responses", &request).await);
    assert_eq!((param.as_str(), code), ("input[2].id", "invalid_value"));
    assert!(message.contains("'msg_1'"), "{message}");
}

#[tokio::test]
async fn the_limit_of_tokens_makes_a_response_incomplete() {
    let bench = Bench::new().await;
    for (reason, told) in [("length", "max_output_tokens"), ("content_filter", "content_filter")] {
        bench.say(Saying::Whole(completion(json!({"content": "Gre"}), reason)));
        let response = bench.created(json!({"model": "m", "input": "a", "max_output_tokens": 16})).await;
        assert_eq!(response["status"], "incomplete");
        assert_eq!(response["incomplete_details"], json!({"reason": told}));
        assert_eq!(
            (&response["output"][0]["status"], &response["completed_at"]),
            (&json!("incomplete"), &Value::Null)
        );
        assert_eq!(bench.asked()["max_completion_tokens"], 16);
    }
}

#[tokio::test]
async fn an_answer_of_nothing_is_an_empty_text() {
    let bench = Bench::new().await;
    let response = bench.respond("", json!({"model": "m", "input": "a"})).await;
    assert_eq!(response["output"][0]["content"][0]["text"], "");
}

#[tokio::test]
async fn what_the_chat_ignores_is_named_as_the_request_has_it() {
    let bench = Bench::new().await;
    bench.say(Saying::Whole(completion(json!({"content": "a"}), "stop")));
    let request = json!({"model": "m", "input": "a", "truncation": "auto", "zeal": 1}).to_string();
    let reply = bench.send(Method::POST, "/responses", &request).await.unwrap();
    assert_eq!(reply.ignored, ["truncation", "zeal", "input[].name", "reasoning.effort"]);
    assert_eq!(reply.headers["x-interference-seed"], "7");

    let strict = bench.send_with(Method::POST, "/responses", &request, Strictness::RefuseIgnored).await;
    let (param, code, message) = refused(strict);
    assert_eq!((param.as_str(), code), ("truncation", "unknown_parameter"));
    assert!(message.ends_with("would be ignored: truncation, zeal."), "{message}");
}

#[tokio::test]
async fn refusals_of_the_chat_speak_of_the_request() {
    let bench = Bench::new().await;
    bench.say(Saying::Refusal(Refusal::InvalidRequest {
        message: "'messages[1].content' is not liked; nor is 'max_completion_tokens'.".into(),
        param: Some("messages[1].content".into()),
        code: Some("invalid_value"),
    }));
    let request =
        json!({"model": "m", "instructions": "a", "input": [{"role": "user", "content": "b"}]}).to_string();
    assert_eq!(
        refused(bench.send(Method::POST, "/responses", &request).await),
        (
            "input[0].content".to_owned(),
            "invalid_value",
            "'input[0].content' is not liked; nor is 'max_output_tokens'.".to_owned()
        )
    );
    bench.say(Saying::Refusal(Refusal::ContextLengthExceeded { context_length: 10, prompt_tokens: 12 }));
    let (param, code, message) = refused(bench.send(Method::POST, "/responses", &request).await);
    assert_eq!((param.as_str(), code), ("input", "context_length_exceeded"));
    assert!(message.ends_with("Please reduce the length of the input."), "{message}");

    bench.say(Saying::Error(StatusCode::TOO_MANY_REQUESTS, json!({"error": {"message": "later"}})));
    let reply = bench.send(Method::POST, "/responses", &request).await.unwrap();
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(json_of(reply), json!({"error": {"message": "later"}}));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let bench = Bench::new().await;
    bench.say(Saying::Whole(json!({"choices": [{"message": {"content": "a"}}]})));
    let request = json!({"model": "m", "input": "a"}).to_string();
    let refusal = bench.send(Method::POST, "/responses", &request).await.unwrap_err();
    assert_eq!(refusal, Refusal::Internal { message: "The answer broke off.".into() });
}

#[tokio::test]
async fn names_are_individual_or_follow_from_the_request() {
    let request = |input: &str| json!({"model": "m", "input": input});
    let fixed = Bench::new().await;
    let first = fixed.respond("a", request("a")).await;
    assert_eq!(first, fixed.respond("a", request("a")).await);
    assert_ne!(first["id"], fixed.respond("a", request("b")).await["id"]);
    let own = Bench::with(StateLimits::IN_MEMORY, ResponsesOptions::default()).await;
    assert_ne!(own.respond("a", request("a")).await["id"], own.respond("a", request("a")).await["id"]);
}

#[tokio::test]
async fn everything_else_reaches_the_backend_behind() {
    let bench = Bench::new().await;
    assert_eq!(json_of(bench.send(Method::POST, "/embeddings", "{\"a\":1}").await.unwrap()), json!({"a": 1}));
    for (method, path) in [(Method::POST, "/responses/input_tokens"), (Method::POST, "/responses/compact")] {
        let (_, code, message) = refused(bench.send(method, path, "{}").await);
        assert_eq!(code, "unknown_url");
        assert!(message.contains(path), "{message}");
    }
}
