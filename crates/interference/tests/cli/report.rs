//! `interference report merge` and `compare`, and the commands of `docs/reports.md`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use interference_report::Tool;
use interference_report::load::{Basis, LoadReport, Measure, Measurements, Plan, Shard};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, Finished, finish};

const PAGE: &str = include_str!("../../../../docs/reports.md");

/// A document of one case.
fn document(target: &str, verdict: &str) -> Value {
    let count = |name| u32::from(name == verdict);
    json!({
        "format": "interference-verdicts-1",
        "tool": {"name": "interference", "version": "0.1.0"},
        "command": format!("interference check http://{target}/v1"),
        "target": format!("http://{target}/v1"),
        "target_name": target,
        "started_at": "2026-11-26T09:30:00Z",
        "duration_ms": 8.5,
        "level": "must",
        "findings": [],
        "summary": {
            "total": 1, "FAIL": count("FAIL"), "HARNESS-ERROR": 0, "NON-STRICT": 0, "INCONCLUSIVE": 0, "UNSUPPORTED": 0,
            "NOT-APPLICABLE": 0, "SKIP": 0, "PASS": count("PASS"), "unexpected": count("FAIL")
        },
        "stale_baseline": [],
        "cases": [{
            "slug": "sse.done-last", "section": "sse", "level": "must",
            "requirement": "The last event of a stream is `[DONE]`.",
            "clauses": [], "trigger": "a streamed chat", "verdict": verdict, "expected": "`[DONE]`",
            "seen": "the body ended without it", "in_baseline": false, "requests": 1, "duration_ms": 8.0,
            "repeat": format!("interference check http://{target}/v1 --only sse.done-last"), "evidence": []
        }]
    })
}

/// A run of 2,000 answers in 20 seconds, whose first content came around a time.
fn run_of_load(shard: Option<u32>, middle_ms: u64) -> LoadReport {
    let mut measured = Measurements::default();
    for request in 0..2_000_u64 {
        let first_content = Duration::from_millis(middle_ms + request * 7 % 20);
        let interval = measured.timeline.at(Duration::from_millis(request * 10));
        (interval.scheduled, interval.sent) = (interval.scheduled + 1, interval.sent + 1);
        (interval.completed, interval.good) = (interval.completed + 1, interval.good + 1);
        interval.first_content.record_time(first_content);
        measured.record_time(Measure::FirstContent, first_content);
        measured.record_time(Measure::Total, first_content);
    }
    (measured.counts.scheduled, measured.counts.sent, measured.counts.good) = (2_000, 2_000, 2_000);
    let text = str::to_owned;
    LoadReport {
        format: text(interference_report::load::FORMAT),
        tool: Tool { name: text("interference"), version: text("0.1.0") },
        command: text("interference load http://one.example/v1 -m tiny --rate 100"),
        target: text("http://one.example/v1"),
        target_name: None,
        model: Some(text("tiny")),
        started_at: text("2026-11-26T09:30:00Z"),
        duration_ms: 20_000.0,
        plan: Plan {
            arrivals: text("constant"),
            rate: Some(text("100")),
            concurrency: None,
            duration_ms: 20_000.0,
            warmup_ms: 0.0,
            seed: 1,
            endpoint: text("chat"),
            work: text("one message"),
            late_after_ms: 5.0,
            start_at: None,
        },
        basis: Basis::Scheduled,
        shards: shard.map(|index| Shard { index, of: 2 }).into_iter().collect(),
        slo: Vec::new(),
        notes: Vec::new(),
        certificates: Vec::new(),
        series: None,
        measurements: measured,
    }
}

