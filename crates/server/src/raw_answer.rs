//! Answers as bytes, where no HTTP library writes them.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::cross_origin::Grant;
use crate::error_response::Rejection;
use crate::meters::{ErrorCode, Meters};
use crate::observation::REQUEST_LOG;
use crate::stamp::Stamp;

/// What stands for the route of a request whose head cannot be read.
const UNREADABLE: &str = "unreadable";

/// Status line and headers.
pub(crate) fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let (code, reason) = (status.as_u16(), status.canonical_reason().unwrap_or_default());
    let mut head = format!("HTTP/1.1 {code} {reason}\r\n").into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The date that an answer has.
pub(crate) fn date() -> HeaderValue {
    // Letters, digits and spaces: it cannot fail.
    HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()))
        .unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// The whole answer to a request whose head cannot be read, after which the connection is closed. It is counted and
/// logged here, since nobody else sees the request.
pub(crate) fn refusal(rejection: Rejection, meters: &Meters) -> Bytes {
    let stamp = Stamp::new(Grant::default());
    let (mut parts, body) = rejection.into_response().into_parts();
    let body = body.into_whole();
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    parts.headers.insert(DATE, date());
    stamp.put_on(&mut parts.headers);
    meters.answered(UNREADABLE, parts.status);
    if let Some(code) = parts.extensions.get::<ErrorCode>() {
        meters.erred(*code);
    }
    tracing::info!(
        target: REQUEST_LOG,
        request_id = stamp.request_id(),
        status = parts.status.as_u16(),
        ended = "unreadable",
        bytes = body.len(),
        "request"
    );
    Bytes::from([head(parts.status, &parts.headers).as_slice(), &body].concat())
}
