//! What is wrong with a request is told before the first byte of an answer: a status, and the envelope of the API.

use serde_json::{Value, json};

use crate::bench::{Bench, Server};
use crate::exchange::{Answer, Exchange, TOKEN, ask, get, post, request};

/// An envelope: nothing is missing in it, and nothing else is.
#[track_caller]
fn check(answer: &Answer, status: u16, envelope: Value) {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:#?}");
    assert_eq!((answer.status, answer.json()), (status, json!({"error": envelope})), "{answer:#?}");
}

fn invalid(message: &str, param: Value, code: Value) -> Value {
    json!({"message": message, "type": "invalid_request_error", "param": param, "code": code})
}

/// Sends a request plain and with `"stream": true`: both get the same error.
#[track_caller]
fn refused(server: &Server, members: &Value, status: u16, envelope: Value) {
    for stream in [false, true] {
        let mut asked = request("hi", members.clone());
        asked["stream"] = stream.into();
        let answer = ask(server.address, &asked);
        check(&answer, status, envelope.clone());
    }
}

#[test]
fn a_request_that_cannot_be_had_is_refused_streamed_or_not() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    for (members, status, message, param, code) in [
        (
            json!({"model": "no-such-model"}),
            404,
            "The model `no-such-model` does not exist. Models here: smollm2-135m-instruct, gpt-3.5-turbo, \
             gpt-3.5-turbo-*, gpt-4o-mini, gpt-4o, gpt-4*, gpt-5*, gpt-*, chatgpt-*, o1*, o3*, o4*, davinci-002, babbage-002, text-embedding-*.",
            "model",
            "model_not_found",
        ),
        (
            json!({"model": null}),
            400,
            "Missing required parameter: 'model'.",
            "model",
            "missing_required_parameter",
        ),
        (
            json!({"messages": []}),
            400,
            "'messages' must have at least one message.",
            "messages",
            "invalid_value",
        ),
        (
            json!({"messages": "hi"}),
            400,
            "Invalid value for 'messages': invalid type: string \"hi\", expected a sequence at line 1 column 40.",
            "messages",
            "invalid_value",
        ),
        (
            json!({"messages": [{"role": "user"}]}),
            400,
            "'messages[0].content' is required: a string or an array of content parts.",
            "messages[0].content",
            "invalid_value",
        ),
        (
            json!({"messages": [{"role": "robot", "content": "hi"}]}),
            400,
            "Invalid value for 'messages[0].role': unknown variant `robot`, expected one of `system`, `developer`, \
             `user`, `assistant`, `tool`, `function` at line 1 column 52.",
            "messages[0].role",
            "invalid_value",
        ),
        (
            json!({"messages": user(json!([{"type": "image_url", "image_url": {"url": "x"}}]))}),
            400,
            "The local model reads text only: content parts must have the type 'text'.",
            "messages[0].content[0].type",
            "unsupported_value",
        ),
        (
            json!({"messages": user("tree ".repeat(9000).into())}),
            400,
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9031 tokens, \
             which leaves no room for an answer. Please reduce the length of the messages.",
            "messages",
            "context_length_exceeded",
        ),
        (
            json!({"temperature": 3}),
            400,
            "'temperature' is 3; it must be from 0 to 2.",
            "temperature",
            "invalid_value",
        ),
        (
            json!({"temperature": "hot"}),
            400,
            "Invalid value for 'temperature': invalid type: string \"hot\", expected a number at line 1 column 88.",
            "temperature",
            "invalid_value",
        ),
        (json!({"top_p": 1.5}), 400, "'top_p' is 1.5; it must be from 0 to 1.", "top_p", "invalid_value"),
        (json!({"max_tokens": 0}), 400, "'max_tokens' must be at least 1.", "max_tokens", "invalid_value"),
        (json!({"stop": ""}), 400, "'stop' must not be empty (string 0).", "stop", "invalid_value"),
        (json!({"n": 0}), 400, "'n' is 0; it must be from 1 to 128.", "n", "invalid_value"),
        (
            json!({"n": 97}),
            400,
            "'n' is 97, and each answer takes a place of its own, of which this server has 96. Ask for fewer, or start \
             the server with more (--queue, --streams).",
            "n",
            "unsupported_value",
        ),
        (
            json!({"logit_bias": {"49152": 1}}),
            400,
            "'logit_bias' has token 49152; the model's tokens are 0 to 49151.",
            "logit_bias",
            "invalid_value",
        ),
        (
            json!({"modalities": ["audio"]}),
            400,
            "This value of 'modalities' is not supported by the local model: only [\"text\"] is.",
            "modalities",
            "unsupported_value",
        ),
    ] {
        refused(&server, &members, status, invalid(message, json!(param), json!(code)));
    }
}

