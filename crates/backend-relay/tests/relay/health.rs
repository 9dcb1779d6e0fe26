//! What becomes of requests when upstreams fail.

use std::time::Duration;

use http::Method;
use interference_backend::{Backend, MeasuredValue, Refusal, UpstreamFailure};
use interference_backend_relay::{RelayBackend, RelayOptions, Upstream, UpstreamTimeouts};
use interference_wire::{Step, chunk};

use crate::server::{EVENTS, Server, json, silence, write};
use crate::{PATIENCE, answer, post, refused, relay, request, upstream};

const ASKED: &str = r#"{"model":"x"}"#;

fn for_x(name: &str, server: &Server) -> Upstream {
    Upstream { models: vec!["x".to_owned()], ..upstream(name, server) }
}

fn measured(relay: &RelayBackend, name: &str) -> u64 {
    match relay.measurements().into_iter().find(|one| one.name == name).unwrap().value {
        MeasuredValue::Counter(value) | MeasuredValue::Gauge(value) => value,
        MeasuredValue::Histogram(_) => panic!(),
    }
}

#[tokio::test]
async fn an_error_that_passes_is_tried_at_another() {
    for status in
        ["429 Too Many Requests", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"]
    {
        let mut a = Server::saying(&json(status, "{}")).await;
        let mut b = Server::saying(&json("200 OK", "[]")).await;
        let relay = relay([for_x("a", &a), for_x("b", &b)]);
        let told = answer(&relay, request(Method::PUT, "/files/f", ASKED)).await.unwrap();
        assert_eq!((told.status, told.from(), told.text().as_str()), (200, "b", "[]"), "{status}");
        assert_eq!((a.seen_so_far().len(), b.seen_so_far().len()), (1, 1));
        assert_eq!(measured(&relay, "upstream_retries"), 1);
    }
}

#[tokio::test]
async fn a_post_that_a_gateway_may_have_passed_on_is_sent_once() {
    for (status, sent_again) in [
        ("429 Too Many Requests", 1),
        ("502 Bad Gateway", 0),
        ("503 Service Unavailable", 1),
        ("504 Gateway Timeout", 0),
    ] {
        let a = Server::saying(&json(status, "{}")).await;
        let mut b = Server::saying(&json("200 OK", "[]")).await;
        let a = Upstream { retries: 0, fallbacks: vec!["b".to_owned()], ..for_x("a", &a) };
        let told = answer(&relay([a, upstream("b", &b)]), post(ASKED)).await.unwrap();
        assert_eq!((told.status == 200, b.seen_so_far().len()), (sent_again == 1, sent_again), "{status}");
    }
}

#[tokio::test]
async fn answers_that_break_off_leave_an_upstream_alone() {
    let broken = vec![write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst"), Step::Close];
    let a = Server::start([broken]).await;
    let relay = relay([for_x("a", &a)]);
    for _ in 0..5 {
        assert!(answer(&relay, post(ASKED)).await.unwrap().broke_off.is_some());
    }
    assert_eq!(refused(&relay, post(ASKED)).await.0, "no_upstream_left");
    assert_eq!(measured(&relay, "upstream_failures"), 5);
}

#[tokio::test]
async fn an_error_whose_body_breaks_off_is_one_failure() {
    let said = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10\r\n\r\nfirst";
    let a = Server::start([vec![write(said), Step::Close]]).await;
    let relay = relay([Upstream { retries: 0, ..for_x("a", &a) }]);
    assert!(answer(&relay, post(ASKED)).await.unwrap().broke_off.is_some());
    assert_eq!(measured(&relay, "upstream_failures"), 1);
}

#[tokio::test]
async fn a_discarded_answer_takes_no_place_from_its_own_retry() {
    let unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10\r\n\r\n";
    let a = Server::start([vec![write(unavailable), silence()], vec![write(json("200 OK", "[]"))]]).await;
    let options =
        RelayOptions { in_flight_max: 1, backoff: Duration::from_millis(1), ..RelayOptions::default() };
    let relay = RelayBackend::new(vec![for_x("a", &a)], options).unwrap();
    assert_eq!(answer(&relay, post(ASKED)).await.unwrap().status, 200);
}

#[tokio::test]
async fn one_clients_quota_is_not_that_of_others() {
    let said = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}";
    let mut a = Server::start([vec![write(said)], vec![write(json("200 OK", "[]"))]]).await;
    let options = RelayOptions { pass_client_keys: true, ..RelayOptions::default() };
    let relay = RelayBackend::new(vec![for_x("a", &a)], options).unwrap();
    assert_eq!(answer(&relay, post(ASKED)).await.unwrap().status, 429);
    assert_eq!(a.seen_so_far().len(), 1, "the same client is not tried again");
    assert_eq!(answer(&relay, post(ASKED)).await.unwrap().status, 200);
}

#[tokio::test]
async fn the_last_error_arrives_as_it_was() {
    let mut a = Server::saying(&json("503 Service Unavailable", "{\"error\": \"a\"}\n")).await;
    let told = answer(&relay([for_x("a", &a)]), post(ASKED)).await.unwrap();
    assert_eq!((told.status, told.text().as_str()), (503, "{\"error\": \"a\"}\n"));
    assert_eq!(a.seen_so_far().len(), 3);
    // A 429 is not sent to the same upstream again before the time that it asked for.
    let said = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}";
    let mut full = Server::saying(said).await;
    // Nor is anything waited for then: the wait would be some seconds.
    let options = RelayOptions { backoff: PATIENCE, ..RelayOptions::default() };
    let relay = RelayBackend::new(vec![for_x("full", &full)], options).unwrap();
    let told =
        tokio::time::timeout(Duration::from_secs(1), answer(&relay, post(ASKED))).await.unwrap().unwrap();
    assert_eq!((told.status, told.header("retry-after")), (429, "7"));
    assert_eq!(full.seen_so_far().len(), 1);
    let refusal = answer(&relay, post(ASKED)).await.unwrap_err();
    let Refusal::Upstream { code, failure, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!(code, "no_upstream_left");
    assert_eq!(failure, UpstreamFailure::NobodyLeft { retry_after_seconds: 7 });
    assert_eq!((full.seen_so_far().len(), measured(&relay, "upstream_breakers_open")), (0, 0));
}

#[tokio::test]
async fn errors_of_the_request_are_not_tried_again() {
    for status in ["400 Bad Request", "401 Unauthorized", "404 Not Found", "500 Internal Server Error"] {
        let mut a = Server::saying(&json(status, "{}")).await;
        let b = Server::saying(&json("200 OK", "{}")).await;
        let told = answer(&relay([for_x("a", &a), for_x("b", &b)]), post(ASKED)).await.unwrap();
        assert_eq!((told.from(), a.seen_so_far().len()), ("a", 1), "{status}");
    }
}

#[tokio::test]
async fn fall_backs_are_asked_in_order_when_the_group_has_failed() {
    let gone = Server::start([Vec::new()]).await;
    let mut first = Server::saying(&json("503 Service Unavailable", "{}")).await;
    let second = Server::saying(&json("200 OK", "{}")).await;
    let main = Upstream {
        fallbacks: vec!["first".to_owned(), "second".to_owned()],
        retries: 1,
        ..for_x("main", &gone)
    };
    drop(gone);
    let relay = relay([main, upstream("second", &second), upstream("first", &first)]);
    let told = answer(&relay, post(ASKED)).await.unwrap();
    assert_eq!((told.status, told.from()), (200, "second"));
    assert_eq!(first.seen_so_far().len(), 1);
    assert_eq!(measured(&relay, "upstream_failures"), 3);
    assert_eq!(measured(&relay, "upstream_retries"), 3);
}

#[tokio::test]
async fn a_post_that_may_have_been_carried_out_has_no_fall_back() {
    let main = Server::start([vec![Step::Reset]]).await;
    let mut second = Server::saying(&json("200 OK", "{}")).await;
    let main = Upstream { fallbacks: vec!["second".to_owned()], ..for_x("main", &main) };
    let (code, message) = refused(&relay([main, upstream("second", &second)]), post(ASKED)).await;
    assert_eq!(code, "upstream_broke_off");
    assert!(message.ends_with(" s.") && message.contains("It was tried once, for"), "{message}");
    assert_eq!(second.seen_so_far().len(), 0);
}

#[tokio::test]
async fn after_five_failures_nobody_is_sent_there() {
    let mut a = Server::start([vec![Step::Reset]]).await;
    let relay = relay([for_x("a", &a)]);
    for _ in 0..5 {
        assert_eq!(refused(&relay, post(ASKED)).await.0, "upstream_broke_off");
    }
    let (code, message) = refused(&relay, post(ASKED)).await;
    assert_eq!(code, "no_upstream_left");
    assert_eq!(
        message,
        "No upstream can be asked now: `a` failed too often, or took no more requests. Try again in 1 s."
    );
    assert_eq!(a.seen_so_far().len(), 5);
    assert_eq!(measured(&relay, "upstream_breakers_open"), 1);
}

#[tokio::test]
async fn an_upstream_has_so_many_requests_and_no_more() {
    let a = Server::start([vec![write(EVENTS), write(chunk(b"1")), silence()]]).await;
    let options = RelayOptions { in_flight_max: 1, ..RelayOptions::default() };
    let relay = RelayBackend::new(vec![for_x("a", &a)], options).unwrap();
    let held = relay.answer(post(ASKED)).await.unwrap();
    assert_eq!(refused(&relay, post(ASKED)).await.0, "no_upstream_left");
    drop(held);
    assert!(relay.answer(post(ASKED)).await.is_ok());
}

#[tokio::test]
async fn a_relay_is_made_of_sound_upstreams_only() {
    let a = Server::start([Vec::new()]).await;
    let made = |upstreams: Vec<Upstream>| {
        RelayBackend::new(upstreams, RelayOptions::default()).map(|_| ()).map_err(|error| error.to_string())
    };
    let fallbacks = vec!["b".to_owned()];
    for (upstreams, problem) in [
        (Vec::new(), "There are 0 upstreams"),
        (vec![upstream("a b", &a)], "`a b` cannot be the name"),
        (vec![upstream("a", &a), upstream("a", &a)], "Two upstreams are named `a`"),
        (vec![Upstream { fallbacks, ..upstream("a", &a) }], "the fall-back `b` is no other upstream"),
        (vec![Upstream { weight: 0, ..upstream("a", &a) }], "its weight must be from 1 to 1000, not 0"),
        (vec![Upstream { retries: 11, ..upstream("a", &a) }], "at most 10 retries"),
        (vec![Upstream { key: Some("a\nb".into()), ..upstream("a", &a) }], "upstream `a`: The API key"),
        (
            vec![Upstream { fallbacks: vec!["b".to_owned(); 33], ..upstream("a", &a) }],
            "at most 32 fall-backs, not 33",
        ),
        (
            vec![Upstream { pass_client_keys: true, ..upstream("a", &a) }],
            "this server, which asks for keys itself",
        ),
        (
            vec![Upstream { pass_client_keys: true, key: Some("own".into()), ..upstream("a", &a) }],
            "with a key of its own",
        ),
        (
            vec![Upstream {
                timeouts: UpstreamTimeouts { first_byte: Duration::MAX, ..UpstreamTimeouts::default() },
                ..upstream("a", &a)
            }],
            "longer than nothing, and at most 3600s",
        ),
        (vec![Upstream::new("a", "localhost:1")], "must begin with `http://`"),
    ] {
        let error = made(upstreams).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
}
