//! The examiner: serves the answers of cases on a loopback port, to the byte, and keeps what was asked and sent.
//!
//! Owns the listener, its connections, and the record of each case. A case is found by the first segment of the path,
//! `/framing.crlf/v1/chat/completions`. Whatever is no chat gets a list with the one model, or a 404. Refuses to know
//! who asks, and whether what it serves was understood.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use interference_wire::{Limits, PlayEnd, Played, ReadLimits, Request, Responder, Step, TimeLimits, Written};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::answer::whole;
use crate::case::{Case, Turn};
use crate::evidence::Attempt;

/// Connections at once; further ones wait until one that lies idle has made room.
const MOST_CONNECTIONS: usize = 64;
/// Requests of a case that are answered and kept; further ones find the connection closed.
pub(crate) const MOST_ATTEMPTS: usize = 32;
/// What is read of a request, in bytes.
pub(crate) const LONGEST_REQUEST: usize = 1 << 20;
/// How long a connection may lie without a request.
const LONGEST_IDLE: Duration = Duration::from_secs(300);
/// And how long a request may take that has begun.
const LONGEST_READING: Duration = Duration::from_secs(600);
/// How long a new one may take for its first, whoever else wants its place.
const FIRST_REQUEST: Duration = Duration::from_secs(5);

/// What the examiner has served of one case.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) case: &'static Case,
    timeout: Duration,
    served: Mutex<Served>,
    /// Told when an answer is over.
    answered: Notify,
}

#[derive(Debug, Default)]
struct Served {
    /// How often all of it was taken away: an answer that is over after that belongs to nothing any more.
    series: usize,
    /// Chats that were answered, or are being answered.
    chats: usize,
    /// Requests that came.
    requests: usize,
    /// Answers that are under way.
    running: usize,
    /// Every request that was admitted, the index being its number.
    attempts: Vec<Attempt>,
}

/// A place for the answer to a request.
#[derive(Debug)]
struct Ticket {
    /// The series that it belongs to.
    series: usize,
    /// Chats that came before in it.
    before: usize,
}

impl Record {
    pub(crate) fn new(case: &'static Case, timeout: Duration) -> Arc<Record> {
        Arc::new(Record { case, timeout, served: Mutex::default(), answered: Notify::new() })
    }

    /// What was served, in the order in which it was asked for; nothing of it is kept here. An answer that is still under
    /// way has no writes yet.
    pub(crate) fn take(&self) -> Vec<Attempt> {
        let mut served = self.served();
        let series = served.series + 1;
        std::mem::replace(&mut *served, Served { series, ..Served::default() }).attempts
    }

    /// Looks at what [`take`](Record::take) would give.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&[Attempt]) -> T) -> T {
        look(&self.served().attempts)
    }

    /// Waits, at most so long, until no answer is under way.
    pub(crate) async fn settled(&self, patience: Duration) {
        let settled = async {
            loop {
                let answered = self.answered.notified();
                if self.served().running == 0 {
                    return;
                }
                answered.await;
            }
        };
        // What is not over by then is judged as far as it came.
        let _ = tokio::time::timeout(patience, settled).await;
    }

    fn served(&self) -> std::sync::MutexGuard<'_, Served> {
        // What a panic has left is still a list.
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a place for the answer to a request; none when there were too many.
    fn admit(&self, asked: Asked) -> Option<Ticket> {
        let mut served = self.served();
        served.requests += 1;
        if served.requests > MOST_ATTEMPTS {
            return None;
        }
        let before = served.chats;
        served.chats += usize::from(asked == Asked::Chat);
        served.running += 1;
        Some(Ticket { series: served.series, before })
    }

    /// The steps of an answer. They are made beside the work of other connections, which would wait for two megabytes.
    async fn steps(&self, asked: Asked, ticket: &Ticket) -> Vec<Step> {
        match asked {
            Asked::Chat => {
                let turn = Turn { before: ticket.before, now: SystemTime::now(), timeout: self.timeout };
                let answer = self.case.answer;
                // It ends otherwise only by a panic, after which there is nothing to send.
                tokio::task::spawn_blocking(move || answer(turn)).await.unwrap_or_default()
            }
            Asked::Models => whole("200 OK", "application/json", "", MODELS),
            Asked::Other => whole("404 Not Found", "application/json", "", NOT_FOUND),
            Asked::Broken => Vec::new(),
        }
    }

    /// Keeps a request whose answer begins; gives its number.
    fn begin(&self, ticket: &Ticket, attempt: impl FnOnce(usize) -> Attempt) -> usize {
        let mut served = self.served();
        let number = served.attempts.len();
        if served.series == ticket.series {
            served.attempts.push(attempt(number));
        }
        number
    }

    /// An answer is over.
    fn end(&self, ticket: &Ticket, number: usize, writes: Vec<Written>, left_at: Option<Instant>) {
        let mut served = self.served();
        if served.series != ticket.series {
            return;
        }
        served.running -= 1;
        if let Some(attempt) = served.attempts.get_mut(number) {
            attempt.writes = writes;
            attempt.left_at = left_at;
        }
        self.answered.notify_waiters();
    }
}

