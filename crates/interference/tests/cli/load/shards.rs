//! Several machines, each with a part of one schedule.

use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{ANY, Loaded, document, fraction, good};
use crate::bench::{Bench, Running};

/// Long enough for two testers to be ready, on a busy machine too.
const LEAD: Duration = Duration::from_secs(3);

fn scheduled(document: &Value) -> Vec<(u64, f64)> {
    let lines = document["measurements"]["streams"]["lines"].as_array().unwrap();
    lines.iter().map(|line| (super::number(&line["arrival"]), fraction(&line["scheduled_ms"]))).collect()
}

#[test]
fn shards_make_the_whole_schedule() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let plan = ["--rate", "40", "--seed", "11", "--duration", "1s", "--prompt-tokens", "40"];
    let whole = loaded.measured(&plan);
    let start = (SystemTime::now() + LEAD).duration_since(UNIX_EPOCH).unwrap();
    let start = format!("{:.3}", start.as_secs_f64());
    let running = ["0/2", "1/2"].map(|shard| {
        let base_url = loaded.server.base_url();
        let arguments = ["load", &base_url, "-m", "any", "--json", "--no-certificate", "--shard", shard];
        let mut command = bench.command(&[&arguments[..], &["--start-at", &start], &plan].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child }
    });
    let parts = running.map(|running| document(&running.finish()));
    let files = ["one.json", "other.json"].map(|name| loaded.path(name));
    for (file, part) in files.iter().zip(&parts) {
        std::fs::write(file, part.to_string()).unwrap();
    }
    let merge = |files: &[&str]| bench.run(&[&["report", "merge", "--report", "json=-"], files].concat());
    let merged = merge(&[&files[0], &files[1]]);
    let merged = document(&merged);
    assert_eq!(scheduled(&merged), scheduled(&whole));
    assert_eq!(good(&merged), good(&whole));
    assert_eq!(good(&merged), good(&parts[0]) + good(&parts[1]));
    assert_eq!(merged["shards"].as_array().unwrap().len(), 2);
    let half = document(&merge(&[&files[1]]));
    assert_eq!(good(&half), good(&parts[1]));
    merge(&[&files[0], &files[0]]).failed_with(2);
}
