//! How a client knows where the body of an answer ends: RFC 9112, section 6.3.
//!
//! Owns the choice between a length, chunks and the end of the connection, and the headers that tell it. It refuses to
//! know bodies.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

/// What of the request its answer's framing depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestTraits {
    version: Version,
    wants_close: bool,
    is_head: bool,
}

impl RequestTraits {
    pub(crate) fn of(head: &Parts) -> RequestTraits {
        let options = head.headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let wants_close = options
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case("close"));
        RequestTraits { version: head.version, wants_close, is_head: head.method == Method::HEAD }
    }

    /// Whether the client knows no chunks.
    pub(crate) fn is_http_1_0(self) -> bool {
        self.version == Version::HTTP_10
    }

    /// Whether no other request may follow.
    pub(crate) fn closes(self) -> bool {
        self.wants_close || self.is_http_1_0()
    }

    /// Whether an answer with this status has a body: RFC 9110, section 6.4.1.
    pub(crate) fn has_body(self, status: StatusCode) -> bool {
        !self.is_head && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
    }
}

/// How the body's end is known to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Length(u64),
    /// There is none, as [`RequestTraits::has_body`] has it.
    NoBody,
    /// Chunked coding.
    Chunked,
    /// The end of the connection.
    Close,
}

impl Framing {
    /// Of an answer whose body has this length, where it is known before.
    pub(crate) fn of(request: RequestTraits, status: StatusCode, length: Option<u64>) -> Framing {
        match length {
            _ if !request.has_body(status) => Framing::NoBody,
            Some(length) => Framing::Length(length),
            None if request.is_http_1_0() => Framing::Close,
            None => Framing::Chunked,
        }
    }

    /// Tells it in the head, whatever that said before.
    pub(crate) fn set_headers(self, status: StatusCode, headers: &mut HeaderMap) {
        // RFC 9110, section 8.6: a HEAD is told what a GET would have, and with 204 there is no length.
        if self != Framing::NoBody || status == StatusCode::NO_CONTENT {
            headers.remove(CONTENT_LENGTH);
        }
        match self {
            Framing::Length(length) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            Framing::Chunked => {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            Framing::NoBody | Framing::Close => {}
        }
    }
}
