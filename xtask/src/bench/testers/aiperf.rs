//! aiperf: several Python processes, which pass work to each other over sockets.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json as value};

use super::tester::{Said, Task, json, quantiles};
use super::timing::MODEL;
use super::tokenizer;

pub(super) const NOTE: &str = "aiperf: its `inter_chunk_latency`, of all gaps, and not its `inter_token_latency`, which spreads the time of an \
     answer evenly over its tokens";

const REPORT: &str = "profile_export_aiperf.json";

pub(super) fn command(program: &Path, task: Task<'_>) -> anyhow::Result<Command> {
    let Task { base_url, streams, seconds, folder } = task;
    let tokenizer = tokenizer::write(folder)?;
    let prompts = folder.join("prompts.jsonl");
    std::fs::write(&prompts, value!({"text": tokenizer::PROMPT}).to_string() + "\n")?;
    let mut command = Command::new(program);
    tokenizer::keep_at_home(&mut command);
    command.args(["profile", "--model", MODEL, "--endpoint-type", "chat", "--streaming"]);
    command.args(["--url", base_url.trim_end_matches("/v1"), "--arrival-pattern", "constant"]);
    command.args(["--request-rate", &streams.to_string(), "--benchmark-duration", &seconds.to_string()]);
    command.args(["--use-server-token-count", "--custom-dataset-type", "single_turn", "--input-file"]);
    command.arg(prompts).arg("--tokenizer").arg(tokenizer).arg("--artifact-dir").arg(folder);
    command.args(["--ui", "none", "--export-level", "summary", "--no-server-metrics", "--no-gpu-telemetry"]);
    Ok(command)
}

pub(super) fn said(folder: &Path) -> anyhow::Result<Said> {
    let document = json(&folder.join(REPORT))?;
    let of = |name: &str| quantiles(&document, [&format!("/{name}/p50"), &format!("/{name}/p99")], 1.0);
    let good = document.pointer("/request_count/avg").and_then(Value::as_f64);
    Ok(Said {
        first: of("time_to_first_token"),
        between: of("inter_chunk_latency"),
        whole: of("request_latency"),
        good: good.context("it counts no requests")? as u64,
        certified: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::testers::sample::Quantiles;

    #[test]
    fn its_report_is_in_milliseconds() {
        let folder = std::env::temp_dir().join(format!("interference-xtask-aiperf-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let figure = |p50: f64, p99: f64| value!({"unit": "ms", "p50": p50, "p99": p99});
        let report = value!({
            "time_to_first_token": figure(103.0, 138.0), "inter_chunk_latency": figure(10.0, 14.5),
            "inter_token_latency": figure(10.0, 10.0), "request_latency": figure(1_003.0, 1_038.0),
            "request_count": {"unit": "requests", "avg": 23.0},
        });
        std::fs::write(folder.join(REPORT), report.to_string()).unwrap();
        let said = said(&folder).unwrap();
        assert_eq!(said.between, Some(Quantiles { p50: 10.0, p99: 14.5 }));
        assert_eq!((said.first.unwrap().p99, said.whole.unwrap().p50, said.good), (138.0, 1_003.0, 23));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
