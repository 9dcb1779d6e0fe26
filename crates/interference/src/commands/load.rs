//! `interference load`: puts load on a server, measures what comes of it, and proves that its numbers can be trusted.
//!
//! Owns the command line, and the order in which a run is done: look at the server, measure oneself, measure the server,
//! measure oneself again, tell. What is measured is the `load` crate's business, and how it is told `report`'s.

mod asking;
mod clock_server;
mod interruption;
mod once;
mod progress;
mod search;
mod series;
mod sockets;
#[cfg(test)]
mod written;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use interference_faults::{Plan, PlanError};
use interference_load::schedule::{Process, Profile, Speed};
use interference_load::work::{Extra, Length};
use interference_load::{Endpoint, schedule, work};
use interference_report::Output;
use interference_report::load::{Format, LoadReport, Objective, Shard, terminal};

use self::interruption::Interruption;
use crate::failure::{Failure, INTERRUPTED, TEST_FAILED, WRONG_USAGE};
use crate::reaching::ReachingArguments;
use crate::settings;
use crate::stdout::{self, Stdout};

/// What `interference load` takes.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct LoadArguments {
    /// The server, as SDKs take it: it ends in /v1 as a rule. With `--fault-rates` it may be left out: then a server of
    /// this program's own is measured
    #[arg(value_name = "BASE_URL", required_unless_present = "fault_rates")]
    base_url: Option<String>,
    /// The model to ask
    #[arg(short, long, value_name = "MODEL")]
    model: Option<String>,
    #[command(flatten)]
    arrivals: Arrivals,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    reaching: Reaching,
    #[command(flatten)]
    parts: Parts,
    #[command(flatten)]
    faults: Faults,
    /// What is asked of the server, as `first_content_ms_p99<500` (repeatable). If a run misses it, the exit code is 1
    #[arg(long, value_name = "EXPR")]
    slo: Vec<String>,
    /// Do not let the tester measure itself; the report is not certified then
    #[arg(long)]
    no_certificate: bool,
    /// Stand still for this long once a second, to see that the certificate notices: 20ms
    #[arg(long, value_name = "D", value_parser = duration)]
    plant_stall: Option<Duration>,
    /// Print the document of the run as JSON
    #[arg(long)]
    json: bool,
    /// A report besides: json, csv, html or text, and its file (repeatable)
    #[arg(long = "report", value_name = "FORMAT=PATH")]
    reports: Vec<String>,
    /// What to call the server in reports, such as `llama.cpp b6100`
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// When requests are sent.
#[derive(Debug, Clone, clap::Args)]
struct Arrivals {
    /// Open loop: requests a second, `50`; a ramp, `10..100`; steps, `10,20,40`
    #[arg(long, value_name = "R", value_parser = profile, conflicts_with_all = ["concurrency", "sweep"])]
    rate: Option<Profile>,
    /// Closed loop: so many users, each of whom asks again when its answer has ended. Ramps and steps as with `--rate`
    #[arg(long, value_name = "N", value_parser = profile, conflicts_with = "sweep")]
    concurrency: Option<Profile>,
    /// Search for the highest rate at which every `--slo` holds, with runs of `--duration` each
    #[arg(long, requires = "slo")]
    sweep: bool,
    /// How arrivals of an open loop follow on each other
    #[arg(long, value_name = "poisson|constant", default_value = "poisson", value_parser = process)]
    arrivals: Process,
    /// How long requests are sent: 30, 500ms, 2m
    #[arg(long, value_name = "D", value_parser = duration, default_value = "30s")]
    duration: Duration,
    /// How long before that requests are sent that do not count
    #[arg(long, value_name = "D", value_parser = duration_or_none, default_value = "0s")]
    warmup: Duration,
    /// How long what has not ended is waited for at the end; then it counts as `unfinished`
    #[arg(long, value_name = "D", value_parser = duration_or_none, default_value = "30s")]
    drain: Duration,
    /// How fast recorded work is replayed, as `2x`
    #[arg(long, value_name = "SPEED", value_parser = speed, conflicts_with_all = ["rate", "concurrency", "sweep"])]
    speed: Option<Speed>,
    /// Where the schedule and the prompts come from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl Arrivals {
    /// Whether the command line says when requests are sent, and not the work.
    fn has_pattern(&self) -> bool {
        self.rate.is_some() || self.concurrency.is_some() || self.sweep
    }
}

