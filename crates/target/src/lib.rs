//! Where a server is that is judged or measured, and what every request to it brings.
//!
//! Owns the base URL, the key, the headers besides, and whom to trust in TLS. A path is put behind the base as SDKs do it.
//! Refuses to know what is asked, and what a server may answer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;
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
        /// What was given, without what may be secret in it.
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
        let wrong = |reason: &str| TargetError::NotAUrl { given: quotable(given), reason: reason.to_owned() };
        let url = match Url::parse(given) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            Err(error) if error != url::ParseError::RelativeUrlWithoutBase => {
                return Err(wrong(&error.to_string()));
            }
            _ => return Err(wrong("it begins with neither http:// nor https://")),
        };
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
        let failed = |reason: String| TargetError::Certificates { reason };
        let mut roots = rustls::RootCertStore::empty();
        if let Some(path) = authorities {
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(failed(format!("{} has none", path.display())));
            }
        }
        if self.url.scheme() != "https" {
            return Ok(self);
        }
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
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

    /// The headers of a request, each name once: what is its own wins over what every request brings, and that over what
    /// is usual.
    pub fn headers_of<'a>(
        &'a self,
        usual: Vec<(&'a str, Cow<'a, str>)>,
        own: &'a [(String, String)],
    ) -> Vec<(&'a str, Cow<'a, str>)> {
        let mut headers = usual;
        for (name, value) in self.headers.iter().chain(own) {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            headers.push((name, value.into()));
        }
        headers
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

    /// A server's text without what is secret: the key stands as `$OPENAI_API_KEY`, and so do the values of headers that
    /// carry one, also where the text breaks off in the middle of them.
    pub fn blackened(&self, text: &str) -> String {
        covered(text, &self.places_of_secrets(text.as_bytes()))
    }

    /// A text of one's own without what is secret. Only whole secrets stand in it: a beginning is a word like others.
    pub fn without_secrets(&self, text: &str) -> String {
        covered(text, &apart(self.whole_secrets(text.as_bytes()).collect()))
    }

    /// Where secrets stand in bytes, whole, or with as much of their beginning as tells that they are one: in order, apart
    /// from each other.
    pub fn places_of_secrets(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        apart(self.whole_secrets(bytes).chain(self.begun_secrets(bytes)).collect())
    }

    fn whole_secrets<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let headers = self.headers.iter().filter(|(name, _)| is_secret(name));
        let values = headers.map(|(_, value)| value.as_str());
        let parts = self.credentials().filter(|part| part.len() >= SHORTEST_PART);
        self.key().into_iter().chain(values).chain(parts).flat_map(move |secret| {
            places(bytes, secret.as_bytes()).map(move |start| start..start + secret.len())
        })
    }

    fn begun_secrets<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let long = self.credentials().filter(|credential| credential.len() >= SHORTEST_BEGUN);
        long.flat_map(move |credential| {
            let credential = credential.as_bytes();
            places(bytes, &credential[..BEGINNING]).map(move |start| {
                let same = bytes[start..].iter().zip(credential).take_while(|(one, other)| one == other);
                start..start + same.count()
            })
        })
    }

    /// What is secret by itself: the key, and what headers that carry one have of it.
    fn credentials(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().filter(|(name, _)| is_secret(name));
        self.key().into_iter().chain(headers.flat_map(|(name, value)| credentials_in(name, value)))
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

/// A part of a header of fewer bytes is not looked for: it would be found everywhere.
const SHORTEST_PART: usize = 8;
/// So many bytes of the beginning of a secret tell that it is one, where a longer text was cut off or its end is masked.
const BEGINNING: usize = 16;
/// A secret of fewer bytes is not known by its beginning.
const SHORTEST_BEGUN: usize = 24;

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

/// What in the value of a header is secret by itself: what stands behind a scheme (RFC 9110, section 11.4), the values of
/// cookies (RFC 6265, section 4.2.1), and of any other header all of it.
fn credentials_in<'a>(name: &str, value: &'a str) -> Vec<&'a str> {
    match name.to_ascii_lowercase().as_str() {
        "authorization" | "proxy-authorization" => {
            vec![value.split_once(' ').map_or(value, |(_scheme, credential)| credential.trim())]
        }
        "cookie" => value.split(';').filter_map(|cookie| Some(cookie.split_once('=')?.1.trim())).collect(),
        _ => vec![value],
    }
}

