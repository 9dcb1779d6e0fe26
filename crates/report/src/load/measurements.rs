//! What was measured, in a form that can be added to what another machine has measured.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;
use super::measure::Measure;
use super::streams::Streams;
use super::timeline::Timeline;

/// How many of what there was. Every request that was scheduled is in the end one of `good`, `missed_slo` and the
/// [errors](Measurements::errors).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Requests of the schedule, further turns of conversations included.
    pub scheduled: u64,
    /// Those that were sent.
    pub sent: u64,
    /// Those that were sent later than scheduled by more than the bound of the plan.
    pub late: u64,
    /// Sound to their ends, and within the SLO.
    pub good: u64,
    /// Sound to their ends, and beyond the SLO.
    pub missed_slo: u64,
    /// Requests that were sent anew on a fresh connection, because the server had closed the idle one before it answered.
    pub reconnected: u64,
    /// Chunks with output of sound answers.
    pub chunks: u64,
    /// Reads that brought any of these.
    pub reads: u64,
    /// By the server's usage, of sound answers.
    pub prompt_tokens: u64,
    /// By the server's usage, of sound answers.
    pub completion_tokens: u64,
    /// Sound answers whose usage the server did not tell.
    pub without_usage: u64,
    /// Sound answers that did not end by themselves: their finish reason was `length`.
    pub ended_by_length: u64,
}

/// What a run has measured. Latencies are those of sound answers alone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measurements {
    /// How many.
    pub counts: Counts,
    /// Requests that came to nothing sound, by kind.
    pub errors: BTreeMap<String, u64>,
    /// A measure without a value has none.
    pub histograms: BTreeMap<Measure, Histogram>,
    /// What happened when.
    pub timeline: Timeline,
    /// Some answers, to be looked at.
    pub streams: Streams,
}

impl Measurements {
    /// Adds a time.
    pub fn record_time(&mut self, measure: Measure, time: Duration) {
        self.histograms.entry(measure).or_default().record_time(time);
    }

    /// Adds a number.
    pub fn record(&mut self, measure: Measure, count: u64) {
        self.histograms.entry(measure).or_default().record(count);
    }

    /// Requests that came to nothing sound.
    pub fn failed(&self) -> u64 {
        self.errors.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Sound to their ends, whether they met the SLO or not.
    pub fn completed(&self) -> u64 {
        self.counts.good.saturating_add(self.counts.missed_slo)
    }

    /// Adds what another machine has measured, from the same start.
    pub fn merge(&mut self, other: &Measurements) {
        self.add_all_but_timeline(other);
        self.timeline.merge(&other.timeline);
    }

    /// Adds what another thread of the same machine has measured: each has seen how many requests were in flight in all.
    pub fn join(&mut self, other: &Measurements) {
        self.add_all_but_timeline(other);
        self.timeline.join(&other.timeline);
    }

    fn add_all_but_timeline(&mut self, other: &Measurements) {
        self.counts.add(&other.counts);
        for (kind, count) in &other.errors {
            let own = self.errors.entry(kind.clone()).or_default();
            *own = own.saturating_add(*count);
        }
        for (measure, histogram) in &other.histograms {
            self.histograms.entry(*measure).or_default().merge(histogram);
        }
        self.streams.merge(&other.streams);
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: &Counts) {
        let Counts {
            scheduled,
            sent,
            late,
            good,
            missed_slo,
            reconnected,
            chunks,
            reads,
            prompt_tokens,
            completion_tokens,
            without_usage,
            ended_by_length,
        } = other;
        for (own, other) in [
            (&mut self.scheduled, scheduled),
            (&mut self.sent, sent),
            (&mut self.late, late),
            (&mut self.good, good),
            (&mut self.missed_slo, missed_slo),
            (&mut self.reconnected, reconnected),
            (&mut self.chunks, chunks),
            (&mut self.reads, reads),
            (&mut self.prompt_tokens, prompt_tokens),
            (&mut self.completion_tokens, completion_tokens),
            (&mut self.without_usage, without_usage),
            (&mut self.ended_by_length, ended_by_length),
        ] {
            *own = own.saturating_add(*other);
        }
    }
}
