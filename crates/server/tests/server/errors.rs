//! Every way to go wrong: its status, its headers, its envelope.

use std::time::Duration;

use interference_server::{Limits, ServeOptions};
use secrecy::SecretString;

use crate::exchange::{Connection, Running, post};

/// A whole answer: the status, headers beside the type and `connection: close`, and the inside of the envelope.
fn answer(status: u16, headers: &str, error: &str) -> String {
    format!(
        "{status}\ncontent-type: application/json\n{headers}connection: close\n\n{{\"error\":{{{error}}}}}"
    )
}

#[tokio::test]
async fn refusals_have_their_statuses() {
    let server = Running::start(ServeOptions::default()).await;
    let table = [
        (
            "invalid",
            answer(
                400,
                "",
                r#""message":"wrong","type":"invalid_request_error","param":"messages[0].role","code":"invalid_value""#,
            ),
        ),
        (
            "unknown model",
            answer(
                404,
                "",
                r#""message":"The model `large` does not exist. Models here: small.","type":"invalid_request_error","param":"model","code":"model_not_found""#,
            ),
        ),
        (
            "too long",
            answer(
                400,
                "",
                r#""message":"This model's maximum context length is 10 tokens. However, your messages resulted in 12 tokens, which leaves no room for an answer. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded""#,
            ),
        ),
        (
            "overloaded",
            answer(
                429,
                "retry-after: 3\n",
                r#""message":"The server has 64 requests waiting, and no place for this one. Try again in 3 s.","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded""#,
            ),
        ),
        (
            "unavailable",
            answer(
                503,
                "retry-after: 1\n",
                r#""message":"loading","type":"server_error","param":null,"code":"service_unavailable""#,
            ),
        ),
        ("internal", answer(500, "", r#""message":"broken","type":"server_error","param":null,"code":null"#)),
        (
            "panic",
            answer(
                500,
                "",
                r#""message":"The server has a bug, and this request met it.","type":"server_error","param":null,"code":null"#,
            ),
        ),
    ];
    for (body, expected) in table {
        assert_eq!(server.post(body).await.as_text(), expected);
    }
}

#[tokio::test]
async fn unknown_paths_and_models_are_not_found() {
    let server = Running::start(ServeOptions::default()).await;
    let two_slashes =
        " The path has two slashes in a row: give the client a base URL without one at its end.";
    for (path, why) in [
        ("/", ""),
        ("/v1", ""),
        ("/v1/", ""),
        ("/v2/models", ""),
        ("/v1/v1/models", ""),
        ("/models/", ""),
        ("/chat/completions/x/other", ""),
        ("/v1//models", two_slashes),
        ("//chat/completions", two_slashes),
        ("//v1/responses", two_slashes),
    ] {
        let message = format!(
            "Nothing is at {path}.{why} There are POST /v1/chat/completions, POST /v1/completions, POST /v1/responses, \
             POST /v1/embeddings, GET /v1/models, GET /v1/models/{{id}}, GET /health, GET /metrics, \
             GET /openapi.json and GET /_interference/requests, all of them with and without /v1."
        );
        let error = format!(
            r#""message":"{message}","type":"invalid_request_error","param":null,"code":"unknown_url""#
        );
        assert_eq!(server.get(path).await.as_text(), answer(404, "", &error), "{path}");
    }
    let error = r#""message":"The model `large` does not exist. Models here: maker/small.","type":"invalid_request_error","param":"model","code":"model_not_found""#;
    assert_eq!(server.get("/v1/models/large").await.as_text(), answer(404, "", error));
    let broken = server.get("/v1/models/%ff").await;
    assert_eq!(broken.status, 400, "{broken:?}");
    assert!(broken.body.starts_with(r#"{"error":{"message":"#), "{broken:?}");
}

#[tokio::test]
async fn parts_of_the_api_that_are_not_served_say_so() {
    let server = Running::start(ServeOptions::default()).await;
    let not_found = |path: &str, part: &str| {
        let message = format!("{path} is a part of the API that this server does not have: {part}.");
        answer(
            404,
            "",
            &format!(
                r#""message":"{message}","type":"invalid_request_error","param":null,"code":"unknown_url""#
            ),
        )
    };
    let moderation = post("{}").replace("/v1/chat/completions", "/v1/moderations");
    let reason = "moderation (nothing here judges content)";
    assert_eq!(server.exchange(&moderation).await.as_text(), not_found("/v1/moderations", reason));
    assert_eq!(server.get("/files").await.as_text(), not_found("/files", "files"));
    let job = "/v1/fine_tuning/jobs/a/cancel";
    assert_eq!(server.get(job).await.as_text(), not_found(job, "fine-tuning"));
    let counted = "/v1/responses/input_tokens";
    let count = post("{}").replace("/v1/chat/completions", counted);
    let reason = "the counting of an input's tokens";
    for told in [server.exchange(&count).await, server.get(counted).await] {
        assert_eq!(told.as_text(), not_found(counted, reason));
    }
}

#[tokio::test]
async fn other_methods_are_told_which_to_use() {
    let server = Running::start(ServeOptions::default()).await;
    let table = [
        ("GET", "/v1/completions", "POST"),
        ("DELETE", "/chat/completions", "GET,HEAD,POST"),
        ("PATCH", "/v1/chat/completions/chatcmpl-1", "GET,HEAD,POST,DELETE"),
        ("POST", "/chat/completions/chatcmpl-1/messages", "GET,HEAD"),
        ("OPTIONS", "/completions", "POST"),
        ("POST", "/models", "GET,HEAD"),
        ("PUT", "/v1/models/a/b", "GET,HEAD"),
        ("POST", "/health", "GET,HEAD"),
    ];
    for (method, path, allow) in table {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let error = format!(
            r#""message":"{path} is not for {method}; the header 'Allow' names what is.","type":"invalid_request_error","param":null,"code":"method_not_allowed""#
        );
        let expected = answer(405, &format!("allow: {allow}\n"), &error);
        assert_eq!(server.exchange(&request).await.as_text(), expected, "{method} {path}");
    }
    let head =
        server.exchange("HEAD /completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert_eq!(head.as_text(), "405\ncontent-type: application/json\nallow: POST\nconnection: close\n\n");
}

#[tokio::test]
async fn a_body_that_says_it_is_not_json_is_refused() {
    let server = Running::start(ServeOptions::default()).await;
    let request = post("whole").replace("application/json", "text/plain");
    let error = r#""message":"The body must be JSON in UTF-8, with 'Content-Type: application/json', not 'text/plain'.","type":"invalid_request_error","param":null,"code":"unsupported_media_type""#;
    assert_eq!(server.exchange(&request).await.as_text(), answer(415, "", error));
    let silent = post("whole").replace("content-type: application/json\r\n", "");
    assert_eq!(server.exchange(&silent).await.status, 200);
    let encoded = post("whole").replace("content-type:", "content-encoding: gzip\r\ncontent-type:");
    let error = r#""message":"The body must be sent as it is, without 'Content-Encoding: gzip'.","type":"invalid_request_error","param":null,"code":"unsupported_media_type""#;
    assert_eq!(server.exchange(&encoded).await.as_text(), answer(415, "", error));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_not_reset() {
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    let server = Running::start(ServeOptions { limits, ..ServeOptions::default() }).await;
    let error = r#""message":"The body is larger than 1000 bytes.","type":"invalid_request_error","param":null,"code":"request_too_large""#;
    let expected = answer(413, "", error);
    // More than the sockets' buffers hold, so that a server that does not read would be noticed.
    let body = "x".repeat(20_000_000);
    assert_eq!(server.post(&body).await.as_text(), expected);
    let chunked = post("").replace("content-length: 0", "transfer-encoding: chunked");
    let chunk = "x".repeat(2000);
    assert_eq!(server.exchange(&format!("{chunked}7d0\r\n{chunk}\r\n0\r\n\r\n")).await.as_text(), expected);
    // A client that waits for a go-ahead gets the answer instead, and nothing is read.
    let waiting = post("").replace("content-length: 0", "content-length: 1001\r\nexpect: 100-continue");
    assert_eq!(server.exchange(&waiting).await.as_text(), expected);
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_not_lost_behind_a_large_body() {
    let api_keys = vec![SecretString::from("sk-test")];
    let closed = Running::start(ServeOptions { api_keys, ..ServeOptions::default() }).await;
    let open = Running::start(ServeOptions::default()).await;
    let whole = post(&"x".repeat(20_000_000));
    let other = |part: &str, instead: &str| whole.replacen(part, instead, 1);
    for (server, request, status) in [
        (&closed, whole.clone(), 401),
        (&open, other("/v1/chat/completions", "/v1/audio/transcriptions"), 404),
        (&open, other("/v1/chat/completions", "/v2/nothing"), 404),
        (&open, other("POST", "PUT"), 405),
        (&open, other("application/json", "text/plain"), 415),
        (&open, other("content-type:", "content-encoding: gzip\r\ncontent-type:"), 415),
    ] {
        let answer = server.exchange(&request).await;
        assert_eq!(answer.status, status, "{}", &request[..100]);
        assert!(answer.as_text().contains("\"error\":{"), "{}", answer.as_text());
    }
    // A client that waits for a go-ahead gets the answer instead.
    let waiting = post("").replace("content-length: 0", "content-length: 1001\r\nexpect: 100-continue");
    assert_eq!(closed.exchange(&waiting).await.status, 401);
    // One that says nothing more is answered without what it has promised.
    let silent = post("whole").replace("content-length: 5", "content-length: 6");
    assert_eq!(closed.exchange(&silent).await.status, 401);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = Limits { body_time: Duration::from_millis(20), ..Limits::default() };
    let server = Running::start(ServeOptions { limits, ..ServeOptions::default() }).await;
    let error = r#""message":"The body did not come in time.","type":"invalid_request_error","param":null,"code":"request_timeout""#;
    let request = post("whole").replace("content-length: 5", "content-length: 6");
    assert_eq!(server.exchange(&request).await.as_text(), answer(408, "", error));
}

#[tokio::test]
async fn headers_that_do_not_come_are_not_waited_for() {
    let limits = Limits { header_time: Duration::from_millis(20), ..Limits::default() };
    let server = Running::start(ServeOptions { limits, ..ServeOptions::default() }).await;
    for beginning in ["", "POST /v1/chat/comp"] {
        let mut connection = Connection::open(server.address).await;
        connection.write(beginning).await;
        connection.rest_as_text().await;
    }
}
