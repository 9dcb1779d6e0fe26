//! The comparison as a page: one file, which loads nothing and has no scripts.

use askama::Template;

use super::{Change, ComparedFigure, Comparison, Conclusion, Side, Verdict};
use crate::error::ReportError;
use crate::load::number::{amount, grouped};
use crate::visible::one_line as shown;

/// Units of the bar that shows by how much a figure differs.
const BAR: f64 = 100.0;
/// The ratio that fills a half of it.
const FULL: f64 = 2.0;

#[derive(Template)]
#[template(path = "load/comparison.html")]
struct Page<'a> {
    comparison: &'a Comparison,
    sides: [(&'static str, &'a Side); 2],
    groups: Vec<(&'static str, Vec<&'a ComparedFigure>)>,
}

/// The page.
///
/// # Errors
/// [`ReportError::Unwritable`] where the template engine fails, which no comparison should bring about.
pub fn render(comparison: &Comparison) -> Result<String, ReportError> {
    let groups = [
        ("Beyond noise", Verdict::BeyondNoise),
        ("Within noise", Verdict::WithinNoise),
        ("Not comparable", Verdict::NotComparable),
    ];
    let groups = groups.map(|(title, verdict)| (title, comparison.of(verdict).collect::<Vec<_>>()));
    let page = Page {
        comparison,
        sides: [("A", &comparison.a), ("B", &comparison.b)],
        groups: groups.into_iter().filter(|(_, figures)| !figures.is_empty()).collect(),
    };
    page.render().map_err(|error| ReportError::Unwritable { form: "HTML", reason: error.to_string() })
}

/// The class of the one sentence.
fn class(conclusion: &Conclusion) -> &'static str {
    match conclusion {
        Conclusion::WithinNoise | Conclusion::Better => "sound",
        Conclusion::Worse | Conclusion::Mixed => "unsound",
        Conclusion::Different | Conclusion::NotComparable => "doubtful",
    }
}

/// The verdict on a figure in a word, and its class.
fn verdict(figure: &ComparedFigure) -> (&'static str, &'static str) {
    match figure.change {
        Some(Change::Worse) => ("✗ worse", "missed"),
        Some(Change::Better) => ("✓ better", "met"),
        Some(Change::Different) => ("~ differs", "unsure"),
        None if figure.verdict == Verdict::WithinNoise => ("= within noise", "faint"),
        None => ("? unknown", "faint"),
    }
}

fn count(number: &u64) -> String {
    grouped(*number)
}

fn number(value: &Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), amount)
}

fn ratio(value: &Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.3}"))
}

/// From where a bar goes, and how wide it is: to the right of the middle where B is more, by the logarithm of the ratio.
fn bar(figure: &ComparedFigure) -> (f64, f64) {
    let half = BAR / 2.0;
    let share = figure
        .ratio
        .filter(|ratio| *ratio > 0.0)
        .map_or(0.0, |ratio| (ratio.ln() / FULL.ln()).clamp(-1.0, 1.0));
    let width = (share.abs() * half * 10.0).round() / 10.0;
    (if share < 0.0 { half - width } else { half }, width)
}
