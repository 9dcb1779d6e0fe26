//! Arrivals against completions over the time of a run, and what was under way.

use super::chart::{Chart, FOOT, Hint, Ink, Line, TIME, TOP, path, time_axis};
use super::scale::Scale;
use crate::load::number::grouped;
use crate::load::timeline::{Interval, Timeline};

const RATES_HEIGHT: f64 = 260.0;
const IN_FLIGHT_HEIGHT: f64 = 180.0;
/// A line: its name, its ink, and what it counts in an interval.
type Counted = (&'static str, Ink, fn(&Interval) -> u64);
const RATES: [Counted; 5] = [
    ("scheduled", Ink::Fourth, |interval| interval.scheduled),
    ("sent", Ink::FirstDashed, |interval| interval.sent),
    ("completed", Ink::Third, |interval| interval.completed),
    ("good", Ink::Second, |interval| interval.good),
    ("errors", Ink::Bad, |interval| interval.errors),
];
const IN_FLIGHT: [Counted; 1] = [("in flight, at most", Ink::First, |interval| interval.in_flight)];

/// Requests a second: scheduled, sent, completed, good and failed.
pub(crate) fn rates(timeline: &Timeline) -> Option<Chart> {
    let seconds = timeline.interval_ms as f64 / 1e3;
    let chart = over_time(timeline, &RATES, seconds, RATES_HEIGHT)?;
    Some(Chart {
        summary: "requests a second over time: scheduled, sent, completed, good and failed".to_owned(),
        y_label: "requests a second".to_owned(),
        ..chart
    })
}

/// Requests without an end.
pub(crate) fn in_flight(timeline: &Timeline) -> Option<Chart> {
    let chart = over_time(timeline, &IN_FLIGHT, 1.0, IN_FLIGHT_HEIGHT)?;
    Some(Chart {
        summary: "requests in flight over time, the most of each interval".to_owned(),
        y_label: "requests".to_owned(),
        ..chart
    })
}

fn over_time(timeline: &Timeline, counted: &[Counted], by: f64, height: f64) -> Option<Chart> {
    let intervals = &timeline.intervals;
    let seconds = timeline.interval_ms as f64 / 1e3;
    let values = || intervals.iter().flat_map(|interval| counted.iter().map(move |(_, _, of)| of(interval)));
    let greatest = values().max()? as f64 / by;
    let x = time_axis(intervals.len() as f64 * seconds);
    let y = Scale::from_zero(greatest, height - FOOT, TOP);
    let lines = counted.iter().map(|(name, ink, of)| {
        let points = intervals.iter().enumerate().map(|(index, interval)| {
            Some((x.place((index as f64 + 0.5) * seconds), y.place(of(interval) as f64 / by)))
        });
        Line { name: (*name).to_owned(), ink: *ink, path: path(points), marks: Vec::new() }
    });
    let hints = intervals.iter().enumerate().map(|(index, interval)| {
        let (start, end) = (index as f64 * seconds, (index + 1) as f64 * seconds);
        let told = counted.iter().map(|(name, _, of)| format!("{name} {}", grouped(of(interval))));
        let text = format!("{start} to {end} s: {}", told.collect::<Vec<_>>().join(", "));
        Hint { x: x.place(start), width: x.place(end) - x.place(start), text }
    });
    Some(Chart {
        summary: String::new(),
        height,
        x_label: TIME.to_owned(),
        x_ticks: x.ticks(),
        y_label: String::new(),
        y_ticks: y.ticks(),
        band: None,
        lines: lines.collect(),
        hints: hints.collect(),
    })
}
