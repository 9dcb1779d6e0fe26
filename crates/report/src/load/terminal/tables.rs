//! The tables of the view: measures, errors by kind, objectives, and the runs of a series.

use serde_json::{Map, Value};

use crate::load::document::LoadReport;
use crate::load::figure::{Figure, Statistic};
use crate::load::measure::Measure;
use crate::load::number::{amount, exact, grouped, in_words, percent, unit};
use crate::load::sentences;
use crate::terminal::{Ink, Page};
use crate::visible::one_line;
use crate::wrapping::{columns, fitted};

/// Columns of a name, and of a number.
const NAME: usize = 26;
const NUMBER: usize = 11;
/// The columns of measures.
const STATISTICS: [Statistic; 4] = [Statistic::P50, Statistic::P90, Statistic::P99, Statistic::Max];
/// Kinds of errors, objectives and runs that are told; the other forms have all.
const MOST_ROWS: usize = 20;

/// A line for each measure that has values; those that only count from another time are left to the other forms.
pub(super) fn measures(page: &mut Page, report: &LoadReport) {
    let told = Measure::ALL.into_iter().filter(|measure| !measure.name().contains("_from_sent"));
    let told: Vec<Measure> =
        told.filter(|measure| report.number(Figure::Measured(*measure, Statistic::P50)).is_some()).collect();
    if told.is_empty() {
        return;
    }
    page.gap();
    let names = STATISTICS.map(|statistic| format!("{:>NUMBER$}", statistic.name()));
    page.line(&page.style.paint(&format!("{:NAME$}{}", "measure", names.concat()), Ink::Faint));
    for measure in told {
        let name = format!("{} {}", in_words(measure), unit(measure));
        let numbers = STATISTICS.map(|statistic| {
            let number = report.number(Figure::Measured(measure, statistic)).map(amount);
            format!("{:>NUMBER$}", number.unwrap_or_default())
        });
        page.line(&format!("{:NAME$}{}", name.trim_end(), numbers.concat()));
    }
}

/// What went wrong, the most frequent first.
pub(super) fn errors(page: &mut Page, report: &LoadReport) {
    let mut errors: Vec<(&String, u64)> =
        report.measurements.errors.iter().map(|(kind, count)| (kind, *count)).collect();
    errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if errors.is_empty() {
        return;
    }
    page.gap();
    page.line(&page.style.paint("errors, whose latencies count nowhere", Ink::Faint));
    for (kind, count) in errors.iter().take(MOST_ROWS) {
        let line = fitted(&format!("{:>NUMBER$}  {}", grouped(*count), one_line(kind)), page.style.columns());
        page.line(&page.style.paint(&line, Ink::Bad));
    }
    more(page, errors.len(), "kinds");
}

/// What was asked, and what became of it.
pub(super) fn objectives(page: &mut Page, report: &LoadReport) {
    if report.slo.is_empty() {
        return;
    }
    page.gap();
    page.line(&page.style.paint("objectives", Ink::Faint));
    let widest = report
        .slo
        .iter()
        .map(|slo| columns(&one_line(&slo.expression)))
        .max()
        .unwrap_or(0)
        .min(page.style.columns() / 2);
    for slo in report.slo.iter().take(MOST_ROWS) {
        let (mark, ink) = if slo.met { ("✓", Ink::Good) } else { ("✗", Ink::Bad) };
        let value = slo.value.map_or_else(|| "nothing was measured".to_owned(), exact);
        let expression = fitted(&one_line(&slo.expression), widest);
        let padding = " ".repeat(widest - columns(&expression));
        page.line(&format!("  {} {expression}{padding}   {value}", page.style.paint(mark, ink)));
    }
    more(page, report.slo.len(), "objectives");
}

/// A line for each run of a series.
pub(super) fn series(page: &mut Page, report: &LoadReport) {
    let Some(series) = &report.series else { return };
    page.gap();
    let head = format!(
        "{:>16}{:>NUMBER$}{:>NUMBER$}{:>15}{:>15}{:>15}",
        fitted(&one_line(&series.variable), 15),
        "goodput",
        "req/s",
        "content p50 ms",
        "content p99 ms",
        "chunks p99 ms"
    );
    page.line(&page.style.paint(&head, Ink::Faint));
    for point in series.points.iter().take(MOST_ROWS) {
        let told =
            |name: &str, told: fn(f64) -> String| number(&point.figures, name).map_or("–".to_owned(), told);
        let line = format!(
            "{:>14}{:>NUMBER$}{:>NUMBER$}{:>15}{:>15}{:>15}",
            fitted(&sentences::at(&series.variable, point.at), 14),
            told("valid_goodput_ratio", percent),
            told("requests_per_second", amount),
            told("first_content_ms_p50", amount),
            told("first_content_ms_p99", amount),
            told("between_chunks_ms_p99", amount)
        );
        let (mark, ink) = if point.met { ("✓", Ink::Good) } else { ("✗", Ink::Bad) };
        let doubt = if point.certified { "" } else { "  not certified" };
        page.line(&format!(
            "{} {line}{}",
            page.style.paint(mark, ink),
            page.style.paint(doubt, Ink::Doubtful)
        ));
    }
    more(page, series.points.len(), "runs");
    let highest = match series.highest {
        Some(highest) => format!("held up to {}", sentences::at(&series.variable, highest)),
        None if series.points.iter().any(|point| point.met) => return,
        None => "the objectives held nowhere".to_owned(),
    };
    page.labelled("highest", &highest, Ink::Strong);
}

fn number(figures: &Map<String, Value>, name: &str) -> Option<f64> {
    figures.get(name).and_then(Value::as_f64)
}

fn more(page: &mut Page, all: usize, what: &str) {
    if all > MOST_ROWS {
        page.line(&format!("  and {} {what} more; `--report html=FILE` has them all", all - MOST_ROWS));
    }
}
