//! Servers that fail under load: counted by kind, and apart from what was good.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{ANY, Loaded, fraction, number};
use crate::bench::Bench;

/// What the server does, and as what it is counted.
const KINDS: [(&str, &str); 14] = [
    ("cut = { after_events = 3, by = \"reset\" }", "reset"),
    ("cut.after_events = 3", "cut"),
    ("cut = { after_events = 3, by = \"end\" }", "no_finish_reason"),
    ("cut = { after_bytes = 250, by = \"end\" }", "truncated_event"),
    ("stall.after_events = 3", "stalled"),
    ("http.slow_head = \"1m\"", "first_byte_timed_out"),
    ("error.after_events = 3", "error_event"),
    ("done = \"omit\"", "no_done"),
    ("done = \"more\"", "after_done"),
    ("corrupt = { at = [6], with = \"zero\" }", "malformed_event"),
    ("http.status = 500", "status_500"),
    ("http.status = 429", "status_429"),
    ("http.content_type = \"text/html\"", "not_an_event_stream"),
    ("length.more = 10", "length_mismatch"),
];

/// Good answers come whole and after a while, and what fails comes at once and in pieces: nothing of the one can be taken
/// for the other.
fn script() -> String {
    let mut script = String::new();
    for (number, (plan, _)) in KINDS.iter().enumerate() {
        let text = "An oak in the wind, and it bends.";
        write!(script, "[[rule]]\nwhen = {{ text = \"fault {number}.\" }}\n").unwrap();
        write!(script, "answer = {{ text = {text:?}, faults = {plan:?} }}\n\n").unwrap();
    }
    let good = "text = \"An oak.\", pieces = \"whole\", latency.first_token = \"300ms\"";
    writeln!(script, "[[rule]]\nanswer = {{ {good} }}").unwrap();
    script
}

#[test]
fn each_failure_is_counted_by_its_kind() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, &script(), &[]);
    let line = |at: usize, text: &str| {
        let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": text}]});
        json!({"at_ms": at, "body": body}).to_string()
    };
    let faults = (0..KINDS.len()).map(|number| line(10 * number, &format!("fault {number}.")));
    let sound = (0..5).map(|number| line(5 + 20 * number, "good"));
    let mut lines: Vec<String> = sound.chain(faults).collect();
    // The first is looked at before the run, and has to be sound.
    lines[0] = line(0, "good");
    let file = loaded.file("requests.jsonl", &lines.join("\n"));
    let document = loaded.measured(&["--requests", &file, "--timeout", "1s"]);
    let expected: serde_json::Map<String, Value> =
        KINDS.iter().map(|(_, kind)| ((*kind).to_owned(), json!(1))).collect();
    assert_eq!(document["errors"], Value::Object(expected));
    let notes = document["notes"].as_array().unwrap();
    assert!(
        notes.contains(&json!("the first status 429 said: This error is injected. (rate_limit_exceeded)")),
        "{notes:#?}"
    );
    assert_eq!(number(&document["measurements"]["counts"]["good"]), 5);
    assert_eq!(document["valid_goodput_ratio"], 5.0 / (5 + KINDS.len()) as f64);
    assert!(fraction(&document["first_content_ms_min"]) >= 299.0, "{}", document["first_content_ms_min"]);
    assert!(document.get("between_chunks_ms_p50").is_none(), "only failed answers came in pieces");
    assert_eq!(number(&document["measurements"]["counts"]["chunks"]), 5);
}

#[test]
fn an_objective_that_is_missed_is_a_failure() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let brief = ["--no-certificate", "--rate", "100", "--arrivals", "constant", "--duration", "100ms"];
    let impossible = ["--slo", "first_content_ms_p99<0.001", "--slo", "failed<=0", "--json"];
    let missed = loaded.run(&[&brief[..], &impossible].concat());
    assert!(missed.failed_with(1).contains("error: missed: first_content_ms_p99<0.001\n"), "{missed:#?}");
    let document = super::document(&missed);
    assert_eq!(number(&document["measurements"]["counts"]["missed_slo"]), 10);
    assert_eq!(document["valid_goodput_ratio"], 0.0);
    assert_eq!(document["slo"][0]["met"], false);
    assert_eq!(document["slo"][1], json!({"expression": "failed<=0", "value": 0.0, "met": true}));

    // What cannot be written keeps nothing else from being told.
    let (below_a_file, table) = (loaded.path("script.toml/all.json"), loaded.path("table.csv"));
    let reports = [format!("json={below_a_file}"), format!("csv={table}")];
    let reports = ["--report", &reports[0], "--report", &reports[1], "--json"];
    let unwritable = loaded.run(&[&brief[..], &reports].concat());
    assert!(unwritable.failed_with(3).contains(&below_a_file), "{unwritable:#?}");
    assert_eq!(super::good(&super::told(&unwritable)), 10);
    assert!(std::fs::read_to_string(table).unwrap().starts_with("start_s,"));

    let possible = loaded.measured(&[&brief[1..], &["--slo", "total_ms<60000"]].concat());
    assert_eq!(possible["slo"][0]["met"], true);
    assert_eq!(super::good(&possible), 10);
}

#[test]
fn a_server_that_refuses_everything_has_failed() {
    let bench = Bench::take();
    let busy = "[[rule]]\nanswer.error = { status = 429, message = \"Not now.\" }\n";
    let loaded = Loaded::new(&bench, busy, &[]);
    let finished = loaded.run(&["--no-certificate", "--rate", "20", "--duration", "200ms", "--json"]);
    assert!(finished.failed_with(1).contains("error: no sound answer to any of "), "{finished:#?}");
    assert!(super::told(&finished)["errors"]["status_429"].is_u64(), "{finished:#?}");
}
