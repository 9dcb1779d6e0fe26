//! Reads one answer of HTTP/1.1 as it comes: its head, and its body by length or by the chunked coding (RFC 9112).
//!
//! It knows as little as a measurement needs: no trailers but an empty one, no answer that ends with its connection, no
//! other status than 200. Whatever it does not know is an error, so that nothing half is counted.

use crate::AnyError;

/// A head, with its status line.
const LONGEST_HEAD: usize = 16 << 10;
/// A line with the size of a chunk.
const LONGEST_SIZE: usize = 64;

/// How far an answer has come.
enum State {
    Head(Vec<u8>),
    /// Bytes of a body of known length that are still to come.
    Body(u64),
    /// The line before a chunk, without its end.
    Size(Vec<u8>),
    /// Bytes of a chunk that are still to come.
    Chunk(u64),
    /// The line's end behind a chunk: bytes of it that came.
    ChunkEnd(usize),
    /// The empty line behind the last chunk: bytes of it that came.
    LastLine(usize),
    Complete,
}

/// Something of a body.
pub(crate) enum Part<'a> {
    Bytes(&'a [u8]),
    /// A chunk of the chunked coding is complete.
    FrameEnd,
}

/// One answer.
pub(crate) struct AnswerReader {
    state: State,
    /// The head's fields, once it has come.
    pub(crate) fields: Vec<(String, String)>,
}

impl AnswerReader {
    /// Nothing has come yet.
    pub(crate) fn new() -> AnswerReader {
        AnswerReader { state: State::Head(Vec::new()), fields: Vec::new() }
    }

    /// Whether everything has come.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Goes on with bytes, and shows what of the body is in them.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        mut show: impl FnMut(Part<'_>) -> Result<(), AnyError>,
    ) -> Result<(), AnyError> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Head(head) => {
                    let (end, taken) = through(head, bytes, b"\r\n\r\n", LONGEST_HEAD)?;
                    bytes = bytes.get(taken..).unwrap_or_default();
                    if end {
                        let head = std::mem::take(head);
                        self.begin_body(&head)?;
                    }
                }
                State::Body(left) => {
                    let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(*left)?));
                    *left -= now.len() as u64;
                    if *left == 0 {
                        self.state = State::Complete;
                    }
                    bytes = later;
                    show(Part::Bytes(now))?;
                }
                State::Size(line) => {
                    let (end, taken) = through(line, bytes, b"\r\n", LONGEST_SIZE)?;
                    bytes = bytes.get(taken..).unwrap_or_default();
                    if end {
                        self.state = match size(line)? {
                            0 => State::LastLine(0),
                            size => State::Chunk(size),
                        };
                    }
                }
                State::Chunk(left) => {
                    let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(*left)?));
                    *left -= now.len() as u64;
                    let ends = *left == 0;
                    if ends {
                        self.state = State::ChunkEnd(0);
                    }
                    bytes = later;
                    show(Part::Bytes(now))?;
                    if ends {
                        show(Part::FrameEnd)?;
                    }
                }
                State::ChunkEnd(seen) => {
                    if line_end(seen, &mut bytes)? {
                        self.state = State::Size(Vec::new());
                    }
                }
                State::LastLine(seen) => {
                    if line_end(seen, &mut bytes)? {
                        self.state = State::Complete;
                    }
                }
                State::Complete => return Err("bytes came after the answer".into()),
            }
        }
        Ok(())
    }

    fn begin_body(&mut self, head: &[u8]) -> Result<(), AnyError> {
        let head = std::str::from_utf8(head).map_err(|_| "the answer's head is no text")?;
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let status = lines.next().unwrap_or_default();
        if !status.starts_with("HTTP/1.1 200") {
            return Err(format!("the answer is `{status}`").into());
        }
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("`{line}` is no field"))?;
            Ok::<_, AnyError>((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        self.fields = fields.collect::<Result<_, _>>()?;
        let value =
            |wanted: &str| self.fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        if value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            return Err("the server closes its connections, and they are needed again".into());
        }
        self.state = match (value("transfer-encoding"), value("content-length")) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => State::Size(Vec::new()),
            (None, Some(length)) => match length.parse()? {
                0 => State::Complete,
                length => State::Body(length),
            },
            _ => return Err("the answer has neither a length nor the chunked coding".into()),
        };
        Ok(())
    }
}

/// Moves bytes to `kept` up to the end of `end`. Tells whether that came, and how many bytes were taken.
fn through(kept: &mut Vec<u8>, bytes: &[u8], end: &[u8], longest: usize) -> Result<(bool, usize), AnyError> {
    // The end may have begun in what is kept.
    let from = kept.len().saturating_sub(end.len() - 1);
    let before = kept.len();
    let most = bytes.len().min((longest + end.len()).saturating_sub(before));
    kept.extend_from_slice(bytes.get(..most).unwrap_or_default());
    let found = kept.get(from..).unwrap_or_default().windows(end.len()).position(|window| window == end);
    if let Some(position) = found {
        let whole = from + position + end.len();
        kept.truncate(from + position);
        return Ok((true, whole - before));
    }
    if kept.len() > longest {
        return Err(format!("a head or the size of a chunk is longer than {longest} bytes").into());
    }
    Ok((false, most))
}

fn size(line: &[u8]) -> Result<u64, AnyError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let digits = std::str::from_utf8(digits).map_err(|_| "the size of a chunk is no text")?;
    Ok(u64::from_str_radix(digits, 16).map_err(|_| format!("`{digits}` is no size of a chunk"))?)
}

/// Takes what of a line's end is there, and tells whether it is complete.
fn line_end(seen: &mut usize, bytes: &mut &[u8]) -> Result<bool, AnyError> {
    const END: &[u8] = b"\r\n";
    while let Some((first, behind)) = bytes.split_first() {
        if END.get(*seen) != Some(first) {
            return Err("a chunk is not followed by the end of a line".into());
        }
        *seen += 1;
        *bytes = behind;
        if *seen == END.len() {
            return Ok(true);
        }
    }
    Ok(false)
}
