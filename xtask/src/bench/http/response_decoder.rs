//! An HTTP/1.1 response from bytes in pieces cut anywhere: its status and its body.

use anyhow::{Context, bail, ensure};

/// No line of a head, and no chunk's size, comes near this.
const LONGEST_LINE: usize = 64 << 10;

/// What has been understood so far.
#[derive(Debug, Default)]
pub(crate) struct ResponseDecoder {
    part: Part,
    framing: Framing,
    status: Option<u16>,
    /// The beginning of a line.
    pending: Vec<u8>,
}

/// The part of the response that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    #[default]
    StatusLine,
    Header,
    ChunkSize,
    ChunkData(usize),
    ChunkEnd,
    Trailer,
    Sized(usize),
    UntilClose,
    Done,
}

/// How the body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Framing {
    #[default]
    Close,
    Length(usize),
    Chunks,
}

impl ResponseDecoder {
    /// Takes a piece, and appends what of the body is in it to `body`. Bytes behind the end are ignored.
    ///
    /// # Errors
    /// When it is no HTTP/1.1 response.
    pub(crate) fn push(&mut self, mut piece: &[u8], body: &mut Vec<u8>) -> anyhow::Result<()> {
        while !piece.is_empty() && self.part != Part::Done {
            let count = match self.part {
                Part::UntilClose => piece.len(),
                Part::Sized(left) | Part::ChunkData(left) => left.min(piece.len()),
                _ => {
                    let end = piece.iter().position(|byte| *byte == b'\n');
                    let count = end.map_or(piece.len(), |end| end + 1);
                    self.pending.extend_from_slice(&piece[..count]);
                    ensure!(self.pending.len() <= LONGEST_LINE, "the server's answer has an endless line");
                    if end.is_some() {
                        let line = String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned();
                        self.part = self.after_line(line.trim_end())?;
                    }
                    piece = &piece[count..];
                    continue;
                }
            };
            body.extend_from_slice(&piece[..count]);
            piece = &piece[count..];
            self.part = match self.part {
                Part::Sized(left) if left > count => Part::Sized(left - count),
                Part::Sized(_) => Part::Done,
                Part::ChunkData(left) if left > count => Part::ChunkData(left - count),
                Part::ChunkData(_) => Part::ChunkEnd,
                other => other,
            };
        }
        Ok(())
    }

    /// The connection was closed.
    ///
    /// # Errors
    /// When the response was not complete.
    pub(crate) fn close(&mut self) -> anyhow::Result<()> {
        ensure!(
            matches!(self.part, Part::UntilClose | Part::Done),
            "the connection was closed in the middle of the answer"
        );
        self.part = Part::Done;
        Ok(())
    }

    /// Whether the response is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.part == Part::Done
    }

    /// The status, once it is known.
    pub(crate) fn status(&self) -> Option<u16> {
        self.status
    }

    fn after_line(&mut self, line: &str) -> anyhow::Result<Part> {
        Ok(match self.part {
            Part::StatusLine => {
                let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
                self.status = Some(code.with_context(|| format!("no HTTP/1.1 answer: `{line}`"))?);
                Part::Header
            }
            Part::Header if line.is_empty() => self.first_of_body(),
            Part::Header => {
                self.read_header(line)?;
                Part::Header
            }
            Part::ChunkSize => {
                let digits = line.split(';').next().unwrap_or_default().trim();
                match usize::from_str_radix(digits, 16).with_context(|| format!("no chunk size: `{line}`"))? {
                    0 => Part::Trailer,
                    size => Part::ChunkData(size),
                }
            }
            Part::ChunkEnd if line.is_empty() => Part::ChunkSize,
            Part::ChunkEnd => bail!("a chunk is longer than its size"),
            Part::Trailer if line.is_empty() => Part::Done,
            other => other,
        })
    }

    fn first_of_body(&mut self) -> Part {
        if self.status.is_some_and(|status| status < 200) {
            self.status = None;
            return Part::StatusLine;
        }
        match self.framing {
            Framing::Chunks => Part::ChunkSize,
            Framing::Length(0) => Part::Done,
            Framing::Length(length) => Part::Sized(length),
            Framing::Close => Part::UntilClose,
        }
    }

    fn read_header(&mut self, line: &str) -> anyhow::Result<()> {
        let Some((name, value)) = line.split_once(':') else { bail!("no header: `{line}`") };
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            ensure!(value.eq_ignore_ascii_case("chunked"), "transfer encoding `{value}` is not understood");
            self.framing = Framing::Chunks;
        } else if name.eq_ignore_ascii_case("content-length") && self.framing != Framing::Chunks {
            let length = value.parse().with_context(|| format!("content length `{value}` is no number"))?;
            self.framing = Framing::Length(length);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nServer: x\r\n\
        Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA;name=value\r\n, 12345678\r\n0\r\nTrailer: y\r\n\r\n";
    const SIZED: &str = "HTTP/1.1 429 Too Many\r\nContent-Length:  3\r\n\r\nwhy";
    const CLOSED: &str = "HTTP/1.1 200 OK\nContent-Type: text/plain\n\nto the end";

    fn decode(pieces: &[&[u8]]) -> (Option<u16>, String, ResponseDecoder) {
        let (mut decoder, mut body) = (ResponseDecoder::default(), Vec::new());
        for piece in pieces {
            decoder.push(piece, &mut body).unwrap();
        }
        (decoder.status(), String::from_utf8(body).unwrap(), decoder)
    }

    #[test]
    fn a_response_cut_at_any_byte_decodes_alike() {
        for (response, status, expected) in
            [(CHUNKED, 200, "hello, 12345678"), (SIZED, 429, "why"), (CLOSED, 200, "to the end")]
        {
            let bytes = response.as_bytes();
            let single: Vec<_> = bytes.chunks(1).collect();
            for cut in 0..=bytes.len() {
                let halves = [&bytes[..cut], &bytes[cut..]];
                for pieces in [&halves[..], &single] {
                    let (found, body, mut decoder) = decode(pieces);
                    assert_eq!((found, body.as_str()), (Some(status), expected), "cut at {cut}");
                    assert_eq!(decoder.is_done(), response != CLOSED);
                    decoder.close().unwrap();
                    assert!(decoder.is_done());
                }
            }
        }
    }

    #[test]
    fn an_end_before_the_end_is_an_error() {
        for response in [CHUNKED, SIZED] {
            for cut in 0..response.len() {
                let (_, _, mut decoder) = decode(&[&response.as_bytes()[..cut]]);
                assert!(decoder.close().is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for response in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 OK\r\n",
            "HTTP/1.1 200 OK\r\nno header\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            let outcome = ResponseDecoder::default().push(response.as_bytes(), &mut Vec::new());
            assert!(outcome.is_err(), "{response}");
        }
    }
}
