//! What goes wrong before the first byte of an answer: its status, its headers, and bodies that take its place.
//!
//! Plain data, and the bytes that it comes to. Whoever answers puts it into a head; how a head is written is not known
//! here.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;

use httpdate::fmt_http_date;

/// The message of an error envelope unless the plan has one.
pub(crate) const DEFAULT_MESSAGE: &str = "This error is injected.";

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Bad Gateway</title></head>\
    <body><h1>Bad Gateway</h1><p>This page is injected.</p></body></html>\n";

const JSON_TYPE: &str = "application/json";
const PAGE_TYPE: &str = "text/html; charset=utf-8";

/// Statuses whose answers have no body (RFC 9110 §15.3.5 and §15.4.5).
pub(crate) const STATUSES_WITHOUT_BODY: [u16; 2] = [204, 304];

/// Faults in the head of an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HttpFaults {
    /// Takes the place of the status, and with a body of its own of the answer. From 200 to 599.
    pub status: Option<u16>,
    /// A header that asks for patience.
    pub retry_after: Option<RetryAfter>,
    /// Takes the place of the content type. Printable ASCII.
    pub content_type: Option<String>,
    /// Takes the place of the body.
    pub body: Option<SubstituteBody>,
    /// Silence before the first byte of the head.
    pub slow_head: Option<Duration>,
    /// The body goes out in gzip, and the head must say `content-encoding: gzip`. The pipeline compresses it.
    pub gzip: bool,
    /// The message of the error envelope.
    pub message: Option<String>,
}

/// A body in place of the answer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubstituteBody {
    /// A page, as proxies send them.
    Html,
    /// No byte.
    Empty,
    /// An error envelope, whatever the status.
    Error,
}

/// How long to wait before the next request, and how that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// How long.
    pub wait: Duration,
    /// In which form.
    pub form: RetryAfterForm,
}

/// The forms of [`RetryAfter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetryAfterForm {
    /// `retry-after` with whole seconds, rounded up (RFC 9110 §10.2.3).
    #[default]
    Seconds,
    /// `retry-after` with a date (RFC 9110 §10.2.3).
    Date,
    /// `retry-after-ms`, which some servers of this API send and some clients read.
    Milliseconds,
}

/// A Content-Length that does not fit the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthFault {
    /// So many bytes more are declared than are sent; the connection then closes.
    More(u64),
    /// So many bytes fewer are declared than are sent, but at least 0.
    Fewer(u64),
}

impl HttpFaults {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == HttpFaults::default()
    }

    /// The content type and the body that take the answer's place, if the status or the body of the plan does that.
    ///
    /// A status without a body of its own comes with an error envelope, or with nothing where it allows no body.
    pub fn substitute(&self) -> Option<(&str, Bytes)> {
        let (content_type, body) = match self.substitute_body()? {
            SubstituteBody::Html => (PAGE_TYPE, Bytes::from_static(PAGE.as_bytes())),
            SubstituteBody::Empty => (JSON_TYPE, Bytes::new()),
            SubstituteBody::Error => (JSON_TYPE, self.envelope()),
        };
        Some((self.content_type.as_deref().unwrap_or(content_type), body))
    }

    pub(crate) fn substitute_body(&self) -> Option<SubstituteBody> {
        match (self.body, self.status) {
            (Some(body), _) => Some(body),
            (None, Some(status)) if STATUSES_WITHOUT_BODY.contains(&status) => Some(SubstituteBody::Empty),
            (None, Some(_)) => Some(SubstituteBody::Error),
            (None, None) => None,
        }
    }

    fn envelope(&self) -> Bytes {
        let (kind, code) = match self.status {
            Some(401) => ("invalid_request_error", Some("invalid_api_key")),
            Some(429) => ("rate_limit_error", Some("rate_limit_exceeded")),
            Some(503) => ("server_error", Some("service_unavailable")),
            Some(400..=499) => ("invalid_request_error", None),
            _ => ("server_error", None),
        };
        let message = self.message.as_deref().unwrap_or(DEFAULT_MESSAGE);
        let envelope = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        Bytes::from(envelope.to_string())
    }
}