/// A folder with the documents that the page calls by these names.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, verdict) in [("one", "FAIL"), ("other", "PASS")] {
        let path = folder.path().join(format!("{name}.json"));
        fs::write(path, document(&format!("{name}.example"), verdict).to_string()).unwrap();
    }
    for (name, shard, middle_ms) in [
        ("run", None, 40),
        ("before", None, 40),
        ("after", None, 90),
        ("shard-0", Some(0), 40),
        ("shard-1", Some(1), 40),
    ] {
        fs::write(
            folder.path().join(format!("{name}.json")),
            run_of_load(shard, middle_ms).to_json().unwrap(),
        )
        .unwrap();
    }
    folder
}

fn run_in(bench: &Bench, folder: &Path, arguments: &[&str]) -> Finished {
    finish(bench.command(arguments).current_dir(folder))
}

#[test]
fn documents_become_reports() {
    let bench = Bench::take();
    let folder = folder();
    let merge =
        |arguments: &[&str]| run_in(&bench, folder.path(), &[&["report", "merge"], arguments].concat());
    let text = merge(&["one.json", "other.json", "--report", "matrix-md=-"]).succeeded();
    assert!(text.contains("\n| sse.done-last | MUST | ✗ | ✓ |\n"), "{text}");
    let text = merge(&["one.json", "--report", "text=-", "--report", "json=new/copy.json"]).succeeded();
    assert!(text.ends_with("\n1 MUST broken\n"), "{text}");
    let copy: Value =
        serde_json::from_slice(&fs::read(folder.path().join("new/copy.json")).unwrap()).unwrap();
    assert_eq!(copy, document("one.example", "FAIL"));
}

#[test]
fn what_is_wrong_is_told_before_anything_is_written() {
    let bench = Bench::take();
    let folder = folder();
    fs::write(folder.path().join("list.json"), "[]").unwrap();
    let refused = |arguments: &[&str], message: &str, hint: &str| {
        let arguments = [&["report", "merge", "--report", "text=written.txt"], arguments].concat();
        let finished = run_in(&bench, folder.path(), &arguments);
        let said = finished.failed_with(2);
        assert_eq!(said, format!("error: {message}\nhint: {hint}\n"));
        assert!(!folder.path().join("written.txt").exists());
    };
    let formats = "formats are json, junit, sarif, html, badge, matrix, matrix-md, baseline, text; as in `--report \
                   html=report.html`";
    refused(&["one.json", "--report", "pdf=a"], "there is no format `pdf` for verdicts", formats);
    refused(&["one.json", "--report", "html"], "`html` is not FORMAT=PATH", formats);
    refused(
        &["one.json", "other.json", "--report", "html=a"],
        "`html` tells of one document, and there are 2",
        "name one file, or one of the formats for several: junit, sarif, matrix, matrix-md, text",
    );
    let written = "what is read are files that `--report json=FILE` has written";
    refused(
        &["one.json", "list.json"],
        "list.json is no document of verdicts or load: its `format` is absent, not `interference-verdicts-1` or \
         `interference-load-1`",
        written,
    );
    let finished = run_in(&bench, folder.path(), &["report", "merge", "none.json", "--report", "text=-"]);
    assert!(finished.failed_with(2).starts_with("error: none.json cannot be read: "));
    let finished = run_in(&bench, folder.path(), &["report", "merge", "one.json", "--report", "text=."]);
    assert!(
        finished.failed_with(2).starts_with("error: . is a folder, and no report can be written there\n")
    );
    let full = ["report", "merge", "one.json", "--report", "text=/dev/full"];
    let finished = run_in(&bench, folder.path(), &full);
    assert!(finished.failed_with(3).starts_with("error: /dev/full cannot be written: "));
    // What cannot be written keeps nothing else from being told.
    let both = [&full[..], &["--report", "json=beside.json"]].concat();
    assert_eq!(run_in(&bench, folder.path(), &both).code, Some(3));
    assert!(folder.path().join("beside.json").exists());
    assert_eq!(run_in(&bench, folder.path(), &["report", "merge", "one.json"]).code, Some(2));
}

