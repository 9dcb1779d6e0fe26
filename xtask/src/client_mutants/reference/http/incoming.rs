//! What comes in on a connection, taken in lines or in pieces.

use std::io::{ErrorKind, Read};

use crate::client_mutants::reference::failure::{Failure, Kind};

/// Of a head, of a chunk's size, of a trailer.
const LONGEST_LINE: usize = 64 << 10;

const BUFFER_BYTES: usize = 64 << 10;

/// Bytes that were read and not taken yet, and where more come from.
#[derive(Debug)]
pub(super) struct Incoming<R> {
    source: R,
    buffer: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl<R: Read> Incoming<R> {
    pub(super) fn new(source: R) -> Incoming<R> {
        Incoming { source, buffer: vec![0; BUFFER_BYTES], taken: 0, filled: 0 }
    }

    /// Where the bytes come from.
    pub(super) fn source(&mut self) -> &mut R {
        &mut self.source
    }

    /// What is there, once anything is; nothing when the connection is closed.
    pub(super) fn wait(&mut self) -> Result<&[u8], Failure> {
        while self.taken == self.filled {
            match self.source.read(&mut self.buffer) {
                Ok(0) => return Ok(&[]),
                Ok(count) => (self.taken, self.filled) = (0, count),
                // A process that was stopped and goes on hears this.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::of_transport(&error)),
            }
        }
        Ok(&self.buffer[self.taken..self.filled])
    }

    /// A piece of at most so many bytes; an empty one when the connection is closed.
    pub(super) fn piece(&mut self, most: u64) -> Result<Vec<u8>, Failure> {
        let there = self.wait()?;
        let count = usize::try_from(most).map_or(there.len(), |most| most.min(there.len()));
        let piece = there[..count].to_vec();
        self.taken += count;
        Ok(piece)
    }

    /// A line without its end; `None` when the connection is closed before that.
    pub(super) fn line(&mut self) -> Result<Option<String>, Failure> {
        let mut line = Vec::new();
        loop {
            let there = self.wait()?;
            if there.is_empty() {
                return Ok(None);
            }
            let end = there.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(there.len(), |end| end + 1);
            line.extend_from_slice(&there[..count]);
            self.taken += count;
            if line.len() > LONGEST_LINE {
                return Err(Failure::new(Kind::TooLong, "the answer's head has an endless line"));
            }
            if end.is_some() {
                let text = String::from_utf8_lossy(&line);
                return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
            }
        }
    }
}
