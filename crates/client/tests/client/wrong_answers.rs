//! Answers with success that are not what was asked for.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use interference_client::{ChatRequest, ClientError, Usage};

use crate::byte_server::{
    ByteServer, Step, event_stream, outcome_of, outcome_of_bytes, outcome_of_stream, request, response,
    sound_stream,
};

const COMPLETION: &str = r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",
    "content":"A tree"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

#[tokio::test]
async fn a_whole_answer_is_taken_whatever_was_asked_for() {
    for (content_type, stream) in [
        ("application/json", false),
        ("application/json", true),
        ("text/event-stream", true),
        ("text/plain", true),
    ] {
        let server = ByteServer::start(vec![Step::Send(response("200 OK", content_type, COMPLETION))]).await;
        let outcome = outcome_of(&server.client(), &ChatRequest { stream, ..request() }).await;
        outcome.assert_whole("A tree");
        assert_eq!(outcome.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }));
    }
}

#[tokio::test]
async fn a_stream_is_taken_whatever_it_says_it_is() {
    for content_type in ["application/json", "text/plain; charset=utf-8"] {
        outcome_of_bytes(response("200 OK", content_type, sound_stream())).await.assert_whole("A tree 🌳");
    }
}

#[tokio::test]
async fn an_error_at_200_is_an_error() {
    for body in [
        r#"{"error":{"message":"quota"}}"#,
        r#"{"error":"quota"}"#,
        r#"{"object":"error","message":"quota"}"#,
    ] {
        let error = outcome_of_bytes(response("200 OK", "application/json", body)).await.error.unwrap();
        assert!(matches!(&error, ClientError::Api(error) if error.message == "quota"), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_not_the_api_is_quoted() {
    for (content_type, body, quoted) in [
        ("text/html", "<!doctype html>\n<title>Sign in</title>", "`<!doctype html> <title>Sign in</title>`"),
        ("text/html", "", "an empty body"),
        ("text/event-stream", "", "an empty body"),
        ("text/plain", "It works!", "`It works!`"),
        ("application/json", "{\"id\":7}", "`{\"id\":7}`"),
        ("application/json", "{\"choices\":[]}", "`{\"choices\":[]}`"),
        ("application/json", "{\"choices\":[{\"mess", "`{\"choices\":[{\"mess`"),
        ("application/json", "[]", "`[]`"),
    ] {
        let error = outcome_of_bytes(response("200 OK", content_type, body)).await.error.unwrap();
        let expected =
            format!("The server's answer is not the API's (its type is `{content_type}`), but {quoted}.");
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, ClientError::UnexpectedAnswer { .. }));
    }
}

#[tokio::test]
async fn what_does_not_speak_http_is_told_apart() {
    let error = outcome_of_bytes(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()).await.error.unwrap();
    assert!(matches!(error, ClientError::NotHttp { .. }), "{error:?}");
}

#[tokio::test]
async fn gzip_is_undone_and_others_are_refused() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(sound_stream().as_bytes()).unwrap();
    let compressed = encoder.finish().unwrap();
    let head = |encoding| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {encoding}\r\n\r\n")
            .into_bytes()
    };
    outcome_of_bytes([head("gzip"), compressed.clone()].concat()).await.assert_whole("A tree 🌳");

    let cut = compressed[..compressed.len() / 2].to_vec();
    let error = outcome_of_bytes([head("gzip"), cut].concat()).await.error.unwrap();
    assert!(matches!(error, ClientError::BrokeOff { .. }), "{error:?}");
    let error = outcome_of_bytes([head("gzip"), event_stream("data: x\n\n")].concat()).await.error.unwrap();
    assert!(matches!(error, ClientError::ContentEncoding { .. }), "{error:?}");
    let error = outcome_of_bytes([head("br"), compressed].concat()).await.error.unwrap();
    assert!(matches!(error, ClientError::ContentEncoding { .. }), "{error:?}");
}

#[tokio::test]
async fn an_event_stream_of_other_things_broke_off() {
    let error = outcome_of_stream("Hello\n\nWorld\n\n").await.error.unwrap();
    assert!(matches!(error, ClientError::BrokeOff { .. }), "{error:?}");
}
