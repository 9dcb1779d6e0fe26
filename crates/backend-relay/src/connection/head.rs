//! The head of an answer: read within bounds, and what it says of the body behind it (RFC 9112 sections 4 to 6).
//!
//! Without input or output of its own. Interim answers are passed over (RFC 9110 section 15.2). It refuses to know what
//! headers mean beyond where the body ends and whether the connection is left open.

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::body::Body;

/// How long the head of an answer may be, in bytes.
pub const LONGEST_HEAD: usize = 64 * 1024;

/// How many headers an answer may have.
pub const MOST_HEADERS: usize = 256;

/// How many interim answers may come before one.
pub const MOST_INTERIM: usize = 16;

/// With which every head begins.
const PROTOCOL: &[u8] = b"HTTP/";

/// The head of a final answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body that follows it.
    pub(crate) body: Body,
    /// Whether the connection is left open behind the body.
    pub(crate) keeps_alive: bool,
    /// What came behind it.
    pub(crate) behind: Bytes,
}

/// What came is no head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadProblem {
    /// It is longer than [`LONGEST_HEAD`], or has more headers than [`MOST_HEADERS`].
    TooLarge,
    /// More than [`MOST_INTERIM`] interim answers came.
    Interim,
    /// It is no HTTP/1.1, for this reason.
    NotHttp(String),
}

/// Reads one head, however it comes.
#[derive(Debug)]
pub(crate) struct HeadReader {
    /// The request's.
    method: Method,
    /// The beginning of a head that is not whole.
    begun: Vec<u8>,
    interim: usize,
}

impl HeadReader {
    /// Before the first byte of the answer to a request with this method.
    pub(crate) fn new(method: &Method) -> HeadReader {
        HeadReader { method: method.clone(), begun: Vec::new(), interim: 0 }
    }

    /// Takes what was read; the head, if it is whole. Nothing is read by this reader behind it.
    pub(crate) fn read(&mut self, read: Bytes) -> Result<Option<Head>, HeadProblem> {
        let mut bytes = if self.begun.is_empty() {
            read
        } else {
            self.begun.extend_from_slice(&read);
            check_protocol(&self.begun)?;
            // A line is read when it is whole, and the lines before it once more: there are no more than a head may have.
            if !read.contains(&b'\n') && self.begun.len() < LONGEST_HEAD {
                return Ok(None);
            }
            Bytes::from(std::mem::take(&mut self.begun))
        };
        loop {
            check_protocol(&bytes)?;
            let Some((head, length)) = parse(&bytes)? else {
                if bytes.len() >= LONGEST_HEAD {
                    return Err(HeadProblem::TooLarge);
                }
                self.begun = bytes.into();
                return Ok(None);
            };
            bytes.advance(length);
            if !is_interim(head.status) {
                return self.finish(head, bytes).map(Some);
            }
            self.interim += 1;
            if self.interim > MOST_INTERIM {
                return Err(HeadProblem::Interim);
            }
        }
    }

    fn finish(&self, parsed: Parsed, behind: Bytes) -> Result<Head, HeadProblem> {
        let Parsed { status, minor_version, headers } = parsed;
        // RFC 9112 section 6.3, rules 1 and 2.
        let is_bodiless = match status {
            StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => true,
            status => self.method == Method::HEAD || self.method == Method::CONNECT && status.is_success(),
        };
        let body = if is_bodiless { Body::Nothing } else { body(&headers)? };
        let says = |word| elements(&headers, &CONNECTION).any(|element| element.eq_ignore_ascii_case(word));
        let keeps_alive = match minor_version {
            // A transfer coding is not of HTTP/1.0 (RFC 9112 section 6.1).
            0 => says(b"keep-alive") && !headers.contains_key(TRANSFER_ENCODING),
            _ => !says(b"close"),
        };
        Ok(Head { status, body, keeps_alive: keeps_alive && body != Body::ToTheEnd, headers, behind })
    }
}

/// What speaks something else may never send the end of a line.
fn check_protocol(bytes: &[u8]) -> Result<(), HeadProblem> {
    match bytes.iter().zip(PROTOCOL).position(|(byte, expected)| byte != expected) {
        Some(_) => Err(HeadProblem::NotHttp("its answer does not begin with `HTTP/`".to_owned())),
        None => Ok(()),
    }
}

/// After status 101 something else than HTTP is spoken: no final answer follows.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

struct Parsed {
    status: StatusCode,
    /// Of HTTP/1.
    minor_version: u8,
    headers: HeaderMap,
}

