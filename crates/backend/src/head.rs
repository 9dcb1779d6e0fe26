//! The head of an answer that somebody passes on, or plays again.
//!
//! Owns which headers concern a single connection, the length that a head promises, and whether events follow it. Refuses to know statuses, and who
//! sent the head to whom.

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What concerns a single connection, beside what `Connection` names. `Trailer` is among them since no trailers are
/// passed on, and the two about proxies since they are for the next one alone.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes the headers that concern a single connection: those that `Connection` names, and those that always do
/// (RFC 9110, section 7.6.1).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The length of a body, as its head tells it: one number (RFC 9110, section 8.6). None where it is told twice, or with
/// anything but digits.
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// Whether a body is said to be a stream of events; types have no case, and parameters may follow (RFC 9110, section
/// 8.3.1).
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_concerns_one_connection_is_removed_each_time_that_it_stands_there() {
        let mut headers = map(&[
            ("connection", "close, X-Hop ,no such name"),
            ("connection", "x-other"),
            ("x-hop", "1"),
            ("x-hop", "2"),
            ("x-other", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("x-kept", "4"),
        ]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("content-length", "5"), ("x-kept", "4")]));
    }

    #[test]
    fn a_length_is_one_number() {
        let table: [(&[&'static str], Option<u64>); 6] = [
            (&[], None),
            (&["12"], Some(12)),
            (&["+12"], None),
            (&[""], None),
            (&["12", "12"], None),
            (&["99999999999999999999"], None),
        ];
        for (values, length) in table {
            let lines: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            assert_eq!(content_length(&map(&lines)), length, "{values:?}");
        }
    }

    #[test]
    fn a_stream_of_events_is_known_by_its_type() {
        for stream in ["text/event-stream", "Text/Event-Stream ; charset=utf-8"] {
            assert!(is_event_stream(&map(&[("content-type", stream)])), "{stream}");
        }
        for other in ["", "text/event-streams", "application/json", "text/plain; text/event-stream"] {
            assert!(!is_event_stream(&map(&[("content-type", other)])), "{other}");
        }
        assert!(!is_event_stream(&map(&[])));
    }
}