#[test]
fn what_is_not_a_request_is_told_apart() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let send = |bytes: &str| Exchange::send(server.address, bytes.as_bytes()).read_whole().0;
    let path = "/v1/chat/completions";

    for (body, message) in [
        ("{\"model\":", "The request body is not valid JSON: EOF while parsing a value at line 1 column 9."),
        ("", "The request body is not valid JSON: EOF while parsing a value at line 1 column 0."),
        (
            "[1]",
            "The request body is not as expected: invalid type: sequence, expected an object at line 1 column 0.",
        ),
    ] {
        check(&send(&post(path, body)), 400, invalid(message, Value::Null, Value::Null));
    }

    let message = "Nothing is at /v1/complete. There are POST /v1/chat/completions, POST /v1/completions, POST \
                   /v1/responses, POST /v1/embeddings, GET /v1/models, GET /v1/models/{id}, GET /health, GET /metrics, \
                   GET /openapi.json and GET /_interference/requests, all of them with and without /v1.";
    check(&send(&post("/v1/complete", "{}")), 404, invalid(message, Value::Null, json!("unknown_url")));

    let message = "The model `no-such-model` does not exist. Models here: smollm2-135m-instruct.";
    let unknown_model = get(server.address, "/v1/models/no-such-model");
    check(&unknown_model, 404, invalid(message, json!("model"), json!("model_not_found")));

    let wrong_method = get(server.address, "/v1/completions");
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    let message = "/v1/completions is not for GET; the header 'Allow' names what is.";
    check(&wrong_method, 405, invalid(message, Value::Null, json!("method_not_allowed")));

    for other in ["application/x-www-form-urlencoded", "application/json; charset=iso-8859-1"] {
        let form = post(path, "{}").replace("application/json", other);
        let message =
            format!("The body must be JSON in UTF-8, with 'Content-Type: application/json', not '{other}'.");
        check(&send(&form), 415, invalid(&message, Value::Null, json!("unsupported_media_type")));
    }
    let zipped =
        post(path, "2\r\n{}\r\n0\r\n\r\n").replace("content-length: 12", "transfer-encoding: gzip, chunked");
    let message = "The body must be sent as it is, without 'Transfer-Encoding: gzip, chunked'.";
    check(&send(&zipped), 415, invalid(message, Value::Null, json!("unsupported_media_type")));

    let foreign = post(path, "{}").replace("host: localhost", "host: evil.example");
    let message = "This server answers for this machine only, and the host 'evil.example' is another. If it is meant, \
                   allow it when you start the server.";
    check(&send(&foreign), 403, invalid(message, Value::Null, json!("host_not_allowed")));
}

#[test]
fn what_is_not_honoured_is_named_or_refused() {
    let bench = Bench::take();
    let members = json!({"max_tokens": 1, "mood": "merry", "user": "me", "messages": [
        {"role": "user", "content": "hi", "flavour": "salt"},
    ]});
    let lenient = bench.serve(&[]);
    let answer = ask(lenient.address, &request("", members.clone()));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-interference-ignored"), Some("user, messages[].flavour, mood"));
    let answer = ask(lenient.address, &request("hi", json!({"max_tokens": 1})));
    assert_eq!(answer.header("x-interference-ignored"), None);
    drop(lenient);

    let message =
        "This server is strict, and these parameters would be ignored: user, messages[].flavour, mood.";
    let strict = bench.serve(&["--strict"]);
    refused(&strict, &members, 400, invalid(message, json!("user"), json!("unknown_parameter")));
    assert_eq!(ask(strict.address, &request("hi", json!({"max_tokens": 1}))).status, 200);
}

#[test]
fn one_request_too_many_is_told_when_to_come_again() {
    let bench = Bench::take();
    let server = bench.serve(&["--queue", "1", "--streams", "1"]);
    let long = request("Write a very long story.", json!({"max_tokens": 2000, "stream": true}));
    let mut running = Exchange::chat(server.address, &long);
    running.read_until(TOKEN);
    let mut waiting = Exchange::chat(server.address, &long);
    waiting.read_until("200 OK");
    for stream in [false, true] {
        let answer = ask(server.address, &request("hi", json!({"stream": stream})));
        assert_eq!(answer.header("retry-after"), Some("1"));
        check(
            &answer,
            429,
            json!({
                "message": "The server has 1 requests waiting, and no place for this one. Try again in 1 s.",
                "type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded",
            }),
        );
    }
}

#[test]
fn none_is_refused_below_the_bound() {
    let bench = Bench::take();
    let server = bench.serve(&["--queue", "7", "--streams", "1"]);
    let asked = request("hi", json!({"max_tokens": 1}));
    for _ in 0..5 {
        // One runs and seven wait, however fast they come.
        let exchanges: Vec<Exchange> = (0..8).map(|_| Exchange::chat(server.address, &asked)).collect();
        for exchange in exchanges {
            assert_eq!(exchange.read_whole().0.status, 200);
        }
    }
}

#[test]
fn a_key_opens_the_server_where_one_is_set() {
    let bench = Bench::take();
    let server = bench.serve(&["--api-key", "right", "--api-key", "other"]);
    let with = |header: &str| {
        let asked = post("/v1/chat/completions", &request("hi", json!({"max_tokens": 1})).to_string());
        let asked = asked.replace("host: localhost\r\n", &format!("host: localhost\r\n{header}"));
        Exchange::send(server.address, asked.as_bytes()).read_whole().0
    };
    check(
        &with(""),
        401,
        invalid(
            "You did not give an API key. Give it in the header 'Authorization: Bearer KEY'.",
            Value::Null,
            json!("invalid_api_key"),
        ),
    );
    let wrong = with("authorization: Bearer wrong\r\n");
    check(
        &wrong,
        401,
        invalid("The API key is not one of this server's.", Value::Null, json!("invalid_api_key")),
    );
    assert!(!wrong.body.contains("wrong\""));
    assert_eq!(with("authorization: Bearer right\r\n").status, 200);
    assert_eq!(with("authorization: Bearer other\r\n").status, 200);
    assert_eq!(get(server.address, "/health").status, 200, "whoever watches over the server needs no key");

    let chat = |key: &str| {
        bench.run(&["chat", "--base-url", &server.base_url(), "--max-tokens", "1", "--api-key", key, "hi"])
    };
    assert_eq!(chat("right").code, Some(0));
    chat("wrong").failed_with(1);
    assert!(!server.said().contains("right"), "a key is in the log");
}
