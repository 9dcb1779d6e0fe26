//! The members of a cassette, as a file has them.
//!
//! A type for each form. What a type alone cannot tell, such as times that go backwards or bytes in two forms at once,
//! is checked while it is read, so that the mistake has a place.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::MOST_READS;
use crate::cassette::{
    Cassette, End, FailureKind, LONGEST_TIME, Outcome, Read, RecordedAnswer, RecordedFailure, RecordedRequest,
};
use crate::json_layout::compact;
use crate::writing::VERSION;

/// A whole file.
pub(super) struct Document(pub(super) Cassette);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentForm {
    #[serde(rename = "interference_cassette")]
    _version: Version,
    recorded_at: Timestamp,
    upstream: Option<String>,
    request: Object<RequestForm>,
    response: Option<Answer>,
    failure: Option<Failure>,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        let Object(form) = Object::<DocumentForm>::deserialize(deserializer)?;
        let outcome = match (form.response, form.failure) {
            (Some(Answer(answer)), None) => Outcome::Answered(answer),
            (None, Some(Failure(failure))) => Outcome::Failed(failure),
            _ => return Err(Error::custom("it takes either `response` or `failure`")),
        };
        let Object(RequestForm { method, path, query, headers, body }) = form.request;
        let request = RecordedRequest {
            method: method.0,
            path: path.0,
            query,
            headers: headers.0,
            body: body.map(|Body(bytes)| bytes).unwrap_or_default(),
        };
        let Timestamp(recorded_at) = form.recorded_at;
        Ok(Document(Cassette { recorded_at, upstream: form.upstream, request, outcome }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestForm {
    method: MethodName,
    path: RequestPath,
    query: Option<String>,
    headers: Headers,
    body: Option<Body>,
}

/// A response.
struct Answer(RecordedAnswer);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerForm {
    status: Status,
    head_at_ms: Milliseconds,
    headers: Headers,
    reads: Reads,
    end: EndName,
    ended_at_ms: Milliseconds,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Answer, D::Error> {
        let Object(form) = Object::<AnswerForm>::deserialize(deserializer)?;
        let (Milliseconds(head_at), Milliseconds(ended_at)) = (form.head_at_ms, form.ended_at_ms);
        let Reads(reads) = form.reads;
        let (first, last) =
            reads.first().zip(reads.last()).map_or((head_at, head_at), |(first, last)| (first.at, last.at));
        if first < head_at {
            return Err(Error::custom("times go backwards: the first of `reads` is before `head_at_ms`"));
        }
        if ended_at < last {
            return Err(Error::custom("times go backwards: `ended_at_ms` is before what comes ahead of it"));
        }
        let (Status(status), Headers(headers), EndName(end)) = (form.status, form.headers, form.end);
        Ok(Answer(RecordedAnswer { status, headers, head_at, reads, end, ended_at }))
    }
}

/// What there is in the place of a response.
struct Failure(RecordedFailure);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureForm {
    kind: String,
    code: String,
    message: String,
    at_ms: Milliseconds,
    retry_after_seconds: Option<u64>,
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Failure, D::Error> {
        let Object(form) = Object::<FailureForm>::deserialize(deserializer)?;
        let [broken, too_slow, nobody_left] = FailureKind::NAMES;
        let kind = match (form.kind.as_str(), form.retry_after_seconds) {
            (kind, None) if kind == broken => FailureKind::Broken,
            (kind, None) if kind == too_slow => FailureKind::TooSlow,
            (kind, Some(retry_after_seconds)) if kind == nobody_left => {
                FailureKind::NobodyLeft { retry_after_seconds }
            }
            (kind, _) if FailureKind::NAMES.contains(&kind) => {
                return Err(Error::custom(format!(
                    "`retry_after_seconds` belongs to a failure of kind `{nobody_left}`, and to no other"
                )));
            }
            (kind, _) => return Err(Error::unknown_variant(kind, &FailureKind::NAMES)),
        };
        let Milliseconds(at) = form.at_ms;
        Ok(Failure(RecordedFailure { kind, code: form.code, message: form.message, at }))
    }
}

/// The number of the version that is read.
struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        match u64::deserialize(deserializer)? {
            VERSION => Ok(Version),
            other => Err(Error::custom(format!("there is no version {other}, only {VERSION}"))),
        }
    }
}

/// A moment, as RFC 3339 has it, in UTC.
struct Timestamp(SystemTime);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map(Timestamp).map_err(|_| {
            Error::custom("it is no time of RFC 3339 in UTC, such as `2026-01-31T12:00:00.000Z`")
        })
    }
}

