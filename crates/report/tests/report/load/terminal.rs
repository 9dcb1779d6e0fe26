//! What a terminal shows of a run.

use interference_report::load::{LoadReport, Measurements, terminal};
use interference_report::terminal::{Style, WIDTH};
use unicode_width::UnicodeWidthChar;

use super::sample::{self, Traffic};
use crate::sample::HOSTILE;

#[test]
fn a_run_with_everything() {
    insta::assert_snapshot!(terminal::render(&sample::rich(), Style::PLAIN));
}

#[test]
fn a_sound_run_is_short() {
    let traffic = Traffic { first_content_ms: 80.0, failing: 0.0, ..Traffic::default() };
    insta::assert_snapshot!(terminal::render(&sample::report(&traffic), Style::PLAIN));
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let coloured = terminal::render(&sample::rich(), Style::COLOURED);
    assert!(coloured.contains("\x1b[1;31mNOT CERTIFIED"), "{coloured}");
    let mut uncoloured = coloured;
    for parameters in ["0", "1", "2", "32", "33", "1;31", "1;35"] {
        uncoloured = uncoloured.replace(&format!("\x1b[{parameters}m"), "");
    }
    assert_eq!(uncoloured, terminal::render(&sample::rich(), Style::PLAIN));
}

/// The sample, in which every text that may come from outside is a hostile one.
pub(super) fn hostile() -> LoadReport {
    let mut report = sample::rich();
    let hostile = || HOSTILE.to_owned();
    for text in [&mut report.command, &mut report.target, &mut report.started_at] {
        *text = hostile();
    }
    (report.target_name, report.model) = (Some(hostile()), Some(hostile()));
    (report.tool.name, report.tool.version) = (hostile(), hostile());
    (report.plan.arrivals, report.plan.endpoint, report.plan.work) = (hostile(), hostile(), hostile());
    (report.plan.rate, report.plan.concurrency) = (Some(hostile()), Some(hostile()));
    report.notes = vec![hostile()];
    report.slo.iter_mut().for_each(|slo| slo.expression = hostile());
    report.series.as_mut().unwrap().variable = hostile();
    report.measurements.errors = [(hostile(), 3)].into();
    report.measurements.streams.lines.iter_mut().for_each(|line| line.outcome = hostile());
    report
}

#[test]
fn lines_fit_and_carry_nothing_out() {
    let mut empty = sample::rich();
    empty.measurements = Measurements::default();
    empty.certificates.clear();
    for report in [sample::rich(), hostile(), empty] {
        for line in terminal::render(&report, Style::PLAIN).lines() {
            let columns: usize = line.chars().filter_map(UnicodeWidthChar::width).sum();
            assert!(columns <= WIDTH, "{line}");
            assert!(
                !line.chars().any(|character| character.is_control() || character == '\u{202e}'),
                "{line:?}"
            );
        }
    }
}
