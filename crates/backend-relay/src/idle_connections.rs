//! The connections of one upstream that have no request, kept for a short while for the next one.
//!
//! Owns how many are kept, for how long, and who may use one again. One is looked at when it is wanted, and closed by a
//! task of one timer if it is not. It refuses to know what is said over them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep_until};

use crate::connection::Connection;

/// How many connections of an upstream are kept without a request.
pub const MOST_IDLE: usize = 1_024;

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
        if kept.connections.len() >= MOST_IDLE || connection.idle_for().is_zero() {
            return;
        }
        let until = Instant::now() + connection.idle_for();
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
        let index = self.connections.iter().rposition(|(connection, _)| connection.home() == here)?;
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
    use std::time::Duration;

    use bytes::Bytes;
    use http::Request;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::connection::IDLE_CONNECTION;

    #[test]
    fn a_connection_is_used_again_where_its_socket_is() {
        let runtimes = [(); 2].map(|()| tokio::runtime::Builder::new_current_thread().build().unwrap());
        let idle = IdleConnections::default();
        let (socket, _upstream) = tokio::io::duplex(64);
        let home = runtimes[0].block_on(async {
            let connection = Connection::over(Box::new(socket));
            let home = connection.home();
            idle.put(connection);
            home
        });
        let mut takes = runtimes.iter().rev().map(|runtime| runtime.block_on(idle.take()));
        assert!(takes.next().unwrap().is_none(), "another runtime has one of its own opened");
        assert_eq!(takes.next().unwrap().unwrap().home(), home);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_left_before_its_upstream_closes_it() {
        let idle = IdleConnections::default();
        for (timeout, kept_for) in [(1, 0), (3, 2_000), (60, 3_000)] {
            let mut upstreams = Vec::new();
            let mut put = async || {
                let (socket, mut upstream) = tokio::io::duplex(256);
                let answer = format!("HTTP/1.1 204 No Content\r\nKeep-Alive: timeout={timeout}\r\n\r\n");
                upstream.write_all(answer.as_bytes()).await.unwrap();
                upstreams.push(upstream);
                let mut connection = Connection::over(Box::new(socket));
                connection.send(&Request::new(Bytes::new())).await.unwrap();
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
            idle.put(Connection::over(Box::new(socket)));
            sleep(Duration::from_secs(1)).await;
            idle.put(Connection::over(Box::new(late_socket)));
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
