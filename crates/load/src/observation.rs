//! What was observed of one request, and how it is added to what a run has measured.
//!
//! Owns the definitions: which of two times a measure is the difference of, and what counts as late. All times were
//! stamped where they happened. A request that failed adds to the errors and to nothing else.

use std::time::{Duration, Instant};

use interference_report::load::{Basis, Measure, Measurements, StreamLine};

use crate::failure::Failure;
use crate::reading::Heard;
use crate::refusal;

/// One request, from its place in the schedule to its end.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The number of its arrival in the schedule.
    pub arrival: u64,
    /// When it was to be sent.
    pub scheduled: Instant,
    /// How long connecting took; none where a connection was there.
    pub connect: Option<Duration>,
    /// Just before its first byte was handed to the system.
    pub sent: Option<Instant>,
    /// When the head of the answer was whole.
    pub headers: Option<Instant>,
    /// When the first byte of the body came.
    pub first_byte: Option<Instant>,
    /// What was heard.
    pub heard: Heard,
    /// When it ended, in whatever way.
    pub ended: Instant,
    /// Whether the request was sent anew because an idle connection had been closed meanwhile.
    pub reconnected: bool,
    /// Whether it was sound.
    pub outcome: Result<(), Failure>,
}

/// How observations of a run become numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// When what counts begins.
    pub(crate) start: Instant,
    /// From when latencies count.
    pub(crate) basis: Basis,
    /// A request that is sent later than this counts as late.
    pub(crate) late_after: Duration,
}

impl Observation {
    /// From the scheduled or the sent time, as the basis has it, to another.
    fn since(&self, basis: Basis, time: Option<Instant>) -> Option<Duration> {
        let from = match basis {
            Basis::Scheduled => self.scheduled,
            Basis::Sent => self.sent?,
        };
        Some(time?.saturating_duration_since(from))
    }

    /// From the scheduled to the sent time, without what connecting took: a server that is slow to shake hands has made nobody
    /// late. What was sent anew was sent before that connecting.
    fn lateness(&self) -> Option<Duration> {
        let waited = self.since(Basis::Scheduled, self.sent)?;
        let connecting = self.connect.filter(|_| !self.reconnected);
        Some(waited.saturating_sub(connecting.unwrap_or_default()))
    }

    /// The time of a measure; none where it did not happen, and for those that are no single time.
    pub fn time(&self, measure: Measure, basis: Basis) -> Option<Duration> {
        let heard = &self.heard;
        match measure {
            Measure::Lateness => self.lateness(),
            Measure::Connect => self.connect,
            Measure::Headers => self.since(basis, self.headers),
            Measure::FirstByte => self.since(basis, self.first_byte),
            Measure::FirstReasoning => self.since(basis, heard.first_reasoning),
            Measure::FirstContent => self.since(basis, heard.first_content),
            Measure::Total => self.since(basis, Some(self.ended)),
            Measure::HeadersFromSent => self.since(Basis::Sent, self.headers),
            Measure::FirstByteFromSent => self.since(Basis::Sent, self.first_byte),
            Measure::FirstReasoningFromSent => self.since(Basis::Sent, heard.first_reasoning),
            Measure::FirstContentFromSent => self.since(Basis::Sent, heard.first_content),
            Measure::TotalFromSent => self.since(Basis::Sent, Some(self.ended)),
            Measure::TimePerOutputToken => self.time_per_output_token(),
            Measure::BetweenChunks
            | Measure::ChunksPerRead
            | Measure::PromptTokens
            | Measure::CompletionTokens => None,
        }
    }

    /// What the server says of why it refused the request, in one line; none where it did not, or says nothing.
    pub fn said(&self) -> Option<String> {
        let is_refused = matches!(self.outcome, Err(Failure::Status(_)));
        is_refused.then(|| refusal::said(&self.heard.refusal))?
    }

