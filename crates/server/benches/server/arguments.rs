//! What the program is told on its command line.

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::AnyError;

const USAGE: &str = "usage: bare|sockets --captured FILE --first-ms N --between-ms N
       capture --address A --to FILE
       plain|stream --address A [--pid N] [--connections N] [--seconds S] [--header 'NAME: VALUE']…
       pace --address A [--streams N | --one-by-one N] --first-ms N --between-ms N [--header 'NAME: VALUE']…
            [--pace-header 'NAME: VALUE']";

/// What this start is for.
pub(crate) enum Task {
    Bare(BareTask),
    Sockets(BareTask),
    Capture(CaptureTask),
    Load(LoadTask),
    Pace(PaceTask),
}

/// A bare server on a free port of 127.0.0.1.
pub(crate) struct BareTask {
    /// What it answers.
    pub(crate) captured: PathBuf,
    pub(crate) schedule: Schedule,
}

/// One answer of each kind, kept.
pub(crate) struct CaptureTask {
    pub(crate) address: SocketAddr,
    pub(crate) to: PathBuf,
}

/// As many answers as can be had.
pub(crate) struct LoadTask {
    pub(crate) address: SocketAddr,
    pub(crate) kind: LoadKind,
    /// The server's process, whose processor time is read where the system tells it.
    pub(crate) pid: Option<u32>,
    /// Each asks again as soon as its answer is complete. Default 64.
    pub(crate) connections: usize,
    /// Default 2 s.
    pub(crate) duration: Duration,
    /// Headers of every request, each `NAME: VALUE`.
    pub(crate) headers: Vec<String>,
}

/// Whole answers, or streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadKind {
    Plain,
    Stream,
}

/// Streams whose chunks come by the clock.
pub(crate) struct PaceTask {
    pub(crate) address: SocketAddr,
    /// Default 1,000 at once.
    pub(crate) streams: Streams,
    pub(crate) schedule: Schedule,
    /// Headers of every request, each `NAME: VALUE`.
    pub(crate) headers: Vec<String>,
    /// One more, of the requests for paced streams.
    pub(crate) pace_header: Option<String>,
}

/// How many streams there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    AtOnce(usize),
    /// So many in all, each alone.
    OneByOne(usize),
}

/// When pieces of text are due, counted from the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) first: Duration,
    pub(crate) between: Duration,
}

/// Everything that any task takes; what a task needs and does not find is an error.
#[derive(Default)]
struct Given {
    address: Option<SocketAddr>,
    captured: Option<PathBuf>,
    to: Option<PathBuf>,
    pid: Option<u32>,
    connections: Option<NonZeroUsize>,
    streams: Option<Streams>,
    seconds: Option<f64>,
    first_ms: Option<u64>,
    between_ms: Option<u64>,
    headers: Vec<String>,
    pace_header: Option<String>,
}

/// Reads the command line without the program's name.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Task, AnyError> {
    // Cargo says `--bench` to every benchmark.
    let mut arguments = arguments.filter(|argument| argument != "--bench");
    let task = arguments.next().ok_or(USAGE)?;
    let mut given = Given::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} without a value; {USAGE}"))?;
        given.set(&name, value).map_err(|reason| format!("{name}: {reason}; {USAGE}"))?;
    }
    match task.as_str() {
        "bare" => Ok(Task::Bare(given.bare()?)),
        "sockets" => Ok(Task::Sockets(given.bare()?)),
        "capture" => Ok(Task::Capture(CaptureTask {
            address: given.address.ok_or(USAGE)?,
            to: given.to.ok_or(USAGE)?,
        })),
        "plain" => Ok(Task::Load(given.load(LoadKind::Plain)?)),
        "stream" => Ok(Task::Load(given.load(LoadKind::Stream)?)),
        "pace" => Ok(Task::Pace(PaceTask {
            address: given.address.ok_or(USAGE)?,
            streams: given.streams.unwrap_or(Streams::AtOnce(1_000)),
            schedule: given.schedule().ok_or(USAGE)?,
            headers: given.headers,
            pace_header: given.pace_header,
        })),
        _ => Err(format!("unknown task `{task}`; {USAGE}").into()),
    }
}

impl Given {
    fn set(&mut self, name: &str, value: String) -> Result<(), AnyError> {
        match name {
            "--address" => self.address = Some(value.parse()?),
            "--captured" => self.captured = Some(value.into()),
            "--to" => self.to = Some(value.into()),
            "--pid" => self.pid = Some(value.parse()?),
            "--connections" => self.connections = Some(value.parse()?),
            "--streams" => self.streams = Some(Streams::AtOnce(value.parse::<NonZeroUsize>()?.get())),
            "--one-by-one" => self.streams = Some(Streams::OneByOne(value.parse::<NonZeroUsize>()?.get())),
            "--seconds" => self.seconds = Some(value.parse()?),
            "--first-ms" => self.first_ms = Some(value.parse()?),
            "--between-ms" => self.between_ms = Some(value.parse::<NonZeroU64>()?.get()),
            "--header" => self.headers.push(value),
            "--pace-header" => self.pace_header = Some(value),
            _ => return Err("is unknown".into()),
        }
        Ok(())
    }

    fn schedule(&self) -> Option<Schedule> {
        let milliseconds = |given: Option<u64>| given.map(Duration::from_millis);
        Some(Schedule { first: milliseconds(self.first_ms)?, between: milliseconds(self.between_ms)? })
    }

    fn bare(&self) -> Result<BareTask, AnyError> {
        Ok(BareTask {
            captured: self.captured.clone().ok_or(USAGE)?,
            schedule: self.schedule().ok_or(USAGE)?,
        })
    }

    fn load(&self, kind: LoadKind) -> Result<LoadTask, AnyError> {
        Ok(LoadTask {
            address: self.address.ok_or(USAGE)?,
            kind,
            pid: self.pid,
            connections: self.connections.map_or(64, NonZeroUsize::get),
            duration: Duration::try_from_secs_f64(self.seconds.unwrap_or(2.0))?,
            headers: self.headers.clone(),
        })
    }
}
