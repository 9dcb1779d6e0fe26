//! Which hosts a request may name.
//!
//! A page in a browser may point its own name at this machine, and so reach what nobody else can reach. The browser then
//! names the page's host, by which such a request is told from an honest one. Pages that say truly who they are may come
//! from anywhere: a client that runs in a browser is what this is for.

use std::net::{IpAddr, SocketAddr};

use interference_wire::Request;

use super::reply::Problem;

/// Which hosts a request may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Any: others reach it anyway, under names that nobody here knows.
    Any,
    /// This machine, by its usual names.
    ThisMachine,
}

impl Hosts {
    /// What fits a listener at this address.
    pub(super) fn of(address: Option<SocketAddr>) -> Hosts {
        match address {
            Some(address) if !address.ip().to_canonical().is_loopback() => Hosts::Any,
            Some(_) | None => Hosts::ThisMachine,
        }
    }

    /// Checks the host of a request.
    ///
    /// # Errors
    /// It names none or several (RFC 9112, section 3.2), or one that it may not.
    pub(super) fn check(self, request: &Request) -> Result<(), Problem> {
        let fields = request.head.as_ref().map(|head| &head.fields);
        let mut named = fields.into_iter().flat_map(|fields| fields.all("host"));
        let (Some(host), None) = (named.next(), named.next()) else {
            return Err(Problem::malformed("a request names its host once, in the field Host"));
        };
        let host = String::from_utf8_lossy(host);
        match self {
            Hosts::ThisMachine if !is_this_machine(&host) => Err(Problem::foreign_host(&host)),
            Hosts::ThisMachine | Hosts::Any => Ok(()),
        }
    }
}

/// Whether `host:port` is this machine; RFC 3986, section 3.2, has its form.
fn is_this_machine(named: &str) -> bool {
    let (host, port) = match named.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port),
        None => named.split_at(named.find(':').unwrap_or(named.len())),
    };
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    let host = host.strip_suffix('.').unwrap_or(host);
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        && (host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_few_names() {
        for host in
            ["localhost", "LOCALHOST:9", "localhost.", "127.0.0.1:1337", "127.8.8.8", "[::1]", "[::1]:80"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "localhost:x",
            "[::1]evil.example",
            "[::2]",
            "10.0.0.1",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn elsewhere_any_host_will_do() {
        assert_eq!(Hosts::of("0.0.0.0:80".parse().ok()), Hosts::Any);
        assert_eq!(Hosts::of("127.0.0.1:80".parse().ok()), Hosts::ThisMachine);
        assert_eq!(Hosts::of("[::ffff:127.0.0.1]:80".parse().ok()), Hosts::ThisMachine);
    }
}
