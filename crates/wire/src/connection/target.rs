//! Where a connection leads to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
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
    buffers: Buffers,
}

/// How much the system keeps of what the peer has sent and nobody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buffers {
    Usual,
    Small,
}

/// The receive buffer of a connection with small buffers, in bytes; the system rounds up.
const SMALL_BUFFER_BYTES: u32 = 2048;
/// The largest segment that such a connection takes, in bytes: a peer on the same machine else sends with buffers of
/// megabytes, since its segments have 64 KiB.
#[cfg(target_os = "linux")]
const SMALL_SEGMENT_BYTES: u32 = 536;

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
        Target { host: host.into(), port, encryption: None, buffers: Buffers::Usual }
    }

    /// A server with TLS, which must prove to be `server_name`.
    pub fn encrypted(
        host: impl Into<String>,
        port: u16,
        config: Arc<ClientConfig>,
        server_name: ServerName<'static>,
    ) -> Target {
        Target { host: host.into(), port, encryption: Some((config, server_name)), buffers: Buffers::Usual }
    }

    /// The same server by this address, without looking up its name for each connection.
    pub fn at(self, address: std::net::IpAddr) -> Target {
        Target { host: address.to_string(), ..self }
    }

    /// Where the server is: the addresses of its name.
    ///
    /// # Errors
    /// The name has none, or cannot be looked up.
    pub async fn addresses(&self) -> io::Result<Vec<std::net::SocketAddr>> {
        Ok(tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect())
    }

    /// The same server by connections on which the system keeps as little as it can of what is not read: on Linux some
    /// 60 KB at both ends together. The peer's writes soon find no room, as with a client that does not read.
    pub fn with_small_buffers(self) -> Target {
        Target { buffers: Buffers::Small, ..self }
    }

    /// Connects to the first of the host's addresses that accepts.
    pub(super) async fn open(&self) -> Result<Transport, ConnectError> {
        let (host, port) = (self.host.clone(), self.port);
        let connected = match self.buffers {
            Buffers::Usual => TcpStream::connect((self.host.as_str(), port)).await,
            Buffers::Small => connect_with_small_buffers(&host, port).await,
        };
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

async fn connect_with_small_buffers(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_recv_buffer_size(SMALL_BUFFER_BYTES)?;
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&socket).set_tcp_mss(SMALL_SEGMENT_BYTES)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
