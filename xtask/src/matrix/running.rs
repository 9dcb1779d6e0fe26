//! A server that runs: started on a free port of the loopback, ready, and ended when it is dropped.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::Ground;
use super::installation::{self, Installed};
use super::judge;
use super::peer::Peer;
use super::placeholders::Placeholders;
use super::process::Process;
use crate::bench::http::{BaseUrl, Request, exchange};
use crate::steps::announce;

/// Until it is ready. Some load a model, some half of a registry.
const LONGEST_START: Duration = Duration::from_secs(180);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(200);
/// Bytes at the end of a log that are quoted, and lines of them.
const QUOTED_BYTES: usize = 4 << 10;
const QUOTED_LINES: usize = 5;

/// A server that answers.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    url: String,
    /// What each request to it needs, as `NAME: VALUE`.
    headers: Vec<String>,
    log: PathBuf,
}

impl Running {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in time; with the end of its log.
    pub(super) fn start(
        ground: &Ground,
        peer: &Peer,
        installed: &Installed,
        upstream: Option<&str>,
    ) -> anyhow::Result<Running> {
        let port = free_port()?;
        let settings = ground.settings.join(peer.name);
        let placeholders = Placeholders { port, model: &ground.model, settings: &settings, upstream };
        let folder = ground.folder.join("running").join(peer.name);
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(&installed.program);
        command.args(&installed.first_arguments).current_dir(&folder);
        for argument in peer.arguments {
            command.arg(placeholders.fill(argument)?);
        }
        for (name, value) in peer.environment {
            command.env(name, placeholders.fill(value)?);
        }
        let headers =
            peer.headers.iter().map(|header| placeholders.fill(header)).collect::<Result<_, _>>()?;
        let log = log_of(ground, peer.name)?;
        let process = Process::start(&command, File::create(&log)?)?;
        let origin = format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
        let mut running = Running { process, url: format!("{origin}/v1"), headers, log };
        running.wait_until_ready(&BaseUrl::parse(&origin)?, peer.ready)?;
        Ok(running)
    }

    /// Its base URL, as an SDK takes it.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What each request to it needs, as `NAME: VALUE`.
    pub(super) fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Fails when it has ended by itself.
    pub(super) fn require_alive(&mut self) -> anyhow::Result<()> {
        match self.process.ended()? {
            Some(status) => bail!("{status}; its log ends: {}", end_of(&self.log)),
            None => Ok(()),
        }
    }

    fn wait_until_ready(&mut self, origin: &BaseUrl, path: &'static str) -> anyhow::Result<()> {
        let deadline = Instant::now() + LONGEST_START;
        while let Err(error) = exchange(origin, Request { method: "GET", path, body: "" }, |_, _| Ok(())) {
            self.require_alive()?;
            if Instant::now() > deadline {
                let log = end_of(&self.log);
                return Err(error.context(format!("not ready after {LONGEST_START:?}; its log ends: {log}")));
            }
            std::thread::sleep(BETWEEN_QUESTIONS);
        }
        Ok(())
    }
}

/// Starts one server for whoever wants to ask it, and waits until it or this process is ended.
///
/// # Errors
/// When it cannot be installed or started, or when it ends by itself.
pub(super) fn serve(ground: &Ground, peer: &Peer) -> anyhow::Result<()> {
    let installed = installation::install(ground, peer)?;
    let mut upstream = None;
    let behind = super::upstream_of(ground, peer, &mut upstream)?;
    let mut running = Running::start(ground, peer, &installed, behind)?;
    announce(&format!("{} {} with the model {}", peer.title, installed.version, peer.model))?;
    announce(&format!("its log: {}", running.log.display()))?;
    announce(&format!("to judge it: {}", judge::shown(ground, peer, &running)))?;
    writeln!(std::io::stdout().lock(), "{}", running.url())?;
    let status = running.process.wait_forever()?;
    bail!("{} ended with {status}; its log ends: {}", peer.title, end_of(&running.log))
}

/// Where a program's output goes.
pub(super) fn log_of(ground: &Ground, name: &str) -> anyhow::Result<PathBuf> {
    let folder = ground.folder.join("logs");
    fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{name}.log")))
}

/// A port that nobody listens on. Somebody else may take it before the server does; the server then says so.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// The last lines of a log, in one.
pub(super) fn end_of(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(QUOTED_BYTES)..]))
}

fn last_lines(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(QUOTED_LINES));
    lines.join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_its_last_lines() {
        assert_eq!(last_lines("1\n2\n\n3\n 4\n5\n6\n"), "2 / 3 / 4 / 5 / 6");
        assert_eq!(last_lines(""), "");
    }
}
