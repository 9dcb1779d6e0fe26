//! Passes on frames of somebody else's answer, and sees to it that nobody takes one that broke off for whole.
//!
//! Owns the ends of such an answer: its own, the server's, and the one that a broken source gets. It refuses to know
//! what the bytes mean, but for a stream of events that may be mended, which [`Mending`] reads as it passes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{FutureExt, Stream};
use interference_backend::{FrameStream, WhenBroken};

use crate::break_off::{BreakOff, Cut};
use crate::journal::Ended;
use crate::mending::Mending;
use crate::observation::Observation;

/// After how many frames that come without a pause it is asked whether the answer is to be cut off.
const FRAMES_BETWEEN_LOOKS: u32 = 16;

/// The frames, each as it came.
///
/// When the source breaks off, panics, or `cut` resolves, an answer that can be mended gets its own end, and any other
/// ends with an error, whose kind is the source's. Nothing follows either. A broken end that is to be repeated is never
/// mended; what the server itself ends is, all the same.
pub(crate) struct FrameBytes {
    /// None after the end.
    frames: Option<FrameStream>,
    mending: Option<Mending>,
    when_broken: WhenBroken,
    /// How many bytes are still to come, where the source has told it. None more are passed on.
    remaining: Option<u64>,
    cut: Cut,
    observation: Observation,
    /// How often it was polled.
    asked: u32,
}

impl FrameBytes {
    /// Of these frames. `length` is what the source has told of the body's.
    pub(crate) fn new(
        frames: FrameStream,
        mending: Option<Mending>,
        when_broken: WhenBroken,
        length: Option<u64>,
        cut: Cut,
        observation: Observation,
    ) -> FrameBytes {
        let remaining = length;
        FrameBytes { frames: Some(frames), mending, when_broken, remaining, cut, observation, asked: 0 }
    }

    fn pass(&mut self, mut frame: Bytes, context: &mut Context<'_>) -> Bytes {
        if let Some(mending) = &mut self.mending {
            mending.read(&frame);
        }
        let Some(remaining) = &mut self.remaining else { return frame };
        let length = frame.len() as u64;
        if length > *remaining {
            // It fits into memory, since the frame does.
            frame.truncate(usize::try_from(*remaining).unwrap_or(usize::MAX));
        }
        *remaining = remaining.saturating_sub(length);
        if *remaining == 0 {
            // Nobody asks for the end of a body whose length was told; whoever gives it should know that it was reached.
            if let Some(mut frames) = self.frames.take() {
                let _end = catch_unwind(AssertUnwindSafe(|| frames.as_mut().poll_next(context)));
            }
        }
        frame
    }

    fn break_off(&mut self, why: BreakOff, error: io::Error) -> Option<io::Result<Bytes>> {
        self.frames = None;
        let Some(mending) = &mut self.mending else {
            self.foresee(why);
            tracing::warn!(%error, "an answer that was passed on broke off");
            return Some(Err(error));
        };
        let last = mending.end(why);
        if !mending.has_ended() {
            self.foresee(why);
            tracing::warn!(%error, "a stream that was passed on broke off, and was ended by the server");
        }
        (!last.is_empty()).then_some(Ok(last))
    }

    /// Ends the answer because the source has ended before its end.
    fn source_broke_off(&mut self, why: BreakOff, error: io::Error) -> Option<io::Result<Bytes>> {
        if self.when_broken == WhenBroken::Repeat {
            self.mending = None;
        }
        self.break_off(why, error)
    }

    fn foresee(&self, why: BreakOff) {
        match why {
            // Told where it was noticed.
            BreakOff::ServerStops | BreakOff::TimeOver(_) => {}
            _ => self.observation.foresee(Ended::BrokenOff),
        }
    }

    fn end_of_source(&mut self) -> Option<io::Result<Bytes>> {
        self.frames = None;
        match self.remaining {
            Some(1..) => {
                let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                self.source_broke_off(BreakOff::SourceBrokeOff, error)
            }
            Some(0) | None => None,
        }
    }

    /// Ends the answer for a reason of the server's own.
    fn break_off_here(&mut self, why: BreakOff) -> Option<io::Result<Bytes>> {
        let (message, _code) = why.words();
        self.break_off(why, io::Error::other(message))
    }
}

impl Stream for FrameBytes {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.frames.is_none() {
            return Poll::Ready(None);
        }
        // A source that always has something is cut off, too; whether it is to be need not be asked for every frame.
        self.asked = self.asked.wrapping_add(1);
        if self.asked.is_multiple_of(FRAMES_BETWEEN_LOOKS)
            && let Poll::Ready(why) = self.cut.poll_unpin(context)
        {
            return Poll::Ready(self.break_off_here(why));
        }
        let Some(frames) = self.frames.as_mut() else { return Poll::Ready(None) };
        let next = catch_unwind(AssertUnwindSafe(|| frames.as_mut().poll_next(context)));
        Poll::Ready(match next {
            Ok(Poll::Ready(Some(Ok(frame)))) => Some(Ok(self.pass(frame, context))),
            Ok(Poll::Ready(Some(Err(error)))) => self.source_broke_off(BreakOff::of_source(&error), error),
            Ok(Poll::Ready(None)) => self.end_of_source(),
            Ok(Poll::Pending) => match self.cut.poll_unpin(context) {
                Poll::Ready(why) => self.break_off_here(why),
                Poll::Pending => return Poll::Pending,
            },
            Err(_panic) => self.break_off_here(BreakOff::Panicked),
        })
    }
}
