//! A backend that is asked everything: which requests reach it, and how.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::StatusCode;
use interference_backend::{Reply, ReplyBody, Request};
use interference_faults::Plan;
use interference_server::{AllowedOrigin, HeaderFaults, ServeOptions};
use secrecy::SecretString;

use crate::backend::Anything;
use crate::exchange::Running;
use crate::raw_client::journal;

type Asked = Arc<Mutex<Vec<Request>>>;

/// A server whose backend remembers what it was asked.
async fn start(options: ServeOptions) -> (Running, Asked) {
    let asked = Asked::default();
    let remembered = Arc::clone(&asked);
    let backend = Anything(move |request: Request| {
        remembered.lock().unwrap().push(request);
        Ok(Reply::new(StatusCode::OK, ReplyBody::Whole(Bytes::from_static(b"{}"))))
    });
    (Running::start_before(|_told| backend, options).await, asked)
}

fn requesting(method: &str, target: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn every_request_reaches_the_backend_as_it_is() {
    let (server, asked) = start(ServeOptions::default()).await;
    let table = [
        ("POST", "/v1/chat/completions", "content-type: text/plain\r\n", "no JSON", "/chat/completions"),
        ("POST", "/v1/chat/completions", "content-encoding: gzip\r\n", "\u{1f}packed", "/chat/completions"),
        ("GET", "/v1/chat/completions", "", "a body all the same", "/chat/completions"),
        (
            "POST",
            "/audio/transcriptions",
            "content-type: multipart/form-data; boundary=b\r\n",
            "--b#",
            "/audio/transcriptions",
        ),
        ("GET", "/v1/models", "", "", "/models"),
        ("DELETE", "/v1/models/maker/small", "", "", "/models/maker/small"),
        ("PUT", "/v1/files/a%2Fb?c=%20&d", "", "", "/files/a%2Fb"),
        ("OPTIONS", "/v1/responses/compact", "", "", "/responses/compact"),
        ("BREW", "/v1beta/anything", "", "", "/v1beta/anything"),
        ("GET", "/", "", "", "/"),
    ];
    for (method, target, headers, body, path) in table {
        let answer = server.exchange(&requesting(method, target, headers, body)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"), "{method} {target}");
        let request = asked.lock().unwrap().pop().unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), (method, path));
        assert_eq!(request.query.as_deref(), target.split_once('?').map(|(_, query)| query));
        assert_eq!(request.body, body, "{method} {target}");
        let (name, value) = headers.trim_end().split_once(": ").unwrap_or(("host", "localhost"));
        assert_eq!(request.headers[name], value, "{method} {target}");
    }
    let journal = journal(&server).await;
    assert_eq!(journal["received"], table.len());
    let metrics = server.get("/metrics").await.body;
    for (route, count) in [("/chat/completions", 3), ("/models", 1), ("/models/{model}", 1), ("unknown", 5)] {
        let line = format!("interference_requests_total{{route=\"{route}\",status=\"200\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[tokio::test]
async fn what_is_about_the_server_stays_the_servers() {
    let (server, asked) = start(ServeOptions::default()).await;
    for path in ["/health", "/metrics", "/openapi.json", "/_interference/requests"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
        assert_eq!(server.get(&format!("/v1{path}")).await.status, 200, "/v1{path}");
        let refused = server.exchange(&requesting("PUT", path, "", "")).await;
        assert_eq!(refused.status, 405, "{path}");
    }
    assert_eq!(server.exchange(&requesting("OPTIONS", "*", "", "")).await.status, 404);
    let tunnel = "CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(server.exchange(tunnel).await.status, 405);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_guards_stand_before_it() {
    let mut options = ServeOptions { api_keys: vec![SecretString::from("key")], ..ServeOptions::default() };
    options.limits.body_bytes = 3;
    let (server, asked) = start(options).await;
    let key = "authorization: Bearer key\r\n";
    let foreign = requesting("GET", "/v1/any", key, "").replace("localhost", "elsewhere.example");
    for (request, status) in [
        (requesting("GET", "/v1/any", "", ""), 401),
        (foreign, 403),
        (requesting("PUT", "/v1/any", key, "1234"), 413),
        (requesting("PUT", "/v1/any", &format!("{key}x-interference: seed=1\r\n"), ""), 400),
    ] {
        assert_eq!(server.exchange(&request).await.status, status, "{request}");
    }
    assert!(asked.lock().unwrap().is_empty());
    assert_eq!(server.exchange(&requesting("PUT", "/v1/any", key, "123")).await.status, 200);
}

#[tokio::test]
async fn faults_can_be_had_on_every_path() {
    let plan = Plan::parse("http.status = 418, seed = 1").unwrap();
    let options =
        ServeOptions { faults: Some(plan), header_faults: HeaderFaults::Allowed, ..ServeOptions::default() };
    let (server, asked) = start(options).await;
    assert_eq!(server.get("/v1/any").await.status, 418);
    assert!(asked.lock().unwrap().is_empty());
    let header = "x-interference: http.status = 503, seed = 1\r\n";
    assert_eq!(server.exchange(&requesting("PUT", "/v1/any", header, "")).await.status, 503);
    let body = "{\"model\":\"m#cut.after_bytes=1,cut.by='end',seed=1\"}";
    let answer = server.exchange(&requesting("POST", "/v1/any", "", body)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{"));
    assert_eq!(asked.lock().unwrap()[0].body, "{\"model\":\"m\"}");
}

#[tokio::test]
async fn a_page_asks_this_server_whether_it_may_send() {
    let asking = "origin: http://a.example\r\naccess-control-request-method: PUT\r\n";
    let options = ServeOptions { allowed_origins: vec![AllowedOrigin::Any], ..ServeOptions::default() };
    let (server, asked) = start(options).await;
    assert_eq!(server.exchange(&requesting("OPTIONS", "/v1/any", asking, "")).await.status, 204);
    assert!(asked.lock().unwrap().is_empty());
}