/// What is asked.
#[derive(Debug, Clone, clap::Args)]
struct Asking {
    /// chat, completions, responses or embeddings
    #[arg(long, value_name = "ENDPOINT", value_parser = endpoint)]
    endpoint: Option<Endpoint>,
    /// Tokens of each prompt by the server's own usage: `512`, `100..900`, `normal(512,64)`
    #[arg(long, value_name = "N", value_parser = length)]
    prompt_tokens: Option<Length>,
    /// Tokens of each answer, at most [default: 128, but none for requests that are read from a file]
    #[arg(long, value_name = "N")]
    max_tokens: Option<u32>,
    /// Limit chats by `max_completion_tokens` instead of `max_tokens`
    #[arg(long)]
    max_completion_tokens: bool,
    /// Ask the server to go on to `--max-tokens`, which local servers understand
    #[arg(long)]
    ignore_eos: bool,
    /// Tokens at the beginning of prompts that several share
    #[arg(long, value_name = "N")]
    shared_prefix_tokens: Option<u32>,
    /// How many such beginnings there are
    #[arg(long, value_name = "K", default_value_t = 1, requires = "shared_prefix_tokens")]
    prefixes: u32,
    /// Requests of each conversation
    #[arg(long, value_name = "N", default_value_t = 1)]
    turns: u32,
    /// How long a user thinks between an answer and the next request
    #[arg(long, value_name = "D", value_parser = duration_or_none, default_value = "0s")]
    think_time: Duration,
    /// Ask for whole answers instead of streams
    #[arg(long)]
    no_stream: bool,
    /// Members for every body, as `{"temperature": 0}`
    #[arg(long, value_name = "JSON", value_parser = extra)]
    body: Option<Extra>,
    /// Requests from a file, one JSON object a line: bodies, batches, or a trace with times
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt_tokens", "cassettes", "turns", "think_time", "shared_prefix_tokens"])]
    requests: Option<PathBuf>,
    /// Requests from a folder of cassettes, at the times at which they were recorded
    #[arg(long, value_name = "DIR", conflicts_with_all = ["prompt_tokens", "turns", "think_time", "shared_prefix_tokens", "rate", "concurrency", "sweep"])]
    cassettes: Option<PathBuf>,
}

/// How the server is reached.
#[derive(Debug, Clone, clap::Args)]
struct Reaching {
    #[command(flatten)]
    server: ReachingArguments,
    /// How long the server may be silent
    #[arg(long, value_name = "D", value_parser = duration, default_value = "60s")]
    timeout: Duration,
    /// Open a connection for every request
    #[arg(long)]
    no_keep_alive: bool,
    /// Threads that send and read [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
}

/// Which part of the schedule this machine does, and when.
#[derive(Debug, Clone, clap::Args)]
struct Parts {
    /// Do this part of the schedule: 0/4 to 3/4 on four machines, with the same seed on each
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// When to begin, the same on every machine: RFC 3339, `+5s`, or Unix seconds
    #[arg(long, value_name = "T", value_parser = start)]
    start_at: Option<SystemTime>,
}

/// Load on a server that fails.
#[derive(Debug, Clone, clap::Args)]
struct Faults {
    /// A plan of faults, for the requests of `--fault-rates`; a server that is named must be run with `--allow-faults`
    #[arg(long, value_name = "PLAN", requires = "fault_rates", default_value = "cut.after_events = 5", value_parser = plan)]
    faults: Plan,
    /// The parts of the requests that fail, one run for each: `0,0.01,0.1`
    #[arg(long, value_name = "P,P…", value_delimiter = ',', value_parser = part, conflicts_with = "sweep")]
    fault_rates: Vec<f64>,
}

impl LoadArguments {
    /// The model that is asked; the tester's own server takes any name.
    fn model(&self) -> Option<&str> {
        let own = self.base_url.is_none().then_some(clock_server::MODEL);
        self.model.as_deref().or(own)
    }
}

/// A duration with a unit, or a number of seconds.
fn duration_or_none(given: &str) -> Result<Duration, String> {
    if given.ends_with(|last: char| last.is_ascii_alphabetic()) {
        return interference_faults::parse_duration(given).map_err(|error| format!("it {error}"));
    }
    settings::seconds_or_none(given)
}

fn duration(given: &str) -> Result<Duration, String> {
    let time = duration_or_none(given)?;
    if time < Duration::from_millis(1) { Err("expected at least a millisecond".to_owned()) } else { Ok(time) }
}

