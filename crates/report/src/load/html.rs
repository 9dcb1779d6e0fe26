//! A run of load as a page with plots: one file, which loads nothing and needs no scripts.
//!
//! Owns what the template `load/report.html` shows, and in which order: figures and certificate first, then pictures, each
//! with the numbers that it is drawn from. Every text of a document passes through [`shown`], and is escaped by the
//! template engine.

use askama::Template;

use super::certificate::{Calibration, Quantiles};
use super::document::LoadReport;
use super::figure::{Figure, RunFigure, Statistic};
use super::measure::Measure;
use super::number::{amount, counted, exact, grouped, in_words, percent, unit};
use super::plot::{self, Chart, Clock, StreamChart};
use super::sentences;
use super::series::{Point, Series};
use super::streams::StreamLine;
use super::timeline::Interval;
use crate::duration::duration;
use crate::error::ReportError;
use crate::visible::one_line as shown;

/// Rows of a table; the CSV and the document have all.
const MOST_ROWS: usize = 600;

#[derive(Template)]
#[template(path = "load/report.html")]
struct Page<'a> {
    report: &'a LoadReport,
    objections: Vec<String>,
    headlines: Vec<Headline>,
    series_pictures: Vec<Picture>,
    pictures: Vec<Picture>,
    streams: Vec<StreamChart>,
    measures: Vec<MeasureRow>,
    errors: Vec<(&'a String, u64)>,
}

/// One big number.
struct Headline {
    name: &'static str,
    value: String,
    /// What it is of, in a few words.
    note: String,
}

/// A chart under its title.
struct Picture {
    title: String,
    chart: Chart,
}

/// What is told of a measure.
struct MeasureRow {
    name: String,
    unit: &'static str,
    values: u64,
    /// By [`Statistic::ALL`].
    numbers: Vec<String>,
}

/// The page.
///
/// # Errors
/// [`ReportError::Unwritable`] where the template engine fails, which no document should bring about.
pub fn render(report: &LoadReport) -> Result<String, ReportError> {
    let mut errors: Vec<(&String, u64)> =
        report.measurements.errors.iter().map(|(kind, count)| (kind, *count)).collect();
    errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let clocks = [Clock::Answer, Clock::Run];
    let page = Page {
        report,
        objections: report.objections(),
        headlines: headlines(report),
        series_pictures: report.series.as_ref().map(series_pictures).unwrap_or_default(),
        pictures: pictures(report),
        streams: clocks
            .into_iter()
            .filter_map(|clock| StreamChart::of(&report.measurements.streams, clock))
            .collect(),
        measures: Measure::ALL.into_iter().filter_map(|measure| measure_row(report, measure)).collect(),
        errors,
    };
    page.render().map_err(|error| ReportError::Unwritable { form: "HTML", reason: error.to_string() })
}

fn headlines(report: &LoadReport) -> Vec<Headline> {
    let run = |figure| report.number(Figure::Run(figure)).unwrap_or(0.0);
    let counts = &report.measurements.counts;
    let mut headlines = vec![
        Headline {
            name: "goodput",
            value: percent(run(RunFigure::ValidGoodputRatio)),
            note: format!("{} of {}", grouped(counts.good), counted(counts.scheduled, "request", "requests")),
        },
        Headline {
            name: "requests a second",
            value: amount(run(RunFigure::RequestsPerSecond)),
            note: format!("{} of them good", amount(run(RunFigure::GoodputRequestsPerSecond))),
        },
        Headline {
            name: "tokens a second",
            value: amount(run(RunFigure::CompletionTokensPerSecond)),
            note: format!("and {} read", amount(run(RunFigure::PromptTokensPerSecond))),
        },
    ];
    let measured = [
        ("first content", Measure::FirstContent),
        ("between chunks", Measure::BetweenChunks),
        ("time per output token", Measure::TimePerOutputToken),
    ];
    headlines.extend(measured.into_iter().filter_map(|(name, measure)| {
        let number = |statistic| report.number(Figure::Measured(measure, statistic)).map(amount);
        Some(Headline {
            name,
            value: format!("{} ms", number(Statistic::P50)?),
            note: format!("median; p99 {} ms", number(Statistic::P99)?),
        })
    }));
    headlines
}

fn series_pictures(series: &Series) -> Vec<Picture> {
    let by = shown(&series.variable).replace('_', " ");
    let charts = [("Goodput", plot::goodput(series)), ("Latency", plot::latency(series))];
    let charts = charts.into_iter().filter_map(|(title, chart)| Some((title, chart?)));
    charts.map(|(title, chart)| Picture { title: format!("{title} by {by}"), chart }).collect()
}