const MODELS: &str = r#"{"object":"list","data":[{"id":"exam","object":"model","created":1700000000,"owned_by":"interference"}]}"#;

const NOT_FOUND: &str = r#"{"error":{"message":"only chat completions are examined","type":"invalid_request_error","param":null,"code":"not_found"}}"#;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A chat completion.
    Chat,
    /// The list of models.
    Models,
    /// Anything else.
    Other,
    /// Nobody knows: the request is not whole.
    Broken,
}

impl Asked {
    fn of(request: &Request) -> Asked {
        if !request.received.ending.is_complete() {
            return Asked::Broken;
        }
        let Some(head) = &request.head else { return Asked::Other };
        let path = head.target.split(|byte| *byte == b'?').next().unwrap_or_default();
        match head.method.as_slice() {
            b"POST" if path.ends_with(b"/chat/completions") => Asked::Chat,
            b"GET" if path.ends_with(b"/models") => Asked::Models,
            _ => Asked::Other,
        }
    }
}

/// Serves cases until it is dropped, or dismissed.
#[derive(Debug)]
pub(crate) struct Examiner {
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Examiner {
    /// Listens on a free port of the loopback, and serves these cases.
    ///
    /// # Errors
    /// No port is free.
    pub(crate) async fn open(records: Vec<Arc<Record>>) -> io::Result<Examiner> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let records: Arc<[Arc<Record>]> = records.into();
        let stop_of_all = async move { drop(stopped.changed().await) };
        let attend = move |stream, usher| attend(stream, usher, Arc::clone(&records));
        let accepting = tokio::spawn(accept(listener, stop_of_all, attend));
        Ok(Examiner { address, accepting, stop })
    }

    /// What an SDK takes for its base URL.
    pub(crate) fn base_url(&self, case: &Case) -> String {
        format!("http://{}/{}/v1", self.address, case.slug)
    }

    /// Accepts nobody any more, and waits, at most so long, until the answers that run are over, as they are soon when
    /// the client is.
    pub(crate) async fn dismiss(mut self, patience: Duration) {
        // It fails only when nobody listens, and then all is over.
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(patience, &mut self.accepting).await;
    }
}

