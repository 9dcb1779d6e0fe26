//! Several runs in one: the search for the highest rate, and goodput against faults.

use serde_json::Value;

use super::{Loaded, document, fraction};
use crate::bench::Bench;

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
