//! Errors that the server tells, as a status or inside the stream.

use interference_client::{ApiError, ClientError};

use crate::byte_server::{Outcome, outcome_of_bytes, outcome_of_stream, response, sound_stream, text};

#[track_caller]
fn api_error_after<'outcome>(outcome: &'outcome Outcome, text: &str) -> &'outcome ApiError {
    match outcome.error_after(text) {
        ClientError::Api(error) => error,
        error => panic!("not an error of the API: {error:?}"),
    }
}

#[tokio::test]
async fn errors_inside_a_stream_have_many_shapes() {
    for event in [
        r#"data: {"error":{"message":"overloaded","type":"server_error","code":503}}"#,
        r#"data: {"object":"error","message":"overloaded","type":"server_error","code":503}"#,
        "event: error\ndata: {\"message\":\"overloaded\",\"type\":\"server_error\",\"code\":503}",
        "event: error\ndata: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"code\":\"503\"}}",
    ] {
        for before in ["", "A "] {
            let opening = if before.is_empty() { String::new() } else { text(before) };
            let outcome = outcome_of_stream(format!("{opening}{event}\n\ndata: [DONE]\n\n")).await;
            let error = api_error_after(&outcome, before);
            assert_eq!(error.message, "overloaded", "{event}");
            assert_eq!(error.kind.as_deref(), Some("server_error"));
            assert_eq!(error.code.as_deref(), Some("503"));
        }
    }
    let outcome = outcome_of_stream(text("A ") + "event: error\ndata: out of memory\n\n").await;
    assert_eq!(api_error_after(&outcome, "A ").message, "out of memory");
    assert_eq!(outcome.error.unwrap().to_string(), "The server answered with an error: out of memory");
    let outcome = outcome_of_stream("event: error\ndata:\n\n").await;
    assert_eq!(outcome.error.unwrap().to_string(), "The server answered with an error, without a message");
}

#[tokio::test]
async fn damaged_events_are_errors() {
    for damaged in
        ["data: {\"choices\":[{\n\n", "data: {\"a\":data: {}}\n\n", "data: 42\n\n", "data: \"text\"\n\n"]
    {
        let outcome = outcome_of_stream(text("A ") + damaged + &sound_stream()).await;
        let error = outcome.error_after("A ");
        assert!(matches!(error, ClientError::MalformedEvent { .. }), "{error:?}");
    }
    let bad_utf8 = [text("A ").as_bytes(), b"data: {\"choices\":[\"\xC3\x28\"]}\n\n"].concat();
    assert!(matches!(outcome_of_stream(bad_utf8).await.error_after("A "), ClientError::Stream(_)));
}

#[tokio::test]
async fn an_envelope_is_read_at_every_status() {
    let body =
        r#"{"error":{"message":"no such model","type":"invalid_request_error","param":"model","code":null}}"#;
    let outcome = outcome_of_bytes(response("404 Not Found", "application/json", body)).await;
    let error = api_error_after(&outcome, "");
    assert_eq!((error.status.as_u16(), error.message.as_str()), (404, "no such model"));
    assert_eq!((error.param.as_deref(), error.code.as_deref()), (Some("model"), None));
    let error = outcome.error.unwrap();
    assert_eq!(error.to_string(), "The server answered with an error, status 404: no such model");
    assert!(error.hint().unwrap().contains("model's name"));

    let outcome = outcome_of_bytes(response("422 No", "application/json", r#"{"detail":"bad"}"#)).await;
    assert_eq!(api_error_after(&outcome, "").message, "bad");
}

#[tokio::test]
async fn retry_after_is_told_and_not_obeyed() {
    let head = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 20\r\ncontent-length: 20\r\n\r\n";
    let busy = head.to_owned() + r#"{"error":"too many"}"#;
    let error = outcome_of_bytes(busy.into_bytes()).await.error.unwrap();
    assert_eq!(error.hint().unwrap(), "The server says when to try again: `retry-after: 20`.");
}

#[tokio::test]
async fn other_bodies_of_an_error_are_quoted() {
    let page = "<html>\n<title>502 Bad Gateway</title>\n</html>";
    let error = outcome_of_bytes(response("502 Bad Gateway", "text/html", page)).await.error.unwrap();
    assert!(matches!(&error, ClientError::Status { status, .. } if status.as_u16() == 502));
    assert_eq!(
        error.to_string(),
        "The server answered with status 502 Bad Gateway and no error of the API, but \
         `<html> <title>502 Bad Gateway</title> </html>`."
    );
    let error = outcome_of_bytes(response("500 No", "text/plain", "")).await.error.unwrap();
    assert!(error.to_string().ends_with("but an empty body."), "{error}");
    // The body was cut, and the status is still the news.
    let cut = b"HTTP/1.1 503 No\r\ncontent-length: 100\r\n\r\nwait".to_vec();
    let error = outcome_of_bytes(cut).await.error.unwrap();
    assert!(error.to_string().contains("503") && error.to_string().contains("`wait`"), "{error}");
    // So it is where a proxy has compressed it in a way that nobody asked for.
    let compressed =
        b"HTTP/1.1 401 No\r\ncontent-encoding: br\r\ncontent-length: 4\r\n\r\n\x0b\x01\x80{".to_vec();
    let error = outcome_of_bytes(compressed).await.error.unwrap();
    assert_eq!(
        error.to_string(),
        "The server answered with status 401 Unauthorized and no error of the API, but a body that cannot be read: \
         `br` is not known, and no encoding was asked for."
    );
    assert!(error.hint().unwrap().contains("key"), "{error:?}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let moved =
        b"HTTP/1.1 308 Moved\r\nlocation: https://example.org/v1\r\ncontent-length: 0\r\n\r\n".to_vec();
    let error = outcome_of_bytes(moved).await.error.unwrap();
    assert!(error.hint().unwrap().contains("https://example.org/v1"));
}
