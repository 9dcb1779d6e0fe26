//! Which headers pass from a client to an upstream, and back.
//!
//! Owns both lists, and the rule about keys. It refuses to know what any header means for the request.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, ORIGIN, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use interference_backend::{UPSTREAM_HEADER, remove_hop_by_hop};

use crate::coding::Coding;
use crate::upstream::KeySource;

/// Names the upstreams whose models are missing in a list, separated by commas.
pub const FAILED_HEADER: HeaderName = HeaderName::from_static("x-interference-upstreams-failed");

/// An answer's name as its upstream gave it: `x-request-id` is the name that this server gives.
pub const UPSTREAM_REQUEST_ID_HEADER: HeaderName =
    HeaderName::from_static("x-interference-upstream-request-id");

/// In which a server names a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Asks this server for faults; it is not meant for others.
const FAULTS: HeaderName = HeaderName::from_static("x-interference");

/// What the names of headers have in them in which clients send their keys: that of the API, and those of its many hosts.
const KEYS: [&str; 7] =
    ["authorization", "api-key", "api_key", "apikey", "subscription-key", "secret", "token"];

/// Which key an upstream sees.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    /// This one, as the value of `Authorization`.
    Own(HeaderValue),
    /// The client's, if it has one.
    Clients,
    /// None.
    None,
}

impl Key {
    /// Whose it is.
    pub(crate) fn source(&self) -> KeySource {
        match self {
            Key::Own(_) => KeySource::Upstream,
            Key::Clients => KeySource::Client,
            Key::None => KeySource::Nobody,
        }
    }
}

/// What an upstream gets of a request's headers. `Host` and the body's length are not among them, nor are cookies: a
/// browser sends those of one port to all ports of a host. Nor is the page's origin: whether it may ask has been decided.
pub(crate) fn for_upstream(client: &HeaderMap, key: &Key) -> HeaderMap {
    let mut headers = client.clone();
    remove_hop_by_hop(&mut headers);
    for name in [HOST, CONTENT_LENGTH, EXPECT, COOKIE, ORIGIN, FAULTS] {
        headers.remove(name);
    }
    if !matches!(key, Key::Clients) {
        let keys: Vec<HeaderName> = headers.keys().filter(|name| is_key(name)).cloned().collect();
        keys.into_iter().for_each(|name| drop(headers.remove(name)));
    }
    if let Key::Own(value) = key {
        headers.insert(AUTHORIZATION, value.clone());
    }
    headers
}

/// Takes out of the codings that a client accepts (RFC 9110 section 12.5.3) those that no answer can be looked through in;
/// `identity` is always left. A client that names none gets none.
pub(crate) fn accept_only_what_is_seen_through(headers: &mut HeaderMap) {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let is_left = |coding: &&&str| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        // What is refused may be refused.
        Coding::named(name).is_some() || matches!(weight_of(weight), Some(weight) if weight <= 0.0)
    };
    let left: Vec<&str> = codings.iter().filter(is_left).copied().collect();
    if left.len() == codings.len() {
        return;
    }
    let accepted = if left.is_empty() { "identity".to_owned() } else { left.join(", ") };
    if let Ok(accepted) = HeaderValue::from_str(&accepted) {
        headers.insert(ACCEPT_ENCODING, accepted);
    }
}

/// The weight in `q=0.5`.
fn weight_of(parameter: &str) -> Option<f32> {
    let (name, weight) = parameter.split_once('=')?;
    if name.trim().eq_ignore_ascii_case("q") { weight.trim().parse().ok() } else { None }
}

/// What a client gets of an answer's headers.
pub(crate) fn for_client(mut headers: HeaderMap, upstream: &HeaderValue) -> HeaderMap {
    // Beside a transfer coding, a length is wrong (RFC 9112 section 6.3).
    let is_coded = headers.contains_key(TRANSFER_ENCODING);
    remove_hop_by_hop(&mut headers);
    if is_coded {
        headers.remove(CONTENT_LENGTH);
    }
    if let Some(name) = headers.remove(REQUEST_ID) {
        headers.insert(UPSTREAM_REQUEST_ID_HEADER, name);
    }
    headers.insert(UPSTREAM_HEADER, upstream.clone());
    headers
}

