//! Bytes for people: escapes visible, a line for each read.

use std::fmt::Write;
use std::time::Instant;

use crate::received::Received;

/// The bytes with escapes visible: `\r`, `\n`, `\t`, `\\`, and `\xNN` for whatever else is not printable ASCII.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            // Writing to a string does not fail.
            _ => drop(write!(text, "\\x{byte:02X}")),
        }
    }
    text
}

/// A line for each read. Times count from `start`, without one from the first read; a read that happened before
/// `start` has a minus.
pub(crate) fn wire_log(received: &Received, start: Option<Instant>) -> String {
    let mut log = String::new();
    let Some(start) = start.or(received.reads.first().map(|read| read.at)) else { return log };
    for read in &received.reads {
        let bytes = received.raw.get(read.offset..read.offset + read.len).unwrap_or_default();
        let (sign, time) = match read.at.checked_duration_since(start) {
            Some(time) => ('+', time),
            None => ('-', start.duration_since(read.at)),
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            log,
            "{sign}{:.6} s  @{}  {} bytes  {}",
            time.as_secs_f64(),
            read.offset,
            read.len,
            escaped(bytes)
        );
    }
    log
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{AnswerParser, BodyExpected, ConnectionEnd, ReadLimits};

    #[test]
    fn a_log_has_a_line_for_each_read() {
        let start = Instant::now();
        let mut parser = AnswerParser::new(BodyExpected::Yes, ReadLimits::default());
        let _ = parser.push(b"HTTP/1.1 200 OK\r\n", start + Duration::from_millis(2));
        let _ =
            parser.push(b"Content-Length: 9\r\n\r\na\t\\\xF0\x9F", start + Duration::from_micros(1_002_500));
        let mut answer = parser.finish(ConnectionEnd::Reset);
        answer.sent_at = Some(start + Duration::from_millis(3));
        assert_eq!(
            answer.wire_log(),
            "-0.001000 s  @0  17 bytes  HTTP/1.1 200 OK\\r\\n\n\
             +0.999500 s  @17  26 bytes  Content-Length: 9\\r\\n\\r\\na\\t\\\\\\xF0\\x9F\n"
        );
        answer.sent_at = None;
        assert!(answer.wire_log().starts_with("+0.000000 s  @0  17 bytes"));
    }
}
