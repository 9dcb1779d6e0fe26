//! A body: where it ends, and its content coding.

use std::io::{Read, Write};

use flate2::write::GzDecoder;

use super::incoming::Incoming;
use crate::client_mutants::reference::bug::{Bug, Manner};
use crate::client_mutants::reference::failure::{Failure, Kind};

/// Of the body as its reader gets it.
const LONGEST_BODY: u64 = 256 << 20;

/// Given to the decoder at once; even the best of compressions makes little more than a thousand times as much of it.
const SLICE_BYTES: usize = 4 << 10;

/// How a body's end is told (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// So many bytes of the chunk are left; of the first one, its size line is still to come.
    Chunks(u64),
    UntilClose,
    /// Nothing is left.
    Ended,
}

/// What is left of a body.
#[derive(Debug)]
pub(super) struct Body {
    framing: Framing,
    decoder: Option<GzDecoder<Vec<u8>>>,
    is_first_chunk: bool,
    /// Of the chunk, for the mistake that has no room for more.
    room: usize,
    manner: Manner,
    bytes: u64,
}

impl Body {
    /// # Errors
    /// When a framing or a coding is not understood.
    pub(super) fn new(
        status: u16,
        header: impl Fn(&str) -> Option<String>,
        manner: Manner,
    ) -> Result<Body, Failure> {
        let decoder = match header("content-encoding").map(|coding| coding.to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => None,
            Some("gzip" | "x-gzip") if manner.has(Bug::CompressedIsNotDecoded) => None,
            Some("gzip" | "x-gzip") => Some(GzDecoder::new(Vec::new())),
            Some(other) => {
                return Err(Failure::new(Kind::Protocol, format!("the coding `{other}` was not asked for")));
            }
        };
        let framing = framing(status, header)?;
        Ok(Body { framing, decoder, is_first_chunk: true, room: 0, bytes: 0, manner })
    }

    /// The next piece, as soon as there is one; `None` at the end.
    ///
    /// # Errors
    /// When the body breaks off, is longer than any answer, or cannot be decoded.
    pub(super) fn next_piece<R: Read>(
        &mut self,
        incoming: &mut Incoming<R>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let Some(raw) = self.next_raw(incoming)? else { return self.end_of_coding() };
            let piece = self.decode(raw)?;
            self.bytes += piece.len() as u64;
            if self.bytes > LONGEST_BODY {
                let message = format!("the answer has more than {LONGEST_BODY} bytes");
                return Err(Failure::new(Kind::TooLong, message));
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// A piece as it is on the wire.
    fn next_raw<R: Read>(&mut self, incoming: &mut Incoming<R>) -> Result<Option<Vec<u8>>, Failure> {
        match self.framing {
            Framing::Ended | Framing::Length(0) => Ok(None),
            Framing::UntilClose => Ok(Some(incoming.piece(u64::MAX)?).filter(|piece| !piece.is_empty())),
            Framing::Length(left) => {
                let piece = incoming.piece(left)?;
                if piece.is_empty() {
                    return Err(Failure::new(Kind::ShortBody, format!("{left} bytes are missing")));
                }
                self.framing = Framing::Length(left - piece.len() as u64);
                Ok(Some(piece))
            }
            Framing::Chunks(left) => self.next_of_chunks(incoming, left),
        }
    }

    fn next_of_chunks<R: Read>(
        &mut self,
        incoming: &mut Incoming<R>,
        mut left: u64,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let cut = || Failure::new(Kind::CutChunks, "the connection was closed before the last chunk");
        if left == 0 {
            if !std::mem::take(&mut self.is_first_chunk) && !incoming.line()?.ok_or_else(cut)?.is_empty() {
                return Err(Failure::new(Kind::Protocol, "a chunk is longer than its size"));
            }
            left = chunk_size(&incoming.line()?.ok_or_else(cut)?)?;
            self.room = 1 << 10;
        }
        if left == 0 {
            while !incoming.line()?.ok_or_else(cut)?.is_empty() {}
            self.framing = Framing::Ended;
            return Ok(None);
        }
        let mut piece = incoming.piece(left)?;
        if piece.is_empty() {
            return Err(cut());
        }
        self.framing = Framing::Chunks(left - piece.len() as u64);
        if self.manner.has(Bug::ChunksCutAt1Kib) {
            piece.truncate(self.room);
            self.room -= piece.len();
        }
        Ok(Some(piece))
    }

    fn decode(&mut self, raw: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let Some(decoder) = &mut self.decoder else { return Ok(raw) };
        let mut piece = Vec::new();
        for slice in raw.chunks(SLICE_BYTES) {
            decoder.write_all(slice).and_then(|()| decoder.flush()).map_err(|error| not_gzip(&error))?;
            piece.append(decoder.get_mut());
            if piece.len() as u64 > LONGEST_BODY {
                break;
            }
        }
        Ok(piece)
    }

    /// What the decoder has held back; a stream that it cannot end was cut.
    fn end_of_coding(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(decoder) = self.decoder.take() else { return Ok(None) };
        let rest = decoder.finish().map_err(|error| not_gzip(&error))?;
        Ok(Some(rest).filter(|rest| !rest.is_empty()))
    }
}

fn framing(status: u16, header: impl Fn(&str) -> Option<String>) -> Result<Framing, Failure> {
    if matches!(status, 204 | 304) {
        return Ok(Framing::Ended);
    }
    match (header("transfer-encoding"), header("content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunks(0)),
        (Some(coding), _) => {
            Err(Failure::new(Kind::Protocol, format!("the transfer coding `{coding}` is not understood")))
        }
        (None, Some(length)) => length
            .parse()
            .map(Framing::Length)
            .map_err(|_| Failure::new(Kind::Protocol, format!("Content-Length `{length}` is no number"))),
        (None, None) => Ok(Framing::UntilClose),
    }
}

fn chunk_size(line: &str) -> Result<u64, Failure> {
    let digits = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16)
        .map_err(|_| Failure::new(Kind::Protocol, format!("`{line}` is no chunk size")))
}

fn not_gzip(error: &std::io::Error) -> Failure {
    Failure::new(Kind::Protocol, format!("the answer is no whole gzip: {error}"))
}
