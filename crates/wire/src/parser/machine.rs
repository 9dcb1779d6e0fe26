//! The states that a message goes through, for answers and requests alike.

use std::ops::Range;
use std::time::Instant;

use super::framing;
use super::lines::{self, Broken, RequestLine, SpaceBeforeColon, StatusLine};
use super::{BodyExpected, Progress};
use crate::ending::{ConnectionEnd, Ending, Flaw, Framing, Liberty, Place, SizeBound};
use crate::limits::ReadLimits;
use crate::received::{BodyPart, Chunk, Field, Fields, Read, Received, note};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Answer(BodyExpected),
    Request,
}

#[derive(Debug)]
pub(super) enum StartLine {
    Status(StatusLine),
    Request(RequestLine),
}

#[derive(Debug)]
pub(super) struct Head {
    pub(super) start: StartLine,
    pub(super) fields: Fields,
    pub(super) raw: Range<usize>,
}

#[derive(Debug)]
enum State {
    StartLine,
    Fields(StartLine),
    /// Bytes of the body that are left of a Content-Length.
    Body(u64),
    BodyToEnd,
    ChunkLine,
    /// Bytes that are left of a chunk.
    ChunkData(u64),
    ChunkDataEnd,
    Trailers,
    Ended,
}

/// Whether the machine can go on with the bytes that it has.
enum Step {
    Taken,
    NeedsMore,
}

/// Forbidden as trailers: RFC 9110 section 6.5.1.
const NEVER_TRAILERS: [&str; 6] =
    ["content-length", "transfer-encoding", "host", "trailer", "content-type", "content-encoding"];

const PROTOCOL: &[u8] = b"HTTP/";

/// After 101 the connection speaks another protocol: no final answer follows.
fn is_interim(status: u16) -> bool {
    matches!(status, 100..=199) && status != 101
}

#[derive(Debug)]
pub(super) struct Machine {
    role: Role,
    limits: ReadLimits,
    pub(super) received: Received,
    pub(super) interim: Vec<Head>,
    pub(super) head: Option<Head>,
    state: State,
    /// Everything before this offset is understood.
    position: usize,
    /// There is no line feed between `position` and this offset.
    scanned: usize,
    /// Where the head, or the trailers, began.
    section_start: usize,
    /// The fields of that section.
    fields: Vec<Field>,
    /// Bytes of the body that were handed over and forgotten.
    forgotten: u64,
}

impl Machine {
    pub(super) fn new(role: Role, limits: ReadLimits) -> Machine {
        Machine {
            role,
            limits,
            received: Received::new(),
            interim: Vec::new(),
            head: None,
            state: State::StartLine,
            position: 0,
            scanned: 0,
            section_start: 0,
            fields: Vec::new(),
            forgotten: 0,
        }
    }

    /// Bytes that can still be kept.
    pub(super) fn room(&self) -> usize {
        self.limits.raw_bytes.saturating_sub(self.received.raw.len())
    }

    pub(super) fn push(&mut self, bytes: &[u8], at: Instant) -> Progress {
        if !bytes.is_empty() && self.received.reads.len() >= self.limits.reads {
            self.end(Ending::TooLarge(SizeBound::Reads), self.received.raw.len());
        } else {
            let kept = &bytes[..bytes.len().min(self.room())];
            if !kept.is_empty() {
                self.received.reads.push(Read { offset: self.received.raw.len(), len: kept.len(), at });
                self.received.raw.extend_from_slice(kept);
                self.advance();
            }
            if kept.len() < bytes.len() {
                self.end(Ending::TooLarge(SizeBound::Raw), self.received.raw.len());
            }
        }
        match self.state {
            State::Ended => Progress::Ended,
            _ => Progress::Running,
        }
    }

    pub(super) fn finish(&mut self, end: ConnectionEnd) {
        let place = self.place();
        let raw_len = self.received.raw.len();
        if end == ConnectionEnd::ClosedWithoutNotify {
            note(&mut self.received.remarks, Liberty::NoCloseNotify, raw_len);
        }
        let ending = match (end, &self.state) {
            (ConnectionEnd::Closed, State::BodyToEnd) => Ending::Complete { by: Framing::ConnectionEnd },
            (ConnectionEnd::Closed | ConnectionEnd::ClosedWithoutNotify, State::Body(left)) => {
                let received = self.forgotten + self.received.body.len() as u64;
                Ending::LengthMismatch { expected: received.saturating_add(*left), received }
            }
            (ConnectionEnd::Closed | ConnectionEnd::ClosedWithoutNotify, _) => Ending::Cut(place),
            (ConnectionEnd::Reset, _) => Ending::Reset(place),
            (ConnectionEnd::TimedOut(bound), _) => Ending::TimedOut { bound, place },
            (ConnectionEnd::Failed(kind), _) => Ending::Failed { kind, place },
            (ConnectionEnd::Abandoned, _) => Ending::Abandoned(place),
        };
        self.end(ending, raw_len);
    }

