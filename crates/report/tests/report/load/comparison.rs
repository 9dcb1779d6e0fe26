//! Two runs side by side: what is the same is called so, and what is not is found.

use std::collections::BTreeMap;

use interference_report::load::comparison::{self, Change, Comparison, Conclusion, Verdict, compare};
use interference_report::load::{Basis, LoadReport, Objective};
use interference_report::terminal::Style;

use super::sample::{self, Traffic};

fn run(seed: u64, traffic: &Traffic) -> LoadReport {
    sample::report(&Traffic { seed, ..traffic.clone() })
}

fn verdict(comparison: &Comparison, name: &str) -> (Verdict, Option<Change>) {
    let figure = comparison.figures.iter().find(|figure| figure.name == name);
    let figure = figure.unwrap_or_else(|| panic!("{name} is not there"));
    (figure.verdict, figure.change)
}

#[test]
fn runs_of_the_same_are_the_same() {
    const TRIALS: u64 = 200;
    let traffic = Traffic { requests: 300, chunks: 4, ..Traffic::default() };
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut alarms = 0;
    let mut before = run(1_000, &traffic);
    for trial in 1..=TRIALS {
        let after = run(1_000 + trial, &traffic);
        let comparison = compare(&before, &after);
        for figure in comparison.of(Verdict::BeyondNoise) {
            *found.entry(figure.name.clone()).or_default() += 1;
        }
        alarms += u64::from(comparison.conclusion != Conclusion::WithinNoise);
        assert!(
            comparison.of(Verdict::WithinNoise).count() >= 25,
            "{}",
            comparison.of(Verdict::WithinNoise).count()
        );
        before = after;
    }
    assert!(found.values().all(|count| *count <= TRIALS / 20), "{found:?}");
    assert!(alarms <= TRIALS / 20, "{alarms} of {TRIALS} comparisons: {found:?}");
}

#[test]
fn a_fifth_more_is_found_in_two_thousand_requests() {
    let traffic = Traffic { requests: 2_000, ..Traffic::default() };
    let slower = Traffic { first_content_ms: traffic.first_content_ms * 1.2, ..traffic.clone() };
    for seed in 0..5 {
        let comparison = compare(&run(seed, &traffic), &run(100 + seed, &slower));
        assert_eq!(
            verdict(&comparison, "first_content_ms_p50"),
            (Verdict::BeyondNoise, Some(Change::Worse)),
            "{}",
            comparison.summary
        );
        assert_eq!(verdict(&comparison, "between_chunks_ms_p50").0, Verdict::WithinNoise);
        assert!(comparison.conclusion.is_worse());
        let back = compare(&run(100 + seed, &slower), &run(seed, &traffic));
        assert_eq!(
            (back.conclusion, back.conclusion.is_worse()),
            (Conclusion::Better, false),
            "{}",
            back.summary
        );
    }
    let chunks = Traffic { between_chunks_ms: traffic.between_chunks_ms * 1.2, ..traffic.clone() };
    let comparison = compare(&run(1, &traffic), &run(2, &chunks));
    for name in ["between_chunks_ms_p50", "between_chunks_ms_mean", "time_per_output_token_ms_p50"] {
        assert_eq!(verdict(&comparison, name), (Verdict::BeyondNoise, Some(Change::Worse)), "{name}");
    }
    let failing = Traffic { failing: 0.09, ..traffic.clone() };
    let comparison = compare(&run(1, &traffic), &run(2, &failing));
    for name in ["failed", "valid_goodput_ratio"] {
        assert_eq!(verdict(&comparison, name), (Verdict::BeyondNoise, Some(Change::Worse)), "{name}");
    }
}

/// The last interval of a run is as short as may be: it is no part of how much the rate varies.
#[test]
fn a_rate_that_never_varies_is_told_from_another() {
    let steady = |each: u64| {
        let mut report = run(1, &Traffic::default());
        let timeline = &mut report.measurements.timeline;
        timeline.intervals.truncate(21);
        for (second, interval) in timeline.intervals.iter_mut().enumerate() {
            interval.completed = if second < 20 { each } else { 2 };
            interval.good = interval.completed;
        }
        (report.plan.duration_ms, report.duration_ms) = (20_000.0, 20_100.0);
        let counts = &mut report.measurements.counts;
        (counts.good, counts.missed_slo) = (20 * each + 2, 0);
        report
    };
    let comparison = compare(&steady(30), &steady(24));
    for name in ["requests_per_second", "goodput_requests_per_second"] {
        assert_eq!(verdict(&comparison, name), (Verdict::BeyondNoise, Some(Change::Worse)), "{name}");
    }
}

#[test]
fn what_the_testers_err_by_is_noise() {
    let traffic = Traffic { requests: 2_000, ..Traffic::default() };
    let slower = Traffic { first_content_ms: traffic.first_content_ms * 1.2, ..traffic.clone() };
    let (one, mut other) = (run(1, &traffic), run(2, &slower));
    let error = other.certificates[0].after.as_mut().unwrap().first_content_error_ms.as_mut().unwrap();
    (error.p50, error.p99) = (60.0, 90.0);
    let comparison = compare(&one, &other);
    assert_eq!(verdict(&comparison, "first_content_ms_p50").0, Verdict::WithinNoise);
    assert!(
        comparison.notes.iter().any(|note| note.starts_with("B is not certified")),
        "{:?}",
        comparison.notes
    );
    assert!(!comparison.b.certified && comparison.a.certified && !comparison.b.objections.is_empty());
}

