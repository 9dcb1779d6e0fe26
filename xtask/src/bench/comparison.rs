//! Two servers under the same loads, in turn.
//!
//! In every round each load is put on both, one right after the other, so that a machine whose speed changes changes it
//! for both; which of them goes first alternates. The first round warms both up and is not counted.

use std::num::NonZeroUsize;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde::Serialize;

use super::chat_server::{ANSWER_TOKENS, ChatServer};
use super::load::{Load, Outcome};
use super::spread::{Spread, ratio_text};
use super::table::{aligned, counted};
use crate::steps::announce;

/// Ours and the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Peer,
}

/// What both came to.
#[derive(Debug, Serialize)]
pub(crate) struct PeerReport {
    url: String,
    model: String,
    rounds: usize,
    rows: Vec<LoadReport>,
    /// What a reader should know before comparing.
    notes: Vec<String>,
}

/// One load on both.
#[derive(Debug, Serialize)]
struct LoadReport {
    load: String,
    unit: &'static str,
    ours: Spread,
    peer: Spread,
    /// Our median for one of the peer's.
    ratio: Option<f64>,
}

/// What one load came to, round by round.
#[derive(Debug, Default)]
struct Outcomes {
    ours: Vec<Outcome>,
    peer: Vec<Outcome>,
}

/// Puts every load on both servers, `rounds` times.
///
/// # Errors
/// When one of them fails, with its name.
pub(crate) fn run(ours: &ChatServer, peer: &ChatServer, rounds: NonZeroUsize) -> anyhow::Result<PeerReport> {
    // A peer that has been measured before may remember the prompts of that time.
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() % 1_000_000;
    let mut outcomes = Load::ALL.map(|load| (load, Outcomes::default()));
    for round in 0..=rounds.get() {
        match round {
            0 => announce("warming up")?,
            _ => announce(&format!("round {round} of {rounds}"))?,
        }
        for (load, outcomes) in &mut outcomes {
            for side in order(round) {
                let (server, of_side) = match side {
                    Side::Ours => (ours, &mut outcomes.ours),
                    Side::Peer => (peer, &mut outcomes.peer),
                };
                let outcome = load.put_on(server, &format!("{run:06}.{round}"))?;
                if round > 0 {
                    of_side.push(outcome);
                }
            }
        }
    }
    let rows = outcomes.iter().map(|(load, outcomes)| LoadReport::of(*load, outcomes));
    let rows = rows.collect::<Option<_>>().context("a load was not measured")?;
    let notes = outcomes.iter().flat_map(|(load, outcomes)| notes(*load, outcomes)).collect();
    Ok(PeerReport {
        url: peer.base.to_string(),
        model: peer.model.clone(),
        rounds: rounds.get(),
        rows,
        notes,
    })
}

fn order(round: usize) -> [Side; 2] {
    if round.is_multiple_of(2) { [Side::Ours, Side::Peer] } else { [Side::Peer, Side::Ours] }
}

/// Where the two did not do the same.
fn notes(load: Load, outcomes: &Outcomes) -> Vec<String> {
    let mut notes = Vec::new();
    let asked = ANSWER_TOKENS * load.streams() as u64;
    for (name, outcomes) in [("interference", &outcomes.ours), ("the peer", &outcomes.peer)] {
        let fewest = outcomes.iter().map(|outcome| outcome.completion_tokens).min();
        if let Some(fewest) = fewest.filter(|fewest| *fewest < asked) {
            notes.push(format!("{name} wrote {fewest} of {asked} tokens: its answers ended early"));
        }
    }
    let prompt = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| outcome.prompt_tokens).max();
    if let (Some(ours), Some(peer)) = (prompt(&outcomes.ours), prompt(&outcomes.peer))
        && ours != peer
    {
        notes.push(format!("the same prompt is {ours} tokens here and {peer} there"));
    }
    notes
}