/// The head that these bytes begin with, if it is whole, and its length. Lines that are not whole are not looked at.
fn parse(bytes: &[u8]) -> Result<Option<(Parsed, usize)>, HeadProblem> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let length = match response.parse(&bytes[..lines]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadProblem::TooLarge),
        Err(error) => return Err(HeadProblem::NotHttp(error.to_string())),
    };
    if length > LONGEST_HEAD {
        return Err(HeadProblem::TooLarge);
    }
    let not_http = |told: &dyn std::fmt::Display| HeadProblem::NotHttp(told.to_string());
    let status = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(status).map_err(|error| not_http(&error))?;
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for field in response.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|error| not_http(&error))?;
        let value = HeaderValue::from_bytes(field.value).map_err(|error| not_http(&error))?;
        headers.append(name, value);
    }
    Ok(Some((Parsed { status, minor_version: response.version.unwrap_or_default(), headers }, length)))
}

/// The body of an answer that may have one (RFC 9112 section 6.3, rules 4 to 8).
fn body(headers: &HeaderMap) -> Result<Body, HeadProblem> {
    if headers.contains_key(TRANSFER_ENCODING) {
        let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
        let codings = || elements(headers, &TRANSFER_ENCODING).filter(|coding| !coding.is_empty());
        if codings().filter(is_chunked).count() > 1 {
            return Err(HeadProblem::NotHttp("its Transfer-Encoding is chunked more than once".to_owned()));
        }
        // None was asked for by `TE`, and the client would be told of none.
        let is_known = |coding: &[u8]| is_chunked(&coding) || coding.eq_ignore_ascii_case(b"identity");
        if !codings().all(is_known) {
            return Err(HeadProblem::NotHttp("its Transfer-Encoding is more than chunked".to_owned()));
        }
        let ends_itself = codings().last().as_ref().is_some_and(is_chunked);
        return Ok(if ends_itself { Body::in_chunks() } else { Body::ToTheEnd });
    }
    let mut length = None;
    for element in elements(headers, &CONTENT_LENGTH) {
        let told = number(element).filter(|told| length.is_none_or(|before| before == *told));
        length = Some(
            told.ok_or_else(|| HeadProblem::NotHttp("its Content-Length is not one number".to_owned()))?,
        );
    }
    Ok(length.map_or(Body::ToTheEnd, Body::Length))
}

