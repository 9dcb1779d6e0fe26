//! The values of measures by their percentiles, on an axis that gives each further nine as much room as the one before.

use std::collections::BTreeMap;

use super::chart::{Chart, FOOT, Ink, LEFT, Line, RIGHT, TOP, path};
use super::scale::{Scale, Tick};
use crate::load::document::in_unit;
use crate::load::histogram::Histogram;
use crate::load::measure::Measure;
use crate::load::number::in_words;

const HEIGHT: f64 = 340.0;
/// Nines of the axis, at most: up to the 99.9999th percentile.
const MOST_NINES: f64 = 6.0;
/// Points of a curve.
const POINTS: u32 = 240;
/// The measures that are drawn.
const MEASURES: [Measure; 5] = [
    Measure::FirstContent,
    Measure::BetweenChunks,
    Measure::Total,
    Measure::TimePerOutputToken,
    Measure::Headers,
];
/// Percentiles that are written, with their nines.
const WRITTEN: [(&str, f64); 8] = [
    ("least", 0.0),
    ("50 %", std::f64::consts::LOG10_2),
    ("90 %", 1.0),
    ("99 %", 2.0),
    ("99.9 %", 3.0),
    ("99.99 %", 4.0),
    ("99.999 %", 5.0),
    ("99.9999 %", 6.0),
];

/// The curves; none without values.
pub(crate) fn curves(histograms: &BTreeMap<Measure, Histogram>) -> Option<Chart> {
    let drawn: Vec<(Measure, &Histogram)> =
        MEASURES.into_iter().filter_map(|measure| Some((measure, histograms.get(&measure)?))).collect();
    let drawn: Vec<_> = drawn.into_iter().filter(|(_, histogram)| !histogram.is_empty()).collect();
    let ends = drawn.iter().flat_map(|(measure, histogram)| {
        [histogram.min(), histogram.max()].map(|value| in_unit(*measure, value.unwrap_or(0) as f64))
    });
    let ends: Vec<f64> = ends.filter(|value| *value > 0.0).collect();
    let greatest = ends.iter().copied().reduce(f64::max)?;
    let least = ends.iter().copied().fold(greatest, f64::min).max(0.01);
    let nines = drawn.iter().map(|(_, histogram)| nines(histogram)).fold(1.0, f64::max);
    let x = Scale::between(0.0, nines, LEFT, RIGHT);
    let y = Scale::decades(least, greatest, HEIGHT - FOOT, TOP);
    let lines = drawn.iter().zip(Ink::COLOURS).map(|((measure, histogram), ink)| {
        let end = self::nines(histogram);
        let points = (0..=POINTS).map(|point| {
            let nines = end * f64::from(point) / f64::from(POINTS);
            // The last point is the greatest value, which a share of the others never comes to.
            let quantile = if point == POINTS { 1.0 } else { 1.0 - 10_f64.powf(-nines) };
            Some((x.place(nines), y.place(in_unit(*measure, histogram.quantile(quantile)? as f64))))
        });
        Line { name: in_words(*measure), ink, path: path(points), marks: Vec::new() }
    });
    let x_ticks = WRITTEN.iter().filter(|(_, at)| *at <= nines + 1e-9);
    Some(Chart {
        summary: "percentile curves: how much each share of the values does not exceed".to_owned(),
        height: HEIGHT,
        x_label: "percentile: each further nine takes the same room".to_owned(),
        x_ticks: x_ticks.map(|(text, at)| Tick { at: x.place(*at), text: (*text).to_owned() }).collect(),
        y_label: "ms".to_owned(),
        y_ticks: y.ticks(),
        band: None,
        lines: lines.collect(),
        hints: Vec::new(),
    })
}

/// How far into its tail a histogram reaches: three nines for a thousand values.
fn nines(histogram: &Histogram) -> f64 {
    (histogram.len() as f64).log10().clamp(0.5, MOST_NINES)
}
