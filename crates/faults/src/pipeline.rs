//! The chain that an answer goes through: frames, then bytes, then the ending.
//!
//! Bytes of the sound answer go in, actions come out. Owns their order and the single end; what a fault does is the
//! business of the stages. Knows no clock: a wait is a duration, from the action before it.

use std::time::Duration;

use bytes::Bytes;

use crate::body_faults::BodyFaults;
use crate::byte_faults::ByteFaults;
use crate::drawn::AnswerKind;
use crate::frame_faults::FrameFaults;
use crate::happenings::{Happening, Happenings};
use crate::plan::model::Faults;

/// How much of an answer a pipeline keeps at most, where a fault needs all of it: 16 MiB. What is longer goes on without
/// that fault.
pub const COLLECTED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Into how many writes `split` and `drip` cut an answer at most. What follows goes out uncut.
pub const PIECES_MAX: usize = 100_000;

/// One thing to do with the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing for this long, from when the action before was due: one that came late makes nothing else late.
    Wait(Duration),
    /// Sends these bytes of the body, and flushes them alone. Never empty.
    Write(Bytes),
    /// Ends the answer. Nothing follows.
    End(Ending),
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The body ends as its framing demands.
    Complete,
    /// The connection closes, without the end of the body.
    Close,
    /// The sending side closes, without the end of the body; the other stays open until the client goes.
    HalfClose,
    /// The connection is reset.
    Reset,
    /// Silence until the client goes.
    Hold,
}

/// Turns the bytes of a sound answer into actions.
#[derive(Debug)]
pub struct Pipeline {
    frames: Frames,
    bytes: ByteFaults,
    happenings: Happenings,
}

/// The stage that knows what kind of answer it is.
#[derive(Debug)]
enum Frames {
    Stream(Box<FrameFaults>),
    Whole(BodyFaults),
}

impl Pipeline {
    pub(crate) fn new(seed: u64, kind: AnswerKind, is_coded: bool, faults: &Faults) -> Pipeline {
        let frames = match kind {
            AnswerKind::Stream => Frames::Stream(Box::new(FrameFaults::new(seed, faults))),
            AnswerKind::Whole => Frames::Whole(BodyFaults::new(seed, is_coded, faults)),
        };
        Pipeline { frames, bytes: ByteFaults::new(seed, faults), happenings: Happenings::default() }
    }

    /// Takes the next bytes of the encoded answer, cut anywhere, and appends what is to be done.
    ///
    /// An event of a stream comes out as soon as it is complete, a whole body when it is finished, and one in a content
    /// coding as it comes. After an [`Action::End`] nothing is appended any more.
    pub fn push(&mut self, bytes: &[u8], actions: &mut Vec<Action>) {
        if self.is_ended() {
            return;
        }
        let mut of_frames = Vec::new();
        match &mut self.frames {
            Frames::Stream(stream) => stream.push(bytes, &mut self.happenings, &mut of_frames),
            Frames::Whole(body) => body.push(bytes, &mut self.happenings, &mut of_frames),
        }
        self.pass_on(of_frames, actions);
    }

    /// The answer ended well. Appends what is left, and [`Action::End`] unless there was one.
    pub fn finish(&mut self, actions: &mut Vec<Action>) {
        if self.is_ended() {
            return;
        }
        let mut of_frames = Vec::new();
        match &mut self.frames {
            Frames::Stream(stream) => stream.finish(&mut self.happenings, &mut of_frames),
            Frames::Whole(body) => body.finish(&mut self.happenings, &mut of_frames),
        }
        self.pass_on(of_frames, actions);
    }

    /// The answer broke off. Appends what is left of it, and no end, unless a fault makes one: a gzip stream stays
    /// without its trailer, too.
    pub fn break_off(&mut self, actions: &mut Vec<Action>) {
        if self.is_ended() {
            return;
        }
        let mut of_frames = Vec::new();
        match &mut self.frames {
            Frames::Stream(stream) => stream.release(&mut self.happenings, &mut of_frames),
            Frames::Whole(body) => body.release(&mut self.happenings, &mut of_frames),
        }
        self.pass_on(of_frames, actions);
        self.bytes.break_off(&mut self.happenings, actions);
    }

    /// Whether there was an [`Action::End`]: no more of the answer is needed.
    pub fn is_ended(&self) -> bool {
        self.bytes.has_ended()
    }

    /// What was done so far, at most [`HAPPENINGS_MAX`](crate::HAPPENINGS_MAX) of it.
    ///
    /// A fault that concerns every place alike (`split`, `drip`, `line_ends`, `latency.between_tokens`) is told once, with
    /// the first.
    pub fn happened(&self) -> &[Happening] {
        self.happenings.remembered()
    }

    /// How much more was done than [`Pipeline::happened`] tells.
    pub fn happened_beyond(&self) -> u64 {
        self.happenings.beyond()
    }

    fn pass_on(&mut self, of_frames: Vec<Action>, actions: &mut Vec<Action>) {
        for action in of_frames {
            self.bytes.take(action, &mut self.happenings, actions);
        }
    }
}

#[cfg(test)]
mod tests;
