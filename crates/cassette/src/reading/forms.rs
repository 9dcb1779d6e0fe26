//! The objects of a cassette, as a file has them.
//!
//! A type for each. What a type alone cannot tell, such as times that go backwards or bytes in two forms at once, is
//! checked while it is read, so that the mistake has a place.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::MOST_READS;
use super::values::{
    Base64, EndName, Headers, MethodName, Milliseconds, Object, RequestPath, Status, Timestamp, Version,
};
use crate::cassette::{
    Cassette, FailureKind, Outcome, Read, RecordedAnswer, RecordedFailure, RecordedRequest,
};
use crate::json_layout::compact;

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
