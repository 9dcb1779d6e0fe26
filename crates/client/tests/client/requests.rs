//! What the client sends.

use interference_client::{ChatRequest, Client, ClientError, ClientTimeouts, Target};

use crate::byte_server::{ByteServer, Step, event_stream, outcome_of, request, response, sound_stream};

#[tokio::test]
async fn a_streamed_request_is_sent_in_full() {
    let mut server = ByteServer::start(vec![Step::Send(event_stream(sound_stream()))]).await;
    let target = Target::parse(&server.base_url, Some("sk-secret".into())).unwrap();
    let client = Client::new(target, ClientTimeouts::default()).unwrap();
    outcome_of(&client, &request()).await.assert_whole("A tree 🌳");
    assert!(!format!("{client:?}").contains("secret"));

    let host = server.base_url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap().to_owned();
    let body = r#"{"model":"m","messages":[{"role":"user","content":"write a poem about a tree"}],"stream":true,"stream_options":{"include_usage":true}}"#;
    let expected = [
        "POST /v1/chat/completions HTTP/1.1",
        &format!("host: {host}"),
        "accept: text/event-stream",
        "accept-encoding: identity",
        &format!("user-agent: interference/{}", env!("CARGO_PKG_VERSION")),
        "connection: close",
        "authorization: Bearer sk-secret",
        "content-type: application/json",
        &format!("content-length: {}", body.len()),
        "",
        body,
    ];
    assert_eq!(server.requests(), [expected.join("\r\n")]);
}

#[tokio::test]
async fn a_plain_request_asks_for_json_and_sends_no_key_that_is_not_there() {
    let mut server = ByteServer::start(vec![Step::Send(response("200 OK", "application/json", "{}"))]).await;
    outcome_of(&server.client(), &ChatRequest { stream: false, ..request() }).await;
    let [sent] = server.requests().try_into().unwrap();
    assert!(sent.contains("\r\naccept: application/json\r\n") && !sent.contains("authorization"), "{sent}");
    assert!(!sent.contains("stream_options"));
}

#[tokio::test]
async fn an_answer_can_be_read_on_another_task() {
    let server = ByteServer::start(vec![Step::Send(event_stream(sound_stream()))]).await;
    let client = server.client();
    let reader = tokio::spawn(async move { outcome_of(&client, &request()).await });
    reader.await.unwrap().assert_whole("A tree 🌳");
}

#[tokio::test]
async fn models_are_listed_in_the_servers_order() {
    let list = r#"{"object":"list","data":[{"id":"b"},{"id":"a","extra":1},{"object":"model"}]}"#;
    let mut server = ByteServer::start(vec![Step::Send(response("200 OK", "application/json", list))]).await;
    assert_eq!(server.client().models().await.unwrap(), ["b", "a"]);
    assert!(server.requests()[0].starts_with("GET /v1/models HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_list_of_models_that_is_none_is_an_error() {
    for (status, body) in [("200 OK", "<html>"), ("200 OK", ""), ("200 OK", "{}")] {
        let server = ByteServer::start(vec![Step::Send(response(status, "text/html", body))]).await;
        let error = server.client().models().await.unwrap_err();
        assert!(matches!(error, ClientError::UnexpectedAnswer { .. }), "{error:?}");
    }
    for status in ["200 OK", "401 Unauthorized"] {
        let body = r#"{"error":{"message":"no key"}}"#;
        let server = ByteServer::start(vec![Step::Send(response(status, "application/json", body))]).await;
        let error = server.client().models().await.unwrap_err();
        assert!(matches!(error, ClientError::Api(_)), "{error:?}");
    }
}