fn is_key(name: &HeaderName) -> bool {
    KEYS.into_iter().any(|word| name.as_str().contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let parsed =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        lines.iter().map(parsed).collect()
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    const REQUEST: [(&str, &str); 17] = [
        ("accept-encoding", "br"),
        ("authorization", "Bearer client"),
        ("x-api-key", "client"),
        ("x-goog-api-key", "client"),
        ("ocp-apim-subscription-key", "client"),
        ("x-auth-token", "client"),
        ("cookie", "session=1"),
        ("origin", "https://app.example"),
        ("idempotency-key", "once"),
        ("connection", "close, X-Hop"),
        ("connection", "keep-alive"),
        ("x-hop", "1"),
        ("host", "here"),
        ("content-length", "5"),
        ("expect", "100-continue"),
        ("x-interference", "seed=1"),
        ("openai-organization", "org"),
    ];

    #[test]
    fn requests_lose_what_is_not_for_the_upstream() {
        let passed = ["accept-encoding: br", "idempotency-key: once", "openai-organization: org"];
        assert_eq!(shown(&for_upstream(&map(&REQUEST), &Key::None)), passed);
        let own = Key::Own(HeaderValue::from_static("Bearer own"));
        let with_key = [
            "accept-encoding: br",
            "authorization: Bearer own",
            "idempotency-key: once",
            "openai-organization: org",
        ];
        assert_eq!(shown(&for_upstream(&map(&REQUEST), &own)), with_key);
        let with_keys = [
            "accept-encoding: br",
            "authorization: Bearer client",
            "idempotency-key: once",
            "ocp-apim-subscription-key: client",
            "openai-organization: org",
            "x-api-key: client",
            "x-auth-token: client",
            "x-goog-api-key: client",
        ];
        assert_eq!(shown(&for_upstream(&map(&REQUEST), &Key::Clients)), with_keys);
    }

    #[test]
    fn codings_that_hide_an_id_are_not_accepted() {
        for (accepted, left) in [
            ("gzip, deflate, br, zstd", "gzip, deflate"),
            ("br;q=1.0, GZIP;q=0.8, *;q=0.1", "GZIP;q=0.8"),
            ("gzip;q=1.0,identity; q=0.5,*;q=0", "gzip;q=1.0,identity; q=0.5,*;q=0"),
            ("br; q=0.0, zstd", "br; q=0.0"),
            ("x-gzip", "x-gzip"),
            ("br", "identity"),
            ("*", "identity"),
            ("", ""),
        ] {
            let mut headers = map(&[("accept-encoding", accepted)]);
            accept_only_what_is_seen_through(&mut headers);
            assert_eq!(shown(&headers), [format!("accept-encoding: {left}")], "{accepted}");
        }
        let mut headers = map(&[("accept-encoding", "br"), ("accept-encoding", "gzip")]);
        accept_only_what_is_seen_through(&mut headers);
        assert_eq!(shown(&headers), ["accept-encoding: gzip"]);
        let mut headers = HeaderMap::new();
        accept_only_what_is_seen_through(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn answers_keep_all_that_is_the_bodys() {
        let name = HeaderValue::from_static("a");
        let answer = [
            ("content-type", "application/json"),
            ("content-length", "5"),
            ("keep-alive", "timeout=5"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
            ("x-request-id", "req_1"),
        ];
        let passed = [
            "content-length: 5",
            "content-type: application/json",
            "set-cookie: a",
            "set-cookie: b",
            "x-interference-upstream-request-id: req_1",
            "x-interference-upstream: a",
        ];
        assert_eq!(shown(&for_client(map(&answer), &name)), passed);
        let events = [("content-type", "Text/Event-Stream; charset=utf-8"), ("content-length", "5")];
        let passed = [
            "content-length: 5",
            "content-type: Text/Event-Stream; charset=utf-8",
            "x-interference-upstream: a",
        ];
        assert_eq!(shown(&for_client(map(&events), &name)), passed);
        let coded = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert_eq!(shown(&for_client(map(&coded), &name)), ["x-interference-upstream: a"]);
    }
}
