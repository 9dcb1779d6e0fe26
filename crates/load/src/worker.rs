//! One thread that sends requests and reads their answers.
//!
//! Owns its runtime, its connections and what it has observed; other workers share nothing with it but what is shown while
//! a run goes on. Refuses to know when requests are due: arrivals are handed to it when their time has come.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use interference_report::load::Basis;
use interference_target::Target;
use interference_wire::{Limits, TimeLimits};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::beat::{self, Beats};
use crate::connections::{Held, Idle};
use crate::exchange::{self, Exchanged};
use crate::failure::Failure;
use crate::live::Live;
use crate::observation::Observation;
use crate::stop::Stop;
use crate::work::{Ask, Work};

/// How long a user waits who could not even send: without it, one whom a server refuses would do nothing but ask.
pub const AFTER_REFUSAL: Duration = Duration::from_millis(10);

/// From one look at what has no end to the next: several in an interval of the timeline.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What becomes of observations: a run's numbers, or what the tester finds out about itself.
pub(crate) trait Tally: Send + 'static {
    /// Takes one, and says whether it met what is asked of a single request.
    fn add(&mut self, observation: &Observation) -> bool;

    /// Takes how many requests of all workers have no end.
    fn in_flight(&mut self, now: Instant, count: u64);
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// An arrival of an open loop or a trace.
    Arrival {
        /// In the whole schedule.
        number: u64,
        /// When it was to be sent.
        scheduled: Instant,
    },
    /// A user of a closed loop, who asks again and again.
    User {
        /// Among all users.
        number: u64,
        /// How many there are.
        of: u64,
        /// No conversation begins from here on.
        until: Instant,
    },
}

/// Whether connections are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// For one request after another.
    KeepAlive,
    /// Each request has its own.
    Never,
}

/// What came of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// It was had, in whole or in part.
    Had,
    /// A request of it could not be sent.
    Refused,
}

/// What the workers of a run have in common.
pub(crate) struct Common {
    pub(crate) target: Target,
    pub(crate) work: Arc<dyn Work>,
    pub(crate) limits: Limits,
    /// Connections that may be open at once.
    pub(crate) sockets: Arc<Semaphore>,
    /// Those of each worker that wait for a request.
    pub(crate) idle: Vec<Idle>,
    pub(crate) reuse: Reuse,
    pub(crate) basis: Basis,
    /// What has no end by then is abandoned.
    pub(crate) end: Instant,
    pub(crate) live: Arc<Live>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) beats: Beats,
    pub(crate) stall_bound: Duration,
    /// How long each thread stands still once a second.
    pub(crate) planted_stall: Option<Duration>,
}

