//! The relay against real sockets.
//!
//! Upstreams play literal bytes at literal times, so that every boundary, every wrong end and every head that is none
//! is there exactly as on the wire; what the relay sends them is compared byte for byte.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the tests share may fail a test like the tests themselves"
)]

mod broken;
mod choosing;
mod crowd;
mod documentation;
mod encrypted;
mod health;
mod leaving;
mod lists;
mod passing;
mod server;

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Method};
use interference_backend::{Backend, Refusal, Reply, ReplyBody, Request, Strictness, WhenBroken};
use interference_backend_relay::{RelayBackend, RelayOptions, Upstream, UpstreamTimeouts};
use server::Server;

/// Far longer than anything takes, so that a test that waits in vain ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// An upstream that gives nobody up early.
fn upstream(name: &str, server: &Server) -> Upstream {
    let timeouts = UpstreamTimeouts { connect: PATIENCE, first_byte: PATIENCE, between_bytes: PATIENCE };
    Upstream { timeouts, ..Upstream::new(name, server.url()) }
}

fn relay(upstreams: impl IntoIterator<Item = Upstream>) -> RelayBackend {
    let options = RelayOptions { backoff: Duration::from_millis(1), ..RelayOptions::default() };
    RelayBackend::new(upstreams.into_iter().collect(), options).unwrap()
}

fn request(method: Method, path: &str, body: &str) -> Request {
    Request {
        method,
        path: path.to_owned(),
        query: None,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        strictness: Strictness::NameIgnored,
    }
}

fn post(body: &str) -> Request {
    request(Method::POST, "/chat/completions", body)
}

fn get(path: &str) -> Request {
    request(Method::GET, path, "")
}

/// A whole reply: its status, its headers, its frames, and how it broke off.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: HeaderMap,
    frames: Vec<Bytes>,
    broke_off: Option<ErrorKind>,
}

impl Told {
    fn text(&self) -> String {
        String::from_utf8(self.frames.concat()).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Which upstream it came from.
    fn from(&self) -> &str {
        self.header("x-interference-upstream")
    }
}

async fn told(reply: Reply) -> Told {
    assert_eq!(reply.when_broken, WhenBroken::Mend);
    let ReplyBody::Frames(mut frames) = reply.body else { panic!("a relay's replies are frames") };
    let mut told =
        Told { status: reply.status.as_u16(), headers: reply.headers, frames: Vec::new(), broke_off: None };
    while let Some(frame) = frames.next().await {
        assert_eq!(told.broke_off, None, "nothing follows an error");
        match frame {
            Ok(bytes) => told.frames.push(bytes),
            Err(error) => told.broke_off = Some(error.kind()),
        }
    }
    told
}

async fn answer(relay: &RelayBackend, request: Request) -> Result<Told, Refusal> {
    let answered = async {
        let reply = relay.answer(request).await?;
        Ok(told(reply).await)
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap()
}

/// The code and the message of a refusal.
async fn refused(relay: &RelayBackend, request: Request) -> (&'static str, String) {
    match answer(relay, request).await.unwrap_err() {
        Refusal::Upstream { message, code, .. } => (code, message),
        other => panic!("{other:?}"),
    }
}
