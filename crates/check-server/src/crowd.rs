//! Long answers that fill a server, and the short one that finds no place beside them.
//!
//! Owns how a server is filled: with more and more long answers, until a short one that comes beside them does not begin
//! for as long as it may wait at most once their clients have gone. What waits then, waits for a place. A server that
//! never makes it wait so long is not filled, and nothing can be said of its places. Knows no requirement.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::case::Objection;
use crate::companion::{Companion, Leaving, Progress};
use crate::question::Question;
use crate::trial::Trial;

/// So many long answers at once, at most, fill a server, or nothing does.
pub(crate) const MOST_LONG: u32 = 64;
/// How many times as many are tried where fewer leave room.
const STEP: u32 = 4;
/// How many steps that makes, from one on.
pub(crate) const STEPS: u32 = MOST_LONG.ilog(STEP) + 1;
/// How long each of them may get, in tokens.
pub(crate) const LONG_TOKENS: u32 = 512;
/// How long a short answer may get, in tokens.
pub(crate) const SHORT_TOKENS: u32 = 4;
/// Short answers that tell how fast the server is when it is idle.
pub(crate) const IDLE_PROBES: u32 = 3;
/// How long a short answer may wait at most for a place that has become free, beside the time that it takes when the
/// server is idle.
pub(crate) const PLACE_FREED_WITHIN: Duration = Duration::from_secs(2);
/// How long a server is given to come to rest.
const REST: Duration = Duration::from_secs(60);
/// How often it is looked in on meanwhile.
const RESTING: Duration = Duration::from_secs(1);
/// How long is waited before a busy server is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// The longest time for which a short answer is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Which answers fill the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Streams.
    Streamed,
    /// Whole answers.
    Plain,
}

/// What came of a short request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Short {
    /// It began after so long.
    Began(Duration),
    /// It did not begin in that time.
    Waits,
    /// The server says that it is busy.
    Busy(u16),
    /// The server says something else, or nothing.
    Failed(Option<u16>),
}

impl Short {
    fn of(progress: &Progress) -> Short {
        match (progress.wait(), progress.status) {
            (Some(wait), _) => Short::Began(wait),
            (None, Some(status)) if progress.is_busy() => Short::Busy(status),
            (None, _) if !progress.ended => Short::Waits,
            (None, status) => Short::Failed(status),
        }
    }
}

/// Long answers that run on a server.
#[derive(Debug)]
pub(crate) struct Crowd<'a> {
    trial: &'a Trial,
    kind: Kind,
    /// How long a short answer takes when the server is idle: the longest of several.
    pub(crate) idle: Duration,
    long: Vec<Companion>,
    started: u32,
}

impl<'a> Crowd<'a> {
    /// Nobody yet; only finds out how fast the server is when it is idle.
    ///
    /// # Errors
    /// INCONCLUSIVE where it does not answer then.
    pub(crate) async fn gather(trial: &'a Trial, kind: Kind) -> Result<Crowd<'a>, Objection> {
        let mut idle = Duration::ZERO;
        for _ in 0..IDLE_PROBES {
            let question = short(trial, kind);
            let mut probe = Companion::start(trial, question).await?;
            let began = Short::of(&probe.begins(Instant::now() + LONGEST_WAIT).await);
            let exchange = probe.leave(trial, Leaving::Close).await?;
            let Short::Began(wait) = began else {
                exchange.accepted()?;
                let seen = "a short chat has no answer, though nothing else runs";
                return Err(Objection::inconclusive(seen).about(&exchange));
            };
            idle = idle.max(wait);
        }
        Ok(Crowd { trial, kind, idle, long: Vec::new(), started: 0 })
    }

    /// So that as many run as are wanted. Waits until the new ones have begun, or would wait clearly longer than on an
    /// idle server.
    ///
    /// # Errors
    /// INCONCLUSIVE where there is no connection.
    pub(crate) async fn grow(&mut self, wanted: u32) -> Result<(), Objection> {
        let (running, over): (Vec<_>, Vec<_>) =
            self.long.drain(..).partition(|companion| !companion.progress().ended);
        self.long = running;
        for companion in over {
            companion.leave(self.trial, Leaving::Close).await?;
        }
        let from = self.long.len();
        for _ in from..wanted as usize {
            self.started += 1;
            let question = long(self.trial, self.kind, self.started);
            self.long.push(Companion::start(self.trial, question).await?);
        }
        let until = Instant::now() + self.clearly_longer();
        // A whole answer shows only at its end that it has begun.
        let begun = |progress: &Progress| progress.begun.is_some();
        if self.kind == Kind::Streamed {
            join_all(self.long[from..].iter_mut().map(|companion| companion.until(until, begun))).await;
        } else {
            let sent = |progress: &Progress| progress.sent.is_some();
            join_all(self.long[from..].iter_mut().map(|companion| companion.until(until, sent))).await;
        }
        Ok(())
    }

    /// A wait that an idle server does not explain.
    pub(crate) fn clearly_longer(&self) -> Duration {
        self.idle * 4 + Duration::from_millis(300)
    }

    /// How long a short answer may wait for a place that is free.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.idle + PLACE_FREED_WITHIN
    }

