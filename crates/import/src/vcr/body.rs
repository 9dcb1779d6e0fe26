//! Bodies: how they are kept, how they are compressed, and where the events of a stream end.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use crate::notes::{Notes, Unfit};
use crate::tree::{Members, Value};

/// How long a body may be when it is decompressed, in bytes: 64 MiB.
pub const LONGEST_BODY: u64 = 64 * 1024 * 1024;

/// The beginning of all that gzip writes (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Takes the body of a request or an answer: a text, bytes, an object with one of them under `string` or, in base64,
/// under `base64_string`; what some keep as JSON under `parsed_body`; or `content`, as older recordings have it. None of
/// them is an empty one.
///
/// # Errors
/// Where it is something else.
pub(super) fn take(members: &mut Members, notes: &mut Notes<'_>) -> Result<Bytes, Unfit> {
    if let Some(parsed) = members.take("parsed_body") {
        // It stands for the body, which is empty then.
        let _empty = members.take("body");
        return Ok(parsed.to_json().to_string().into());
    }
    let Some(body) = members.take("body").or_else(|| members.take("content")) else {
        return Ok(Bytes::new());
    };
    if !matches!(body.value, Value::Members(_)) {
        return bytes(body.value);
    }
    let mut inner = Members::of(&members.path("body"), body)?;
    let (string, encoded) = (inner.take("string"), inner.text("base64_string")?);
    inner.end(notes);
    match (string, encoded) {
        (Some(string), _) => bytes(string.value),
        (None, Some(encoded)) => from_base64(&encoded),
        (None, None) => Ok(Bytes::new()),
    }
}

/// A body without its compression. The headers lose what tells of it.
///
/// # Errors
/// Where it is broken, or longer than [`LONGEST_BODY`].
pub(super) fn decompressed(
    body: Bytes,
    headers: &mut HeaderMap,
    notes: &mut Notes<'_>,
) -> Result<Bytes, Unfit> {
    let Some(encoding) = headers.get(CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok()) else {
        return Ok(body);
    };
    let encoding = encoding.trim().to_ascii_lowercase();
    let plain = match encoding.as_str() {
        "gzip" | "x-gzip" if body.starts_with(&GZIP) => within(MultiGzDecoder::new(&*body))?,
        "deflate" if is_zlib(&body) => within(ZlibDecoder::new(&*body))?,
        // The recorder has decompressed it, and left the header.
        "gzip" | "x-gzip" | "deflate" | "identity" => body,
        other => {
            notes.changed("response.body", format!("it stays compressed with {other}, in one read"));
            return Ok(body);
        }
    };
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    Ok(plain)
}

/// Whether it begins as zlib's format does: the method, and a checksum over two bytes (RFC 1950, section 2.2).
fn is_zlib(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31),
        _ => false,
    }
}

fn bytes(value: Value) -> Result<Bytes, Unfit> {
    match value {
        Value::Text(text) => Ok(text.into()),
        Value::Bytes(bytes) => Ok(bytes.into()),
        Value::Null => Ok(Bytes::new()),
        _ => Err(Unfit("its body is neither text nor bytes".to_owned())),
    }
}

fn from_base64(encoded: &str) -> Result<Bytes, Unfit> {
    let digits: String = encoded.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(digits).map_err(|error| Unfit(format!("`body.base64_string`: {error}")))?;
    Ok(bytes.into())
}

fn within(decoder: impl Read) -> Result<Bytes, Unfit> {
    let mut plain = Vec::new();
    match decoder.take(LONGEST_BODY + 1).read_to_end(&mut plain) {
        Ok(_) if plain.len() as u64 > LONGEST_BODY => {
            Err(Unfit(format!("decompressed its body has more than {LONGEST_BODY} bytes")))
        }
        Ok(_) => Ok(plain.into()),
        Err(error) => Err(Unfit(format!("its body cannot be decompressed: {error}"))),
    }
}

/// The events of a stream, each with the blank line that ends it (WHATWG HTML, section 9.2.6), and what follows the
/// last.
pub(super) fn event_blocks(stream: &Bytes) -> Vec<Bytes> {
    let mut blocks = Vec::new();
    let (mut start, mut line_start, mut position) = (0, 0, 0);
    while position < stream.len() {
        let end = match &stream[position..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => {
                position += 1;
                continue;
            }
        };
        let is_blank = position == line_start;
        position += end;
        line_start = position;
        if is_blank {
            blocks.push(stream.slice(start..position));
            start = position;
        }
    }
    if start < stream.len() {
        blocks.push(stream.slice(start..));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(stream: &'static str) -> Vec<Bytes> {
        event_blocks(&Bytes::from_static(stream.as_bytes()))
    }

    #[test]
    fn blank_lines_end_events() {
        assert_eq!(
            blocks("data: a\n\ndata: b\n\ndata: [DONE]\n\n"),
            ["data: a\n\n", "data: b\n\n", "data: [DONE]\n\n"]
        );
        assert_eq!(blocks("data: a\r\n\r\ndata: b\r\rrest"), ["data: a\r\n\r\n", "data: b\r\r", "rest"]);
        assert_eq!(blocks(": ping\ndata: a\ndata: b\n"), [": ping\ndata: a\ndata: b\n"]);
        assert_eq!(blocks(""), [""; 0]);
    }

    proptest! {
        /// Nothing is lost, and no event is empty.
        #[test]
        fn blocks_are_the_stream(stream in "[a:\r\n]{0,40}") {
            let stream = Bytes::from(stream);
            let blocks = event_blocks(&stream);
            prop_assert!(blocks.iter().all(|block| !block.is_empty()));
            prop_assert_eq!(blocks.concat(), stream.to_vec());
        }
    }
}
