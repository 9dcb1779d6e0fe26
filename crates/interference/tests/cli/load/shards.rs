//! Several machines, each with a part of one schedule.

use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interference_load::schedule::{Process, Profile, Schedule, WHOLE};
use serde_json::{Value, json};

use super::{ANY, Loaded, document, fraction, good};
use crate::bench::{Bench, Running};

/// What one machine would send: the arrivals, and when each is due, in whole microseconds.
fn whole() -> Vec<(u64, u64)> {
    let rate: Profile = "40".parse().unwrap();
    let plan = Schedule::open(&rate, Process::Poisson, Duration::from_millis(500), 11, WHOLE).unwrap();
    let Schedule::Arrivals(arrivals) = plan else { panic!("an open loop has arrivals") };
    let micros = |time: Duration| (time.as_secs_f64() * 1e6).round() as u64;
    arrivals.iter().map(|arrival| (arrival.number, micros(arrival.at))).collect()
}

/// Long enough for two testers to be ready, on a busy machine too.
const LEAD: Duration = Duration::from_secs(2);

fn scheduled(document: &Value) -> Vec<(u64, u64)> {
    let lines = document["measurements"]["streams"]["lines"].as_array().unwrap();
    lines
        .iter()
        .map(|line| (super::number(&line["arrival"]), (fraction(&line["scheduled_ms"]) * 1e3).round() as u64))
        .collect()
}

/// Runs a plan on two machines that begin together: their documents, and the files that these are in.
fn run_in_two(bench: &Bench, loaded: &Loaded, plan: &[&str]) -> ([String; 2], [Value; 2]) {
    let start = (SystemTime::now() + LEAD).duration_since(UNIX_EPOCH).unwrap();
    let start = format!("{:.3}", start.as_secs_f64());
    let base_url = loaded.server.base_url();
    let running = ["0/2", "1/2"].map(|shard| {
        let arguments = ["load", &base_url, "-m", "any", "--json", "--no-certificate", "--shard", shard];
        let mut command = bench.command(&[&arguments[..], &["--start-at", &start], plan].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child }
    });
    let parts = running.map(|running| document(&running.finish()));
    let files = ["one.json", "other.json"].map(|name| loaded.path(name));
    for (file, part) in files.iter().zip(&parts) {
        std::fs::write(file, part.to_string()).unwrap();
    }
    (files, parts)
}

#[test]
fn shards_make_the_whole_schedule() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let plan = ["--rate", "40", "--seed", "11", "--duration", "500ms", "--prompt-tokens", "40"];
    let (files, parts) = run_in_two(&bench, &loaded, &plan);
    let merge = |files: &[&str]| bench.run(&[&["report", "merge", "--report", "json=-"], files].concat());
    let merged = merge(&[&files[0], &files[1]]);
    let merged = document(&merged);
    let whole = whole();
    assert_eq!(scheduled(&merged), whole);
    assert_eq!(good(&merged), whole.len() as u64);
    assert_eq!(good(&merged), good(&parts[0]) + good(&parts[1]));
    assert_eq!(merged["shards"].as_array().unwrap().len(), 2);
    let half = document(&merge(&[&files[1]]));
    assert_eq!(good(&half), good(&parts[1]));
    merge(&[&files[0], &files[0]]).failed_with(2);
}

/// More users than a machine has ports for are no matter where each has few of them.
#[test]
fn a_shard_needs_sockets_for_its_own_users_alone() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let many = ["--concurrency", "100000", "--duration", "100ms"];
    let one = loaded.measured(&[&many[..], &["--shard", "0/100000"]].concat());
    assert!(good(&one) >= 1, "{one:#}");
    let all = loaded.run(&[&many[..], &["--no-certificate"]].concat());
    assert!(all.failed_with(2).contains("100000 streams at once"), "{all:#?}");
}

/// Whichever of them has the last request, all last as long as the trace.
#[test]
fn shards_of_a_trace_are_one_run() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let body = json!({"stream": true, "messages": [{"role": "user", "content": "a tree"}]});
    let line = |at_ms: u64| json!({"at_ms": at_ms, "body": body}).to_string();
    let trace = loaded.file("trace.jsonl", &[0, 100, 200, 300].map(line).join("\n"));
    let (files, parts) = run_in_two(&bench, &loaded, &["--requests", &trace]);
    assert_eq!(parts.each_ref().map(|part| fraction(&part["plan"]["duration_ms"])), [300.0; 2]);
    let merged = document(&bench.run(&["report", "merge", "--report", "json=-", &files[0], &files[1]]));
    assert_eq!(good(&merged), 4);
}

/// Each run of a series begins at a time that all machines know, and is one run in the end.
#[test]
fn shards_make_the_whole_series() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &["--allow-faults"]);
    let plan =
        ["--rate", "40", "--seed", "11", "--duration", "500ms", "--drain", "500ms", "--fault-rates", "0,1"];
    let (files, _) = run_in_two(&bench, &loaded, &plan);
    let merged = document(&bench.run(&["report", "merge", "--report", "json=-", &files[0], &files[1]]));
    let [sound, faulty] = merged["series"]["points"].as_array().unwrap() as &[Value] else {
        panic!("{merged:#}")
    };
    let requests = whole().len() as u64;
    let of = |point: &Value, count: &str| super::number(&point["sums"]["counts"][count]);
    assert_eq!(
        (of(sound, "good"), of(sound, "scheduled"), of(faulty, "scheduled")),
        (requests, requests, requests)
    );
    assert_eq!(faulty["errors"]["cut"], requests);
    assert_eq!(faulty["figures"]["failed"], requests);
    assert_eq!(
        sound["figures"]["first_content_ms_p99"], merged["first_content_ms_p99"],
        "it is the run that is told"
    );
}
