//! Several runs in one: the search for the highest rate, and goodput against faults.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Loaded, document, fraction, told};
use crate::bench::{Bench, Running};

/// An answer takes 150 ms on its connection, and one connection at a time.
const BUSY: &str =
    "[[rule]]\nanswer = { text = \"An oak.\", pieces = \"whole\", latency.first_token = \"150ms\" }\n";

fn points(document: &Value) -> &[Value] {
    document["series"]["points"].as_array().unwrap()
}

#[test]
fn the_highest_rate_that_holds_is_found() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, BUSY, &["--max-connections", "1"]);
    let document = loaded.measured(
        &[
            &["--sweep", "--slo", "total_ms<300", "--duration", "100ms", "--arrivals", "constant"][..],
            &["--no-keep-alive"],
        ]
        .concat(),
    );
    assert_eq!(document["series"]["variable"], "rate");
    let at = |met: bool| points(&document).iter().filter(move |point| point["met"] == met);
    let held = at(true).map(|point| fraction(&point["at"])).fold(0.0, f64::max);
    assert!(held >= 1.0, "{:#}", document["series"]);
    assert!(at(false).count() > 0, "no such server answers at any rate");
    assert_eq!(document["series"]["highest"], held);
    let rates: Vec<f64> = points(&document).iter().map(|point| fraction(&point["at"])).collect();
    assert!(rates.is_sorted(), "{rates:?}");
    assert_eq!(document["plan"]["rate"].as_str().unwrap().parse::<f64>().unwrap(), held);
}

/// Answers every request alike, each on its own connection, for as long as the tests run.
fn unaware_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut request = BufReader::new(&client);
            let head: Vec<String> =
                request.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let length =
                head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            let _ = request.take(length).read_to_end(&mut Vec::new());
            let _ = (&client).write_all(PLAIN_ANSWER.as_bytes());
        }
    });
    base_url
}

const PLAIN_ANSWER: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Oak.\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n"
);

/// So that a miss is known to be the server's, and not the tester's; here it is.
#[test]
fn each_try_of_a_search_has_its_own_certificate() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, BUSY, &[]);
    let base_url = loaded.server.base_url();
    let arguments = ["load", &base_url, "-m", "any", "--sweep", "--slo", "total_ms<0.001", "--json"];
    let brief = ["--duration", "100ms", "--arrivals", "constant", "--plant-stall", "20ms", "--drain", "1s"];
    let mut command = bench.command(&[&arguments[..], &brief].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let running = Running { child };
    let heard: Vec<String> = said.by_ref().take_while(|line| !line.starts_with("run 2: ")).collect();
    running.signal("INT");
    said.for_each(drop);
    let measured = heard.iter().filter(|line| line.starts_with("the tester measures itself")).count();
    assert_eq!(measured, 2, "{heard:#?}");
    let finished = running.finish();
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    let document = told(&finished);
    let [point] = points(&document) else { panic!("{:#}", document["series"]) };
    assert_eq!((&point["met"], &point["certified"]), (&json!(false), &json!(false)));
    let certificate = &point["certificates"][0];
    for when in ["before", "after"] {
        assert!(certificate[when]["first_content_error_ms"].is_object(), "{certificate:#}");
        assert!(fraction(&certificate[when]["longest_stall_ms"]) >= 20.0, "{certificate:#}");
    }
}

#[test]
fn a_search_passes_over_rates_that_send_nothing() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, BUSY, &[]);
    let sweep = ["--sweep", "--slo", "total_ms<0.001", "--duration", "50ms", "--seed", "1"];
    let document = loaded.measured(&sweep);
    let [point] = points(&document) else { panic!("{:#}", document["series"]) };
    assert!(fraction(&point["at"]) > 1.0, "one a second sends nothing in 50 ms: {point:#}");
    assert!(fraction(&point["figures"]["total_ms_p50"]) > 0.001, "{point:#}");
}

#[test]
fn a_series_without_faults_and_without_a_sound_answer_fails() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, BUSY, &["--faults", "http.status = 500"]);
    let finished =
        loaded.run(&["--rate", "20", "--duration", "200ms", "--no-certificate", "--fault-rates", "0"]);
    assert!(finished.failed_with(1).contains("error: no sound answer to any of "), "{finished:#?}");
}

#[test]
fn a_server_that_takes_no_faults_is_told_before_the_run() {
    let bench = Bench::take();
    let faults = ["--rate", "20", "--duration", "200ms", "--no-certificate", "--fault-rates", "0,0.5,1"];
    let refusing = Loaded::new(&bench, BUSY, &[]);
    let finished = refusing.run(&faults);
    let said = finished.failed_with(1);
    assert!(
        said.contains("refuses requests with a plan of faults: status 400: This server does not take"),
        "{said}"
    );
    assert!(said.contains("hint: ") && said.contains("`interference serve --allow-faults`"), "{said}");
    assert!(!said.contains("of the requests fail"), "nothing was measured: {said}");

    // One that knows nothing of plans would have every run be one without faults.
    let finished = bench.run(&[&["load", &unaware_server(), "-m", "any"], &faults[..]].concat());
    let said = finished.failed_with(1);
    assert!(said.contains("takes no plans of faults: it answers as if there were none"), "{said}");

    let taking = Loaded::new(&bench, BUSY, &["--allow-faults"]);
    let plan = ["--json", "--faults", "http = { status = 503, message = \"Not now.\" }"];
    let document = document(&taking.run(&[&faults[..], &plan].concat()));
    let errors = |point: &Value| point["errors"]["status_503"].as_u64().unwrap_or(0);
    let [none, some, all] = points(&document) else { panic!("{:#}", document["series"]) };
    assert_eq!((errors(none), &all["figures"]["valid_goodput_ratio"]), (0, &json!(0.0)));
    assert!(errors(some) < errors(all), "{some:#}\n{all:#}");
}

#[test]
fn a_plan_of_which_no_part_can_be_taken_is_refused() {
    let bench = Bench::take();
    for (plan, told) in [
        ("cut.after_event = 5", "did you mean `after_events`?"),
        ("cut.after_events = 5, seed = 7", "`probability`, `times` and `seed` have no place here"),
    ] {
        let finished = bench.run(&["load", "--fault-rates", "0.1", "--rate", "1", "--faults", plan]);
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert!(finished.stderr.contains(told), "{finished:#?}");
    }
}

#[test]
fn goodput_falls_with_faults() {
    let bench = Bench::take();
    let arguments =
        ["--rate", "120", "--duration", "250ms", "--max-tokens", "8", "--no-certificate", "--json"];
    let run =
        |rates: &str| document(&bench.run(&[&["load", "--fault-rates", rates], &arguments[..]].concat()));
    let both = run("0.5,0");
    assert_eq!(both["series"]["variable"], "fault_probability");
    let goodput: Vec<f64> =
        points(&both).iter().map(|point| fraction(&point["figures"]["valid_goodput_ratio"])).collect();
    assert_eq!((goodput.len(), goodput[0]), (2, 1.0));
    assert!(goodput[1] < 1.0, "{goodput:?}");
    assert_eq!(points(&both)[0]["errors"], serde_json::json!({}));
    let errors = points(&both)[1]["errors"].as_object().unwrap();
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["cut"]);
}
