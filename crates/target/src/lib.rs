//! Where a server is that is judged or measured, and what every request to it brings.
//!
//! Owns the base URL, the key, the headers besides, and whom to trust in TLS. A path is put behind the base as SDKs do it.
//! Refuses to know what is asked, and what a server may answer.

use std::iter;
use std::net::IpAddr;
use std::sync::Arc;

use interference_wire::rustls;
use interference_wire::rustls::pki_types::pem::PemObject;
use interference_wire::rustls::pki_types::{CertificateDer, ServerName};
use interference_wire::{ConnectError, Connection, Limits};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// Stands for the key in everything that is shown.
pub const KEY_PLACEHOLDER: &str = "$OPENAI_API_KEY";

/// A server's base URL, and what every request to it brings. Without TLS until [`Target::trust`].
#[derive(Debug, Clone)]
pub struct Target {
    url: Url,
    base_path: String,
    key: Option<SecretString>,
    headers: Vec<(String, String)>,
    wire: interference_wire::Target,
}

/// Why a base URL is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is no URL.
    #[error("`{given}` is no base URL: {reason}")]
    NotAUrl {
        /// What was given.
        given: String,
        /// Why not.
        reason: String,
    },
    /// A key or a header could not stand in a request.
    #[error("{what} has characters that cannot stand in a header")]
    Header {
        /// Which.
        what: String,
    },
    /// The certificates of authorities could not be read.
    #[error("the certificates could not be read: {reason}")]
    Certificates {
        /// Why.
        reason: String,
    },
}