impl Drop for Examiner {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Finds places for connections: where all are taken, the one that has lain idle for longest is to leave.
#[derive(Debug, Default)]
pub(crate) struct Usher {
    /// Whether somebody waits for a place.
    is_wanted: AtomicBool,
    asked: Notify,
}

impl Usher {
    /// Waits until a connection brings something, as a new one or after an answer; false where it is to be closed instead.
    pub(crate) async fn seats(&self, responder: &Responder, is_new: bool) -> bool {
        let in_peace = if is_new { FIRST_REQUEST } else { Duration::ZERO };
        if tokio::time::timeout(in_peace, responder.readable()).await.is_ok() {
            return true;
        }
        let leaves = async {
            loop {
                self.asked.notified().await;
                if self.is_wanted.swap(false, Ordering::Relaxed) {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            brought = tokio::time::timeout(LONGEST_IDLE, responder.readable()) => brought.is_ok(),
            () = leaves => false,
        }
    }

    fn ask_for_a_place(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
        self.asked.notify_one();
    }

    fn has_found_one(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }
}

/// Has every connection attended to until `stop`, and then waits until those that are open are over.
pub(crate) async fn accept<A: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    attend: impl Fn(TcpStream, Arc<Usher>) -> A,
) {
    let mut stop = std::pin::pin!(stop);
    let (mut connections, usher) = (JoinSet::new(), Arc::new(Usher::default()));
    let mut waiting = None;
    loop {
        tokio::select! {
            accepted = listener.accept(), if waiting.is_none() => match accepted {
                Ok((stream, _)) if connections.len() < MOST_CONNECTIONS => {
                    connections.spawn(attend(stream, Arc::clone(&usher)));
                }
                Ok((stream, _)) => {
                    waiting = Some(stream);
                    usher.ask_for_a_place();
                }
                // One that was gone before it was taken.
                Err(_) => {}
            },
            Some(_) = connections.join_next() => if let Some(stream) = waiting.take() {
                usher.has_found_one();
                connections.spawn(attend(stream, Arc::clone(&usher)));
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection, request after request.
async fn attend(stream: TcpStream, usher: Arc<Usher>, records: Arc<[Arc<Record>]>) {
    let mut responder = Responder::new(stream);
    let mut is_new = true;
    while usher.seats(&responder, is_new).await {
        is_new = false;
        let request = responder.read_request(&limits(LONGEST_REQUEST)).await;
        if request.received.raw.is_empty() {
            return;
        }
        let asked = Asked::of(&request);
        let named = records.iter().find(|record| names(&request, record.case.slug));
        let Some(record) = named.or_else(|| only(&records).filter(|_| asked == Asked::Broken)) else {
            if asked == Asked::Broken {
                return;
            }
            if responder.write(&lost()).await.is_err() {
                return;
            }
            continue;
        };
        let Some(open) = answer(responder, request, record, std::convert::identity).await else { return };
        responder = open;
    }
}

/// The record that a request belongs to whose path is not known, where there is no choice.
fn only(records: &[Arc<Record>]) -> Option<&Arc<Record>> {
    if let [only] = records { Some(only) } else { None }
}

/// Answers one request of a case, `dress` having changed the steps, and keeps what was sent; gives the connection back if
/// another request may come on it.
pub(crate) async fn answer(
    responder: Responder,
    request: Request,
    record: &Record,
    dress: impl FnOnce(Vec<Step>) -> Vec<Step>,
) -> Option<Responder> {
    let (asked, came_at) = (Asked::of(&request), Instant::now());
    let ticket = record.admit(asked)?;
    let steps = dress(record.steps(asked, &ticket).await);
    let (kept, writes, bytes) = (steps.clone(), Vec::new(), bytes_of(&request, &steps));
    let number = record.begin(&ticket, |number| Attempt {
        number,
        asked,
        request,
        came_at,
        steps: kept,
        bytes,
        writes,
        left_at: None,
    });
    let Played { writes, left_during_hold, end } = responder.play(steps).await;
    let left_at = left_during_hold.map(|(_, at)| at);
    let (left_at, open) = match end {
        PlayEnd::Open(responder) => (left_at, Some(responder)),
        PlayEnd::Closed | PlayEnd::Reset => (left_at, None),
        PlayEnd::PeerGone { at, .. } => (left_at.or(Some(at)), None),
    };
    record.end(&ticket, number, writes, left_at);
    open.filter(|_| asked != Asked::Broken)
}

/// What a request and its answer take in memory, the writes that are still to come with them. A step may write the same
/// bytes as the one before, which are there once.
fn bytes_of(request: &Request, steps: &[Step]) -> usize {
    let mut last = std::ptr::null();
    let written = steps.iter().map(|step| match step {
        Step::Write(bytes) if bytes.as_ptr() != last => {
            last = bytes.as_ptr();
            bytes.len()
        }
        _ => 0,
    });
    let written: usize = written.sum();
    let received = &request.received;
    received.raw.len()
        + received.body.len()
        + written
        + steps.len() * (size_of::<Step>() + size_of::<Written>())
}

/// Whether a request's path begins with this slug.
fn names(request: &Request, slug: &str) -> bool {
    let target = request.head.as_ref().map(|head| head.target.as_slice()).unwrap_or_default();
    origin_form(target)
        .strip_prefix(b"/")
        .and_then(|path| path.strip_prefix(slug.as_bytes()))
        .is_some_and(|rest| rest.starts_with(b"/"))
}

/// The path and the query of a target, which may be a whole URL (RFC 9112, section 3.2.2).
pub(crate) fn origin_form(target: &[u8]) -> &[u8] {
    let Some(rest) = target.strip_prefix(b"http://") else { return target };
    rest.iter().position(|byte| *byte == b'/').map_or(b"/", |path| &rest[path..])
}

/// The answer to a path that names no case.
fn lost() -> Vec<u8> {
    let steps = whole("404 Not Found", "application/json", "", NOT_FOUND);
    steps
        .into_iter()
        .filter_map(|step| if let Step::Write(bytes) = step { Some(bytes) } else { None })
        .flatten()
        .collect()
}

/// What is read of a request with a body of so many bytes at most, and for how long.
pub(crate) fn limits(body_bytes: usize) -> Limits {
    let read = ReadLimits { body_bytes, raw_bytes: 2 * body_bytes, ..ReadLimits::default() };
    let time = TimeLimits { total: LONGEST_READING, ..TimeLimits::default() };
    Limits { read, time }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_may_be_a_whole_url() {
        for (target, path) in [
            ("/stream.ordinary/v1/models?a=b", "/stream.ordinary/v1/models?a=b"),
            ("http://127.0.0.1:8080/stream.ordinary/v1", "/stream.ordinary/v1"),
            ("http://127.0.0.1:8080", "/"),
            ("*", "*"),
        ] {
            assert_eq!(origin_form(target.as_bytes()), path.as_bytes());
        }
    }
}
