//! oha: any HTTP server, whole answers.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::tester::{Said, Task, json as json_of, quantiles};
use super::timing::MODEL;

pub(super) const NOTE: &str = "oha reads a stream as one body: it times its end, and a first byte that is the chunk with the role, but neither \
     first texts nor chunks";

/// Its package, and the release that is measured.
pub(super) const PACKAGE: (&str, &str) = ("oha", "1.15.0");

const REPORT: &str = "report.json";

pub(super) fn command(program: &Path, task: Task<'_>) -> Command {
    let Task { base_url, streams, seconds, folder } = task;
    let body = json!({"model": MODEL, "stream": true, "messages": [{"role": "user", "content": "a tree"}]});
    let mut command = Command::new(program);
    command.args(["--no-tui", "--output-format", "json", "--output"]).arg(folder.join(REPORT));
    // Connections for twice the streams: else it would wait for a free one where an answer is late.
    command.args([
        "-q",
        &streams.to_string(),
        "-c",
        &(2 * streams).to_string(),
        "-z",
        &format!("{seconds}s"),
    ]);
    command.args(["--wait-ongoing-requests-after-deadline", "-m", "POST", "-T", "application/json"]);
    command.args(["-d", &body.to_string(), &format!("{base_url}/chat/completions")]);
    command
}

pub(super) fn said(folder: &Path) -> anyhow::Result<Said> {
    let document = json_of(&folder.join(REPORT))?;
    let statuses = document.pointer("/statusCodeDistribution/200").and_then(Value::as_u64);
    Ok(Said {
        whole: quantiles(&document, ["/latencyPercentiles/p50", "/latencyPercentiles/p99"], 1e3),
        good: statuses.unwrap_or(0),
        ..Said::default()
    })
}
