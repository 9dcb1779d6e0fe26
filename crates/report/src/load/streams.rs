//! Some answers, chunk by chunk, to be looked at: each a line in a picture.
//!
//! Owns which are kept: every n-th arrival, with an n that doubles when there are too many. So those of several machines
//! are the same that one machine would have kept. Of a single arrival, a conversation, the first turns are kept.

use serde::{Deserialize, Serialize};

use super::bounded;

/// Answers that are kept, at most.
pub const MOST_STREAMS: usize = 256;
/// Chunks of an answer that are kept, at most: the first ones.
pub const MOST_CHUNKS: usize = 1_000;

/// Answers that are kept to be looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Streams {
    /// Arrivals whose number is a multiple of this are kept.
    pub every: u64,
    /// By arrival.
    #[serde(deserialize_with = "bounded::list::<_, _, MOST_STREAMS>")]
    pub lines: Vec<StreamLine>,
}

/// One answer; all times are milliseconds since the start of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamLine {
    /// The number of the arrival in the schedule, from 0.
    pub arrival: u64,
    /// When it was to be sent.
    pub scheduled_ms: f64,
    /// When it was sent; absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_ms: Option<f64>,
    /// When its head was whole; absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_ms: Option<f64>,
    /// When its chunks with output came, the first [`MOST_CHUNKS`] of them.
    #[serde(deserialize_with = "bounded::list::<_, _, MOST_CHUNKS>")]
    pub chunks_ms: Vec<f64>,
    /// When it ended, in whatever way.
    pub ended_ms: f64,
    /// `good`, `missed_slo`, or the kind of its error.
    pub outcome: String,
}

impl Default for Streams {
    fn default() -> Streams {
        Streams { every: 1, lines: Vec::new() }
    }
}

impl Streams {
    /// Whether an arrival's answer is one of those that are kept, as far as is known yet.
    pub fn keeps(&self, arrival: u64) -> bool {
        arrival.is_multiple_of(self.every)
    }

    /// Takes an answer, if it is to be kept.
    pub fn add(&mut self, mut line: StreamLine) {
        if !self.keeps(line.arrival) {
            return;
        }
        line.chunks_ms.truncate(MOST_CHUNKS);
        let place = self.lines.partition_point(|kept| kept.arrival <= line.arrival);
        self.lines.insert(place, line);
        while self.lines.len() > MOST_STREAMS {
            match self.every.checked_mul(2).filter(|_| self.has_several_arrivals()) {
                Some(every) => self.thin_out(every),
                // The turns of one conversation.
                None => self.lines.truncate(MOST_STREAMS),
            }
        }
    }

    /// Takes those of another machine.
    pub fn merge(&mut self, other: &Streams) {
        self.thin_out(self.every.max(other.every));
        for line in &other.lines {
            self.add(line.clone());
        }
    }

    fn has_several_arrivals(&self) -> bool {
        let [first, last] = [self.lines.first(), self.lines.last()].map(|line| line.map(|line| line.arrival));
        first != last
    }

    fn thin_out(&mut self, every: u64) {
        self.every = every.max(1);
        self.lines.retain(|line| line.arrival.is_multiple_of(self.every));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(arrival: u64) -> StreamLine {
        StreamLine {
            arrival,
            scheduled_ms: arrival as f64,
            sent_ms: None,
            headers_ms: None,
            chunks_ms: Vec::new(),
            ended_ms: arrival as f64,
            outcome: "good".to_owned(),
        }
    }

    #[test]
    fn a_conversation_of_any_length_is_kept_in_part() {
        let mut streams = Streams::default();
        for turn in 0..300 {
            streams.add(StreamLine { scheduled_ms: f64::from(turn), ..line(0) });
            streams.add(StreamLine { scheduled_ms: f64::from(turn), ..line(1) });
        }
        let mut one = Streams::default();
        (0..300).for_each(|turn| one.add(StreamLine { scheduled_ms: f64::from(turn), ..line(0) }));
        assert_eq!((streams.lines.len(), streams.every), (MOST_STREAMS, 2));
        assert_eq!(streams.lines, one.lines);
        assert_eq!(one.lines.last().map(|line| line.scheduled_ms), Some(255.0));
        streams.merge(&one);
        assert_eq!(streams.lines.len(), MOST_STREAMS);
        // Of a document that somebody has written by hand.
        let mut odd = Streams { every: u64::MAX, lines: vec![line(0); MOST_STREAMS] };
        odd.add(line(u64::MAX));
        assert_eq!(odd.lines, vec![line(0); MOST_STREAMS]);
    }

    #[test]
    fn two_machines_keep_what_one_would() {
        let (mut one, mut even, mut odd) = (Streams::default(), Streams::default(), Streams::default());
        for arrival in 0..3_000 {
            one.add(line(arrival));
            if arrival % 2 == 0 { &mut even } else { &mut odd }.add(line(arrival));
        }
        odd.merge(&even);
        assert_eq!(one.lines.len(), 188);
        assert_eq!(one, odd);
    }
}
