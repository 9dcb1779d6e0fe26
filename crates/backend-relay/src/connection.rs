//! Connections to one upstream: opened, spoken over, and kept for a short while for the next request.
//!
//! Nothing drives a connection in the background. Whoever waits for a head or a body drives it too, and dropping it
//! closes it at once; one that is kept is looked at when it is wanted again, and closed by a task of one timer if it is
//! not. It refuses to know which upstream is asked, and what a failure means for the request.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use interference_client::Socket;
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep_until};

use crate::bell::Bell;
use crate::keep_alive;
use crate::rationed_socket::{Ration, RationedSocket};

/// How long a connection is kept without a request, unless its upstream says that it closes it sooner. Servers close
/// theirs after five seconds or more, and a request that meets its connection's end cannot be sent again without knowing
/// whether it was carried out.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(3);

/// How many connections of an upstream are kept without a request.
pub const MOST_IDLE: usize = 1_024;

/// How long the head of an answer may be, in bytes.
pub const LONGEST_HEAD: usize = 64 * 1024;

/// How many headers an answer may have.
pub const MOST_HEADERS: usize = 256;

type Running = http1::Connection<TokioIo<RationedSocket>, Full<Bytes>>;

/// One connection, for one request at a time.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driven: Driven,
    /// How long it may be kept without a request.
    idle_for: Duration,
    /// The runtime that watches its socket.
    home: Id,
}

/// What has to be polled for anything to come or go.
struct Driven {
    /// None once it has ended, however it did: the body, or the wait for the head, ends with the same error.
    running: Option<Pin<Box<Running>>>,
    ration: Ration,
    bell: Bell,
}

impl Connection {
    /// A connection over a fresh socket.
    pub(crate) async fn over(socket: Box<dyn Socket>) -> Result<Connection, hyper::Error> {
        let mut builder = http1::Builder::new();
        builder.max_headers(MOST_HEADERS).max_header_size(LONGEST_HEAD);
        let (socket, ration) = RationedSocket::new(socket);
        let (sender, running) = builder.handshake(TokioIo::new(socket)).await?;
        let driven = Driven { running: Some(Box::pin(running)), ration, bell: Bell::new() };
        Ok(Connection { sender, driven, idle_for: IDLE_CONNECTION, home: Handle::current().id() })
    }

    /// The upstream closes it when it has waited so long for a request. It is left before that.
    pub(crate) fn is_closed_after(&mut self, timeout: Duration) {
        self.idle_for = keep_alive::leave_after(timeout).min(IDLE_CONNECTION);
    }

    /// Moves it on as far as it goes without waiting, and looks for what that has brought.
    pub(crate) fn drive<T>(
        &mut self,
        context: &mut Context<'_>,
        look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.driven.drive(context, look)
    }

    /// Whether nothing has happened since it was driven last, without anything to be found: then driving it again would
    /// find nothing either. What happens next wakes this task.
    pub(crate) fn is_quiet(&self, context: &Context<'_>) -> bool {
        self.driven.bell.is_quiet(context)
    }

    /// Whether it takes another request, as far as is known without waiting.
    pub(crate) fn is_ready(&mut self, context: &mut Context<'_>) -> bool {
        let sender = &self.sender;
        let ready =
            self.driven.drive(context, |_| if sender.is_ready() { Poll::Ready(()) } else { Poll::Pending });
        ready.is_ready() && self.driven.running.is_some()
    }

    /// Sends a request and waits for the head of its answer. The error gives the request back if no byte of it was
    /// written.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let mut head = pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|context| self.driven.drive(context, |context| head.as_mut().poll(context)))
            .await
    }
}

impl Driven {
    fn drive<T>(
        &mut self,
        context: &mut Context<'_>,
        mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.ration.renew();
        let running = &mut self.running;
        self.bell.poll(context, |context| {
            if running.as_mut().is_some_and(|running| running.as_mut().poll(context).is_ready()) {
                *running = None;
            }
            look(context)
        })
    }
}

/// The connections of one upstream that have no request.
#[derive(Default)]
pub(crate) struct IdleConnections(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// In the order in which they came, each with the end of its time.
    connections: VecDeque<(Connection, Instant)>,
    sweep: Sweep,
}

/// Whether a task closes what has been kept for long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sweep {
    /// There is nothing to close.
    #[default]
    Idle,
    /// It does.
    Running,
}

