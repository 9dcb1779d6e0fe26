//! One run: what is needed for it, and the document that comes of it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use humantime::format_duration;
use interference_load::schedule::{Arrival, Profile, Schedule, ScheduleError, Speed, WHOLE};
use interference_load::work::OfRun;
use interference_load::{Counting, Level, Live, Measured, Reuse, Run, level_of, measure};
use interference_report::Tool;
use interference_report::load::{Bounds, Certificate, FORMAT, LoadReport, Objective, Plan};
use interference_target::{Target, TargetError};
use interference_wire::{Limits, TimeLimits};

use super::asking::{self, Asked};
use super::clock_server::measure_oneself;
use super::interruption::Interruption;
use super::progress::Watching;
use super::{LoadArguments, sockets};
use crate::failure::{Failure, TOOL_FAILED, WRONG_USAGE};
use crate::judging::shell_word;
use crate::reaching::without_connection;
use crate::talk::say;

/// A request that is sent later than this counts as late.
const LATE_AFTER: Duration = Duration::from_millis(10);
/// What a machine that shares a series has between two runs of it, beside the measuring of itself: to write down the one,
/// and to be ready for the other.
const BETWEEN_RUNS: Duration = Duration::from_secs(2);
/// The same with that measuring, twice 3 s and the start of a server: longer than it takes as a rule.
const BETWEEN_CERTIFIED_RUNS: Duration = Duration::from_secs(20);
/// Before the first arrival, for threads to start.
const LEAD: Duration = Duration::from_millis(100);
/// Arrivals of the time before a run are numbered from here, so that no prompt is sent twice.
const BEFORE: u64 = 1 << 40;

/// What a run that was stopped by the user is told with.
const INTERRUPTED: &str = "the run was interrupted: the rest of its schedule was not sent";

/// What a run is done with.
#[derive(Debug, Clone)]
pub(super) struct Hands {
    pub(super) workers: usize,
    pub(super) sockets: usize,
    pub(super) time_limits: TimeLimits,
    pub(super) planted_stall: Option<Duration>,
}

/// When requests are sent.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Open(Profile),
    Closed(Profile),
    Trace(Vec<Duration>),
}

/// Whether the command line can say when requests are sent: else the server need not be asked.
///
/// # Errors
/// It says nothing of it, and there is nothing recorded that could.
pub(super) fn check_pattern(arguments: &LoadArguments) -> Result<(), Failure> {
    let LoadArguments { arrivals, asking, .. } = arguments;
    let is_said = arrivals.rate.is_some() || arrivals.concurrency.is_some() || arrivals.sweep;
    let is_recorded = asking.requests.is_some() || asking.cassettes.is_some();
    if !is_said && !is_recorded {
        return Err(no_pattern());
    }
    if !asking.think_time.is_zero() && asking.turns == 1 && arrivals.concurrency.is_none() {
        let message = "--think-time is between the requests of a user, and each arrival here is one request";
        let hint = "`--turns N` has conversations, `--concurrency N` users";
        return Err(Failure::new(WRONG_USAGE, message, hint));
    }
    Ok(())
}

fn nothing_to_send(rate: &Profile, duration: Duration) -> Failure {
    let message = format!("no arrival falls into the run: {rate} a second for {}", format_duration(duration));
    let hint = "a longer `--duration`, a higher `--rate` or another `--seed` has some; `--arrivals constant` begins at once";
    Failure::new(WRONG_USAGE, message, hint)
}

fn no_pattern() -> Failure {
    let hint = "`--rate 10` sends ten a second, whatever the server does; `--concurrency 8` has eight users wait for their \
                answers; `--sweep` searches for the highest rate";
    Failure::new(WRONG_USAGE, "nothing says when requests are sent", hint)
}

/// A server that has been looked at, and what is asked of it.
#[derive(Clone)]
pub(super) struct Session<'a> {
    arguments: &'a LoadArguments,
    interruption: &'a Interruption,
    objectives: Arc<[Objective]>,
    hands: Hands,
    target: Target,
    asked: Asked,
    /// When the next run begins; at once where nothing is said.
    start_at: Option<SystemTime>,
}

