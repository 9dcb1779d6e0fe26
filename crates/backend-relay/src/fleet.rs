//! All upstreams of a relay, and the requests that are with them.
//!
//! Owns what is known of each upstream (its target, its key, its idle connections, its list of models), the board that
//! picks among them, and the counts. A [`Visit`] is one request's place at one upstream. It refuses to know which group
//! a request belongs to, and when it is tried again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use interference_backend::{MeasuredValue, Measurement};
use interference_client::{Connector, Target};

use crate::RelayError;
use crate::board::{Board, NobodyReady, Pick};
use crate::headers::Key;
use crate::health::{Outcome, Purpose};
use crate::idle_connections::IdleConnections;
use crate::model_list::ModelList;
use crate::upstream::{
    LARGEST_WEIGHT, LONGEST_TIMEOUT, MOST_FALLBACKS, MOST_PATTERNS, MOST_RETRIES, MOST_UPSTREAMS,
    RelayOptions, Upstream, UpstreamTimeouts, check_name, check_pattern,
};
use crate::via::Pseudonym;

/// One upstream, made ready.
pub(crate) struct Member {
    pub(crate) upstream: Upstream,
    pub(crate) target: Target,
    pub(crate) key: Key,
    /// Its name, for a header.
    pub(crate) name: HeaderValue,
    /// The members that are asked when this one fails.
    pub(crate) fallbacks: Vec<usize>,
    pub(crate) idle: IdleConnections,
    pub(crate) list: ModelList,
}

/// All upstreams.
pub(crate) struct Fleet {
    pub(crate) members: Vec<Member>,
    pub(crate) connector: Connector,
    pub(crate) backoff: Duration,
    pub(crate) list_timeout: Duration,
    pub(crate) pseudonym: Pseudonym,
    board: Mutex<Board>,
    failures: AtomicU64,
    retries: AtomicU64,
}

impl Fleet {
    /// Checks the upstreams, and makes them ready.
    pub(crate) fn new(upstreams: Vec<Upstream>, options: RelayOptions) -> Result<Fleet, RelayError> {
        if upstreams.is_empty() || upstreams.len() > MOST_UPSTREAMS {
            return Err(RelayError::Count { count: upstreams.len() });
        }
        let names: Vec<String> = upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        let weights: Vec<u32> = upstreams.iter().map(|upstream| upstream.weight).collect();
        let member = |upstream| Member::new(upstream, &names, &options);
        let members: Vec<Member> = upstreams.into_iter().map(member).collect::<Result<_, _>>()?;
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(RelayError::SameName { name: name.clone() });
            }
        }
        let connector = match options.roots {
            Some(roots) => Connector::with_roots(roots),
            None => Connector::for_targets(members.iter().map(|member| &member.target)),
        };
        Ok(Fleet {
            members,
            connector: connector.map_err(|error| RelayError::Roots(Box::new(error)))?,
            backoff: options.backoff,
            list_timeout: options.list_timeout.min(LONGEST_TIMEOUT),
            pseudonym: Pseudonym::new(),
            board: Mutex::new(Board::new(weights, options.in_flight_max, Instant::now())),
            failures: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        })
    }

    /// Gives a request a place at one of a group; those that were tried before come last.
    pub(crate) fn visit(self: &Arc<Self>, group: &[usize], tried: &[usize]) -> Result<Visit, NobodyReady> {
        let pick = self.board().pick(group, tried, Instant::now())?;
        Ok(Visit { fleet: Arc::clone(self), pick, stage: Stage::Awaited, deadline: None })
    }

    /// Whether somebody of a group may be asked now.
    pub(crate) fn is_ready(&self, group: &[usize]) -> bool {
        self.board().is_ready(group, Instant::now())
    }

    /// The member of this name.
    pub(crate) fn member_named(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.upstream.name == name)
    }

    /// A request is tried again.
    pub(crate) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// What the relay counts of itself.
    pub(crate) fn measurements(&self) -> Vec<Measurement> {
        let gauge = |name, help, value| Measurement { name, help, value: MeasuredValue::Gauge(value) };
        let counter = |name, help, value| Measurement { name, help, value: MeasuredValue::Counter(value) };
        let (in_flight, left_alone) = {
            let board = self.board();
            (board.in_flight(), board.left_alone())
        };
        vec![
            gauge("upstream_requests_in_flight", "Requests that are with an upstream now", in_flight),
            counter(
                "upstream_failures",
                "Tries at an upstream that failed",
                self.failures.load(Ordering::Relaxed),
            ),
            counter(
                "upstream_retries",
                "Tries after the first one of a request",
                self.retries.load(Ordering::Relaxed),
            ),
            gauge("upstream_breakers_open", "Upstreams that are left alone because they failed", left_alone),
        ]
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn new(upstream: Upstream, names: &[String], options: &RelayOptions) -> Result<Member, RelayError> {
        let wrong_name = |problem| RelayError::Name { name: upstream.name.clone(), problem };
        check_name(&upstream.name).map_err(wrong_name)?;
        let name = HeaderValue::from_str(&upstream.name);
        let name = name.map_err(|_| wrong_name("it does not fit a header"))?;
        check_settings(&upstream, options)?;
        let target = upstream.target()?;
        let authorization = target.authorization().map_err(|source| RelayError::BaseUrl {
            upstream: upstream.name.clone(),
            source: Box::new(source),
        })?;
        let key = match authorization {
            Some(value) => Key::Own(value),
            // A key for one of several would be told to the others.
            None if options.pass_client_keys && (names.len() == 1 || upstream.pass_client_keys) => {
                Key::Clients
            }
            None => Key::None,
        };
        let fallback = |fallback: &String| {
            let index = names.iter().position(|name| name == fallback && *name != upstream.name);
            index.ok_or_else(|| RelayError::UnknownFallback {
                upstream: upstream.name.clone(),
                fallback: fallback.clone(),
                known: names.to_vec(),
            })
        };
        let fallbacks = upstream.fallbacks.iter().map(fallback).collect::<Result<_, _>>()?;
        let (idle, list) = (IdleConnections::default(), ModelList::default());
        Ok(Member { upstream, target, key, name, fallbacks, idle, list })
    }
}

