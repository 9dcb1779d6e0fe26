//! Documents that were damaged, or made to do harm: refused by what is wrong, or told of without harm.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interference_report::load::comparison::{Format as ComparisonFormat, compare};
use interference_report::load::{Format, LoadReport, Measure};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::sample::{self, Traffic};

fn small() -> LoadReport {
    sample::report(&Traffic { requests: 12, rate: 4.0, ..Traffic::default() })
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut document: Value = serde_json::from_str(&small().to_json().unwrap()).unwrap();
    change(&mut document);
    document.to_string()
}

fn refused(change: impl FnOnce(&mut Value)) -> String {
    LoadReport::from_json(&changed(change)).unwrap_err().to_string()
}

#[test]
fn histograms_are_read_to_their_last_byte_or_not_at_all() {
    let histogram = |text: String| {
        refused(|document| document["measurements"]["histograms"]["total_ms"] = Value::String(text))
    };
    let good = changed(|_| ());
    let good: Value = serde_json::from_str(&good).unwrap();
    let good = STANDARD.decode(good["measurements"]["histograms"]["total_ms"].as_str().unwrap()).unwrap();
    let place = "has a wrong member, `measurements.histograms";
    let told = histogram("%%%".to_owned());
    assert!(told.starts_with(place) && told.contains("no base64: "), "{told}");
    for length in 0..good.len() {
        let told = histogram(STANDARD.encode(&good[..length]));
        assert!(told.starts_with(place) && told.contains("no histogram: "), "{length}: {told}");
    }
    // A header that promises four gigabytes, and counts beyond any clock.
    let mut plain = [0x1c, 0x84, 0x93, 0x13, 0xff, 0xff, 0xff, 0xff].to_vec();
    plain.extend([0; 32]);
    assert!(histogram(STANDARD.encode(&plain)).ends_with("it is cut off"));
    plain[4..8].copy_from_slice(&9_u32.to_be_bytes());
    plain.extend([0xff; 9]);
    assert!(histogram(STANDARD.encode(&plain)).ends_with("it has more buckets than can be"));
}

#[test]
fn lists_are_read_within_bounds() {
    let interval = json!({"scheduled": 1, "first_content": null});
    assert!(
        refused(|document| document["measurements"]["timeline"]["intervals"][0] = interval)
            .starts_with("has a wrong member, `measurements.timeline.intervals[0].first_content`")
    );
    let began = Instant::now();
    let many = refused(|document| {
        document["measurements"]["timeline"]["intervals"] = Value::Array(vec![json!({}); 1_000_000]);
    });
    assert_eq!(many, "has a wrong member, `measurements.timeline.intervals`: there are more than 600");
    assert!(began.elapsed() < Duration::from_secs(60), "the others are not made histograms of");
    let chunks = refused(|document| {
        document["measurements"]["streams"]["lines"][0]["chunks_ms"] = Value::Array(vec![json!(1); 1_001]);
    });
    assert!(chunks.ends_with("there are more than 1000"), "{chunks}");
    let shards = vec![json!({"index": 0, "of": 1}); 1_025];
    assert!(refused(|document| document["shards"] = Value::Array(shards)).ends_with("more than 1024"));
}

#[test]
fn widths_that_no_run_has_are_refused() {
    for width in [0_u64, 1, 999, 3_000, u64::MAX] {
        let told = refused(|document| document["measurements"]["timeline"]["interval_ms"] = width.into());
        assert_eq!(
            told,
            format!(
                "has a wrong member, `measurements.timeline.interval_ms`: intervals of {width} ms: it has to be 1000, or \
                 twice, four times … that"
            )
        );
    }
}

#[test]
fn what_is_without_order_is_put_in_order() {
    let text = changed(|document| {
        document["measurements"]["streams"]["lines"].as_array_mut().unwrap().reverse();
        document["shards"] = json!([{"index": 2, "of": 3}, {"index": 0, "of": 3}]);
    });
    let report = LoadReport::from_json(&text).unwrap();
    assert_eq!(report.measurements.streams, small().measurements.streams);
    assert_eq!(report.shards.iter().map(|shard| shard.index).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn other_kinds_are_told_by_name() {
    let told = |text: &str| LoadReport::from_json(text).unwrap_err().to_string();
    assert!(told("{").starts_with("is no JSON: "));
    assert_eq!(told("[]"), "is no document of load: its `format` is absent, not `interference-load-1`");
    let errors = refused(|document| document["measurements"]["errors"] = json!({"timeout": -1}));
    assert!(errors.starts_with("has a wrong member, `measurements.errors.timeout`"), "{errors}");
}

fn told_in_every_form(report: &LoadReport) {
    for format in Format::ALL {
        format.render(report).unwrap();
    }
    for format in ComparisonFormat::ALL {
        format.render(&compare(report, &small())).unwrap();
        format.render(&compare(&small(), report)).unwrap();
    }
}

#[test]
fn the_greatest_counts_are_told_and_added_without_overflow() {
    let text = changed(|document| {
        for count in document["measurements"]["counts"].as_object_mut().unwrap().values_mut() {
            *count = u64::MAX.into();
        }
        document["measurements"]["errors"] = json!({"timeout": u64::MAX, "refused": u64::MAX});
        for interval in document["measurements"]["timeline"]["intervals"].as_array_mut().unwrap() {
            for name in ["scheduled", "sent", "completed", "good", "errors", "chunks", "in_flight"] {
                interval[name] = u64::MAX.into();
            }
        }
        document["measurements"]["timeline"]["interval_ms"] = json!(1_000_u64 << 53);
        document["measurements"]["streams"]["every"] = 0.into();
        document["measurements"]["streams"]["lines"][0]["ended_ms"] = json!(1e308);
        document["duration_ms"] = json!(1e-300);
    });
    let mut report = LoadReport::from_json(&text).unwrap();
    told_in_every_form(&report);
    report.measurements.merge(&report.measurements.clone());
    report.measurements.merge(&small().measurements);
    told_in_every_form(&report);
    assert_eq!(report.measurements.counts.sent, u64::MAX);
    assert!(report.measurements.histograms[&Measure::Total].len() > 12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_the_numbers_say_it_is_told_or_refused(
        duration_ms in any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()),
        times in prop::collection::vec(-1e12..1e12_f64, 0..6),
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let text = changed(|document| {
            document["duration_ms"] = json!(duration_ms);
            document["measurements"]["streams"]["lines"][0]["scheduled_ms"] = json!(times.first().copied().unwrap_or(0.0));
            document["measurements"]["streams"]["lines"][0]["chunks_ms"] = json!(times);
        });
        told_in_every_form(&LoadReport::from_json(&text).unwrap());
        let mut plain = [0x1c, 0x84, 0x93, 0x13].to_vec();
        plain.extend((bytes.len() as u32).to_be_bytes());
        plain.extend([0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1]);
        plain.extend(3_600_000_000_u64.to_be_bytes());
        plain.extend(1_f64.to_be_bytes());
        plain.extend(&bytes);
        let text = changed(|document| {
            document["measurements"]["histograms"]["total_ms"] = Value::String(STANDARD.encode(&plain));
        });
        if let Ok(report) = LoadReport::from_json(&text) {
            told_in_every_form(&report);
        }
    }
}
