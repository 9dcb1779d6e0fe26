//! The client goes: the upstream sees the end of its connection at once.

use std::time::{Duration, Instant};

use futures::StreamExt;
use interference_backend::{Backend, MeasuredValue, ReplyBody};
use interference_backend_relay::RelayBackend;
use interference_wire::{PlayEnd, chunk};

use crate::server::{EVENTS, Server, silence, write};
use crate::{post, relay, upstream};

/// The upstream knows by then.
const AT_ONCE: Duration = Duration::from_millis(50);

fn in_flight(relay: &RelayBackend) -> MeasuredValue {
    let measured = relay.measurements();
    measured.into_iter().find(|one| one.name == "upstream_requests_in_flight").unwrap().value
}

async fn gone_at(server: &mut Server) -> Instant {
    match server.ended().await {
        PlayEnd::PeerGone { at, .. } => at,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn while_the_head_is_waited_for() {
    let mut server = Server::start([vec![silence()]]).await;
    let relay = relay([upstream("a", &server)]);
    let mut waiting = relay.answer(post("{}"));
    tokio::select! {
        _ = &mut waiting => panic!("the upstream says nothing"),
        _ = server.seen() => assert_eq!(in_flight(&relay), MeasuredValue::Gauge(1)),
    }
    let left_at = Instant::now();
    drop(waiting);
    assert!(gone_at(&mut server).await - left_at < AT_ONCE);
    assert_eq!(in_flight(&relay), MeasuredValue::Gauge(0));
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    let mut server = Server::start([vec![write(EVENTS), write(chunk(b"data: 1\n\n")), silence()]]).await;
    let relay = relay([upstream("a", &server)]);
    let ReplyBody::Frames(mut frames) = relay.answer(post("{}")).await.unwrap().body else { panic!() };
    assert_eq!(frames.next().await.unwrap().unwrap(), "data: 1\n\n");
    assert_eq!(in_flight(&relay), MeasuredValue::Gauge(1));
    let left_at = Instant::now();
    drop(frames);
    assert!(gone_at(&mut server).await - left_at < AT_ONCE);
    assert_eq!(in_flight(&relay), MeasuredValue::Gauge(0));
}
