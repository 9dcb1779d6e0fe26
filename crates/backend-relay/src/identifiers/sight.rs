//! The look at an answer that finds the id of what was created.
//!
//! Owns how far is looked, and in which form of text. Only the `id` of a JSON object counts, or that of a stream's first
//! event (the Responses API has it one level down, in `response`). Bytes go by untouched; none of them is kept.

use std::io::{self, Write};
use std::ops::ControlFlow;

use flate2::write::{GzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use interference_backend::is_event_stream;

use super::Collection;
use super::reader::{Depth, IdReader};
use crate::coding::Coding;

/// How much of an answer is looked at, in bytes as they come and in bytes of text.
pub const LOOKED_AT: usize = 256 * 1024;

/// A look at one answer as it comes.
pub(crate) struct Sight {
    body: Body,
    /// How many more bytes of it are looked at.
    room: usize,
}

/// A body in one of the codings that can be looked through.
enum Body {
    Plain(Looking),
    Gzip(Box<GzDecoder<Looking>>),
    Deflate(Box<ZlibDecoder<Looking>>),
}

/// The text of an answer, up to the id.
struct Looking {
    collection: Collection,
    member: usize,
    form: Form,
    id: IdReader,
    /// How many more bytes are looked at: none where the id was found, or will not come.
    room: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Events(Line),
}

/// Where in a line of a stream of events the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Behind so many bytes of [`DATA`].
    Beginning(usize),
    Other,
    Data,
}

/// How a line begins that has data.
const DATA: &[u8] = b"data:";

impl Sight {
    /// A look at an answer with these headers, if its form can have an id.
    pub(crate) fn new(collection: Collection, member: usize, headers: &HeaderMap) -> Option<Sight> {
        let coding = Coding::of(headers)?;
        let json =
            headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let (form, depth) = match json {
            true => (Form::Json, Depth::Innermost),
            false if is_event_stream(headers) => (Form::Events(Line::Beginning(0)), Depth::AboveResponse),
            false => return None,
        };
        let looking = Looking { collection, member, form, id: IdReader::new(depth), room: LOOKED_AT };
        let body = match coding {
            Coding::Identity => Body::Plain(looking),
            Coding::Gzip => Body::Gzip(Box::new(GzDecoder::new(looking))),
            Coding::Deflate => Body::Deflate(Box::new(ZlibDecoder::new(looking))),
        };
        Some(Sight { body, room: LOOKED_AT })
    }

    /// Looks at the next bytes; a break is the end of looking.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let bytes = &bytes[..bytes.len().min(self.room)];
        self.room -= bytes.len();
        let looked = match &mut self.body {
            Body::Plain(looking) => looking.write_all(bytes),
            Body::Gzip(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Body::Deflate(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
        };
        // An error is the end of looking, or damage.
        match looked.is_err() || self.room == 0 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl Looking {
    fn read(&mut self, byte: u8) -> ControlFlow<Option<String>> {
        let is_line_end = matches!(byte, b'\n' | b'\r');
        match &mut self.form {
            Form::Json => self.id.read(byte),
            // There is one event to look at, and its object is on one line.
            Form::Events(Line::Data) if is_line_end => ControlFlow::Break(None),
            Form::Events(Line::Data) => self.id.read(byte),
            Form::Events(line) => {
                *line = match *line {
                    _ if is_line_end => Line::Beginning(0),
                    Line::Beginning(matched) if byte == DATA[matched] && matched + 1 == DATA.len() => {
                        Line::Data
                    }
                    Line::Beginning(matched) if byte == DATA[matched] => Line::Beginning(matched + 1),
                    _ => Line::Other,
                };
                ControlFlow::Continue(())
            }
        }
    }
}

/// Whatever is behind a decoder is written to.
impl Write for Looking {
    /// # Errors
    /// [`io::ErrorKind::WriteZero`] when there is nothing more to look for.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in &bytes[..bytes.len().min(self.room)] {
            self.room -= 1;
            if let ControlFlow::Break(found) = self.read(*byte) {
                self.room = 0;
                if let Some(id) = found {
                    self.collection.identifiers.remember(&self.collection.path, &id, self.member);
                }
                break;
            }
        }
        match self.room {
            0 => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http::Method;
    use http::header::CONTENT_ENCODING;
    use proptest::prelude::*;

    use super::super::Identifiers;
    use super::*;

    const JSON: &str = "application/json";

    /// Who has `x_1` after a look at an answer, and how many of its frames were looked at.
    fn looked(content_type: &str, coding: &str, frames: &[&[u8]]) -> (Option<usize>, usize) {
        let identifiers = Arc::new(Identifiers::default());
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, content_type.parse().unwrap()),
            (CONTENT_ENCODING, coding.parse().unwrap()),
        ]);
        let collection = identifiers.collection(&Method::POST, "/responses/").unwrap();
        let mut looks = 0;
        if let Some(mut sight) = Sight::new(collection, 7, &headers) {
            let _ = frames.iter().try_for_each(|frame| {
                looks += 1;
                sight.look(frame)
            });
        }
        (identifiers.member_in("/responses/x_1/input_items"), looks)
    }

