//! Which upstream gets which request.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use interference_backend::Refusal;
use interference_backend_relay::{RelayBackend, Upstream};
use interference_wire::{LAST_CHUNK, chunk};

use crate::server::{EVENTS, Server, json, write};
use crate::{answer, get, post, relay, request, upstream};

/// A server that lists these models, and says its own name to everything else too.
async fn listing(models: &str) -> Server {
    let ids: Vec<String> = models.split_whitespace().map(|model| format!(r#"{{"id":"{model}"}}"#)).collect();
    Server::saying(&json("200 OK", &format!(r#"{{"object":"list","data":[{}]}}"#, ids.join(",")))).await
}

fn with_models(name: &str, server: &Server, models: &[&str]) -> Upstream {
    Upstream { models: models.iter().map(|model| (*model).to_owned()).collect(), ..upstream(name, server) }
}

async fn goes_to(relay: &RelayBackend, model: &str) -> String {
    let told = answer(relay, post(&format!(r#"{{"model":"{model}"}}"#))).await.unwrap();
    told.from().to_owned()
}

#[tokio::test]
async fn a_prefix_names_the_upstream_and_is_cut_out() {
    let (mut a, mut b) = (listing("x").await, listing("x").await);
    let relay = relay([upstream("a", &a), upstream("b", &b)]);
    let body = r#"{ "temperature": 1.50, "model":"b/org/x", "user":"b/" }"#;
    assert_eq!(answer(&relay, post(body)).await.unwrap().from(), "b");
    assert_eq!(b.seen().await.body(), r#"{ "temperature": 1.50, "model":"org/x", "user":"b/" }"#);
    for path in ["/models/b/org/x", "/models/b%2Forg/x", "/models/b%2forg/x"] {
        assert_eq!(answer(&relay, get(path)).await.unwrap().from(), "b");
        assert_eq!(b.seen().await.line(), "GET /v1/models/org/x HTTP/1.1");
    }
    assert_eq!(a.seen_so_far().len(), 0, "nobody else was asked for anything");
}

#[tokio::test]
async fn the_most_specific_pattern_wins() {
    let servers = [listing("").await, listing("").await, listing("").await, listing("z").await];
    let relay = relay([
        with_models("any", &servers[0], &["*"]),
        with_models("gpt", &servers[1], &["gpt-*", "o3"]),
        with_models("mini", &servers[2], &["gpt-4o-*", "gpt-*"]),
        upstream("open", &servers[3]),
    ]);
    for (model, name) in [("o3", "gpt"), ("o3-mini", "any"), ("gpt-4o-mini", "mini"), ("z", "any")] {
        assert_eq!(goes_to(&relay, model).await, name, "{model}");
    }
    // Equally specific ones take turns.
    let mut turns = [goes_to(&relay, "gpt-4").await, goes_to(&relay, "gpt-4").await];
    turns.sort();
    assert_eq!(turns, ["gpt", "mini"]);
}

#[tokio::test]
async fn without_a_pattern_the_lists_decide_and_then_who_takes_anything() {
    let (mut a, mut b) = (listing("x shared").await, listing("y shared").await);
    let c = listing("z").await;
    let relay = relay([upstream("a", &a), upstream("b", &b), with_models("c", &c, &["gpt-*"])]);
    assert_eq!(goes_to(&relay, "y").await, "b");
    assert_eq!(goes_to(&relay, "x").await, "a");
    assert_eq!(goes_to(&relay, "z").await, "c", "it lists what its patterns do not cover");
    let mut turns = [goes_to(&relay, "shared").await, goes_to(&relay, "shared").await];
    turns.sort();
    assert_eq!(turns, ["a", "b"]);
    // Nobody lists it: those without patterns take it, and nobody is asked again within five seconds.
    let mut turns = [goes_to(&relay, "unheard-of").await, goes_to(&relay, "unheard-of").await];
    turns.sort();
    assert_eq!(turns, ["a", "b"]);
    for server in [&mut a, &mut b] {
        let lists =
            server.seen_so_far().into_iter().filter(|seen| seen.line().starts_with("GET /v1/models "));
        assert_eq!(lists.count(), 1);
    }
}

#[tokio::test]
async fn a_model_that_nobody_takes_is_unknown() {
    let (a, b) = (listing("x").await, listing("y").await);
    let relay = relay([with_models("a", &a, &["gpt-*"]), with_models("b", &b, &["o3"])]);
    let refusal = answer(&relay, post(r#"{"model":"claude"}"#)).await.unwrap_err();
    let known = ["gpt-*", "x", "o3", "y"].map(str::to_owned).to_vec();
    assert_eq!(refusal, Refusal::UnknownModel { model: "claude".to_owned(), known });
}

#[tokio::test]
async fn requests_without_a_model_go_to_the_first() {
    let (a, b) = (listing("x").await, listing("y").await);
    let relay = relay([with_models("a", &a, &["nothing"]), upstream("b", &b)]);
    for asked in [get("/files"), post("{}"), request(Method::POST, "/files", "--b\r\n"), post("no JSON")] {
        assert_eq!(answer(&relay, asked).await.unwrap().from(), "a");
    }
}

#[tokio::test]
async fn what_was_created_somewhere_is_asked_for_there() {
    let a = Server::saying(&json("200 OK", r#"{"data":[]}"#)).await;
    let events = [
        write(EVENTS),
        write(chunk(b"event: response.created\ndata: {\"type\":\"response.created\",\"resp")),
        write(chunk(b"onse\":{\"id\":\"resp_1\"}}\n\n")),
        write(LAST_CHUNK),
    ];
    let file = vec![write(json("200 OK", r#"{"object":"file","id":"file-1"}"#))];
    let b = Server::start([events.to_vec(), file, vec![write(json("200 OK", r#"{"data":[]}"#))]]).await;
    let relay = relay([upstream("a", &a), upstream("b", &b)]);
    for (path, body) in [("/responses", r#"{"model":"b/x"}"#), ("/files", r#"{"model":"b/y"}"#)] {
        assert_eq!(answer(&relay, request(Method::POST, path, body)).await.unwrap().from(), "b");
    }
    for path in ["/responses/resp_1", "/responses/resp_1/input_items", "/files/file-1/content"] {
        assert_eq!(answer(&relay, get(path)).await.unwrap().from(), "b", "{path}");
    }
    let deleting = request(Method::DELETE, "/responses/resp_1", "");
    assert_eq!(answer(&relay, deleting).await.unwrap().from(), "b");
    assert_eq!(answer(&relay, get("/responses/resp_2")).await.unwrap().from(), "a");
}

#[tokio::test]
async fn a_response_is_gone_on_from_where_it_was_made() {
    let a = Server::saying(&json("200 OK", r#"{"data":[{"id":"x"}]}"#)).await;
    let b = Server::saying(&json("200 OK", r#"{"object":"response","id":"resp_b"}"#)).await;
    let relay = relay([upstream("a", &a), upstream("b", &b)]);
    let goes_on = async |path: &str, model: &str, id: &str| {
        let body = format!(r#"{{"model":"{model}","previous_response_id":{id}}}"#);
        answer(&relay, request(Method::POST, path, &body)).await.unwrap().from().to_owned()
    };
    assert_eq!(goes_on("/responses", "b/x", "null").await, "b");
    for _ in 0..2 {
        assert_eq!(goes_on("/responses", "x", r#""resp_b""#).await, "b");
    }
    assert_eq!(goes_on("/responses", "x", r#""resp_unknown""#).await, "a");
    assert_eq!(goes_on("/responses", "a/x", r#""resp_b""#).await, "a", "the client says who");
    assert_eq!(goes_on("/chat/completions", "x", r#""resp_b""#).await, "a");
}

/// The id is where the answer ends, behind a text longer than a frame, and the answer is compressed.
#[tokio::test]
async fn a_response_is_known_however_its_answer_comes() {
    let text = "tree ".repeat(20_000);
    let body = format!(r#"{{"object":"response","output":"{text}","id":"resp_b"}}"#);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    let compressed = encoder.finish().unwrap();
    let head = |coding: &str, length: usize| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{coding}content-length: {length}\r\n\r\n"
        )
    };
    for (coding, body) in [("", body.as_bytes()), ("content-encoding: gzip\r\n", &compressed)] {
        let a = Server::saying(&json("200 OK", "{}")).await;
        let created = vec![write(head(coding, body.len())), write(body)];
        let mut b = Server::start([created, vec![write(json("200 OK", "{}"))]]).await;
        let relay = relay([with_models("a", &a, &["x"]), with_models("b", &b, &["y"])]);
        let mut asked = request(Method::POST, "/responses", r#"{"model":"y"}"#);
        asked.headers.insert("accept-encoding", "br, gzip".parse().unwrap());
        let told = answer(&relay, asked).await.unwrap();
        assert_eq!(told.frames.concat(), body, "it arrives as it is");
        assert!(b.seen().await.raw.contains("accept-encoding: gzip\r\n"));
        let goes_on = r#"{"model":"x","previous_response_id":"resp_b"}"#;
        let goes_on = answer(&relay, request(Method::POST, "/responses", goes_on)).await.unwrap();
        assert_eq!(goes_on.from(), "b", "{coding}");
    }
}

/// Where ids choose nobody, and where none is created, codings are the client's affair.
#[tokio::test]
async fn codings_pass_where_no_id_is_looked_for() {
    let said = json("200 OK", "{}");
    let mut servers = [Server::saying(&said).await, Server::saying(&said).await];
    let alone = relay([upstream("a", &servers[0])]);
    let both = relay([with_models("a", &servers[0], &["x"]), with_models("b", &servers[1], &["y"])]);
    for (relay, method) in [(&alone, Method::POST), (&both, Method::GET)] {
        let mut asked = request(method, "/files", "{}");
        asked.headers.insert("accept-encoding", "br".parse().unwrap());
        answer(relay, asked).await.unwrap();
        assert!(servers[0].seen().await.raw.contains("accept-encoding: br\r\n"));
    }
}

#[tokio::test]
async fn an_id_takes_over_no_request_that_is_not_about_it() {
    let a = Server::saying(&json("200 OK", r#"{"data":[{"id":"x"}]}"#)).await;
    let b = Server::saying(&json("200 OK", r#"{"id":"completions","data":[]}"#)).await;
    let relay = relay([upstream("a", &a), upstream("b", &b)]);
    assert_eq!(goes_to(&relay, "b/y").await, "b");
    assert_eq!(goes_to(&relay, "x").await, "a");
    assert_eq!(answer(&relay, get("/chat/completions/completions")).await.unwrap().from(), "b");
}
