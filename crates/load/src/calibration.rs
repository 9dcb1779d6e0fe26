//! What the tester finds out about itself: it drives a server of its own, whose every chunk is the time of its write.
//!
//! Owns the work, the comparison of stamps with times of receipt, and the numbers of a [`Calibration`]. The server is a
//! process like any other (`interference serve --script`), started by whoever calls; both clocks are the machine's
//! monotonic one.

use std::io;
use std::time::{Duration, Instant};

use interference_report::load::{Calibration, Histogram, Quantiles};
use interference_wire::ClockAnchor;
use serde_json::json;

use crate::observation::Observation;
use crate::run::Run;
use crate::work::{Ask, Conversation, Endpoint, Work};
use crate::worker::Tally;

/// The shape of the answers of the tester's own server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Chunks of an answer; at least 1.
    pub chunks: u64,
    /// To the first.
    pub first_content: Duration,
    /// From one to the next.
    pub between_chunks: Duration,
}

impl Pace {
    /// The script of a server that answers at this pace, each chunk with the time of its write: TOML.
    pub fn script(&self) -> String {
        format!(
            "[[rule]]\nname = \"clock\"\n[rule.answer]\ntimestamps = {}\nlatency = {{ first_token = \"{}us\", between_tokens = \"{}us\" }}\n",
            self.chunks.max(1),
            self.first_content.as_micros(),
            self.between_chunks.as_micros(),
        )
    }
}

/// Asks the tester's own server.
#[derive(Debug, Clone, Copy)]
pub struct ClockWork;

struct OneQuestion(Option<Ask>);

impl Work for ClockWork {
    fn conversation(&self, _: u64) -> Box<dyn Conversation> {
        let body = json!({
            "model": "clock", "stream": true, "messages": [{"role": "user", "content": "What time is it?"}],
        });
        Box::new(OneQuestion(Some(Ask {
            endpoint: Endpoint::Chat,
            pause: Duration::ZERO,
            body: body.to_string().into_bytes(),
            streamed: true,
            wants_text: true,
        })))
    }

    fn describe(&self) -> String {
        "the time, from the tester's own server".to_owned()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        vec![Endpoint::Chat]
    }
}

impl Conversation for OneQuestion {
    fn next(&mut self, _: &str) -> Option<Ask> {
        self.0.take()
    }
}

/// The errors of one worker.
struct Errors {
    anchor: ClockAnchor,
    requests: u64,
    failed: u64,
    chunks: u64,
    first: Histogram,
    between: Histogram,
    begin: Option<Instant>,
    end: Option<Instant>,
}

impl Errors {
    fn new(anchor: ClockAnchor) -> Errors {
        Errors {
            anchor,
            requests: 0,
            failed: 0,
            chunks: 0,
            first: Histogram::new(),
            between: Histogram::new(),
            begin: None,
            end: None,
        }
    }

    /// The times of receipt minus the stamps; none where a chunk is no stamp.
    fn delays(&self, observation: &Observation) -> Option<Vec<i64>> {
        let text = observation.heard.text.as_deref().unwrap_or_default();
        let chunks = &observation.heard.chunks;
        let mut stamps = text.split_ascii_whitespace();
        let delays: Option<Vec<i64>> = chunks
            .iter()
            .map(|at| {
                let stamp: u64 = stamps.next()?.parse().ok()?;
                i64::try_from(i128::from(self.anchor.nanos_at(*at)) - i128::from(stamp)).ok()
            })
            .collect();
        delays.filter(|delays| !delays.is_empty() && stamps.next().is_none())
    }
}

impl Tally for Errors {
    fn add(&mut self, observation: &Observation) -> bool {
        self.requests += 1;
        self.end = self.end.max(Some(observation.ended));
        let delays = observation.outcome.ok().and_then(|()| self.delays(observation));
        let Some(delays) = delays else {
            self.failed += 1;
            return false;
        };
        self.chunks += delays.len() as u64;
        // Both clocks are one: what is below zero is their resolution.
        let first = delays.first().copied().unwrap_or_default().max(0);
        self.first.record_time(Duration::from_nanos(first.unsigned_abs()));
        for pair in delays.windows(2) {
            self.between.record_time(Duration::from_nanos(pair[1].abs_diff(pair[0])));
        }
        true
    }

    fn in_flight(&mut self, now: Instant, _: u64) {
        self.begin.get_or_insert(now);
    }
}

/// Drives the tester's own server by a run, and tells how far the times of receipt were from the stamps.
///
/// # Errors
/// When the system has no means for a thread or a runtime.
pub fn calibrate(run: &Run) -> io::Result<Calibration> {
    let anchor = ClockAnchor::take();
    let ran = run.perform(|| Errors::new(anchor))?;
    let mut all = Errors::new(anchor);
    for errors in ran.tallies {
        all.requests += errors.requests;
        all.failed += errors.failed;
        all.chunks += errors.chunks;
        all.first.merge(&errors.first);
        all.between.merge(&errors.between);
        all.begin = [all.begin, errors.begin].into_iter().flatten().min();
        all.end = all.end.max(errors.end);
    }
    let lasted = all.end.zip(all.begin).map_or(0.0, |(end, begin)| (end - begin).as_secs_f64());
    let chunks_per_second = if lasted > 0.0 { (all.chunks as f64 / lasted).round() } else { 0.0 };
    Ok(Calibration {
        streams: run.live.snapshot().peak,
        requests: all.requests,
        errors: all.failed,
        chunks_per_second,
        first_content_error_ms: Quantiles::of(&all.first),
        between_chunks_error_ms: Quantiles::of(&all.between),
        longest_stall_ms: ran.watched.longest_stall_ms,
    })
}
