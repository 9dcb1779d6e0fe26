//! A server that plays for each request what a test has thought of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use interference_wire::{LAST_CHUNK, Limits, PlayEnd, Responder, Step, chunk};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What is played to a request, by the number of its connection and its own number on it, both from 0.
pub(crate) type Part = dyn Fn(u64, u64) -> Vec<Step> + Send + Sync;

pub(crate) const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
pub(crate) const THOUGHT: &str = r#"{"choices":[{"index":0,"delta":{"reasoning_content":"h"}}]}"#;
pub(crate) const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
pub(crate) const DONE: &str = "[DONE]";

/// The head of a stream in chunks.
pub(crate) const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

/// A server; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    connections: Arc<AtomicU64>,
    /// Goes with all its connections.
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start(part: impl Fn(u64, u64) -> Vec<Step> + Send + Sync + 'static) -> Server {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicU64::new(0));
        let (part, counted): (Arc<Part>, _) = (Arc::new(part), Arc::clone(&connections));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(Responder::new(stream), connection, Arc::clone(&part)));
            }
        });
        Server { url, connections, _runtime: runtime }
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut responder: Responder, connection: u64, part: Arc<Part>) {
    for number in 0.. {
        if responder.read_request(&Limits::default()).await.head.is_none() {
            return;
        }
        match responder.play(part(connection, number)).await.end {
            PlayEnd::Open(open) => responder = open,
            _ => return,
        }
    }
}

pub(crate) fn write(bytes: impl AsRef<[u8]>) -> Step {
    Step::Write(Bytes::copy_from_slice(bytes.as_ref()))
}

/// Events in one chunk, as one write.
pub(crate) fn events(events: &[&str]) -> Step {
    let text: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
    write(chunk(text.as_bytes()))
}

/// The end of a stream whose last events these are.
pub(crate) fn end() -> Step {
    write(LAST_CHUNK)
}

/// A sound stream, as fast as can be.
pub(crate) fn sound() -> Vec<Step> {
    vec![write(HEAD), events(&[TEXT]), events(&[TEXT, STOP, DONE]), end()]
}

pub(crate) fn usage(tokens: u64) -> String {
    format!(r#"{{"choices":[],"usage":{{"prompt_tokens":7,"completion_tokens":{tokens}}}}}"#)
}

/// Nothing for as long as the client stays.
pub(crate) fn silence() -> Step {
    Step::Hold(Duration::from_secs(60))
}
