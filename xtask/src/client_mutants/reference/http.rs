//! One request and its answer over HTTP/1.1 (RFC 9112), on a connection of its own.
//!
//! Owns the head, the body's framing and its gzip. Refuses to know what a body means, TLS, redirects, and whether a
//! request should be sent again. It shares no code with the program: what it reads, it reads in its own way.

mod body;
mod incoming;
mod socket;

use std::io::{Read, Write};
use std::time::Duration;

use super::bug::{Manner, Variant};
use super::failure::{Failure, Kind};
use body::Body;
use incoming::Incoming;
use socket::Socket;

/// Lines of a head, and heads before the last one.
const MOST_HEADERS: usize = 256;
const MOST_INTERIM: usize = 16;

/// Where requests go: the parts of an `http` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Host and port.
    authority: String,
    /// With its slash, without one at the end.
    path: String,
}

/// A request with a JSON body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post<'a> {
    pub(super) target: &'a Target,
    /// Behind the path of the target.
    pub(super) path: &'a str,
    pub(super) key: &'a str,
    pub(super) body: &'a str,
    /// For connecting, and for each read.
    pub(super) timeout: Duration,
}

/// An answer whose head has come.
#[derive(Debug)]
pub(super) struct Response<R> {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    incoming: Incoming<R>,
}

impl Target {
    /// The parts of a base URL; `None` if it is no plain `http`.
    pub(super) fn parse(url: &str) -> Option<Target> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let authority =
            if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        Some(Target { authority, path: path.trim_end_matches('/').to_owned() })
    }
}

/// Sends a request and reads the head of its answer.
///
/// # Errors
/// When the server cannot be reached, or its answer is no HTTP/1.1.
pub(super) fn post(post: Post<'_>, manner: Manner) -> Result<Response<Socket>, Failure> {
    let socket = Socket::connect(&post.target.authority, post.timeout, manner)?;
    let mut incoming = Incoming::new(socket);
    let head = head(post, manner);
    let written = if manner.is(Variant::WritesTwice) {
        let socket = incoming.source();
        socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(post.body.as_bytes()))
    } else {
        incoming.source().write_all((head + post.body).as_bytes())
    };
    // Who refuses a request early may do so before it is written, and has its answer read all the same.
    let begun = incoming.wait().map(|there| !there.is_empty());
    match (begun, written) {
        (Ok(true), _) => Response::read(incoming, manner),
        (Err(failure), _) if failure.kind == Kind::Timeout => Err(failure),
        (Err(failure), _) => Err(Failure { kind: Kind::Unreached, ..failure }),
        (Ok(false), Err(error)) => Err(Failure::new(Kind::Unreached, error.to_string())),
        (Ok(false), Ok(())) => {
            Err(Failure::new(Kind::Unreached, "the connection was closed without an answer"))
        }
    }
}

