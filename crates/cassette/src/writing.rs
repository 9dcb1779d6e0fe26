//! From a cassette to its text.
//!
//! Owns the layout: a member on each line, JSON bodies as JSON, each header and each read on a line of its own. What has
//! no value has no member. Refuses to know files, and what is a secret.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::Value;

use crate::cassette::{
    Cassette, FailureKind, Outcome, Read, RecordedAnswer, RecordedFailure, RecordedRequest,
};
use crate::json_layout::{compact, indented, new_line};

/// The version that is written, and the only one that is read.
pub(crate) const VERSION: u64 = 1;

/// The last second that a date of four digits tells: 9999-12-31T23:59:59Z.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

impl Cassette {
    /// The text of a file, secrets and all; [`Folder::write`](crate::Folder::write) takes them out first.
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        let mut members = Members::begin(&mut text, 0);
        members.add("interference_cassette").push_str(&VERSION.to_string());
        members.add("recorded_at").push_str(&quoted(&timestamp(self.recorded_at)));
        if let Some(upstream) = &self.upstream {
            members.add("upstream").push_str(&quoted(upstream));
        }
        write_request(members.add("request"), &self.request);
        match &self.outcome {
            Outcome::Answered(answer) => write_answer(members.add("response"), answer),
            Outcome::Failed(failure) => write_failure(members.add("failure"), failure),
        }
        members.end();
        text.push('\n');
        text
    }
}

fn write_request(text: &mut String, request: &RecordedRequest) {
    let mut members = Members::begin(text, 1);
    members.add("method").push_str(&quoted(request.method.as_str()));
    members.add("path").push_str(&quoted(&request.path));
    if let Some(query) = &request.query {
        members.add("query").push_str(&quoted(query));
    }
    write_headers(members.add("headers"), &request.headers);
    if !request.body.is_empty() {
        write_body(members.add("body"), &request.body);
    }
    members.end();
}

fn write_answer(text: &mut String, answer: &RecordedAnswer) {
    let mut members = Members::begin(text, 1);
    members.add("status").push_str(answer.status.as_str());
    members.add("head_at_ms").push_str(&milliseconds(answer.head_at));
    write_headers(members.add("headers"), &answer.headers);
    write_lines(members.add("reads"), answer.reads.iter().map(read_line));
    members.add("end").push_str(&quoted(answer.end.name()));
    members.add("ended_at_ms").push_str(&milliseconds(answer.ended_at));
    members.end();
}

fn write_failure(text: &mut String, failure: &RecordedFailure) {
    let mut members = Members::begin(text, 1);
    members.add("kind").push_str(&quoted(failure.kind.name()));
    members.add("code").push_str(&quoted(&failure.code));
    members.add("message").push_str(&quoted(&failure.message));
    members.add("at_ms").push_str(&milliseconds(failure.at));
    if let FailureKind::NobodyLeft { retry_after_seconds } = failure.kind {
        members.add("retry_after_seconds").push_str(&retry_after_seconds.to_string());
    }
    members.end();
}

/// A body in the first form that keeps all of it: JSON, text, or base64. JSON whose white space is not what its
/// compact form has is there as text, too.
fn write_body(text: &mut String, body: &[u8]) {
    let mut members = Members::begin(text, 2);
    match std::str::from_utf8(body) {
        Ok(sent) => {
            let json = is_shown_as_json(sent).then(|| indented(sent, 3)).flatten();
            if let Some(json) = &json {
                members.add("json").push_str(json);
            }
            if json.is_none() || compact(sent) != sent {
                members.add("text").push_str(&quoted(sent));
            }
        }
        Err(_) => members.add("base64").push_str(&quoted(&STANDARD.encode(body))),
    }
    members.end();
}

/// Whether it is an object or an array that any reader of JSON takes.
fn is_shown_as_json(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Object(_) | Value::Array(_)))
}

fn write_headers(text: &mut String, headers: &HeaderMap) {
    let lines = headers.iter().map(|(name, value)| {
        let value = match std::str::from_utf8(value.as_bytes()) {
            Ok(value) => quoted(value),
            Err(_) => format!("{{\"base64\": {}}}", quoted(&STANDARD.encode(value.as_bytes()))),
        };
        format!("[{}, {value}]", quoted(name.as_str()))
    });
    write_lines(text, lines);
}

fn read_line(read: &Read) -> String {
    let bytes = match std::str::from_utf8(&read.bytes) {
        Ok(text) => format!("\"text\": {}", quoted(text)),
        Err(_) => format!("\"base64\": {}", quoted(&STANDARD.encode(&read.bytes))),
    };
    format!("{{\"at_ms\": {}, {bytes}}}", milliseconds(read.at))
}

/// A list of the second level, an item on each line.
fn write_lines(text: &mut String, items: impl Iterator<Item = String>) {
    text.push('[');
    let mut is_empty = true;
    for item in items {
        if !std::mem::take(&mut is_empty) {
            text.push(',');
        }
        new_line(text, 3);
        text.push_str(&item);
    }
    if !is_empty {
        new_line(text, 2);
    }
    text.push(']');
}

/// The members of an object, each on its line.
struct Members<'t> {
    text: &'t mut String,
    depth: usize,
    is_empty: bool,
}

impl<'t> Members<'t> {
    fn begin(text: &'t mut String, depth: usize) -> Members<'t> {
        text.push('{');
        Members { text, depth, is_empty: true }
    }

    /// Where the value of the next member is to be written.
    fn add(&mut self, name: &str) -> &mut String {
        if !std::mem::take(&mut self.is_empty) {
            self.text.push(',');
        }
        new_line(self.text, self.depth + 1);
        self.text.push_str(&quoted(name));
        self.text.push_str(": ");
        self.text
    }

    fn end(self) {
        new_line(self.text, self.depth);
        self.text.push('}');
    }
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A time in milliseconds, to the microsecond.
fn milliseconds(time: Duration) -> String {
    let microseconds = time.as_micros();
    format!("{}.{:03}", microseconds / 1_000, microseconds % 1_000)
}

/// A moment as RFC 3339 has it, in UTC, to the millisecond; the nearest that it can tell.
fn timestamp(time: SystemTime) -> String {
    let time = time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST_SECOND);
    humantime::format_rfc3339_millis(time).to_string()
}