impl PeerReport {
    /// Lines for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("peer     {} at {}", self.model, self.url),
            format!("         interference / peer (ratio); medians of {}", counted(self.rounds, "round")),
            String::new(),
        ];
        let cells = self.rows.iter().map(|LoadReport { load, unit, ours, peer, ratio }| {
            let range = |Spread { min, max, .. }: &Spread| format!("{min:.1} to {max:.1}");
            vec![
                load.clone(),
                format!("{:.1} / {:.1} {unit} ({})", ours.median, peer.median, ratio_text(*ratio)),
                format!("interference {}", range(ours)),
                format!("peer {}", range(peer)),
            ]
        });
        lines.extend(aligned(&cells.collect::<Vec<_>>()));
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines
    }
}

impl LoadReport {
    fn of(load: Load, outcomes: &Outcomes) -> Option<LoadReport> {
        let value = |outcome: &Outcome| match load {
            Load::OneStream | Load::SixteenStreams => outcome.tokens_per_second,
            Load::LongPrompt => outcome.first_content_ms,
        };
        let ours = Spread::of(outcomes.ours.iter().map(value))?;
        let peer = Spread::of(outcomes.peer.iter().map(value))?;
        let prompt_tokens = outcomes.ours.first()?.prompt_tokens;
        let (name, unit) = match load {
            Load::OneStream => ("1 stream".to_owned(), "tok/s"),
            Load::SixteenStreams => (format!("{} streams", load.streams()), "tok/s"),
            Load::LongPrompt => (format!("first token of a prompt of {prompt_tokens}"), "ms"),
        };
        Some(LoadReport { load: name, unit, ours, peer, ratio: ours.ratio_to(&peer) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(tokens_per_second: f64, completion_tokens: u64, prompt_tokens: u64) -> Outcome {
        Outcome {
            tokens_per_second,
            first_content_ms: 5.0 * tokens_per_second,
            prompt_tokens,
            completion_tokens,
        }
    }

    #[test]
    fn who_goes_first_alternates() {
        assert_eq!(order(0), [Side::Ours, Side::Peer]);
        assert_eq!(order(1), [Side::Peer, Side::Ours]);
        assert_eq!(order(2), order(0));
    }

    #[test]
    fn rows_have_medians_ranges_and_the_ratio_of_medians() {
        let outcomes = Outcomes {
            ours: [150.0, 152.5, 160.0].map(|rate| outcome(rate, 128, 840)).to_vec(),
            peer: [111.5, 110.0, 112.0].map(|rate| outcome(rate, 128, 840)).to_vec(),
        };
        let row = |load| LoadReport::of(load, &outcomes).unwrap();
        let report = PeerReport {
            url: "http://127.0.0.1:1/v1".to_owned(),
            model: "other".to_owned(),
            rounds: 3,
            rows: vec![row(Load::OneStream), row(Load::LongPrompt)],
            notes: vec!["something".to_owned()],
        };
        assert_eq!(
            report.lines(),
            [
                "peer     other at http://127.0.0.1:1/v1",
                "         interference / peer (ratio); medians of 3 rounds",
                "",
                "1 stream                        152.5 / 111.5 tok/s (1.37×)  interference 150.0 to 160.0  peer 110.0 to 112.0",
                "first token of a prompt of 840     762.5 / 557.5 ms (1.37×)  interference 750.0 to 800.0  peer 550.0 to 560.0",
                "note: something",
            ]
        );
    }

    #[test]
    fn what_is_not_alike_is_noted() {
        let outcomes = |peer| Outcomes { ours: vec![outcome(1.0, 128, 30)], peer: vec![peer] };
        assert_eq!(notes(Load::OneStream, &outcomes(outcome(2.0, 128, 30))), [""; 0]);
        assert_eq!(
            notes(Load::OneStream, &outcomes(outcome(2.0, 90, 31))),
            [
                "the peer wrote 90 of 128 tokens: its answers ended early",
                "the same prompt is 30 tokens here and 31 there",
            ]
        );
    }
}
