//! Somebody who asks the server beside a tester, and so knows what was to be seen there.
//!
//! Owns a handful of threads, each of which asks for a short answer again and again, and notes when each piece of it was
//! read: by a blocking read, whose time is taken before anything is done with what it gave. They ask for completions, so
//! that the server counts their requests apart from those of a tester, which are chats; both are answered by the same
//! rule at the same pace. One thread more notes how late it is woken when it has done nothing but sleep: as late as that
//! an observer may be itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use super::sample::Quantiles;
use super::timing::{MODEL, due_ms};
use crate::bench::http::{BaseUrl, DataLines, Request, exchange};

/// Streams of observers at the same time.
const OBSERVERS: usize = 8;
/// Pieces of an observer's answer: short, so that there are many first ones.
const PIECES: usize = 8;
/// Between two answers of one observer: no two observers have the same, so that they do not fall into step with each
/// other, nor with the tester.
const PAUSES_MS: [u64; OBSERVERS] = [3, 7, 13, 19, 29, 37, 43, 53];
/// How long the one that does nothing sleeps each time.
const NAP: Duration = Duration::from_millis(5);

/// Observers at work.
pub(super) struct Observer {
    is_over: Arc<AtomicBool>,
    askers: Vec<JoinHandle<anyhow::Result<Vec<Answer>>>>,
    sleeper: JoinHandle<Vec<Nap>>,
}

/// All that they saw.
pub(super) struct Observed {
    answers: Vec<Answer>,
    naps: Vec<Nap>,
}

/// What was true while something was going on, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Truth {
    /// From the request to its first piece.
    pub(super) first: Quantiles,
    /// From each piece to the next.
    pub(super) between: Quantiles,
    /// How late the last piece of an answer was.
    pub(super) last_late: Quantiles,
    /// How late a thread was woken that did nothing but sleep.
    pub(super) woken_late: Quantiles,
}

struct Answer {
    asked: Instant,
    /// Of each piece.
    read: Vec<Instant>,
}

struct Nap {
    due: Instant,
    late: Duration,
}

impl Observer {
    /// Begins.
    pub(super) fn begin(base: &BaseUrl) -> Observer {
        let is_over = Arc::new(AtomicBool::new(false));
        let askers = PAUSES_MS.into_iter().map(|pause| {
            let (base, is_over) = (base.clone(), Arc::clone(&is_over));
            std::thread::spawn(move || ask_until(&base, Duration::from_millis(pause), &is_over))
        });
        let askers = askers.collect();
        let over = Arc::clone(&is_over);
        Observer { is_over, askers, sleeper: std::thread::spawn(move || sleep_until(&over)) }
    }

    /// Ends with the answers at hand.
    ///
    /// # Errors
    /// When one of them was not answered as the script says.
    pub(super) fn end(self) -> anyhow::Result<Observed> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut answers = Vec::new();
        for asker in self.askers {
            answers.extend(asker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        let naps = self.sleeper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(Observed { answers, naps })
    }
}

impl Observed {
    /// What was true of requests that were sent from the one time to the other; none if there were none.
    pub(super) fn between(&self, from: Instant, to: Instant) -> Option<Truth> {
        let answers: Vec<&Answer> =
            self.answers.iter().filter(|answer| (from..to).contains(&answer.asked)).collect();
        let naps = self.naps.iter().filter(|nap| (from..to).contains(&nap.due));
        Some(Truth {
            first: Quantiles::of(answers.iter().filter_map(|answer| answer.after(0)))?,
            between: Quantiles::of(answers.iter().flat_map(|answer| answer.gaps()))?,
            last_late: Quantiles::of(answers.iter().filter_map(|answer| answer.last_late()))?,
            woken_late: Quantiles::of(naps.map(|nap| milliseconds(nap.late)))?,
        })
    }
}

impl Answer {
    fn after(&self, piece: usize) -> Option<f64> {
        self.read.get(piece).map(|read| milliseconds(*read - self.asked))
    }

