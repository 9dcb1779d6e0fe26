//! A table of what happened when: a row for each interval of a run.
//!
//! RFC 4180: lines end in CR LF (section 2, 1), the first one names the columns (2, 3), every line has as many fields (2,
//! 4). Every field is a number or empty, so none is quoted (2, 5). Times are milliseconds, with a point; a quantile of
//! nothing is empty.

use super::document::{LoadReport, in_unit};
use super::histogram::Histogram;
use super::measure::Measure;
use super::timeline::Interval;

/// The quantiles that are told of an interval.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];
/// The columns of counts.
const COUNTS: &str = "start_s,scheduled,sent,completed,good,errors,chunks,in_flight";

/// The table.
pub fn render(report: &LoadReport) -> String {
    let timeline = &report.measurements.timeline;
    let mut text = COUNTS.to_owned();
    for measure in [Measure::FirstContent, Measure::BetweenChunks] {
        for (name, _) in QUANTILES {
            text.push_str(&format!(",{measure}_{name}"));
        }
    }
    text.push_str("\r\n");
    for (index, interval) in timeline.intervals.iter().enumerate() {
        let start_s = index as f64 * timeline.interval_ms as f64 / 1e3;
        row(&mut text, start_s, interval);
    }
    text
}

fn row(text: &mut String, start_s: f64, interval: &Interval) {
    let Interval {
        scheduled,
        sent,
        completed,
        good,
        errors,
        chunks,
        in_flight,
        first_content,
        between_chunks,
    } = interval;
    text.push_str(&format!("{start_s},{scheduled},{sent},{completed},{good},{errors},{chunks},{in_flight}"));
    quantiles(text, Measure::FirstContent, first_content);
    quantiles(text, Measure::BetweenChunks, between_chunks);
    text.push_str("\r\n");
}

fn quantiles(text: &mut String, measure: Measure, histogram: &Histogram) {
    for (_, quantile) in QUANTILES {
        text.push(',');
        if let Some(value) = histogram.quantile(quantile) {
            text.push_str(&in_unit(measure, value as f64).to_string());
        }
    }
}
