//! The framing of chunked coding, RFC 9112 section 7.1, for those who write it.

/// The last chunk, without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One chunk: its size line, the bytes, CRLF.
///
/// Without bytes it is the size line and the CRLF of a chunk of size zero, which a recipient takes for [`LAST_CHUNK`].
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    let size_line = format!("{:x}\r\n", bytes.len());
    [size_line.as_bytes(), bytes, b"\r\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_its_size_in_hexadecimal() {
        assert_eq!(chunk(&[b'a'; 27]), b"1b\r\naaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        assert_eq!(chunk(b""), LAST_CHUNK);
    }
}
