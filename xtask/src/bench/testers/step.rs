//! One tester on one rung: a fresh server, the tester, and whoever observes both, all at the same time.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use super::installation::Installed;
use super::observer::{Observer, Truth};
use super::sample::Quantiles;
use super::tester::{Said, Task};
use super::timing::{BETWEEN_MS, PIECES, due_ms};
use super::traffic::{Traffic, Watch};
use crate::bench::http::BaseUrl;
use crate::bench::relay::emptied;
use crate::bench::served::Served;
use crate::matrix::process::Process;

/// What a tester may take beside the time of its load: to start, to certify, to count.
const LONGEST_BESIDE: Duration = Duration::from_secs(60);
/// Connections that the server takes: enough for all streams of the highest rung twice, and for the observers.
const MOST_CONNECTIONS: &str = "8192";
/// The end of what a tester that failed has said, in bytes.
const QUOTED: usize = 300;

/// How far a tester may be off at the 99th percentile, in milliseconds.
pub(super) const FIRST_BOUND_MS: f64 = 10.0;
pub(super) const BETWEEN_BOUND_MS: f64 = 2.0;
/// What of the wanted streams must have been open, and what of the wanted answers must have come: less than all, since
/// some testers break off what is under way at the end.
const LEAST_SHARE: f64 = 0.8;

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub(super) said: Said,
    pub(super) truth: Truth,
    pub(super) traffic: Traffic,
}

/// By how much a tester was wrong: what it said, less what was true, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Errors {
    pub(super) first: Option<Quantiles>,
    pub(super) between: Option<Quantiles>,
    pub(super) whole: Option<Quantiles>,
}

/// Runs it.
///
/// # Errors
/// When the tester fails, says nothing, or does not end in time; or when the server or an observer fails.
pub(super) fn run(
    installed: &Installed,
    server: &mut Command,
    task: Wanted,
    folder: &Path,
) -> anyhow::Result<Measured> {
    emptied(folder)?;
    let served = Served::start("the server", server)?;
    let base = BaseUrl::parse(served.url())?;
    let Wanted { streams, seconds } = task;
    let task = Task { base_url: served.url(), streams, seconds, folder };
    let command = installed.tester.command(&installed.program, task)?;
    let log = folder.join("log.txt");
    let observer = Observer::begin(&base);
    let process = start(&command, &log)?;
    let watch = Watch::begin(&base, process.pid());
    let ran = end(process, &log, Duration::from_secs(seconds.into()) + LONGEST_BESIDE);
    let (looks, observed) = (watch.end(), observer.end());
    ran?;
    let traffic = Traffic::of(&looks?, u64::from(streams) * u64::from(seconds))
        .context("hardly any chat has reached the server")?;
    let truth =
        observed?.between(traffic.from, traffic.to).context("the load was too short to be observed")?;
    let said = installed.tester.said(folder)?;
    Ok(Measured { said, truth, traffic })
}

/// The streams of a rung, and how long they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) streams: u32,
    pub(super) seconds: u32,
}

/// The server that all of them measure.
pub(super) fn server(program: &Path, script: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--max-connections", MOST_CONNECTIONS, "--script"]);
    command.arg(script);
    command
}

fn start(command: &Command, log: &Path) -> anyhow::Result<Process> {
    Process::start(command, File::create(log).with_context(|| log.display().to_string())?)
}

/// Waits until a program has ended well, but ends it and all that it started if that takes too long.
fn end(mut process: Process, log: &Path, longest: Duration) -> anyhow::Result<()> {
    let status = process.wait(longest)?;
    drop(process);
    let status = status.with_context(|| format!("it was ended after {:.0} s", longest.as_secs_f64()))?;
    let words = || end_of(&fs::read_to_string(log).unwrap_or_default());
    ensure!(status.success(), "it ended with {status}: {}", words());
    Ok(())
}

/// The last words of a log, in one line.
fn end_of(log: &str) -> String {
    let words: Vec<&str> = log.split_whitespace().collect();
    let text = words.join(" ");
    let from = (text.len().saturating_sub(QUOTED)..).find(|from| text.is_char_boundary(*from));
    text[from.unwrap_or(0)..].to_owned()
}

impl Measured {
    /// What the tester said, less what was true.
    pub(super) fn errors(&self) -> Errors {
        let less = |said: Option<Quantiles>, truth: Quantiles| said.map(|said| said.less(truth));
        Errors {
            first: less(self.said.first, self.truth.first),
            between: less(self.said.between, self.truth.between),
            whole: less(self.said.whole, self.truth.last_late.plus(due_ms(PIECES - 1))),
        }
    }

