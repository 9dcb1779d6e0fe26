//! Runs that never were: answers drawn from a seed, and documents made of them as a tester would.

use std::time::Duration;

use interference_report::Tool;
use interference_report::load::{
    Basis, Bounds, Calibration, Certificate, FORMAT, LoadReport, Measure, Measurements, Objective, Plan,
    Point, Quantiles, Series, Shard, StreamLine, Watch,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, StandardNormal};

/// What answers are drawn from.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    pub(crate) seed: u64,
    pub(crate) requests: u64,
    /// Arrivals a second.
    pub(crate) rate: f64,
    /// The median wait for the first chunk, in milliseconds.
    pub(crate) first_content_ms: f64,
    /// The median time between two chunks, in milliseconds.
    pub(crate) between_chunks_ms: f64,
    pub(crate) chunks: usize,
    /// The share of requests that fail.
    pub(crate) failing: f64,
    /// How much an answer's wait resembles that of the one before, from 0 to 1.
    pub(crate) memory: f64,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            seed: 7,
            requests: 600,
            rate: 20.0,
            first_content_ms: 180.0,
            between_chunks_ms: 12.0,
            chunks: 8,
            failing: 0.03,
            memory: 0.7,
        }
    }
}

/// The longest wait for the first chunk of a good answer, in milliseconds.
const SLO_MS: f64 = 400.0;

/// An answer, before it is measured.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) line: StreamLine,
    completion_tokens: u64,
}

/// The answers of a run.
pub(crate) fn answers(traffic: &Traffic) -> Vec<Answer> {
    let mut draw = ChaCha8Rng::seed_from_u64(traffic.seed);
    let gaps = Exp::new(traffic.rate / 1e3).unwrap();
    let (mut scheduled_ms, mut mood) = (0.0, 0.0_f64);
    let mut answers = Vec::new();
    for arrival in 0..traffic.requests {
        scheduled_ms += gaps.sample(&mut draw);
        let fresh: f64 = StandardNormal.sample(&mut draw);
        mood = traffic.memory * mood + (1.0 - traffic.memory.powi(2)).sqrt() * fresh;
        answers.push(answer(traffic, &mut draw, arrival, scheduled_ms, mood));
    }
    answers
}

fn answer(traffic: &Traffic, draw: &mut ChaCha8Rng, arrival: u64, scheduled_ms: f64, mood: f64) -> Answer {
    let mut normal = |deviation: f64| {
        let number: f64 = StandardNormal.sample(&mut *draw);
        (deviation * number).exp()
    };
    let sent_ms = scheduled_ms + 0.2 * normal(1.0);
    let first_ms = sent_ms + traffic.first_content_ms * (0.4 * mood).exp();
    let pace = traffic.between_chunks_ms * normal(0.2);
    let mut at_ms = first_ms;
    let mut chunks_ms = vec![first_ms];
    for _ in 1..traffic.chunks {
        at_ms += pace * normal(0.3);
        chunks_ms.push(at_ms);
    }
    let completion_tokens = traffic.chunks as u64 + draw.random_range(0..4);
    let mut line = StreamLine {
        arrival,
        scheduled_ms,
        sent_ms: Some(sent_ms),
        headers_ms: Some(sent_ms + (first_ms - sent_ms) / 2.0),
        ended_ms: at_ms + 0.5,
        outcome: if first_ms - scheduled_ms < SLO_MS { "good" } else { "missed_slo" }.to_owned(),
        chunks_ms,
    };
    if draw.random_bool(traffic.failing) {
        let kinds = ["timeout", "http_500", "ended_early"];
        line.outcome = kinds[draw.random_range(0..kinds.len())].to_owned();
        line.chunks_ms.truncate(2);
        line.ended_ms = line.chunks_ms.last().copied().unwrap_or(first_ms) + 3.0;
    }
    Answer { line, completion_tokens }
}

fn millis(millis: f64) -> Duration {
    Duration::from_secs_f64(millis / 1e3)
}

