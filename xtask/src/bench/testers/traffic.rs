//! How many chats the server has had, from moment to moment: what a tester really put on it, when, and for how much
//! processor time.
//!
//! Chats are read from the server's own meters (`GET /metrics`), which count by route: the observers ask elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::process_tree;
use crate::bench::http::{BaseUrl, Request, exchange};

/// Between looks at the meters.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// Of all chats, those that come before the load counts as begun: the first ones find fewer streams beside them.
const FIRST_PERCENT: u64 = 10;
/// Of all chats, those after which the load counts as over.
const LAST_PERCENT: u64 = 95;
/// The route of chats, as the meters have it.
const CHATS: &str = "route=\"/chat/completions\"";

/// One look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    at: Instant,
    /// Chats whose answers have begun.
    begun: u64,
    /// Chats whose answers are over.
    ended: u64,
    /// Of the tester so far, if the system tells it and the tester runs.
    cpu_seconds: Option<f64>,
}

/// Looks again and again, in a thread of its own.
pub(super) struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Vec<Look>>>,
}

/// The time in which the load was there, and how it was then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Traffic {
    pub(super) from: Instant,
    pub(super) to: Instant,
    /// Streams that were open at once, in the mean.
    pub(super) streams: f64,
    /// Chats in all.
    pub(super) chats: u64,
    /// What the tester took of the processors in this time, in milliseconds for each open stream and second.
    pub(super) cpu_ms_a_stream_second: Option<f64>,
}

impl Watch {
    /// Begins, with a tester that has this process.
    pub(super) fn begin(base: &BaseUrl, tester: u32) -> Watch {
        let is_over = Arc::new(AtomicBool::new(false));
        let (base, over) = (base.clone(), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut looks = Vec::new();
            while !over.load(Ordering::Relaxed) {
                looks.push(look(&base, tester)?);
                std::thread::sleep(BETWEEN_LOOKS);
            }
            looks.push(look(&base, tester)?);
            Ok(looks)
        });
        Watch { is_over, thread }
    }

    /// Looks once more, and gives all that was seen.
    ///
    /// # Errors
    /// When the server could not be asked.
    pub(super) fn end(self) -> anyhow::Result<Vec<Look>> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Traffic {
    /// Of a load of `wanted` chats; those beyond that are questions that a tester asks beforehand. None where there were
    /// too few chats to speak of.
    pub(super) fn of(looks: &[Look], wanted: u64) -> Option<Traffic> {
        let chats = looks.last()?.begun;
        let beforehand = chats.saturating_sub(wanted);
        let reaches = |percent: u64| {
            looks.iter().position(|look| look.begun > beforehand && look.begun * 100 >= chats * percent)
        };
        let (first, last) = (reaches(FIRST_PERCENT)?, reaches(LAST_PERCENT)?);
        let within = looks.get(first..=last).filter(|within| within.len() > 1 && chats > 0)?;
        let open: u64 = within.iter().map(|look| look.begun.saturating_sub(look.ended)).sum();
        let (first, last) = (within.first()?, within.last()?);
        let streams = open as f64 / within.len() as f64;
        let stream_seconds = streams * (last.at - first.at).as_secs_f64();
        let cpu_seconds = last.cpu_seconds.zip(first.cpu_seconds).map(|(last, first)| last - first);
        let cpu_ms_a_stream_second =
            cpu_seconds.filter(|_| stream_seconds > 0.0).map(|seconds| 1e3 * seconds / stream_seconds);
        Some(Traffic { from: first.at, to: last.at, streams, chats, cpu_ms_a_stream_second })
    }
}

fn look(base: &BaseUrl, tester: u32) -> anyhow::Result<Look> {
    let mut text = Vec::new();
    exchange(base, Request { method: "GET", path: "/metrics", body: "" }, |_, piece| {
        text.extend_from_slice(piece);
        Ok(())
    })?;
    let text = String::from_utf8_lossy(&text);
    Ok(Look {
        at: Instant::now(),
        begun: count(&text, "interference_requests_total"),
        ended: count(&text, "interference_request_duration_seconds_count"),
        cpu_seconds: process_tree::cpu_seconds(tester),
    })
}

/// The sum of a meter over all that has the route of chats.
fn count(metrics: &str, name: &str) -> u64 {
    let values = metrics.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?;
        if labels.contains(CHATS) { value.split(' ').next()?.parse::<u64>().ok() } else { None }
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chats_count() {
        let metrics = "interference_requests_total{route=\"/chat/completions\",status=\"200\"} 7\n\
                       interference_requests_total{route=\"/chat/completions\",status=\"429\"} 2\n\
                       interference_requests_total{route=\"/completions\",status=\"200\"} 50\n\
                       interference_request_duration_seconds_count{route=\"/chat/completions\"} 6\n";
        assert_eq!(count(metrics, "interference_requests_total"), 9);
        assert_eq!(count(metrics, "interference_request_duration_seconds_count"), 6);
        assert_eq!(count("", "interference_requests_total"), 0);
    }

    #[test]
    fn the_load_is_between_its_first_tenth_and_its_last_twentieth() {
        let start = Instant::now();
        let at = |tenths: u64| start + BETWEEN_LOOKS * u32::try_from(tenths).unwrap();
        let look = |tenths, begun, ended, cpu| Look { at: at(tenths), begun, ended, cpu_seconds: Some(cpu) };
        // One question beforehand, and a long silence.
        let looks = [
            look(0, 0, 0, 0.0),
            look(1, 1, 1, 5.0),
            look(90, 1, 1, 6.0),
            look(91, 20, 4, 6.25),
            look(92, 60, 40, 6.5),
            look(93, 100, 76, 6.75),
            look(94, 100, 100, 7.5),
        ];
        let expected = Traffic {
            from: at(91),
            to: at(93),
            streams: 20.0,
            chats: 100,
            // Half a second in 0.2 s of 20 streams.
            cpu_ms_a_stream_second: Some(125.0),
        };
        assert_eq!(Traffic::of(&looks, 100), Some(expected));
        assert_eq!(Traffic::of(&looks[..1], 100), None);
        assert_eq!(Traffic::of(&[], 100), None);
    }

    #[test]
    fn what_is_asked_beforehand_is_no_load() {
        let began = Instant::now();
        let at = |looks: u64| began + BETWEEN_LOOKS * u32::try_from(looks).unwrap();
        // Four questions, a pause, and then ten chats, one after the other.
        let looks: Vec<Look> = (0..150)
            .map(|tenths| {
                let begun = if tenths < 50 { 4.min(tenths + 1) } else { 4 + (tenths - 40) / 10 };
                let ended = begun - u64::from(tenths >= 50);
                Look { at: at(tenths), begun, ended, cpu_seconds: None }
            })
            .collect();
        let traffic = Traffic::of(&looks, 10).unwrap();
        assert_eq!((traffic.streams, traffic.from, traffic.chats), (1.0, at(50), 14));
        assert!(Traffic::of(&looks, 14).unwrap().streams < 0.8, "the pause would be taken for load");
    }
}