struct MethodName(Method);

impl<'de> Deserialize<'de> for MethodName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MethodName, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(MethodName).map_err(|_| Error::custom("it is no method of HTTP"))
    }
}

struct RequestPath(String);

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
struct Status(StatusCode);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
        let code = u16::deserialize(deserializer)?;
        match StatusCode::from_u16(code) {
            Ok(status) if !status.is_informational() => Ok(Status(status)),
            _ => Err(Error::custom("a status is a number from 200 to 999")),
        }
    }
}

struct EndName(End);

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
struct Milliseconds(Duration);

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
struct Base64(Bytes);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Base64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes =
            STANDARD.decode(text).map_err(|error| Error::custom(format!("it is no base64: {error}")))?;
        Ok(Base64(bytes.into()))
    }
}

/// The body of a request.
struct Body(Bytes);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyForm {
    json: Option<Box<RawValue>>,
    text: Option<String>,
    base64: Option<Base64>,
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
        let Object(form) = Object::<BodyForm>::deserialize(deserializer)?;
        match (form.json, form.text, form.base64) {
            (Some(json), None, None) => Ok(Body(compact(json.get()).into())),
            (Some(json), Some(text), None) if compact(json.get()) == compact(&text) => Ok(Body(text.into())),
            (Some(_), Some(_), None) => Err(Error::custom(
                "`json` and `text` say different things; whoever changes one leaves the other out",
            )),
            (None, Some(text), None) => Ok(Body(text.into())),
            (None, None, Some(Base64(bytes))) => Ok(Body(bytes)),
            _ => Err(Error::custom("a body is `json`, `text` or `base64`")),
        }
    }
}

/// A list of names and values.
struct Headers(HeaderMap);

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

/// The reads of an answer, in the order of their times.
struct Reads(Vec<Read>);

impl<'de> Deserialize<'de> for Reads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reads, D::Error> {
        struct ReadsVisitor;
        impl<'de> Visitor<'de> for ReadsVisitor {
            type Value = Reads;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of reads")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Reads, A::Error> {
                let mut reads = Vec::new();
                let mut not_before = Duration::ZERO;
                while let Some(read) = items.next_element_seed(ReadSeed { not_before })? {
                    if reads.len() == MOST_READS {
                        return Err(Error::custom(format!("there are more than {MOST_READS} reads")));
                    }
                    not_before = read.at;
                    reads.push(read);
                }
                Ok(Reads(reads))
            }
        }
        deserializer.deserialize_seq(ReadsVisitor)
    }
}

/// Reads a read that is not before another.
struct ReadSeed {
    not_before: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadForm {
    at_ms: Milliseconds,
    text: Option<String>,
    base64: Option<Base64>,
}

impl<'de> de::DeserializeSeed<'de> for ReadSeed {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        let Object(form) = Object::<ReadForm>::deserialize(deserializer)?;
        let Milliseconds(at) = form.at_ms;
        if at < self.not_before {
            return Err(Error::custom("times go backwards: it is before the read ahead of it"));
        }
        let bytes = match (form.text, form.base64) {
            (Some(text), None) => text.into(),
            (None, Some(Base64(bytes))) => bytes,
            _ => return Err(Error::custom("a read has either `text` or `base64`")),
        };
        Ok(Read { at, bytes })
    }
}

/// A structure from a JSON object alone. Serde's own take an array of the members' values, too, which nobody means.
struct Object<T>(T);

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
