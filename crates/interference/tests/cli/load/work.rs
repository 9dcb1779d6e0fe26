//! What is asked.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{ANY, Loaded, good, number};
use crate::bench::Bench;
use crate::exchange::get;

const BRIEF: [&str; 6] = ["--rate", "100", "--arrivals", "constant", "--duration", "100ms"];

/// The bodies of the requests that a server got last, the first of them first.
fn bodies(loaded: &Loaded<'_>, last: usize) -> Vec<Value> {
    let journal = get(loaded.server.address, "/_interference/requests").json();
    let requests = journal["requests"].as_array().unwrap();
    let bodies = requests.iter().filter(|request| request["method"] == "POST").map(|request| {
        let body = &request["body"];
        body.as_str().map_or_else(|| body.clone(), |text| serde_json::from_str(text).unwrap())
    });
    let bodies: Vec<Value> = bodies.collect();
    bodies[bodies.len() - last..].to_vec()
}

#[test]
fn every_endpoint_is_asked() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    for endpoint in ["chat", "completions", "responses", "embeddings"] {
        let document = loaded.measured(&[&["--endpoint", endpoint], &BRIEF[..]].concat());
        assert_eq!(good(&document), 10, "{endpoint}");
        assert_eq!(document["plan"]["endpoint"], endpoint);
        // The role and the first word come at once or not; what comes later is chunks of a stream, and embeddings are one.
        let chunks = number(&document["measurements"]["counts"]["chunks"]);
        assert_eq!(chunks, if endpoint == "embeddings" { 10 } else { 50 }, "{endpoint}");
    }
    let whole = loaded.measured(&[&["--no-stream"], &BRIEF[..]].concat());
    assert_eq!((good(&whole), number(&whole["measurements"]["counts"]["chunks"])), (10, 10));
    assert!(whole.get("between_chunks_ms_p50").is_none(), "a whole answer has no chunks");
}

#[test]
fn conversations_go_on() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let document = loaded.measured(&[&["--turns", "2", "--prompt-tokens", "40"], &BRIEF[..]].concat());
    assert_eq!(good(&document), 20, "each of ten arrivals is two requests");
    let last = bodies(&loaded, 20);
    let further: Vec<_> = last.iter().filter(|body| body["messages"][2].is_object()).collect();
    assert_eq!(further.len(), 10);
    assert!(further.iter().all(|body| body["messages"][1]["content"] == "An oak in the wind."));
}

#[test]
fn users_think_between_conversations() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let patient = ["--concurrency", "1", "--duration", "300ms", "--think-time", "1m"];
    let document = loaded.measured(&patient);
    assert_eq!(good(&document), 1, "the second would come after the run");
    assert!(document["plan"]["work"].as_str().unwrap().contains(", users with 1m between"), "{document:#}");
}

#[test]
fn no_run_of_a_series_repeats_a_prompt() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &["--allow-faults"]);
    loaded.measured(&[&["--fault-rates", "0,0,0"], &BRIEF[..]].concat());
    let bodies = bodies(&loaded, 30);
    let prompts: HashSet<String> = bodies.iter().map(|body| body["messages"].to_string()).collect();
    assert_eq!(prompts.len(), 30);
}

/// One line of many may have been refused when it was recorded, too.
#[test]
fn a_request_of_a_file_that_is_refused_is_one_of_many() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, "models = [\"oak\"]\n[[rule]]\nanswer.text = \"An oak.\"\n", &[]);
    let body =
        |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "Hi."}]}).to_string();
    for models in [["oak", "elm"], ["elm", "oak"]] {
        let file = loaded.file("requests.jsonl", &models.map(body).join("\n"));
        let base_url = loaded.server.base_url();
        let arguments = ["load", &base_url, "--requests", &file, "--json", "--no-certificate", "--no-stream"];
        let finished = bench.run(&[&arguments[..], &BRIEF].concat());
        let document = super::document(&finished);
        assert_eq!(document["errors"], json!({"status_404": 5}), "{models:?}: {document:#}");
        let notes = document["notes"].to_string();
        assert!(notes.contains("--no-stream plays no role in bodies that were recorded"), "{notes}");
    }
}

