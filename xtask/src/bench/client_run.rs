//! The client as a program: how it is built and run, and the JSON that it prints.
//!
//! `crates/server/benches/server` counts and times, and prints what `document.rs` there says; xtask sees no crate of
//! the workspace, so the same is written down here once more, as what is read.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::contestant::Contestant;
use crate::steps::cargo;

/// How often a stream is asked for that is alone.
const TIMES_ALONE: &str = "50";

/// The program, built.
pub(super) struct Client {
    executable: PathBuf,
}

/// Whole answers, or streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoadKind {
    Plain,
    Stream,
}

/// What came within the time of a load.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Load {
    pub(super) seconds: f64,
    pub(super) answers: u64,
    /// Events with data that is not `[DONE]`.
    pub(super) chunks: u64,
    /// Chunks of the chunked coding.
    pub(super) frames: u64,
    /// Reads that gave something.
    pub(super) reads: u64,
    pub(super) chunks_per_answer: u64,
    pub(super) bytes_per_answer: u64,
    /// None where the system does not tell it.
    pub(super) server_cpu_seconds: Option<f64>,
    /// TCP segments with data, of the server's; none where the system does not tell it.
    pub(super) segments: Option<u64>,
}

/// How late the pieces of streams were.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Pace {
    pub(super) streams: u64,
    /// Pieces of text, of all streams.
    pub(super) chunks: u64,
    pub(super) late_ms: Quantiles,
    /// The same, of the first piece of each stream.
    pub(super) first_late_ms: Quantiles,
    /// How late the client was by itself.
    pub(super) client_ms: Quantiles,
}

/// In milliseconds. Negative is early.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Quantiles {
    pub(super) min: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Client {
    /// Builds the benchmark, and asks cargo where it is.
    pub(super) fn build() -> anyhow::Result<Client> {
        let mut command = cargo(["bench", "--package", "interference-server", "--bench", "server"]);
        command.args(["--no-run", "--message-format", "json-render-diagnostics"]);
        let output =
            command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {command:?}"))?;
        ensure!(output.status.success(), "the build of the client ended with {}", output.status);
        let messages = String::from_utf8(output.stdout)?;
        let executable = executable_in(&messages).context("cargo does not say where the client is")?;
        Ok(Client { executable })
    }

    /// A server that writes what was captured, to be started: `bare` or `sockets`.
    pub(super) fn server_command(&self, task: &str, captured: &Path, between_ms: u64) -> Command {
        let mut command = Command::new(&self.executable);
        let between_ms = between_ms.to_string();
        command.args([task, "--first-ms", &between_ms, "--between-ms", &between_ms, "--captured"]);
        command.arg(captured);
        command
    }

    /// Keeps an answer of each kind in a file.
    pub(super) fn capture(&self, contestant: &Contestant, to: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(&self.executable);
        command.args(["capture", "--address", &contestant.address, "--to"]).arg(to);
        run(&mut command, &contestant.name).map(drop)
    }

    /// Puts a load on.
    pub(super) fn load(
        &self,
        contestant: &Contestant,
        kind: LoadKind,
        connections: usize,
        seconds: u32,
    ) -> anyhow::Result<Load> {
        let task = match kind {
            LoadKind::Plain => "plain",
            LoadKind::Stream => "stream",
        };
        let mut command = Command::new(&self.executable);
        command.args([task, "--address", &contestant.address, "--pid", &contestant.pid().to_string()]);
        command.args(["--connections", &connections.to_string(), "--seconds", &seconds.to_string()]);
        command.args(contestant.headers.iter().flat_map(|header| ["--header", header]));
        printed(&mut command, &format!("{}, {task}", contestant.name))
    }

    /// Puts paced streams on. One alone is asked for many times, since the phase of a server's timer is that of all its
    /// pieces.
    pub(super) fn pace(
        &self,
        contestant: &Contestant,
        streams: usize,
        between_ms: u64,
    ) -> anyhow::Result<Pace> {
        let mut command = Command::new(&self.executable);
        command.args(["pace", "--address", &contestant.address]);
        match streams {
            1 => command.args(["--one-by-one", TIMES_ALONE]),
            streams => command.args(["--streams", &streams.to_string()]),
        };
        command.args(["--first-ms", &contestant.first_ms.to_string()]);
        command.args(["--between-ms", &between_ms.to_string()]);
        command.args(contestant.headers.iter().flat_map(|header| ["--header", header]));
        if let Some(header) = &contestant.pace_header {
            command.args(["--pace-header", header]);
        }
        printed(&mut command, &format!("{}, pace", contestant.name))
    }
}

fn printed<T: DeserializeOwned>(command: &mut Command, what: &str) -> anyhow::Result<T> {
    let output = run(command, what)?;
    serde_json::from_slice(&output).with_context(|| format!("{what}: the client printed something else"))
}

/// What a run prints; where it fails, why. The client bounds its own waits.
fn run(command: &mut Command, what: &str) -> anyhow::Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.trim().trim_start_matches("error: ");
    ensure!(output.status.success(), "{what}: {reason}");
    Ok(output.stdout)
}

/// The path of the benchmark, in the lines of JSON that cargo prints.
fn executable_in(messages: &str) -> Option<PathBuf> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut executables = artifacts.filter_map(|artifact| {
        let target = artifact.get("target")?;
        let is_ours = target["name"] == "server" && target["kind"][0] == "bench";
        Some(PathBuf::from(artifact.get("executable")?.as_str().filter(|_| is_ours)?))
    });
    executables.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_what_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"server","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"interference","kind":["bin"]},"executable":"/t/interference"}
{"reason":"compiler-artifact","target":{"name":"server","kind":["bench"]},"executable":"/t/server-0a"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable_in(messages), Some(PathBuf::from("/t/server-0a")));
        assert_eq!(executable_in("{\"reason\":\"build-finished\",\"success\":true}\nnoise"), None);
    }

    #[test]
    fn what_the_client_prints_is_read() {
        let load: Load = serde_json::from_str(
            r#"{"seconds":2.0,"answers":10,"chunks":2580,"frames":2590,"reads":2600,"chunks_per_answer":258,
                "bytes_per_answer":60000,"server_cpu_seconds":null,"segments":2590}"#,
        )
        .unwrap();
        assert_eq!((load.chunks, load.server_cpu_seconds, load.segments), (2_580, None, Some(2_590)));
        let pace: Pace = serde_json::from_str(
            r#"{"streams":2,"chunks":200,"late_ms":{"min":-0.1,"p50":0.5,"p99":1.5,"max":2.5},
                "first_late_ms":{"min":0.0,"p50":0.6,"p99":1.6,"max":2.6},
                "client_ms":{"min":0.0,"p50":0.1,"p99":0.2,"max":0.3}}"#,
        )
        .unwrap();
        assert_eq!(pace.late_ms, Quantiles { min: -0.1, p50: 0.5, p99: 1.5, max: 2.5 });
    }

    #[cfg(unix)]
    #[test]
    fn a_client_that_fails_is_told_with_what_was_measured() {
        let error = run(Command::new("sh").args(["-c", "echo error: broken >&2; exit 1"]), "ours, plain");
        assert_eq!(error.unwrap_err().to_string(), "ours, plain: broken");
        let error = printed::<Load>(Command::new("echo").arg("{}"), "ours, plain").unwrap_err().to_string();
        assert_eq!(error, "ours, plain: the client printed something else");
    }
}
