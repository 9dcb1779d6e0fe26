//! Each answer as a line of its chunks.

use super::chart::{FOOT, LEFT, RIGHT, TIME, TOP, WIDTH};
use super::scale::{Scale, Tick};
use crate::load::number::{amount, counted};
use crate::load::streams::{StreamLine, Streams};
use crate::visible::one_line;

/// What all rows together take, about; each row has its bounds.
const ROWS: f64 = 520.0;
const LOWEST_ROW: f64 = 3.0;
const HIGHEST_ROW: f64 = 16.0;
/// Rows that are numbered, about.
const NUMBERED: usize = 8;

/// From when the time of a picture counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// From the start of the run: what happened at once is above each other.
    Run,
    /// Of each answer from when it was to be sent: waits and stalls can be compared.
    Answer,
}

/// A wait that is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wait {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// `good`, `missed` or `bad`.
    pub(crate) class: &'static str,
    /// The middle of its line.
    pub(crate) y: f64,
    /// From when it was to be sent until it was: the tester's own delay.
    pub(crate) unsent: Wait,
    /// From when it was sent to the first chunk, or to the end where none came.
    pub(crate) silent: Wait,
    /// From the first chunk to the end.
    pub(crate) told: Wait,
    /// A stroke for each chunk: the data of an SVG path.
    pub(crate) chunks: String,
    /// What it was, in words.
    pub(crate) text: String,
}

/// The picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StreamChart {
    pub(crate) summary: String,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) row: f64,
    pub(crate) x_label: &'static str,
    pub(crate) x_ticks: Vec<Tick>,
    /// Numbers of arrivals.
    pub(crate) y_ticks: Vec<Tick>,
    pub(crate) rows: Vec<Row>,
}

impl StreamChart {
    /// The picture; none without answers.
    pub(crate) fn of(streams: &Streams, clock: Clock) -> Option<StreamChart> {
        let lines = &streams.lines;
        let zero = |line: &StreamLine| match clock {
            Clock::Run => 0.0,
            Clock::Answer => line.scheduled_ms,
        };
        let end = lines.iter().map(|line| line.ended_ms - zero(line)).reduce(f64::max)?;
        let row = (ROWS / lines.len() as f64).clamp(LOWEST_ROW, HIGHEST_ROW).floor();
        let x = Scale::between(0.0, end / 1e3, LEFT, RIGHT);
        let rows = lines.iter().enumerate().map(|(index, line)| {
            let place = |millis: f64| x.place((millis - zero(line)) / 1e3);
            self::row(line, TOP + (index as f64 + 0.5) * row, row, place)
        });
        let rows: Vec<Row> = rows.collect();
        let numbered = lines.iter().zip(&rows).step_by(lines.len().div_ceil(NUMBERED).max(1));
        let y_ticks =
            numbered.map(|(line, row)| Tick { at: row.y, text: line.arrival.to_string() }).collect();
        Some(StreamChart {
            summary: format!(
                "{}, each a line of its chunks",
                counted(lines.len() as u64, "answer", "answers")
            ),
            width: WIDTH,
            height: TOP + row * lines.len() as f64 + FOOT,
            row,
            x_label: match clock {
                Clock::Run => TIME,
                Clock::Answer => "seconds since each was to be sent",
            },
            x_ticks: x.ticks(),
            y_ticks,
            rows,
        })
    }

    /// Where what is drawn ends.
    pub(crate) fn bottom(&self) -> f64 {
        self.height - FOOT
    }
}

fn row(line: &StreamLine, y: f64, height: f64, place: impl Fn(f64) -> f64) -> Row {
    let sent = line.sent_ms.unwrap_or(line.ended_ms);
    let first = line.chunks_ms.first().copied().unwrap_or(line.ended_ms);
    let wait = |from: f64, to: f64| Wait { from: place(from), to: place(to).max(place(from)) };
    Row {
        class: match line.outcome.as_str() {
            "good" => "good",
            "missed_slo" => "missed",
            _ => "bad",
        },
        y,
        unsent: wait(line.scheduled_ms, sent),
        silent: wait(sent, first),
        told: wait(first, line.ended_ms),
        chunks: strokes(&line.chunks_ms, y, height, &place),
        text: told(line, first),
    }
}

/// A stroke for each place at which chunks came; those of one place are one stroke.
fn strokes(chunks: &[f64], y: f64, height: f64, place: impl Fn(f64) -> f64) -> String {
    let length = (height - 1.0).max(2.0);
    let top = y - length / 2.0;
    let mut places: Vec<f64> = chunks.iter().map(|millis| place(*millis).round()).collect();
    places.dedup();
    places.iter().map(|x| format!("M{x} {top}v{length}")).collect()
}

fn told(line: &StreamLine, first: f64) -> String {
    let after = |millis: f64| format!("{} ms", amount(millis - line.scheduled_ms));
    let mut text = format!("arrival {}: {}", line.arrival, one_line(&line.outcome).replace('_', " "));
    match line.sent_ms {
        Some(sent) => text.push_str(&format!(", sent after {}", after(sent))),
        None => text.push_str(", never sent"),
    }
    if !line.chunks_ms.is_empty() {
        let chunks = counted(line.chunks_ms.len() as u64, "chunk", "chunks");
        text.push_str(&format!(", first content after {}, {chunks}", after(first)));
    }
    format!("{text}, ended after {}", after(line.ended_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(
        arrival: u64,
        sent_ms: Option<f64>,
        chunks_ms: Vec<f64>,
        ended_ms: f64,
        outcome: &str,
    ) -> StreamLine {
        let outcome = outcome.to_owned();
        StreamLine { arrival, scheduled_ms: 1_000.0, sent_ms, headers_ms: None, chunks_ms, ended_ms, outcome }
    }

    #[test]
    fn an_answer_waits_and_then_tells() {
        let lines = vec![
            line(0, Some(1_100.0), vec![1_500.0, 1_500.1, 2_000.0], 2_000.0, "good"),
            line(1, None, vec![], 1_500.0, "refused"),
        ];
        let chart = StreamChart::of(&Streams { every: 1, lines }, Clock::Answer).unwrap();
        let [good, refused] = &chart.rows[..] else { panic!("{} rows", chart.rows.len()) };
        assert_eq!(good.unsent, Wait { from: 64.0, to: 152.0 });
        assert_eq!(good.silent, Wait { from: 152.0, to: 504.0 });
        assert_eq!(good.told, Wait { from: 504.0, to: 944.0 });
        assert_eq!(good.chunks.matches('M').count(), 2, "{}", good.chunks);
        assert_eq!(
            good.text,
            "arrival 0: good, sent after 100 ms, first content after 500 ms, 3 chunks, ended after 1,000 ms"
        );
        assert_eq!((refused.class, refused.silent), ("bad", Wait { from: 504.0, to: 504.0 }));
        assert_eq!(refused.text, "arrival 1: refused, never sent, ended after 500 ms");
    }

    #[test]
    fn times_that_make_no_sense_are_drawn_at_the_edge() {
        let lines = vec![
            line(0, Some(-1e300), vec![1e300, -1e300, 0.0], 1e300, "good"),
            line(1, None, vec![], 0.0, "x"),
        ];
        for clock in [Clock::Run, Clock::Answer] {
            let chart = StreamChart::of(&Streams { every: 1, lines: lines.clone() }, clock).unwrap();
            for wait in chart.rows.iter().flat_map(|row| [row.unsent, row.silent, row.told]) {
                assert!(LEFT <= wait.from && wait.from <= wait.to && wait.to <= RIGHT, "{wait:?}");
            }
        }
    }
}