    fn found(content_type: &str, frames: &[&[u8]]) -> Option<usize> {
        looked(content_type, "identity", frames).0
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn ids_are_found_at_the_top_and_in_first_events() {
        for (content_type, body) in [
            ("application/json", r#"{"id":"x_1","object":"response","output":["#),
            ("application/json; charset=utf-8", r#" {"error": null, "output": [{"id": "y"}], "id": "x_1"}"#),
            ("application/json", r#"{"response":"a text","id":"x_1"}"#),
            ("text/event-stream", "data: {\"response\":\"a text\",\"id\":\"x_1\"}\n\n"),
            ("text/event-stream", "data: {\"response\":[1,{}],\"id\":\"x_1\"}\n\n"),
            ("text/event-stream", ": ping\n\ndata: {\"id\":\"x_1\"}\n\ndata: [DONE]\n\n"),
            (
                "text/event-stream",
                "event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{\"object\":\"response\",\
                 \"id\":\"x_1\"",
            ),
        ] {
            assert_eq!(found(content_type, &[body.as_bytes()]), Some(7), "{body}");
        }
        for (content_type, body) in [
            ("application/json", r#"{"data":[{"id":"x_1"}]}"#),
            ("application/json", r#"{"id":1}"#),
            ("application/json", r#"{"response":{"id":"x_1"}}"#),
            ("application/json", r#"{"metadata":{"response":{"id":"x_1"}}}"#),
            ("text/plain", r#"{"id":"x_1"}"#),
            ("text/event-stream", "data: {\"a\":1}\n\ndata: {\"id\":\"x_1\"}\n\n"),
            ("text/event-stream", "id: data: {\"id\":\"x_1\"}\n\n"),
        ] {
            assert_eq!(found(content_type, &[body.as_bytes()]), None, "{body}");
        }
    }

    #[test]
    fn an_id_is_found_behind_a_long_text_and_in_many_pieces() {
        let late = format!(r#"{{"choices":[{{"text":"{}"}}],"id":"x_1"}}"#, "x".repeat(LOOKED_AT - 64));
        assert_eq!(found(JSON, &[late.as_bytes()]), Some(7));
        let pieces: Vec<&[u8]> = late.as_bytes().chunks(7).collect();
        assert_eq!(found(JSON, &pieces), Some(7));
        let too_late = format!(r#"{{"a":"{}","id":"x_1"}}"#, "x".repeat(LOOKED_AT));
        assert_eq!(found(JSON, &[too_late.as_bytes()]), None);
    }

    #[test]
    fn an_id_is_found_in_a_compressed_answer() {
        let body = format!(r#"{{"object":"response","output":"{}","id":"x_1"}}"#, "tree ".repeat(10_000));
        for (coding, body) in [
            ("gzip", gzip(body.as_bytes())),
            ("X-GZIP", gzip(body.as_bytes())),
            ("deflate", zlib(body.as_bytes())),
        ] {
            for piece in [1, 7, body.len()] {
                let frames: Vec<&[u8]> = body.chunks(piece).collect();
                assert_eq!(looked(JSON, coding, &frames).0, Some(7), "{coding} {piece}");
            }
        }
        // A stream is compressed event by event.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"data: {\"response\":{\"id\":\"x_1\"}}\n\n").unwrap();
        encoder.flush().unwrap();
        assert_eq!(looked("text/event-stream", "gzip", &[encoder.get_ref()]).0, Some(7));
        for coding in ["br", "zstd", "gzip, gzip"] {
            assert_eq!(looked(JSON, coding, &[br#"{"id":"x_1"}"#]), (None, 0), "{coding}");
        }
    }

    #[test]
    fn looking_ends_with_the_id_and_within_its_bounds() {
        let rest: &[u8] = b",";
        assert_eq!(looked(JSON, "", &[br#"{"id":"x_1""#, rest]), (Some(7), 1));
        assert_eq!(looked(JSON, "", &[b"[", rest]), (None, 1));
        assert_eq!(looked("text/event-stream", "", &[b"data: {\"a\":1}\n", rest]), (None, 1));
        // What becomes large when it is decompressed, and what is large before.
        let large = gzip(format!(r#"{{"a":"{}","id":"x_1"}}"#, "x".repeat(2 * LOOKED_AT)).as_bytes());
        assert!(large.len() < LOOKED_AT);
        assert_eq!(looked(JSON, "gzip", &[&large, rest]), (None, 1));
        let empty = gzip(b"").repeat(LOOKED_AT / 16);
        assert_eq!(looked(JSON, "gzip", &[&empty, rest]), (None, 1));
        // Damage.
        assert_eq!(looked(JSON, "gzip", &[br#"{"id":"x_1"}"#, rest]), (None, 1));
        let mut damaged = gzip(br#"{"id":"x_1"}"#);
        damaged[10..].fill(0xff);
        assert_eq!(looked(JSON, "gzip", &[&damaged, rest]), (None, 1));
    }

    proptest! {
        #[test]
        fn frames_may_be_cut_anywhere(cut in 0_usize..40) {
            let body = br#"data: {"id":"x_1","choices":[]}"#;
            let (one, other) = body.split_at(cut.min(body.len()));
            prop_assert_eq!(found("text/event-stream", &[one, other]), Some(7));
        }
    }
}
