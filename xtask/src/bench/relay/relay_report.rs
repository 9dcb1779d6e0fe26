//! What was measured of relays, as a table and as JSON. All figures are medians of the rounds, each by itself.

use serde::Serialize;

use super::{Outcomes, STREAMS};
use crate::bench::client_run::{Load, Pace};
use crate::bench::contestant::BETWEEN_MS;
use crate::bench::spread::{Spread, ratio_text};
use crate::bench::table::{aligned, counted};

/// What ours may add, as a multiple of what nginx adds.
const GOAL_OF_NGINX: f64 = 1.3;
/// Bytes that a stream may take.
const GOAL_STREAM_BYTES: f64 = 32.0 * 1024.0;
/// What recordings should reach of the bare server's chunks.
const GOAL_OF_BARE: f64 = 0.7;
/// Chunks of the chunked coding for each chunk of the answer: with fewer, some were merged.
const NONE_MERGED: f64 = 0.9999;

/// Everything that one run measured.
#[derive(Debug, Serialize)]
pub(super) struct RelayReport {
    rounds: usize,
    between_ms: u64,
    ways: Vec<Way>,
    replay: Played,
}

/// One way to the upstream.
#[derive(Debug, Serialize)]
struct Way {
    name: &'static str,
    paced: Vec<Paced>,
    chunks_per_second: Option<f64>,
    /// Processor time of the relay for each chunk, in microseconds, where the system tells it. Children do not count.
    cpu_us: Option<f64>,
    frames_per_chunk: Option<f64>,
    stream_kib: Option<f64>,
}

/// Streams by the clock: lateness in milliseconds.
#[derive(Debug, Serialize)]
struct Paced {
    streams: usize,
    first_p50: f64,
    first_p99: f64,
    chunk_p50: f64,
    chunk_p99: f64,
}

/// Recordings, at once.
#[derive(Debug, Serialize)]
struct Played {
    chunks_per_second: Option<f64>,
    frames_per_chunk: Option<f64>,
    of_bare: Option<f64>,
}

impl RelayReport {
    /// Makes medians.
    pub(super) fn of(
        rounds: usize,
        direct: &Outcomes,
        nginx: &Outcomes,
        relay: &Outcomes,
        played: &[Load],
    ) -> RelayReport {
        let direct = Way::of("directly", direct);
        let chunks_per_second = rate(played);
        let replay = Played {
            chunks_per_second,
            frames_per_chunk: frames_per_chunk(played),
            of_bare: ratio(chunks_per_second, direct.chunks_per_second),
        };
        let ways = vec![direct, Way::of("nginx", nginx), Way::of("interference", relay)];
        RelayReport { rounds, between_ms: BETWEEN_MS, ways, replay }
    }

    /// Lines for a person.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "relays   streams at {} ms a chunk; medians of {}; all share the machine",
                self.between_ms,
                counted(self.rounds, "round")
            ),
            String::new(),
        ];
        let heads = ["lateness, ms", "streams", "first p50", "first p99", "chunk p50", "chunk p99"];
        let mut table = vec![heads.map(str::to_owned).to_vec()];
        for way in &self.ways {
            table.extend(way.paced.iter().map(|paced| paced.cells(way.name)));
        }
        lines.extend(aligned(&table));
        lines.push(String::new());
        let heads = ["no delays", "chunks/s", "CPU µs", "frames/chunk", "KiB/stream"];
        let mut table = vec![heads.map(str::to_owned).to_vec()];
        table.extend(self.ways.iter().map(Way::cells));
        let Played { chunks_per_second, frames_per_chunk, of_bare } = &self.replay;
        table.push(
            ["recordings".to_owned(), shown(*chunks_per_second, 0), dash(), shown(*frames_per_chunk, 3)]
                .to_vec(),
        );
        lines.extend(aligned(&table));
        lines.push(String::new());
        lines.extend(self.goals());
        lines.push(goal(
            &format!("recordings at {GOAL_OF_BARE} of the bare server's chunks per second"),
            &ratio_text(*of_bare),
            of_bare.is_some_and(|ratio| ratio >= GOAL_OF_BARE),
        ));
        lines
    }

    fn goals(&self) -> Vec<String> {
        let [direct, nginx, relay] = &self.ways[..] else { return Vec::new() };
        let mut goals = Vec::new();
        let each = direct.paced.iter().zip(&nginx.paced).zip(&relay.paced);
        for ((direct, nginx), relay) in each {
            for (what, of) in
                [("the first chunk", Paced::first as fn(&Paced) -> f64), ("a chunk", Paced::chunk)]
            {
                let added = (of(relay) - of(direct), of(nginx) - of(direct));
                let seen = format!("{:.3} ms, nginx {:.3} ms", added.0, added.1);
                let what = format!("added to {what}, {} (p50)", counted(relay.streams, "stream"));
                goals.push(goal(&what, &seen, added.0 <= GOAL_OF_NGINX * added.1.max(0.0)));
            }
        }
        let kib = relay.stream_kib.unwrap_or(f64::INFINITY);
        goals.push(goal("KiB for a stream", &format!("{kib:.1}"), kib * 1024.0 <= GOAL_STREAM_BYTES));
        let frames = relay.frames_per_chunk.unwrap_or_default();
        goals.push(goal("frames for a chunk", &format!("{frames:.3}"), frames >= NONE_MERGED));
        goals
    }
}

