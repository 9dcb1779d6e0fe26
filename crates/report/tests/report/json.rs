//! The document as JSON, and its schema.

use std::collections::{BTreeMap, BTreeSet};

use interference_report::{DocumentError, Kind, Verdicts, json};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{generated, sample};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/schemas/verdicts-1.json")).unwrap()
}

fn complaints(validator: &Validator, text: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(text).unwrap();
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_sample_follows_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert_eq!(complaints(&validator, &json::render(&sample::rich()).unwrap()), [""; 0]);
    let mut incomplete: Value = serde_json::to_value(sample::rich()).unwrap();
    incomplete["cases"][0]["unheard_of"] = json!(1);
    incomplete["cases"][0].as_object_mut().unwrap().remove("seen");
    assert_eq!(complaints(&validator, &incomplete.to_string()).len(), 2);
}

#[test]
fn every_document_follows_the_schema_and_is_read_as_it_was() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    proptest!(ProptestConfig::with_cases(64), |(verdicts in generated::verdicts())| {
        let text = json::render(&verdicts).unwrap();
        prop_assert_eq!(complaints(&validator, &text), [""; 0]);
        prop_assert_eq!(Verdicts::from_json(&text).unwrap(), verdicts);
    });
}

/// Members of objects, by what the schema calls the object.
type Members = BTreeMap<String, BTreeSet<String>>;

fn collect(name: &str, value: &Value, members: &mut Members) {
    // An array is called by its plural.
    let singular = [
        ("cases", "case"),
        ("findings", "finding"),
        ("clauses", "clause"),
        ("evidence", "exchange"),
        ("wire", "wire_entry"),
    ];
    let name = singular.iter().find(|(plural, _)| *plural == name).map_or(name, |(_, singular)| singular);
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(name, item, members)),
        Value::Object(object) => {
            members.entry(name.to_owned()).or_default().extend(object.keys().cloned());
            object.iter().for_each(|(name, value)| collect(name, value, members));
        }
        _ => {}
    }
}

#[test]
fn the_schema_knows_every_member_and_no_other_and_describes_it() {
    let mut found = Members::new();
    collect("verdicts", &serde_json::to_value(sample::rich()).unwrap(), &mut found);

    let schema = schema();
    let definitions =
        schema["$defs"].as_object().unwrap().iter().map(|(name, definition)| (name.as_str(), definition));
    let mut described = Members::new();
    for (name, definition) in definitions.chain([("verdicts", &schema)]) {
        assert!(definition["description"].is_string(), "{name} is not described");
        let Some(properties) = definition["properties"].as_object() else { continue };
        assert_eq!(definition["additionalProperties"], json!(false), "{name} takes other members");
        for (member, property) in properties {
            assert!(
                property["description"].is_string() || property["$ref"].is_string(),
                "{name}.{member} is not described"
            );
        }
        described.insert(name.to_owned(), properties.keys().cloned().collect());
    }
    assert_eq!(found, described);
}

#[test]
fn members_of_later_versions_are_passed_over() {
    let mut later = serde_json::to_value(sample::rich()).unwrap();
    later["moon"] = json!("full");
    later["cases"][0]["colour"] = json!("blue");
    assert_eq!(Verdicts::from_json(&later.to_string()), Ok(sample::rich()));
}

#[test]
fn what_is_no_document_is_told_by_what_is_wrong() {
    let told = |text: &str| Verdicts::from_json(text).unwrap_err().to_string();
    assert_eq!(told("{\"a\": }"), "is no JSON: expected value at line 1 column 7");
    assert_eq!(
        told("{\"format\": \"interference-verdicts-2\"}"),
        "is no document of verdicts: its `format` is `interference-verdicts-2`, not `interference-verdicts-1`"
    );
    assert_eq!(
        Verdicts::from_json("[1]"),
        Err(DocumentError::OtherFormat { found: None, expected: &[Kind::Verdicts] })
    );
    let mut wrong = serde_json::to_value(sample::rich()).unwrap();
    wrong["cases"][1]["verdict"] = json!("MAYBE");
    assert!(
        told(&wrong.to_string())
            .starts_with("has a wrong member, `cases[1].verdict`: unknown variant `MAYBE`"),
        "{}",
        told(&wrong.to_string())
    );
}
