//! Many requests at the same time, to upstreams that are real servers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::join_all;
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use interference_backend::{Backend, MeasuredValue};
use interference_backend_relay::Upstream;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{PATIENCE, answer, post, relay};

/// A server that sends back what it got, in three chunks.
struct Echo {
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    _listening: JoinSet<()>,
}

impl Echo {
    async fn start() -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (accepted, asked) = (Arc::clone(&connections), Arc::clone(&requests));
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::Relaxed);
                let asked = Arc::clone(&asked);
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    asked.fetch_add(1, Ordering::Relaxed);
                    echo(request)
                });
                serving.spawn(async move {
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        Echo { url, connections, requests, _listening: listening }
    }

    fn counts(&self) -> (usize, usize) {
        (self.requests.load(Ordering::Relaxed), self.connections.load(Ordering::Relaxed))
    }
}

type EchoBody = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn echo(request: hyper::Request<Incoming>) -> Result<Response<EchoBody>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let frames = (0..3).map(|_| Ok(Frame::data(body.clone()))).collect::<Vec<_>>();
    let mut response = Response::new(StreamBody::new(stream::iter(frames)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

#[tokio::test]
async fn a_crowd_is_shared_and_every_one_gets_its_own() {
    let (a, b) = (Echo::start().await, Echo::start().await);
    let upstream =
        |name: &str, echo: &Echo| Upstream { models: vec!["*".to_owned()], ..Upstream::new(name, &echo.url) };
    let relay = relay([upstream("a", &a), upstream("b", &b)]);
    let asking = (0..60).map(|number| {
        let (relay, body) = (&relay, format!(r#"{{"model":"m","n":{number}}}"#));
        async move {
            let told = answer(relay, post(&body)).await.unwrap();
            assert_eq!((told.text(), told.broke_off), (body.repeat(3), None));
        }
    });
    tokio::time::timeout(PATIENCE, join_all(asking)).await.unwrap();
    assert_eq!((a.counts(), b.counts()), ((30, 30), (30, 30)));
    let idle = relay
        .measurements()
        .into_iter()
        .all(|one| matches!(one.value, MeasuredValue::Gauge(0) | MeasuredValue::Counter(0)));
    assert!(idle, "{:?}", relay.measurements());
    // One after another, they need no connections of their own.
    for _ in 0..10 {
        answer(&relay, post(r#"{"model":"m"}"#)).await.unwrap();
    }
    assert_eq!((a.counts(), b.counts()), ((35, 30), (35, 30)));
}
