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
use crate::connection::IdleConnections;
use crate::headers::Key;
use crate::health::{Outcome, Purpose};
use crate::model_list::ModelList;
use crate::upstream::{
    LARGEST_WEIGHT, MOST_PATTERNS, MOST_RETRIES, MOST_UPSTREAMS, RelayOptions, Upstream, check_name,
    check_pattern,
};

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
            board: Mutex::new(Board::new(weights, options.in_flight_max, Instant::now())),
            failures: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        })
    }

    /// Gives a request a place at one of a group; those that were tried before come last.
    pub(crate) fn visit(self: &Arc<Self>, group: &[usize], tried: &[usize]) -> Result<Visit, NobodyReady> {
        let pick = self.board().pick(group, tried, Instant::now())?;
        Ok(Visit { fleet: Arc::clone(self), pick, stage: Stage::Awaited, haste: Haste::Clients })
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
        check_settings(&upstream)?;
        let target = upstream.target()?;
        let authorization = target.authorization().map_err(|source| RelayError::BaseUrl {
            upstream: upstream.name.clone(),
            source: Box::new(source),
        })?;
        let key = match authorization {
            Some(value) => Key::Own(value),
            None if options.pass_client_keys => Key::Clients,
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

fn check_settings(upstream: &Upstream) -> Result<(), RelayError> {
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
    haste: Haste,
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

/// What it means that nobody waits any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Haste {
    /// The client went away, which says nothing about the upstream.
    Clients,
    /// The upstream took longer than it may.
    OurOwn,
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

    /// From now on, dropping it before the end is a failure of the upstream: it is given up for its slowness alone.
    pub(crate) fn must_end_in_time(&mut self) {
        self.haste = Haste::OurOwn;
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
        self.end(match (self.haste, self.stage) {
            (Haste::OurOwn, _) => Some(Outcome::Failed(None)),
            (Haste::Clients, Stage::Begun) => Some(Outcome::Answered),
            (Haste::Clients, _) => None,
        });
    }
}