#[test]
fn runs_of_load_are_told_and_shards_become_one() {
    let bench = Bench::take();
    let folder = folder();
    let merge =
        |arguments: &[&str]| run_in(&bench, folder.path(), &[&["report", "merge"], arguments].concat());
    let text = merge(&["shard-1.json", "shard-0.json", "--report", "text=-"]).succeeded();
    assert!(text.contains("4,000 of 4,000 requests sound to the end"), "{text}");
    let alone = merge(&["shard-0.json", "--report", "csv=-"]).succeeded();
    assert!(alone.starts_with("start_s,scheduled,sent,"), "{alone}");
    let said = merge(&["one.json", "run.json", "--report", "text=-"]).failed_with(2).to_owned();
    assert!(said.contains("run.json is a document of load, and one.json is one of verdicts"), "{said}");
    let said = merge(&["run.json", "--report", "junit=-"]).failed_with(2).to_owned();
    let formats = "formats are json, csv, html, text; as in `--report html=report.html`";
    assert_eq!(said, format!("error: there is no format `junit` for a run of load\nhint: {formats}\n"));
    let said = merge(&["run.json", "before.json", "--report", "text=-"]).failed_with(2).to_owned();
    assert!(said.contains("is a whole one, and no shard") && said.contains("report compare A B"), "{said}");
}

#[test]
fn a_run_that_is_worse_beyond_noise_fails() {
    let bench = Bench::take();
    let folder = folder();
    let compare =
        |arguments: &[&str]| run_in(&bench, folder.path(), &[&["report", "compare"], arguments].concat());
    let text = compare(&["before.json", "run.json"]).succeeded();
    assert!(text.ends_with("\nA and B are the same within noise\n"), "{text}");
    assert_eq!(compare(&["before.json", "after.json"]).code, Some(1));
    let better: Value =
        serde_json::from_str(&compare(&["after.json", "before.json", "--json"]).succeeded()).unwrap();
    assert_eq!(better["conclusion"], json!("better"));
    let unwritable = compare(&["before.json", "run.json", "--report", "html=/dev/full"]);
    assert!(unwritable.failed_with(3).starts_with("error: /dev/full cannot be written: "));
    assert_eq!(unwritable.stdout, text);
    let said = compare(&["before.json", "one.json"]).failed_with(2).to_owned();
    assert!(said.contains("one.json is no document of load"), "{said}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let bench = Bench::take();
    let folder = folder();
    let script = "\"$1\" report merge one.json --report html=- | head -c 1; exit \"${PIPESTATUS[0]}\"";
    let mut shell = bench.program("bash");
    shell.args(["-c", script, "bash", env!("CARGO_BIN_EXE_interference")]).current_dir(folder.path());
    assert_eq!(finish(&mut shell).succeeded(), "<");
}

#[test]
fn every_command_of_the_page_about_documents_does_as_it_says() {
    let bench = Bench::take();
    let folder = folder();
    let commands = PAGE.lines().filter(|line| line.starts_with("interference report "));
    let commands: Vec<_> = commands.collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let arguments: Vec<_> = command.split_whitespace().skip(1).collect();
        // What is after is slower.
        let code = if command.contains("after.json") { Some(1) } else { Some(0) };
        assert_eq!(run_in(&bench, folder.path(), &arguments).code, code, "{command}");
        let paths = arguments.iter().filter_map(|argument| argument.split_once('=')).map(|(_, path)| path);
        for path in paths.filter(|path| *path != "-") {
            assert!(folder.path().join(path).exists(), "{command} writes no {path}");
        }
    }
}

#[test]
fn the_page_has_every_format() {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let rows: Vec<_> = rows.collect();
    let of_verdicts = interference_report::Format::ALL.map(|format| format.name());
    let of_load = interference_report::load::Format::ALL.map(|format| format.name());
    for format in of_verdicts.iter().chain(&of_load) {
        assert!(rows.contains(format), "{format}");
    }
}