/// One run by the command line as it is.
///
/// # Errors
/// The server cannot be reached, the machine has too few sockets, or the command line asks for what cannot be.
pub(super) fn alone(
    arguments: &LoadArguments,
    objectives: &[Objective],
    interruption: &Interruption,
) -> anyhow::Result<LoadReport> {
    let session = Session::as_told(arguments, objectives, interruption)?;
    let pattern = session.pattern()?;
    session.run(&pattern)
}

impl<'a> Session<'a> {
    /// Looks at the server of the command line.
    ///
    /// # Errors
    /// Those of [`Session::open`].
    pub(super) fn as_told(
        arguments: &'a LoadArguments,
        objectives: &[Objective],
        interruption: &'a Interruption,
    ) -> anyhow::Result<Session<'a>> {
        Session::open(arguments, objectives, interruption, arguments.base_url.as_deref())
    }

    /// Looks at a server.
    ///
    /// # Errors
    /// The server cannot be reached, or the command line asks for what cannot be.
    pub(super) fn open(
        arguments: &'a LoadArguments,
        objectives: &[Objective],
        interruption: &'a Interruption,
        base_url: Option<&str>,
    ) -> anyhow::Result<Session<'a>> {
        let reaching = &arguments.reaching;
        let time_limits = TimeLimits {
            first_byte: reaching.timeout,
            between_reads: reaching.timeout,
            ..TimeLimits::default()
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let hands = Hands {
            workers: reaching.workers.map_or(processors, usize::from),
            sockets: sockets::available(),
            time_limits,
            planted_stall: arguments.plant_stall,
        };
        let base_url = base_url.context("clap demands a base URL")?;
        let target = reaching.server.target("load", base_url, Vec::new())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (target, asked) = runtime.block_on(async {
            let limits = Limits { time: time_limits, ..Limits::default() };
            let mut target = target
                .resolved(limits)
                .await
                .map_err(|error| Failure::new(TOOL_FAILED, error.to_string(), without_connection(&error)))?;
            let asked = asking::ask(arguments, &mut target, time_limits).await?;
            anyhow::Ok((target, asked))
        })?;
        let start_at = arguments.parts.start_at;
        Ok(Session { arguments, interruption, objectives: objectives.into(), hands, target, asked, start_at })
    }

    /// The same, with one header more in every request.
    ///
    /// # Errors
    /// The value cannot stand in a header.
    pub(super) fn with_header(self, name: &str, value: &str) -> Result<Session<'a>, TargetError> {
        Ok(Session { target: self.target.with_header(name, value)?, ..self })
    }

    /// The same for a run of a series, counted from 0: the first begins when the command line says. So does each further one
    /// that several machines share, as much later as all before it take at most; otherwise it follows at once.
    pub(super) fn nth(self, number: u32, pattern: &Pattern) -> Session<'a> {
        let parts = &self.arguments.parts;
        let start_at = match (parts.start_at, parts.shard) {
            (Some(at), Some(_)) => Some(at + self.lasts(pattern) * number),
            (at, _) => at.filter(|_| number == 0),
        };
        let work = Arc::new(OfRun { work: Arc::clone(&self.asked.work), run: number });
        Session { start_at, asked: Asked { work, ..self.asked }, ..self }
    }

    /// Whether the server takes plans of faults from a header that this one is like.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn check_faults(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(asking::check_faults(&self.asked.work, &self.target, self.hands.time_limits))?)
    }

    /// From the start of a run to when the next one can begin, on any machine that does a part of both.
    fn lasts(&self, pattern: &Pattern) -> Duration {
        let arrivals = &self.arguments.arrivals;
        let counts = match pattern {
            Pattern::Open(_) | Pattern::Closed(_) => arrivals.duration,
            Pattern::Trace(times) => self.last_of(times),
        };
        let measuring = if self.arguments.no_certificate { BETWEEN_RUNS } else { BETWEEN_CERTIFIED_RUNS };
        arrivals.warmup + counts + arrivals.drain + measuring
    }

    /// When the last request of a trace is due, at the speed of the run.
    fn last_of(&self, times: &[Duration]) -> Duration {
        times.last().map_or(Duration::ZERO, |last| last.div_f64(self.speed().factor()))
    }

    /// When requests are sent, by the command line.
    ///
    /// # Errors
    /// It says nothing of it.
    pub(super) fn pattern(&self) -> anyhow::Result<Pattern> {
        let arrivals = &self.arguments.arrivals;
        match (&arrivals.rate, &arrivals.concurrency, self.asked.work.times()) {
            (Some(rate), ..) => Ok(Pattern::Open(rate.clone())),
            (None, Some(concurrency), _) => Ok(Pattern::Closed(concurrency.clone())),
            (None, None, Some(times)) => Ok(Pattern::Trace(times.to_vec())),
            (None, None, None) => Err(no_pattern().into()),
        }
    }

    /// What the pattern comes to at its peak, as far as one answer tells.
    fn expected(&self, pattern: &Pattern) -> Level {
        let one = |rate| match &self.asked.look {
            Some(look) => level_of(look, rate),
            None => Level { streams: rate, chunks_per_second: rate },
        };
        let shard = self.arguments.parts.shard.unwrap_or(WHOLE);
        let share = 1.0 / f64::from(shard.of);
        match pattern {
            Pattern::Open(rate) => one(rate.peak() * share),
            Pattern::Closed(users) => one(1.0).with_streams((users.peak() * share).max(1.0)),
            Pattern::Trace(times) => {
                let second = Duration::from_secs(1).mul_f64(self.speed().factor());
                let busiest = times
                    .iter()
                    .enumerate()
                    .map(|(first, time)| times[first..].partition_point(|other| *other < *time + second));
                let level = one(busiest.max().unwrap_or(1) as f64 * share);
                // However long answers take, there are no more than there are requests.
                level.with_streams(level.streams.min((times.len() as f64 * share).max(1.0)))
            }
        }
    }

    fn speed(&self) -> Speed {
        self.arguments.arrivals.speed.unwrap_or(Speed::RECORDED)
    }

    /// Measures oneself, the server, and oneself again.
    ///
    /// # Errors
    /// The machine has too few sockets or threads, the start is over, or the tester's own server does not start.
    pub(super) fn run(&self, pattern: &Pattern) -> anyhow::Result<LoadReport> {
        let expected = self.expected(pattern);
        match pattern {
            Pattern::Closed(_) => sockets::check(expected.streams.ceil(), self.hands.sockets)?,
            // How many there will be is a guess from one answer.
            Pattern::Open(_) | Pattern::Trace(_) => {
                if let Err(few) = sockets::check(expected.streams, self.hands.sockets) {
                    say(&format!("if answers take as long as the first did, {}", few.message));
                }
            }
        }
        let before = self.prove("before", expected)?;
        let (schedule, lasts) = self.schedule(pattern)?;
        let start = self.start()?;
        let warmup = self.arguments.arrivals.warmup;
        let run = Run {
            target: self.target.clone(),
            work: Arc::clone(&self.asked.work),
            schedule,
            start,
            end: start + warmup + lasts + self.arguments.arrivals.drain,
            time_limits: self.hands.time_limits,
            workers: self.hands.workers,
            sockets: self.hands.sockets,
            reuse: if self.arguments.reaching.no_keep_alive { Reuse::Never } else { Reuse::KeepAlive },
            stall_bound: Duration::from_secs_f64(Bounds::default().stall_ms / 1e3),
            planted_stall: self.hands.planted_stall,
            live: Arc::<Live>::default(),
            stop: self.interruption.arm()?,
        };
        let counting = Counting {
            from: start + warmup,
            late_after: LATE_AFTER,
            objectives: Arc::clone(&self.objectives),
        };
        let started_at = SystemTime::now() + start.saturating_duration_since(Instant::now()) + warmup;
        let watching = Watching::begin(&run, warmup + lasts);
        let measured = measure(&run, &counting)?;
        watching.end();
        let reached = reached(&measured);
        let after = self.prove("after", reached)?;
        let certificate = Certificate {
            bounds: Bounds::default(),
            before,
            after,
            during: measured.watched,
            streams: measured.peak_streams,
            chunks_per_second: reached.chunks_per_second.round(),
        };
        let is_stopped = measured.is_stopped;
        let mut report = self.document(pattern, &run, started_at, lasts, measured, certificate);
        if is_stopped {
            report.notes.push(INTERRUPTED.to_owned());
        }
        Ok(report)
    }

    fn prove(
        &self,
        when: &str,
        level: Level,
    ) -> anyhow::Result<Option<interference_report::load::Calibration>> {
        if self.arguments.no_certificate {
            return Ok(None);
        }
        say(&format!(
            "the tester measures itself {when} the run, with {:.0} streams and {:.0} chunks a second",
            level.streams.ceil(),
            level.chunks_per_second
        ));
        measure_oneself(level, &self.hands).map(Some)
    }

    /// When the schedule begins.
    fn start(&self) -> anyhow::Result<Instant> {
        let Some(at) = self.start_at else { return Ok(Instant::now() + LEAD) };
        match at.duration_since(SystemTime::now()) {
            Ok(wait) => Ok(Instant::now() + wait),
            Err(over) => {
                let late = over.duration().as_secs_f64();
                let message =
                    format!("the common start was over {late:.1} s before this machine was ready for it");
                let hint =
                    "leave more time: the tester looks at the server and measures itself before, some 10 s";
                Err(Failure::new(TOOL_FAILED, message, hint).into())
            }
        }
    }

    /// Whether a run at such rates would send anything, or fail.
    pub(super) fn does_anything(&self, rate: &Profile) -> bool {
        !sends_nothing(&self.counted(rate))
    }

    /// The arrivals that count.
    fn counted(&self, rate: &Profile) -> Result<Schedule, ScheduleError> {
        let arrivals = &self.arguments.arrivals;
        let shard = self.arguments.parts.shard.unwrap_or(WHOLE);
        Schedule::open(rate, arrivals.arrivals, arrivals.duration, arrivals.seed, shard)
    }

    /// The schedule with the time before it, and how long what counts of it lasts.
    fn schedule(&self, pattern: &Pattern) -> anyhow::Result<(Schedule, Duration)> {
        let arrivals = &self.arguments.arrivals;
        let shard = self.arguments.parts.shard.unwrap_or(WHOLE);
        let (duration, warmup, seed) = (arrivals.duration, arrivals.warmup, arrivals.seed);
        let made = match pattern {
            Pattern::Open(rate) => {
                let counted = self.counted(rate);
                if self.arguments.parts.shard.is_none() && sends_nothing(&counted) {
                    return Err(nothing_to_send(rate, duration).into());
                }
                let before = match warmup.is_zero() {
                    true => Ok(Schedule::Arrivals(Vec::new())),
                    // As the run begins, so that it meets a server that is used to it.
                    false => Schedule::open(
                        &rate.beginning(),
                        arrivals.arrivals,
                        warmup,
                        seed.wrapping_add(1),
                        shard,
                    ),
                };
                let both = counted.and_then(|counted| Ok((before?, counted)));
                both.map(|(before, counted)| (behind(before, counted, warmup), duration))
            }
            Pattern::Closed(users) => {
                Schedule::closed(users, duration, shard).map(|users| (behind_users(users, warmup), duration))
            }
            // A shard lasts as long as the whole, so that all of them are one run.
            Pattern::Trace(times) => Schedule::trace(times, self.speed(), shard)
                .map(|trace| (behind(Schedule::Arrivals(Vec::new()), trace, warmup), self.last_of(times))),
        };
        made.map_err(|error| {
            let hint = "docs/load.md tells the bounds of a run; several machines share one with `--shard`";
            Failure::new(WRONG_USAGE, error.to_string(), hint).into()
        })
    }

    fn document(
        &self,
        pattern: &Pattern,
        run: &Run,
        started_at: SystemTime,
        lasts: Duration,
        measured: Measured,
        certificate: Certificate,
    ) -> LoadReport {
        let arguments = self.arguments;
        let counted_from = run.start + arguments.arrivals.warmup;
        // Of a run that was interrupted, what had come by then is all there is.
        let planned = if measured.is_stopped { Duration::ZERO } else { lasts };
        let duration = measured.last_end.saturating_duration_since(counted_from).max(planned);
        let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let endpoints: Vec<&str> =
            self.asked.work.endpoints().iter().map(|endpoint| endpoint.name()).collect();
        let (rate, concurrency) = match pattern {
            Pattern::Open(rate) => (Some(rate.to_string()), None),
            Pattern::Closed(users) => (None, Some(users.to_string())),
            Pattern::Trace(_) => (None, None),
        };
        let mut report = LoadReport {
            format: FORMAT.to_owned(),
            tool: Tool { name: "interference".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            command: self.command(),
            target: self.target.base_url(),
            target_name: arguments.name.clone(),
            model: arguments.model().map(str::to_owned),
            started_at: humantime::format_rfc3339_millis(started_at).to_string(),
            duration_ms: millis(duration),
            plan: Plan {
                arrivals: match pattern {
                    Pattern::Open(_) => arguments.arrivals.arrivals.name().to_owned(),
                    Pattern::Closed(_) => "closed".to_owned(),
                    Pattern::Trace(_) => "trace".to_owned(),
                },
                rate,
                concurrency,
                duration_ms: millis(lasts),
                warmup_ms: millis(arguments.arrivals.warmup),
                seed: arguments.arrivals.seed,
                endpoint: endpoints.join(","),
                work: self.asked.work.describe(),
                late_after_ms: millis(LATE_AFTER),
                start_at: arguments.parts.start_at.map(|at| humantime::format_rfc3339_millis(at).to_string()),
            },
            basis: run.basis(),
            shards: arguments.parts.shard.into_iter().collect(),
            slo: Vec::new(),
            notes: self.told(&measured),
            certificates: vec![certificate],
            series: None,
            measurements: measured.measurements,
        };
        let figures = report.figures();
        report.slo = self.objectives.iter().map(|objective| objective.evaluate(&figures)).collect();
        report
    }

    /// What whoever reads the numbers has to know besides, without what is secret: servers repeat keys.
    fn told(&self, measured: &Measured) -> Vec<String> {
        let notes = self.asked.notes.iter().cloned().chain(refusals(measured));
        notes.map(|note| self.target.blackened(&note)).collect()
    }

    /// The command that was run, without what is secret.
    fn command(&self) -> String {
        let words: Vec<String> = std::env::args().skip(1).map(|word| shell_word(&word)).collect();
        self.target.without_secrets(&format!("interference {}", words.join(" ")))
    }
}

