//! Accepts connections, and owns them until they are closed.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::future::select_all;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use interference_wire::Responder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::closing::{Closing, Phase};
use crate::dozing::Dozing;
use crate::faulted_answer::FaultedAnswer;
use crate::lanes::Lanes;
use crate::limits::{HEAD_BYTES, LAST_WORDS};
use crate::rounds::round;
use crate::routes::{self, Handles, Shared};
use crate::socket::{Socket, SocketWatch};
use crate::takeover::Takeover;

/// How long accepting rests after the system refused, which it does when it has no more file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All connections of a server, one task each, on its lane.
pub(crate) struct Connections {
    shared: Arc<Shared>,
    protocol: http1::Builder,
    places: Arc<Semaphore>,
    closing: Closing,
    lanes: Lanes,
    tasks: JoinSet<()>,
}

impl Connections {
    /// None yet.
    pub(crate) fn new(shared: Arc<Shared>, lanes: Lanes) -> Connections {
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            .header_read_timeout(shared.limits.header_time)
            .max_buf_size(HEAD_BYTES);
        Connections {
            places: Arc::new(Semaphore::new(shared.limits.connections)),
            closing: shared.closing.clone(),
            shared,
            protocol,
            lanes,
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
                    Ok((stream, place)) => {
                        if let Err(error) = self.start(stream, place) {
                            tracing::warn!(%error, "cannot serve a connection");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn start(&mut self, stream: TcpStream, place: OwnedSemaphorePermit) -> io::Result<()> {
        // Tokens are small and each is wanted at once. A connection that refuses this is about to fail anyway.
        let _refused = stream.set_nodelay(true);
        let connection = Connection {
            protocol: self.protocol.clone(),
            shared: Arc::clone(&self.shared),
            closing: self.closing.clone(),
        };
        let lane = self.lanes.emptiest();
        let held = (place, lane.place(), self.shared.meters.connection_opened());
        // It is watched where it is served.
        let stream = stream.into_std()?;
        let served = async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => connection.serve(stream).await,
                Err(error) => tracing::warn!(%error, "cannot serve a connection"),
            }
            drop(held);
        };
        self.tasks.spawn_on(served, &lane.runtime);
        Ok(())
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

/// One connection, from its first request to its end.
struct Connection {
    protocol: http1::Builder,
    shared: Arc<Shared>,
    closing: Closing,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream) {
        let mut next = Some(stream);
        while let Some(stream) = next {
            next = self.serve_until_taken_over(stream).await;
        }
    }

    /// Lets the HTTP library serve until the end, or until an answer leaves it. Gives the socket back if more requests
    /// may come after such an answer.
    async fn serve_until_taken_over(&mut self, stream: TcpStream) -> Option<TcpStream> {
        let takeover = Takeover::default();
        let shared = Arc::clone(&self.shared);
        let socket = Socket::new(stream, shared.limits.write_time, shared.meters.clone());
        let socket_watch = socket.watch();
        let handles = Handles { takeover: takeover.clone(), socket: socket.watch() };
        let service = service_fn(move |request: Request<Incoming>| {
            let (head, body) = request.into_parts();
            let answer = routes::answer(Arc::clone(&shared), handles.clone(), Box::new(head), body);
            // Boxed here: the library would move it several times.
            Box::pin(answer.map(Ok::<_, Infallible>))
        });
        let mut connection = self.protocol.serve_connection(TokioIo::new(socket), service);
        let mut closing = self.closing.clone();
        let draining = Dozing::new(async move { closing.reached(Phase::Draining).await });
        let answer = tokio::select! {
            biased;
            answer = served(&mut connection, &takeover) => answer,
            () = draining => {
                Pin::new(&mut connection).graceful_shutdown();
                tokio::select! {
                    biased;
                    answer = served(&mut connection, &takeover) => answer,
                    () = no_request(&socket_watch) => None,
                }
            }
        };
        // This drops the handler, which waits for nothing else.
        let parts = connection.into_parts();
        let stream = parts.io.into_inner().into_stream();
        match answer {
            Some(answer) => answer.write(stream, !parts.read_buf.is_empty()).await,
            None if socket_watch.has_refused_head() => {
                // A socket that is closed with bytes unread resets, and the client loses what it was told.
                Responder::new(stream).close().await;
                None
            }
            None => None,
        }
    }
}

/// Resolves when a client has begun to ask and does not come to the end of its head. The library waits for it.
async fn no_request(watch: &SocketWatch) {
    sleep(LAST_WORDS).await;
    if watch.has_request() {
        std::future::pending().await
    }
}

/// Lets the HTTP library serve. Resolves at the connection's end, or with the answer that leaves the library, which comes
/// first: the library would only see a client that went, and drop it.
async fn served(
    connection: &mut (impl Future<Output = hyper::Result<()>> + Unpin),
    takeover: &Takeover,
) -> Option<Box<FaultedAnswer>> {
    poll_fn(|context| {
        let ended = round(|| Pin::new(&mut *connection).poll(context));
        match takeover.answer() {
            Some(answer) => Poll::Ready(Some(answer)),
            None => ended.map(told),
        }
    })
    .await
}

/// Clients go away as they please.
fn told(ended: hyper::Result<()>) -> Option<Box<FaultedAnswer>> {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    None
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
