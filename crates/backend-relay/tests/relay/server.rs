//! An upstream that plays literal bytes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use interference_wire::{Limits, PlayEnd, Responder, Step};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::PATIENCE;

/// One request as it came.
#[derive(Debug)]
pub(crate) struct Seen {
    /// On which connection, counted from 0.
    pub(crate) connection: usize,
    pub(crate) raw: String,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.raw.lines().next().unwrap_or_default()
    }

    pub(crate) fn body(&self) -> &str {
        self.raw.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// What the server noticed.
struct Notices {
    seen: UnboundedSender<Seen>,
    ended: UnboundedSender<PlayEnd>,
}

/// Answers the nth request with the nth play, and every later one with the last.
pub(crate) struct Server {
    port: u16,
    seen: UnboundedReceiver<Seen>,
    ended: UnboundedReceiver<PlayEnd>,
    _listening: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(plays: impl IntoIterator<Item = Vec<Step>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut plays: Vec<Vec<Step>> = plays.into_iter().collect();
        plays.reverse();
        let plays = Arc::new(Mutex::new(plays));
        let (seen_sender, seen) = unbounded_channel();
        let (ended_sender, ended) = unbounded_channel();
        let notices = Arc::new(Notices { seen: seen_sender, ended: ended_sender });
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut connections = JoinSet::new();
            for index in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(converse(stream, index, Arc::clone(&plays), Arc::clone(&notices)));
            }
        });
        Server { port, seen, ended, _listening: listening }
    }

    /// One that gives every request this answer, and keeps its connections.
    pub(crate) async fn saying(answer: &str) -> Server {
        Server::start([vec![write(answer)]]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The next request.
    pub(crate) async fn seen(&mut self) -> Seen {
        tokio::time::timeout(PATIENCE, self.seen.recv()).await.unwrap().unwrap()
    }

    /// All requests that came so far and were not asked for yet.
    pub(crate) fn seen_so_far(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// How the next play ended.
    pub(crate) async fn ended(&mut self) -> PlayEnd {
        tokio::time::timeout(PATIENCE, self.ended.recv()).await.unwrap().unwrap()
    }
}

async fn converse(
    stream: TcpStream,
    connection: usize,
    plays: Arc<Mutex<Vec<Vec<Step>>>>,
    notices: Arc<Notices>,
) {
    let mut responder = Responder::new(stream);
    loop {
        let request = responder.read_request(&Limits::default()).await;
        if request.head.is_none() {
            return;
        }
        let raw = String::from_utf8_lossy(&request.received.raw).into_owned();
        notices.seen.send(Seen { connection, raw }).ok();
        let steps = {
            let mut plays = plays.lock().unwrap();
            if plays.len() > 1 { plays.pop() } else { plays.last().cloned() }
        };
        match responder.play(steps.unwrap()).await.end {
            PlayEnd::Open(open) => responder = open,
            end => {
                notices.ended.send(end).ok();
                return;
            }
        }
    }
}

pub(crate) fn write(bytes: impl AsRef<[u8]>) -> Step {
    Step::Write(bytes.as_ref().to_vec().into())
}

/// Says nothing until the relay has gone.
pub(crate) fn silence() -> Step {
    Step::Wait(Duration::from_secs(60))
}

/// An answer with a JSON body.
pub(crate) fn json(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// The head of a stream of events, in chunks.
pub(crate) const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
