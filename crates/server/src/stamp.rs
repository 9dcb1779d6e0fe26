//! What every answer carries, whoever writes it: the name of its request, and what lets a page in a browser read it.

use http::{HeaderMap, HeaderName, HeaderValue};
use interference_api_types::openai::identity::request_id;

use crate::cross_origin::Grant;

/// Names the request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// For one answer.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    request_id: String,
    grant: Grant,
}

impl Stamp {
    /// With a new name.
    pub(crate) fn new(grant: Grant) -> Stamp {
        Stamp { request_id: request_id(), grant }
    }

    /// The name of the request: `req_` and 32 hexadecimal digits.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Puts it on an answer. What a backend or a plan of faults said instead gives way.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        // Letters and digits: it cannot fail.
        if let Ok(value) = HeaderValue::try_from(self.request_id.as_str()) {
            headers.insert(REQUEST_ID, value);
        }
        self.grant.put_on(headers);
    }
}