/// Runs until nothing more is due and all that began has ended.
///
/// # Errors
/// When the system has no means for a runtime.
pub(crate) fn run<T: Tally>(
    common: Arc<Common>,
    number: usize,
    tally: T,
    due: UnboundedReceiver<Due>,
) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = Mutex::new(tally);
    let worker = Arc::new(Worker { common, number, tally, users: Mutex::default() });
    runtime.block_on(async {
        let beat = beat::keep(&worker.common.beats, worker.common.stall_bound, worker.common.planted_stall);
        tokio::select! {
            () = beat => {}
            () = worker.look() => {}
            () = Worker::work(&worker, due) => {}
        }
    });
    // Every task has ended, and their runtime goes before them.
    drop(runtime);
    let worker = Arc::into_inner(worker).ok_or_else(|| io::Error::other("a task outlived its worker"))?;
    Ok(worker.tally.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct Worker<T> {
    common: Arc<Common>,
    /// Among the workers.
    number: usize,
    tally: Mutex<T>,
    /// Each user who was there, as many as the schedule has at most: one who comes again goes on.
    users: Mutex<BTreeMap<u64, User>>,
}

/// A user of a closed loop.
struct User {
    next_arrival: u64,
    /// When it has to go; none for one who has gone.
    until: Option<Instant>,
}

impl<T: Tally> Worker<T> {
    async fn work(worker: &Arc<Worker<T>>, mut due: UnboundedReceiver<Due>) {
        let mut begun = JoinSet::new();
        while let Some(due) = due.recv().await {
            begun.spawn(Arc::clone(worker).take(due));
            // What has ended is let go of, so that a long run keeps nothing.
            while begun.try_join_next().is_some() {}
        }
        while begun.join_next().await.is_some() {}
    }

    /// Looks again and again how many requests have no end, so that it is known also while none begins or ends.
    async fn look(&self) {
        loop {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            let in_flight = self.common.live.snapshot().in_flight;
            if in_flight > 0 {
                self.tally().in_flight(Instant::now(), in_flight);
            }
        }
    }

    async fn take(self: Arc<Worker<T>>, due: Due) {
        match due {
            Due::Arrival { number, scheduled } => {
                self.converse(number, scheduled).await;
            }
            Due::User { number, of, until } => {
                if !self.comes(number, until) {
                    return;
                }
                let pause = self.common.work.think_time();
                while let Some(arrival) = self.next_arrival(number, of) {
                    if self.converse(arrival, Instant::now()).await == Talk::Refused {
                        tokio::time::sleep(AFTER_REFUSAL).await;
                    }
                    // Whoever has to go does not think for longer, and the next arrival tells so.
                    if let Some(until) = self.stays_until(number) {
                        let _ = self.thinks((Instant::now() + pause).min(until), pause).await;
                    }
                }
            }
        }
    }

    /// A user comes, to stay until then; false for one who had to go and is not through with the last conversation, and who
    /// goes on after it.
    fn comes(&self, number: u64, until: Instant) -> bool {
        let mut users = self.users();
        let user = users.entry(number).or_insert(User { next_arrival: number, until: None });
        user.until.replace(until).is_none()
    }

    /// How long a user stays, who may have come again meanwhile.
    fn stays_until(&self, number: u64) -> Option<Instant> {
        self.users().get(&number)?.until
    }

    /// The number of a user's next arrival, of so many users: no two are the same, so that none asks what was asked before.
    /// None where the user has to go.
    fn next_arrival(&self, number: u64, of: u64) -> Option<u64> {
        let mut users = self.users();
        let user = users.get_mut(&number)?;
        if user.until.is_none_or(|until| Instant::now() >= until) || self.common.stop.is_wished() {
            user.until = None;
            return None;
        }
        let arrival = user.next_arrival;
        user.next_arrival = arrival.saturating_add(of);
        Some(arrival)
    }

    fn users(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, User>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests of one arrival, one after another; the first that fails is the last. None is scheduled for later than
    /// the end of the run.
    async fn converse(&self, arrival: u64, mut scheduled: Instant) -> Talk {
        let mut conversation = self.common.work.conversation(arrival);
        let mut next = conversation.next("");
        while let Some(ask) = next {
            let observation = self.request(arrival, scheduled, &ask).await;
            if observation.outcome.is_err() {
                return if observation.sent.is_some() { Talk::Had } else { Talk::Refused };
            }
            next = conversation.next(observation.heard.text.as_deref().unwrap_or_default());
            if let Some(ask) = &next {
                scheduled = Instant::now() + ask.pause;
                if scheduled >= self.common.end || !self.thinks(scheduled, ask.pause).await {
                    break;
                }
            }
        }
        Talk::Had
    }

    /// Waits for a pause that ends at a time; false once nothing more is to be sent.
    async fn thinks(&self, until: Instant, pause: Duration) -> bool {
        if !pause.is_zero() {
            tokio::select! {
                () = self.common.stop.wished() => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
        !self.common.stop.is_wished()
    }

    async fn request(&self, arrival: u64, scheduled: Instant, ask: &Ask) -> Observation {
        let in_flight = self.common.live.begin();
        self.tally().in_flight(Instant::now(), in_flight);
        let mut request = exchange::head(&self.common.target, ask);
        request.extend_from_slice(&ask.body);
        let (exchanged, reconnected) = self.send(&request, ask).await;
        let observation = exchanged.observed(arrival, scheduled, reconnected);
        let met = self.tally().add(&observation);
        let in_flight = self.common.live.end(&observation, self.common.basis, met);
        self.tally().in_flight(observation.ended, in_flight);
        observation
    }

    /// Sends a request; a second time where the server had closed the connection while it was idle.
    async fn send(&self, request: &[u8], ask: &Ask) -> (Exchanged, bool) {
        if let Some(held) = self.idle().take().await {
            let exchanged = self.send_on(held, request, ask).await;
            if !exchanged.was_stale {
                return (exchanged, false);
            }
            // Its time counts from when it was sent first.
            let sent = exchanged.sent;
            let exchanged = self.send_fresh(request, ask).await;
            return (Exchanged { sent: sent.or(exchanged.sent), ..exchanged }, true);
        }
        (self.send_fresh(request, ask).await, false)
    }

    async fn send_fresh(&self, request: &[u8], ask: &Ask) -> Exchanged {
        let Some(socket) = self.socket() else { return Exchanged::unsent(Failure::OutOfSockets) };
        let Some(time) = self.time_left() else { return Exchanged::unsent(Failure::Unfinished) };
        let limits = Limits { time, ..self.common.limits };
        match exchange::connect(&self.common.target, limits).await {
            Ok((connection, connect)) => {
                let held = Held { connection, round_trip: connect, socket };
                let exchanged = self.send_on(held, request, ask).await;
                Exchanged { connect: Some(connect), ..exchanged }
            }
            Err(error) => Exchanged::unsent(self.unless_over(Failure::from(&error))),
        }
    }

    /// A place for one more connection, if need be that of one that waits, which another worker may have.
    fn socket(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(socket) = Arc::clone(&self.common.sockets).try_acquire_owned() {
                return Some(socket);
            }
            if !self.common.idle.iter().any(Idle::close_one) {
                return None;
            }
        }
    }

    /// The connections of this worker that wait.
    fn idle(&self) -> &Idle {
        &self.common.idle[self.number]
    }

    async fn send_on(&self, mut held: Held, request: &[u8], ask: &Ask) -> Exchanged {
        let Some(time) = self.time_left() else { return Exchanged::unsent(Failure::Unfinished) };
        held.connection.set_time_limits(time);
        let mut exchanged = exchange::exchange(&mut held.connection, held.round_trip, request, ask).await;
        exchanged.outcome = exchanged.outcome.map_err(|failure| self.unless_over(failure));
        if exchanged.keeps_alive && self.common.reuse == Reuse::KeepAlive {
            self.idle().give(held);
        }
        exchanged
    }

    /// The limits of time, none of which goes beyond the end of the run; none after it.
    fn time_left(&self) -> Option<TimeLimits> {
        let left = self.common.end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        let time = self.common.limits.time;
        Some(TimeLimits {
            connect: time.connect.min(left),
            send: time.send.min(left),
            first_byte: time.first_byte,
            between_reads: time.between_reads,
            total: time.total.min(left),
            after_flaw: time.after_flaw,
        })
    }

    /// A limit that was the end of the run is no failure of the server's.
    fn unless_over(&self, failure: Failure) -> Failure {
        let is_limit = matches!(failure, Failure::TimedOut | Failure::ConnectTimedOut | Failure::SendFailed);
        if is_limit && Instant::now() >= self.common.end { Failure::Unfinished } else { failure }
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, T> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