    fn gaps(&self) -> impl Iterator<Item = f64> {
        self.read.windows(2).map(|pair| milliseconds(pair[1] - pair[0]))
    }

    fn last_late(&self) -> Option<f64> {
        let last = self.read.len().checked_sub(1)?;
        Some(self.after(last)? - due_ms(last))
    }
}

fn milliseconds(duration: Duration) -> f64 {
    1e3 * duration.as_secs_f64()
}

fn ask_until(base: &BaseUrl, pause: Duration, is_over: &AtomicBool) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        answers.push(ask(base)?);
        std::thread::sleep(pause);
    }
    Ok(answers)
}

fn ask(base: &BaseUrl) -> anyhow::Result<Answer> {
    let body = json!({"model": MODEL, "prompt": "a tree", "stream": true, "max_tokens": PIECES}).to_string();
    let mut lines = DataLines::default();
    let asked = Instant::now();
    let mut answer = Answer { asked, read: Vec::with_capacity(PIECES) };
    exchange(base, Request { method: "POST", path: "/completions", body: &body }, |time, bytes| {
        answer.read.extend(lines.push(bytes)?.iter().filter(|line| has_text(line)).map(|_| time));
        Ok(())
    })?;
    ensure!(answer.read.len() == PIECES, "an observer got {} pieces, not {PIECES}", answer.read.len());
    Ok(answer)
}

fn has_text(data: &str) -> bool {
    let chunk: Value = serde_json::from_str(data).unwrap_or_default();
    chunk.pointer("/choices/0/text").and_then(Value::as_str).is_some_and(|text| !text.is_empty())
}

fn sleep_until(is_over: &AtomicBool) -> Vec<Nap> {
    let mut naps = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let due = Instant::now() + NAP;
        std::thread::sleep(NAP);
        naps.push(Nap { due, late: due.elapsed() });
    }
    naps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::http::tests::server_of;

    #[test]
    fn the_truth_is_that_of_the_time_which_is_asked_for() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let answer =
            |asked, read: &[u64]| Answer { asked: at(asked), read: read.iter().map(|ms| at(*ms)).collect() };
        let observed = Observed {
            answers: vec![
                answer(0, &[900, 901]),
                answer(1_000, &[1_101, 1_112, 1_125]),
                answer(2_000, &[2_102, 2_112]),
                answer(3_000, &[3_900, 3_901]),
            ],
            naps: vec![
                Nap { due: at(10), late: Duration::from_millis(9) },
                Nap { due: at(1_500), late: Duration::from_millis(1) },
            ],
        };
        let truth = observed.between(at(1_000), at(3_000)).unwrap();
        assert_eq!(truth.first, Quantiles { p50: 101.0, p99: 102.0 });
        assert_eq!(truth.between, Quantiles { p50: 11.0, p99: 13.0 });
        let rounded = |quantiles: Quantiles| (quantiles.p50.round(), quantiles.p99.round());
        assert_eq!(rounded(truth.last_late), (2.0, 5.0));
        assert_eq!(truth.woken_late, Quantiles { p50: 1.0, p99: 1.0 });
        assert!(observed.between(at(5_000), at(6_000)).is_none());
    }

    #[test]
    fn an_answer_with_other_pieces_than_the_scripts_is_an_error() {
        let event = "data: {\"choices\":[{\"text\":\"tree \"}]}\n\n";
        let end = "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
        let stream = |pieces: usize| format!("HTTP/1.1 200 OK\r\n\r\n{}{end}", event.repeat(pieces));
        assert_eq!(ask(&server_of(stream(PIECES))).unwrap().read.len(), PIECES);
        let error = ask(&server_of(stream(PIECES - 1))).err().unwrap();
        assert_eq!(error.to_string(), "an observer got 7 pieces, not 8");
    }
}