fn head(post: Post<'_>, manner: Manner) -> String {
    let connection = if manner.is(Variant::ClosesConnections) { "close" } else { "keep-alive" };
    let headers = [
        ("Host", post.target.authority.clone()),
        ("Authorization", format!("Bearer {}", post.key)),
        ("Content-Type", "application/json".to_owned()),
        ("Content-Length", post.body.len().to_string()),
        ("Accept", "text/event-stream".to_owned()),
        ("Accept-Encoding", "gzip".to_owned()),
        ("Connection", connection.to_owned()),
    ];
    let mut head = format!("POST {}{} HTTP/1.1\r\n", post.target.path, post.path);
    for (name, value) in headers {
        let name = match manner.variant {
            Some(Variant::SmallHeaders) => name.to_ascii_lowercase(),
            Some(Variant::CapitalHeaders) => name.to_ascii_uppercase(),
            _ => name.to_owned(),
        };
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

impl<R: Read> Response<R> {
    /// Reads heads up to the one that is not interim.
    fn read(mut incoming: Incoming<R>, manner: Manner) -> Result<Response<R>, Failure> {
        for _ in 0..MOST_INTERIM {
            let status = status(&head_line(&mut incoming)?)?;
            let headers = headers(&mut incoming)?;
            if status >= 200 {
                let body = Body::new(status, |name| find(&headers, name).map(str::to_owned), manner)?;
                return Ok(Response { status, headers, body, incoming });
            }
        }
        Err(Failure::new(Kind::Protocol, "interim answers do not end"))
    }

    /// The first header of this name, whatever its case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The next piece of the body, as soon as there is one; `None` at its end.
    ///
    /// # Errors
    /// When it breaks off, comes too late, is too long, or cannot be decoded.
    pub(super) fn next_piece(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.body.next_piece(&mut self.incoming)
    }
}

fn head_line<R: Read>(incoming: &mut Incoming<R>) -> Result<String, Failure> {
    incoming.line()?.ok_or_else(|| Failure::new(Kind::Protocol, "the connection was closed within a head"))
}

fn status(line: &str) -> Result<u16, Failure> {
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    code.ok_or_else(|| Failure::new(Kind::Protocol, format!("`{line}` begins no HTTP/1.1 answer")))
}

fn headers<R: Read>(incoming: &mut Incoming<R>) -> Result<Vec<(String, String)>, Failure> {
    let mut headers = Vec::new();
    for _ in 0..=MOST_HEADERS {
        let line = head_line(incoming)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(Failure::new(Kind::Protocol, format!("`{line}` is no header")));
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Err(Failure::new(Kind::TooLong, format!("the head has more than {MOST_HEADERS} headers")))
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;
    use crate::client_mutants::reference::bug::Bug;

    const CHUNKED: &str = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nServer: x\r\n\
        Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA;name=value\r\n, 12345678\r\n0\r\nTrailer: y\r\n\r\n";
    const SIZED: &str = "HTTP/1.1 429 Too Many\r\nContent-Length:  3\r\n\r\nwhy";
    const CLOSED: &str = "HTTP/1.1 200 OK\nContent-Type: text/plain\n\nto the end";

    /// One byte for each read.
    struct Dripping(Cursor<Vec<u8>>);

    impl Read for Dripping {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    fn body(source: impl Read, manner: Manner) -> Result<(u16, Vec<u8>), Failure> {
        let mut answer = Response::read(Incoming::new(source), manner)?;
        let mut body = Vec::new();
        while let Some(piece) = answer.next_piece()? {
            body.extend(piece);
        }
        Ok((answer.status, body))
    }

    #[test]
    fn every_framing_is_read_in_one_piece_and_byte_by_byte() {
        for (text, status, expected) in
            [(CHUNKED, 200, "hello, 12345678"), (SIZED, 429, "why"), (CLOSED, 200, "to the end")]
        {
            let expected = Ok((status, expected.as_bytes().to_vec()));
            assert_eq!(body(text.as_bytes(), Manner::default()), expected);
            let dripping = Dripping(Cursor::new(text.as_bytes().to_vec()));
            assert_eq!(body(dripping, Manner::default()), expected);
        }
    }

    #[test]
    fn an_end_before_the_end_is_told_apart() {
        let body_of_chunks = CHUNKED.find("hello").unwrap();
        for cut in 0..CHUNKED.len() {
            let kind = body(&CHUNKED.as_bytes()[..cut], Manner::default()).unwrap_err().kind;
            let expected = if cut < body_of_chunks - 3 { Kind::Protocol } else { Kind::CutChunks };
            assert_eq!(kind, expected, "cut at {cut}");
        }
        let cut = &SIZED.as_bytes()[..SIZED.len() - 1];
        assert_eq!(body(cut, Manner::default()).unwrap_err().kind, Kind::ShortBody);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 OK\r\n",
            "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            assert_eq!(body(text.as_bytes(), Manner::default()).unwrap_err().kind, Kind::Protocol, "{text}");
        }
    }

    #[test]
    fn gzip_is_decoded_and_one_that_is_cut_is_an_error() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"data: hello\n\n").unwrap();
        let coded = encoder.finish().unwrap();
        let head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".to_vec();
        let whole = [head.clone(), coded.clone()].concat();
        assert_eq!(body(&whole[..], Manner::default()), Ok((200, b"data: hello\n\n".to_vec())));
        let cut = &whole[..whole.len() - 9];
        assert_eq!(body(cut, Manner::default()).unwrap_err().kind, Kind::Protocol);
        let undecoded = body(&whole[..], Manner::with(Bug::CompressedIsNotDecoded));
        assert_eq!(undecoded, Ok((200, coded)));
    }

    #[test]
    fn a_base_url_has_parts() {
        let target = |authority: &str, path: &str| {
            Some(Target { authority: authority.to_owned(), path: path.to_owned() })
        };
        assert_eq!(Target::parse("http://127.0.0.1:4000/case/v1/"), target("127.0.0.1:4000", "/case/v1"));
        assert_eq!(Target::parse("http://localhost"), target("localhost:80", ""));
        assert_eq!(Target::parse("https://localhost/v1"), None);
    }
}