/// Digits, and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if is_number { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// The elements of a list (RFC 9110 section 5.6.1), the empty ones too.
fn elements<'h>(headers: &'h HeaderMap, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let values = headers.get_all(name).iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(method: &Method, said: &str, size: usize) -> Result<Option<Head>, HeadProblem> {
        let mut reader = HeadReader::new(method);
        let mut pieces = said.as_bytes().chunks(size);
        while let Some(piece) = pieces.next() {
            if let Some(mut head) = reader.read(Bytes::copy_from_slice(piece))? {
                let behind: Vec<u8> =
                    pieces.fold(head.behind.to_vec(), |behind, piece| [&behind, piece].concat());
                head.behind = behind.into();
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// The same in every size of reads.
    fn read(method: &Method, said: &str) -> Result<Option<Head>, HeadProblem> {
        let whole = read_in(method, said, said.len());
        for size in 1..said.len() {
            assert_eq!(format!("{:?}", read_in(method, said, size)), format!("{whole:?}"), "reads of {size}");
        }
        whole
    }

    fn framing(method: &Method, fields: &str) -> (Body, bool) {
        let head = read(method, &format!("HTTP/1.1 200 OK\r\n{fields}\r\nbehind")).unwrap().unwrap();
        assert_eq!((head.status.as_u16(), head.behind), (200, Bytes::from("behind")));
        (head.body, head.keeps_alive)
    }

    #[test]
    fn what_follows_a_head_is_told_by_its_fields() {
        let chunks = Body::in_chunks();
        for (fields, expected) in [
            ("Content-Length: 5\r\n", (Body::Length(5), true)),
            ("content-length: 5, 5\r\nContent-Length: 5\r\n", (Body::Length(5), true)),
            ("Content-Length: 5\r\nConnection: Keep-Alive, Close\r\n", (Body::Length(5), false)),
            ("Transfer-Encoding: Chunked\r\nContent-Length: 5\r\n", (chunks, true)),
            ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", (chunks, true)),
            ("Transfer-Encoding: chunked,\r\n", (chunks, true)),
            ("Transfer-Encoding: identity\r\n", (Body::ToTheEnd, false)),
            ("", (Body::ToTheEnd, false)),
        ] {
            assert_eq!(framing(&Method::POST, fields), expected, "{fields}");
        }
        for method in [Method::HEAD, Method::CONNECT] {
            assert_eq!(framing(&method, "Content-Length: 5\r\n"), (Body::Nothing, true));
        }
    }

    #[test]
    fn statuses_and_versions_have_their_say() {
        let of = |line: &str| {
            let head =
                read(&Method::GET, &format!("HTTP/1.{line}\r\nContent-Length: 5\r\n\r\n")).unwrap().unwrap();
            (head.status.as_u16(), head.body, head.keeps_alive)
        };
        assert_eq!(of("1 204 No Content"), (204, Body::Nothing, true));
        assert_eq!(of("1 304 Not Modified"), (304, Body::Nothing, true));
        assert_eq!(of("1 101 Switching Protocols"), (101, Body::Nothing, true));
        assert_eq!(of("0 200 OK"), (200, Body::Length(5), false));
        assert_eq!(of("0 200 OK\r\nConnection: keep-alive"), (200, Body::Length(5), true));
        assert!(!of("0 200\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive").2);
    }

    #[test]
    fn interim_answers_are_passed_over_up_to_a_bound() {
        let interim = "HTTP/1.1 100 Continue\r\nx: 1\r\n\r\n";
        let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        let head = read(&Method::POST, &format!("{}{last}ok", interim.repeat(2))).unwrap().unwrap();
        assert_eq!((head.status.as_u16(), head.headers.len(), head.behind), (200, 1, Bytes::from("ok")));
        let many = format!("{}{last}", interim.repeat(MOST_INTERIM));
        assert!(read_in(&Method::POST, &many, many.len()).unwrap().is_some());
        let more = interim.repeat(MOST_INTERIM + 1);
        assert_eq!(read_in(&Method::POST, &more, 7).unwrap_err(), HeadProblem::Interim);
    }

    #[test]
    fn what_is_no_head_is_told_as_soon_as_it_is_known() {
        for said in ["\x15", "HTTQ", "PRI * HTTP/2.0", "\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/2 200\r\n"] {
            let problem = read(&Method::GET, said).unwrap_err();
            assert!(matches!(problem, HeadProblem::NotHttp(_)), "{said:?}: {problem:?}");
        }
        for line in ["b\r%", "\0"] {
            let begun = format!("HTTP/1.1 200 OK\r\nA: {line}");
            assert!(read(&Method::GET, &begun).unwrap().is_none(), "the line is not whole");
            assert!(matches!(read(&Method::GET, &(begun + "\r\n")), Err(HeadProblem::NotHttp(_))));
        }
        let twice = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n";
        assert!(
            matches!(read(&Method::GET, twice), Err(HeadProblem::NotHttp(told)) if told.contains("once"))
        );
        for codings in ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked", "chunked, gzip", "gzip"] {
            let said = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {codings}\r\n\r\n");
            let problem = read(&Method::GET, &said).unwrap_err();
            assert!(
                matches!(&problem, HeadProblem::NotHttp(told) if told.contains("more than chunked")),
                "{said:?}: {problem:?}"
            );
        }
        for lengths in ["x", "", "-5", "+5", "5 5", "5, 6", "5,", "18446744073709551616"] {
            let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {lengths}\r\n\r\n");
            let problem = read(&Method::GET, &said).unwrap_err();
            assert!(
                matches!(&problem, HeadProblem::NotHttp(told) if told.contains("Content-Length")),
                "{said:?}: {problem:?}"
            );
        }
    }

    #[test]
    fn heads_have_bounds() {
        let begun = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(LONGEST_HEAD));
        for size in [1_000, begun.len()] {
            assert_eq!(read_in(&Method::GET, &begun, size).unwrap_err(), HeadProblem::TooLarge);
            let whole = format!("{begun}\r\n\r\n");
            assert_eq!(read_in(&Method::GET, &whole, size).unwrap_err(), HeadProblem::TooLarge);
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(MOST_HEADERS + 1));
        assert_eq!(read_in(&Method::GET, &many, many.len()).unwrap_err(), HeadProblem::TooLarge);
        let just = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(MOST_HEADERS));
        assert_eq!(read_in(&Method::GET, &just, 100).unwrap().unwrap().headers.len(), MOST_HEADERS);
    }
}
