//! What was measured of relays, as a table and as JSON. All figures are medians of the rounds, each by itself.

use std::collections::BTreeMap;

use serde::Serialize;

use super::gateways::Gateway;
use super::idle_streams;
use super::way::{Demand, Outcomes, Way};
use crate::bench::client_run::{Load, Pace};
use crate::bench::contestant::BETWEEN_MS;
use crate::bench::spread::{Spread, ratio_text};
use crate::bench::table::{aligned, counted};
use crate::steps::announce;

/// The way without a relay.
pub(super) const DIRECTLY: &str = "directly";
/// The way through the program.
pub(super) const OURS: &str = "interference";
/// What ours may add, as a multiple of what nginx adds.
const GOAL_OF_NGINX: f64 = 1.3;
/// Bytes that a stream may take that waits.
const GOAL_IDLE_BYTES: f64 = 32.0 * 1024.0;
/// What recordings should reach of the bare server's chunks.
const GOAL_OF_BARE: f64 = 0.7;
/// Chunks of the chunked coding for each chunk of the answer: with fewer, some were merged.
const NONE_MERGED: f64 = 0.9999;

/// Everything that one run measured.
#[derive(Debug, Serialize)]
pub(super) struct RelayReport {
    rounds: usize,
    between_ms: u64,
    ways: Vec<WayFigures>,
    /// Gateways that could not be measured at all.
    absent: Vec<Absent>,
    replay: Played,
}

/// A gateway without figures.
#[derive(Debug, Serialize)]
pub(super) struct Absent {
    name: Gateway,
    /// What went wrong, with its own last words where it had any.
    why: String,
}

/// One way to the upstream.
#[derive(Debug, Serialize)]
struct WayFigures {
    name: String,
    setup: Option<Setup>,
    paced: Vec<Paced>,
    chunks_per_second: Option<f64>,
    /// Processor time of the relay for each chunk, in microseconds, where the system tells it. Children do not count.
    cpu_us: Option<f64>,
    frames_per_chunk: Option<f64>,
    stream_kib: Option<f64>,
    /// Of a stream that has begun and waits.
    idle_kib: Option<f64>,
    failures: Vec<Failure>,
}

/// What a gateway is, and how it is set up.
#[derive(Debug, Serialize)]
struct Setup {
    version: String,
    note: &'static str,
}

/// A load under which a gateway gave up.
#[derive(Debug, Serialize)]
struct Failure {
    load: String,
    why: String,
}

/// Streams by the clock.
#[derive(Debug, Serialize)]
struct Paced {
    streams: usize,
    /// None where no round came to an end.
    late: Option<Lateness>,
}

/// In milliseconds.
#[derive(Debug, Serialize)]
struct Lateness {
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
        demands: &[Demand],
        ways: &[Way],
        absent: Vec<Absent>,
        played: &[Load],
    ) -> RelayReport {
        let ways = ways.iter().map(|way| {
            let setup = way
                .gateway
                .as_ref()
                .map(|ready| Setup { version: ready.version().to_owned(), note: ready.gateway.note() });
            WayFigures::of(&way.name, setup, demands, &way.outcomes)
        });
        RelayReport::of_figures(rounds, ways.collect(), absent, played)
    }

    fn of_figures(rounds: usize, ways: Vec<WayFigures>, absent: Vec<Absent>, played: &[Load]) -> RelayReport {
        let chunks_per_second = rate(played);
        let bare = ways.iter().find(|way| way.name == DIRECTLY).and_then(|way| way.chunks_per_second);
        let replay = Played {
            chunks_per_second,
            frames_per_chunk: frames_per_chunk(played),
            of_bare: ratio(chunks_per_second, bare),
        };
        RelayReport { rounds, between_ms: BETWEEN_MS, ways, absent, replay }
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
            table.extend(way.paced.iter().map(|paced| paced.cells(&way.name)));
        }
        lines.extend(aligned(&table));
        lines.push(String::new());
        let heads = ["no delays", "chunks/s", "CPU µs", "frames/chunk", "KiB/stream", "KiB waiting"];
        let mut table = vec![heads.map(str::to_owned).to_vec()];
        table.extend(self.ways.iter().map(WayFigures::cells));
        let Played { chunks_per_second, frames_per_chunk, of_bare } = &self.replay;
        table.push(
            ["recordings".to_owned(), shown(*chunks_per_second, 0), dash(), shown(*frames_per_chunk, 3)]
                .to_vec(),
        );
        lines.extend(aligned(&table));
        lines.push(String::new());
        lines.extend(self.notes());
        lines.extend(self.goals());
        lines.push(goal(
            &format!("recordings at {GOAL_OF_BARE} of the bare server's chunks per second"),
            &ratio_text(*of_bare),
            of_bare.is_some_and(|ratio| ratio >= GOAL_OF_BARE),
        ));
        lines
    }

    /// How the others are set up, and what they did not do.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for WayFigures { name, setup, failures, .. } in &self.ways {
            notes.extend(
                setup.iter().map(|Setup { version, note }| format!("gateway  {name} {version}: {note}")),
            );
            notes.extend(
                failures.iter().map(|Failure { load, why }| format!("gave up  {name}, {load}: {why}")),
            );
        }
        notes.extend(
            self.absent.iter().map(|Absent { name, why }| format!("absent   {}: {why}", name.name())),
        );
        notes
    }

    fn goals(&self) -> Vec<String> {
        let way = |name: &str| self.ways.iter().find(|way| way.name == name);
        let (Some(direct), Some(ours)) = (way(DIRECTLY), way(OURS)) else { return Vec::new() };
        let mut goals = Vec::new();
        let nginx = way(Gateway::Nginx.name()).map(|way| way.paced.as_slice()).unwrap_or_default();
        let each = direct.paced.iter().zip(&ours.paced).zip(nginx);
        for ((direct, ours), nginx) in each {
            let (Some(of_direct), Some(of_ours), Some(of_nginx)) = (&direct.late, &ours.late, &nginx.late)
            else {
                continue;
            };
            for (what, of) in
                [("the first chunk", Lateness::first as fn(&Lateness) -> f64), ("a chunk", Lateness::chunk)]
            {
                let added = (of(of_ours) - of(of_direct), of(of_nginx) - of(of_direct));
                let seen = format!("{:.3} ms, nginx {:.3} ms", added.0, added.1);
                let what = format!("added to {what}, {} (p50)", counted(ours.streams, "stream"));
                goals.push(goal(&what, &seen, added.0 <= GOAL_OF_NGINX * added.1.max(0.0)));
            }
        }
        let kib = ours.idle_kib.unwrap_or(f64::INFINITY);
        goals.push(goal("KiB for a stream that waits", &format!("{kib:.1}"), kib * 1024.0 < GOAL_IDLE_BYTES));
        let frames = ours.frames_per_chunk.unwrap_or_default();
        goals.push(goal("frames for a chunk", &format!("{frames:.3}"), frames >= NONE_MERGED));
        goals
    }
}

