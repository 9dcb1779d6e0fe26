//! Pages in browsers: closed, opened to some, opened to all.

use interference_server::{AllowedOrigin, HeaderFaults, ServeOptions};
use secrecy::SecretString;

use crate::exchange::{Running, post};

fn opened_to(origins: &[&str]) -> ServeOptions {
    let allowed_origins: Vec<AllowedOrigin> = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    ServeOptions { allowed_origins, ..ServeOptions::default() }
}

fn from_page(origin: &str, request: &str) -> String {
    request.replace("host: localhost\r\n", &format!("host: localhost\r\norigin: {origin}\r\n"))
}

/// What a browser asks before it sends.
fn before(origin: &str) -> String {
    format!(
        "OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\n\
         access-control-request-method: POST\r\n\
         access-control-request-headers: authorization,content-type,x-stainless-lang\r\nconnection: close\r\n\r\n"
    )
}

#[tokio::test]
async fn a_browser_that_asks_before_it_sends_is_answered_without_a_key() {
    let api_keys = vec![SecretString::from("sk-test")];
    let server = Running::start(ServeOptions { api_keys, ..opened_to(&["https://app.example"]) }).await;
    assert_eq!(
        server.exchange(&before("https://app.example")).await.as_text(),
        "204\naccess-control-allow-methods: GET,HEAD,POST\n\
         access-control-allow-headers: authorization,content-type,x-stainless-lang\n\
         access-control-max-age: 600\nvary: origin, access-control-request-headers\n\
         access-control-allow-origin: https://app.example\n\
         access-control-expose-headers: x-request-id, retry-after, retry-after-ms, x-interference-applied, \
         x-interference-ignored, x-interference-rule, x-interference-seed, x-interference-upstream, \
         x-interference-upstream-request-id, x-interference-upstreams-failed\nconnection: close\n\n"
    );
    let nowhere = before("https://app.example").replace("/v1/chat/completions", "/v1/nowhere");
    assert_eq!(server.exchange(&nowhere).await.status, 204, "so that the page can read the 404");
    assert_eq!(server.exchange(&before("https://evil.example")).await.status, 403);
    // A page of this machine is no foreigner, and still has no leave to read.
    let local = server.exchange(&before("http://localhost:3000")).await;
    assert_eq!((local.status, local.header("access-control-allow-origin")), (401, None));
}

#[tokio::test]
async fn a_page_may_read_every_answer_also_errors_and_faults() {
    let options =
        ServeOptions { header_faults: HeaderFaults::Allowed, ..opened_to(&["https://app.example"]) };
    let server = Running::start(options).await;
    let faulted = post("stream").replace("host:", "x-interference: drop.events = [1], seed = 1\r\nhost:");
    for (request, status) in [(post("stream"), 200), (post("overloaded"), 429), (faulted, 200)] {
        let answer = server.exchange(&from_page("https://app.example", &request)).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"), "{answer:?}");
        assert_eq!(answer.header("vary"), Some("origin"), "{answer:?}");
    }
    let without = server.post("whole").await;
    assert_eq!((without.status, without.header("access-control-allow-origin")), (200, None));
    assert_eq!(without.header("vary"), Some("origin"));
}

#[tokio::test]
async fn opened_to_all_any_page_may_read() {
    let server = Running::start(opened_to(&["*"])).await;
    for origin in ["https://anything.example", "null"] {
        let answer = server.exchange(&from_page(origin, &post("whole"))).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    // The page may be any; the host is this machine all the same.
    let rebound =
        from_page("https://a.example", &post("whole")).replace("host: localhost", "host: a.example");
    assert_eq!(server.exchange(&rebound).await.status, 403);
}

#[tokio::test]
async fn closed_no_page_is_told_anything() {
    let server = Running::start(ServeOptions::default()).await;
    assert_eq!(server.exchange(&before("http://localhost:3000")).await.status, 405);
    let answer = server.exchange(&from_page("http://localhost:3000", &post("whole"))).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    assert_eq!(answer.header("vary"), None);
}
