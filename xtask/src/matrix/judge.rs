//! How the program is asked to judge a server, and to make one document of all reports: the only place that knows its
//! command line.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::Ground;
use super::peer::Peer;
use super::process::Process;
use super::running::{Running, end_of, log_of};
use crate::steps::succeed;

/// For all cases together.
const LONGEST_JUDGEMENT: Duration = Duration::from_secs(45 * 60);

/// Where the report of a server is.
pub(super) fn report_of(ground: &Ground, peer: &Peer) -> PathBuf {
    ground.reports().join(format!("{}.json", peer.name))
}

/// Judges a server that runs: a report as JSON, and one to look at.
///
/// # Errors
/// When the judge cannot do its work, or does not come to an end.
pub(super) fn judge(ground: &Ground, peer: &Peer, version: &str, running: &Running) -> anyhow::Result<()> {
    let report = report_of(ground, peer);
    fs::create_dir_all(ground.reports())?;
    let page = report.with_extension("html");
    for old in [&report, &page] {
        if old.exists() {
            fs::remove_file(old)?;
        }
    }
    let mut command = check(ground, peer, running);
    command.arg("--name").arg(format!("{} {version}", peer.title));
    for (format, path) in [("json", &report), ("html", &page)] {
        command.arg("--report").arg(format!("{format}={}", path.display()));
    }
    let log = log_of(ground, &format!("{}.check", peer.name))?;
    let mut process = Process::start(&command, File::create(&log)?)?;
    match process.wait(LONGEST_JUDGEMENT)?.map(|status| status.code()) {
        // It failed what was asked of it, or it did not: both are verdicts.
        Some(Some(0 | 1)) => ensure!(report.is_file(), "the judge wrote no report"),
        Some(_) => bail!("the judge failed; its log ends: {}", end_of(&log)),
        None => bail!("the judge takes longer than {LONGEST_JUDGEMENT:?}"),
    }
    without_this_machine(ground, &report)
}

/// A server may tell where it lies, as a trace of its stack does; that is nobody's business.
fn without_this_machine(ground: &Ground, report: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(report)?;
    let here = ground.folder.display().to_string();
    fs::write(report, text.replace(&here, "…")).with_context(|| report.display().to_string())
}

/// Removes the report of a server, if there is one.
pub(super) fn forget(ground: &Ground, peer: &Peer) {
    let report = report_of(ground, peer);
    // What is not there need not be removed.
    let _ = fs::remove_file(report.with_extension("html"));
    let _ = fs::remove_file(report);
}

/// The command that judges a server, for a person to copy.
pub(super) fn shown(ground: &Ground, peer: &Peer, running: &Running) -> String {
    let command = check(ground, peer, running);
    let quoted = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy().into_owned();
        if word.contains(' ') { format!("'{word}'") } else { word }
    };
    let words: Vec<String> = command.get_args().map(quoted).collect();
    format!("interference {}", words.join(" "))
}

fn check(ground: &Ground, peer: &Peer, running: &Running) -> Command {
    let mut command = Command::new(&ground.program);
    command.args(["check", running.url(), "--model", peer.model]);
    if let Some(key) = peer.api_key {
        command.args(["--api-key", key]);
    }
    for header in running.headers() {
        command.args(["--header", header]);
    }
    command
}

/// Makes one document of several reports.
///
/// # Errors
/// When the program says so.
pub(super) fn merge(program: &Path, reports: &[PathBuf], document: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(["report", "merge"]).args(reports);
    command.arg("--report").arg(format!("matrix-md={}", document.display()));
    succeed(&mut command)
}

/// The version that a report from an earlier run is about; `None` where there is no report.
pub(super) fn version_of_report(ground: &Ground, peer: &Peer) -> Option<String> {
    version_in(&fs::read_to_string(report_of(ground, peer)).ok()?, peer.title).ok()
}

fn version_in(report: &str, title: &str) -> anyhow::Result<String> {
    let report: serde_json::Value = serde_json::from_str(report)?;
    let name = report.get("target_name").and_then(|name| name.as_str()).context("no name")?;
    let version = name.strip_prefix(title).context("another name")?;
    Ok(version.trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_version() {
        assert_eq!(version_in(r#"{"target_name": "some server 1.2"}"#, "some server").unwrap(), "1.2");
        assert!(version_in(r#"{"target_name": "another 1.2"}"#, "some server").is_err());
        assert!(version_in("{}", "some server").is_err());
    }
}
