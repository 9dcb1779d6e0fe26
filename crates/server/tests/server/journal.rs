//! The journal, as a test of an application reads it.

use interference_server::{ServeOptions, ServeOutcome};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::exchange::{Answer, Connection, Running, outcome, post};

fn read(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn what_was_sent_and_what_was_answered() {
    let server = Running::start(ServeOptions::default()).await;
    server.post("stream").await;
    server.post("overloaded").await;
    server.get("/nowhere?a=1").await;
    server.get("/health").await;
    let journal = read(&server.get("/_interference/requests?min=3&ended=true").await);
    assert_eq!(journal["received"], 3);
    let [stream, refused, nowhere] = journal["requests"].as_array().unwrap().as_slice() else {
        panic!("{journal}")
    };
    assert_eq!(stream["path"], "/v1/chat/completions");
    assert_eq!(stream["body"], "stream");
    assert_eq!(stream["answer"]["body"], "data: {\"a\":1}\n\ndata: {\"b\":2}\n\ndata: [DONE]\n\n");
    assert_eq!(stream["answer"]["writes"], 3);
    assert_eq!(stream["ended"], "complete");
    assert_eq!(stream["faults"], json!([]));
    let (head, end) = (stream["answer"]["head_ms"].as_f64().unwrap(), stream["ended_ms"].as_f64().unwrap());
    assert!(0.0 < head && head <= end, "{head} {end}");
    assert_eq!(refused["answer"]["status"], 429);
    assert_eq!(refused["answer"]["headers"]["retry-after"], "3");
    assert_eq!(refused["answer"]["body"]["error"]["code"], "rate_limit_exceeded");
    assert_eq!(
        (&nowhere["method"], &nowhere["query"], &nowhere["body"]),
        (&json!("GET"), &json!("a=1"), &json!(null))
    );
}

#[tokio::test]
async fn a_client_that_went_is_told_from_one_that_stayed() {
    let mut server = Running::start(ServeOptions::default()).await;
    for body in ["never", "stuck stream"] {
        let mut connection = Connection::open(server.address).await;
        connection.write(&post(body)).await;
        server.told().await;
        drop(connection);
        server.told().await;
    }
    let journal = read(&server.get("/_interference/requests?min=2&ended=true").await);
    assert_eq!(journal["requests"][0]["ended"], "client_gone");
    assert_eq!(journal["requests"][0]["answer"], json!(null));
    assert_eq!(journal["requests"][1]["ended"], "client_gone");
    assert_eq!(journal["requests"][1]["answer"]["status"], 200);
}

#[tokio::test]
async fn a_reader_waits_for_what_is_to_come() {
    let server = Running::start(ServeOptions::default()).await;
    let mut reader = Connection::open(server.address).await;
    reader.write("GET /_interference/requests?min=2&timeout=20s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    server.post("whole").await;
    server.post("whole").await;
    let journal = read(&reader.rest().await);
    assert_eq!((&journal["received"], &journal["timed_out"]), (&json!(2), &json!(false)));
    let late = read(&server.get("/_interference/requests?min=3&timeout=0s").await);
    assert_eq!(late["timed_out"], true);
}

#[tokio::test]
async fn an_answer_without_a_body_is_complete() {
    let server = Running::start(ServeOptions::default()).await;
    for path in ["/v1/models", "/v1/chat/completions", "/nowhere"] {
        let head = format!("HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        server.exchange(&head).await;
    }
    let journal = read(&server.get("/_interference/requests?min=3&ended=true").await);
    for request in journal["requests"].as_array().unwrap() {
        assert_eq!(request["ended"], "complete", "{request}");
    }
}

#[tokio::test]
async fn a_reader_does_not_hold_up_the_end() {
    let server = Running::start(ServeOptions::default()).await;
    let mut reader = Connection::open(server.address).await;
    let ask = "GET /_interference/requests?min=1&timeout=60s HTTP/1.1\r\nhost: localhost\r\n\r\n";
    reader.write(ask).await;
    // An answer on another connection: the reader's request has been read by then, or is read at once.
    server.get("/health").await;
    let stopped = server.stop();
    assert_eq!(outcome(stopped).await, ServeOutcome::Drained);
}

#[tokio::test]
async fn it_can_be_cleared_and_needs_the_key() {
    let options = ServeOptions { api_keys: vec![SecretString::from("sk-test")], ..ServeOptions::default() };
    let server = Running::start(options).await;
    let with_key = |request: String| request.replace("host:", "authorization: Bearer sk-test\r\nhost:");
    let ask = |method: &str| {
        with_key(format!(
            "{method} /_interference/requests HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        ))
    };
    assert_eq!(server.get("/_interference/requests").await.status, 401);
    server.exchange(&with_key(post("whole"))).await;
    let journal = server.exchange(&ask("GET")).await;
    assert!(!journal.body.contains("sk-test"), "{}", journal.body);
    // The request without a key for the journal itself is not in it.
    assert_eq!(read(&journal)["requests"][0]["headers"]["authorization"], "[redacted]");
    assert_eq!(read(&journal)["received"], 1);
    assert_eq!(server.exchange(&ask("DELETE")).await.body, "{\"cleared\":true}");
    assert_eq!(read(&server.exchange(&ask("GET")).await)["requests"], json!([]));
}

#[tokio::test]
async fn a_query_that_is_wrong_is_refused() {
    let server = Running::start(ServeOptions::default()).await;
    let answer = server.get("/_interference/requests?min=many").await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("'min' is 'many'; it must be a whole number up to 1000."),
        "{}",
        answer.body
    );
}
