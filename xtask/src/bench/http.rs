//! A small blocking HTTP/1.1 client for the measurements: one request on one connection, read as it arrives.
//!
//! xtask sees no crate of the workspace, and what measures a server should share no code with it. It knows no TLS, no
//! redirects and no retries. Every wait has a bound.

mod base_url;
mod data_lines;
mod response_decoder;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

pub(crate) use base_url::BaseUrl;
pub(crate) use data_lines::DataLines;
use response_decoder::ResponseDecoder;

use super::hinted;

const CONNECTING: Duration = Duration::from_secs(10);
/// A server may read a long prompt, on a busy machine, before it says anything.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);
const WHOLE_ANSWER: Duration = Duration::from_secs(600);
/// Kept of the body of an error.
const ERROR_BYTES: usize = 64 << 10;
const SERVER_NOT_THERE: &str =
    "start the server first, and give the base URL that an SDK takes, such as http://127.0.0.1:8080/v1";

/// What is asked. The path goes behind that of the base URL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// JSON, or nothing.
    pub(crate) body: &'a str,
}

/// Sends a request, and hands over the pieces of the body with the times at which they were read.
///
/// # Errors
/// When the server cannot be reached, does not answer in time, breaks off, or answers with another status than 200;
/// or what `read` says.
pub(crate) fn exchange(
    base: &BaseUrl,
    request: Request<'_>,
    mut read: impl FnMut(Instant, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + WHOLE_ANSWER;
    let mut stream = connect(base)?;
    stream.set_read_timeout(Some(LONGEST_SILENCE))?;
    stream.set_write_timeout(Some(LONGEST_SILENCE))?;
    stream.set_nodelay(true)?;
    stream.write_all(bytes_of(base, request).as_bytes()).context("the request could not be sent")?;
    let mut decoder = ResponseDecoder::default();
    let (mut buffer, mut body) = (vec![0; 64 << 10], Vec::new());
    while !decoder.is_done() {
        let count = match stream.read(&mut buffer) {
            Ok(count) => count,
            // A process that was stopped and goes on hears this; the server is not to blame.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(hinted(
                    format!("no more of the answer came: {error}"),
                    "look into the server's log",
                ));
            }
        };
        let time = Instant::now();
        if time > deadline {
            bail!("the answer took longer than {WHOLE_ANSWER:?}");
        }
        decoder.push(&buffer[..count], &mut body)?;
        if count == 0 {
            decoder.close()?;
        }
        if decoder.status().is_none_or(|status| status == 200) {
            read(time, &body)?;
            body.clear();
        } else if body.len() > ERROR_BYTES {
            break;
        }
    }
    match decoder.status() {
        Some(200) => Ok(()),
        Some(status) => Err(refusal(status, request.path, &body)),
        None => bail!("the server answered nothing"),
    }
}

/// A whole JSON answer.
pub(crate) fn get_json(base: &BaseUrl, path: &'static str) -> anyhow::Result<serde_json::Value> {
    const MOST: usize = 16 << 20;
    let mut whole = Vec::new();
    exchange(base, Request { method: "GET", path, body: "" }, |_, piece| {
        whole.extend_from_slice(piece);
        anyhow::ensure!(whole.len() <= MOST, "the answer of GET {path} is longer than {MOST} bytes");
        Ok(())
    })?;
    serde_json::from_slice(&whole)
        .map_err(|error| hinted(format!("GET {path} is not answered with JSON: {error}"), SERVER_NOT_THERE))
}

fn connect(base: &BaseUrl) -> anyhow::Result<TcpStream> {
    let authority = base.authority();
    let unreachable =
        |error: std::io::Error| hinted(format!("{authority} cannot be reached: {error}"), SERVER_NOT_THERE);
    let mut last = std::io::Error::other("the name has no address");
    for address in authority.to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&address, CONNECTING) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(unreachable(last))
}

fn bytes_of(base: &BaseUrl, Request { method, path, body }: Request<'_>) -> String {
    let (authority, prefix, length) = (base.authority(), base.path(), body.len());
    format!(
        "{method} {prefix}{path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
         authorization: Bearer x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// An error status, in the server's own words.
fn refusal(status: u16, path: &str, body: &[u8]) -> anyhow::Error {
    const QUOTED: usize = 200;
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(|json| json.pointer("/error/message")?.as_str());
    let text = message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
    let quoted: String = text.trim().chars().take(QUOTED).collect();
    let hint = match status {
        401 | 403 => "start the server without API keys, or with one that takes `x`",
        404 => SERVER_NOT_THERE,
        503 => "the server may still be loading its model: wait until it is ready, and try again",
        _ => "look into the server's log",
    };
    hinted(format!("{path} is answered with status {status}: {quoted}"), hint)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with some bytes, and gives the base URL.
    pub(in crate::bench) fn server_of(answer: String) -> BaseUrl {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let (mut line, mut length) = (String::new(), 0);
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
                if let Some(number) = line.strip_prefix("content-length: ") {
                    length = number.trim().parse().unwrap();
                }
            }
            // A socket that is closed with something unread resets the connection.
            stream.read_exact(&mut vec![0; length]).unwrap();
            stream.into_inner().write_all(answer.as_bytes()).unwrap();
        });
        BaseUrl::parse(&format!("http://{address}/v1")).unwrap()
    }

    fn error_of(answer: &'static str) -> String {
        format!("{:#}", get_json(&server_of(answer.to_owned()), "/models").unwrap_err())
    }

    #[test]
    fn a_whole_answer_is_read_whatever_its_framing() {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n{\"a\":1}",
        ] {
            let json = get_json(&server_of(answer.to_owned()), "/models").unwrap();
            assert_eq!(json, serde_json::json!({"a": 1}), "{answer}");
        }
    }

    #[test]
    fn what_goes_wrong_is_told_with_a_hint() {
        let loading = "HTTP/1.1 503 Unavailable\r\ncontent-length: 39\r\n\r\n\
                       {\"error\":{\"message\":\"Loading a model\"}}";
        assert_eq!(
            error_of(loading),
            "/models is answered with status 503: Loading a model\n\
             hint: the server may still be loading its model: wait until it is ready, and try again"
        );
        let page = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>";
        assert!(error_of(page).starts_with("GET /models is not answered with JSON: "));
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{";
        assert!(error_of(cut).starts_with("the connection was closed in the middle of the answer"));
        // A port that this test found free could be another test's by now.
        let nobody = BaseUrl::parse("http://127.0.0.1:1/v1").unwrap();
        let error = format!("{:#}", get_json(&nobody, "/models").unwrap_err());
        assert!(error.contains("cannot be reached") && error.contains("\nhint: start the server"), "{error}");
    }
}