    /// The times between its chunks with output.
    pub fn gaps(&self) -> impl Iterator<Item = Duration> {
        self.heard.chunks.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0]))
    }

    /// (last chunk − first chunk) / (completion tokens − 1): of answers whose usage tells of two tokens or more, and
    /// which came in two chunks or more.
    fn time_per_output_token(&self) -> Option<Duration> {
        let tokens = self.heard.usage?.completion_tokens;
        let (first, last) = (self.heard.chunks.first()?, self.heard.chunks.last()?);
        let intervals = u32::try_from(tokens.checked_sub(1)?).ok().filter(|intervals| *intervals > 0)?;
        (self.heard.chunks.len() > 1).then(|| last.saturating_duration_since(*first) / intervals)
    }

    /// Adds it to what a run has measured; `met` is whether it kept the objectives.
    pub(crate) fn add_to(&self, measured: &mut Measurements, frame: &Frame, met: bool) {
        let since_start = |time: Instant| time.saturating_duration_since(frame.start);
        measured.counts.scheduled += 1;
        measured.timeline.at(since_start(self.scheduled)).scheduled += 1;
        if let (Some(sent), Some(lateness)) = (self.sent, self.lateness()) {
            measured.counts.sent += 1;
            measured.timeline.at(since_start(sent)).sent += 1;
            measured.counts.late += u64::from(lateness > frame.late_after);
            // Of all that were sent: it is the tester's, whatever the server made of them.
            measured.record_time(Measure::Lateness, lateness);
        }
        measured.counts.reconnected += u64::from(self.reconnected);
        let outcome = match self.outcome {
            Ok(()) => {
                self.add_sound(measured, frame, met);
                if met { "good".into() } else { "missed_slo".into() }
            }
            Err(failure) => {
                let kind = failure.name();
                *measured.errors.entry(kind.clone().into_owned()).or_default() += 1;
                measured.timeline.at(since_start(self.ended)).errors += 1;
                kind
            }
        };
        if measured.streams.keeps(self.arrival) {
            let millis = |time: Instant| (since_start(time).as_secs_f64() * 1e6).round() / 1e3;
            measured.streams.add(StreamLine {
                arrival: self.arrival,
                scheduled_ms: millis(self.scheduled),
                sent_ms: self.sent.map(millis),
                headers_ms: self.headers.map(millis),
                chunks_ms: self
                    .heard
                    .chunks
                    .iter()
                    .take(interference_report::load::MOST_CHUNKS)
                    .map(|at| millis(*at))
                    .collect(),
                ended_ms: millis(self.ended),
                outcome: outcome.into_owned(),
            });
        }
    }

    fn add_sound(&self, measured: &mut Measurements, frame: &Frame, met: bool) {
        let single = Measure::ALL.into_iter().filter(|measure| *measure != Measure::Lateness);
        for measure in single {
            // A closed loop has one basis, and no second set of the same numbers.
            let is_repeated = frame.basis == Basis::Sent && measure.from_basis() != measure;
            if let Some(time) = self.time(measure, frame.basis).filter(|_| !is_repeated) {
                measured.record_time(measure, time);
            }
        }
        let heard = &self.heard;
        let counts = &mut measured.counts;
        counts.good += u64::from(met);
        counts.missed_slo += u64::from(!met);
        counts.ended_by_length += u64::from(heard.ended_by_length);
        counts.chunks += heard.chunks.len() as u64;
        match heard.usage {
            Some(usage) => {
                counts.prompt_tokens = counts.prompt_tokens.saturating_add(usage.prompt_tokens);
                counts.completion_tokens = counts.completion_tokens.saturating_add(usage.completion_tokens);
                measured.record(Measure::PromptTokens, usage.prompt_tokens);
                measured.record(Measure::CompletionTokens, usage.completion_tokens);
            }
            None => counts.without_usage += 1,
        }
        for read in heard.chunks.chunk_by(|one, next| one == next) {
            measured.counts.reads += 1;
            measured.record(Measure::ChunksPerRead, read.len() as u64);
        }
        let since_start = |time: Instant| time.saturating_duration_since(frame.start);
        let ended = measured.timeline.at(since_start(self.ended));
        ended.completed += 1;
        ended.good += u64::from(met);
        if let (Some(at), Some(time)) = (heard.first_content, self.time(Measure::FirstContent, frame.basis)) {
            measured.timeline.at(since_start(at)).first_content.record_time(time);
        }
        if let Some(first) = heard.chunks.first() {
            measured.timeline.at(since_start(*first)).chunks += 1;
        }
        for (at, gap) in heard.chunks.iter().skip(1).zip(self.gaps()) {
            measured.record_time(Measure::BetweenChunks, gap);
            let interval = measured.timeline.at(since_start(*at));
            interval.chunks += 1;
            interval.between_chunks.record_time(gap);
        }
    }
}
