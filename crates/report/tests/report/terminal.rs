//! What a terminal shows.

use interference_report::terminal::{self, Style, WIDTH};
use interference_report::{Level, Verdict};
use proptest::prelude::*;
use unicode_width::UnicodeWidthChar;

use crate::{generated, sample};

fn is_command(line: &str) -> bool {
    line.starts_with("   repeat   ")
}

#[test]
fn a_run_with_everything() {
    insta::assert_snapshot!(terminal::render(&sample::rich(), Style::PLAIN));
}

#[test]
fn a_run_without_a_failure_is_short() {
    let slugs = ["sse.content-type", "sse.done-last", "chunk.object", "life.reuse"];
    let cases = slugs.map(|slug| sample::case(slug, Level::Must, Verdict::Pass, "well"));
    insta::assert_snapshot!(terminal::render(&sample::document(cases.to_vec()), Style::PLAIN));
}

#[test]
fn many_failures_leave_the_end_in_sight() {
    let cases = (0..137).map(|number| {
        let slug = format!("section{}.case-{number}", number / 10);
        sample::case(&slug, Level::Must, Verdict::Fail, "words without an end ".repeat(30).trim())
    });
    let verdicts = sample::document(cases.collect());
    let text = terminal::render(&verdicts, Style::PLAIN);
    assert!(text.ends_with("    cases   137 in 8.2 s · 137 FAIL\n137 MUSTs broken\n"), "{text}");
    for case in &verdicts.cases {
        let told = text.lines().filter(|line| {
            let mut words = line.split_whitespace();
            matches!(words.next(), Some("FAIL" | "✗")) && words.next() == Some(&case.slug)
        });
        assert_eq!(told.count(), 1, "{}", case.slug);
    }
    assert!(text.lines().count() < 450, "{}", text.lines().count());
}

#[test]
fn with_shoulds_that_count_they_are_told_in_full() {
    let mut verdicts = sample::rich();
    verdicts.level = Level::Should;
    let text = terminal::render(&verdicts, Style::PLAIN);
    assert!(text.contains("NON-STRICT  sse.cache-control\n            The requirement"), "{text}");
    assert!(
        text.ends_with(
            "2 MUSTs broken, 1 SHOULD broken, 1 stale entry in the baseline, the judge itself failed in 1 case\n"
        ),
        "{text}"
    );
}

#[test]
fn a_conclusion_says_no_more_than_was_judged() {
    let conclusion = |verdict, in_baseline| {
        let mut case = sample::case("sse.utf8", Level::Must, verdict, "");
        case.in_baseline = in_baseline;
        sample::document(vec![case]).conclusion()
    };
    assert_eq!(conclusion(Verdict::Inconclusive, false), "nothing was judged");
    assert_eq!(conclusion(Verdict::Pass, false), "no MUST is broken");
    assert_eq!(conclusion(Verdict::Fail, true), "no MUST is broken beyond the 1 of the baseline");
    assert_eq!(
        conclusion(Verdict::HarnessError, false),
        "nothing was judged, the judge itself failed in 1 case"
    );
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let verdicts = sample::rich();
    let coloured = terminal::render(&verdicts, Style::COLOURED);
    assert!(coloured.contains("\x1b[1;31mFAIL\x1b[0m"), "{coloured}");
    let mut uncoloured = coloured;
    for parameters in ["0", "1", "2", "32", "33", "1;31", "1;35"] {
        uncoloured = uncoloured.replace(&format!("\x1b[{parameters}m"), "");
    }
    assert_eq!(uncoloured, terminal::render(&verdicts, Style::PLAIN));
}

#[test]
fn a_case_that_was_just_judged_takes_a_line() {
    let case = &sample::rich().cases[1];
    assert_eq!(
        terminal::progress_line(case, Style::PLAIN),
        "✗ FAIL           sse.done-last  the body ended after event 4, `data: {\"choices\":[…]}`, without `[DO…"
    );
    let case = &sample::rich().cases[0];
    assert_eq!(terminal::progress_line(case, Style::PLAIN), "✓ PASS           sse.content-type");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lines_fit_and_carry_nothing_out(verdicts in generated::verdicts()) {
        let text = terminal::render(&verdicts, Style::PLAIN);
        for line in text.lines().filter(|line| !is_command(line)) {
            let columns: usize = line.chars().filter_map(UnicodeWidthChar::width).sum();
            prop_assert!(columns <= WIDTH, "{}", line);
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        }
    }
}
