//! The single values of a cassette, as a file has them.
//!
//! A type for each: what it takes, and what is told of anything else.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::cassette::{End, LONGEST_TIME};
use crate::writing::VERSION;

/// The number of the version that is read.
pub(super) struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        match u64::deserialize(deserializer)? {
            VERSION => Ok(Version),
            other => Err(Error::custom(format!("there is no version {other}, only {VERSION}"))),
        }
    }
}

/// A moment, as RFC 3339 has it, in UTC; to the millisecond, which is all that is written.
pub(super) struct Timestamp(pub(super) SystemTime);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = humantime::parse_rfc3339(&text).map_err(|_| {
            Error::custom("it is no time of RFC 3339 in UTC, such as `2026-01-31T12:00:00.000Z`")
        })?;
        // What is parsed lies after 1970.
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Timestamp(time - Duration::from_nanos(u64::from(since_epoch.subsec_nanos() % 1_000_000))))
    }
}

pub(super) struct MethodName(pub(super) Method);

impl<'de> Deserialize<'de> for MethodName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MethodName, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(MethodName).map_err(|_| Error::custom("it is no method of HTTP"))
    }
}

pub(super) struct RequestPath(pub(super) String);

impl<'de> Deserialize<'de> for RequestPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RequestPath, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with('/') {
            return Ok(RequestPath(text));
        }
        Err(Error::custom("a path begins with `/`"))
    }
}

/// The status of a final answer.
pub(super) struct Status(pub(super) StatusCode);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
        let code = u16::deserialize(deserializer)?;
        match StatusCode::from_u16(code) {
            Ok(status) if !status.is_informational() => Ok(Status(status)),
            _ => Err(Error::custom("a status is a number from 200 to 999")),
        }
    }
}

pub(super) struct EndName(pub(super) End);

impl<'de> Deserialize<'de> for EndName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EndName, D::Error> {
        const NAMES: [&str; End::ALL.len()] = [
            End::ALL[0].name(),
            End::ALL[1].name(),
            End::ALL[2].name(),
            End::ALL[3].name(),
            End::ALL[4].name(),
        ];
        let text = String::deserialize(deserializer)?;
        let end = End::ALL.into_iter().find(|end| end.name() == text);
        end.map(EndName).ok_or_else(|| Error::unknown_variant(&text, &NAMES))
    }
}

/// A time, in milliseconds with a fraction.
pub(super) struct Milliseconds(pub(super) Duration);

impl<'de> Deserialize<'de> for Milliseconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Milliseconds, D::Error> {
        let milliseconds = f64::deserialize(deserializer)?;
        let longest = LONGEST_TIME.as_secs_f64() * 1_000.0;
        if !(0.0..=longest).contains(&milliseconds) {
            return Err(Error::custom(format!("a time is a number of milliseconds from 0 to {longest}")));
        }
        // Exact: a year has fewer microseconds than a double has whole numbers.
        Ok(Milliseconds(Duration::from_micros((milliseconds * 1_000.0).round() as u64)))
    }
}

/// Bytes that are no text.
pub(super) struct Base64(pub(super) Bytes);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Base64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes =
            STANDARD.decode(text).map_err(|error| Error::custom(format!("it is no base64: {error}")))?;
        Ok(Base64(bytes.into()))
    }
}

/// A list of names and values.
pub(super) struct Headers(pub(super) HeaderMap);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
        struct HeadersVisitor;
        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of pairs such as `[\"content-type\", \"application/json\"]`")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Headers, A::Error> {
                let mut headers = HeaderMap::new();
                while let Some((HeaderText(name), HeaderBytes(value))) = pairs.next_element()? {
                    if headers.try_append(name, value).is_err() {
                        return Err(Error::custom("there are too many headers"));
                    }
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_seq(HeadersVisitor)
    }
}

struct HeaderText(HeaderName);

impl<'de> Deserialize<'de> for HeaderText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HeaderText, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(HeaderText).map_err(|_| Error::custom("it is no name of a header"))
    }
}

/// The value of a header: a text, or an object with `base64`.
struct HeaderBytes(HeaderValue);

impl<'de> Deserialize<'de> for HeaderBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HeaderBytes, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct NoText {
            base64: Base64,
        }
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Bytes;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text, or an object with `base64`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes::copy_from_slice(text.as_bytes()))
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Bytes, A::Error> {
                NoText::deserialize(MapAccessDeserializer::new(members)).map(|form| form.base64.0)
            }
        }
        let bytes = deserializer.deserialize_any(HeaderVisitor)?;
        let value = HeaderValue::from_maybe_shared(bytes);
        value.map(HeaderBytes).map_err(|_| Error::custom("a header cannot have this value"))
    }
}

/// A structure from a JSON object alone. Serde's own take an array of the members' values, too, which nobody means.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}
