//! From a target to a connected, and where asked for encrypted, socket.
//!
//! Tries all addresses of a host, a little apart (RFC 8305): `localhost` may mean `::1` or `127.0.0.1`, and only one
//! of them may have a listener.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, RootCertStore};

use crate::ClientError;
use crate::target::{Security, Target};

/// How long one address may take before the next is tried beside it.
const BETWEEN_ADDRESSES: Duration = Duration::from_millis(250);

/// A connected socket, encrypted or not.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Opens connections to targets, for whoever speaks over them.
///
/// Small writes are sent without delay (TCP_NODELAY), and an encrypted connection agrees on HTTP/1.1 (ALPN).
#[derive(Clone)]
pub struct Connector {
    tls: TlsConnector,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// Trusts the machine's certificate authorities, which are looked for only if one of the targets is encrypted.
    ///
    /// # Errors
    /// [`ClientError::NoRoots`].
    pub fn for_targets<'t>(targets: impl IntoIterator<Item = &'t Target>) -> Result<Connector, ClientError> {
        let encrypted = targets.into_iter().any(|target| matches!(target.security, Security::Tls(_)));
        Connector::with_roots(if encrypted { native_roots()? } else { RootCertStore::empty() })
    }

    /// Trusts these certificate authorities, and no others.
    ///
    /// # Errors
    /// [`ClientError::Request`], where no encryption can be had at all.
    pub fn with_roots(roots: RootCertStore) -> Result<Connector, ClientError> {
        Ok(Connector { tls: tls_connector(roots)? })
    }

    /// Connects to a target, for `timeout` at most, name resolution and TLS handshake included.
    ///
    /// # Errors
    /// [`ClientError::UnknownHost`], [`ClientError::Unreachable`] (whose source is of the kind `TimedOut` where the
    /// time was up) and [`ClientError::Tls`].
    ///
    /// # Cancellation
    /// Dropping the future gives up every attempt.
    pub async fn connect(&self, target: &Target, timeout: Duration) -> Result<Box<dyn Socket>, ClientError> {
        match tokio::time::timeout(timeout, open(target, &self.tls)).await {
            Ok(connected) => connected,
            Err(_) => Err(ClientError::Unreachable {
                address: target.authority.clone(),
                source: io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {timeout:?}")),
            }),
        }
    }
}

/// The machine's own certificate authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` are obeyed).
fn native_roots() -> Result<RootCertStore, ClientError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "certificate authorities");
    if roots.is_empty() {
        let problem = match found.errors.first() {
            Some(error) => error.to_string(),
            None => "its certificate store is empty".to_owned(),
        };
        return Err(ClientError::NoRoots { problem });
    }
    Ok(roots)
}

/// What makes encrypted connections that trust `roots`.
fn tls_connector(roots: RootCertStore) -> Result<TlsConnector, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Request { problem: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn open(target: &Target, tls: &TlsConnector) -> Result<Box<dyn Socket>, ClientError> {
    let addresses = addresses_of(&target.host, target.port)
        .await
        .map_err(|source| ClientError::UnknownHost { host: target.host.clone(), source })?;
    let stream = connect_to_any(addresses)
        .await
        .map_err(|source| ClientError::Unreachable { address: target.authority.clone(), source })?;
    match &target.security {
        Security::Plain => Ok(Box::new(stream)),
        Security::Tls(name) => {
            let encrypted = tls.connect(name.clone(), stream).await;
            let encrypted =
                encrypted.map_err(|source| ClientError::Tls { address: target.authority.clone(), source })?;
            Ok(Box::new(encrypted))
        }
    }
}

/// All addresses of a host, in the resolver's order.
async fn addresses_of(host: &str, port: u16) -> io::Result<VecDeque<SocketAddr>> {
    let mut addresses: VecDeque<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    if host.eq_ignore_ascii_case("localhost") {
        // Some machines name only one of the two, and the server listens on the other.
        for loopback in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let loopback = SocketAddr::new(loopback, port);
            if !addresses.contains(&loopback) {
                addresses.push_back(loopback);
            }
        }
    }
    Ok(addresses)
}

/// The first connection that succeeds; attempts that are still under way then are dropped.
async fn connect_to_any(mut addresses: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    if let (Some(only), 1) = (addresses.front(), addresses.len()) {
        return connect_to(*only).await;
    }
    let mut attempts = JoinSet::new();
    let mut failure: Option<io::Error> = None;
    loop {
        let next = addresses.pop_front();
        let patience = if next.is_some() { BETWEEN_ADDRESSES } else { Duration::MAX };
        if let Some(address) = next {
            attempts.spawn(connect_to(address));
        }
        let ended = match tokio::time::timeout(patience, attempts.join_next()).await {
            Ok(Some(ended)) => ended.unwrap_or_else(|error| Err(io::Error::other(error))),
            Ok(None) => break,
            Err(_) => continue,
        };
        match ended {
            Ok(stream) => return Ok(stream),
            // "Refused" tells more than what another address family's absence makes of its attempt.
            Err(error) if failure.is_none() || error.kind() == io::ErrorKind::ConnectionRefused => {
                failure = Some(error);
            }
            Err(_) => {}
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    tracing::debug!(%address, "connected");
    Ok(stream)
}
