//! Bytes to events.
//!
//! Follows the interpretation of an event stream in WHATWG HTML §9.2.6, with two differences. Invalid UTF-8 is an
//! error, where a browser would show replacement characters: text that was damaged on its way must not pass for the
//! server's. And `id:` and `retry:` are read past, since they serve a reconnection that nobody here makes.
//!
//! Memory is bounded by the limit on a line plus the limit on an event's data, and the time is linear in the bytes,
//! however they are cut.

/// How long a line, and the data of an event, may be unless the caller says otherwise: 8 MiB each.
pub const DEFAULT_BYTES_MAX: usize = 8 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An event as a stream dispatched it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The value of the last `event:` line; `None` stands for the standard's default, `message`.
    pub name: Option<String>,
    /// The values of the `data:` lines, joined by LF. A single empty `data:` line makes an event with empty data.
    pub data: String,
}

/// Why a stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A line, or the data of an event, is longer than the decoder takes.
    #[error("a line or an event is longer than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// A line is not UTF-8.
    #[error("a line is not valid UTF-8")]
    InvalidUtf8,
    /// The stream ended inside an event; that event was dropped, as the standard demands. Only
    /// [`Decoder::finish`] reports it.
    #[error("the stream ended inside an event, before the blank line that would have completed it")]
    Unterminated,
}

/// Decodes one stream, fed with bytes as they arrive.
#[derive(Debug)]
pub struct Decoder {
    bytes_max: usize,
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    /// The last byte was a CR, which ended its line at once; a LF that follows belongs to it.
    after_carriage_return: bool,
    /// No line has ended yet: the first may begin with a byte order mark.
    at_start: bool,
    name: Option<String>,
    data: Option<String>,
    failed: Option<DecodeError>,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new(DEFAULT_BYTES_MAX)
    }
}

impl Decoder {
    /// A decoder at the start of a stream, that takes lines, and data of an event, of up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Decoder {
        Decoder {
            bytes_max,
            line: Vec::new(),
            after_carriage_return: false,
            at_start: true,
            name: None,
            data: None,
            failed: None,
        }
    }

    /// Reads from the front of `input` up to the end of the next event, and moves `input` past what it read.
    ///
    /// `None` means that all of `input` was read and completed no further event. So a caller loops until `None`, then
    /// comes back with the next bytes.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] and [`DecodeError::InvalidUtf8`]. After an error the stream has no known state, and
    /// every further call returns the same error.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Decoded>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let decoded = self.decode_lines(input);
        self.failed = decoded.as_ref().err().copied();
        decoded
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`DecodeError::Unterminated`] when the stream ended inside a line or an event; or the error that
    /// [`Decoder::decode`] returned before.
    pub fn finish(self) -> Result<(), DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let clean = self.line.is_empty() && self.name.is_none() && self.data.is_none();
        if clean { Ok(()) } else { Err(DecodeError::Unterminated) }
    }

    fn decode_lines(&mut self, input: &mut &[u8]) -> Result<Option<Decoded>, DecodeError> {
        loop {
            if std::mem::take(&mut self.after_carriage_return) {
                match input.first() {
                    Some(b'\n') => *input = &input[1..],
                    Some(_) => {}
                    None => self.after_carriage_return = true,
                }
            }
            let Some(end) = input.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
                self.keep(input)?;
                *input = &[];
                return Ok(None);
            };
            self.keep(&input[..end])?;
            self.after_carriage_return = input[end] == b'\r';
            *input = &input[end + 1..];
            if let Some(decoded) = self.end_line()? {
                return Ok(Some(decoded));
            }
        }
    }

    fn keep(&mut self, part_of_line: &[u8]) -> Result<(), DecodeError> {
        if part_of_line.len() > self.bytes_max - self.line.len() {
            return Err(DecodeError::TooLong { bytes_max: self.bytes_max });
        }
        self.line.extend_from_slice(part_of_line);
        Ok(())
    }

    /// Interprets the line that is complete, and returns the event that it completes.
    fn end_line(&mut self) -> Result<Option<Decoded>, DecodeError> {
        // The buffer goes back after use: one allocation serves all lines.
        let mut buffer = std::mem::take(&mut self.line);
        let mut line = buffer.as_slice();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        let line = std::str::from_utf8(line).map_err(|_| DecodeError::InvalidUtf8)?;
        let decoded = if line.is_empty() {
            self.dispatch()
        } else {
            self.take_field(line)?;
            None
        };
        buffer.clear();
        self.line = buffer;
        Ok(decoded)
    }

    fn take_field(&mut self, line: &str) -> Result<(), DecodeError> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => self.take_data(value),
            "event" => {
                self.name = Some(value.to_owned()).filter(|name| !name.is_empty());
                Ok(())
            }
            // Comments (an empty field name), `id`, `retry`, and whatever the standard does not know.
            _ => Ok(()),
        }
    }

    fn take_data(&mut self, value: &str) -> Result<(), DecodeError> {
        let Some(data) = &mut self.data else {
            self.data = Some(value.to_owned());
            return Ok(());
        };
        if data.len() + 1 + value.len() > self.bytes_max {
            return Err(DecodeError::TooLong { bytes_max: self.bytes_max });
        }
        data.push('\n');
        data.push_str(value);
        Ok(())
    }

    /// A blank line: the end of an event, if there was a `data:` line; else the standard forgets the block.
    fn dispatch(&mut self) -> Option<Decoded> {
        let name = self.name.take();
        self.data.take().map(|data| Decoded { name, data })
    }
}

#[cfg(test)]
mod tests;
