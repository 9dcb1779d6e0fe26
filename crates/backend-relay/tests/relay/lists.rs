//! `GET /models`, of one upstream and of several.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::join_all;
use http::Method;
use interference_backend::{Backend, MeasuredValue, Refusal, Strictness, UpstreamFailure};
use interference_backend_relay::{RelayBackend, RelayOptions, Upstream};

use crate::server::{Server, json, silence, write};
use crate::{PATIENCE, answer, get, post, relay, request, upstream};

const OF_A: &str = r#"{"object":"list","data":[ {"id":"x","created":1.0,"extra":{ "b":1e2 }}, {"id":"y"}]}"#;
const OF_B: &str = r#"{"data":[{"id":"y","created":2},{"id":"z","owned_by":"b"}],"has_more":false}"#;

#[tokio::test]
async fn of_one_upstream_the_list_is_its_own() {
    let mut a = Server::saying(&json("200 OK", OF_A)).await;
    let relay = relay([upstream("a", &a)]);
    let mut asked = get("/models");
    asked.headers.insert("accept-encoding", "gzip".parse().unwrap());
    let told = answer(&relay, asked).await.unwrap();
    assert_eq!((told.text().as_str(), told.from()), (OF_A, "a"));
    assert!(a.seen().await.raw.contains("accept-encoding: gzip\r\n"));
}

#[tokio::test]
async fn of_several_it_is_the_union() {
    let (mut a, b) =
        (Server::saying(&json("200 OK", OF_A)).await, Server::saying(&json("200 OK", OF_B)).await);
    let broken = Server::saying(&json("500 Internal Server Error", "{}")).await;
    let relay = relay([upstream("a", &a), upstream("broken", &broken), upstream("b", &b)]);
    let mut asked = get("/models");
    asked.headers.insert("accept-encoding", "gzip".parse().unwrap());
    let told = answer(&relay, asked).await.unwrap();
    let union = concat!(
        r#"{"object":"list","data":[{"id":"x","created":1.0,"extra":{ "b":1e2 }},{"id":"y"},"#,
        r#"{"id":"z","owned_by":"b"}]}"#
    );
    assert_eq!(told.text(), union);
    assert_eq!(told.header("x-interference-upstreams-failed"), "broken");
    assert_eq!(told.header("content-length"), union.len().to_string());
    assert!(a.seen().await.raw.contains("accept-encoding: identity\r\n"), "this list is read here");
    let known: Vec<_> =
        relay.models().into_iter().map(|card| (card.id, card.created, card.owned_by)).collect();
    let card = |id: &str, created, owned_by: &str| (id.to_owned(), created, owned_by.to_owned());
    assert_eq!(known, [card("x", 0, "upstream"), card("y", 0, "upstream"), card("z", 0, "b")]);
}

#[tokio::test]
async fn a_head_request_is_about_the_union_too() {
    let (a, b) = (Server::saying(&json("200 OK", OF_A)).await, Server::saying(&json("200 OK", OF_B)).await);
    let relay = relay([upstream("a", &a), upstream("b", &b)]);
    let length = answer(&relay, get("/models")).await.unwrap().text().len();
    let told = answer(&relay, request(Method::HEAD, "/models", "")).await.unwrap();
    assert_eq!((told.header("content-length"), told.from()), (length.to_string().as_str(), ""));
}

#[tokio::test]
async fn each_list_is_asked_for_once_whoever_wants_it() {
    let (mut a, mut b) =
        (Server::saying(&json("200 OK", OF_A)).await, Server::saying(&json("200 OK", OF_B)).await);
    let relay = relay([upstream("a", &a), upstream("b", &b)]);
    let asking = (0..20).map(|_| answer(&relay, get("/models")));
    assert!(join_all(asking).await.iter().all(|told| told.as_ref().unwrap().status == 200));
    assert_eq!((a.seen_so_far().len(), b.seen_so_far().len()), (1, 1));
}