fn pictures(report: &LoadReport) -> Vec<Picture> {
    let measured = &report.measurements;
    let timeline = &measured.timeline;
    let first_content = plot::over_time(timeline, Measure::FirstContent, |interval| &interval.first_content);
    let between_chunks =
        plot::over_time(timeline, Measure::BetweenChunks, |interval| &interval.between_chunks);
    let charts = [
        ("First content over time", first_content),
        ("Between chunks over time", between_chunks),
        ("Percentiles", plot::curves(&measured.histograms)),
        ("Arrivals and completions", plot::rates(timeline)),
        ("In flight", plot::in_flight(timeline)),
    ];
    let charts = charts.into_iter().filter_map(|(title, chart)| Some((title, chart?)));
    charts.map(|(title, chart)| Picture { title: title.to_owned(), chart }).collect()
}

fn measure_row(report: &LoadReport, measure: Measure) -> Option<MeasureRow> {
    let histogram = report.measurements.histograms.get(&measure).filter(|histogram| !histogram.is_empty())?;
    let numbers = Statistic::ALL
        .map(|statistic| report.number(Figure::Measured(measure, statistic)).map(amount).unwrap_or_default());
    Some(MeasureRow {
        name: in_words(measure),
        unit: unit(measure),
        values: histogram.len(),
        numbers: numbers.to_vec(),
    })
}

/// Numbers of a template, which passes them by reference.
fn number(value: &f64) -> String {
    exact(*value)
}

fn count(number: &u64) -> String {
    grouped(*number)
}

fn lasted(milliseconds: &f64) -> String {
    duration(*milliseconds)
}

fn highest(series: &Series, at: &f64) -> String {
    sentences::at(&series.variable, *at)
}

/// Cells of an interval: when it began, its counts, and the quantiles that the pictures show.
fn interval_cells(report: &LoadReport, index: &usize, interval: &Interval) -> Vec<String> {
    let seconds = *index as f64 * report.measurements.timeline.interval_ms as f64 / 1e3;
    let counts = [
        interval.scheduled,
        interval.sent,
        interval.completed,
        interval.good,
        interval.errors,
        interval.in_flight,
        interval.chunks,
    ];
    let histograms = [&interval.first_content, &interval.between_chunks];
    let quantiles = histograms.into_iter().flat_map(|histogram| {
        [0.5, 0.9, 0.99].map(|quantile| {
            histogram.quantile(quantile).map(|micros| amount(micros as f64 / 1e3)).unwrap_or_default()
        })
    });
    std::iter::once(seconds.to_string()).chain(counts.map(grouped)).chain(quantiles).collect()
}

/// Cells of an answer: times are from when it was to be sent.
fn stream_cells(line: &StreamLine) -> Vec<String> {
    let after = |millis: f64| amount(millis - line.scheduled_ms);
    vec![
        grouped(line.arrival),
        amount(line.scheduled_ms),
        line.sent_ms.map(after).unwrap_or_default(),
        line.headers_ms.map(after).unwrap_or_default(),
        line.chunks_ms.first().map(|first| after(*first)).unwrap_or_default(),
        grouped(line.chunks_ms.len() as u64),
        after(line.ended_ms),
    ]
}

/// Cells of a run of a series.
fn point_cells(series: &Series, point: &Point) -> Vec<String> {
    let number = |name: &str| point.figures.get(name).and_then(serde_json::Value::as_f64);
    let told = |name: &str| number(name).map(amount).unwrap_or_default();
    vec![
        sentences::at(&series.variable, point.at),
        number("valid_goodput_ratio").map(percent).unwrap_or_default(),
        told("requests_per_second"),
        told("first_content_ms_p50"),
        told("first_content_ms_p99"),
        told("between_chunks_ms_p99"),
        told("failed"),
    ]
}

/// A row about each time that a tester measured itself.
fn calibration_rows(report: &LoadReport) -> Vec<(String, Vec<String>)> {
    let several = report.certificates.len() > 1;
    let rows = report.certificates.iter().enumerate().flat_map(|(machine, certificate)| {
        let calibrations = [("before", &certificate.before), ("after", &certificate.after)];
        calibrations.into_iter().filter_map(move |(when, calibration)| {
            let machine = if several { format!("machine {machine}, ") } else { String::new() };
            Some((format!("{machine}{when} the run"), calibration_cells(calibration.as_ref()?)))
        })
    });
    rows.take(MOST_ROWS).collect()
}

fn calibration_cells(calibration: &Calibration) -> Vec<String> {
    let told = |quantiles: Option<Quantiles>| {
        quantiles.map_or_else(
            || "nothing came".to_owned(),
            |error| format!("{} / {} / {}", amount(error.p50), amount(error.p99), amount(error.max)),
        )
    };
    vec![
        grouped(calibration.streams),
        amount(calibration.chunks_per_second),
        grouped(calibration.requests),
        grouped(calibration.errors),
        told(calibration.first_content_error_ms),
        told(calibration.between_chunks_error_ms),
        amount(calibration.longest_stall_ms),
    ]
}
