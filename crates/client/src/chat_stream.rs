//! What the events of a chat stream mean, and whether their end is a sound one.
//!
//! Pure: bytes go in, pieces of the answer come out. It knows nothing of connections and of time.

use http::StatusCode;
use interference_sse::{DecodeError, Decoded, Decoder};
use serde_json::Value;

use crate::body::quotation;
use crate::tool_calls::ToolCalls;
use crate::{ChatEvent, ClientError, Cut, json};

/// Reads one stream.
#[derive(Debug, Default)]
pub(crate) struct ChatStream {
    decoder: Decoder,
    has_chunk: bool,
    has_finish: bool,
}

/// What [`ChatStream::read`] has found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// One event, with so many pieces in it (there may be none).
    Pieces(Vec<ChatEvent>),
    /// Nothing more in these bytes.
    NeedsMore,
    /// The end, `[DONE]`; what follows it means nothing.
    Done,
}

impl ChatStream {
    /// Reads from the front of `input` up to the end of the next event; what it says of calls of functions goes to
    /// `calls`.
    ///
    /// # Errors
    /// [`ClientError::Stream`], [`ClientError::MalformedEvent`], [`ClientError::Api`], [`ClientError::BrokeOff`], and
    /// what [`ToolCalls::add`] refuses.
    pub(crate) fn read(&mut self, input: &mut &[u8], calls: &mut ToolCalls) -> Result<Found, ClientError> {
        match self.decoder.decode(input)? {
            Some(event) => self.interpret(&event, calls),
            None => Ok(Found::NeedsMore),
        }
    }

    /// Judges the end of a body in which `[DONE]` did not come; a finish reason will do.
    ///
    /// # Errors
    /// [`ClientError::BrokeOff`].
    pub(crate) fn finish(self) -> Result<(), ClientError> {
        let cut = match self.decoder.finish() {
            _ if self.has_finish => return Ok(()),
            Err(DecodeError::Unterminated) => Cut::InsideEvent,
            _ => Cut::WithoutFinish,
        };
        Err(ClientError::BrokeOff { cut, source: None })
    }

    /// Whether anything of a chat stream has come.
    pub(crate) fn has_chunk(&self) -> bool {
        self.has_chunk
    }

    fn interpret(&mut self, event: &Decoded, calls: &mut ToolCalls) -> Result<Found, ClientError> {
        let data = event.data.trim();
        if event.name.as_deref() == Some("error") {
            return Err(ClientError::Api(Box::new(error_event(data))));
        }
        match data {
            "" => return Ok(Found::Pieces(Vec::new())),
            "[DONE]" if self.has_chunk => return Ok(Found::Done),
            "[DONE]" => return Err(ClientError::BrokeOff { cut: Cut::WithoutChunk, source: None }),
            _ => {}
        }
        let malformed = |problem| ClientError::MalformedEvent { problem, event: quotation(data) };
        let chunk: Value = serde_json::from_str(data).map_err(|error| malformed(error.to_string()))?;
        if let Some(error) = json::declared_error(&chunk, StatusCode::OK) {
            return Err(ClientError::Api(Box::new(error)));
        }
        if !chunk.is_object() {
            return Err(malformed("it is no JSON object".to_owned()));
        }
        calls.add(json::chunk_calls(&chunk))?;
        let pieces = json::chunk_events(&chunk);
        self.has_chunk = true;
        self.has_finish |= pieces.iter().any(|piece| matches!(piece, ChatEvent::Finished(_)));
        Ok(Found::Pieces(pieces))
    }
}

/// The error in an event that is named so, whatever its data look like.
fn error_event(data: &str) -> crate::ApiError {
    let document: Option<Value> = serde_json::from_str(data).ok();
    document
        .and_then(|document| json::known_error(&document, StatusCode::OK))
        .unwrap_or_else(|| json::error_with_message(quotation(data), StatusCode::OK))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All pieces of a stream that arrives cut in this way, and how it ends.
    fn read_all<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ChatEvent>, String) {
        let mut stream = ChatStream::default();
        let mut calls = ToolCalls::default();
        let mut pieces = Vec::new();
        for mut part in parts {
            loop {
                match stream.read(&mut part, &mut calls) {
                    Ok(Found::Pieces(found)) => pieces.extend(found),
                    Ok(Found::NeedsMore) => break,
                    Ok(Found::Done) => return (pieces, "done".to_owned()),
                    Err(error) => return (pieces, error.to_string()),
                }
            }
        }
        (pieces, format!("{:?}", stream.finish().map_err(|error| error.to_string())))
    }

    proptest! {
        #[test]
        fn any_stream_reads_alike_however_it_is_cut(
            events in proptest::collection::vec(prop_oneof![
                Just(r#"data: {"choices":[{"delta":{"content":"é🌳"}}]}"#.to_owned()),
                Just(r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#.to_owned()),
                Just(r#"data: {"error":{"message":"m"}}"#.to_owned()),
                Just("data: [DONE]".to_owned()),
                Just("event: error\ndata: {}".to_owned()),
                Just(": ping".to_owned()),
                "data: [\\[\\]{}a-c\":,0-9]{0,12}",
                any::<String>(),
            ], 0..8),
            part_len in 1_usize..20,
        ) {
            let stream: String = events.iter().map(|event| format!("{event}\n\n")).collect();
            let whole = read_all([stream.as_bytes()]);
            prop_assert_eq!(read_all(stream.as_bytes().chunks(part_len)), whole);
        }
    }
}
