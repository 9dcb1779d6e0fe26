//! Where to listen: addresses as people write them, and the sockets that come of them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::net::TcpListener;

/// The addresses to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddresses {
    /// `localhost`: 127.0.0.1, and ::1 where the machine has it, both at this port. Clients that say `localhost` try
    /// either first. With port 0 the system chooses one port for both.
    Localhost(u16),
    /// One address.
    One(SocketAddr),
}

/// The text is not an address and a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an address to listen at: expected ADDRESS:PORT, such as localhost:1337 or [::1]:1337"
)]
pub struct ParseAddressError {
    text: String,
}

impl FromStr for ListenAddresses {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<ListenAddresses, ParseAddressError> {
        let localhost = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        localhost
            .map(ListenAddresses::Localhost)
            .or_else(|| text.parse().ok().map(ListenAddresses::One))
            .ok_or_else(|| ParseAddressError { text: text.to_owned() })
    }
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Someone else listens there.
    #[error("{address} is in use")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else: no permission, no such address on this machine.
    #[error("cannot listen at {address}: {source}")]
    Failed {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Opens the sockets, at least one.
pub(crate) async fn bind(addresses: &ListenAddresses) -> Result<Vec<TcpListener>, BindError> {
    match addresses {
        ListenAddresses::One(address) => Ok(vec![bind_one(*address).await?]),
        ListenAddresses::Localhost(port) => {
            let first = bind_one(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), *port)).await?;
            let port = first.local_addr().map_or(*port, |address| address.port());
            match bind_one(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await {
                Ok(second) => Ok(vec![first, second]),
                Err(BindError::Failed { address, source }) if lacks_family(&source) => {
                    tracing::debug!(%address, %source, "this machine has no such address");
                    Ok(vec![first])
                }
                Err(error) => Err(error),
            }
        }
    }
}

async fn bind_one(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::AddressInUse { address },
        _ => BindError::Failed { address, source },
    })
}

/// Whether the machine is without IPv6, or without this address of it.
fn lacks_family(error: &io::Error) -> bool {
    // The standard library has no kind for a family that the kernel does not know: EAFNOSUPPORT on Linux, on the BSDs
    // and macOS, and its Windows counterpart.
    const FAMILY_NOT_SUPPORTED: [i32; 3] = [97, 47, 10047];
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error().is_some_and(|code| FAMILY_NOT_SUPPORTED.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_people_write_them() {
        assert_eq!("localhost:1337".parse(), Ok(ListenAddresses::Localhost(1337)));
        assert_eq!("0.0.0.0:80".parse(), Ok(ListenAddresses::One(SocketAddr::from(([0, 0, 0, 0], 80)))));
        assert_eq!("[::1]:80".parse(), Ok(ListenAddresses::One(SocketAddr::from((Ipv6Addr::LOCALHOST, 80)))));
        for text in ["", "1337", "localhost", "localhost:x", "example.com:80", "127.0.0.1:99999"] {
            assert!(text.parse::<ListenAddresses>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let taken = bind_one(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(&ListenAddresses::Localhost(address.port())).await.unwrap_err();
        assert!(matches!(error, BindError::AddressInUse { address: named } if named == address), "{error}");
    }
}