impl Absent {
    /// Tells it at once, too.
    pub(super) fn of(name: Gateway, error: &anyhow::Error) -> anyhow::Result<Absent> {
        let why = format!("{error:#}").replace('\n', " ");
        announce(&format!("    {}: {why}", name.name()))?;
        Ok(Absent { name, why })
    }
}

impl WayFigures {
    fn of(name: &str, setup: Option<Setup>, demands: &[Demand], outcomes: &Outcomes) -> WayFigures {
        let paced = demands.iter().filter_map(|demand| match demand {
            Demand::Paced(streams) => Some(Paced::of(*streams, &outcomes.paced)),
            Demand::AtOnce(_) => None,
        });
        let failures = outcomes.failures.iter().map(|(demand, why)| (named(*demand), why));
        let of_idle = outcomes.idle_failure.iter().map(|why| (idle_streams::NAME.to_owned(), why));
        let failures =
            failures.chain(of_idle).map(|(load, why)| Failure { load, why: why.replace('\n', " ") });
        let cpu = outcomes.stream.iter();
        let cpu = cpu.filter_map(|load| Some(1e6 * load.server_cpu_seconds? / load.chunks as f64));
        WayFigures {
            name: name.to_owned(),
            setup,
            paced: paced.collect(),
            chunks_per_second: rate(&outcomes.stream),
            cpu_us: median(cpu),
            frames_per_chunk: frames_per_chunk(&outcomes.stream),
            stream_kib: outcomes.stream_bytes.map(|bytes| bytes / 1024.0),
            idle_kib: outcomes.idle_bytes.map(|bytes| bytes / 1024.0),
            failures: failures.collect(),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            shown(self.chunks_per_second, 0),
            shown(self.cpu_us, 1),
            shown(self.frames_per_chunk, 3),
            shown(self.stream_kib, 1),
            shown(self.idle_kib, 1),
        ]
    }
}

impl Paced {
    fn of(streams: usize, paces: &BTreeMap<usize, Vec<Pace>>) -> Paced {
        Paced { streams, late: paces.get(&streams).and_then(|paces| Lateness::of(paces)) }
    }

    fn cells(&self, name: &str) -> Vec<String> {
        let figures = self.late.as_ref();
        let figures = figures.map(|late| [late.first_p50, late.first_p99, late.chunk_p50, late.chunk_p99]);
        let mut cells = vec![name.to_owned(), self.streams.to_string()];
        cells.extend((0..4).map(|column| shown(figures.map(|figures| figures[column]), 3)));
        cells
    }
}