fn part(given: &str) -> Result<f64, String> {
    let part: Option<f64> = given.parse().ok();
    part.filter(|part| (0.0..=1.0).contains(part)).ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

fn plan(given: &str) -> Result<Plan, String> {
    let plan: Plan = given.parse().map_err(|error: PlanError| error.to_string())?;
    let is_of_faults_alone = plan.faults_alone() == plan;
    let told = "which requests fail is drawn for each by itself: `probability`, `times` and `seed` have no place here";
    if is_of_faults_alone { Ok(plan) } else { Err(told.to_owned()) }
}

fn profile(given: &str) -> Result<Profile, schedule::ScheduleError> {
    given.parse()
}

fn process(given: &str) -> Result<Process, schedule::ScheduleError> {
    given.parse()
}

fn speed(given: &str) -> Result<Speed, schedule::ScheduleError> {
    given.parse()
}

fn shard(given: &str) -> Result<Shard, schedule::ScheduleError> {
    schedule::parse_shard(given)
}

fn start(given: &str) -> Result<SystemTime, schedule::ScheduleError> {
    schedule::parse_start(given, SystemTime::now())
}

fn length(given: &str) -> Result<Length, work::WorkError> {
    given.parse()
}

fn extra(given: &str) -> Result<Extra, work::WorkError> {
    given.parse()
}

fn endpoint(given: &str) -> Result<Endpoint, String> {
    let names: Vec<&str> = Endpoint::ALL.iter().map(|endpoint| endpoint.name()).collect();
    let named = Endpoint::ALL.into_iter().find(|endpoint| endpoint.name() == given);
    named.ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

/// Measures, and tells.
///
/// # Errors
/// An objective was missed, the server cannot be reached, or the command line asks for what cannot be.
pub(crate) fn run(arguments: LoadArguments) -> anyhow::Result<()> {
    let outputs: Vec<Output<Format>> =
        arguments.reports.iter().map(|report| report.parse()).collect::<Result<_, _>>()?;
    let owner = Stdout::of(&outputs, arguments.json)?;
    let objectives = objectives(&arguments.slo)?;
    once::check_pattern(&arguments)?;
    series::check(&arguments)?;
    let interruption = Interruption::default();
    let report = if !arguments.faults.fault_rates.is_empty() {
        series::of_faults(&arguments, &objectives, &interruption)?
    } else if arguments.arrivals.sweep {
        series::sweep(&arguments, &objectives, &interruption)?
    } else {
        once::alone(&arguments, &objectives, &interruption)?
    };
    // Whatever cannot be written, the rest is: a run is not made again so soon.
    let written = outputs.iter().map(|output| output.write(&report)).fold(Ok(()), Result::and);
    let printed = match owner {
        Stdout::Own => print(&report, arguments.json),
        Stdout::Report => Ok(()),
    };
    written?;
    // That nobody reads to the end, as in `| head -1`, makes nothing good.
    conclude(&arguments, &report, &interruption)?;
    printed
}

fn objectives(given: &[String]) -> Result<Vec<Objective>, Failure> {
    let read = |given: &String| {
        given.parse().map_err(|error: interference_report::load::ObjectiveError| {
            Failure::new(WRONG_USAGE, error.to_string(), error.hint())
        })
    };
    given.iter().map(read).collect()
}

fn print(report: &LoadReport, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json { report.to_json()? } else { terminal::render(report, stdout::style()) };
    Ok(stdout::print(&text)?)
}

fn conclude(
    arguments: &LoadArguments,
    report: &LoadReport,
    interruption: &Interruption,
) -> anyhow::Result<()> {
    if interruption.is_there() {
        let hint = "what is told is what had come by then";
        return Err(Failure::new(INTERRUPTED, "interrupted", hint).into());
    }
    if !report.met() {
        let missed: Vec<_> =
            report.slo.iter().filter(|slo| !slo.met).map(|slo| slo.expression.as_str()).collect();
        let hint = "the report says what the run came to; `--report html=PATH` shows it over time";
        return Err(Failure::new(TEST_FAILED, format!("missed: {}", missed.join(", ")), hint).into());
    }
    let (scheduled, completed) = (report.measurements.counts.scheduled, report.measurements.completed());
    // Of a series of faults the first run may be one in which every answer is to be broken.
    let to_be_broken = arguments.faults.fault_rates.iter().copied().reduce(f64::min).unwrap_or(0.0) > 0.0;
    if scheduled > 0 && completed == 0 && !to_be_broken {
        let hint = "the report tells what came instead; `interference check` tells what the server answers";
        let message = format!("no sound answer to any of {scheduled} requests");
        return Err(Failure::new(TEST_FAILED, message, hint).into());
    }
    Ok(())
}
