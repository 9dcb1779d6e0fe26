//! The check of the Host header against DNS rebinding.
//!
//! A page in a browser may point its own name at 127.0.0.1 and so reach a server that nobody else can reach. The
//! browser then names the page's host, by which the request is told from an honest one. It also names the page's origin,
//! which must be this machine as well.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri, Version};

use crate::cross_origin::CrossOrigin;
use crate::error_response::Rejection;

/// Which hosts a request may name.
#[derive(Debug)]
pub(crate) enum HostCheck {
    /// Any: the server can be reached from elsewhere anyway, under names that it cannot know.
    Any,
    /// This machine by its usual names, and these.
    Local {
        /// Names without a port, in upper or lower case.
        allowed: Vec<String>,
    },
}

impl HostCheck {
    /// The check that fits a server at these addresses. Allowed hosts are names, with or without a port.
    pub(crate) fn new(addresses: &[SocketAddr], allowed: &[String]) -> HostCheck {
        if !addresses.iter().all(|address| address.ip().is_loopback()) {
            return HostCheck::Any;
        }
        let name = |host: &String| host_of(host).unwrap_or(host).to_owned();
        HostCheck::Local { allowed: allowed.iter().map(name).collect() }
    }

    /// Checks the host that a request names, in its target or in its header.
    /// An origin to which the server was opened need not be this machine.
    pub(crate) fn check(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        opened: &CrossOrigin,
    ) -> Result<(), Rejection> {
        let mut named = headers.get_all(HOST).iter();
        let host = named.next();
        // RFC 9112, section 3.2: a request of HTTP/1.1 has exactly one Host.
        if named.next().is_some() || (host.is_none() && version == Version::HTTP_11) {
            return Err(Rejection::NotOneHost);
        }
        let HostCheck::Local { allowed } = self else { return Ok(()) };
        // A page elsewhere needs no false name to send a request blindly; the browser then says whose page it is.
        let origin = headers.get(ORIGIN).filter(|origin| !opened.allows(origin));
        let in_target = uri.authority().map(|authority| authority.as_str().as_bytes());
        let hosts = host.map(HeaderValue::as_bytes).into_iter().chain(in_target);
        let hosts = hosts.map(|named| (named, host_in(named)));
        let origins = origin.map(|origin| (origin.as_bytes(), host_in(behind_scheme(origin.as_bytes()))));
        let is_allowed = |host| allowed.iter().any(|name| name.eq_ignore_ascii_case(host));
        for (named, host) in hosts.chain(origins) {
            if !host.is_some_and(|host| is_this_machine(host) || is_allowed(host)) {
                return Err(Rejection::ForeignHost { host: String::from_utf8_lossy(named).into_owned() });
            }
        }
        Ok(())
    }
}

fn is_this_machine(host: &str) -> bool {
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}

fn host_in(named: &[u8]) -> Option<&str> {
    str::from_utf8(named).ok().and_then(host_of)
}

/// An origin is a scheme and a host (RFC 6454, section 6.1), but for `null`.
fn behind_scheme(origin: &[u8]) -> &[u8] {
    const END: &[u8] = b"://";
    let scheme = origin.windows(END.len()).position(|window| window == END);
    scheme.map_or(origin, |length| &origin[length + END.len()..])
}

/// The host of `host:port`, an IPv6 address without its brackets, a name without the dot that ends it; none where what
/// follows is no port: RFC 3986, section 3.2.
fn host_of(named: &str) -> Option<&str> {
    let named = named.trim();
    let (host, rest) = match named.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest),
        None => named.split_at(named.find(':').unwrap_or(named.len())),
    };
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    if !rest.is_empty() && !rest.strip_prefix(':').is_some_and(is_port) {
        return None;
    }
    Some(host.strip_suffix('.').unwrap_or(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(check: &HostCheck, host: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        check.check(Version::HTTP_11, &Uri::from_static("/health"), &headers, &CrossOrigin::default()).is_ok()
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let check =
            HostCheck::new(&[SocketAddr::from(([127, 0, 0, 1], 1337))], &["bench.example".to_owned()]);
        let from = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("localhost:1337"));
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            check
                .check(Version::HTTP_11, &Uri::from_static("/health"), &headers, &CrossOrigin::default())
                .is_ok()
        };
        for origin in
            ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:80", "https://bench.example"]
        {
            assert!(from(origin), "{origin}");
        }
        let evil = HeaderMap::from_iter([
            (HOST, HeaderValue::from_static("localhost")),
            (ORIGIN, HeaderValue::from_static("https://evil.example")),
        ]);
        let opened = CrossOrigin::new(vec!["https://evil.example".parse().unwrap()]);
        assert!(check.check(Version::HTTP_11, &Uri::from_static("/"), &evil, &opened).is_ok());
        for origin in ["https://evil.example", "null", "http://localhost.evil.example:1337", ""] {
            assert!(!from(origin), "{origin}");
        }
    }

    #[test]
    fn on_loopback_only_this_machine_is_named() {
        let addresses = [SocketAddr::from(([127, 0, 0, 1], 1337))];
        let check = HostCheck::new(&addresses, &["Bench.example:80".to_owned()]);
        let local = [
            "localhost",
            "LOCALHOST:9",
            "127.0.0.1:1337",
            "127.8.8.8",
            "[::1]:1337",
            "[::1]",
            "bench.example:9",
            "localhost.",
            "[::ffff:127.0.0.1]:80",
        ];
        for host in local {
            assert!(passes(&check, host), "{host}");
        }
        let foreign = [
            "evil.example",
            "localhost.evil.example:1337",
            "127.0.0.1.evil.example",
            "localhost:x@evil.example",
            "localhost:99999",
            "[::1]evil.example",
            "10.0.0.1",
            "",
            "[::2]:1",
            "http://localhost",
        ];
        for host in foreign {
            assert!(!passes(&check, host), "{host}");
        }
    }

    #[test]
    fn the_target_is_checked_like_the_header() {
        let check = HostCheck::new(&[], &[]);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        let uri = Uri::from_static("http://evil.example/health");
        let outcome = check.check(Version::HTTP_11, &uri, &headers, &CrossOrigin::default());
        assert!(matches!(outcome, Err(Rejection::ForeignHost { host }) if host == "evil.example"));
    }

    #[test]
    fn elsewhere_any_one_host_will_do() {
        let check = HostCheck::new(&[SocketAddr::from(([0, 0, 0, 0], 1337))], &[]);
        assert!(passes(&check, "anything.example"));
        let none = HeaderMap::new();
        assert!(
            check.check(Version::HTTP_10, &Uri::from_static("/"), &none, &CrossOrigin::default()).is_ok()
        );
        assert!(matches!(
            check.check(Version::HTTP_11, &Uri::from_static("/"), &none, &CrossOrigin::default()),
            Err(Rejection::NotOneHost)
        ));
    }
}
