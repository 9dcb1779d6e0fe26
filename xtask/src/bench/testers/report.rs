//! What was measured of load testers, as tables in Markdown and as JSON.

use serde::Serialize;

use super::installation::Installed;
use super::ladder::{Attempt, Outcome};
use super::sample::Quantiles;
use super::step::{BETWEEN_BOUND_MS, Errors, FIRST_BOUND_MS, Measured};
use super::tester::Tester;
use super::timing::{BETWEEN_MS, FIRST_MS, PIECES};
use crate::bench::table::counted;

/// Everything that one run measured. Times are in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct TestersReport {
    server: Server,
    seconds: u32,
    bounds: Bounds,
    testers: Vec<Contestant>,
    absent: Vec<Absent>,
}

/// A tester that could not be installed.
#[derive(Debug, Serialize)]
pub(super) struct Absent {
    pub(super) name: Tester,
    pub(super) why: String,
}

/// What the server did for every request.
#[derive(Debug, Serialize)]
struct Server {
    first_ms: f64,
    between_ms: f64,
    pieces: usize,
}

/// What errors may be at the 99th percentile.
#[derive(Debug, Serialize)]
struct Bounds {
    first_ms: f64,
    between_ms: f64,
}

/// One tester.
#[derive(Debug, Serialize)]
struct Contestant {
    name: Tester,
    version: String,
    /// The most streams that it was right with, having been right with all fewer ones; none where there are none.
    most_streams: Option<u32>,
    rungs: Vec<Rung>,
    note: &'static str,
}

/// One tester with so many streams.
#[derive(Debug, Serialize)]
struct Rung {
    streams: u32,
    /// Why it does not count.
    objections: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<Figures>,
}

#[derive(Debug, Serialize)]
struct Figures {
    /// Open at once, by the server's own count, in the mean.
    open_streams: f64,
    chats: u64,
    said: SaidFigures,
    true_first: Quantiles,
    true_between: Quantiles,
    errors: Errors,
    /// How late a thread was woken that did nothing: what the truth itself may be off by.
    woken_late: Quantiles,
    /// Of the tester and all that it started, for each open stream, while the load was there.
    cpu_ms_a_stream_second: Option<f64>,
}

#[derive(Debug, Serialize)]
struct SaidFigures {
    first: Option<Quantiles>,
    between: Option<Quantiles>,
    whole: Option<Quantiles>,
    good: u64,
    certified: Option<bool>,
}

impl TestersReport {
    pub(super) fn of(
        seconds: u32,
        installed: &[Installed],
        absent: Vec<Absent>,
        attempts: &[Attempt],
    ) -> TestersReport {
        TestersReport {
            server: Server { first_ms: FIRST_MS, between_ms: BETWEEN_MS, pieces: PIECES },
            seconds,
            bounds: Bounds { first_ms: FIRST_BOUND_MS, between_ms: BETWEEN_BOUND_MS },
            testers: installed.iter().map(|installed| Contestant::of(installed, attempts)).collect(),
            absent,
        }
    }

    /// Tables for a person, in Markdown.
    pub(super) fn lines(&self) -> Vec<String> {
        let Server { first_ms, between_ms, pieces } = self.server;
        let mut lines = vec![
            format!(
                "Streams of {pieces} pieces, the first after {first_ms} ms and one every {between_ms} ms; loads of {}. \
                 Times in milliseconds. Testers, server and observers share the machine.",
                counted(self.seconds as usize, "second")
            ),
            String::new(),
        ];
        lines.extend(markdown(SUMMARY, self.testers.iter().map(Contestant::cells)));
        lines.push(String::new());
        let rungs =
            self.testers.iter().flat_map(|tester| tester.rungs.iter().map(|rung| rung.cells(tester.name)));
        lines.extend(markdown(RUNGS, rungs));
        lines.push(String::new());
        lines.extend(self.testers.iter().map(|tester| format!("- {}.", tester.note)));
        let absent = self.absent.iter();
        lines.extend(absent.map(|absent| format!("- {} is not there: {}.", absent.name.name(), absent.why)));
        lines
    }
}

const SUMMARY: [&str; 4] = ["tester", "version", "most streams within the bounds", "what stopped it"];
const RUNGS: [&str; 9] = [
    "tester",
    "streams",
    "first text, error p50 / p99",
    "between chunks, error p50 / p99",
    "whole answer, error p50 / p99",
    "CPU ms a stream and second",
    "true first / between, p99",
    "woken late, p99",
    "open streams",
];