    /// Sends a short request beside the others, and waits so long at most.
    ///
    /// # Errors
    /// INCONCLUSIVE where there is no connection.
    pub(crate) async fn send_short(&self, time: Duration) -> Result<(Companion, Short), Objection> {
        let mut probe = Companion::start(self.trial, short(self.trial, self.kind)).await?;
        let progress = probe.begins(Instant::now() + time).await;
        Ok((probe, Short::of(&progress)))
    }

    /// Lets more and more run until a short answer does not begin within `time`, from `fewest` on. What does not begin
    /// joins those that run. Gives how many fill the server.
    ///
    /// # Errors
    /// INCONCLUSIVE where nothing fills it.
    pub(crate) async fn fill(&mut self, fewest: u32, time: Duration) -> Result<u32, Objection> {
        let mut longest = Duration::ZERO;
        let mut many = fewest;
        while many <= MOST_LONG {
            self.grow(many).await?;
            let (probe, came) = self.send_short(time).await?;
            match came {
                Short::Began(wait) => {
                    longest = longest.max(wait);
                    probe.leave(self.trial, Leaving::Close).await?;
                }
                Short::Waits => {
                    self.long.push(probe);
                    return Ok(many);
                }
                Short::Busy(_) => {
                    probe.leave(self.trial, Leaving::Close).await?;
                    return Ok(many);
                }
                Short::Failed(_) => {
                    let exchange = probe.leave(self.trial, Leaving::Close).await?;
                    exchange.accepted()?;
                    let seen = "a short chat beside long ones broke off";
                    return Err(Objection::inconclusive(seen).about(&exchange));
                }
            }
            many *= STEP;
        }
        self.leave(Leaving::Close).await?;
        Err(Objection::inconclusive(format!(
            "{MOST_LONG} long answers at once do not fill the server: beside them a short one began after {} ms at \
             most, so that a place that is free is not to be told from one that is not",
            longest.as_millis()
        )))
    }

    /// How many run.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.long.len()).unwrap_or(u32::MAX)
    }

    /// Everyone goes.
    ///
    /// # Errors
    /// A failure of this side's.
    pub(crate) async fn leave(&mut self, how: Leaving) -> Result<(), Objection> {
        for companion in self.long.drain(..) {
            companion.leave(self.trial, how).await?;
        }
        Ok(())
    }

    /// Sends a short request, and again while the server says that it is busy, until `time` is over.
    ///
    /// # Errors
    /// INCONCLUSIVE where there is no connection.
    pub(crate) async fn send_short_until_taken(
        &self,
        time: Duration,
    ) -> Result<(Companion, Short), Objection> {
        self.send_short_until(time, ASK_AGAIN).await
    }

    async fn send_short_until(
        &self,
        time: Duration,
        again: Duration,
    ) -> Result<(Companion, Short), Objection> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (probe, came) = self.send_short(left).await?;
            if !matches!(came, Short::Busy(_)) || left < again {
                return Ok((probe, came));
            }
            probe.leave(self.trial, Leaving::Close).await?;
            tokio::time::sleep(again).await;
        }
    }

    /// Waits until the server answers as on an idle day, for a while at most, so that what follows finds it at rest.
    ///
    /// # Errors
    /// INCONCLUSIVE where there is no connection.
    pub(crate) async fn rest(&self) -> Result<(), Objection> {
        let (probe, _) = self.send_short_until(REST, RESTING).await?;
        probe.leave(self.trial, Leaving::Close).await?;
        Ok(())
    }
}

/// A long chat: each number is another one, so that none is answered from what is known of the others.
pub(crate) fn long(trial: &Trial, kind: Kind, number: u32) -> Question {
    let prompt = format!("Count from {number} up to 9999, one number on each line, and leave none out.");
    let chat = trial.chat(&prompt, LONG_TOKENS).limit(LONG_TOKENS).titled("a long chat among many");
    match kind {
        Kind::Streamed => chat.streamed().question(),
        Kind::Plain => chat.question(),
    }
}

fn short(trial: &Trial, kind: Kind) -> Question {
    let chat =
        trial.chat("Say hello.", SHORT_TOKENS).limit(SHORT_TOKENS).titled("a short chat beside long ones");
    match kind {
        Kind::Streamed => chat.streamed().question(),
        Kind::Plain => chat.question(),
    }
}