    /// Ends the message, unless it has ended.
    fn end(&mut self, ending: Ending, offset: usize) {
        if matches!(self.state, State::Ended) {
            return;
        }
        // Trailers that came before a cut are evidence too.
        if matches!(self.state, State::Trailers) {
            self.received.trailers = Fields(std::mem::take(&mut self.fields));
        }
        self.state = State::Ended;
        self.received.ending = ending;
        self.received.end = offset;
    }

    fn advance(&mut self) {
        loop {
            match self.step() {
                Ok(Step::Taken) => {}
                Ok(Step::NeedsMore) => break,
                Err(Broken { flaw, offset }) => self.end(Ending::Malformed { flaw, offset }, offset),
            }
        }
        if !matches!(self.state, State::Ended) {
            self.received.ending = Ending::Abandoned(self.place());
            self.received.end = self.received.raw.len();
        }
    }

    fn place(&self) -> Place {
        match self.state {
            State::StartLine if self.position == self.received.raw.len() => Place::BeforeHead,
            State::StartLine | State::Fields(_) => Place::Head,
            State::Body(_) | State::BodyToEnd => Place::Body,
            State::ChunkLine => Place::BetweenChunks,
            State::ChunkData(_) | State::ChunkDataEnd => Place::Chunk,
            State::Trailers => Place::Trailers,
            State::Ended => Place::AfterEnd,
        }
    }

    fn step(&mut self) -> Result<Step, Broken> {
        match self.state {
            State::StartLine => self.start_line(),
            State::Fields(_) => self.field(),
            State::Trailers => self.trailer(),
            State::ChunkLine => self.chunk_line(),
            State::ChunkDataEnd => self.chunk_data_end(),
            State::Body(0) => {
                let by = self.received.framing.unwrap_or(Framing::NoBody);
                self.end(Ending::Complete { by }, self.position);
                Ok(Step::Taken)
            }
            State::Body(left) => Ok(self.body(left, State::Body)),
            State::BodyToEnd => Ok(self.body(u64::MAX, |_| State::BodyToEnd)),
            State::ChunkData(0) => {
                self.state = State::ChunkDataEnd;
                Ok(Step::Taken)
            }
            State::ChunkData(left) => Ok(self.body(left, State::ChunkData)),
            State::Ended => Ok(Step::NeedsMore),
        }
    }

    fn start_line(&mut self) -> Result<Step, Broken> {
        if matches!(self.role, Role::Answer(_)) {
            // What speaks another protocol may never send a line feed: tell it by its first bytes.
            let opening = self.received.raw[self.position..].iter().take(self.limits.head_bytes);
            if let Some(index) = opening.zip(PROTOCOL).position(|(byte, expected)| byte != expected) {
                return Err(Broken::at(Flaw::NotHttp, self.position + index));
            }
        }
        let Some((line, offset)) = self.section_line(SizeBound::Head)? else { return Ok(Step::NeedsMore) };
        let start = match self.role {
            Role::Request if line.is_empty() => {
                note(&mut self.received.remarks, Liberty::LeadingEmptyLine, offset);
                return Ok(Step::Taken);
            }
            Role::Request => StartLine::Request(lines::request_line(&line, offset)?),
            Role::Answer(_) => {
                StartLine::Status(lines::status_line(&line, offset, &mut self.received.remarks)?)
            }
        };
        self.state = State::Fields(start);
        Ok(Step::Taken)
    }

    fn field(&mut self) -> Result<Step, Broken> {
        let Some((line, offset)) = self.section_line(SizeBound::Head)? else { return Ok(Step::NeedsMore) };
        if !line.is_empty() {
            self.take_field(&line, offset)?;
            return Ok(Step::Taken);
        }
        let State::Fields(start) = std::mem::replace(&mut self.state, State::StartLine) else {
            return Ok(Step::Taken);
        };
        let fields = Fields(std::mem::take(&mut self.fields));
        let head = Head { start, fields, raw: self.section_start..self.position };
        self.section_start = self.position;
        self.end_head(head)?;
        Ok(Step::Taken)
    }

