//! What of a request decides which recording answers it.
//!
//! Owns when two requests are alike: the same method and path, the same parameters in any order, and the same body.
//! Bodies of JSON are compared as values, where the order of members, the spelling of numbers, members that are null and
//! `"stream": false` make no difference; forms of several parts without the boundary, which is drawn for each; all
//! others byte by byte. Headers are not compared. Refuses to know recordings.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use interference_backend::Request;
use interference_cassette::RecordedRequest;
use memchr::memmem;
use serde_json::{Number, Value};

use crate::replay_backend::ReplayOptions;

/// What of a request is compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestKey {
    /// Of all the rest. A body is long, and looked up under a lock.
    hash: u64,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Sorted, without secrets.
    pub(crate) parameters: Vec<String>,
    pub(crate) body: BodyKey,
}

/// What of a body is compared.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum BodyKey {
    /// In its one form.
    Json(Value),
    /// Without its boundary.
    Form(Bytes),
    /// As they are.
    Bytes(Bytes),
}

/// The parts of a request that have a say.
pub(crate) struct RequestParts<'r> {
    pub(crate) method: &'r Method,
    pub(crate) path: &'r str,
    pub(crate) query: Option<&'r str>,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r Bytes,
}

impl<'r> From<&'r Request> for RequestParts<'r> {
    fn from(request: &'r Request) -> RequestParts<'r> {
        let Request { method, path, query, headers, body, strictness: _ } = request;
        RequestParts { method, path, query: query.as_deref(), headers, body }
    }
}

impl<'r> From<&'r RecordedRequest> for RequestParts<'r> {
    fn from(request: &'r RecordedRequest) -> RequestParts<'r> {
        let RecordedRequest { method, path, query, headers, body } = request;
        RequestParts { method, path, query: query.as_deref(), headers, body }
    }
}

impl RequestKey {
    /// The key of a request. A recorded one has no secrets any more, so that they are taken out of each.
    pub(crate) fn of(request: &RequestParts<'_>, options: &ReplayOptions) -> RequestKey {
        let redaction = options.redaction.with_keys_of(request.headers, request.query);
        let query = redaction.query(request.query.unwrap_or_default());
        let mut parameters: Vec<String> =
            query.split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        parameters.sort_unstable();
        let body = redaction.bytes(request.body);
        let method = request.method.clone();
        let path = redaction.text(recorded_path(request.path));
        let body = BodyKey::of(&body, request.headers, options);
        let mut hasher = DefaultHasher::new();
        (&method, &path, &parameters, &body).hash(&mut hasher);
        RequestKey { hash: hasher.finish(), method, path, parameters, body }
    }

    /// The model that the body names.
    pub(crate) fn model(&self) -> Option<&str> {
        match &self.body {
            BodyKey::Json(body) => body.get("model")?.as_str(),
            BodyKey::Form(_) | BodyKey::Bytes(_) => None,
        }
    }
}

impl Hash for RequestKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl BodyKey {
    fn of(body: &Bytes, headers: &HeaderMap, options: &ReplayOptions) -> BodyKey {
        if let Some(boundary) = boundary(headers) {
            return BodyKey::Form(without_boundary(body, boundary));
        }
        match serde_json::from_slice(body) {
            Ok(mut value @ (Value::Object(_) | Value::Array(_))) => {
                options.ignore.iter().for_each(|member| member.take_out(&mut value));
                if let Value::Object(members) = &mut value {
                    members.retain(|name, value| !(name == "stream" && *value == Value::Bool(false)));
                }
                unify(&mut value);
                BodyKey::Json(value)
            }
            _ => BodyKey::Bytes(body.clone()),
        }
    }
}

/// The path as a recording has it. Where nothing is left behind `/v1`, that is the root (RFC 9110, section 4.2.3).
pub(crate) fn recorded_path(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// Brings a value to the one form of all that are alike.
fn unify(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(unify);
        }
        Value::Array(items) => items.iter_mut().for_each(unify),
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole;
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A number with a point or an exponent as a whole number, if it is one.
fn whole(number: &Number) -> Option<Number> {
    let value = number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0)?;
    // The ends of both types as doubles: the first numbers that are too large.
    if (0.0..18_446_744_073_709_551_616.0).contains(&value) {
        Some(Number::from(value as u64))
    } else if (-9_223_372_036_854_775_808.0..0.0).contains(&value) {
        Some(Number::from(value as i64))
    } else {
        None
    }
}

/// The boundary of a form of several parts (RFC 2046, section 5.1.1).
fn boundary(headers: &HeaderMap) -> Option<&str> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next()?.to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let parameter = parts.filter_map(|part| part.split_once('='));
    let (_, value) = parameter.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    Some(value.trim().trim_matches('"')).filter(|value| !value.is_empty())
}

