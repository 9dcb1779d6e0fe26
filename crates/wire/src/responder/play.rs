//! An answer as a list of steps, played with a log of its times.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Gone, Responder};

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Writes these bytes as one write.
    Write(Bytes),
    /// Waits this long, counted from the end of the step before; a peer that goes meanwhile ends the play.
    Wait(Duration),
    /// Waits up to this time; a peer that goes meanwhile ends the play.
    WaitUntil(tokio::time::Instant),
    /// Keeps the connection open without a byte until the peer goes, at most this long; then goes on either way.
    Hold(Duration),
    /// Sends FIN, and goes on.
    HalfClose,
    /// Closes with RST; later steps are not played.
    Reset,
    /// Closes with FIN, as [`Responder::close`]; later steps are not played.
    Close,
}

/// A write that the system took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The index of its step.
    pub step: usize,
    /// Just before it was handed to the system.
    pub at: Instant,
    /// When the system had taken all of it.
    pub taken_at: Instant,
    /// How many bytes.
    pub len: usize,
}

/// How a play ended.
#[derive(Debug)]
pub enum PlayEnd {
    /// All steps were played and the connection is still open, on our side at least.
    Open(Responder),
    /// A step closed it.
    Closed,
    /// A step reset it.
    Reset,
    /// The peer was gone before, or during, this step.
    PeerGone {
        /// The index of the step.
        step: usize,
        /// How.
        gone: Gone,
        /// When that was noticed.
        at: Instant,
    },
}

/// What was played.
#[derive(Debug)]
pub struct Played {
    /// Every write that the system took whole.
    pub writes: Vec<Written>,
    /// When a [`Step::Hold`] saw the peer go, and how.
    pub left_during_hold: Option<(Gone, Instant)>,
    /// How it ended.
    pub end: PlayEnd,
}

impl Responder {
    /// Plays the steps in order, to the end or until the peer is gone.
    ///
    /// # Cancellation
    /// Dropping the future drops the connection.
    pub async fn play(mut self, steps: impl IntoIterator<Item = Step>) -> Played {
        let mut writes = Vec::new();
        let mut left_during_hold = None;
        for (index, step) in steps.into_iter().enumerate() {
            let done = match step {
                Step::Write(bytes) => {
                    let at = Instant::now();
                    let written = self.write(&bytes).await;
                    if written.is_ok() {
                        writes.push(Written { step: index, at, taken_at: Instant::now(), len: bytes.len() });
                    }
                    written
                }
                Step::Wait(time) => self.wait_until(tokio::time::Instant::now() + time).await,
                Step::WaitUntil(time) => self.wait_until(time).await,
                Step::Hold(time) => {
                    let held = self.wait_until(tokio::time::Instant::now() + time).await;
                    left_during_hold = held.err().map(|gone| (gone, Instant::now())).or(left_during_hold);
                    Ok(())
                }
                Step::HalfClose => self.half_close().await,
                Step::Reset => {
                    self.reset();
                    return Played { writes, left_during_hold, end: PlayEnd::Reset };
                }
                Step::Close => {
                    self.close().await;
                    return Played { writes, left_during_hold, end: PlayEnd::Closed };
                }
            };
            if let Err(gone) = done {
                let end = PlayEnd::PeerGone { step: index, gone, at: Instant::now() };
                return Played { writes, left_during_hold, end };
            }
        }
        Played { writes, left_during_hold, end: PlayEnd::Open(self) }
    }
}
