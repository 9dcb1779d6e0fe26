//! What was measured of the servers, as a table and as JSON.
//!
//! Rates are those of the median round, and so are all other figures, each by itself. A ratio is that of medians.

use serde::Serialize;

use crate::bench::client_run::{Load, Pace, Quantiles};
use crate::bench::contestant::{BETWEEN_MS, Contestant, Outcomes, Role};
use crate::bench::spread::{Spread, ratio_text};
use crate::bench::table::{aligned, counted};

/// What ours should reach of the bare server's rates.
const GOAL_OF_BARE: f64 = 0.7;
/// What 99 of 100 pieces of paced streams should not exceed.
const GOAL_LATE_MS: f64 = 3.0;
/// With fewer frames than this for a chunk, some chunks are sent together.
const ALONE: f64 = 0.95;
/// With fewer segments than this for a chunk, most chunks are sent together. A busy system joins some by itself, whatever
/// the server asks for, and more of them where the client is slow.
const HELD_BACK: f64 = 0.5;

/// Everything that one run measured.
#[derive(Debug, Serialize)]
pub(super) struct ServerReport {
    rounds: usize,
    connections: usize,
    streams: usize,
    between_ms: u64,
    servers: Vec<Row>,
    goals: Vec<Goal>,
    /// What a reader should know before comparing.
    notes: Vec<String>,
}

/// One server.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// None where it failed.
    plain: Option<Rate>,
    stream: Option<Stream>,
    pace: Option<Lateness>,
}

/// How many a second.
#[derive(Debug, Serialize)]
struct Rate {
    per_second: Spread,
    /// Of the bare server's median.
    of_bare: Option<f64>,
    /// Processor time of the server for each, in microseconds.
    cpu_us: Option<f64>,
}

/// Chunks of streams.
#[derive(Debug, Serialize)]
struct Stream {
    chunks: Rate,
    chunks_per_answer: u64,
    /// Chunks of the chunked coding for each chunk of the answer.
    frames_per_chunk: f64,
    /// TCP segments of the server for each, where the system tells them.
    segments_per_chunk: Option<f64>,
    /// Reads of the client for each. A client that is busy finds several chunks at once, however they were sent.
    reads_per_chunk: f64,
}

/// How late the text of paced streams was, in milliseconds.
#[derive(Debug, Serialize)]
struct Lateness {
    p50: Spread,
    p99: Spread,
    max: Spread,
    client_p50: Spread,
    client_p99: Spread,
}

/// Something to be reached.
#[derive(Debug, PartialEq, Serialize)]
struct Goal {
    what: String,
    seen: String,
    verdict: Verdict,
}

/// Whether it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Met,
    Missed,
    /// A peer is faster that sends several chunks at once, which is less work, and ours does not.
    NotComparable,
}

impl Verdict {
    fn of(is_met: bool) -> Verdict {
        if is_met { Verdict::Met } else { Verdict::Missed }
    }

    fn words(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::NotComparable => "not comparable: several chunks are sent at once",
        }
    }
}

impl ServerReport {
    /// Makes medians and ratios.
    pub(super) fn of(measured: &[(&Contestant, &Outcomes)], rounds: usize, streams: usize) -> ServerReport {
        let figures: Vec<_> = measured
            .iter()
            .map(|(contestant, outcomes)| (contestant.name.as_str(), contestant.role, *outcomes))
            .collect();
        let mut report = ServerReport::of_figures(&figures, rounds, streams);
        let own = measured.iter().flat_map(|(contestant, _)| contestant.notes);
        report.notes.extend(own.map(|note| (*note).to_owned()));
        report
    }

