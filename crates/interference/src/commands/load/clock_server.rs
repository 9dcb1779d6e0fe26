//! The tester's own server: a process of this program, with a script of known timing.
//!
//! Owns the process, which ends with this one whatever happens to it: its stdin is a pipe that nobody writes to.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use interference_load::{CALIBRATING, ClockWork, Level, Live, Pace, Reuse, Run, calibrate};
use interference_report::load::{Bounds, Calibration};
use interference_target::Target;
use tempfile::NamedTempFile;

use super::once::Hands;

/// What its model is called where nobody names it.
pub(super) const MODEL: &str = "clock";
/// What says where the server listens.
const LISTENING: &str = "listening on ";
/// Lines that are read for it, at most.
const MOST_LINES: usize = 20;
/// Before the first user of a calibration comes.
const LEAD: Duration = Duration::from_millis(50);
/// What has not ended so long after the last user has come is abandoned.
const PATIENCE: Duration = Duration::from_secs(10);

/// Such a server. Dropping it ends it.
pub(super) struct ClockServer {
    child: Child,
    base_url: String,
    /// Read again whenever it changes, so it stays for as long as the server.
    _script: NamedTempFile,
}

impl ClockServer {
    /// Starts one whose answers have this pace.
    ///
    /// # Errors
    /// The process cannot be started, or says nothing of where it listens.
    pub(super) fn start(pace: Pace) -> anyhow::Result<ClockServer> {
        let mut script = tempfile::Builder::new().suffix(".toml").tempfile()?;
        script.write_all(pace.script().as_bytes())?;
        let program = std::env::current_exe().context("this program does not know its own file")?;
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--max-connections", "20000", "--allow-faults"])
            .args(["--end-with-stdin", "--script"])
            .arg(script.path())
            // Ctrl-C is for this process, which has answers to wait for.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the tester's own server could not be started")?;
        let told = child.stderr.take().map(BufReader::new).and_then(|stderr| {
            let mut lines = stderr.lines().map_while(Result::ok);
            let base_url = lines
                .by_ref()
                .take(MOST_LINES)
                .find_map(|line| line.strip_prefix(LISTENING).map(str::to_owned));
            // What it says later is of no interest, but must find a reader.
            std::thread::spawn(move || lines.for_each(drop));
            base_url
        });
        let Some(base_url) = told else {
            let _ = child.kill();
            let _ = child.wait();
            anyhow::bail!("the tester's own server did not say where it listens");
        };
        Ok(ClockServer { child, base_url, _script: script })
    }

    /// Where it is.
    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }
}

impl Drop for ClockServer {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has the tester measure itself at a level.
///
/// # Errors
/// Its own server cannot be started, or the system has no means for threads.
pub(super) fn measure_oneself(level: Level, hands: &Hands) -> anyhow::Result<Calibration> {
    let (pace, schedule) = level.rehearsal();
    let server = ClockServer::start(pace)?;
    let target = Target::parse(server.base_url(), None, Vec::new())?;
    let start = Instant::now() + LEAD;
    let run = Run {
        target,
        work: Arc::new(ClockWork),
        schedule,
        start,
        end: start + CALIBRATING + PATIENCE,
        time_limits: hands.time_limits,
        workers: hands.workers,
        sockets: hands.sockets,
        reuse: Reuse::KeepAlive,
        stall_bound: Duration::from_secs_f64(Bounds::default().stall_ms / 1e3),
        planted_stall: hands.planted_stall,
        live: Arc::<Live>::default(),
        stop: Arc::default(),
    };
    Ok(calibrate(&run)?)
}