/// A form whose parts are separated by two hyphens alone.
fn without_boundary(body: &[u8], boundary: &str) -> Bytes {
    let separator = format!("--{boundary}");
    let mut rest = Vec::with_capacity(body.len());
    let mut start = 0;
    for found in memmem::find_iter(body, &separator) {
        rest.extend_from_slice(&body[start..found + 2]);
        start = found + separator.len();
    }
    rest.extend_from_slice(&body[start..]);
    rest.into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use interference_cassette::Redaction;
    use proptest::prelude::*;

    use super::*;

    fn key_of(query: &str, content_type: &str, body: &[u8], options: &ReplayOptions) -> RequestKey {
        let headers = [(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap())].into_iter().collect();
        let parts = RequestParts {
            method: &Method::POST,
            path: "/chat/completions",
            query: Some(query),
            headers: &headers,
            body: &Bytes::copy_from_slice(body),
        };
        RequestKey::of(&parts, options)
    }

    fn json(body: &str) -> RequestKey {
        let ignore = vec!["metadata.run".parse().unwrap()];
        key_of("", "application/json", body.as_bytes(), &ReplayOptions { ignore, ..ReplayOptions::default() })
    }

    #[test]
    fn json_is_compared_by_value() {
        let recorded = json(r#"{"model":"m","n":1,"t":0.5,"a":[1,null,{"b":2}]}"#);
        for alike in [
            r#"{ "a": [1.0, null, {"b": 2e0}], "t": 5e-1, "n": 10e-1, "model": "m" }"#,
            r#"{"model":"\u006d","n":1,"t":0.5,"a":[1,null,{"b":2,"c":null}],"user":null,"stream":false}"#,
        ] {
            assert_eq!(json(alike), recorded, "{alike}");
        }
        for other in [
            r#"{"model":"m","n":1,"t":0.5,"a":[1,{"b":2}]}"#,
            r#"{"model":"m","n":1,"t":0.5,"a":[1,null,{"b":2,"stream":false}]}"#,
            r#"{"model":"m","n":"1","t":0.5,"a":[1,null,{"b":2}]}"#,
            r#"{"model":"m","n":1,"t":0.5,"a":[1,null,{"b":2}],"stream":true}"#,
        ] {
            assert_ne!(json(other), recorded, "{other}");
        }
        assert_eq!(json(r#"{"metadata":{"run":7}}"#), json(r#"{"metadata":{}}"#));
        assert_eq!(json("{\"n\":-0.0}"), json("{\"n\":0}"));
        assert_eq!(json("{\"n\":18446744073709551615}").body, json("{\"n\":18446744073709551615}").body);
        assert_ne!(json("{\"n\":1e30}"), json("{\"n\":2e30}"));
        assert_ne!(json("no json"), json("no  json"));
    }

    #[test]
    fn parameters_have_no_order_and_keep_no_secrets() {
        let key = |query| key_of(query, "text/plain", b"", &ReplayOptions::default());
        assert_eq!(key("b=2&a=1&&key=sk-1"), key("key=sk-2&a=1&b=2"));
        assert_eq!(key(""), key("&"));
        assert_ne!(key("a=1"), key("a=2"));
        assert_ne!(key("a=1&a=1"), key("a=1"));
    }

    #[test]
    fn a_secret_in_a_body_is_as_good_as_what_is_left_of_it() {
        let options = ReplayOptions { redaction: Redaction::new(["sk-live-1"]), ..ReplayOptions::default() };
        let asked = key_of("", "application/json", br#"{"input":"sk-live-1"}"#, &options);
        let recorded = key_of("", "application/json", br#"{"input":"*********"}"#, &options);
        assert_eq!(asked, recorded);
    }

    #[test]
    fn a_form_is_compared_without_its_boundary() {
        let form = |content_type: &str, boundary: &str, text: &str| {
            let body = format!(
                "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n{text}\r\n--{boundary}--\r\n"
            );
            key_of("", content_type, body.as_bytes(), &ReplayOptions::default())
        };
        let recorded = form("multipart/form-data; boundary=one", "one", "\u{0}tree");
        assert_eq!(
            form("Multipart/Form-Data; charset=x; Boundary=\"two 2\"", "two 2", "\u{0}tree"),
            recorded
        );
        assert_ne!(form("multipart/form-data; boundary=two", "two", "\u{0}trees"), recorded);
        assert_ne!(form("multipart/form-data", "one", "\u{0}tree"), recorded);
    }

    proptest! {
        /// Of more than fifteen digits, a double keeps as many as it can.
        #[test]
        fn whole_numbers_are_alike_however_they_are_spelled(number in -99_999_999_999_999_i64..=99_999_999_999_999) {
            prop_assert_eq!(json(&format!("[{number}.0]")), json(&format!("[{number}]")));
        }
    }
}
