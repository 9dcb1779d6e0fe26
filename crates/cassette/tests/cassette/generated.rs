//! Any cassette.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use interference_cassette::{
    Cassette, End, FailureKind, Outcome, Read, RecordedAnswer, RecordedFailure, RecordedRequest,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn time() -> impl Strategy<Value = Duration> {
    (0..100_000_000_u64).prop_map(Duration::from_micros)
}

/// JSON in any layout, other text, and bytes.
fn body() -> impl Strategy<Value = Bytes> {
    let json = prop_oneof![
        Just(r#"{"model":"m","n":1.50,"s":"\u00e9\/ ","s":null}"#.to_owned()),
        Just("{\n \"a\" : [ 1e3 , {} , [ ] ]\n}".to_owned()),
        Just("[]".to_owned()),
        Just("null".to_owned()),
        "[\\[\\]{}:,\"1 ]{0,12}",
        any::<String>(),
    ];
    prop_oneof![json.prop_map(Bytes::from), vec(any::<u8>(), 0..40).prop_map(Bytes::from)]
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let value = vec(prop_oneof![Just(b'\t'), 0x20..0x7f_u8, 0x80..=0xff_u8], 0..12);
    let pairs = vec(("x-[a-c]{1,2}", value), 0..5);
    pairs.prop_map(|pairs| {
        let pair = |(name, value): (String, Vec<u8>)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(&value).unwrap())
        };
        pairs.into_iter().map(pair).collect()
    })
}

fn request() -> impl Strategy<Value = RecordedRequest> {
    let method = prop_oneof![Just(Method::GET), Just(Method::POST), Just(Method::DELETE)];
    let parts = (method, "/\\PC{0,20}", option::of("\\PC{0,20}"), headers(), body());
    parts.prop_map(|(method, path, query, headers, body)| RecordedRequest {
        method,
        path,
        query,
        headers,
        body,
    })
}

fn answered() -> impl Strategy<Value = Outcome> {
    let reads = vec((time(), body()), 0..6);
    let end = prop::sample::select(End::ALL.to_vec());
    (200..600_u16, headers(), time(), reads, end, time()).prop_map(
        |(status, headers, mut head_at, reads, end, mut ended_at)| {
            let mut times: Vec<Duration> =
                reads.iter().map(|(at, _)| *at).chain([head_at, ended_at]).collect();
            times.sort();
            head_at = times[0];
            ended_at = times[times.len() - 1];
            let reads = reads.into_iter().zip(&times[1..]).map(|((_, bytes), at)| Read { at: *at, bytes });
            let status = StatusCode::from_u16(status).unwrap();
            Outcome::Answered(RecordedAnswer {
                status,
                headers,
                head_at,
                reads: reads.collect(),
                end,
                ended_at,
            })
        },
    )
}

fn failed() -> impl Strategy<Value = Outcome> {
    let kind = prop_oneof![
        Just(FailureKind::Broken),
        Just(FailureKind::TooSlow),
        any::<u64>().prop_map(|retry_after_seconds| FailureKind::NobodyLeft { retry_after_seconds }),
    ];
    (kind, any::<String>(), any::<String>(), time())
        .prop_map(|(kind, code, message, at)| Outcome::Failed(RecordedFailure { kind, code, message, at }))
}

pub(crate) fn cassette() -> impl Strategy<Value = Cassette> {
    let outcome = prop_oneof![3 => answered(), 1 => failed()];
    (0..253_402_300_799_000_u64, option::of(any::<String>()), request(), outcome).prop_map(
        |(recorded_ms, upstream, request, outcome)| Cassette {
            recorded_at: SystemTime::UNIX_EPOCH + Duration::from_millis(recorded_ms),
            upstream,
            request,
            outcome,
        },
    )
}
