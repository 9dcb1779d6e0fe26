//! The head of a request as bytes (RFC 9112 section 3).

use std::io::Write as _;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request};

/// Request line, headers and blank line. The length of the body is added, unless it has none and the method does not
/// expect one (RFC 9110 section 8.6).
pub(super) fn head(request: &Request<Bytes>) -> Bytes {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(request.method().as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(target.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let length = request.body().len();
    if length > 0 || matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        // Writing to a vector cannot fail.
        let _ = write!(head, "{CONTENT_LENGTH}: {length}\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(method: Method, body: &'static str) -> String {
        let request = Request::builder().method(method).uri("/v1/files?after=a%20b").header("Host", "here");
        let request = request.header("x", "1").header("x", "2").body(Bytes::from_static(body.as_bytes()));
        String::from_utf8(head(&request.unwrap()).to_vec()).unwrap()
    }

    #[test]
    fn a_head_has_every_header_and_the_length_of_a_body() {
        let line = "/v1/files?after=a%20b HTTP/1.1\r\nhost: here\r\nx: 1\r\nx: 2\r\n";
        assert_eq!(text(Method::POST, "tree"), format!("POST {line}content-length: 4\r\n\r\n"));
        assert_eq!(text(Method::GET, "tree"), format!("GET {line}content-length: 4\r\n\r\n"));
        assert_eq!(text(Method::POST, ""), format!("POST {line}content-length: 0\r\n\r\n"));
        assert_eq!(text(Method::DELETE, ""), format!("DELETE {line}\r\n"));
    }
}