/// A trace that is played at another speed comes to no more streams and chunks than it has requests.
#[test]
fn the_level_of_a_trace_is_that_of_its_requests() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let line = |at: u32| {
        let body = json!({"model": "any", "stream": true, "messages": [{"role": "user", "content": "Hi."}]});
        json!({"body": body, "at_ms": 2 * at}).to_string()
    };
    let file = loaded.file("trace.jsonl", &(0..50).map(line).collect::<Vec<_>>().join("\n"));
    let finished = loaded.run(&["--requests", &file, "--speed", "1000x"]);
    let said = finished.stderr.lines().find(|line| line.contains("measures itself before")).unwrap();
    let number = |behind: &str| -> f64 {
        let rest = said.split(behind).nth(1).unwrap().trim_start();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert!(number("with") <= 50.0 && number("and") <= 250.0, "{said}");
}

#[test]
fn requests_come_from_a_file() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let body = |text: &str| {
        json!({"model": "other", "stream": true, "messages": [{"role": "user", "content": text}]}).to_string()
    };
    let file = loaded.file("requests.jsonl", &["one", "two", "three"].map(body).join("\n"));
    let document = loaded.measured(&[&["--requests", &file], &BRIEF[..]].concat());
    assert_eq!(good(&document), 10);
    let last = bodies(&loaded, 10);
    let asked = |text: &str| last.iter().filter(|body| body["messages"][0]["content"] == text).count();
    assert_eq!(["one", "two", "three"].map(asked), [4, 3, 3], "they take turns");
    assert!(last.iter().all(|body| body["model"] == "any"), "`-m` wins");
    assert_eq!(number(&document["measurements"]["counts"]["without_usage"]), 10, "nobody asked for it");

    let at = |at: u64| format!(r#"{{"at_ms": {at}, "body": {}}}"#, body("late"));
    let trace = loaded.file("trace.jsonl", &[0, 3_600_000].map(at).join("\n"));
    let document = loaded.measured(&[&["--requests", &trace], &BRIEF[..]].concat());
    assert_eq!(good(&document), 10);
    let plan = &document["plan"];
    assert!(plan["work"].as_str().unwrap().ends_with("trace.jsonl in turn"), "{plan}");
    let note = document["notes"][0].as_str().unwrap();
    assert!(note.contains("times of their own"), "{note}");
    let both = loaded.run(&["--requests", &trace, "--rate", "1", "--speed", "2x"]);
    assert_eq!(both.code, Some(2), "{both:#?}");
    assert!(both.stderr.contains("'--speed <SPEED>'"), "{both:#?}");

    let broken = loaded.file("broken.jsonl", "{\n");
    let finished = loaded.run(&["--requests", &broken, "--rate", "1"]);
    assert!(finished.failed_with(2).contains("broken.jsonl:1: "), "{finished:#?}");
}

#[test]
fn cassettes_are_a_trace() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let cassettes = loaded.path("cassettes");
    std::fs::create_dir(&cassettes).unwrap();
    for second in [0, 1, 3] {
        let cassette = json!({
            "interference_cassette": 1,
            "recorded_at": format!("2025-11-26T06:00:0{second}.000Z"),
            "request": {
                "method": "POST", "path": "/chat/completions", "headers": [],
                "body": {"json": {"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello."}]}}
            },
            "failure": {"kind": "broken", "code": "", "message": "", "at_ms": 0}
        });
        std::fs::write(format!("{cassettes}/{second}.json"), cassette.to_string()).unwrap();
    }
    let document = loaded.measured(&["--cassettes", &cassettes, "--speed", "10x"]);
    assert_eq!(good(&document), 3);
    assert_eq!(document["plan"]["arrivals"], "trace");
    let lines = document["measurements"]["streams"]["lines"].as_array().unwrap();
    let scheduled: Vec<&Value> = lines.iter().map(|line| &line["scheduled_ms"]).collect();
    assert_eq!(scheduled, [0.0, 100.0, 300.0]);
}
