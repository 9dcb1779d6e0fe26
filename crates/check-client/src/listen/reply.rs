//! What the page and its reports are answered with: whole answers, readable for pages of every origin.
//!
//! Owns their heads, and the one form of errors, that of the API. Refuses to know what is said in them.

use bytes::Bytes;
use interference_wire::{PlayEnd, Request, Responder, Step};
use serde_json::{Value, json};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    status: &'static str,
    /// Each with its line's end.
    fields: String,
    body: Vec<u8>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: &'static str,
    code: &'static str,
    message: String,
    /// Which methods there are, where it was another.
    allowed: Option<&'static str>,
}

impl Reply {
    /// A body of this type.
    pub(super) fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        let fields = format!("Content-Type: {content_type}\r\nX-Content-Type-Options: nosniff\r\n");
        Reply { status: "200 OK", fields, body: body.into() }
    }

    /// A JSON value.
    pub(super) fn json(value: &Value) -> Reply {
        Reply::new("application/json", value.to_string())
    }

    /// An answer without a body, of 204 or 304.
    pub(super) fn bare(status: &'static str) -> Reply {
        Reply { status, fields: String::new(), body: Vec::new() }
    }

    /// With a field more.
    pub(super) fn with(mut self, name: &str, value: &str) -> Reply {
        self.fields.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Sends it, without its body to who asked for the head alone; gives the connection back unless its last answer was
    /// asked for (RFC 9112, section 9.6), or it is gone.
    pub(super) async fn send(self, responder: Responder, request: &Request) -> Option<Responder> {
        let head = request.head.as_ref();
        let head_alone = head.is_some_and(|head| head.method == b"HEAD");
        let is_last =
            head.is_none_or(|head| head.minor_version == 0 || head.fields.lists("connection", "close"));
        let steps = if is_last {
            vec![Step::Write(self.with("Connection", "close").bytes(head_alone)), Step::Close]
        } else {
            vec![Step::Write(self.bytes(head_alone))]
        };
        match responder.play(steps).await.end {
            PlayEnd::Open(open) => Some(open),
            PlayEnd::Closed | PlayEnd::Reset | PlayEnd::PeerGone { .. } => None,
        }
    }

    /// Sends it as the last of its connection, to a request that was not read to its end.
    pub(super) async fn send_last(self, responder: Responder) {
        let steps = [Step::Write(self.with("Connection", "close").bytes(false)), Step::Close];
        responder.play(steps).await;
    }

    fn bytes(&self, head_alone: bool) -> Bytes {
        let Reply { status, fields, body } = self;
        // RFC 9110, section 8.6: none at 204, and at 304 only that of the body which is not sent again.
        let length = match status.get(..3) {
            Some("204" | "304") => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let head = format!("HTTP/1.1 {status}\r\nAccess-Control-Allow-Origin: *\r\n{fields}{length}\r\n");
        let body: &[u8] = if head_alone { &[] } else { body };
        Bytes::from([head.as_bytes(), body].concat())
    }
}

impl Problem {
    fn new(status: &'static str, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { status, code, message: message.into(), allowed: None }
    }

    pub(super) fn malformed(message: impl Into<String>) -> Problem {
        Problem::new("400 Bad Request", "malformed", message)
    }

    pub(super) fn foreign_host(host: &str) -> Problem {
        let message = format!("`{host}` is not this machine: ask for 127.0.0.1 or localhost");
        Problem::new("403 Forbidden", "foreign_host", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Problem {
        Problem::new("404 Not Found", "not_found", message)
    }

    pub(super) fn wrong_method(allowed: &'static str) -> Problem {
        let message = format!("this address takes {allowed}");
        let problem = Problem::new("405 Method Not Allowed", "wrong_method", message);
        Problem { allowed: Some(allowed), ..problem }
    }

    pub(super) fn never_served(message: impl Into<String>) -> Problem {
        Problem::new("409 Conflict", "never_served", message)
    }

    pub(super) fn too_large(what: &str, most: usize) -> Problem {
        let message = format!("{what} has at most {} MiB", most >> 20);
        Problem::new("413 Content Too Large", "too_large", message)
    }

    pub(super) fn full(message: impl Into<String>) -> Problem {
        Problem::new("429 Too Many Requests", "full", message)
    }

    pub(super) fn unwritable(message: impl Into<String>) -> Problem {
        Problem::new("500 Internal Server Error", "unwritable", message)
    }

    /// As an answer.
    pub(super) fn reply(&self) -> Reply {
        let error = json!({"error": {
            "message": self.message, "type": "invalid_request_error", "param": null, "code": self.code,
        }});
        let reply = Reply { status: self.status, ..Reply::json(&error) };
        match self.allowed {
            Some(allowed) => reply.with("Allow", allowed),
            None => reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_alone_tells_the_length_of_the_body() {
        let bytes = Reply::new("text/plain", "oak").bytes(true);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.ends_with("Content-Length: 3\r\n\r\n"), "{text}");
    }

    #[test]
    fn what_has_no_body_tells_no_length() {
        let text = String::from_utf8(Reply::bare("304 Not Modified").bytes(false).to_vec()).unwrap();
        assert_eq!(text, "HTTP/1.1 304 Not Modified\r\nAccess-Control-Allow-Origin: *\r\n\r\n");
    }
}
