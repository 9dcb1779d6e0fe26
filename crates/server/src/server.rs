//! A server from its sockets to its end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use interference_backend::{Backend, Strictness};
use interference_faults::Plan;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::auth::ApiKeys;
use crate::closing::{Closing, Phase};
use crate::connections::Connections;
use crate::cross_origin::{AllowedOrigin, CrossOrigin};
use crate::fault_plan::{FaultPlans, HeaderFaults};
use crate::host_check::HostCheck;
use crate::journal::Journal;
use crate::lanes::Lanes;
use crate::limits::{LAST_WORDS, Limits};
use crate::listen::{self, BindError, ListenAddresses};
use crate::meters::Meters;
use crate::routes::Shared;

/// Sockets that listen, and nobody behind them yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

/// How requests are served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// What becomes of parameters that the backend does not honour.
    pub strictness: Strictness,
    /// Keys that open the server. Default none: it is open.
    pub api_keys: Vec<SecretString>,
    /// Hosts that requests may name beside this machine's own names, while the server listens on loopback only.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may use the server. Default none: browsers let no page of another origin read an answer.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// How long requests may run on after the server was told to stop. Default 10 s.
    pub drain: Duration,
    /// What goes wrong with every answer. Default nothing.
    pub faults: Option<Plan>,
    /// Whether requests may ask for faults in their header. Default not.
    pub header_faults: HeaderFaults,
    /// After how long a silent stream gets a comment. Default 5 s.
    pub ping: Duration,
    /// The bounds of everything else.
    pub limits: Limits,
    /// The runtimes on which connections are served, each from its beginning to its end on the one that has the fewest
    /// then. They need their drivers of time and of sockets, and must outlive the server. Default none: connections are
    /// served on the runtime on which the server is.
    pub lanes: Vec<Handle>,
}

impl Default for ServeOptions {
    fn default() -> ServeOptions {
        ServeOptions {
            strictness: Strictness::default(),
            api_keys: Vec::new(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            drain: Duration::from_secs(10),
            faults: None,
            header_faults: HeaderFaults::default(),
            ping: Duration::from_secs(5),
            limits: Limits::default(),
            lanes: Vec::new(),
        }
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServeOutcome {
    /// All requests finished.
    Drained,
    /// Some did not finish in time.
    CutOff {
        /// How many connections they were on.
        connections: usize,
    },
}

impl Server {
    /// Opens the sockets. From here on clients can connect; they are answered as soon as [`Server::serve`] runs.
    ///
    /// # Errors
    /// Names the address that cannot be had. A machine without IPv6 is no error for `localhost`.
    pub async fn bind(addresses: &ListenAddresses) -> Result<Server, BindError> {
        let listeners = listen::bind(addresses).await?;
        // A socket that was just bound knows its address.
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        Ok(Server { listeners, addresses })
    }

    /// Where it listens, with the ports that the system chose.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `shutdown` resolves, then lets running requests finish for [`ServeOptions::drain`], ends the rest
    /// with an error, and returns when all connections are closed.
    ///
    /// # Cancellation
    /// Dropping the future closes everything at once.
    pub async fn serve(
        self,
        backend: Arc<dyn Backend>,
        options: ServeOptions,
        shutdown: impl Future<Output = ()>,
    ) -> ServeOutcome {
        let (phase, closing) = Closing::channel();
        let shared = Arc::new(Shared {
            scope: backend.scope(),
            backend,
            strictness: options.strictness,
            keys: ApiKeys(options.api_keys),
            hosts: HostCheck::new(&self.addresses, &options.allowed_hosts),
            cross_origin: CrossOrigin::new(options.allowed_origins),
            limits: options.limits,
            faults: FaultPlans::new(options.header_faults, options.faults),
            journal: Arc::new(Journal::new()),
            meters: Meters::new(),
            ping: options.ping,
            closing,
        });
        let mut connections = Connections::new(shared, Lanes::new(options.lanes));
        tokio::select! {
            () = shutdown => {}
            () = connections.accept_from(&self.listeners) => {}
        }
        drop(self.listeners);
        phase.send_replace(Phase::Draining);
        if connections.finish_within(options.drain).await {
            return ServeOutcome::Drained;
        }
        let running = connections.count();
        phase.send_replace(Phase::Cut);
        connections.finish_within(LAST_WORDS).await;
        connections.abort().await;
        ServeOutcome::CutOff { connections: running }
    }
}
