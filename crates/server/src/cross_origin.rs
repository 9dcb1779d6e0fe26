//! Which pages in browsers may use the server: cross-origin resource sharing, as the Fetch standard (section 3.2) has it.
//!
//! Owns the origins that were allowed, the headers that let a page read an answer, and the answer to a browser that asks
//! before it sends. It refuses to know keys and hosts: a page that is allowed needs a key like everyone else.

use std::str::FromStr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::answer_body::{AnswerBody, Response};

/// The headers of an answer that a page may read, beside those that it may always read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, retry-after, retry-after-ms, x-interference-applied, x-interference-ignored, \
     x-interference-rule, x-interference-seed, x-interference-upstream, x-interference-upstream-request-id, \
     x-interference-upstreams-failed",
);

/// How long a browser may remember that it may send, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// On what an answer to a browser that asks before it sends depends.
const VARIES_BEFORE: HeaderValue = HeaderValue::from_static("origin, access-control-request-headers");

/// An origin whose pages may use the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// Any.
    Any,
    /// This one, as browsers write it: `scheme://host`, with a port where it is not the scheme's own; or `null`, which
    /// is what pages say that were opened from a file.
    One(HeaderValue),
}

/// The text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an origin: expected SCHEME://HOST[:PORT] in lower case and without a path, such as \
     http://localhost:3000, or `null`, or `*` for any"
)]
pub struct ParseOriginError {
    text: String,
}

impl FromStr for AllowedOrigin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<AllowedOrigin, ParseOriginError> {
        if text == "*" {
            return Ok(AllowedOrigin::Any);
        }
        // Origins are compared as they are written, so they must be written as browsers write them.
        let host = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).map(|(_, host)| host);
        let is_origin = text == "null"
            || host.is_some_and(|host| {
                text.is_ascii()
                    && !host.is_empty()
                    && !host.contains(['/', '?', '#', '@', '*', ' ', ','])
                    && !text.contains(char::is_uppercase)
            });
        let value = is_origin.then(|| HeaderValue::from_str(text).ok()).flatten();
        value.map(AllowedOrigin::One).ok_or_else(|| ParseOriginError { text: text.to_owned() })
    }
}

/// The origins that were allowed; by default none.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrossOrigin(Vec<AllowedOrigin>);

/// What lets the page read the answer to its request: nothing where none asked or sharing is closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grant {
    origin: Option<HeaderValue>,
    /// Whether another page would get another answer.
    varies: bool,
}

impl CrossOrigin {
    pub(crate) fn new(allowed: Vec<AllowedOrigin>) -> CrossOrigin {
        CrossOrigin(allowed)
    }

    /// Whether pages of this origin may use the server.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        self.allows_any()
            || self.0.iter().any(|allowed| matches!(allowed, AllowedOrigin::One(one) if one == origin))
    }

    /// What is granted to the page that sends a request with these headers.
    pub(crate) fn grant(&self, headers: &HeaderMap) -> Grant {
        if self.0.is_empty() {
            return Grant::default();
        }
        let origin = headers.get(ORIGIN).filter(|origin| self.allows(origin));
        let origin = origin
            .map(|origin| if self.allows_any() { HeaderValue::from_static("*") } else { origin.clone() });
        Grant { origin, varies: !self.allows_any() }
    }

    /// The answer to a browser that asks whether a page may send a request, with the methods that there are; none
    /// where the request is no such question of a page that is allowed.
    pub(crate) fn before_sending(&self, head: &Parts, methods: &str) -> Option<Response> {
        let asks = head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || !head.headers.get(ORIGIN).is_some_and(|origin| self.allows(origin)) {
            return None;
        }
        let mut response = Response::new(AnswerBody::whole(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(methods).ok()?);
        // Whatever the page wants to send: clients of the API have headers of their own by the dozen, and `*` would
        // not stand for `authorization`.
        if let Some(wanted) = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        headers.insert(VARY, VARIES_BEFORE);
        Some(response)
    }

    fn allows_any(&self) -> bool {
        self.0.contains(&AllowedOrigin::Any)
    }
}

impl Grant {
    /// Puts it into the headers of the answer.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        if self.varies && !headers.get_all(VARY).iter().any(names_origin) {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            // Beside what an upstream lets pages read.
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// Whether an answer that varies so depends on who asks.
fn names_origin(varies: &HeaderValue) -> bool {
    varies
        .as_bytes()
        .split(|byte| *byte == b',')
        .any(|name| name.trim_ascii().eq_ignore_ascii_case(b"origin"))
}

/// Takes out what somebody else would let pages in browsers do: who may use this server, this server says.
pub(crate) fn take_out(headers: &mut HeaderMap) {
    let of_sharing = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    let names: Vec<HeaderName> = headers.keys().filter(of_sharing).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_read_as_browsers_write_them() {
        assert_eq!("*".parse(), Ok(AllowedOrigin::Any));
        for text in [
            "http://localhost:3000",
            "https://app.example",
            "null",
            "http://[::1]:80",
            "chrome-extension://abc",
        ] {
            assert_eq!(text.parse(), Ok(AllowedOrigin::One(HeaderValue::from_static(text))), "{text}");
        }
        for text in [
            "",
            "localhost:3000",
            "http://",
            "http://a/",
            "HTTP://a",
            "http://A",
            "http://*.a",
            "http://a, http://b",
            "://a",
            "http://ä",
        ] {
            assert!(text.parse::<AllowedOrigin>().is_err(), "{text}");
        }
    }

    fn granted(allowed: &[&str], origin: Option<&'static str>) -> (Option<HeaderValue>, Option<HeaderValue>) {
        let cross_origin = CrossOrigin::new(allowed.iter().map(|text| text.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        headers.extend(origin.map(|origin| (ORIGIN, HeaderValue::from_static(origin))));
        let mut of_answer = HeaderMap::new();
        cross_origin.grant(&headers).put_on(&mut of_answer);
        (of_answer.remove(ACCESS_CONTROL_ALLOW_ORIGIN), of_answer.remove(VARY))
    }

    #[test]
    fn only_an_allowed_page_may_read_and_caches_are_told() {
        let (page, vary) = (HeaderValue::from_static("http://a"), HeaderValue::from_static("origin"));
        assert_eq!(granted(&[], Some("http://a")), (None, None));
        assert_eq!(granted(&["http://a", "http://b"], Some("http://a")), (Some(page), Some(vary.clone())));
        assert_eq!(granted(&["http://a"], Some("http://c")), (None, Some(vary.clone())));
        assert_eq!(granted(&["http://a"], None), (None, Some(vary)));
        assert_eq!(granted(&["*"], Some("http://c")), (Some(HeaderValue::from_static("*")), None));
    }
}
