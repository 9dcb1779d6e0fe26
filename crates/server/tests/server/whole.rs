//! Answers that are not streams, with and without the prefix.

use interference_backend::Readiness;
use interference_server::ServeOptions;

use crate::exchange::{Connection, Running, post};

const MODEL: &str = r#"{"id":"maker/small","object":"model","created":7,"owned_by":"maker","aliases":["gpt-*"],"context_length":2048}"#;

#[tokio::test]
async fn a_whole_answer_is_passed_on() {
    let server = Running::start(ServeOptions::default()).await;
    let expected =
        "200\nx-interference-seed: 7\ncontent-type: application/json\nconnection: close\n\n{\"whole\":true}";
    assert_eq!(server.post("whole").await.as_text(), expected);
    let without_prefix = post("whole").replace("/v1/", "/");
    assert_eq!(server.exchange(&without_prefix).await.as_text(), expected);
}

#[tokio::test]
async fn frames_are_passed_on_untouched() {
    let server = Running::start(ServeOptions::default()).await;
    let expected = "200\nx-interference-seed: 7\nconnection: close\n\none two";
    assert_eq!(server.post("frames").await.as_text(), expected);
}

#[tokio::test]
async fn models_are_listed() {
    let server = Running::start(ServeOptions::default()).await;
    for path in ["/v1/models", "/models"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.body), (200, format!(r#"{{"object":"list","data":[{MODEL}]}}"#)));
    }
}

#[tokio::test]
async fn a_model_is_found_by_its_name_and_its_aliases() {
    let server = Running::start(ServeOptions::default()).await;
    for id in ["maker/small", "maker%2Fsmall", "maker%2fsmall", "gpt-4o-mini"] {
        for prefix in ["/v1", ""] {
            let answer = server.get(&format!("{prefix}/models/{id}")).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, MODEL), "{prefix}/models/{id}");
        }
    }
}

#[tokio::test]
async fn health_tells_whether_the_server_can_answer() {
    let ready = Running::start(ServeOptions::default()).await;
    let loading = Running::start_with(Readiness::Loading, ServeOptions::default()).await;
    for path in ["/v1/health", "/health"] {
        let answer = ready.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"ok"}"#));
        let answer = loading.get(path).await;
        assert_eq!(
            answer.as_text(),
            "503\ncontent-type: application/json\nretry-after: 1\nconnection: close\n\n\
             {\"error\":{\"message\":\"The model is still loading.\",\"type\":\"server_error\",\"param\":null,\
             \"code\":\"service_unavailable\"}}"
        );
    }
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let server = Running::start(ServeOptions::default()).await;
    let mut connection = Connection::open(server.address).await;
    for _ in 0..3 {
        connection.write(&post("whole").replace("connection: close\r\n", "")).await;
        connection.read_until("{\"whole\":true}").await;
    }
}