#[test]
fn what_cannot_be_compared_says_why() {
    let traffic = Traffic { requests: 100, ..Traffic::default() };
    let (one, mut other) = (run(1, &traffic), run(2, &traffic));
    other.basis = Basis::Sent;
    other.plan.arrivals = "closed".to_owned();
    other.model = None;
    let comparison = compare(&one, &other);
    let reason = |name: &str| {
        let figure = comparison.figures.iter().find(|figure| figure.name == name).unwrap();
        assert_eq!((figure.verdict, figure.change), (Verdict::NotComparable, None), "{name}");
        figure.reason.clone().unwrap()
    };
    assert_eq!(
        reason("first_content_ms_p50"),
        "one counts from the scheduled time, the other from the sent time"
    );
    assert_eq!(reason("between_chunks_ms_max"), "A: a single value says nothing of the others");
    assert_eq!(reason("time_per_output_token_ms_p999"), "too few values to know how far chance goes");
    assert_eq!(verdict(&comparison, "first_content_from_sent_ms_p50").0, Verdict::WithinNoise);
    let told = comparison.notes.join("\n");
    for note in
        ["A has only ", "B has only ", "the plans differ, ", "the models differ: tiny-chat-0.5b against none"]
    {
        assert!(told.contains(note), "{told}");
    }

    let mut nothing = one.clone();
    nothing.measurements = Default::default();
    let comparison = compare(&one, &nothing);
    assert_eq!(comparison.conclusion, Conclusion::NotComparable);
    assert_eq!(comparison.summary, "A and B have nothing that can be compared");
}

#[test]
fn what_was_defined_or_told_otherwise_is_not_compared() {
    let traffic = Traffic { requests: 100, ..Traffic::default() };
    let (mut one, mut other) = (run(1, &traffic), run(2, &traffic));
    for report in [&mut one, &mut other] {
        let objective = |text: &str| text.parse::<Objective>().unwrap().evaluate(&report.figures());
        report.slo = ["failed<=5", "first_content_ms_p99<500"].map(objective).to_vec();
    }
    other.slo.reverse();
    other.measurements.counts.without_usage = 1;
    let comparison = compare(&one, &other);
    let reason = |comparison: &Comparison, name: &str| {
        let figure = comparison.figures.iter().find(|figure| figure.name == name).unwrap();
        figure.reason.clone()
    };
    assert_eq!(reason(&comparison, "goodput_requests_per_second"), None);
    let usage = Some("B: not every answer came with its usage".to_owned());
    assert_eq!(reason(&comparison, "completion_tokens_per_second"), usage);
    assert_eq!(reason(&comparison, "prompt_tokens_per_second"), usage);
    // What is asked of the run as a whole makes no request good.
    other.slo.retain(|verdict| !verdict.expression.starts_with("failed"));
    assert_eq!(reason(&compare(&one, &other), "valid_goodput_ratio"), None);
    other.slo.clear();
    other.measurements.counts.without_usage = other.measurements.completed();
    let comparison = compare(&one, &other);
    for name in ["valid_goodput_ratio", "goodput_requests_per_second"] {
        let reason = reason(&comparison, name);
        assert_eq!(reason.as_deref(), Some("what is good meets the objectives, and theirs differ"), "{name}");
    }
    assert_eq!(reason(&comparison, "requests_per_second"), None);
    let nothing = Some("B: nothing was measured".to_owned());
    assert_eq!(reason(&comparison, "completion_tokens_per_second"), nothing);
}

#[test]
fn a_comparison_is_told_in_a_screen() {
    let traffic = Traffic { requests: 2_000, ..Traffic::default() };
    let slower =
        Traffic { first_content_ms: traffic.first_content_ms * 1.2, failing: 0.0, ..traffic.clone() };
    let comparison = compare(&run(1, &traffic), &run(2, &slower));
    insta::assert_snapshot!(comparison::terminal::render(&comparison, Style::PLAIN));
    let coloured = comparison::terminal::render(&comparison, Style::COLOURED);
    assert!(coloured.contains("\x1b[1;31m  worse\x1b[0m"), "{coloured}");
    let back: Comparison = serde_json::from_str(&comparison.to_json().unwrap()).unwrap();
    assert_eq!(back, comparison);
}

#[test]
fn of_a_series_it_is_told_which_run_is_compared() {
    let (series, alone) = (sample::rich(), LoadReport { series: None, ..sample::rich() });
    let is_told = |comparison: &Comparison, side: &str| {
        let told = format!("{side} is a series of ");
        comparison
            .notes
            .iter()
            .any(|note| note.starts_with(&told) && note.contains(" of which one is compared"))
    };
    let comparison = compare(&series, &alone);
    assert!(is_told(&comparison, "A") && !is_told(&comparison, "B"), "{:?}", comparison.notes);
}