/// Every place of some bytes in others.
fn places<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = bytes.windows(wanted.len().max(1)).enumerate();
    windows.filter(move |(_, window)| *window == wanted).map(|(start, _)| start)
}

/// Ranges in their order; those that overlap become one.
fn apart(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match apart.last_mut().filter(|last| range.start < last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => apart.push(range),
        }
    }
    apart
}

/// A text with the placeholder over these places, which are ASCII.
fn covered(text: &str, places: &[Range<usize>]) -> String {
    let (mut covered, mut at) = (String::with_capacity(text.len()), 0);
    for place in places {
        covered.push_str(text.get(at..place.start).unwrap_or_default());
        covered.push_str(KEY_PLACEHOLDER);
        at = place.end;
    }
    covered + text.get(at..).unwrap_or_default()
}

/// What a message may quote of what was given as a URL: no user's name and password, no query and no fragment, where keys
/// stand.
fn quotable(given: &str) -> String {
    let end = given.find(['?', '#']).unwrap_or(given.len());
    let (address, behind) = given.split_at(end);
    let scheme = address.find("://").map_or(0, |scheme_end| scheme_end + "://".len());
    match (address.rfind('@').filter(|at| *at >= scheme), behind.contains('@')) {
        // It may be within a password.
        (_, true) => format!("{}…", &address[..scheme]),
        (Some(at), false) => format!("{}…{}{}", &address[..scheme], &address[at..], mark(behind)),
        (None, false) => format!("{address}{}", mark(behind)),
    }
}

/// That something was left out.
fn mark(left_out: &str) -> &'static str {
    if left_out.is_empty() { "" } else { "…" }
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
        let headers = [
            ("Authorization", "Bearer gateway-key-1"),
            ("Cookie", "a=1; session=SESSIONVALUE77"),
            ("x-api-key", "sk-proj-A0B1C2D3E4F5G6H7-team"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let target = Target::parse("http://localhost/v1", Some(key.to_owned().into()), headers).unwrap();
        for (told, shown) in [
            ("\"wrong key sk-proj-A0B1C2D3E…\"", "\"wrong key $OPENAI_API_KEY…\""),
            ("sk-proj-A0B1C2D3****, sk-proj-A0B1", "$OPENAI_API_KEY****, sk-proj-A0B1"),
            ("Got gateway-key-1 and SESSIONVALUE77.", "Got $OPENAI_API_KEY and $OPENAI_API_KEY."),
            ("Bearer of a=1, é", "Bearer of a=1, é"),
            ("sk-proj-A0B1C2D3E4F5G6H7-team: é", "$OPENAI_API_KEY: é"),
        ] {
            assert_eq!(target.blackened(told), shown);
        }
        assert_eq!(
            target.without_secrets("sk-proj-A0B1C2D3, gateway-key-1"),
            "sk-proj-A0B1C2D3, $OPENAI_API_KEY"
        );
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
            ("/v1", "neither http:// nor https://"),
        ] {
            let error = Target::parse(given, None, Vec::new()).unwrap_err().to_string();
            assert!(error.contains(reason), "{given}: {error}");
        }
    }

    #[test]
    fn what_is_secret_in_a_base_url_is_not_told() {
        for (given, told) in [
            ("https://user:hush@host/v1", "https://…@host/v1"),
            ("user:hush@host/v1?api_key=hush", "…@host/v1…"),
            ("http://host/v1?api_key=hush@more", "http://…"),
            ("http://user:hu?sh@host/v1", "http://…"),
            ("http://host/v1#token=hush", "http://host/v1…"),
            ("ftp://host/@v1", "ftp://…@v1"),
        ] {
            let error = Target::parse(given, None, Vec::new()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{told}` is no base URL: ")), "{given}: {error}");
        }
    }
}
