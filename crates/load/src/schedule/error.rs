//! What can be wrong with when requests are to be sent.

use std::time::Duration;

use super::{
    LARGEST_VALUE, LONGEST_RUN, LONGEST_WAIT, MOST_ARRIVALS, MOST_PRESENCES, MOST_STRETCHES, MOST_USERS,
};

/// Why there is no schedule. Each says what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A part of a profile is no number.
    #[error("`{text}` is no number; write one such as `50`, a ramp `10..100`, or steps `10,20,40`")]
    NotANumber {
        /// The part.
        text: String,
    },
    /// A number of a profile is negative or too large.
    #[error("{value} is not from 0 to {LARGEST_VALUE}, which is what a rate or a concurrency can be")]
    OutOfBounds {
        /// The number.
        value: f64,
    },
    /// A profile is 0 all the time.
    #[error("it is 0 all the time, so that nothing would be sent; write a number above 0")]
    Nothing,
    /// A profile has too many steps.
    #[error("{found} steps are more than {MOST_STRETCHES}; write fewer, or ramps such as `10..100`")]
    TooManyStretches {
        /// How many it has.
        found: usize,
    },
    /// The name of no process.
    #[error("`{text}` is neither `poisson` nor `constant`")]
    UnknownProcess {
        /// What was there.
        text: String,
    },
    /// A run without time, or one that is too long.
    #[error(
        "a run of {} s is not above 0 and up to {} s",
        duration.as_secs_f64(),
        LONGEST_RUN.as_secs()
    )]
    Duration {
        /// How long it would be.
        duration: Duration,
    },
    /// More arrivals than a run has.
    #[error(
        "that makes some {expected:.0} arrivals, and a run has at most {MOST_ARRIVALS}; take a lower rate, or {} s at \
         this one",
        (duration.as_secs_f64() * (MOST_ARRIVALS as f64 / expected) * 0.99).floor()
    )]
    TooManyArrivals {
        /// How many there would be.
        expected: f64,
        /// How long the run would be.
        duration: Duration,
    },
    /// A trace has more arrivals than a run.
    #[error("the trace has {found} arrivals, and a run has at most {MOST_ARRIVALS}; split it")]
    TraceTooLarge {
        /// How many it has.
        found: usize,
    },
    /// Times of a trace do not ascend.
    #[error("arrival {number} of the trace is before the one ahead of it; sort them by time")]
    Unordered {
        /// From 0.
        number: u64,
    },
    /// A trace takes longer than a run may.
    #[error(
        "the trace takes {:.0} s, and a run at most {} s; play it faster, at {:.0}x or more",
        length.as_secs_f64(),
        LONGEST_RUN.as_secs(),
        (speed * length.as_secs_f64() / LONGEST_RUN.as_secs_f64()).ceil()
    )]
    TraceTooLong {
        /// How long it takes, at the speed.
        length: Duration,
        /// The speed.
        speed: f64,
    },
    /// The text of no speed.
    #[error("`{text}` is no speed; write `1x`, `2x` or `0.5x`, from 0.01x to 1000x")]
    Speed {
        /// What was there.
        text: String,
    },
    /// A concurrency of less than half a user.
    #[error("a concurrency of {peak} at most is rounded to no user at all; write 1 or more")]
    NoUser {
        /// The largest concurrency.
        peak: f64,
    },
    /// More users than a run has.
    #[error("{found} users at once are more than {MOST_USERS}; split them among more runs")]
    TooManyUsers {
        /// How many there would be.
        found: u64,
    },
    /// Users come and go too often.
    #[error("users would come and go more than {MOST_PRESENCES} times; write fewer steps, or fewer users")]
    TooManyPresences,
    /// A text that is no shard.
    #[error("`{text}` is no shard; write `I/N`: with 4 machines `0/4`, `1/4`, `2/4` and `3/4`")]
    NotAShard {
        /// What was there.
        text: String,
    },
    /// A shard that is not one of so many.
    #[error("there is no shard {index} of {of}; {}", shards_of(*of))]
    NoSuchShard {
        /// Its index.
        index: u32,
        /// How many there are.
        of: u32,
    },
    /// A text that is no start.
    #[error(
        "`{text}` is no time; write one in UTC such as `2030-01-31T12:00:00Z`, seconds since 1970, or `+5s` for in five \
         seconds"
    )]
    NotAStart {
        /// What was there.
        text: String,
    },
    /// A start that is over.
    #[error(
        "the start was {:.1} s ago; a machine that begins late would not send what the others think it sends: choose a \
         later one for all of them",
        ago.as_secs_f64()
    )]
    StartIsOver {
        /// How long ago.
        ago: Duration,
    },
    /// A start that is too far away.
    #[error(
        "the start is in {:.0} s, and at most {} s are waited; are those milliseconds instead of seconds?",
        ahead.as_secs_f64(),
        LONGEST_WAIT.as_secs()
    )]
    StartTooFar {
        /// How far.
        ahead: Duration,
    },
}

/// `shards count from 0: 0/4 to 3/4`
fn shards_of(of: u32) -> String {
    match of {
        0 => "there must be at least 1, which is 0/1".to_owned(),
        1 => "shards count from 0, and the only one is 0/1".to_owned(),
        of => format!("shards count from 0: 0/{of} to {}/{of}", of - 1),
    }
}