    fn of_figures(measured: &[(&str, Role, &Outcomes)], rounds: usize, streams: usize) -> ServerReport {
        let bare = measured.iter().find(|(_, role, _)| *role == Role::Bare).map(|(_, _, outcomes)| *outcomes);
        let servers: Vec<Row> =
            measured.iter().map(|(name, _, outcomes)| Row::of(name, outcomes, bare)).collect();
        let of_role = |wanted: Role| {
            let rows = measured.iter().zip(&servers).filter(move |((_, role, _), _)| *role == wanted);
            rows.map(|(_, row)| row)
        };
        let ours = of_role(Role::Ours).next();
        ServerReport {
            rounds,
            connections: super::CONNECTIONS,
            streams,
            between_ms: BETWEEN_MS,
            goals: ours.map(|ours| goals(ours, of_role(Role::Peer))).unwrap_or_default(),
            notes: notes(measured, &servers),
            servers,
        }
    }

    /// Lines for a person.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "servers  {} with answers without delays; {} at {} ms a chunk",
                counted(self.connections, "connection"),
                counted(self.streams, "stream"),
                self.between_ms
            ),
            format!(
                "         medians of {}; servers and client share the machine",
                counted(self.rounds, "round")
            ),
            String::new(),
        ];
        lines.extend(self.table(&["plain", "requests/s", "min", "max", "of bare", "CPU µs"], |row| {
            row.plain.as_ref().map(Rate::cells)
        }));
        lines.push(String::new());
        let heads = [
            "streamed",
            "chunks/s",
            "min",
            "max",
            "of bare",
            "CPU µs",
            "chunks",
            "frames/chunk",
            "segments/chunk",
            "reads/chunk",
        ];
        lines.extend(self.table(&heads, |row| row.stream.as_ref().map(Stream::cells)));
        lines.push(String::new());
        let heads = ["lateness, ms", "p50", "p99", "min p99", "max p99", "max", "client p50", "client p99"];
        lines.extend(self.table(&heads, |row| row.pace.as_ref().map(Lateness::cells)));
        lines.push(String::new());
        for Goal { what, seen, verdict } in &self.goals {
            lines.push(format!("goal     {what}: {seen} ({})", verdict.words()));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines
    }

    fn table(&self, heads: &[&str], cells: impl Fn(&Row) -> Option<Vec<String>>) -> Vec<String> {
        let mut table = vec![heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>()];
        table.extend(self.servers.iter().map(|row| {
            let cells = cells(row).unwrap_or_else(|| vec!["–".to_owned(); heads.len() - 1]);
            [vec![row.name.clone()], cells].concat()
        }));
        aligned(&table)
    }
}

impl Row {
    fn of(name: &str, outcomes: &Outcomes, bare: Option<&Outcomes>) -> Row {
        let answers = |load: &Load| load.answers;
        let plain = Rate::of(&outcomes.plain, bare.map(|bare| bare.plain.as_slice()), answers);
        let bare_stream = bare.map(|bare| bare.stream.as_slice());
        Row {
            name: name.to_owned(),
            plain,
            stream: Stream::of(&outcomes.stream, bare_stream),
            pace: Lateness::of(&outcomes.pace),
        }
    }
}

impl Rate {
    fn of(loads: &[Load], bare: Option<&[Load]>, count: fn(&Load) -> u64) -> Option<Rate> {
        let spread = |loads: &[Load]| Spread::of(loads.iter().map(|load| count(load) as f64 / load.seconds));
        let per_second = spread(loads)?;
        let cpu = loads.iter().filter_map(|load| Some(1e6 * load.server_cpu_seconds? / count(load) as f64));
        Some(Rate {
            per_second,
            of_bare: bare.and_then(spread).and_then(|bare| per_second.ratio_to(&bare)),
            cpu_us: Spread::of(cpu).map(|cpu| cpu.median),
        })
    }

    fn cells(&self) -> Vec<String> {
        let Spread { median, min, max } = self.per_second;
        let mut cells: Vec<String> = [median, min, max].map(|rate| format!("{rate:.0}")).to_vec();
        cells.push(ratio_text(self.of_bare));
        cells.push(self.cpu_us.map_or_else(|| "–".to_owned(), |cpu| format!("{cpu:.1}")));
        cells
    }
}