    /// The blank line of a head was read: what follows it?
    fn end_head(&mut self, head: Head) -> Result<(), Broken> {
        let remarks = &mut self.received.remarks;
        let framing = match &head.start {
            StartLine::Status(line) => {
                let body_expected = match self.role {
                    Role::Answer(body_expected) => body_expected,
                    Role::Request => BodyExpected::Yes,
                };
                framing::of_answer(body_expected, line.status, line.minor_version, &head.fields, remarks)
            }
            StartLine::Request(line) => framing::of_request(line.minor_version, &head.fields, remarks),
        };
        if matches!(&head.start, StartLine::Status(line) if is_interim(line.status)) {
            if self.interim.len() >= self.limits.interim_answers {
                self.end(Ending::TooLarge(SizeBound::InterimAnswers), head.raw.start);
            } else {
                self.interim.push(head);
            }
            return Ok(());
        }
        self.head = Some(head);
        let framing = framing?;
        self.received.framing = Some(framing);
        self.state = match framing {
            Framing::NoBody => State::Body(0),
            Framing::Length(length) => State::Body(length),
            Framing::Chunks => State::ChunkLine,
            Framing::ConnectionEnd => State::BodyToEnd,
        };
        Ok(())
    }

    fn trailer(&mut self) -> Result<Step, Broken> {
        let Some((line, offset)) = self.section_line(SizeBound::Trailers)? else {
            return Ok(Step::NeedsMore);
        };
        if line.is_empty() {
            self.end(Ending::Complete { by: Framing::Chunks }, self.position);
            return Ok(Step::Taken);
        }
        self.take_field(&line, offset)?;
        let is_forbidden = |field: &&Field| {
            field.offset == offset
                && NEVER_TRAILERS.iter().any(|name| field.name.eq_ignore_ascii_case(name.as_bytes()))
        };
        if self.fields.last().as_ref().is_some_and(is_forbidden) {
            note(&mut self.received.remarks, Liberty::ForbiddenTrailer, offset);
        }
        Ok(Step::Taken)
    }

    fn take_field(&mut self, line: &[u8], offset: usize) -> Result<(), Broken> {
        let remarks = &mut self.received.remarks;
        if matches!(line.first(), Some(b' ' | b'\t')) {
            let Some(field) = self.fields.last_mut() else {
                return Err(Broken::at(Flaw::LeadingWhiteSpace, offset));
            };
            lines::fold(field, line, offset, remarks);
            return Ok(());
        }
        let space = match self.role {
            Role::Request => SpaceBeforeColon::Refused,
            Role::Answer(_) => SpaceBeforeColon::Remarked,
        };
        self.fields.push(lines::field_line(line, offset, space, remarks)?);
        Ok(())
    }

    /// The next line of a head or of the trailers, without its end, and where it begins.
    fn section_line(&mut self, bound: SizeBound) -> Result<Option<(Vec<u8>, usize)>, Broken> {
        let Some(line) = self.line(self.section_start, self.limits.head_bytes, bound) else {
            return Ok(None);
        };
        let raw = &self.received.raw[line.clone()];
        let content = raw.strip_suffix(b"\n").unwrap_or(raw);
        let content = match content.strip_suffix(b"\r") {
            Some(content) => content,
            None => {
                note(&mut self.received.remarks, Liberty::BareLineFeed, line.end - 1);
                content
            }
        };
        lines::check_bytes(content, line.start)?;
        Ok(Some((content.to_vec(), line.start)))
    }

    fn chunk_line(&mut self) -> Result<Step, Broken> {
        let bound = self.limits.chunk_line_bytes;
        let Some(line) = self.line(self.position, bound, SizeBound::ChunkLine) else {
            return Ok(Step::NeedsMore);
        };
        let raw = &self.received.raw[line.clone()];
        let Some(content) = raw.strip_suffix(b"\r\n") else {
            return Err(Broken::at(Flaw::ChunkLineEnd, line.end - 1));
        };
        lines::check_bytes(content, line.start)?;
        let (size, extension) = lines::chunk_line(content, line.start, &mut self.received.remarks)?;
        if self.received.chunks.len() >= self.limits.chunks {
            self.end(Ending::TooLarge(SizeBound::Chunks), line.start);
            return Ok(Step::Taken);
        }
        let end = (size == 0).then_some(line.end);
        self.received.chunks.push(Chunk { size, data: line.end..line.end, size_line: line, extension, end });
        self.section_start = self.position;
        self.state = if size == 0 { State::Trailers } else { State::ChunkData(size) };
        Ok(Step::Taken)
    }

