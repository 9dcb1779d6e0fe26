//! A request on its way out.
//!
//! Owns how a client's request becomes that of an upstream: same method, same query, same bytes, other headers. It
//! refuses to know who gets it.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderValue, Method};
use interference_backend::Refusal;
use percent_encoding::percent_decode_str;

use crate::fleet::Member;
use crate::headers::for_upstream;
use crate::via::{Passed, Pseudonym};

/// A request, without what differs from one upstream to another.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// Behind the base URL.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    /// As the client sent them.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Outgoing {
    /// Asks for the list of models, in a form that can be read here, and for no client in particular; but it tells what the
    /// request has passed for which it is asked, so that a relay knows its own question when it comes back.
    pub(crate) fn models(passed: &Passed) -> Outgoing {
        let mut headers = passed.headers();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Outgoing { method: Method::GET, path: "/models".to_owned(), query: None, headers, body: Bytes::new() }
    }

    /// The request that this upstream gets. The connection adds the length of the body.
    ///
    /// # Errors
    /// The path is longer than a URL may be, or leads out of the base URL, for which alone the upstream's key is meant.
    pub(crate) fn request_to(
        &self,
        member: &Member,
        pseudonym: &Pseudonym,
    ) -> Result<http::Request<Bytes>, Refusal> {
        let refused = |problem: &dyn std::fmt::Display| Refusal::InvalidRequest {
            message: format!("The path of the request cannot be passed on: {problem}."),
            param: None,
            code: Some("invalid_path"),
        };
        if has_dot_segment(&self.path) {
            return Err(refused(&"it has a segment `.` or `..`; name the place itself"));
        }
        let mut request = http::Request::new(self.body.clone());
        let path = member.target.path_with_query(&self.path, self.query.as_deref());
        // An origin has no empty path (RFC 9112 section 3.2.1).
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        *request.uri_mut() = path.parse().map_err(|error: InvalidUri| refused(&error))?;
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = for_upstream(&self.headers, &member.key);
        pseudonym.add_to(request.headers_mut());
        let host = HeaderValue::from_str(member.target.authority());
        request
            .headers_mut()
            .insert(HOST, host.map_err(|error| Refusal::Internal { message: error.to_string() })?);
        Ok(request)
    }
}

/// Whether a segment of a path means a place relative to it (RFC 3986 section 3.3), however it is spelled: some servers
/// decode a path before they split it, and some take `\` for `/`.
fn has_dot_segment(path: &str) -> bool {
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
    segments.any(|segment| matches!(segment, b"." | b".."))
}
