//! The documents as JSON, and their schemas.

use std::collections::{BTreeMap, BTreeSet};

use interference_report::load::comparison::compare;
use interference_report::load::{Figure, LoadReport, Measure};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::sample::{self, Traffic};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../../docs/schemas/load-1.json")).unwrap()
}

fn comparison_schema() -> Value {
    serde_json::from_str(include_str!("../../../../../docs/schemas/load-comparison-1.json")).unwrap()
}

fn complaints(schema: &Value, text: &str) -> Vec<String> {
    let validator: Validator = jsonschema::validator_for(schema).unwrap();
    let document: Value = serde_json::from_str(text).unwrap();
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_samples_follow_the_schemas() {
    assert_eq!(complaints(&schema(), &sample::rich().to_json().unwrap()), [""; 0]);
    let mut wrong: Value = serde_json::from_str(&sample::rich().to_json().unwrap()).unwrap();
    wrong["certified"] = json!("yes");
    wrong["first_content_p99"] = json!(3);
    wrong["plan"].as_object_mut().unwrap().remove("seed");
    assert_eq!(complaints(&schema(), &wrong.to_string()).len(), 3);
    let comparison = compare(&sample::rich(), &sample::report(&Traffic::default())).to_json().unwrap();
    assert_eq!(complaints(&comparison_schema(), &comparison), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_document_follows_the_schema_and_is_read_as_it_was(
        seed in any::<u64>(), requests in 0_u64..60, failing in 0.0..1.0_f64
    ) {
        let report = sample::report(&Traffic { seed, requests, failing, ..Traffic::default() });
        let text = report.to_json().unwrap();
        prop_assert_eq!(complaints(&schema(), &text), [""; 0]);
        let back = LoadReport::from_json(&text).unwrap();
        prop_assert_eq!(back.to_json().unwrap(), text);
        prop_assert_eq!(back, report);
    }
}

#[test]
fn what_others_rely_on_is_there() {
    let report = sample::rich();
    let document: Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    for name in ["valid_goodput_ratio", "requests_per_second", "first_content_ms_p50", "first_content_ms_p99"]
    {
        assert!(document[name].is_number(), "{name}");
    }
    for name in ["between_chunks_ms_p50", "between_chunks_ms_p99", "time_per_output_token_ms_p50"] {
        assert!(document[name].is_number(), "{name}");
    }
    assert_eq!(document["certified"], json!(false));
    assert!(document["objections"][0].as_str().unwrap().contains("stood still"));
    assert_eq!(document["errors"]["timeout"], json!(report.measurements.errors["timeout"]));
    assert_eq!(LoadReport::from_json(&document.to_string()).unwrap(), report);
}

/// Members of objects, by what the schema calls the object.
type Members = BTreeMap<String, BTreeSet<String>>;

fn collect(name: &str, value: &Value, members: &mut Members) {
    // What an array or a map is of, and what has several names.
    let called = match name {
        "shards" => "shard",
        "certificates" => "certificate",
        "before" | "after" => "calibration",
        "first_content_error_ms" | "between_chunks_error_ms" => "quantiles",
        "during" => "watch",
        "points" => "point",
        "intervals" => "interval",
        "lines" => "line",
        "a" | "b" => "side",
        other => other,
    };
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(called, item, members)),
        // Their members are names that the run brings along.
        Value::Object(_) if ["errors", "figures"].contains(&called) => {}
        Value::Object(object) => {
            members.entry(called.to_owned()).or_default().extend(object.keys().cloned());
            object.iter().for_each(|(name, value)| collect(name, value, members));
        }
        _ => {}
    }
}

fn described(name: &str, schema: &Value) -> Members {
    let definitions = schema["$defs"].as_object().unwrap();
    let definitions = definitions.iter().map(|(name, definition)| (name.as_str(), definition));
    let mut described = Members::new();
    for (name, definition) in definitions.chain([(name, schema)]) {
        assert!(definition["description"].is_string(), "{name} is not described");
        let Some(properties) = definition["properties"].as_object() else { continue };
        assert_eq!(definition["additionalProperties"], json!(false), "{name} takes other members");
        for (member, property) in properties {
            let is_described = property["description"].is_string() || property["$ref"].is_string();
            assert!(is_described, "{name}.{member} is not described");
        }
        described.insert(name.to_owned(), properties.keys().cloned().collect());
    }
    described
}

#[test]
fn the_schema_knows_every_member_and_no_other_and_describes_it() {
    let mut found = Members::new();
    collect("load", &serde_json::from_str(&sample::rich().to_json().unwrap()).unwrap(), &mut found);
    let measured = |name: &String| matches!(name.parse(), Ok(Figure::Measured(..)));
    let whole = found.get_mut("load").unwrap();
    let (of_measures, rest): (BTreeSet<String>, BTreeSet<String>) = whole.iter().cloned().partition(measured);
    *whole = rest;
    assert_eq!(found, described("load", &schema()));

    assert_eq!(of_measures.len(), 8 * Measure::ALL.len(), "the sample has a value of every measure");
    let patterns = schema()["patternProperties"].as_object().unwrap().clone();
    for (measure, (pattern, property)) in Measure::ALL.iter().zip(&patterns) {
        assert_eq!(*pattern, format!("^{measure}_(p50|p90|p95|p99|p999|mean|min|max)$"));
        assert!(property["description"].is_string(), "{pattern}");
        assert!(schema()["$defs"]["histograms"]["properties"][measure.name()].is_object(), "{measure}");
    }
    assert_eq!(patterns.len(), Measure::ALL.len());
}

#[test]
fn the_schema_of_comparisons_knows_every_member_and_describes_it() {
    let mut found = Members::new();
    let mut other = sample::report(&Traffic::default());
    other.measurements.histograms.remove(&Measure::Total);
    let comparison = compare(&sample::rich(), &other);
    let value = serde_json::to_value(&comparison).unwrap();
    collect("comparison", &value, &mut found);
    for figure in value["figures"].as_array().unwrap() {
        collect("figure", figure, &mut found);
    }
    found.get_mut("figure").unwrap().insert("change".to_owned());
    assert_eq!(found, described("comparison", &comparison_schema()));
}
