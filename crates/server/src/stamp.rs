//! What every answer carries, whoever writes it: the name of its request, and what lets a page in a browser read it.

use http::{HeaderMap, HeaderName, HeaderValue};
use interference_api_types::openai::identity::request_id;

use crate::cross_origin::Grant;

/// Names the request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// For one answer.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    request_id: HeaderValue,
    grant: Grant,
}

impl Stamp {
    /// With a new name.
    pub(crate) fn new(grant: Grant) -> Stamp {
        // Letters and digits: it cannot fail.
        let request_id = HeaderValue::try_from(request_id()).unwrap_or(HeaderValue::from_static("req_"));
        Stamp { request_id, grant }
    }

    /// The name of the request: `req_` and 32 hexadecimal digits.
    pub(crate) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// The same, as the value of a header: whoever keeps it shares its memory.
    pub(crate) fn shared_request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    /// Puts it on an answer. What a backend or a plan of faults said instead gives way.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.request_id.clone());
        self.grant.put_on(headers);
    }
}
