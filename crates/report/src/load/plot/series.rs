//! The runs of a series: what became of goodput and latency as one thing was changed.

use serde_json::Value;

use super::chart::{Chart, FOOT, Hint, Ink, LEFT, Line, Mark, RIGHT, TOP, path};
use super::scale::Scale;
use crate::load::number::{amount, percent};
use crate::load::sentences;
use crate::load::series::{Point, Series};

const HEIGHT: f64 = 260.0;

/// The share of good requests in each run.
pub(crate) fn goodput(series: &Series) -> Option<Chart> {
    let y = Scale::between(0.0, 1.0, HEIGHT - FOOT, TOP);
    let chart = chart(series, &[("valid_goodput_ratio", "good of the scheduled", Ink::Third)], &y, percent)?;
    Some(Chart {
        summary: format!("goodput against {}", sentences::variable(&series.variable)),
        y_label: "good of the scheduled".to_owned(),
        y_ticks: y.ticks_with(percent),
        ..chart
    })
}

/// The quantiles of first content in each run.
pub(crate) fn latency(series: &Series) -> Option<Chart> {
    let told = [
        ("first_content_ms_p50", "first content p50", Ink::First),
        ("first_content_ms_p99", "first content p99", Ink::Second),
        ("between_chunks_ms_p99", "between chunks p99", Ink::Fourth),
    ];
    let values =
        || series.points.iter().flat_map(|point| told.iter().filter_map(|(name, ..)| figure(point, name)));
    let greatest = values().reduce(f64::max)?;
    let least = values().filter(|value| *value > 0.0).reduce(f64::min)?;
    let y = Scale::decades(least, greatest, HEIGHT - FOOT, TOP);
    let in_ms = |value| format!("{} ms", amount(value));
    Some(Chart {
        summary: format!("latency against {}", sentences::variable(&series.variable)),
        y_label: "ms".to_owned(),
        y_ticks: y.ticks(),
        ..chart(series, &told, &y, in_ms)?
    })
}

fn chart(
    series: &Series,
    told: &[(&str, &str, Ink)],
    y: &Scale,
    text: impl Fn(f64) -> String,
) -> Option<Chart> {
    let greatest = series.points.iter().map(|point| point.at).reduce(f64::max)?;
    let x = Scale::from_zero(greatest, LEFT, RIGHT);
    let lines = told.iter().map(|(name, words, ink)| {
        let places = |point: &Point| Some((x.place(point.at), y.place(figure(point, name)?)));
        let marks = series.points.iter().filter_map(|point| {
            let (x, y) = places(point)?;
            Some(Mark { x, y, is_sound: point.met })
        });
        Line {
            name: (*words).to_owned(),
            ink: *ink,
            path: path(series.points.iter().map(places)),
            marks: marks.collect(),
        }
    });
    let hints = series.points.iter().map(|point| {
        let values = told
            .iter()
            .filter_map(|(name, words, _)| Some(format!("{words} {}", text(figure(point, name)?))));
        let values = values.collect::<Vec<_>>().join(", ");
        let met = if point.met { "objectives met" } else { "objectives missed" };
        let certified = if point.certified { "" } else { ", not certified" };
        let at = sentences::at(&series.variable, point.at);
        Hint { x: x.place(point.at) - 10.0, width: 20.0, text: format!("{at}: {values}; {met}{certified}") }
    });
    Some(Chart {
        summary: String::new(),
        height: HEIGHT,
        x_label: sentences::variable(&series.variable),
        x_ticks: x.ticks_with(|value| sentences::at(&series.variable, value)),
        y_label: String::new(),
        y_ticks: Vec::new(),
        band: None,
        lines: lines.collect(),
        hints: hints.collect(),
    })
}

fn figure(point: &Point, name: &str) -> Option<f64> {
    point.figures.get(name).and_then(Value::as_f64)
}