impl IdleConnections {
    /// The one of this runtime that was used last, if it still takes requests.
    pub(crate) async fn take(&self) -> Option<Connection> {
        let here = Handle::current().id();
        loop {
            let (mut connection, until) = lock(&self.0).pop(here)?;
            let ready = std::future::poll_fn(|context| Poll::Ready(connection.is_ready(context))).await;
            if ready && Instant::now() < until {
                return Some(connection);
            }
        }
    }

    /// Keeps one for a while, if there is room and its upstream leaves it time.
    pub(crate) fn put(&self, connection: Connection) {
        let mut kept = lock(&self.0);
        if kept.connections.len() >= MOST_IDLE || connection.idle_for.is_zero() {
            return;
        }
        let until = Instant::now() + connection.idle_for;
        kept.connections.push_back((connection, until));
        if kept.sweep == Sweep::Idle {
            kept.sweep = Sweep::Running;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }
}

/// Closes connections when their time is over, until there are none.
async fn sweep(kept: Weak<Mutex<Kept>>) {
    while let Some(due) = kept.upgrade().and_then(|kept| lock(&kept).close_old()) {
        sleep_until(due).await;
    }
}

impl Kept {
    /// The last one whose socket this runtime watches. Over any other, every chunk would wake two threads, which soon
    /// costs more than another connection.
    fn pop(&mut self, here: Id) -> Option<(Connection, Instant)> {
        let index = self.connections.iter().rposition(|(connection, _)| connection.home == here)?;
        self.connections.remove(index)
    }

    /// Closes those whose time is over, and says when that of the next one is. One that comes meanwhile and has less time
    /// may be closed late, and is not used again for that.
    fn close_old(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.connections.retain(|(_, until)| now < *until);
        let due = self.connections.iter().map(|(_, until)| *until).min();
        if due.is_none() {
            self.sweep = Sweep::Idle;
        }
        due
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[test]
    fn a_connection_is_used_again_where_its_socket_is() {
        let runtimes = [(); 2].map(|()| tokio::runtime::Builder::new_current_thread().build().unwrap());
        let idle = IdleConnections::default();
        let (socket, _upstream) = tokio::io::duplex(64);
        let home = runtimes[0].block_on(async {
            let connection = Connection::over(Box::new(socket)).await.unwrap();
            let home = connection.home;
            idle.put(connection);
            home
        });
        let mut takes = runtimes.iter().rev().map(|runtime| runtime.block_on(idle.take()));
        assert!(takes.next().unwrap().is_none(), "another runtime has one of its own opened");
        assert_eq!(takes.next().unwrap().unwrap().home, home);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_left_before_its_upstream_closes_it() {
        let idle = IdleConnections::default();
        for (timeout, kept_for) in [(1, 0), (3, 2_000), (60, 3_000)] {
            let mut upstreams = Vec::new();
            let mut put = async || {
                let (socket, upstream) = tokio::io::duplex(64);
                upstreams.push(upstream);
                let mut connection = Connection::over(Box::new(socket)).await.unwrap();
                connection.is_closed_after(Duration::from_secs(timeout));
                idle.put(connection);
            };
            put().await;
            if kept_for > 0 {
                sleep(Duration::from_millis(kept_for - 1)).await;
                assert!(idle.take().await.is_some(), "timeout={timeout}");
                put().await;
                sleep(Duration::from_millis(kept_for)).await;
            }
            assert!(idle.take().await.is_none(), "timeout={timeout}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_wants_again_is_closed_in_time() {
        let idle = IdleConnections::default();
        // Twice, since the task ends with the last connection.
        for _ in 0..2 {
            let (socket, mut upstream) = tokio::io::duplex(64);
            let (late_socket, mut late_upstream) = tokio::io::duplex(64);
            idle.put(Connection::over(Box::new(socket)).await.unwrap());
            sleep(Duration::from_secs(1)).await;
            idle.put(Connection::over(Box::new(late_socket)).await.unwrap());
            let kept_at = Instant::now();
            let mut buffer = [0];
            let patience = IDLE_CONNECTION * 2;
            let just_before = IDLE_CONNECTION - Duration::from_millis(1_010);
            assert!(timeout(just_before, upstream.read(&mut buffer)).await.is_err());
            let end = timeout(patience, upstream.read(&mut buffer)).await;
            assert_eq!(end.unwrap().unwrap(), 0);
            assert!(kept_at.elapsed() < IDLE_CONNECTION - Duration::from_millis(900));
            let end = timeout(patience, late_upstream.read(&mut buffer)).await;
            assert_eq!(end.unwrap().unwrap(), 0);
            assert!(kept_at.elapsed() >= IDLE_CONNECTION);
        }
        assert!(lock(&idle.0).connections.is_empty());
    }
}
