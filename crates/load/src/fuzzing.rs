//! Doors for the fuzzer in `fuzz/`, to parts that are nobody else's business: a file of requests that is bytes in memory,
//! and an answer without a server.
//!
//! Behind the feature `fuzzing`; no part of the crate's interface, and changed without notice.

use std::time::Instant;

use crate::failure::Failure;
use crate::reading::{AnswerReader, Heard};
use crate::work::{Endpoint, Form, RequestFile, WorkError};

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As events.
    Stream,
    /// In one piece.
    Whole,
}

/// [`RequestFile::read`] for a file of these bytes.
///
/// # Errors
/// As there.
pub fn read_requests(bytes: &[u8], form: &Form) -> Result<RequestFile, WorkError> {
    RequestFile::holding(bytes, form)
}

/// What is heard of an answer whose body comes in these pieces, all at one time.
pub fn read_answer<'p>(
    endpoint: Endpoint,
    shape: Shape,
    pieces: impl IntoIterator<Item = &'p [u8]>,
    at: Instant,
) -> (Heard, Result<(), Failure>) {
    let mut reader = match shape {
        Shape::Stream => AnswerReader::of_stream(endpoint, true),
        Shape::Whole => AnswerReader::of_whole(endpoint, true),
    };
    pieces.into_iter().for_each(|piece| reader.take(piece, at));
    reader.finish(at)
}
