//! Which headers pass from a client to an upstream, and back.
//!
//! Owns both lists, and the rule about keys. It refuses to know what any header means for the request.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use interference_backend::{UPSTREAM_HEADER, remove_hop_by_hop};

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
/// browser sends those of one port to all ports of a host.
pub(crate) fn for_upstream(client: &HeaderMap, key: &Key) -> HeaderMap {
    let mut headers = client.clone();
    remove_hop_by_hop(&mut headers);
    for name in [HOST, CONTENT_LENGTH, EXPECT, COOKIE, FAULTS] {
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

    const REQUEST: [(&str, &str); 16] = [
        ("accept-encoding", "br"),
        ("authorization", "Bearer client"),
        ("x-api-key", "client"),
        ("x-goog-api-key", "client"),
        ("ocp-apim-subscription-key", "client"),
        ("x-auth-token", "client"),
        ("cookie", "session=1"),
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