/// What a tester measures of answers.
pub(crate) fn measured(answers: &[Answer]) -> Measurements {
    let mut measured = Measurements::default();
    for answer in answers {
        let line = &answer.line;
        measured.counts.scheduled += 1;
        measured.counts.sent += 1;
        measured.timeline.at(millis(line.scheduled_ms)).scheduled += 1;
        measured.timeline.at(millis(line.sent_ms.unwrap())).sent += 1;
        match line.outcome.as_str() {
            outcome @ ("good" | "missed_slo") => sound(&mut measured, answer, outcome == "good"),
            kind => {
                *measured.errors.entry(kind.to_owned()).or_default() += 1;
                measured.timeline.at(millis(line.ended_ms)).errors += 1;
            }
        }
        measured.streams.add(line.clone());
    }
    for (index, interval) in measured.timeline.intervals.iter_mut().enumerate() {
        let at_ms = index as f64 * 1e3;
        let is_open = |answer: &&Answer| answer.line.scheduled_ms <= at_ms && at_ms < answer.line.ended_ms;
        interval.in_flight = answers.iter().filter(is_open).count() as u64;
    }
    measured
}

fn sound(measured: &mut Measurements, answer: &Answer, is_good: bool) {
    let line = &answer.line;
    let (scheduled, sent) = (line.scheduled_ms, line.sent_ms.unwrap());
    let (first, last) = (line.chunks_ms[0], line.chunks_ms[line.chunks_ms.len() - 1]);
    let headers = line.headers_ms.unwrap();
    for (measure, millis_of) in [
        (Measure::Lateness, sent - scheduled),
        (Measure::Headers, headers - scheduled),
        (Measure::FirstContent, first - scheduled),
        (Measure::Total, line.ended_ms - scheduled),
        (Measure::FirstContentFromSent, first - sent),
        (Measure::TimePerOutputToken, (last - first) / (answer.completion_tokens - 1) as f64),
    ] {
        measured.record_time(measure, millis(millis_of));
    }
    measured.timeline.at(millis(first)).first_content.record_time(millis(first - scheduled));
    for pair in line.chunks_ms.windows(2) {
        measured.record_time(Measure::BetweenChunks, millis(pair[1] - pair[0]));
        measured.timeline.at(millis(pair[1])).between_chunks.record_time(millis(pair[1] - pair[0]));
    }
    for chunk in &line.chunks_ms {
        measured.record(Measure::ChunksPerRead, 1);
        measured.timeline.at(millis(*chunk)).chunks += 1;
    }
    measured.record(Measure::PromptTokens, 200);
    measured.record(Measure::CompletionTokens, answer.completion_tokens);
    measured.counts.chunks += line.chunks_ms.len() as u64;
    measured.counts.reads += line.chunks_ms.len() as u64;
    measured.counts.prompt_tokens += 200;
    measured.counts.completion_tokens += answer.completion_tokens;
    let ended = measured.timeline.at(millis(line.ended_ms));
    ended.completed += 1;
    ended.good += u64::from(is_good);
    if is_good {
        measured.counts.good += 1;
    } else {
        measured.counts.missed_slo += 1;
    }
}

/// The document of answers that were drawn from this.
pub(crate) fn report(traffic: &Traffic) -> LoadReport {
    document(traffic, &answers(traffic))
}

/// The document of some answers of a run.
pub(crate) fn document(traffic: &Traffic, answers: &[Answer]) -> LoadReport {
    let text = str::to_owned;
    let duration_ms = answers.iter().map(|answer| answer.line.ended_ms).fold(0.0, f64::max);
    LoadReport {
        format: text(FORMAT),
        tool: Tool { name: text("interference"), version: text("0.1.0") },
        command: text("interference load http://localhost:8080/v1 -m tiny-chat --rate 20 --duration 30s"),
        target: text("http://localhost:8080/v1"),
        target_name: Some(text("example-server 2.4")),
        model: Some(text("tiny-chat-0.5b")),
        started_at: text("2026-11-26T09:30:00Z"),
        duration_ms,
        plan: Plan {
            arrivals: text("poisson"),
            rate: Some(traffic.rate.to_string()),
            concurrency: None,
            duration_ms: traffic.requests as f64 / traffic.rate * 1e3,
            warmup_ms: 0.0,
            seed: 7,
            endpoint: text("chat"),
            work: text("200 tokens in, 8 out"),
            late_after_ms: 5.0,
            start_at: None,
        },
        basis: Basis::Scheduled,
        shards: Vec::new(),
        slo: Vec::new(),
        notes: Vec::new(),
        certificates: vec![certificate()],
        series: None,
        measurements: measured(answers),
    }
}

