//! A request on its way out.
//!
//! Owns how a client's request becomes that of an upstream: same method, same query, same bytes, other headers. It
//! refuses to know who gets it.

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE,
};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::Full;
use interference_backend::Refusal;
use percent_encoding::percent_decode_str;

use crate::fleet::Member;
use crate::headers::for_upstream;

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
    /// Asks for the list of models, with the headers of a client, in a form that can be read here.
    pub(crate) fn models(client: &HeaderMap, query: Option<String>) -> Outgoing {
        let mut headers = client.clone();
        // What describes another body, or asks for less than a whole list.
        for name in [CONTENT_TYPE, CONTENT_ENCODING, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE] {
            headers.remove(name);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Outgoing { method: Method::GET, path: "/models".to_owned(), query, headers, body: Bytes::new() }
    }

    /// The request that this upstream gets. The HTTP library adds the length of the body.
    ///
    /// # Errors
    /// The path is longer than a URL may be, or leads out of the base URL, for which alone the upstream's key is meant.
    pub(crate) fn request_to(&self, member: &Member) -> Result<http::Request<Full<Bytes>>, Refusal> {
        let refused = |problem: &dyn std::fmt::Display| Refusal::InvalidRequest {
            message: format!("The path of the request cannot be passed on: {problem}."),
            param: None,
            code: Some("invalid_path"),
        };
        if self.path.split('/').any(is_dot_segment) {
            return Err(refused(&"it has a segment `.` or `..`; name the place itself"));
        }
        let mut request = http::Request::new(Full::new(self.body.clone()));
        let path = member.target.path_with_query(&self.path, self.query.as_deref());
        *request.uri_mut() = path.parse().map_err(|error: InvalidUri| refused(&error))?;
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = for_upstream(&self.headers, &member.key);
        let host = HeaderValue::from_str(member.target.authority());
        request
            .headers_mut()
            .insert(HOST, host.map_err(|error| Refusal::Internal { message: error.to_string() })?);
        Ok(request)
    }
}

/// Whether a segment of a path means a place relative to it (RFC 3986 section 3.3), however it is spelled.
fn is_dot_segment(segment: &str) -> bool {
    percent_decode_str(segment).eq(*b".") || percent_decode_str(segment).eq(*b"..")
}