fn sends_nothing(counted: &Result<Schedule, ScheduleError>) -> bool {
    matches!(counted, Ok(Schedule::Arrivals(counted)) if counted.is_empty())
}

/// What the server said as it refused requests of the run, a sentence for each status.
fn refusals(measured: &Measured) -> impl Iterator<Item = String> {
    measured.refusals.iter().map(|(status, said)| format!("the first status {status} said: {said}"))
}

/// What a run came to, in its busiest interval.
fn reached(measured: &Measured) -> Level {
    let timeline = &measured.measurements.timeline;
    let seconds = timeline.interval_ms as f64 / 1e3;
    let busiest = timeline.intervals.iter().map(|interval| interval.chunks).max().unwrap_or(0);
    Level { streams: measured.peak_streams.max(1) as f64, chunks_per_second: busiest as f64 / seconds }
}

/// Arrivals behind those of the time before, which are numbered apart.
fn behind(before: Schedule, counted: Schedule, warmup: Duration) -> Schedule {
    let (Schedule::Arrivals(before), Schedule::Arrivals(counted)) = (before, counted) else {
        return Schedule::Arrivals(Vec::new());
    };
    let early = before.into_iter().map(|arrival| Arrival { number: BEFORE + arrival.number, ..arrival });
    let counted = counted.into_iter().map(|arrival| Arrival { at: warmup + arrival.at, ..arrival });
    Schedule::Arrivals(early.chain(counted).collect())
}

/// Users whose first presence begins with the time before.
fn behind_users(schedule: Schedule, warmup: Duration) -> Schedule {
    let Schedule::Users { mut users, of } = schedule else { return schedule };
    for present in users.iter_mut().flat_map(|user| &mut user.present) {
        let start = if present.start.is_zero() { Duration::ZERO } else { present.start + warmup };
        *present = start..present.end + warmup;
    }
    Schedule::Users { users, of }
}
