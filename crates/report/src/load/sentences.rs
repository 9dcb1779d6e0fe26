//! What is said of a run in words, the same in every form.

use super::certificate::{Calibration, Quantiles};
use super::document::{LoadReport, Plan, Shard};
use super::figure::{Figure, RunFigure, Statistic};
use super::measure::Measure;
use super::number::{amount, counted, grouped, percent};
use crate::duration::duration;
use crate::terminal::Ink;
use crate::visible::one_line;

/// Shards that are named one by one.
const MOST_NAMED: usize = 12;

/// What was to be done: `poisson arrivals, 50 a second for 60.0 s; chat: 200 tokens in, 64 out; seed 7`.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut text = match plan.arrivals.as_str() {
        "closed" => "a closed loop".to_owned(),
        "trace" => "the arrivals of a trace".to_owned(),
        other => format!("{other} arrivals"),
    };
    if let Some(rate) = &plan.rate {
        text.push_str(&format!(", {rate} a second"));
    }
    if let Some(concurrency) = &plan.concurrency {
        text.push_str(&format!(", {concurrency} at once"));
    }
    text.push_str(&format!(" for {}", duration(plan.duration_ms)));
    if plan.warmup_ms > 0.0 {
        text.push_str(&format!(" after {} to warm up", duration(plan.warmup_ms)));
    }
    format!("{text}; {}: {}; seed {}", plan.endpoint, plan.work, plan.seed)
}

/// `0/4, 1/4`; of many, how many.
pub(crate) fn shards(shards: &[Shard]) -> String {
    let of = shards.first().map_or(0, |shard| shard.of);
    if shards.len() > MOST_NAMED {
        return format!("{} of {of}", shards.len());
    }
    shards.iter().map(|shard| format!("{}/{}", shard.index, shard.of)).collect::<Vec<_>>().join(", ")
}

/// What the tester has found out about its own error.
pub(crate) fn own_error(report: &LoadReport) -> String {
    let calibrations: Vec<&Calibration> = calibrations(report).collect();
    let worst = |quantiles: fn(&Calibration) -> Option<Quantiles>| {
        let values = calibrations.iter().filter_map(|calibration| quantiles(calibration));
        values.map(|quantiles| quantiles.p99).reduce(f64::max)
    };
    let Some(first_content) = worst(|calibration| calibration.first_content_error_ms) else {
        return "not known: the tester did not measure itself".to_owned();
    };
    let mut text = format!("{} ms on first content", amount(first_content));
    if let Some(between_chunks) = worst(|calibration| calibration.between_chunks_error_ms) {
        text.push_str(&format!(" and {} ms between chunks", amount(between_chunks)));
    }
    text.push_str(" at the 99th percentile");
    if let Some(bounds) = report.certificates.first().map(|certificate| certificate.bounds) {
        text.push_str(&format!(
            " (bounds {} and {})",
            bounds.first_content_ms_p99, bounds.between_chunks_ms_p99
        ));
    }
    let streams = calibrations.iter().map(|calibration| calibration.streams).max().unwrap_or(0);
    let chunks = calibrations.iter().map(|calibration| calibration.chunks_per_second).fold(0.0, f64::max);
    let stall =
        report.certificates.iter().map(|certificate| certificate.during.longest_stall_ms).fold(0.0, f64::max);
    text.push_str(&format!(
        ", against its own server with {} and {} chunks/s; longest stall during the run {} ms",
        counted(streams, "stream", "streams"),
        amount(chunks),
        amount(stall)
    ));
    if report.certificates.len() > 1 {
        text.push_str(&format!("; the worst of {} machines", report.certificates.len()));
    }
    text
}

/// Every time that a tester measured itself.
pub(crate) fn calibrations(report: &LoadReport) -> impl Iterator<Item = &Calibration> {
    report.certificates.iter().flat_map(|certificate| certificate.before.iter().chain(&certificate.after))
}

/// Which requests were not sent at their time, and how it is to be shown.
pub(crate) fn late(report: &LoadReport) -> (String, Ink) {
    let counts = &report.measurements.counts;
    let unsent = counts.scheduled.saturating_sub(counts.sent);
    let mut text = match counts.late {
        0 => "no request was sent late".to_owned(),
        late => format!(
            "{} sent more than {} ms after their time ({} at most), by the tester's own fault",
            counted(late, "request was", "requests were"),
            report.plan.late_after_ms,
            report
                .number(Figure::Measured(Measure::Lateness, Statistic::Max))
                .map_or_else(|| "unknown".to_owned(), |most| format!("{} ms", amount(most)))
        ),
    };
    if unsent > 0 {
        text.push_str(&format!("; {} never sent", counted(unsent, "request was", "requests were")));
    }
    let ink = if counts.late > 0 || unsent > 0 { Ink::Doubtful } else { Ink::Plain };
    (text, ink)
}

/// All of it in one sentence.
pub(crate) fn conclusion(report: &LoadReport) -> String {
    let counts = &report.measurements.counts;
    let good = report.number(Figure::Run(RunFigure::ValidGoodputRatio)).unwrap_or(0.0);
    let mut text = if report.slo.is_empty() {
        format!(
            "{} of {} were sound to the end",
            percent(good),
            counted(counts.scheduled, "request", "requests")
        )
    } else {
        match report.slo.iter().filter(|slo| !slo.met).count() {
            0 if report.slo.len() == 1 => "the objective is met".to_owned(),
            0 => format!("all {} objectives are met", report.slo.len()),
            missed => {
                format!("{missed} of {} missed", counted(report.slo.len() as u64, "objective", "objectives"))
            }
        }
    };
    let failed = report.measurements.failed();
    if failed > 0 {
        text.push_str(&format!(", {} failed", counted(failed, "request", "requests")));
    }
    if !report.certified() {
        text.push_str(", and the numbers are not certified");
    }
    text
}

/// What a series was about, in words.
pub(crate) fn variable(name: &str) -> String {
    match name {
        "rate" => "rate, requests a second".to_owned(),
        "concurrency" => "concurrency, requests at once".to_owned(),
        "fault_probability" => "probability of a fault".to_owned(),
        other => one_line(other).replace('_', " "),
    }
}

/// The value of what was changed in a series.
pub(crate) fn at(name: &str, value: f64) -> String {
    match name {
        "fault_probability" => percent(value),
        _ if value.fract() == 0.0 && (0.0..1e15).contains(&value) => grouped(value as u64),
        _ => amount(value),
    }
}