    fn chunk_data_end(&mut self) -> Result<Step, Broken> {
        let end = &self.received.raw[self.position..];
        match end {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(Step::NeedsMore),
            [b'\r', ..] => return Err(Broken::at(Flaw::ChunkDataEnd, self.position + 1)),
            _ => return Err(Broken::at(Flaw::ChunkDataEnd, self.position)),
        }
        self.position += 2;
        self.scanned = self.position;
        if let Some(chunk) = self.received.chunks.last_mut() {
            chunk.end = Some(self.position);
        }
        self.state = State::ChunkLine;
        Ok(Step::Taken)
    }

    /// Takes the line that begins at the current position, its end included, if it is there. The section that began
    /// at `start` may have `most` bytes up to the line's end.
    fn line(&mut self, start: usize, most: usize, bound: SizeBound) -> Option<Range<usize>> {
        let raw = &self.received.raw;
        let found = raw[self.scanned..].iter().position(|byte| *byte == b'\n');
        let end = found.map_or(raw.len(), |index| self.scanned + index + 1);
        if end - start > most {
            self.end(Ending::TooLarge(bound), start + most);
            return None;
        }
        self.scanned = end;
        found?;
        let line = self.position..end;
        self.position = end;
        Some(line)
    }

    /// Takes what is there of a body's bytes, of which `left` are to come; `next` makes the state after it.
    fn body(&mut self, left: u64, next: impl Fn(u64) -> State) -> Step {
        let there = self.received.raw.len() - self.position;
        let len = usize::try_from(left).map_or(there, |left| left.min(there));
        if len == 0 {
            return Step::NeedsMore;
        }
        let room = self.limits.body_bytes - self.received.body.len();
        let taken = len.min(room);
        self.take_body(taken);
        if taken < len {
            self.end(Ending::TooLarge(SizeBound::Body), self.position);
        } else {
            self.state = next(left - taken as u64);
        }
        Step::Taken
    }

    /// Hands over what has come of the body, and forgets it with everything that was understood by now.
    pub(super) fn drain_body(&mut self, body: &mut Vec<u8>) {
        body.clear();
        let understood = match self.state {
            // A head is kept until it is whole, and so are trailers; after the end nothing more comes.
            State::StartLine | State::Fields(_) | State::Ended => 0,
            State::Trailers => self.section_start,
            _ => self.position,
        };
        let received = &mut self.received;
        std::mem::swap(body, &mut received.body);
        self.forgotten += body.len() as u64;
        received.body_parts.clear();
        received.raw.drain(..understood);
        received.reads.retain(|read| read.offset + read.len > understood);
        for read in &mut received.reads {
            let start = read.offset.max(understood);
            *read = Read { offset: start - understood, len: read.offset + read.len - start, at: read.at };
        }
        // The chunk whose data is still coming is the only one that is spoken of again.
        let open = matches!(self.state, State::ChunkData(_) | State::ChunkDataEnd | State::Trailers);
        let unneeded = received.chunks.len() - usize::from(open).min(received.chunks.len());
        received.chunks.drain(..unneeded);
        let shifted = |range: &Range<usize>| {
            range.start.saturating_sub(understood)..range.end.saturating_sub(understood)
        };
        for chunk in &mut received.chunks {
            chunk.size_line = shifted(&chunk.size_line);
            chunk.data = shifted(&chunk.data);
            chunk.end = chunk.end.map(|end| end.saturating_sub(understood));
        }
        if let Some(head) = &mut self.head {
            head.raw = shifted(&head.raw);
        }
        received.end = received.end.saturating_sub(understood);
        self.position -= understood;
        self.scanned = self.scanned.saturating_sub(understood);
        self.section_start = self.section_start.saturating_sub(understood);
    }

    fn take_body(&mut self, len: usize) {
        if len == 0 {
            return;
        }
        let range = self.position..self.position + len;
        self.position = range.end;
        self.scanned = range.end;
        let received = &mut self.received;
        received.body_parts.push(BodyPart {
            offset_in_body: received.body.len(),
            offset_in_raw: range.start,
            len,
            read_index: received.reads.len() - 1,
        });
        if let (State::ChunkData(_), Some(chunk)) = (&self.state, received.chunks.last_mut()) {
            chunk.data.end = range.end;
        }
        received.body.extend_from_slice(&received.raw[range]);
    }
}
