//! When requests are sent.

use std::process::Stdio;
use std::time::Duration;

use interference_load::schedule::{Process, Profile, Schedule, WHOLE};
use serde_json::{Value, json};

use super::{ANY, Loaded, NAMES, fraction, good, number, told};
use crate::bench::{Bench, Running};
use crate::exchange::get;

/// `500ms`, which all plans here last.
const DURATION: Duration = Duration::from_millis(500);

/// When each arrival was scheduled, in whole microseconds; of a run of so few that all of them are kept.
fn scheduled(document: &Value) -> Vec<u64> {
    let lines = document["measurements"]["streams"]["lines"].as_array().unwrap();
    lines.iter().map(|line| (fraction(&line["scheduled_ms"]) * 1e3).round() as u64).collect()
}

fn planned(rate: &str, process: Process, seed: u64) -> Vec<u64> {
    let rate: Profile = rate.parse().unwrap();
    let plan = Schedule::open(&rate, process, DURATION, seed, WHOLE).unwrap();
    let Schedule::Arrivals(arrivals) = plan else { panic!("an open loop has arrivals") };
    arrivals.iter().map(|arrival| (arrival.at.as_secs_f64() * 1e6).round() as u64).collect()
}

#[test]
fn an_open_loop_sends_what_its_schedule_says() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let constant = loaded.measured(&["--rate", "40", "--arrivals", "constant", "--duration", "500ms"]);
    assert_eq!(good(&constant), 20);
    assert_eq!(scheduled(&constant), planned("40", Process::Constant, 0));
    assert_eq!(constant["basis"], "scheduled");
    for name in NAMES {
        assert!(constant.get(name).is_some(), "{name} is missing");
    }

    let poisson =
        loaded.measured(&["--rate", "20..60", "--seed", "7", "--duration", "500ms", "--warmup", "200ms"]);
    assert_eq!(scheduled(&poisson), planned("20..60", Process::Poisson, 7));
    assert_eq!(good(&poisson), scheduled(&poisson).len() as u64);
    assert_eq!(poisson["plan"]["warmup_ms"], 200.0);
}

#[test]
fn users_of_a_closed_loop_wait_for_their_answers() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let objective = "total_from_sent_ms_p50<60000";
    let closed = loaded.measured(&["--concurrency", "3", "--duration", "500ms", "--slo", objective]);
    assert!(good(&closed) >= 3);
    assert_eq!(closed["basis"], "sent");
    assert_eq!(closed["plan"]["concurrency"], "3");
    let intervals = closed["measurements"]["timeline"]["intervals"].as_array().unwrap();
    let most = intervals.iter().map(|interval| number(&interval["in_flight"])).max();
    assert_eq!(most, Some(3));
    assert!(closed.get("first_content_from_sent_ms_p50").is_none(), "it would be the same twice");
    assert_eq!(closed["slo"][0]["value"], closed["total_ms_p50"]);
    assert_eq!(closed["slo"][0]["met"], true);
}

/// All of them have to go after a second, and to be there again after two, when none of them has an answer yet.
#[test]
fn a_user_who_comes_again_asks_nothing_before_the_answer() {
    let bench = Bench::take();
    let slow = "[[rule]]\nanswer = { text = \"An oak.\", latency = { first_token = \"2200ms\" } }\n";
    let loaded = Loaded::new(&bench, slow, &[]);
    let closed = loaded.measured(&["--concurrency", "4,0,4", "--duration", "3s"]);
    let intervals = closed["measurements"]["timeline"]["intervals"].as_array().unwrap();
    let most = intervals.iter().map(|interval| number(&interval["in_flight"])).max();
    assert_eq!(most, Some(4));
    assert_eq!(good(&closed), 8, "who was to be there again asks again: {closed:#}");
}

/// A request that hangs ends long after the others, and is no part of how fast these were.
#[test]
fn a_rate_ends_with_the_last_answer() {
    let bench = Bench::take();
    let script = "[[rule]]\nwhen.text = \"hang\"\nanswer = { text = \"An oak.\", faults = \"stall.after_events = 1\" }\n\n\
                  [[rule]]\nanswer.text = \"An oak.\"\n";
    let loaded = Loaded::new(&bench, script, &[]);
    let line = |number: usize| {
        let text = if number == 9 { "hang" } else { "go" };
        json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": text}]}).to_string()
    };
    let file = loaded.file("requests.jsonl", &(0..20).map(line).collect::<Vec<_>>().join("\n"));
    let constant = ["--rate", "20", "--arrivals", "constant", "--duration", "1s", "--timeout", "3s"];
    let document = loaded.measured(&[&constant[..], &["--requests", &file]].concat());
    let good = number(&document["measurements"]["counts"]["good"]);
    assert_eq!((good, &document["errors"]["stalled"]), (19, &Value::from(1)));
    let lines = document["measurements"]["streams"]["lines"].as_array().unwrap();
    let end = |is_good: bool| {
        let lines = lines.iter().filter(|line| (line["outcome"] == "good") == is_good);
        lines.map(|line| fraction(&line["ended_ms"])).fold(0.0, f64::max)
    };
    assert!(end(false) >= 3_000.0, "{lines:#?}");
    assert_eq!(fraction(&document["duration_ms"]), end(true).max(1_000.0));
}

#[test]
fn an_interrupted_run_tells_what_had_come() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let base_url = loaded.server.base_url();
    let arguments =
        ["load", &base_url, "-m", "any", "--rate", "50", "--duration", "10m", "--no-certificate", "--json"];
    let child = bench.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let running = Running { child };
    // Some are sent before the run, so that by then it goes on.
    let journal = get(loaded.server.address, "/_interference/requests?min=12&ended=true");
    assert_eq!(journal.status, 200);
    running.signal("INT");
    let finished = running.finish();
    assert!(finished.failed_with(130).contains("error: interrupted\n"), "{finished:#?}");
    let document = told(&finished);
    assert!(good(&document) > 0);
    assert!(document["notes"].to_string().contains("the run was interrupted"), "{}", document["notes"]);
}
