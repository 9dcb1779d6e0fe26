//! Reads a request's body within its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::error_response::Rejection;
use crate::limits::Limits;

/// How long a client whose request is refused may be silent inside its body before it is answered all the same.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);

/// The type of a body that is JSON.
const JSON: &str = "application/json";

/// Reads a body that must be JSON, so far as its headers tell. A body that does not say what it is may be.
pub(crate) async fn read_json(
    headers: &HeaderMap,
    body: Incoming,
    limits: &Limits,
) -> Result<Bytes, Rejection> {
    if let Some(rejection) = not_json(headers) {
        discard_refused(headers, body, limits).await;
        return Err(rejection);
    }
    read_any(headers, body, limits).await
}

/// Why a body is not read as JSON, so far as its headers tell.
fn not_json(headers: &HeaderMap) -> Option<Rejection> {
    // Nearly all say just this.
    if let Some(content_type) = headers.get(CONTENT_TYPE).filter(|content_type| *content_type != JSON) {
        let content_type = String::from_utf8_lossy(content_type.as_bytes());
        if !is_json(&content_type) {
            return Some(Rejection::NotJson { content_type: content_type.into_owned() });
        }
    }
    let encoding = headers.get(CONTENT_ENCODING).filter(|encoding| !is_identity(encoding))?;
    let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
    Some(Rejection::Encoded { header: "Content-Encoding", encoding })
}

/// Reads a body, whatever it is.
pub(crate) async fn read_any(
    headers: &HeaderMap,
    body: Incoming,
    limits: &Limits,
) -> Result<Bytes, Rejection> {
    if let Some(encoding) = headers.get(TRANSFER_ENCODING).filter(|encoding| !is_chunked(encoding)) {
        let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
        discard_refused(headers, body, limits).await;
        return Err(Rejection::Encoded { header: "Transfer-Encoding", encoding });
    }
    // Most requests of most methods have none, and a limit in time costs something.
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let too_large = Rejection::BodyTooLarge { limit: limits.body_bytes };
    // A client that waits for a go-ahead has not sent anything that would have to be thrown away.
    if headers.contains_key(EXPECT) && body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large);
    }
    timeout(limits.body_time, read(body, limits)).await.map_err(|_elapsed| Rejection::BodyTooSlow)?
}

async fn read(mut body: Incoming, limits: &Limits) -> Result<Bytes, Rejection> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_broken| Rejection::BodyBroken)?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limits.body_bytes {
            drop(bytes);
            discard(body, limits.discarded_bytes).await;
            return Err(Rejection::BodyTooLarge { limit: limits.body_bytes });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Reads the body of a request that is refused for another reason, within the bounds of one that is too large. A client
/// that waits for a go-ahead gets its answer instead.
pub(crate) async fn discard_refused(headers: &HeaderMap, body: Incoming, limits: &Limits) {
    if !body.is_end_stream() && !headers.contains_key(EXPECT) {
        // Whoever takes longer is answered all the same.
        let _late = timeout(limits.body_time, discard(body, limits.discarded_bytes)).await;
    }
}

/// Reads on without keeping anything, until there is silence. Who closes a connection with bytes unread resets it, and the
/// client loses the answer that tells what is wrong.
async fn discard(mut body: Incoming, most: usize) {
    let mut discarded = 0;
    while discarded < most {
        match timeout(LONGEST_SILENCE, body.frame()).await {
            Ok(Some(Ok(frame))) => discarded += frame.data_ref().map_or(0, Bytes::len),
            Ok(Some(Err(_)) | None) | Err(_) => return,
        }
    }
}

/// Whether a body is sent in chunks and not encoded besides.
fn is_chunked(encoding: &HeaderValue) -> bool {
    encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")
}

/// Whether a content coding is none. RFC 9110, section 8.4.1: names of codings have no case.
pub(crate) fn is_identity(encoding: &HeaderValue) -> bool {
    encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")
}

/// Whether a body of this type is JSON, and in UTF-8 as far as it says so: JSON that travels has no other encoding (RFC
/// 8259, section 8.1).
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim_end().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    let is_json = essence == JSON || (essence.starts_with("application/") && essence.ends_with("+json"));
    is_json && is_utf8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_encoded_is_taken() {
        for (encoding, is_taken) in [("identity", true), (" Identity ", true), ("gzip", false), ("", false)] {
            assert_eq!(is_identity(&HeaderValue::from_static(encoding)), is_taken, "{encoding}");
        }
    }

    #[test]
    fn chunks_are_not_encoded_besides() {
        for (encoding, is_taken) in [("chunked", true), (" Chunked", true), ("gzip, chunked", false)] {
            assert_eq!(is_chunked(&HeaderValue::from_static(encoding)), is_taken, "{encoding}");
        }
    }

    #[test]
    fn json_is_known_by_its_type() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;a=b; Charset=\"UTF-8\"",
            "application/problem+json",
            "application/json;",
        ] {
            assert!(is_json(json), "{json}");
        }
        for encoded in ["application/json; charset=iso-8859-1", "application/json;charset=\"utf-16\""] {
            assert!(!is_json(encoded), "{encoded}");
        }
        for other in
            ["", "text/plain", "application/x-www-form-urlencoded", "text/json", "multipart/form-data"]
        {
            assert!(!is_json(other), "{other}");
        }
    }
}
