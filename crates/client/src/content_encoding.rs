//! Undoes a body's content encoding.
//!
//! No encoding is asked for, but some proxies compress all the same; gzip, which they all use, is undone here.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

/// How much is decompressed at once. Deflate grows by a factor of about 1,000 at most, so this bounds the memory.
const SLICE_BYTES: usize = 4 * 1024;

/// A decoder for the body of one response.
pub(crate) struct ContentDecoder {
    received: Bytes,
    coding: Coding,
}

enum Coding {
    None,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// By this name.
    Unknown(String),
}

impl ContentDecoder {
    /// A decoder for the value of a `content-encoding` header. Of an encoding that is not known nothing can be read.
    pub(crate) fn for_encoding(encoding: &str) -> ContentDecoder {
        let coding = match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Coding::None,
            "gzip" | "x-gzip" => Coding::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            _ => Coding::Unknown(encoding.to_owned()),
        };
        ContentDecoder { received: Bytes::new(), coding }
    }

    /// Takes the next bytes of the body; call it when [`ContentDecoder::next`] has nothing more.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.received = bytes;
    }

    /// Decoded bytes, never empty; `None` when more must be pushed.
    pub(crate) fn next(&mut self) -> io::Result<Option<Bytes>> {
        let gzip = match &mut self.coding {
            Coding::None => {
                return Ok(Some(std::mem::take(&mut self.received)).filter(|bytes| !bytes.is_empty()));
            }
            Coding::Gzip(gzip) => gzip,
            Coding::Unknown(_) if self.received.is_empty() => return Ok(None),
            Coding::Unknown(name) => {
                let told = format!("`{name}` is not known, and no encoding was asked for");
                return Err(io::Error::new(io::ErrorKind::Unsupported, told));
            }
        };
        while !self.received.is_empty() {
            let slice = self.received.split_to(self.received.len().min(SLICE_BYTES));
            gzip.write_all(&slice)?;
            gzip.flush()?;
            if !gzip.get_ref().is_empty() {
                return Ok(Some(std::mem::take(gzip.get_mut()).into()));
            }
        }
        Ok(None)
    }

    /// Ends the body; an error says that something of it is missing.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match &mut self.coding {
            Coding::Gzip(gzip) => gzip.try_finish(),
            Coding::None | Coding::Unknown(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn decoded(encoding: &str, body: &[u8], piece_len: usize) -> io::Result<Vec<u8>> {
        let mut decoder = ContentDecoder::for_encoding(encoding);
        let mut out = Vec::new();
        for piece in body.chunks(piece_len) {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(bytes) = decoder.next()? {
                out.extend_from_slice(&bytes);
            }
        }
        decoder.finish()?;
        Ok(out)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_undone_however_it_is_cut() {
        let text = b"tree ".repeat(10_000);
        let body = gzip(&text);
        for piece_len in [1, 7, body.len()] {
            assert_eq!(decoded("gzip", &body, piece_len).unwrap(), text);
        }
    }

    #[test]
    fn what_is_flushed_comes_at_once() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"data: a\n\n").unwrap();
        encoder.flush().unwrap();
        let mut decoder = ContentDecoder::for_encoding("GZIP");
        decoder.push(encoder.get_ref().clone().into());
        assert_eq!(decoder.next().unwrap().unwrap(), &b"data: a\n\n"[..]);
    }

    #[test]
    fn damage_and_cuts_are_errors() {
        let body = gzip(b"tree");
        for cut in [0, 5, body.len() - 9, body.len() - 1] {
            assert!(decoded("gzip", &body[..cut], 100).is_err(), "{cut}");
        }
        assert!(decoded("gzip", b"data: a\n\n", 100).is_err());
    }

    #[test]
    fn other_encodings_are_not_known() {
        let error = decoded("br", b"tree", 1).unwrap_err();
        assert_eq!(error.to_string(), "`br` is not known, and no encoding was asked for");
        assert_eq!(decoded("identity", b"tree", 1).unwrap(), b"tree");
    }
}
