//! Where a body ends, and its pieces: RFC 9112 sections 6.3 and 7.1, without input or output of its own.
//!
//! Strict where two readers might see two different bodies; extensions of chunks and trailers are for the next hop, and
//! are left out within bounds. It refuses to know what the bytes mean.

use std::io;

use bytes::{Buf, Bytes};

/// How long the line before a chunk may be, in bytes.
const LONGEST_CHUNK_LINE: usize = 8 * 1024;

/// How long the trailers behind the last chunk may be, in bytes.
const LONGEST_TRAILERS: usize = 64 * 1024;

/// What is to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing: there is none, or it has ended.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunks(Chunks),
    /// All that comes before the connection ends.
    ToTheEnd,
}

/// What a look at the bytes has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// So much of the body: never empty, and never of two chunks.
    Piece(Bytes),
    /// Nothing is left of the bytes, and the body has not ended.
    NeedsMore,
    /// The body has ended. What is left of the bytes is not of it.
    End,
}

impl Body {
    /// A body in chunks, before the first.
    pub(crate) fn in_chunks() -> Body {
        Body::Chunks(Chunks { place: Place::Size { size: 0, digits: 0 }, line: 0 })
    }

    /// Takes the next piece out of what was read.
    ///
    /// # Errors
    /// `InvalidData`: these are no chunks, or a bound is passed.
    pub(crate) fn decode(&mut self, unread: &mut Bytes) -> io::Result<Decoded> {
        let decoded = match self {
            Body::Nothing | Body::Length(0) => Decoded::End,
            _ if unread.is_empty() => Decoded::NeedsMore,
            Body::Length(left) => Decoded::Piece(take(left, unread)),
            Body::Chunks(chunks) => chunks.decode(unread)?,
            Body::ToTheEnd => Decoded::Piece(std::mem::take(unread)),
        };
        if decoded == Decoded::End {
            *self = Body::Nothing;
        }
        Ok(decoded)
    }

    /// Whether the body is whole if the connection ends here.
    ///
    /// # Errors
    /// `UnexpectedEof`: it is not.
    pub(crate) fn end_of_connection(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Body::Nothing) {
            Body::Nothing | Body::ToTheEnd => Ok(()),
            Body::Length(_) | Body::Chunks(_) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the upstream ended the connection before its answer was whole",
            )),
        }
    }
}

/// As much as there is of the bytes that are left.
fn take(left: &mut u64, unread: &mut Bytes) -> Bytes {
    let length = usize::try_from(*left).map_or(unread.len(), |left| left.min(unread.len()));
    *left -= length as u64;
    if length == unread.len() { std::mem::take(unread) } else { unread.split_to(length) }
}

/// A body in chunks under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunks {
    place: Place,
    /// The bytes of this chunk's line so far, or of the trailers.
    line: usize,
}

/// In front of what the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Digits of a size, of which there were so many.
    Size { size: u64, digits: usize },
    /// White space behind a size.
    Space { size: u64 },
    /// What is behind a size, from the first semicolon on.
    Extension { size: u64 },
    /// The line feed of a size's line.
    SizeLineFeed { size: u64 },
    /// Bytes of the body.
    Data { left: u64 },
    /// The carriage return behind them.
    DataReturn,
    /// And the line feed.
    DataLineFeed,
    /// A trailer, or the last line.
    TrailerLine,
    /// The rest of a trailer.
    Trailer,
    /// Its line feed.
    TrailerLineFeed,
    /// The line feed of the last line.
    LastLineFeed,
    /// Nothing of the body.
    End,
}

impl Chunks {
    fn decode(&mut self, unread: &mut Bytes) -> io::Result<Decoded> {
        let mut read = 0;
        for byte in unread.iter() {
            if matches!(self.place, Place::Data { .. } | Place::End) {
                break;
            }
            self.count()?;
            self.place = self.place.after(*byte)?;
            read += 1;
        }
        unread.advance(read);
        let Place::Data { left } = &mut self.place else {
            return Ok(if self.place == Place::End { Decoded::End } else { Decoded::NeedsMore });
        };
        if unread.is_empty() {
            return Ok(Decoded::NeedsMore);
        }
        let piece = take(left, unread);
        if *left == 0 {
            self.place = Place::DataReturn;
        }
        Ok(Decoded::Piece(piece))
    }

