//! SARIF: its shape, as section 3 of the standard has it.

use interference_report::sarif;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{generated, sample};

fn log(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_run_with_everything() {
    insta::assert_snapshot!(sarif::render(&[sample::rich()]).unwrap());
}

#[test]
fn a_failure_keeps_its_fingerprint_whatever_was_seen() {
    let mut other = sample::rich();
    other.cases.iter_mut().for_each(|case| case.seen = "something else".to_owned());
    let fingerprints = |log: Value| -> Vec<Value> {
        let results = log["runs"][0]["results"].as_array().unwrap();
        results.iter().map(|result| result["partialFingerprints"].clone()).collect()
    };
    let before = fingerprints(log(&sarif::render(&[sample::rich()]).unwrap()));
    assert_eq!(before[0], json!({"interferenceSlug/v1": "sse.done-last"}));
    assert_eq!(before, fingerprints(log(&sarif::render(&[other]).unwrap())));
}

#[test]
fn several_runs_are_told_apart() {
    let mut other = sample::rich();
    other.target_name = None;
    let log = log(&sarif::render(&[sample::rich(), other]).unwrap());
    let ids = [0, 1].map(|run| log["runs"][run]["automationDetails"]["id"].clone());
    assert_eq!(ids, ["interference/example-server 2.4/", "interference/http://localhost:8080/v1/"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_result_names_its_rule(verdicts in generated::verdicts()) {
        let log = log(&sarif::render(std::slice::from_ref(&verdicts)).unwrap());
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        prop_assert_eq!(rules.len(), verdicts.cases.len());
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            prop_assert_eq!(&rules[index]["id"], &result["ruleId"]);
            prop_assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
            let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
            prop_assert!(uri.chars().all(|character| character.is_ascii_graphic()));
        }
    }
}