impl Stream {
    fn of(loads: &[Load], bare: Option<&[Load]>) -> Option<Stream> {
        let per_chunk = |count: fn(&Load) -> u64| {
            Spread::of(loads.iter().map(|load| count(load) as f64 / load.chunks as f64))
        };
        let segments = loads.iter().filter_map(|load| Some(load.segments? as f64 / load.chunks as f64));
        Some(Stream {
            chunks: Rate::of(loads, bare, |load| load.chunks)?,
            chunks_per_answer: loads.first()?.chunks_per_answer,
            frames_per_chunk: per_chunk(|load| load.frames)?.median,
            segments_per_chunk: Spread::of(segments).map(|segments| segments.median),
            reads_per_chunk: per_chunk(|load| load.reads)?.median,
        })
    }

    /// How chunks are sent together, where they are, as far as the system tells.
    fn joined(&self) -> Option<String> {
        let frames = self.frames_per_chunk;
        if frames < ALONE {
            return Some(format!("puts several chunks into one frame ({frames:.2} a chunk)"));
        }
        let segments = self.segments_per_chunk.filter(|segments| *segments < HELD_BACK)?;
        Some(format!("sends several chunks at once ({segments:.2} TCP segments a chunk)"))
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = self.chunks.cells();
        cells.push(self.chunks_per_answer.to_string());
        let shares = [Some(self.frames_per_chunk), self.segments_per_chunk, Some(self.reads_per_chunk)];
        cells.extend(shares.map(|share| share.map_or_else(|| "–".to_owned(), |share| format!("{share:.2}"))));
        cells
    }
}

impl Lateness {
    fn of(paces: &[Pace]) -> Option<Lateness> {
        let late = |pick: fn(&Quantiles) -> f64| Spread::of(paces.iter().map(|pace| pick(&pace.late_ms)));
        let client = |pick: fn(&Quantiles) -> f64| Spread::of(paces.iter().map(|pace| pick(&pace.client_ms)));
        Some(Lateness {
            p50: late(|late| late.p50)?,
            p99: late(|late| late.p99)?,
            max: late(|late| late.max)?,
            client_p50: client(|client| client.p50)?,
            client_p99: client(|client| client.p99)?,
        })
    }

    fn cells(&self) -> Vec<String> {
        let Spread { median, min, max } = self.p99;
        let figures = [
            self.p50.median,
            median,
            min,
            max,
            self.max.median,
            self.client_p50.median,
            self.client_p99.median,
        ];
        figures.map(|figure| format!("{figure:.2}")).to_vec()
    }
}

/// What ours came to, where it was measured.
fn goals<'a>(ours: &Row, peers: impl Iterator<Item = &'a Row>) -> Vec<Goal> {
    let of_bare = |what: &str, rate: Option<&Rate>| {
        let ratio = rate?.of_bare?;
        Some(Goal {
            what: format!("{what}, at least {GOAL_OF_BARE:.2} of bare hyper"),
            seen: format!("{ratio:.2}"),
            verdict: Verdict::of(ratio >= GOAL_OF_BARE),
        })
    };
    let our_chunks = ours.stream.as_ref().map(|stream| &stream.chunks);
    let mut goals = vec![of_bare("plain", ours.plain.as_ref()), of_bare("streamed", our_chunks)];
    for peer in peers {
        let above = |what: &str, ours: Option<&Rate>, theirs: Option<&Rate>| {
            let ratio = ours?.per_second.ratio_to(&theirs?.per_second)?;
            let (what, seen) = (format!("{what}, above {}", peer.name), format!("{ratio:.2}×"));
            Some(Goal { what, seen, verdict: Verdict::of(ratio > 1.0) })
        };
        goals.push(above("plain", ours.plain.as_ref(), peer.plain.as_ref()));
        let their_stream = peer.stream.as_ref();
        let streamed = above("streamed", our_chunks, their_stream.map(|stream| &stream.chunks));
        let is_joined = |stream: Option<&Stream>| stream.and_then(Stream::joined).is_some();
        let differs = is_joined(their_stream) && !is_joined(ours.stream.as_ref());
        goals.push(streamed.map(|goal| match goal.verdict {
            Verdict::Missed if differs => Goal { verdict: Verdict::NotComparable, ..goal },
            _ => goal,
        }));
    }
    goals.push(ours.pace.as_ref().map(|pace| Goal {
        what: format!("99 of 100 chunks less than {GOAL_LATE_MS:.0} ms late"),
        seen: format!("{:.2} ms", pace.p99.median),
        verdict: Verdict::of(pace.p99.median < GOAL_LATE_MS),
    }));
    goals.into_iter().flatten().collect()
}