    /// Counts a byte that is no data.
    fn count(&mut self) -> io::Result<()> {
        let (most, told) = match self.place {
            Place::TrailerLine | Place::Trailer | Place::TrailerLineFeed | Place::LastLineFeed => {
                (LONGEST_TRAILERS, "the trailers are too long")
            }
            _ => (LONGEST_CHUNK_LINE, "the line of a chunk's size is too long"),
        };
        if self.line == most {
            return Err(no_chunk(told));
        }
        let ends_line = matches!(self.place, Place::SizeLineFeed { .. });
        self.line = if ends_line { 0 } else { self.line + 1 };
        Ok(())
    }
}

impl Place {
    /// Where this byte leads.
    fn after(self, byte: u8) -> io::Result<Place> {
        Ok(match (self, byte) {
            (Place::Size { size, digits }, _) => return after_size(size, digits, byte),
            (Place::Space { size }, _) => return behind_size(size, byte),
            (Place::Extension { size }, b'\r') => Place::SizeLineFeed { size },
            (Place::Extension { .. }, b'\n' | b'\0') => {
                return Err(no_chunk("the line of a chunk's size has a byte that no line has"));
            }
            (Place::Extension { size }, _) => Place::Extension { size },
            (Place::SizeLineFeed { size: 0 }, b'\n') => Place::TrailerLine,
            (Place::SizeLineFeed { size }, b'\n') => Place::Data { left: size },
            (Place::DataReturn, b'\r') => Place::DataLineFeed,
            (Place::DataLineFeed, b'\n') => Place::Size { size: 0, digits: 0 },
            (Place::DataReturn | Place::DataLineFeed, _) => {
                return Err(no_chunk("a chunk is longer than its size"));
            }
            (Place::TrailerLine, b'\r') => Place::LastLineFeed,
            // A line of fields may end so (RFC 9112 section 2.2); no chunk's may.
            (Place::TrailerLine, b'\n') => Place::End,
            (Place::Trailer, b'\n') => Place::TrailerLine,
            (Place::Trailer, b'\r') => Place::TrailerLineFeed,
            (Place::TrailerLine | Place::Trailer, _) => Place::Trailer,
            (Place::TrailerLineFeed, b'\n') => Place::TrailerLine,
            (Place::LastLineFeed, b'\n') => Place::End,
            (Place::SizeLineFeed { .. } | Place::TrailerLineFeed | Place::LastLineFeed, _) => {
                return Err(no_chunk("CR stands without LF between chunks"));
            }
            (Place::Data { .. } | Place::End, _) => self,
        })
    }
}

fn after_size(size: u64, digits: usize, byte: u8) -> io::Result<Place> {
    if let Some(digit) = char::from(byte).to_digit(16) {
        let size = size.checked_mul(16).ok_or_else(|| no_chunk("a chunk's size is too large"))?;
        return Ok(Place::Size { size: size + u64::from(digit), digits: digits + 1 });
    }
    if digits > 0 {
        behind_size(size, byte)
    } else {
        Err(no_chunk("a chunk's size is no hexadecimal number"))
    }
}

fn behind_size(size: u64, byte: u8) -> io::Result<Place> {
    match byte {
        b'\r' => Ok(Place::SizeLineFeed { size }),
        b' ' | b'\t' => Ok(Place::Space { size }),
        b';' => Ok(Place::Extension { size }),
        _ => Err(no_chunk("a chunk's size is no hexadecimal number")),
    }
}

