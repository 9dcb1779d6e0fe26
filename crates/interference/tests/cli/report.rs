//! `interference report merge`, and the commands of `docs/reports.md`.

use std::fs;
use std::path::Path;

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

/// A folder with the documents that the page calls by these names.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, verdict) in [("one", "FAIL"), ("other", "PASS")] {
        let path = folder.path().join(format!("{name}.json"));
        fs::write(path, document(&format!("{name}.example"), verdict).to_string()).unwrap();
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
    refused(&["one.json", "--report", "pdf=a"], "there is no format `pdf`", formats);
    refused(&["one.json", "--report", "html"], "`html` is not FORMAT=PATH", formats);
    refused(
        &["one.json", "other.json", "--report", "html=a"],
        "`html` tells of one document, and there are 2",
        "name one file, or one of the formats for several: junit, sarif, matrix, matrix-md, text",
    );
    let written = "what is read are files that `--report json=FILE` has written";
    refused(
        &["one.json", "list.json"],
        "list.json is no document of verdicts: its `format` is absent, not `interference-verdicts-1`",
        written,
    );
    let finished = run_in(&bench, folder.path(), &["report", "merge", "none.json", "--report", "text=-"]);
    assert!(finished.failed_with(2).starts_with("error: none.json cannot be read: "));
    let finished = run_in(&bench, folder.path(), &["report", "merge", "one.json", "--report", "text=."]);
    assert!(finished.failed_with(3).starts_with("error: . cannot be written: "));
    assert_eq!(run_in(&bench, folder.path(), &["report", "merge", "one.json"]).code, Some(2));
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
fn every_command_of_the_page_that_merges_does_so() {
    let bench = Bench::take();
    let folder = folder();
    let commands = PAGE.lines().filter(|line| line.starts_with("interference report merge "));
    let commands: Vec<_> = commands.collect();
    assert!(commands.len() >= 3, "{commands:?}");
    for command in commands {
        let arguments: Vec<_> = command.split_whitespace().skip(1).collect();
        run_in(&bench, folder.path(), &arguments).succeeded();
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
    for format in interference_report::Format::ALL {
        assert!(rows.contains(&format.name()), "{format}");
    }
}
