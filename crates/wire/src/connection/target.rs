//! Where a connection leads to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::transport::Transport;
use crate::ending::TimeBound;

/// A server's address, and whether to speak TLS with it.
#[derive(Debug, Clone)]
pub struct Target {
    host: String,
    port: u16,
    encryption: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It took too long.
    #[error("no connection within {limit:?}")]
    TimedOut {
        /// Always [`TimeBound::Connect`].
        bound: TimeBound,
        /// The limit.
        limit: Duration,
    },
    /// The name is unknown, or no address accepts.
    #[error("no connection to {host}, port {port}: {source}")]
    Unreachable {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("no TLS with {host}, port {port}: {source}")]
    Handshake {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What TLS says.
        source: io::Error,
    },
}

impl Target {
    /// A server without encryption: a name or an address (IPv6 without brackets), and a port.
    pub fn plain(host: impl Into<String>, port: u16) -> Target {
        Target { host: host.into(), port, encryption: None }
    }

    /// A server with TLS, which must prove to be `server_name`.
    pub fn encrypted(
        host: impl Into<String>,
        port: u16,
        config: Arc<ClientConfig>,
        server_name: ServerName<'static>,
    ) -> Target {
        Target { host: host.into(), port, encryption: Some((config, server_name)) }
    }

    /// Connects to the first of the host's addresses that accepts.
    pub(super) async fn open(&self) -> Result<Transport, ConnectError> {
        let (host, port) = (self.host.clone(), self.port);
        let connected = TcpStream::connect((self.host.as_str(), port)).await;
        let socket = match connected.and_then(|socket| socket.set_nodelay(true).map(|()| socket)) {
            Ok(socket) => socket,
            Err(source) => return Err(ConnectError::Unreachable { host, port, source }),
        };
        let Some((config, name)) = &self.encryption else { return Ok(Transport::Plain(socket)) };
        match TlsConnector::from(Arc::clone(config)).connect(name.clone(), socket).await {
            Ok(stream) => Ok(Transport::Encrypted(Box::new(stream))),
            Err(source) => Err(ConnectError::Handshake { host, port, source }),
        }
    }
}
