//! The `data:` lines of an event stream, found in pieces cut anywhere.

use anyhow::ensure;

/// No line of a chat stream comes near this.
const LONGEST_LINE: usize = 1 << 20;

/// What is left of the pieces so far: the beginning of a line.
#[derive(Debug, Default)]
pub(crate) struct DataLines {
    pending: Vec<u8>,
}

impl DataLines {
    /// Takes a piece, and gives what stands behind `data:` in each line that ends in it.
    ///
    /// # Errors
    /// When a line is longer than 1 MiB, or no UTF-8.
    pub(crate) fn push(&mut self, piece: &[u8]) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(part);
            ensure!(self.pending.len() <= LONGEST_LINE, "a line of the stream is longer than 1 MiB");
            if !part.ends_with(b"\n") {
                continue;
            }
            let line = String::from_utf8(std::mem::take(&mut self.pending))?;
            if let Some(data) = line.strip_prefix("data:") {
                found.push(data.trim().to_owned());
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": ping\r\ndata: {\"a\":\"ü\"}\r\n\r\nevent: x\ndata:{}\n\ndata: [DONE]\n\n";

    #[test]
    fn a_stream_cut_at_any_byte_has_the_same_lines() {
        for cut in 0..=STREAM.len() {
            let mut lines = DataLines::default();
            let mut found = lines.push(&STREAM.as_bytes()[..cut]).unwrap();
            found.extend(lines.push(&STREAM.as_bytes()[cut..]).unwrap());
            assert_eq!(found, ["{\"a\":\"ü\"}", "{}", "[DONE]"], "cut at {cut}");
        }
        let mut lines = DataLines::default();
        let single = STREAM.as_bytes().chunks(1).flat_map(|byte| lines.push(byte).unwrap());
        assert_eq!(single.count(), 3);
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut lines = DataLines::default();
        assert!(lines.push(&[b'x'; LONGEST_LINE]).is_ok());
        assert!(lines.push(b"x").is_err());
    }
}
