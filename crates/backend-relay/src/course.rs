//! The tries of one request: first at its group, again where that is safe, then at the fall-backs.
//!
//! Owns what is tried again and what never, and how long is waited between. It refuses to know how a try is made, and
//! why a group is the one.
//!
//! A request is tried again only before the head of an answer that is passed on, and only
//! - when no byte of it was sent, whatever its method;
//! - when its method is idempotent (RFC 9110 section 9.2.2);
//! - when the answer is a 429 or a 503, by which a server says that it did not do what was asked.
//!
//! A POST whose connection broke after it was sent, that was not answered in time, or that a gateway lost (502, 504), may
//! have been carried out and charged for. It is never sent again, to nobody: the client is told, and decides.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use interference_backend::{Refusal, Reply};

use crate::attempt::{attempt, is_passing};
use crate::board::NobodyReady;
use crate::failure::{Done, Failure, Tries, nobody_left};
use crate::fleet::Fleet;
use crate::headers::Key;
use crate::identifiers::Identifiers;
use crate::outgoing::Outgoing;

/// The longest wait before a retry.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// Who may get a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// These, whoever has the least to do.
    pub(crate) members: Vec<usize>,
    /// Then these, one try each, in this order.
    pub(crate) fallbacks: Vec<usize>,
}

/// One request under way.
pub(crate) struct Course<'c> {
    fleet: &'c Arc<Fleet>,
    identifiers: &'c Arc<Identifiers>,
    outgoing: &'c Outgoing,
    started_at: Instant,
    /// The members that were tried, in order.
    tried: Vec<usize>,
    /// Of them, those that have no more room for this client: its own key is there, and its quota used up.
    exhausted: Vec<usize>,
    /// Who was tried last, and what that came to.
    last: Option<(usize, Result<Reply, Failure>)>,
    /// When somebody may be asked again, where nobody was ready.
    ready_at: Option<Instant>,
}

/// What follows a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing: its outcome is the request's.
    Settled,
    /// Another try may do better.
    Another,
    /// There was none, since nobody is ready.
    NobodyReady,
}

impl<'c> Course<'c> {
    /// A request that was not tried yet.
    pub(crate) fn new(
        fleet: &'c Arc<Fleet>,
        identifiers: &'c Arc<Identifiers>,
        outgoing: &'c Outgoing,
    ) -> Course<'c> {
        let started_at = Instant::now();
        Course {
            fleet,
            identifiers,
            outgoing,
            started_at,
            tried: Vec::new(),
            exhausted: Vec::new(),
            last: None,
            ready_at: None,
        }
    }

    /// Tries until there is an answer, or nothing is left to try. The last outcome is the request's.
    ///
    /// # Cancellation
    /// Dropping the future closes the connection that is in use.
    pub(crate) async fn run(mut self, group: &Group) -> Result<Reply, Refusal> {
        let mut next = self.attempt(&group.members).await?;
        let retries = self.tried.first().map_or(0, |first| self.fleet.members[*first].upstream.retries);
        for retry in 0..retries {
            let members = self.not_exhausted(&group.members);
            if next != Next::Another || !self.fleet.is_ready(&members) {
                break;
            }
            tokio::time::sleep(backoff(self.fleet.backoff, retry)).await;
            next = self.attempt(&members).await?;
        }
        for fallback in &group.fallbacks {
            if next == Next::Settled {
                break;
            }
            next = self.attempt(&[*fallback]).await?;
        }
        self.outcome(group)
    }

    fn not_exhausted(&self, members: &[usize]) -> Vec<usize> {
        members.iter().copied().filter(|member| !self.exhausted.contains(member)).collect()
    }

    async fn attempt(&mut self, group: &[usize]) -> Result<Next, Refusal> {
        let visit = match self.fleet.visit(group, &self.tried) {
            Ok(visit) => visit,
            Err(NobodyReady { until }) => {
                self.ready_at = Some(self.ready_at.map_or(until, |known| known.min(until)));
                return Ok(Next::NobodyReady);
            }
        };
        let request = self.outgoing.request_to(visit.member(), &self.fleet.pseudonym)?;
        let collection = self.identifiers.collection(&self.outgoing.method, &self.outgoing.path);
        if !self.tried.is_empty() {
            self.fleet.count_retry();
        }
        let member = visit.index();
        self.tried.push(member);
        // The connection of an answer that is not passed on is closed before another is opened.
        self.last = None;
        let ended = attempt(visit, request, collection).await;
        let next = match &ended {
            Ok(reply) if is_passing(reply.status, &self.outgoing.method) => Next::Another,
            Err(failure) if failure.done == Done::Nothing || self.outgoing.method.is_idempotent() => {
                Next::Another
            }
            _ => Next::Settled,
        };
        if let Ok(reply) = &ended
            && reply.status == StatusCode::TOO_MANY_REQUESTS
            && matches!(self.fleet.members[member].key, Key::Clients)
        {
            self.exhausted.push(member);
        }
        if let Err(failure) = &ended {
            let upstream = &self.fleet.members[member].upstream.name;
            tracing::warn!(upstream, told = failure.told, "the upstream failed");
        }
        self.last = Some((member, ended));
        Ok(next)
    }

    fn outcome(self, group: &Group) -> Result<Reply, Refusal> {
        let (member, failure) = match self.last {
            Some((_, Ok(reply))) => return Ok(reply),
            Some((member, Err(failure))) => (&self.fleet.members[member], failure),
            None => {
                let names = group.members.iter().chain(&group.fallbacks);
                let names = names.map(|member| self.fleet.members[*member].upstream.name.as_str());
                let wait = self.ready_at.map(|at| at.saturating_duration_since(Instant::now()));
                return Err(nobody_left(&names.collect::<Vec<_>>(), wait.unwrap_or_default()));
            }
        };
        let count = u32::try_from(self.tried.len()).unwrap_or(u32::MAX);
        let tries = Tries { count, took: self.started_at.elapsed() };
        Err(failure.refusal(&member.upstream.name, &member.target.base_url(), tries))
    }
}

/// The wait before a retry, of which the first is number 0: doubled each time, and shortened by up to a half, so that
/// requests that failed together do not come back together.
fn backoff(first: Duration, retry: u32) -> Duration {
    let whole = first.saturating_mul(1 << retry.min(16)).min(LONGEST_BACKOFF);
    // The keys of a hash table are random, and that is enough here.
    let random = RandomState::new().build_hasher().finish();
    whole.mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_bounds() {
        let first = Duration::from_millis(100);
        for (retry, whole_ms) in [(0, 100), (1, 200), (2, 400), (9, 5_000), (1_000, 5_000)] {
            let wait = backoff(first, retry).as_millis();
            assert!((whole_ms / 2..=whole_ms).contains(&wait), "{retry}: {wait} ms");
        }
    }
}
