//! `interference load`.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use super::tester::{Said, Task, json, quantiles};
use super::timing::{MODEL, PIECES};

pub(super) const NOTE: &str = "`interference load` certifies itself before and after each run against a server of its own, \
     while nobody measures its processor time";

const REPORT: &str = "report.json";

pub(super) fn command(program: &Path, task: Task<'_>) -> Command {
    let Task { base_url, streams, seconds, folder } = task;
    let mut command = Command::new(program);
    command.args(["load", base_url, "--model", MODEL, "--arrivals", "constant"]);
    command.args(["--rate", &streams.to_string(), "--duration", &format!("{seconds}s")]);
    command.args(["--prompt-tokens", "8", "--max-tokens", &PIECES.to_string()]);
    command.args(["--report", &format!("json={}", folder.join(REPORT).display())]);
    command
}

pub(super) fn said(folder: &Path) -> anyhow::Result<Said> {
    let document = json(&folder.join(REPORT))?;
    let of = |name: &str| quantiles(&document, [&format!("/{name}_p50"), &format!("/{name}_p99")], 1.0);
    Ok(Said {
        first: of("first_content_ms"),
        between: of("between_chunks_ms"),
        whole: of("total_ms"),
        good: document
            .pointer("/measurements/counts/good")
            .and_then(Value::as_u64)
            .context("it counts no good answers")?,
        certified: Some(document.get("certified") == Some(&Value::Bool(true))),
    })
}
