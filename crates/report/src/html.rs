//! A page with everything that a run has found: one file, which loads nothing and works without scripts.
//!
//! Owns what the template `report.html` shows. Every text of a document passes through [`shown`], and every value is
//! escaped by the template engine: what a target says is never markup.

use std::borrow::Cow;

use askama::Template;

use crate::counting::{Section, sections};
use crate::duration::duration;
use crate::error::ReportError;
use crate::verdicts::{CaseVerdict, Direction, Exchange, Verdict, Verdicts, WireEntry};
use crate::visible::{one_line, visible};

/// Lines of a wire log, from its beginning and from its end; those between are left out.
const MOST_FIRST_LINES: usize = 400;
const MOST_LAST_LINES: usize = 100;
/// Units of the time axis.
const AXIS: f64 = 1000.0;
/// Units that the mark of a moment takes.
const MOMENT: f64 = 8.0;

/// The colours and letters of all pages, light and dark: a style sheet, to which a page adds its own.
pub const STYLE: &str = include_str!("../templates/style.css");

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    verdicts: &'a Verdicts,
    sections: Vec<Section<'a>>,
    groups: Vec<Group<'a>>,
}

/// Cases of one verdict.
struct Group<'a> {
    verdict: Verdict,
    cases: Vec<&'a CaseVerdict>,
}

/// The page.
///
/// # Errors
/// [`ReportError::Unwritable`] where the template engine fails, which no document should bring about.
pub fn render(verdicts: &Verdicts) -> Result<String, ReportError> {
    let groups = Verdict::ALL.into_iter().map(|verdict| Group {
        verdict,
        cases: verdicts.cases.iter().filter(|case| case.verdict == verdict).collect(),
    });
    let groups = groups.filter(|group| !group.cases.is_empty()).collect();
    let page = Page { verdicts, sections: sections(&verdicts.cases), groups };
    page.render().map_err(|error| ReportError::Unwritable { form: "HTML", reason: error.to_string() })
}

/// A text of a document, before it is escaped.
fn shown(text: &str) -> Cow<'_, str> {
    visible(text)
}

/// A duration; templates pass numbers by reference.
fn lasted(milliseconds: &f64) -> String {
    duration(*milliseconds)
}

/// A wire log with its axis of time.
struct WireLog {
    end_ms: f64,
    lines: Vec<WireLine>,
}

/// A line of it. `from` and `width` are of the time since the line before, in units of the axis.
struct WireLine {
    /// How many lines before this one are not told.
    left_out: usize,
    at: String,
    from: f64,
    width: f64,
    after: String,
    is_long: bool,
    direction: &'static str,
    arrow: char,
    place: String,
    text: String,
}

fn wire_log(exchange: &Exchange) -> WireLog {
    let wire = &exchange.wire;
    let end_ms = wire.iter().map(|entry| entry.at_ms).fold(1.0, f64::max);
    let tail = wire.len().saturating_sub(MOST_LAST_LINES).max(MOST_FIRST_LINES.min(wire.len()));
    let told = wire.iter().enumerate().filter(|(index, _)| *index < MOST_FIRST_LINES || *index >= tail);
    let lines = told.map(|(index, entry)| {
        let before = index.checked_sub(1).and_then(|before| wire.get(before));
        let left_out = if index == tail { tail.saturating_sub(MOST_FIRST_LINES) } else { 0 };
        WireLine { left_out, ..wire_line(entry, before, end_ms) }
    });
    WireLog { end_ms, lines: lines.collect() }
}

fn wire_line(entry: &WireEntry, before: Option<&WireEntry>, end_ms: f64) -> WireLine {
    let place = |at_ms: f64| (at_ms.clamp(0.0, end_ms) / end_ms * (AXIS - MOMENT)).round();
    let before_ms = before.map_or(entry.at_ms, |before| before.at_ms);
    let gap_ms = entry.at_ms - before_ms;
    let (direction, arrow) = match entry.direction {
        Direction::Sent => ("sent", '→'),
        Direction::Received => ("received", '←'),
        Direction::Event => ("event", '•'),
    };
    WireLine {
        left_out: 0,
        at: format!("{:.1}", entry.at_ms),
        from: place(before_ms),
        width: (place(entry.at_ms) - place(before_ms)).max(0.0),
        after: if before.is_some() { format!("+{gap_ms:.1}") } else { String::new() },
        // What a person would notice, and takes much of the whole.
        is_long: gap_ms >= 200.0 && gap_ms >= end_ms / 10.0,
        direction,
        arrow,
        place: match entry.direction {
            Direction::Event => String::new(),
            _ => format!("{}+{}", entry.offset, entry.bytes),
        },
        text: in_lines(&entry.text),
    }
}

/// Bytes with a line's end after each escaped line feed, as a person would read them.
fn in_lines(text: &str) -> String {
    shown(text).replace("\\n", "\\n\n").trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(times: impl IntoIterator<Item = f64>) -> WireLog {
        let entry = |at_ms| WireEntry {
            at_ms,
            direction: Direction::Received,
            offset: 0,
            bytes: 1,
            text: "a\\r\\nb\\n".to_owned(),
        };
        let wire = times.into_iter().map(entry).collect();
        wire_log(&Exchange { title: String::new(), curl: String::new(), wire })
    }

    #[test]
    fn gaps_are_as_long_as_they_were() {
        let log = log([-2.0, 0.0, 100.0, 1_000.0]);
        let lines: Vec<_> = log.lines.iter().map(|line| (line.from, line.width, line.is_long)).collect();
        assert_eq!(lines, [(0.0, 0.0, false), (0.0, 0.0, false), (0.0, 99.0, false), (99.0, 893.0, true)]);
        assert_eq!(log.lines[3].after, "+900.0");
        assert_eq!(log.lines[0].text, "a\\r\\n\nb\\n");
    }

    #[test]
    fn the_middle_of_a_long_log_is_left_out_and_said_to_be() {
        let long = log((0..1_000).map(f64::from));
        assert_eq!(long.lines.len(), MOST_FIRST_LINES + MOST_LAST_LINES);
        let left_out: Vec<_> = long.lines.iter().filter(|line| line.left_out > 0).collect();
        assert_eq!((left_out.len(), left_out[0].left_out, left_out[0].at.as_str()), (1, 500, "900.0"));
        for short in [0, 1, 400, 450, 500] {
            let log = log((0..short).map(f64::from));
            assert_eq!(
                (log.lines.len(), log.lines.iter().map(|line| line.left_out).sum()),
                (short as usize, 0)
            );
        }
    }
}