fn check_settings(upstream: &Upstream, options: &RelayOptions) -> Result<(), RelayError> {
    let wrong = |problem| Err(RelayError::Setting { upstream: upstream.name.clone(), problem });
    if !(1..=LARGEST_WEIGHT).contains(&upstream.weight) {
        return wrong(format!("its weight must be from 1 to {LARGEST_WEIGHT}, not {}", upstream.weight));
    }
    if upstream.retries > MOST_RETRIES {
        return wrong(format!("it may have at most {MOST_RETRIES} retries, not {}", upstream.retries));
    }
    if upstream.models.len() > MOST_PATTERNS {
        return wrong(format!("it may have at most {MOST_PATTERNS} patterns, not {}", upstream.models.len()));
    }
    if upstream.fallbacks.len() > MOST_FALLBACKS {
        return wrong(format!(
            "it may have at most {MOST_FALLBACKS} fall-backs, not {}",
            upstream.fallbacks.len()
        ));
    }
    let UpstreamTimeouts { connect, first_byte, between_bytes } = upstream.timeouts;
    let fits = |timeout: &Duration| (Duration::from_nanos(1)..=LONGEST_TIMEOUT).contains(timeout);
    if let Some(timeout) = [connect, first_byte, between_bytes].into_iter().find(|timeout| !fits(timeout)) {
        return wrong(format!(
            "its timeouts must be longer than nothing, and at most {LONGEST_TIMEOUT:?}, not {timeout:?}"
        ));
    }
    if upstream.pass_client_keys && upstream.key.is_some() {
        return wrong(
            "with a key of its own it gets no client's: leave out `key`, or `pass_client_keys`".to_owned(),
        );
    }
    if upstream.pass_client_keys && !options.pass_client_keys {
        return wrong(
            "its clients' keys are those of this server, which asks for keys itself: leave out `pass_client_keys`, or \
             let this server ask for none"
                .to_owned(),
        );
    }
    match upstream.models.iter().find_map(|pattern| check_pattern(pattern).err()) {
        Some(problem) => wrong(problem.to_owned()),
        None => Ok(()),
    }
}

/// One request's place at one upstream, until its outcome is told. Dropping it frees the place, too.
pub(crate) struct Visit {
    fleet: Arc<Fleet>,
    pick: Pick,
    stage: Stage,
    /// When it is given up for the upstream's slowness alone.
    deadline: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing has come.
    Awaited,
    /// An answer has begun soundly.
    Begun,
    /// The outcome is told, and the place free.
    Over,
}

impl Visit {
    /// The upstream.
    pub(crate) fn member(&self) -> &Member {
        &self.fleet.members[self.pick.member]
    }

    /// Which of the upstreams it is.
    pub(crate) fn index(&self) -> usize {
        self.pick.member
    }

    /// All upstreams.
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Dropping it after this time is a failure of the upstream, which took too long. Else whoever drops it has gone
    /// away for reasons of its own.
    pub(crate) fn must_end_by(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// An answer has begun, as sound as its head can tell.
    pub(crate) fn begin_answer(&mut self) {
        self.stage = Stage::Begun;
        self.fleet.board().begin_answer(self.pick, Instant::now());
        // The probe is over; how the answer ends tells no more than the end of any other.
        self.pick.purpose = Purpose::Ordinary;
    }

    /// What became of the request. Only the first outcome counts: an error whose body breaks off is one failure. What
    /// follows takes no place, so that a failed answer that is still held does not stand in the way of a retry.
    pub(crate) fn record(&mut self, outcome: Outcome) {
        self.end(Some(outcome));
    }

    fn end(&mut self, outcome: Option<Outcome>) {
        if std::mem::replace(&mut self.stage, Stage::Over) == Stage::Over {
            return;
        }
        if matches!(outcome, Some(Outcome::Failed(_))) {
            self.fleet.failures.fetch_add(1, Ordering::Relaxed);
        }
        let mut board = self.fleet.board();
        if let Some(outcome) = outcome {
            board.record(self.pick, outcome, Instant::now());
        }
        board.leave(self.pick);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let is_late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        self.end(match self.stage {
            _ if is_late => Some(Outcome::Failed(None)),
            Stage::Begun => Some(Outcome::Answered),
            Stage::Awaited | Stage::Over => None,
        });
    }
}
