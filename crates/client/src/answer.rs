//! An answer, read as it arrives.
//!
//! What the body is, its first character tells, since servers and proxies label bodies wrongly: no stream of events
//! begins with `{` or `<`. Whatever comes, its end is judged: a sound one, or an error after all the text that did
//! arrive.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use http::{StatusCode, header};
use serde_json::Value;

use crate::body::Body;
use crate::chat_stream::{ChatStream, Found};
use crate::exchange::{Response, header_text};
use crate::tool_calls::ToolCalls;
use crate::{ChatEvent, ClientError, ToolCall, json};

/// How long an answer may be that comes whole. A stream is bounded by the event only: its text is passed on.
const WHOLE_ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A chat completion on its way.
pub struct ChatAnswer {
    status: StatusCode,
    content_type: Option<String>,
    body: Body,
    stage: Stage,
    /// Pieces that were read and not yet handed out.
    ready: VecDeque<ChatEvent>,
    calls: ToolCalls,
}

enum Stage {
    /// Nothing has come that tells a stream from anything else.
    Opening(Vec<u8>),
    /// No stream: to be read to its end first.
    Whole(Vec<u8>),
    Stream {
        stream: ChatStream,
        unread: Bytes,
    },
    Ended,
}

impl ChatAnswer {
    pub(crate) fn new(response: Response) -> ChatAnswer {
        ChatAnswer {
            status: response.status,
            content_type: header_text(&response.headers, header::CONTENT_TYPE.as_str()),
            body: response.body,
            stage: Stage::Opening(Vec::new()),
            ready: VecDeque::new(),
            calls: ToolCalls::default(),
        }
    }

    /// The next piece; `None` after a sound end, and after an error.
    ///
    /// # Errors
    /// Any [`ClientError`] that can happen after the head of a response.
    ///
    /// # Cancellation
    /// Safe: nothing is lost.
    pub async fn next(&mut self) -> Option<Result<ChatEvent, ClientError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if matches!(self.stage, Stage::Ended) {
                return None;
            }
            if let Err(error) = self.advance().await {
                self.stage = Stage::Ended;
                return Some(Err(error));
            }
        }
    }

    /// The functions that the model wants called, as far as they have come, in the order in which they began.
    ///
    /// They are whole once [`ChatAnswer::next`] has given `None` without an error before, and the reason why the answer
    /// ended is not `length`.
    pub fn tool_calls(&self) -> &[ToolCall] {
        self.calls.calls()
    }

    /// Reads one event, or waits once for more bytes.
    async fn advance(&mut self) -> Result<(), ClientError> {
        if let Stage::Stream { stream, unread } = &mut self.stage {
            let mut input = &unread[..];
            let found = stream.read(&mut input, &mut self.calls);
            unread.advance(unread.len() - input.len());
            match found? {
                Found::Pieces(pieces) => self.ready.extend(pieces),
                Found::Done => self.stage = Stage::Ended,
                Found::NeedsMore => return self.receive().await,
            }
            return Ok(());
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Result<(), ClientError> {
        let Some(bytes) = self.body.chunk().await? else { return self.end() };
        match &mut self.stage {
            Stage::Opening(buffer) => {
                collect(buffer, &bytes)?;
                if let Some(first) = bytes.iter().find(|byte| !is_blank(**byte)) {
                    self.stage = stage_for(*first, std::mem::take(buffer));
                }
            }
            Stage::Whole(buffer) => collect(buffer, &bytes)?,
            Stage::Stream { unread, .. } => *unread = bytes,
            Stage::Ended => {}
        }
        Ok(())
    }

    /// Judges the end of the body.
    fn end(&mut self) -> Result<(), ClientError> {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Opening(whole) | Stage::Whole(whole) => self.take_whole(&whole),
            // Text that has no events in it at all is no stream that broke off, but something else.
            Stage::Stream { stream, .. } if !stream.has_chunk() && !self.says_event_stream() => {
                Err(self.unexpected())
            }
            Stage::Stream { stream, .. } => stream.finish(),
            Stage::Ended => Ok(()),
        }
    }

    fn take_whole(&mut self, whole: &[u8]) -> Result<(), ClientError> {
        let text = whole.strip_prefix(BYTE_ORDER_MARK).unwrap_or(whole);
        let Ok(document) = serde_json::from_slice::<Value>(text) else { return Err(self.unexpected()) };
        if let Some(error) = json::declared_error(&document, self.status) {
            return Err(ClientError::Api(Box::new(error)));
        }
        let pieces = json::completion_events(&document).ok_or_else(|| self.unexpected())?;
        self.ready.extend(pieces);
        self.calls.add(json::completion_calls(&document))
    }

    fn says_event_stream(&self) -> bool {
        self.content_type
            .as_deref()
            .is_some_and(|content_type| content_type.to_ascii_lowercase().starts_with("text/event-stream"))
    }

    fn unexpected(&self) -> ClientError {
        ClientError::UnexpectedAnswer { content_type: self.content_type.clone(), body: self.body.opening() }
    }
}

/// What a body is that begins so. `first` is the first byte of `opening` that is not blank.
fn stage_for(first: u8, opening: Vec<u8>) -> Stage {
    match first {
        b'{' | b'[' | b'<' => Stage::Whole(opening),
        _ => Stage::Stream { stream: ChatStream::default(), unread: opening.into() },
    }
}

/// Whether a byte tells nothing of what follows it: white space, or a part of a byte order mark.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || BYTE_ORDER_MARK.contains(&byte)
}

fn collect(buffer: &mut Vec<u8>, bytes: &[u8]) -> Result<(), ClientError> {
    if bytes.len() > WHOLE_ANSWER_BYTES_MAX - buffer.len() {
        return Err(ClientError::TooLong { bytes_max: WHOLE_ANSWER_BYTES_MAX });
    }
    buffer.extend_from_slice(bytes);
    Ok(())
}