fn no_chunk(told: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("what the upstream sent is no body in chunks: {told}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a body that comes in these reads, how it ended, and what was left.
    fn decode<'a>(
        mut body: Body,
        reads: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<Bytes>, io::Result<Bytes>) {
        let mut pieces = Vec::new();
        for read in reads {
            let mut unread = Bytes::copy_from_slice(read);
            loop {
                match body.decode(&mut unread) {
                    Ok(Decoded::Piece(piece)) => pieces.push(piece),
                    Ok(Decoded::NeedsMore) => break,
                    Ok(Decoded::End) => return (pieces, Ok(unread)),
                    Err(error) => return (pieces, Err(error)),
                }
            }
            assert!(unread.is_empty(), "what needs more has taken everything");
        }
        (pieces, body.end_of_connection().map(|()| Bytes::new()))
    }

    #[test]
    fn chunks_are_pieces_and_the_rest_is_not_of_the_body() {
        let sent = b"4 \t\r\ntree\r\n00a ;x=\"1\"\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nHTTP";
        let (pieces, rest) = decode(Body::in_chunks(), [sent.as_slice()]);
        assert_eq!(pieces, ["tree", "0123456789"]);
        assert_eq!(rest.unwrap(), "HTTP");
        let (pieces, rest) = decode(Body::in_chunks(), [b"0\r\nTrailer: 1\n\nHTTP".as_slice()]);
        assert_eq!((pieces.len(), rest.unwrap()), (0, Bytes::from("HTTP")));
    }

    #[test]
    fn a_length_ends_a_body_and_so_does_the_connection() {
        let (pieces, rest) = decode(Body::Length(6), [b"tre".as_slice(), b"eseed"]);
        assert_eq!((pieces.concat().as_slice(), rest.unwrap()), (b"treese".as_slice(), Bytes::from("ed")));
        let (pieces, end) = decode(Body::ToTheEnd, [b"tre".as_slice(), b"es"]);
        assert_eq!(pieces, ["tre", "es"]);
        end.unwrap();
        for body in [Body::Length(0), Body::Nothing] {
            let (pieces, rest) = decode(body, [b"x".as_slice()]);
            assert_eq!((pieces.len(), rest.unwrap()), (0, Bytes::from("x")));
        }
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for (sent, told) in [
            ("\r\n", "no hexadecimal number"),
            ("-1\r\n", "no hexadecimal number"),
            ("0x1\r\n", "no hexadecimal number"),
            ("10000000000000000\r\n", "too large"),
            ("1\n", "no hexadecimal number"),
            ("1 2\r\n", "no hexadecimal number"),
            ("1;\n", "no line has"),
            ("1;\0\r\n", "no line has"),
            ("1\rx", "CR stands without LF"),
            ("1\r\nab", "longer than its size"),
            ("1\r\na\n", "longer than its size"),
            ("0\n\n", "no hexadecimal number"),
            ("0\r\nx: 1\rx", "CR stands without LF"),
            ("0\r\n\rx", "CR stands without LF"),
        ] {
            let (_, end) = decode(Body::in_chunks(), [sent.as_bytes()]);
            let error = end.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{sent:?}");
            assert!(error.to_string().contains(told), "{sent:?}: {error}");
        }
        let (_, end) = decode(Body::in_chunks(), [b"ffffffffffffffff\r\nx".as_slice()]);
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn lines_between_chunks_have_bounds() {
        let zeros = "0".repeat(LONGEST_CHUNK_LINE);
        let extension = format!("1;{}", "x".repeat(LONGEST_CHUNK_LINE));
        let trailers = format!("0\r\n{}", "x: 1\r\n".repeat(LONGEST_TRAILERS / 6 + 1));
        for sent in [format!("{zeros}1\r\n"), extension, trailers] {
            for size in [1, 1_000, sent.len()] {
                let (_, end) = decode(Body::in_chunks(), sent.as_bytes().chunks(size));
                assert!(end.unwrap_err().to_string().contains("too long"));
            }
        }
        let longest = format!("{}1\r\nx\r\n0\r\n\r\n", "0".repeat(LONGEST_CHUNK_LINE - 5));
        let (pieces, rest) = decode(Body::in_chunks(), [longest.as_bytes()]);
        assert_eq!(pieces, ["x"]);
        rest.unwrap();
    }
}