impl RetryAfter {
    /// The header's name and value for an answer that is sent `now`.
    pub fn header(&self, now: SystemTime) -> (&'static str, String) {
        match self.form {
            RetryAfterForm::Seconds => {
                ("retry-after", (self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0)).to_string())
            }
            RetryAfterForm::Date => ("retry-after", fmt_http_date(up_to_a_second(now + self.wait))),
            RetryAfterForm::Milliseconds => {
                ("retry-after-ms", self.wait.as_micros().div_ceil(1_000).to_string())
            }
        }
    }
}

/// The next whole second: a date has no parts of one, and who waits until an earlier one waits too short.
fn up_to_a_second(time: SystemTime) -> SystemTime {
    let part = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.subsec_nanos());
    if part == 0 { time } else { time + (Duration::from_secs(1) - Duration::from_nanos(part.into())) }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn substituted(http: &HttpFaults) -> Option<(String, String)> {
        let (content_type, body) = http.substitute()?;
        Some((content_type.to_owned(), String::from_utf8(body.to_vec()).unwrap()))
    }

    fn json(body: &str) -> Option<(String, String)> {
        Some(("application/json".to_owned(), body.to_owned()))
    }

    #[test]
    fn a_status_brings_the_envelope_that_belongs_to_it() {
        let of_status = |status| substituted(&HttpFaults { status: Some(status), ..HttpFaults::default() });
        for (status, kind, code) in [
            (400, "invalid_request_error", "null"),
            (401, "invalid_request_error", "\"invalid_api_key\""),
            (429, "rate_limit_error", "\"rate_limit_exceeded\""),
            (500, "server_error", "null"),
            (503, "server_error", "\"service_unavailable\""),
            (200, "server_error", "null"),
        ] {
            let body = format!(
                "{{\"error\":{{\"message\":\"This error is injected.\",\"type\":\"{kind}\",\"param\":null,\
                 \"code\":{code}}}}}"
            );
            assert_eq!(of_status(status), json(&body), "{status}");
        }
        assert_eq!(of_status(204), json(""));
        assert_eq!(of_status(304), json(""));
    }

    #[test]
    fn a_body_takes_the_place_with_or_without_a_status() {
        let html = HttpFaults { body: Some(SubstituteBody::Html), ..HttpFaults::default() };
        assert_eq!(substituted(&html), Some((PAGE_TYPE.to_owned(), PAGE.to_owned())));
        let empty = HttpFaults { status: Some(500), body: Some(SubstituteBody::Empty), ..html.clone() };
        assert_eq!(substituted(&empty), json(""));
        let told = HttpFaults {
            body: Some(SubstituteBody::Error),
            message: Some("a \"word\"".into()),
            content_type: Some("text/plain".into()),
            ..HttpFaults::default()
        };
        let body = r#"{"error":{"message":"a \"word\"","type":"server_error","param":null,"code":null}}"#;
        assert_eq!(substituted(&told), Some(("text/plain".to_owned(), body.to_owned())));
    }

    #[test]
    fn other_faults_leave_the_answer_in_its_place() {
        let http =
            HttpFaults { content_type: Some("text/plain".into()), gzip: true, ..HttpFaults::default() };
        assert_eq!(http.substitute(), None);
        assert!(!http.is_empty());
        assert!(HttpFaults::default().is_empty());
    }

    #[test]
    fn every_form_of_patience() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let header = |form| RetryAfter { wait: Duration::from_millis(2_001), form }.header(now);
        assert_eq!(header(RetryAfterForm::Seconds), ("retry-after", "3".to_owned()));
        assert_eq!(header(RetryAfterForm::Date), ("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT".to_owned()));
        // A part of a second more, and the date is a second later: nobody comes back too early.
        let wait = Duration::from_millis(1_500);
        let retry_after = RetryAfter { wait, form: RetryAfterForm::Date };
        assert_eq!(retry_after.header(UNIX_EPOCH).1, "Thu, 01 Jan 1970 00:00:02 GMT");
        assert_eq!(header(RetryAfterForm::Milliseconds), ("retry-after-ms", "2001".to_owned()));
    }
}