/// Where the servers did not do the same.
fn notes(measured: &[(&str, Role, &Outcomes)], servers: &[Row]) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, _, outcomes) in measured {
        let mut failures = outcomes.failures.clone();
        failures.sort();
        failures.dedup();
        // The client names server and load.
        notes.extend(failures.into_iter().map(|failure| format!("not measured: {failure}")));
        let bytes = |loads: &[Load]| loads.first().map(|load| load.bytes_per_answer);
        if let (Some(plain), Some(stream)) = (bytes(&outcomes.plain), bytes(&outcomes.stream)) {
            notes.push(format!("{name} writes {plain} bytes a plain answer, and {stream} a stream"));
        }
    }
    for Row { name, stream, .. } in servers {
        notes.extend(stream.as_ref().and_then(Stream::joined).map(|how| format!("{name} {how}")));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(answers: u64, chunks: u64) -> Load {
        Load {
            seconds: 2.0,
            answers,
            chunks,
            frames: chunks,
            reads: chunks,
            chunks_per_answer: 258,
            bytes_per_answer: 1_000,
            server_cpu_seconds: Some(1.0),
            segments: Some(chunks),
        }
    }

    fn pace(p99: f64) -> Pace {
        let quantiles = |p99: f64| Quantiles { min: 0.0, p50: p99 / 4.0, p99, max: 2.0 * p99 };
        Pace {
            streams: 1_000,
            chunks: 100_000,
            late_ms: quantiles(p99),
            first_late_ms: quantiles(p99),
            client_ms: quantiles(p99 / 10.0),
        }
    }

    fn outcomes(answers: [u64; 3], chunks: [u64; 3], p99: f64) -> Outcomes {
        Outcomes {
            plain: answers.map(|answers| load(answers, 0)).to_vec(),
            stream: chunks.map(|chunks| load(1, chunks)).to_vec(),
            pace: vec![pace(p99)],
            failures: Vec::new(),
        }
    }

    #[test]
    fn rows_have_medians_ratios_and_goals() {
        let ours = outcomes([80_000, 75_000, 82_000], [400_000, 390_000, 420_000], 2.0);
        let bare = outcomes([100_000, 99_000, 101_000], [500_000, 490_000, 510_000], 1.0);
        let mut peer = outcomes([90_000, 90_000, 90_000], [200_000, 200_000, 200_000], 2.0);
        peer.pace.clear();
        peer.stream.iter_mut().for_each(|load| load.segments = Some(load.chunks / 4));
        peer.failures = vec!["peer 1, pace: broken".to_owned(); 2];
        let sockets = Outcomes { pace: vec![pace(0.8)], ..Outcomes::default() };
        let measured = [
            ("interference", Role::Ours, &ours),
            ("bare hyper", Role::Bare, &bare),
            ("sockets alone", Role::Sockets, &sockets),
            ("peer 1", Role::Peer, &peer),
        ];
        let report = ServerReport::of_figures(&measured, 3, 1_000);
        assert_eq!(
            report.lines(),
            [
                "servers  64 connections with answers without delays; 1000 streams at 20 ms a chunk",
                "         medians of 3 rounds; servers and client share the machine",
                "",
                "plain          requests/s    min    max  of bare  CPU µs",
                "interference        40000  37500  41000    0.80×    12.5",
                "bare hyper          50000  49500  50500    1.00×    10.0",
                "sockets alone           –      –      –        –       –",
                "peer 1              45000  45000  45000    0.90×    11.1",
                "",
                "streamed       chunks/s     min     max  of bare  CPU µs  chunks  frames/chunk  segments/chunk  reads/chunk",
                "interference     200000  195000  210000    0.80×     2.5     258          1.00            1.00         1.00",
                "bare hyper       250000  245000  255000    1.00×     2.0     258          1.00            1.00         1.00",
                "sockets alone         –       –       –        –       –       –             –               –            –",
                "peer 1           100000  100000  100000    0.40×     5.0     258          1.00            0.25         1.00",
                "",
                "lateness, ms    p50   p99  min p99  max p99   max  client p50  client p99",
                "interference   0.50  2.00     2.00     2.00  4.00        0.05        0.20",
                "bare hyper     0.25  1.00     1.00     1.00  2.00        0.03        0.10",
                "sockets alone  0.20  0.80     0.80     0.80  1.60        0.02        0.08",
                "peer 1            –     –        –        –     –           –           –",
                "",
                "goal     plain, at least 0.70 of bare hyper: 0.80 (met)",
                "goal     streamed, at least 0.70 of bare hyper: 0.80 (met)",
                "goal     plain, above peer 1: 0.89× (missed)",
                "goal     streamed, above peer 1: 2.00× (met)",
                "goal     99 of 100 chunks less than 3 ms late: 2.00 ms (met)",
                "note: interference writes 1000 bytes a plain answer, and 1000 a stream",
                "note: bare hyper writes 1000 bytes a plain answer, and 1000 a stream",
                "note: not measured: peer 1, pace: broken",
                "note: peer 1 writes 1000 bytes a plain answer, and 1000 a stream",
                "note: peer 1 sends several chunks at once (0.25 TCP segments a chunk)",
            ]
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["servers"][0]["plain"]["of_bare"], 0.8);
        assert_eq!(json["servers"][3]["pace"], serde_json::Value::Null);
        assert_eq!(json["goals"][2]["verdict"], "missed");
    }

    #[test]
    fn a_peer_that_sends_several_chunks_at_once_is_no_measure_for_one_that_does_not() {
        let outcomes = |chunks: u64, segments: u64| {
            let mut outcomes = outcomes([1, 1, 1], [chunks; 3], 1.0);
            outcomes.stream.iter_mut().for_each(|load| load.segments = Some(segments));
            outcomes
        };
        let verdict = |(chunks, segments): (u64, u64), our_segments: u64| {
            let (ours, peer) = (outcomes(100, our_segments), outcomes(chunks, segments));
            let measured = [("interference", Role::Ours, &ours), ("peer 1", Role::Peer, &peer)];
            let report = ServerReport::of_figures(&measured, 3, 1);
            let of_streams = report.goals.iter().find(|goal| goal.what == "streamed, above peer 1");
            of_streams.map(|goal| goal.verdict)
        };
        assert_eq!(verdict((200, 200), 100), Some(Verdict::Missed));
        assert_eq!(verdict((200, 50), 100), Some(Verdict::NotComparable));
        assert_eq!(verdict((200, 50), 25), Some(Verdict::Missed), "both are joined");
        assert_eq!(verdict((50, 10), 100), Some(Verdict::Met));
    }

    #[test]
    fn several_chunks_in_a_frame_are_noted() {
        let mut ours = outcomes([1, 1, 1], [100, 100, 100], 1.0);
        ours.stream.iter_mut().for_each(|load| load.frames = 25);
        let report = ServerReport::of_figures(&[("interference", Role::Ours, &ours)], 3, 1);
        assert_eq!(
            report.notes.last().map(String::as_str),
            Some("interference puts several chunks into one frame (0.25 a chunk)")
        );
        // Without a bare server there is nothing to hold a rate against.
        assert_eq!(report.goals.len(), 1);
    }
}