impl Target {
    /// A base URL as SDKs take it, `http` or `https`; it ends in `/v1` as a rule.
    ///
    /// # Errors
    /// [`TargetError`]
    pub fn parse(
        given: &str,
        key: Option<SecretString>,
        headers: Vec<(String, String)>,
    ) -> Result<Target, TargetError> {
        let wrong =
            |reason: &str| TargetError::NotAUrl { given: given.to_owned(), reason: reason.to_owned() };
        let url = Url::parse(given).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it begins with neither http:// nor https://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it has a query or a fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a user's name has no place in it"));
        }
        if let Some(key) = &key {
            check_header(|| "the key".to_owned(), key.expose_secret())?;
        }
        for (name, value) in &headers {
            check_header(|| format!("the header `{name}`"), value)?;
        }
        let (host, port) = host_and_port(&url).ok_or_else(|| wrong("it names no host"))?;
        let base_path = url.path().trim_end_matches('/').to_owned();
        Ok(Target { base_path, key, headers, wire: interference_wire::Target::plain(host, port), url })
    }

    /// Prepares TLS where the URL wants it: with the system's authorities, and with those of a PEM file besides.
    ///
    /// # Errors
    /// [`TargetError::Certificates`]
    pub fn trust(mut self, authorities: Option<&std::path::Path>) -> Result<Target, TargetError> {
        if self.url.scheme() != "https" {
            return Ok(self);
        }
        let failed = |reason: String| TargetError::Certificates { reason };
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = authorities {
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
        }
        if roots.is_empty() {
            return Err(failed("this system has none".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (host, port) = host_and_port(&self.url).ok_or_else(|| failed("no host".to_owned()))?;
        let name = ServerName::try_from(host.clone()).map_err(|error| failed(error.to_string()))?;
        self.wire = interference_wire::Target::encrypted(host, port, Arc::new(config), name);
        Ok(self)
    }

    /// Whether the URL has no path, so that where the API lies is to be found out.
    pub fn is_bare(&self) -> bool {
        self.base_path.is_empty()
    }

    /// The same server with another base path.
    pub fn with_base_path(&self, path: &str) -> Target {
        let mut target = self.clone();
        target.url.set_path(path);
        path.clone_into(&mut target.base_path);
        target
    }

    /// The same server, to which every request brings one header more.
    ///
    /// # Errors
    /// [`TargetError::Header`]
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Target, TargetError> {
        check_header(|| format!("the header `{name}`"), value)?;
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// What comes before the path of every request: `/v1`.
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// The base URL without a slash at its end.
    pub fn base_url(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// For the header Host.
    pub fn authority(&self) -> &str {
        self.url.authority()
    }

    /// The key, in the clear.
    pub fn key(&self) -> Option<&str> {
        self.key.as_ref().map(ExposeSecret::expose_secret)
    }

    /// A text without what is secret: the key stands as `$OPENAI_API_KEY`, and so do the values of headers that carry one,
    /// also where the text breaks off in the middle of them.
    pub fn blackened(&self, text: &str) -> String {
        let whole =
            self.secrets().fold(text.to_owned(), |text, secret| text.replace(secret, KEY_PLACEHOLDER));
        self.secrets().fold(whole, |text, secret| without_beginnings(&text, secret))
    }

    /// What [`Target::blackened`] takes out: the key, the values of headers that carry one, and what in them is one by
    /// itself: the credential behind a scheme, and each cookie. None is empty.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().filter(|(name, _)| is_secret(name));
        let in_headers = headers.flat_map(|(_, value)| iter::once(value.as_str()).chain(credentials(value)));
        self.key().into_iter().chain(in_headers).filter(|secret| !secret.is_empty())
    }

    /// Headers that every request brings besides.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The same server by the first of its addresses that accepts, so that its name is looked up once.
    ///
    /// # Errors
    /// What the system says where none accepts.
    pub async fn resolved(mut self, limits: Limits) -> Result<Target, ConnectError> {
        let mut refusal = None;
        for address in self.wire.addresses().await.unwrap_or_default() {
            let candidate = self.wire.clone().at(address.ip());
            match Connection::connect(&candidate, limits).await {
                Ok(_) => {
                    self.wire = candidate;
                    return Ok(self);
                }
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(error) => Err(error),
            // Connecting by the name tells what is wrong with it.
            None => Connection::connect(&self.wire, limits).await.map(|_| self),
        }
    }

    /// Where to connect to.
    pub fn wire(&self) -> &interference_wire::Target {
        &self.wire
    }
}

/// Only printable ASCII can stand in a header on any way.
fn check_header(what: impl Fn() -> String, value: &str) -> Result<(), TargetError> {
    let fits = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if fits { Ok(()) } else { Err(TargetError::Header { what: what() }) }
}

/// A part of a secret of fewer bytes is not looked for.
const SHORTEST_PART: usize = 8;
/// So many bytes of the beginning of a secret tell that it is one.
const LONGEST_BEGINNING: usize = 12;

/// Headers that say where a gateway sends a request; its name has a key in it, and these have none.
const NO_SECRETS: [&str; 2] = ["x-portkey-provider", "x-portkey-custom-host"];

/// Whether a header of this name carries what nobody else is to know.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if NO_SECRETS.contains(&name.as_str()) {
        return false;
    }
    ["auth", "key", "token", "secret", "cookie", "password", "signature"]
        .iter()
        .any(|word| name.contains(word))
}

/// What in the value of a header is secret by itself: behind a scheme (RFC 9110, section 11.4), and behind the name of a
/// cookie (RFC 6265, section 4.2.1). What is shorter than [`SHORTEST_PART`] would be found everywhere.
fn credentials(value: &str) -> impl Iterator<Item = &str> {
    let credential = value.split_once(' ').map(|(_scheme, credential)| credential.trim());
    let cookies = value.split(';').filter_map(|cookie| Some(cookie.split_once('=')?.1.trim()));
    credential.into_iter().chain(cookies).filter(|part| part.len() >= SHORTEST_PART)
}

/// A text without the beginnings of a secret, which are there where a longer text was cut off, or its end was masked.
/// Those of short secrets, and very short ones, are words like others.
fn without_beginnings(text: &str, secret: &str) -> String {
    let beginning = secret.get(..(secret.len() / 2).clamp(SHORTEST_PART - 2, LONGEST_BEGINNING));
    let Some(beginning) = beginning.filter(|_| secret.len() >= SHORTEST_PART) else { return text.to_owned() };
    let (mut rest, mut kept) = (text, String::with_capacity(text.len()));
    while let Some(at) = rest.find(beginning) {
        let (before, found) = rest.split_at(at);
        let same = found.chars().zip(secret.chars()).take_while(|(one, other)| one == other);
        let end = same.map(|(character, _)| character.len_utf8()).sum();
        kept.push_str(before);
        kept.push_str(KEY_PLACEHOLDER);
        rest = found.get(end..).unwrap_or_default();
    }
    kept + rest
}

/// IPv6 addresses without brackets.
fn host_and_port(url: &Url) -> Option<(String, u16)> {
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => IpAddr::V4(address).to_string(),
        Host::Ipv6(address) => IpAddr::V6(address).to_string(),
    };
    Some((host, url.port_or_known_default()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_taken_as_sdks_take_them() {
        let target = Target::parse("http://[::1]:8080/api/v1/", None, Vec::new()).unwrap();
        assert_eq!(target.base_path(), "/api/v1");
        assert_eq!(target.base_url(), "http://[::1]:8080/api/v1");
        assert_eq!(target.authority(), "[::1]:8080");
        let bare = Target::parse("http://localhost:1337", None, Vec::new()).unwrap();
        assert!(bare.is_bare());
        assert_eq!(bare.with_base_path("/v1").base_url(), "http://localhost:1337/v1");
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let headers = [("api-key", "azure-1"), ("X-Team", "blue"), ("Authorization", "Basic abc")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let target = Target::parse("http://localhost/v1", Some("sk-1".to_owned().into()), headers).unwrap();
        let shown = target.blackened("api-key: azure-1, X-Team: blue, Basic abc, Bearer sk-1");
        assert_eq!(shown, "api-key: $OPENAI_API_KEY, X-Team: blue, $OPENAI_API_KEY, Bearer $OPENAI_API_KEY");
    }

    #[test]
    fn what_is_secret_is_not_shown_in_part_either() {
        let key = "sk-proj-A0B1C2D3E4F5G6H7";
        let headers = [("Authorization", "Bearer gateway-key-1"), ("Cookie", "a=1; session=SESSIONVALUE77")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let target = Target::parse("http://localhost/v1", Some(key.to_owned().into()), headers).unwrap();
        for (told, shown) in [
            ("\"wrong key sk-proj-A0B1C2D3E…\"", "\"wrong key $OPENAI_API_KEY…\""),
            ("sk-proj-A0B1C2D3****, sk-proj-A0B1", "$OPENAI_API_KEY****, $OPENAI_API_KEY"),
            ("keys begin with sk-proj-", "keys begin with sk-proj-"),
            ("Got gateway-key-1 and SESSIONVALUE77.", "Got $OPENAI_API_KEY and $OPENAI_API_KEY."),
            ("a=1", "a=1"),
        ] {
            assert_eq!(target.blackened(told), shown);
        }
    }

    #[test]
    fn a_header_more_has_to_be_one() {
        let target = Target::parse("http://localhost/v1", None, Vec::new()).unwrap();
        let more = target.clone().with_header("x-a", "b").unwrap();
        assert_eq!(more.headers(), [("x-a".to_owned(), "b".to_owned())]);
        let error = target.with_header("x-a", "b\r\nc").unwrap_err().to_string();
        assert_eq!(error, "the header `x-a` has characters that cannot stand in a header");
    }

    #[test]
    fn headers_of_portkey_are_no_keys_by_its_name() {
        for (name, expected) in [
            ("x-portkey-provider", false),
            ("X-Portkey-Custom-Host", false),
            ("x-portkey-api-key", true),
            ("x-portkey-config", true),
            ("apikey", true),
        ] {
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_told() {
        for (given, reason) in [
            ("localhost:1337", "neither http:// nor https://"),
            ("http://", "empty host"),
            ("http://localhost/v1?x=1", "query"),
            ("http://user@localhost/v1", "user's name"),
            ("/v1", "relative URL"),
        ] {
            let error = Target::parse(given, None, Vec::new()).unwrap_err().to_string();
            assert!(error.contains(reason), "{given}: {error}");
        }
    }
}
