//! `GET /models`, of one upstream and of several.

use interference_backend::{Backend, Refusal, UpstreamFailure};

use crate::server::{Server, json};
use crate::{answer, get, relay, upstream};

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
async fn without_any_list_there_is_an_error() {
    let a = Server::saying(&json("401 Unauthorized", "{}")).await;
    let b = Server::saying(&json("200 OK", "<html>")).await;
    let refusal = answer(&relay([upstream("a", &a), upstream("b", &b)]), get("/models")).await.unwrap_err();
    let Refusal::Upstream { message, failure, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!(failure, UpstreamFailure::Broken);
    assert!(message.contains("asked were a, b"), "{message}");
}
