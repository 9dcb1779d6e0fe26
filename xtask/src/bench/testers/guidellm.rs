//! guidellm: Python, with processes that send and one that counts.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json as value};

use super::sample::Quantiles;
use super::tester::{Said, Task, json, quantiles};
use super::timing::MODEL;
use super::tokenizer;

pub(super) const NOTE: &str = "guidellm spreads the time of an answer evenly over its tokens (`inter_token_latency_ms`), so that it cannot see \
     chunks that come late; it breaks off what is under way at the end";

const REPORT: &str = "benchmarks.json";

pub(super) fn command(program: &Path, task: Task<'_>) -> anyhow::Result<Command> {
    let Task { base_url, streams, seconds, folder } = task;
    // Each row is asked once, and it ends when there are none left.
    let rows = vec![value!({"prompt": tokenizer::PROMPT}); (2 * streams * seconds) as usize];
    let settings = value!({"spec": {
        "backend": {
            "kind": "openai_http", "target": base_url.trim_end_matches("/v1"), "model": MODEL, "http2": false,
        },
        "profile": {"kind": "constant", "rate": [streams]},
        "constraints": [{"kind": "max_duration", "seconds": seconds}],
        "tokenizer": {"kind": "huggingface_auto", "model": tokenizer::write(folder)?},
        "data": [{"kind": "in_memory_dict_list", "data": rows}],
        "outputs": [{"kind": "json", "path": folder.join(REPORT)}],
    }});
    let file = folder.join("settings.json");
    std::fs::write(&file, settings.to_string()).with_context(|| file.display().to_string())?;
    let mut command = Command::new(program);
    tokenizer::keep_at_home(&mut command);
    command.args(["run", "--disable-console-interactive", "--config"]).arg(file);
    Ok(command)
}

pub(super) fn said(folder: &Path) -> anyhow::Result<Said> {
    let document = json(&folder.join(REPORT))?;
    let metrics = document.pointer("/benchmarks/0/metrics").context("it measured nothing")?;
    let good = metrics.pointer("/request_totals/successful").and_then(Value::as_u64);
    Ok(Said {
        first: figure(metrics, "time_to_first_token_ms", 1.0),
        between: figure(metrics, "inter_token_latency_ms", 1.0),
        // In seconds.
        whole: figure(metrics, "request_latency", 1e3),
        good: good.context("it counts no requests")?,
        certified: None,
    })
}

fn figure(metrics: &Value, name: &str, times: f64) -> Option<Quantiles> {
    let place = format!("/{name}/successful/percentiles");
    quantiles(metrics, [&format!("{place}/p50"), &format!("{place}/p99")], times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_report_is_read_in_milliseconds() {
        let figure_of = |p50: f64, p99: f64| value!({"successful": {"percentiles": {"p50": p50, "p99": p99}}, "errored": {}});
        let metrics = value!({
            "time_to_first_token_ms": figure_of(103.0, 117.5), "request_latency": figure_of(1.5, 1.75),
        });
        assert_eq!(
            figure(&metrics, "time_to_first_token_ms", 1.0),
            Some(Quantiles { p50: 103.0, p99: 117.5 })
        );
        assert_eq!(figure(&metrics, "request_latency", 1e3), Some(Quantiles { p50: 1_500.0, p99: 1_750.0 }));
        assert_eq!(figure(&metrics, "inter_token_latency_ms", 1.0), None);
    }
}