impl Contestant {
    fn of(installed: &Installed, attempts: &[Attempt]) -> Contestant {
        let own: Vec<&Attempt> =
            attempts.iter().filter(|attempt| attempt.tester == installed.tester).collect();
        let right = own.iter().take_while(|attempt| attempt.objections().is_empty());
        Contestant {
            name: installed.tester,
            version: installed.version.clone(),
            most_streams: right.last().map(|attempt| attempt.wanted.streams),
            rungs: own.iter().map(|attempt| Rung::of(attempt)).collect(),
            note: installed.tester.note(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let stopped = self.rungs.iter().find(|rung| !rung.objections.is_empty());
        vec![
            self.name.name().to_owned(),
            self.version.clone(),
            self.most_streams.map_or_else(|| "none".to_owned(), |streams| streams.to_string()),
            stopped.map_or_else(
                || "nothing".to_owned(),
                |rung| format!("at {}: {}", rung.streams, rung.objections.join("; ")),
            ),
        ]
    }
}

impl Rung {
    fn of(attempt: &Attempt) -> Rung {
        let figures = match &attempt.outcome {
            Outcome::Measured(measured) => Some(Figures::of(measured)),
            Outcome::Broke(_) | Outcome::NotTried => None,
        };
        Rung { streams: attempt.wanted.streams, objections: attempt.objections(), figures }
    }

    fn cells(&self, tester: Tester) -> Vec<String> {
        let mut cells = vec![tester.name().to_owned(), self.streams.to_string()];
        let Some(figures) = &self.figures else {
            cells.push(self.objections.join("; "));
            return cells;
        };
        let Errors { first, between, whole } = figures.errors;
        cells.extend([first, between, whole].map(|error| error.map_or_else(dash, signed)));
        cells.push(
            figures.cpu_ms_a_stream_second.map_or_else(dash, |milliseconds| format!("{milliseconds:.2}")),
        );
        cells.push(format!("{:.1} / {:.1}", figures.true_first.p99, figures.true_between.p99));
        cells.push(format!("{:.2}", figures.woken_late.p99));
        cells.push(format!("{:.0}", figures.open_streams));
        cells
    }
}

impl Figures {
    fn of(measured: &Measured) -> Figures {
        let Measured { said, truth, traffic } = *measured;
        Figures {
            open_streams: traffic.streams,
            chats: traffic.chats,
            said: SaidFigures {
                first: said.first,
                between: said.between,
                whole: said.whole,
                good: said.good,
                certified: said.certified,
            },
            true_first: truth.first,
            true_between: truth.between,
            errors: measured.errors(),
            woken_late: truth.woken_late,
            cpu_ms_a_stream_second: traffic.cpu_ms_a_stream_second,
        }
    }
}

fn signed(error: Quantiles) -> String {
    format!("{:+.2} / {:+.2}", error.p50, error.p99)
}

fn dash() -> String {
    "–".to_owned()
}

/// A table; rows may be shorter than its head.
fn markdown<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Vec<String> {
    let line = |cells: &[String]| {
        let cells: Vec<String> = (0..COLUMNS)
            .map(|column| cells.get(column).map_or("", String::as_str).replace('|', "\\|"))
            .collect();
        format!("| {} |", cells.join(" | "))
    };
    let mut lines = vec![line(&head.map(str::to_owned)), format!("|{}", " --- |".repeat(COLUMNS))];
    lines.extend(rows.into_iter().map(|row| line(&row)));
    lines
}

#[cfg(test)]
mod tests {
    use super::super::step::Wanted;
    use super::super::step::tests::right;
    use super::*;

    fn attempt(tester: Tester, streams: u32, change: impl FnOnce(&mut Measured)) -> Attempt {
        let wanted = Wanted { streams, seconds: 10 };
        let mut measured = right(wanted);
        change(&mut measured);
        Attempt { tester, wanted, outcome: Outcome::Measured(measured) }
    }

    #[test]
    fn the_tables_have_every_attempt_and_what_stopped_it() {
        let installed = [Tester::Interference, Tester::Oha].map(|tester| Installed {
            tester,
            program: "program".into(),
            version: "1.0".to_owned(),
        });
        let wanted = Wanted { streams: 16, seconds: 10 };
        let broken = |tester| Attempt { tester, wanted, outcome: Outcome::Broke("a | b".to_owned()) };
        let absent = Absent { name: Tester::Aiperf, why: "no pip".to_owned() };
        let attempts = [
            attempt(Tester::Interference, 1, |_| {}),
            broken(Tester::Oha),
            attempt(Tester::Interference, 16, |measured| measured.traffic.streams = 2.0),
            // Right with more streams, which is luck.
            attempt(Tester::Interference, 64, |_| {}),
        ];
        let report = TestersReport::of(10, &installed, vec![absent], &attempts);
        let lines = report.lines();
        let rows: Vec<&str> = lines
            .iter()
            .map(String::as_str)
            .filter(|line| line.starts_with("| ") && !line.contains("---"))
            .collect();
        let expected = [
            "| tester | version | most streams within the bounds | what stopped it |",
            "| interference | 1.0 | 1 | at 16: only 2 streams were open |",
            "| oha | 1.0 | none | at 16: a \\| b |",
            "| tester | streams | first text, error p50 / p99 | between chunks, error p50 / p99 | \
             whole answer, error p50 / p99 | CPU ms a stream and second | true first / between, p99 | woken late, p99 | \
             open streams |",
            "| interference | 1 | +2.00 / +2.00 | -0.50 / -0.50 | – | 2.00 | 101.0 / 10.5 | 0.10 | 1 |",
            "| interference | 16 | +2.00 / +2.00 | -0.50 / -0.50 | – | 2.00 | 101.0 / 10.5 | 0.10 | 2 |",
            "| interference | 64 | +2.00 / +2.00 | -0.50 / -0.50 | – | 2.00 | 101.0 / 10.5 | 0.10 | 64 |",
            "| oha | 16 | a \\| b |  |  |  |  |  |  |",
        ];
        assert_eq!(rows, expected);
        assert_eq!(lines.last().unwrap(), "- aiperf is not there: no pip.");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["testers"][0]["rungs"][1]["objections"][0], "only 2 streams were open");
        assert_eq!(json["testers"][1]["rungs"][0].get("figures"), None);
    }
}
