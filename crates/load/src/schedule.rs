//! When requests are sent: laid down before the start, from a seed.

use std::time::Duration;

/// One arrival of an open loop or a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// From 0, in the whole schedule: with shards, each has its own of them.
    pub number: u64,
    /// From the start.
    pub at: Duration,
}

/// One user of a closed loop, who asks anew as soon as an answer has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// From 0, among all users: with shards, each has its own of them.
    pub number: u64,
    /// When it is there, from the start, in ascending order; a conversation begins only within.
    pub present: Vec<std::ops::Range<Duration>>,
}

/// When requests are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Open: whatever the server does.
    Arrivals(Vec<Arrival>),
    /// Closed: by users who wait for their answers. The arrivals of user `u` of `n` (of all shards) are numbered
    /// `u`, `u + n`, `u + 2n` and so on.
    Users {
        /// Those of this shard.
        users: Vec<User>,
        /// How many there are at most at once, of all shards.
        of: u64,
    },
}
