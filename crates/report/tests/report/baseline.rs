//! Baselines, applied and written.

use interference_report::{Baseline, Level, Verdict, Verdicts, baseline};

use crate::sample;

fn known(verdicts: &Verdicts) -> Vec<String> {
    verdicts.cases.iter().map(|case| case.slug.clone()).collect()
}

fn apply(text: &str, verdicts: &mut Verdicts) {
    let known = known(verdicts);
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    Baseline::parse(text, &known).unwrap().apply(verdicts);
}

#[test]
fn a_baseline_of_a_run_with_everything() {
    let text = baseline::render(&sample::rich());
    insta::assert_snapshot!(text);
}

#[test]
fn a_run_is_sound_with_the_baseline_that_it_has_written() {
    for level in [Level::Must, Level::Should] {
        let mut verdicts = sample::rich();
        verdicts.level = level;
        apply("", &mut verdicts);
        assert!(!verdicts.is_sound());
        let text = baseline::render(&verdicts);
        apply(&text, &mut verdicts);
        assert!(verdicts.is_sound());
        assert_eq!((verdicts.summary.unexpected, verdicts.stale_baseline.len()), (0, 0));
        assert_eq!(baseline::render(&verdicts), text, "what is known is written again");
    }
}

#[test]
fn an_entry_is_stale_where_its_case_holds() {
    for verdict in Verdict::ALL {
        let mut verdicts = sample::document(vec![sample::case("sse.utf8", Level::Must, verdict, "")]);
        apply("sse.utf8 # once", &mut verdicts);
        assert!(verdicts.cases[0].in_baseline);
        assert_eq!(verdicts.stale_baseline.is_empty(), verdict != Verdict::Pass, "{verdict:?}");
        assert_eq!(verdicts.is_sound(), verdict != Verdict::Pass, "{verdict:?}");
    }
    let mut without = sample::document(Vec::new());
    Baseline::parse("sse.utf8", &["sse.utf8"]).unwrap().apply(&mut without);
    assert!(without.is_sound(), "a case that was not run says nothing");
}

#[test]
fn what_is_unexpected_depends_on_the_level() {
    let mut verdicts = sample::rich();
    apply("sse.one-json", &mut verdicts);
    assert_eq!(verdicts.summary.unexpected, 2);
    verdicts.level = Level::Should;
    verdicts.recount();
    assert_eq!(verdicts.summary.unexpected, 3);
    let summary = &verdicts.summary;
    let counts = [
        summary.fail,
        summary.harness_error,
        summary.non_strict,
        summary.inconclusive,
        summary.unsupported,
        summary.not_applicable,
        summary.skip,
        summary.pass,
    ];
    assert_eq!((counts, summary.total), ([3, 1, 1, 1, 2, 1, 1, 2], 12));
}
