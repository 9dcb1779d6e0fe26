//! `interference load`, of the real binary on scripted servers of the real binary.
//!
//! Nothing here asserts that a run is certified, or how fast anything was: that depends on what else the machine does.
//! What is asserted holds on any machine: how many requests there were, what became of each, and what a report says.

mod arrivals;
mod encrypted;
mod failures;
mod manifest;
mod manual;
mod own_server;
mod proof;
mod series;
mod shards;
mod usage;
mod work;

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{Bench, Finished, Server};
use crate::our_schemas;

/// Answers chats, completions, responses and embeddings.
const ANY: &str = r#"
[[rule]]
when = { endpoint = "embeddings" }
answer = { embedding = { dimensions = 8 } }

[[rule]]
answer = { text = "An oak in the wind.", latency = { first_token = "2ms", between_tokens = "2ms" } }
"#;

/// What every document of a run with answers has, whatever else it has.
const NAMES: [&str; 9] = [
    "valid_goodput_ratio",
    "requests_per_second",
    "first_content_ms_p50",
    "first_content_ms_p99",
    "between_chunks_ms_p50",
    "between_chunks_ms_p99",
    "time_per_output_token_ms_p50",
    "time_per_output_token_ms_p99",
    "errors",
];

/// A server with a script, and what is put on it.
struct Loaded<'a> {
    bench: &'a Bench,
    server: Server,
    folder: TempDir,
}

impl Loaded<'_> {
    fn new<'a>(bench: &'a Bench, script: &str, arguments: &[&str]) -> Loaded<'a> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.toml");
        std::fs::write(&path, script).unwrap();
        let arguments = [&["--script", path.to_str().unwrap()], arguments].concat();
        Loaded { bench, server: bench.serve(&arguments), folder }
    }

    /// Puts a file beside the script, and gives its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Where a file would be.
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let base_url = self.server.base_url();
        self.bench.run(&[&["load", &base_url, "-m", "any"], arguments].concat())
    }

    /// The document of a run in which the tester does not measure itself, which says so.
    #[track_caller]
    fn measured(&self, arguments: &[&str]) -> Value {
        let finished = self.run(&[&["--json", "--no-certificate"], arguments].concat());
        let document = document(&finished);
        assert_eq!(document["certified"], false);
        let objections = document["objections"].to_string();
        assert!(objections.contains("the tester did not measure itself before the run"), "{objections}");
        assert!(!finished.stderr.contains("the tester measures itself"), "{}", finished.stderr);
        document
    }
}

/// The document that was printed: by its schema, and with an end for every request.
#[track_caller]
fn told(finished: &Finished) -> Value {
    assert!(!finished.stderr.contains("panicked"), "{finished:#?}");
    let document = our_schemas::follows("load-1.json", &finished.stdout);
    let counts = &document["measurements"]["counts"];
    let errors: u64 = document["errors"].as_object().unwrap().values().map(number).sum();
    let ended = number(&counts["good"]) + number(&counts["missed_slo"]) + errors;
    assert_eq!(number(&counts["scheduled"]), ended, "{counts:#}, {:#}", document["errors"]);
    assert_eq!(number(&document["failed"]), errors);
    assert!(document["certified"].is_boolean());
    document
}

/// The same, with the exit code that belongs to it.
#[track_caller]
fn document(finished: &Finished) -> Value {
    let document = told(finished);
    let met = document["slo"].as_array().unwrap().iter().all(|slo| slo["met"] == true);
    assert_eq!(finished.code, Some(i32::from(!met)), "{finished:#?}");
    document
}

#[track_caller]
fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number of things"))
}

#[track_caller]
fn fraction(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// How many requests there were, if all of them were good.
#[track_caller]
fn good(document: &Value) -> u64 {
    let counts = &document["measurements"]["counts"];
    assert_eq!(counts["good"], counts["scheduled"], "{counts:#}, {:#}", document["errors"]);
    assert_eq!(document["valid_goodput_ratio"], 1.0);
    number(&counts["good"])
}
