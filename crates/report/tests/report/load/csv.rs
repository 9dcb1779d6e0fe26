//! The table of intervals.

use interference_report::load::{LoadReport, csv};

use super::sample::{self, Traffic};

#[test]
fn a_row_for_each_interval() {
    let report = sample::report(&Traffic { requests: 12, rate: 4.0, ..Traffic::default() });
    insta::assert_snapshot!(csv::render(&report).replace("\r\n", "\n"));
}

#[test]
fn lines_end_as_rfc_4180_has_it_and_have_as_many_fields() {
    let text = csv::render(&sample::rich());
    let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    assert_eq!(lines.len(), 1 + sample::rich().measurements.timeline.intervals.len());
    for line in &lines {
        assert_eq!(line.split(',').count(), 14, "{line}");
        assert!(!line.contains(['"', '\n', ' ']), "{line}");
    }
    for field in lines[1..].iter().flat_map(|line| line.split(',')) {
        assert!(field.is_empty() || field.parse::<f64>().is_ok(), "{field}");
    }
}

#[test]
fn a_run_of_nothing_has_names_alone() {
    let mut report = sample::rich();
    report.measurements = Default::default();
    let text = csv::render(&LoadReport { ..report });
    assert!(text.starts_with("start_s,scheduled,") && text.ends_with("between_chunks_ms_p99\r\n"), "{text}");
    assert_eq!(text.lines().count(), 1);
}
