//! As much of HTTP/1.1 as a proxy between two programs of ours needs, byte by byte under its control.
//!
//! Owns the reading of requests and of the sound server's answers, and the writing of answers in any form, right or
//! wrong. Knows no bug.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::mutant::{Asked, End, Framing, Piece, Told};
use super::proxy::LONGEST_SILENCE;

/// A head, and a line in it, at most.
const MOST_HEAD_BYTES: u64 = 64 << 10;
/// A body, at most.
const MOST_BODY_BYTES: usize = 64 << 20;

/// Reads a request; none where the client has closed.
pub(super) fn read_request(reader: &mut BufReader<TcpStream>) -> anyhow::Result<Option<Asked>> {
    let Some((start, headers)) = read_head(reader)? else { return Ok(None) };
    let mut words = start.split(' ');
    let (method, path) = (words.next().context("a method")?, words.next().context("a target")?);
    let length = number(&headers, "content-length")?.unwrap_or_default();
    ensure!(length <= MOST_BODY_BYTES, "a body of {length} bytes");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked { method: method.to_owned(), path: path.to_owned(), headers, body }))
}

/// Sends a request to the sound server, and reads its whole answer.
pub(super) fn ask(address: &str, asked: &Asked) -> anyhow::Result<Told> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LONGEST_SILENCE))?;
    let mut head = format!("{} {} HTTP/1.1\r\n", asked.method, asked.path);
    let framing = ["content-length", "connection", "host", "accept-encoding"];
    for (name, value) in &asked.headers {
        if !framing.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("host: {address}\r\nconnection: close\r\n"));
    if asked.method != "GET" || !asked.body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", asked.body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), &asked.body].concat())?;
    read_answer(&mut BufReader::new(stream))
}

fn read_answer(reader: &mut BufReader<TcpStream>) -> anyhow::Result<Told> {
    let (start, headers) = read_head(reader)?.context("the sound server closed the connection")?;
    let status = start.split(' ').nth(1).context("a status")?.parse()?;
    let chunked = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    let mut body = Vec::new();
    if chunked {
        read_chunks(reader, &mut body)?;
    } else if let Some(length) = number(&headers, "content-length")? {
        ensure!(length <= MOST_BODY_BYTES, "a body of {length} bytes");
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
    } else if status != 204 {
        reader.take(MOST_BODY_BYTES as u64).read_to_end(&mut body)?;
    }
    let framing = ["content-length", "transfer-encoding", "connection", "date"];
    let headers: Vec<_> = headers
        .into_iter()
        .filter(|(name, _)| !framing.iter().any(|other| name.eq_ignore_ascii_case(other)))
        .collect();
    let mut told = Told {
        status,
        headers,
        pieces: vec![Piece::new(body)],
        framing: Framing::Length,
        end: End::Clean,
        head_pause: Duration::ZERO,
    };
    if told.is_stream() {
        told.framing = Framing::Chunked;
        told.pieces = events(&told.body());
    }
    Ok(told)
}

fn read_chunks(reader: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> anyhow::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size =
            usize::from_str_radix(line.trim(), 16).with_context(|| format!("a chunk's size: {line:?}"))?;
        ensure!(body.len() + size <= MOST_BODY_BYTES, "a body that is too long");
        let start = body.len();
        body.resize(start + size + 2, 0);
        reader.read_exact(&mut body[start..])?;
        body.truncate(start + size);
        if size == 0 {
            return Ok(());
        }
    }
}

/// Each event with its blank line.
fn events(body: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\n\n") {
        let (event, after) = rest.split_at(at + 2);
        pieces.push(Piece::new(event));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::new(rest));
    }
    pieces
}

/// Writes an answer as it is told.
pub(super) fn write_answer(stream: &mut TcpStream, told: &Told) -> io::Result<()> {
    sleep(told.head_pause);
    let mut head = format!("HTTP/1.1 {} {}\r\n", told.status, reason(told.status));
    for (name, value) in &told.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length: usize = told.pieces.iter().map(|piece| piece.bytes.len()).sum();
    let bodiless = matches!(told.status, 204 | 304);
    if matches!(told.framing, Framing::Length | Framing::Both) && !bodiless {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    if matches!(told.framing, Framing::Chunked | Framing::Both) && !bodiless {
        head.push_str("transfer-encoding: chunked\r\n");
    }
    if told.framing == Framing::Close || told.end == End::ThenClose {
        head.push_str("connection: close\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if bodiless {
        return Ok(());
    }
    for piece in told.pieces.iter().filter(|piece| !piece.bytes.is_empty()) {
        if !piece.pause.is_zero() {
            sleep(piece.pause);
        }
        match told.framing {
            Framing::Chunked | Framing::Both => {
                let size = format!("{:x}\r\n", piece.bytes.len());
                stream.write_all(&[size.as_bytes(), &piece.bytes, b"\r\n"].concat())?;
            }
            Framing::Length | Framing::Close => stream.write_all(&piece.bytes)?,
        }
    }
    if matches!(told.framing, Framing::Chunked | Framing::Both) && told.end != End::Cut {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

/// A start line and the headers behind it.
type Head = (String, Vec<(String, String)>);

fn read_head(reader: &mut BufReader<TcpStream>) -> anyhow::Result<Option<Head>> {
    let mut bounded = reader.take(MOST_HEAD_BYTES);
    let mut start = String::new();
    if bounded.read_line(&mut start)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if bounded.read_line(&mut line)? == 0 {
            bail!("a head that breaks off, or is too long");
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Some((start.trim_end().to_owned(), headers)));
        }
        let (name, value) = line.split_once(':').with_context(|| format!("a header: {line:?}"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn number(headers: &[(String, String)], name: &str) -> anyhow::Result<Option<usize>> {
    let value = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    value.map(|(_, value)| value.parse().with_context(|| format!("{name}: {value}"))).transpose()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        500 => "Internal Server Error",
        _ => "Status",
    }
}