/// Of relays that name each other, one would else wait for a list that the other waits for.
#[tokio::test]
async fn who_is_asked_for_a_list_sees_what_the_request_has_passed() {
    for mut asked in [get("/models"), post(r#"{"model":"z"}"#)] {
        let (mut a, b) =
            (Server::saying(&json("200 OK", OF_A)).await, Server::saying(&json("200 OK", OF_B)).await);
        let relay = relay([upstream("a", &a), upstream("b", &b)]);
        asked.headers.insert("via", "1.1 another".parse().unwrap());
        asked.headers.insert("x-of-the-client", "1".parse().unwrap());
        answer(&relay, asked).await.unwrap();
        let seen = a.seen().await;
        let vias: Vec<&str> = seen.raw.lines().filter_map(|line| line.strip_prefix("via: ")).collect();
        assert_eq!((seen.line(), vias.len(), vias[0]), ("GET /v1/models HTTP/1.1", 2, "1.1 another"));
        assert!(!seen.raw.contains("x-of-the-client"), "{}", seen.raw);
    }
}

/// Whoever comes another way may have the list; all other errors are remembered, whatever a request has passed.
#[tokio::test]
async fn a_loop_is_no_news_for_others() {
    for (code, times) in [("upstream_loop", 2), ("upstream_unreachable", 1)] {
        let error = format!(r#"{{"error":{{"message":"no","code":"{code}"}}}}"#);
        let (a, mut b) = (
            Server::saying(&json("200 OK", OF_A)).await,
            Server::saying(&json("502 Bad Gateway", &error)).await,
        );
        let relay = relay([upstream("a", &a), upstream("b", &b)]);
        for _ in 0..2 {
            let mut asked = get("/models");
            asked.headers.insert("via", "1.1 another".parse().unwrap());
            let told = answer(&relay, asked).await.unwrap();
            assert_eq!(told.header("x-interference-upstreams-failed"), "b");
        }
        assert_eq!(b.seen_so_far().len(), times, "{code}");
    }
}

#[tokio::test]
async fn a_query_is_not_passed_on_to_several() {
    let (mut a, b) =
        (Server::saying(&json("200 OK", OF_A)).await, Server::saying(&json("200 OK", OF_B)).await);
    let relay = relay([upstream("a", &a), upstream("b", &b)]);
    let mut asked = get("/models");
    asked.query = Some("limit=1".to_owned());
    assert_eq!(relay.answer(asked.clone()).await.unwrap().ignored, ["query"]);
    assert_eq!(a.seen().await.line(), "GET /v1/models HTTP/1.1");
    asked.strictness = Strictness::RefuseIgnored;
    let refusal = answer(&relay, asked).await.unwrap_err();
    assert!(matches!(refusal, Refusal::InvalidRequest { .. }), "{refusal:?}");
}

fn with_list_timeout(upstreams: Vec<Upstream>, list_timeout: Duration) -> RelayBackend {
    RelayBackend::new(upstreams, RelayOptions { list_timeout, ..RelayOptions::default() }).unwrap()
}

#[tokio::test]
async fn an_upstream_that_does_not_tell_delays_nobody_elses_model() {
    let a = Server::saying(&json("200 OK", OF_A)).await;
    let silent = Server::start([vec![silence()]]).await;
    // Far longer than the test waits for an answer.
    let relay = with_list_timeout(vec![upstream("silent", &silent), upstream("a", &a)], PATIENCE * 100);
    for model in ["x", "y"] {
        let told = answer(&relay, post(&format!(r#"{{"model":"{model}"}}"#))).await.unwrap();
        assert_eq!(told.from(), "a");
    }
}

#[tokio::test]
async fn a_list_that_does_not_come_in_time_is_a_failure() {
    let silent = Server::start([vec![silence()]]).await;
    // The beginning of a list is none.
    let slow = Server::start([vec![write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), silence()]]).await;
    let upstreams = vec![upstream("silent", &silent), upstream("slow", &slow)];
    let relay = with_list_timeout(upstreams, Duration::from_millis(100));
    assert!(answer(&relay, get("/models")).await.is_err());
    let failures = relay.measurements().into_iter().find(|one| one.name == "upstream_failures").unwrap();
    assert_eq!(failures.value, MeasuredValue::Counter(2));
}

#[tokio::test]
async fn a_list_is_read_that_was_compressed_all_the_same() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(OF_A.as_bytes()).unwrap();
    let compressed = encoder.finish().unwrap();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", compressed.len());
    let a = Server::start([vec![write(head), write(compressed)]]).await;
    let b = Server::saying(&json("200 OK", OF_B)).await;
    let told = answer(&relay([upstream("a", &a), upstream("b", &b)]), get("/models")).await.unwrap();
    assert_eq!(told.header("x-interference-upstreams-failed"), "");
    assert!(told.text().contains(r#"{"id":"x","created":1.0"#), "{}", told.text());
}

#[tokio::test]
async fn without_any_list_there_is_an_error() {
    let a = Server::saying(&json("401 Unauthorized", "{}")).await;
    let b = Server::saying(&json("200 OK", "<html>")).await;
    let refusal = answer(&relay([upstream("a", &a), upstream("b", &b)]), get("/models")).await.unwrap_err();
    let Refusal::Upstream { message, failure, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!(failure, UpstreamFailure::Broken);
    assert!(message.contains("asked were a, b"), "{message}");
}
