//! Counts the events of a stream by their `data:` lines, however the stream is cut.
//!
//! An event is one line here: a server that writes an event of several `data:` lines would be counted too high, and
//! none of those that are measured does.

use crate::AnyError;

/// A line that is not complete yet.
const LONGEST_LINE: usize = 1 << 20;

/// What has come of one stream.
#[derive(Default)]
pub(crate) struct EventCounter {
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    /// Events with data that is not `[DONE]`.
    pub(crate) events: u64,
    /// Those of them that bring text.
    pub(crate) pieces: u64,
    /// Whether `[DONE]` came.
    pub(crate) is_done: bool,
}

/// What is to be told apart; looking for text takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attention {
    Events,
    Pieces,
}

impl EventCounter {
    /// Goes on with bytes of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8], attention: Attention) -> Result<(), AnyError> {
        let mut unread = bytes;
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = unread.split_at(end);
            unread = behind.get(1..).unwrap_or_default();
            if self.rest.is_empty() {
                self.line(line, attention)?;
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(line);
                self.line(&whole, attention)?;
            }
        }
        self.rest.extend_from_slice(unread);
        if self.rest.len() > LONGEST_LINE {
            return Err(format!("a line of the stream is longer than {LONGEST_LINE} bytes").into());
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], attention: Attention) -> Result<(), AnyError> {
        let Some(data) = line.strip_prefix(b"data:") else { return Ok(()) };
        if self.is_done {
            return Err("an event came after [DONE]".into());
        }
        if data.trim_ascii() == b"[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        self.events += 1;
        if attention == Attention::Pieces && brings_text(data) {
            self.pieces += 1;
        }
        Ok(())
    }
}

/// Whether a chunk has content that is not empty.
pub(crate) fn brings_text(data: &[u8]) -> bool {
    const MEMBER: &[u8] = b"\"content\":\"";
    let found = data.windows(MEMBER.len()).position(|window| window == MEMBER);
    found.and_then(|start| data.get(start + MEMBER.len())).is_some_and(|byte| *byte != b'"')
}
