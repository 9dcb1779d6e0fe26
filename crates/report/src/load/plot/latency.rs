//! A measure over the time of a run: its quantiles in each interval.

use super::chart::{Chart, FOOT, Hint, Ink, Line, TIME, TOP, band, path, time_axis};
use super::scale::Scale;
use crate::load::document::in_unit;
use crate::load::histogram::Histogram;
use crate::load::measure::Measure;
use crate::load::number::{amount, in_words};
use crate::load::timeline::{Interval, Timeline};

const HEIGHT: f64 = 280.0;
/// From how many times the least on, the greatest value makes an axis of decades.
const WIDE: f64 = 30.0;
const QUANTILES: [(&str, f64, Ink); 3] =
    [("p50", 0.5, Ink::First), ("p90", 0.9, Ink::FirstDashed), ("p99", 0.99, Ink::Second)];

/// The picture of a measure that intervals have; none where no interval has a value of it.
pub(crate) fn over_time(
    timeline: &Timeline,
    measure: Measure,
    of: fn(&Interval) -> &Histogram,
) -> Option<Chart> {
    let seconds = timeline.interval_ms as f64 / 1e3;
    let at = |histogram: &Histogram, quantile| {
        histogram.quantile(quantile).map(|value| in_unit(measure, value as f64))
    };
    let rows: Vec<[Option<f64>; 3]> = timeline
        .intervals
        .iter()
        .map(|interval| QUANTILES.map(|(_, quantile, _)| at(of(interval), quantile)))
        .collect();
    let values = || rows.iter().flatten().flatten().copied();
    let greatest = values().reduce(f64::max)?;
    let least = values().filter(|value| *value > 0.0).reduce(f64::min).unwrap_or(greatest);
    let x = time_axis(rows.len() as f64 * seconds);
    let bottom = HEIGHT - FOOT;
    let y = if greatest > WIDE * least {
        Scale::decades(least, greatest, bottom, TOP)
    } else {
        Scale::from_zero(greatest, bottom, TOP)
    };
    let middle = |index: usize| x.place((index as f64 + 0.5) * seconds);
    let lines = QUANTILES.iter().enumerate().map(|(column, (name, _, ink))| {
        let points = rows.iter().enumerate().map(|(index, row)| Some((middle(index), y.place(row[column]?))));
        Line { name: (*name).to_owned(), ink: *ink, path: path(points), marks: Vec::new() }
    });
    let between =
        rows.iter().enumerate().map(|(index, row)| Some((middle(index), y.place(row[0]?), y.place(row[2]?))));
    let hints = rows.iter().enumerate().filter_map(|(index, row)| {
        let (start, end) = (index as f64 * seconds, (index + 1) as f64 * seconds);
        let told = QUANTILES.iter().zip(row);
        let told = told.map(|((name, _, _), value)| Some(format!("{name} {} ms", amount((*value)?))));
        let told = told.collect::<Option<Vec<_>>>()?;
        let text = format!("{start} to {end} s: {}", told.join(", "));
        Some(Hint { x: x.place(start), width: x.place(end) - x.place(start), text })
    });
    Some(Chart {
        summary: format!(
            "{} over time: p50, p90 and p99 of each interval, up to {} ms",
            in_words(measure),
            amount(greatest)
        ),
        height: HEIGHT,
        x_label: TIME.to_owned(),
        x_ticks: x.ticks(),
        y_label: format!("{}, ms", in_words(measure)),
        y_ticks: y.ticks(),
        band: Some(band(&between.collect::<Vec<_>>())),
        lines: lines.collect(),
        hints: hints.collect(),
    })
}
