//! The client's command, run once, within bounds.
//!
//! Owns its process, its output, and its end: whatever it does, it is over by the limit, and so is every process that it
//! has left behind. Refuses to know what it prints.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{interval, sleep_until, timeout};

use crate::processes::{Household, bury};

/// What is kept of stdout, in bytes. A client that prints more is ended.
pub(crate) const MOST_STDOUT: usize = 32 << 20;
/// What is kept of stderr, in bytes: the last of it.
pub(crate) const MOST_STDERR: usize = 64 << 10;
/// How long the pipes are read after the command and all that it has left behind are over.
const DRAINING: Duration = Duration::from_millis(500);
/// How often it is looked whether processes have ended that a run has left behind.
const BETWEEN_BURIALS: Duration = Duration::from_millis(100);
/// Bytes of one read of a pipe, at least.
const READ_BYTES: usize = 64 << 10;

/// A command and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What to run: a path, or a name that is looked for in PATH.
    pub command: OsString,
    /// What to run it with.
    pub arguments: Vec<OsString>,
}

/// One run of the command.
#[derive(Debug)]
pub struct Run {
    /// What it printed on stdout, at most 32 MiB.
    pub stdout: Vec<u8>,
    /// What it printed on stderr, the last 64 KiB.
    pub stderr: Vec<u8>,
    /// When it was started.
    pub began_at: Instant,
    /// When it was over.
    pub ended_at: Instant,
    /// How it ended.
    pub end: RunEnd,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// By itself, or by a signal that was not ours.
    Exited(ExitStatus),
    /// At the limit of time.
    TimedOut,
    /// At the bound of its stdout.
    Flooded,
}

impl Program {
    /// Runs it once with these variables besides its surroundings, for at most `limit`.
    ///
    /// # Errors
    /// It cannot be started.
    ///
    /// # Cancellation
    /// Dropping the future kills the process and all that belong to it.
    pub(crate) async fn run(&self, variables: &[(&str, String)], limit: Duration) -> io::Result<Run> {
        let mut command = Command::new(&self.command);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(variables.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
        let began_at = Instant::now();
        let (household, mut child) = Household::found(&mut command)?;
        let mut pipes = Pipes::of(&mut child);
        let until = tokio::time::Instant::from_std(began_at + limit);
        let end = tokio::select! {
            end = pipes.until_flooded() => end,
            end = until_exited(&mut child, until) => end?,
        };
        let ended_at = Instant::now();
        // Of one that the system cannot end now, nobody waits for the end.
        let _ = timeout(DRAINING, child.kill()).await;
        drop(household);
        // Whoever still holds a pipe has escaped; nobody waits longer for it.
        let _ = timeout(DRAINING, pipes.until_closed()).await;
        Ok(Run { stdout: pipes.printed, stderr: pipes.said, began_at, ended_at, end })
    }
}

async fn until_exited(child: &mut Child, until: tokio::time::Instant) -> io::Result<RunEnd> {
    let mut burials = interval(BETWEEN_BURIALS);
    loop {
        tokio::select! {
            status = child.wait() => return Ok(RunEnd::Exited(status?)),
            () = sleep_until(until) => return Ok(RunEnd::TimedOut),
            _ = burials.tick() => bury(),
        }
    }
}

/// What comes out of a command.
struct Pipes {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    printed: Vec<u8>,
    said: Vec<u8>,
}

impl Pipes {
    fn of(child: &mut Child) -> Pipes {
        Pipes {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            printed: Vec::new(),
            said: Vec::new(),
        }
    }

    /// Reads on, and ends only when there is too much.
    async fn until_flooded(&mut self) -> RunEnd {
        while self.read().await {
            if self.printed.len() >= MOST_STDOUT {
                return RunEnd::Flooded;
            }
        }
        std::future::pending().await
    }

    /// Reads what is left.
    async fn until_closed(&mut self) {
        while self.printed.len() < MOST_STDOUT && self.read().await {}
    }

    /// One read of either; `false` when both are closed. Nothing is lost when it is dropped.
    async fn read(&mut self) -> bool {
        let Pipes { stdout, stderr, printed, said } = self;
        tokio::select! {
            len = read_more(stdout, printed), if stdout.is_some() => {
                if len == 0 {
                    self.stdout = None;
                }
            }
            len = read_more(stderr, said), if stderr.is_some() => {
                said.drain(..said.len().saturating_sub(MOST_STDERR));
                if len == 0 {
                    self.stderr = None;
                }
            }
            else => return false,
        }
        true
    }
}

/// Reads once, to the end of what is there; 0 at its end. A pipe that fails has ended.
async fn read_more(pipe: &mut Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) -> usize {
    let Some(pipe) = pipe else { return 0 };
    into.reserve(READ_BYTES);
    pipe.read_buf(into).await.unwrap_or(0)
}