    /// Why it does not count: what is beyond its bound, or was not done. Empty where all is well.
    pub(super) fn objections(&self, wanted: Wanted) -> Vec<String> {
        let Errors { first, between, whole } = self.errors();
        let (streams, chats) = (f64::from(wanted.streams), f64::from(wanted.streams * wanted.seconds));
        let mut objections = Vec::new();
        let mut object = |is_beyond: bool, text: String| {
            if is_beyond {
                objections.push(text);
            }
        };
        let beyond =
            |error: Option<Quantiles>, bound: f64| error.is_some_and(|error| error.p99.abs() > bound);
        object(beyond(first, FIRST_BOUND_MS), format!("first text off by more than {FIRST_BOUND_MS} ms"));
        object(
            beyond(between, BETWEEN_BOUND_MS),
            format!("between chunks off by more than {BETWEEN_BOUND_MS} ms"),
        );
        // Who times whole answers alone is held by them.
        let whole = whole.filter(|_| first.is_none());
        object(beyond(whole, FIRST_BOUND_MS), format!("whole answers off by more than {FIRST_BOUND_MS} ms"));
        let open = self.traffic.streams;
        object(open < LEAST_SHARE * streams, format!("only {open:.0} streams were open"));
        let good = self.said.good;
        object((good as f64) < LEAST_SHARE * chats, format!("only {good} answers of {chats}"));
        object(self.said.certified == Some(false), "not certified by itself".to_owned());
        objections
    }

    /// How late the server was by itself: what it did less what the script says, at the 99th percentile.
    pub(super) fn server_late(&self) -> (f64, f64) {
        (self.truth.first.p99 - due_ms(0), self.truth.between.p99 - BETWEEN_MS)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Instant;

    use super::*;

    fn both(value: f64) -> Quantiles {
        Quantiles { p50: value, p99: value }
    }

    /// All that was wanted, and nothing wrong with it.
    pub(in crate::bench::testers) fn right(wanted: Wanted) -> Measured {
        let now = Instant::now();
        let truth =
            Truth { first: both(101.0), between: both(10.5), last_late: both(1.0), woken_late: both(0.1) };
        let traffic = Traffic {
            from: now,
            to: now,
            streams: wanted.streams.into(),
            chats: u64::from(wanted.streams * wanted.seconds),
            cpu_ms_a_stream_second: Some(2.0),
        };
        let said = Said {
            first: Some(both(103.0)),
            between: Some(both(10.0)),
            good: traffic.chats,
            ..Said::default()
        };
        Measured { said, truth, traffic }
    }

    const WANTED: Wanted = Wanted { streams: 100, seconds: 10 };

    #[test]
    fn an_error_is_what_was_said_less_what_was_true() {
        let mut measured = right(WANTED);
        measured.said.whole = Some(both(1_003.0));
        let errors = measured.errors();
        assert_eq!(
            (errors.first, errors.between, errors.whole),
            (Some(both(2.0)), Some(both(-0.5)), Some(both(2.0)))
        );
        assert_eq!(measured.server_late(), (1.0, 0.5));
    }

    #[test]
    fn what_is_beyond_a_bound_or_was_not_done_is_told() {
        assert_eq!(right(WANTED).objections(WANTED), [""; 0]);
        let objections = |change: fn(&mut Measured)| {
            let mut measured = right(WANTED);
            change(&mut measured);
            measured.objections(WANTED).join("; ")
        };
        assert_eq!(
            objections(|measured| measured.said.first = Some(both(90.0))),
            "first text off by more than 10 ms"
        );
        assert_eq!(
            objections(|measured| measured.said.between = Some(both(13.0))),
            "between chunks off by more than 2 ms"
        );
        assert_eq!(objections(|measured| measured.traffic.streams = 70.4), "only 70 streams were open");
        assert_eq!(objections(|measured| measured.said.good = 799), "only 799 answers of 1000");
        assert_eq!(objections(|measured| measured.said.certified = Some(false)), "not certified by itself");
        // Whole answers count where nothing else is told.
        assert_eq!(objections(|measured| measured.said.whole = Some(both(1_500.0))), "");
        let alone = objections(|measured| {
            measured.said = Said { whole: Some(both(1_500.0)), good: 1_000, ..Said::default() };
        });
        assert_eq!(alone, "whole answers off by more than 10 ms");
    }

    #[test]
    fn a_program_that_fails_or_hangs_is_told_with_its_last_words() {
        let folder = std::env::temp_dir().join(format!("interference-xtask-step-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let log = folder.join("log.txt");
        let ended = |script: &str, longest| {
            let mut shell = Command::new("sh");
            let process = start(shell.args(["-c", script]), &log).unwrap();
            end(process, &log, longest).map_err(|error| error.to_string())
        };
        assert_eq!(ended("exit 0", Duration::from_secs(60)), Ok(()));
        let failed = ended("echo out of; echo files >&2; exit 3", Duration::from_secs(60));
        assert_eq!(failed, Err("it ended with exit status: 3: out of files".to_owned()));
        assert_eq!(ended("sleep 60", Duration::ZERO), Err("it was ended after 0 s".to_owned()));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(end_of(&"ü".repeat(QUOTED)), "ü".repeat(QUOTED / 2));
    }
}
