//! Connections to one upstream: opened, spoken over, and kept for a short while for the next request.
//!
//! Nothing runs in the background. Whoever waits for a head or a body drives the connection too, and dropping it closes
//! it at once; one that is kept is looked at when it is wanted again. It refuses to know which upstream is asked, and
//! what a failure means for the request.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use interference_client::Socket;

/// How long a connection is kept without a request. Servers close theirs after five seconds or more, and a request that
/// meets its connection's end cannot be sent again without knowing whether it was carried out.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(3);

/// How many connections of an upstream are kept without a request.
pub const MOST_IDLE: usize = 32;

/// How long the head of an answer may be, in bytes.
pub const LONGEST_HEAD: usize = 64 * 1024;

/// How many headers an answer may have.
pub const MOST_HEADERS: usize = 256;

type Running = http1::Connection<TokioIo<Box<dyn Socket>>, Full<Bytes>>;

/// One connection, for one request at a time.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// None once it has ended, however it did: the body, or the wait for the head, ends with the same error.
    running: Option<Pin<Box<Running>>>,
}

impl Connection {
    /// A connection over a fresh socket.
    pub(crate) async fn over(socket: Box<dyn Socket>) -> Result<Connection, hyper::Error> {
        let mut builder = http1::Builder::new();
        builder.max_headers(MOST_HEADERS).max_header_size(LONGEST_HEAD);
        let (sender, running) = builder.handshake(TokioIo::new(socket)).await?;
        Ok(Connection { sender, running: Some(Box::pin(running)) })
    }

    /// Moves it on, as far as it goes without waiting.
    pub(crate) fn drive(&mut self, context: &mut Context<'_>) {
        drive(&mut self.running, context);
    }

    /// Whether it takes another request, as far as is known without waiting.
    pub(crate) fn is_ready(&mut self, context: &mut Context<'_>) -> bool {
        self.drive(context);
        self.running.is_some() && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of its answer. The error gives the request back if no byte of it was
    /// written.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let mut head = pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|context| {
            drive(&mut self.running, context);
            head.as_mut().poll(context)
        })
        .await
    }
}

fn drive(running: &mut Option<Pin<Box<Running>>>, context: &mut Context<'_>) {
    if running.as_mut().is_some_and(|running| running.as_mut().poll(context).is_ready()) {
        *running = None;
    }
}

/// The connections of one upstream that have no request.
#[derive(Default)]
pub(crate) struct IdleConnections(Mutex<VecDeque<(Connection, Instant)>>);

impl IdleConnections {
    /// The one that was used last, if it still takes requests.
    pub(crate) async fn take(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.lock().pop_back()?;
            let ready = std::future::poll_fn(|context| Poll::Ready(connection.is_ready(context))).await;
            if ready && since.elapsed() < IDLE_CONNECTION {
                return Some(connection);
            }
        }
    }

    /// Keeps one, and closes those that were kept for long enough.
    pub(crate) fn put(&self, connection: Connection) {
        let mut idle = self.lock();
        while idle.front().is_some_and(|(_, since)| since.elapsed() >= IDLE_CONNECTION) {
            idle.pop_front();
        }
        if idle.len() < MOST_IDLE {
            idle.push_back((connection, Instant::now()));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Connection, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