impl Way {
    fn of(name: &'static str, outcomes: &Outcomes) -> Way {
        let paced = STREAMS.into_iter().zip(&outcomes.pace);
        let cpu = outcomes.stream.iter();
        let cpu = cpu.filter_map(|load| Some(1e6 * load.server_cpu_seconds? / load.chunks as f64));
        Way {
            name,
            paced: paced.filter_map(|(streams, paces)| Paced::of(streams, paces)).collect(),
            chunks_per_second: rate(&outcomes.stream),
            cpu_us: median(cpu),
            frames_per_chunk: frames_per_chunk(&outcomes.stream),
            stream_kib: median(outcomes.stream_bytes.iter().map(|bytes| bytes / 1024.0)),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.to_owned(),
            shown(self.chunks_per_second, 0),
            shown(self.cpu_us, 1),
            shown(self.frames_per_chunk, 3),
            shown(self.stream_kib, 1),
        ]
    }
}

impl Paced {
    fn of(streams: usize, paces: &[Pace]) -> Option<Paced> {
        Some(Paced {
            streams,
            first_p50: median(paces.iter().map(|pace| pace.first_late_ms.p50))?,
            first_p99: median(paces.iter().map(|pace| pace.first_late_ms.p99))?,
            chunk_p50: median(paces.iter().map(|pace| pace.late_ms.p50))?,
            chunk_p99: median(paces.iter().map(|pace| pace.late_ms.p99))?,
        })
    }

    fn first(&self) -> f64 {
        self.first_p50
    }

    fn chunk(&self) -> f64 {
        self.chunk_p50
    }

    fn cells(&self, name: &str) -> Vec<String> {
        let figures = [self.first_p50, self.first_p99, self.chunk_p50, self.chunk_p99];
        let mut cells = vec![name.to_owned(), self.streams.to_string()];
        cells.extend(figures.map(|figure| format!("{figure:.3}")));
        cells
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    Spread::of(values).map(|spread| spread.median)
}

fn rate(loads: &[Load]) -> Option<f64> {
    median(loads.iter().map(|load| load.chunks as f64 / load.seconds))
}

/// The coding has one more chunk than the answer, which carries `[DONE]`.
fn frames_per_chunk(loads: &[Load]) -> Option<f64> {
    let shares = loads.iter().map(|load| {
        let marks = load.chunks as f64 / load.chunks_per_answer as f64;
        (load.frames as f64 - marks) / load.chunks as f64
    });
    median(shares)
}

fn ratio(ours: Option<f64>, theirs: Option<f64>) -> Option<f64> {
    Some(ours? / theirs?)
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(dash, |figure| format!("{figure:.digits$}"))
}

fn dash() -> String {
    "–".to_owned()
}

fn goal(what: &str, seen: &str, is_met: bool) -> String {
    format!("goal     {what}: {seen} ({})", if is_met { "met" } else { "missed" })
}
