//! Accepts connections, and owns them until they are closed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::select_all;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::closing::{Closing, Phase};
use crate::limits::Limits;

/// How long accepting rests after the system refused, which it does when it has no more file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All connections of a server, one task each.
pub(crate) struct Connections {
    router: Router,
    protocol: http1::Builder,
    places: Arc<Semaphore>,
    closing: Closing,
    tasks: JoinSet<()>,
}

impl Connections {
    /// None yet.
    pub(crate) fn new(router: Router, limits: Limits, closing: Closing) -> Connections {
        let mut protocol = http1::Builder::new();
        protocol.timer(TokioTimer::new()).header_read_timeout(limits.header_time);
        Connections {
            router,
            protocol,
            places: Arc::new(Semaphore::new(limits.connections)),
            closing,
            tasks: JoinSet::new(),
        }
    }

    /// Accepts for ever.
    ///
    /// # Cancellation
    /// Safe: connections that were accepted are kept.
    pub(crate) async fn accept_from(&mut self, listeners: &[TcpListener]) {
        loop {
            tokio::select! {
                Some(_ended) = self.tasks.join_next() => {}
                accepted = accept(listeners, Arc::clone(&self.places)) => match accepted {
                    Ok((stream, place)) => self.start(stream, place),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn start(&mut self, stream: TcpStream, place: OwnedSemaphorePermit) {
        // Tokens are small and each is wanted at once. A connection that refuses this is about to fail anyway.
        let _refused = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.protocol.serve_connection(TokioIo::new(stream), service);
        let mut closing = self.closing.clone();
        self.tasks.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = closing.reached(Phase::Draining) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            // Clients go away as they please.
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until all are closed, but not longer than this. Returns whether they are.
    pub(crate) async fn finish_within(&mut self, bound: Duration) -> bool {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        timeout(bound, all).await.is_ok()
    }

    /// Closes all at once.
    pub(crate) async fn abort(&mut self) {
        self.tasks.shutdown().await;
    }
}

/// The next connection of any listener, when there is a place for it.
async fn accept(
    listeners: &[TcpListener],
    places: Arc<Semaphore>,
) -> Result<(TcpStream, OwnedSemaphorePermit), io::Error> {
    let place = places.acquire_owned().await.map_err(io::Error::other)?;
    let next = select_all(listeners.iter().map(|listener| Box::pin(listener.accept())));
    let (accepted, _listener, _others) = next.await;
    accepted.map(|(stream, _peer)| (stream, place))
}