/// The shards of a run, by arrival.
pub(crate) fn shards(traffic: &Traffic, of: u32) -> Vec<LoadReport> {
    let answers = answers(traffic);
    let of_shard = |index: u32| {
        let own: Vec<Answer> = answers
            .iter()
            .filter(|answer| answer.line.arrival % u64::from(of) == u64::from(index))
            .cloned()
            .collect();
        let mut report = document(traffic, &own);
        report.shards = vec![Shard { index, of }];
        report.plan.start_at = Some("2026-11-26T09:30:00Z".to_owned());
        report
    };
    (0..of).map(of_shard).collect()
}

/// One without objections.
pub(crate) fn certificate() -> Certificate {
    let calibration = Calibration {
        streams: 32,
        requests: 400,
        errors: 0,
        chunks_per_second: 640.0,
        first_content_error_ms: Some(Quantiles { p50: 0.08, p99: 0.42, max: 1.9 }),
        between_chunks_error_ms: Some(Quantiles { p50: 0.01, p99: 0.11, max: 0.8 }),
        longest_stall_ms: 1.2,
    };
    Certificate {
        bounds: Bounds::default(),
        before: Some(calibration.clone()),
        after: Some(Calibration { requests: 380, ..calibration }),
        during: Watch { longest_stall_ms: 3.4, stalls: 0 },
        streams: 9,
        chunks_per_second: 211.0,
    }
}

/// Everything that a document can have: missing shards, objectives met and missed, errors, a series, late requests, a
/// certificate with objections.
pub(crate) fn rich() -> LoadReport {
    let traffic = Traffic { requests: 240, rate: 12.0, chunks: 20, failing: 0.06, ..Traffic::default() };
    let mut report = report(&traffic);
    report.shards = vec![Shard { index: 0, of: 3 }, Shard { index: 1, of: 3 }];
    report.plan.start_at = Some("2026-11-26T09:30:00Z".to_owned());
    report.plan.concurrency = Some("64".to_owned());
    report.plan.warmup_ms = 5_000.0;
    report.notes =
        vec!["not all of the run is here: 2/3 is missing, so rates and counts are too low".to_owned()];
    let mut certificate = certificate();
    certificate.during = Watch { longest_stall_ms: 21.7, stalls: 2 };
    report.certificates.push(certificate);
    report.measurements.counts.late = 7;
    report.measurements.counts.sent -= 1;
    report.measurements.counts.without_usage = 3;
    report.measurements.counts.reconnected = 2;
    for (measure, micros) in [
        (Measure::Connect, 900),
        (Measure::FirstByte, 90_000),
        (Measure::FirstReasoning, 120_000),
        (Measure::HeadersFromSent, 80_000),
        (Measure::FirstByteFromSent, 88_000),
        (Measure::FirstReasoningFromSent, 118_000),
        (Measure::TotalFromSent, 900_000),
    ] {
        (0..50).for_each(|step| report.measurements.record(measure, micros + step * micros / 100));
    }
    let figures = report.figures();
    let objectives =
        ["first_content_ms_p99<500", "valid_goodput_ratio>=0.8", "connect_ms_max<=2", "failed<5"];
    let objectives = objectives.map(|objective| objective.parse::<Objective>().unwrap().evaluate(&figures));
    report.slo = objectives.to_vec();
    report.series = Some(series());
    report
}

fn series() -> Series {
    let point = |index: u64| {
        let at = 4.0 * (index + 1) as f64;
        let traffic = Traffic {
            seed: index,
            requests: 60,
            rate: at,
            first_content_ms: 90.0 * 1.35_f64.powi(index as i32),
            ..Traffic::default()
        };
        let mut report = report(&traffic);
        report.shards = vec![Shard { index: 0, of: 3 }, Shard { index: 1, of: 3 }];
        let good = report.figures()["valid_goodput_ratio"].as_f64().unwrap();
        Point { met: good > 0.9, certified: index != 5, ..Point::of(at, &report) }
    };
    let points: Vec<Point> = (0..6).map(point).collect();
    let highest = points.iter().filter(|point| point.met).map(|point| point.at).reduce(f64::max);
    Series { variable: "rate".to_owned(), points, highest }
}

/// A series of runs that are all the same.
pub(crate) fn fault_series(report: &LoadReport, parts: &[f64]) -> Series {
    let points = parts.iter().map(|part| Point::of(*part, report)).collect();
    Series { variable: "fault_probability".to_owned(), points, highest: None }
}