impl Lateness {
    fn of(paces: &[Pace]) -> Option<Lateness> {
        Some(Lateness {
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
}

fn named(demand: Demand) -> String {
    match demand {
        Demand::Paced(streams) => counted(streams, "stream"),
        Demand::AtOnce(_) => "no delays".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::client_run::Quantiles;

    const DEMANDS: [Demand; 3] = [Demand::Paced(1), Demand::Paced(512), Demand::AtOnce(2)];

    fn pace(late: f64) -> Pace {
        let quantiles = |p50: f64| Quantiles { min: 0.0, p50, p99: 2.0 * p50, max: 3.0 * p50 };
        Pace {
            streams: 1,
            chunks: 100,
            late_ms: quantiles(late),
            first_late_ms: quantiles(2.0 * late),
            client_ms: quantiles(0.0),
        }
    }

    fn load(chunks: u64, frames: u64) -> Load {
        Load {
            seconds: 2.0,
            answers: chunks / 100,
            chunks,
            frames,
            reads: frames,
            chunks_per_answer: 100,
            bytes_per_answer: 10_000,
            server_cpu_seconds: Some(0.01),
            segments: None,
        }
    }

    fn outcomes(late: f64, chunks: u64, frames: u64) -> Outcomes {
        Outcomes {
            paced: DEMANDS
                .iter()
                .filter_map(|demand| match demand {
                    Demand::Paced(streams) => Some((*streams, vec![pace(late)])),
                    Demand::AtOnce(_) => None,
                })
                .collect(),
            stream: vec![load(chunks, frames)],
            stream_bytes: Some(65_536.0),
            idle_bytes: Some(16_384.0),
            idle_failure: None,
            failures: Vec::new(),
        }
    }

    #[test]
    fn every_way_has_its_lines_and_whoever_gave_up_says_why() {
        let mut slow = outcomes(8.0, 2_000, 1_010);
        slow.paced.remove(&512);
        slow.failures.push((Demand::Paced(512), "not in time;\nit said last: nothing".to_owned()));
        slow.idle_bytes = None;
        slow.idle_failure = Some("a stream did not begin:\nrefused".to_owned());
        let setup = Setup { version: "1.2.3".to_owned(), note: "one worker" };
        let ways = vec![
            WayFigures::of(DIRECTLY, None, &DEMANDS, &outcomes(0.5, 40_000, 40_400)),
            WayFigures::of(OURS, None, &DEMANDS, &outcomes(0.75, 20_000, 20_200)),
            WayFigures::of("nginx", None, &DEMANDS, &outcomes(0.7, 20_000, 20_200)),
            WayFigures::of("litellm", Some(setup), &DEMANDS, &slow),
        ];
        let absent = Absent { name: Gateway::Smg, why: "no pip".to_owned() };
        let report = RelayReport::of_figures(1, ways, vec![absent], &[load(30_000, 30_300)]);
        let expected = "\
relays   streams at 20 ms a chunk; medians of 1 round; all share the machine

lateness, ms  streams  first p50  first p99  chunk p50  chunk p99
directly            1      1.000      2.000      0.500      1.000
directly          512      1.000      2.000      0.500      1.000
interference        1      1.500      3.000      0.750      1.500
interference      512      1.500      3.000      0.750      1.500
nginx               1      1.400      2.800      0.700      1.400
nginx             512      1.400      2.800      0.700      1.400
litellm             1     16.000     32.000      8.000     16.000
litellm           512          –          –          –          –

no delays     chunks/s  CPU µs  frames/chunk  KiB/stream  KiB waiting
directly         20000     0.2         1.000        64.0         16.0
interference     10000     0.5         1.000        64.0         16.0
nginx            10000     0.5         1.000        64.0         16.0
litellm           1000     5.0         0.495        64.0            –
recordings       15000       –         1.000

gateway  litellm 1.2.3: one worker
gave up  litellm, 512 streams: not in time; it said last: nothing
gave up  litellm, streams that wait: a stream did not begin: refused
absent   smg: no pip
goal     added to the first chunk, 1 stream (p50): 0.500 ms, nginx 0.400 ms (met)
goal     added to a chunk, 1 stream (p50): 0.250 ms, nginx 0.200 ms (met)
goal     added to the first chunk, 512 streams (p50): 0.500 ms, nginx 0.400 ms (met)
goal     added to a chunk, 512 streams (p50): 0.250 ms, nginx 0.200 ms (met)
goal     KiB for a stream that waits: 16.0 (met)
goal     frames for a chunk: 1.000 (met)
goal     recordings at 0.7 of the bare server's chunks per second: 0.75× (met)";
        assert_eq!(report.lines().join("\n"), expected);
    }

    #[test]
    fn without_nginx_nothing_is_held_against_it() {
        let ways = vec![
            WayFigures::of(DIRECTLY, None, &DEMANDS, &outcomes(0.5, 40_000, 40_400)),
            WayFigures::of(OURS, None, &DEMANDS, &outcomes(9.0, 20_000, 10_000)),
        ];
        let report = RelayReport::of_figures(1, ways, Vec::new(), &[]);
        let goals = report.goals();
        assert_eq!(goals.len(), 2);
        assert!(goals[1].ends_with("(missed)"), "{}", goals[1]);
    }
}
