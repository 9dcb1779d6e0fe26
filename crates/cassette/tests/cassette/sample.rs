//! A cassette that has something of everything.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use interference_cassette::{Cassette, End, Outcome, Read, RecordedAnswer, RecordedRequest};

pub(crate) fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &[u8])| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

pub(crate) fn read(at_us: u64, bytes: &'static [u8]) -> Read {
    Read { at: Duration::from_micros(at_us), bytes: bytes.into() }
}

/// A streamed chat that was reset in the middle of a character.
pub(crate) fn chat() -> Cassette {
    Cassette {
        recorded_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_764_136_605_042),
        upstream: Some("cloud".to_owned()),
        request: RecordedRequest {
            method: Method::POST,
            path: "/chat/completions".to_owned(),
            query: Some("trace=1".to_owned()),
            headers: headers(&[("authorization", b"Bearer sk-1234"), ("content-type", b"application/json")]),
            body: r#"{"model":"m","messages":[{"role":"user","content":"a \"tree\""}],"temperature":1.0}"#
                .into(),
        },
        outcome: Outcome::Answered(RecordedAnswer {
            status: StatusCode::OK,
            headers: headers(&[
                ("content-type", b"text/event-stream"),
                ("x-kept-apart", b"one"),
                ("x-kept-apart", b"two"),
                ("x-latin", b"caf\xe9"),
            ]),
            head_at: Duration::from_micros(10_500),
            reads: vec![
                read(10_500, b"data: {\"a\":\"\xe2\x80\xa6\"}\n\n"),
                read(1_012_345, b"data: \xe2\x80"),
            ],
            end: End::Reset,
            ended_at: Duration::from_micros(1_020_000),
        }),
    }
}
