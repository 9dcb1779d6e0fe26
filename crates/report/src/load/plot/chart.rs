//! A picture of lines over two axes.

use super::scale::{Scale, Tick};

/// The size of a picture, and the edges of what is drawn in it.
pub(crate) const WIDTH: f64 = 960.0;
pub(crate) const LEFT: f64 = 64.0;
pub(crate) const RIGHT: f64 = 944.0;
pub(crate) const TOP: f64 = 12.0;
/// Below what is drawn: ticks and the axis' label.
pub(crate) const FOOT: f64 = 44.0;

/// A colour and a stroke, by the class of the style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    First,
    Second,
    Third,
    Fourth,
    Fifth,
    /// The first colour, dashed.
    FirstDashed,
    /// What goes wrong.
    Bad,
}

impl Ink {
    /// The colours of measures, in turn.
    pub(crate) const COLOURS: [Ink; 5] = [Ink::First, Ink::Second, Ink::Third, Ink::Fourth, Ink::Fifth];

    /// As the style sheet calls it.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Ink::First => "first",
            Ink::Second => "second",
            Ink::Third => "third",
            Ink::Fourth => "fourth",
            Ink::Fifth => "fifth",
            Ink::FirstDashed => "first dashed",
            Ink::Bad => "bad",
        }
    }
}

/// A line, and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) ink: Ink,
    /// The data of an SVG path (SVG 2, 9.3).
    pub(crate) path: String,
    /// Points that are marked, and whether they are sound.
    pub(crate) marks: Vec<Mark>,
}

/// A point that is marked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Filled, or hollow.
    pub(crate) is_sound: bool,
}

/// A part of the picture that says more when one points at it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hint {
    pub(crate) x: f64,
    pub(crate) width: f64,
    pub(crate) text: String,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    /// What it shows, for those who do not see it.
    pub(crate) summary: String,
    pub(crate) height: f64,
    pub(crate) x_label: String,
    pub(crate) x_ticks: Vec<Tick>,
    pub(crate) y_label: String,
    pub(crate) y_ticks: Vec<Tick>,
    /// Between two lines, behind them.
    pub(crate) band: Option<String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) hints: Vec<Hint>,
}

impl Chart {
    /// Where what is drawn ends.
    pub(crate) fn bottom(&self) -> f64 {
        self.height - FOOT
    }
}

/// The path through points; where one is missing, it is interrupted, and a lone one is a dot.
pub(super) fn path(points: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for point in points {
        if let Some((x, y)) = point {
            let command = if is_drawing { format!("L{x} {y}") } else { format!("M{x} {y}h0") };
            path.push_str(&command);
        }
        is_drawing = point.is_some();
    }
    path
}

/// What is between two lines, where both are.
pub(super) fn band(points: &[Option<(f64, f64, f64)>]) -> String {
    let mut path = String::new();
    for run in points.split(Option::is_none) {
        let run: Vec<_> = run.iter().flatten().collect();
        let there = run.iter().map(|(x, low, _)| format!("{x} {low}"));
        let back = run.iter().rev().map(|(x, _, high)| format!("{x} {high}"));
        let corners: Vec<String> = there.chain(back).collect();
        if run.len() > 1 {
            path.push_str(&format!("M{}Z", corners.join("L")));
        }
    }
    path
}

/// Seconds since the start of a run.
pub(super) fn time_axis(seconds: f64) -> Scale {
    Scale::between(0.0, seconds, LEFT, RIGHT)
}

/// The label of that axis.
pub(super) const TIME: &str = "seconds since the start";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_interrupted_where_nothing_was_measured() {
        let points = [Some((0.0, 1.0)), Some((1.0, 2.5)), None, Some((3.0, 1.0))];
        assert_eq!(path(points.into_iter()), "M0 1h0L1 2.5M3 1h0");
        let points = [Some((0.0, 1.0, 2.0)), Some((1.0, 1.0, 3.0)), None, Some((3.0, 1.0, 2.0))];
        assert_eq!(band(&points), "M0 1L1 1L1 3L0 2Z");
    }
}
