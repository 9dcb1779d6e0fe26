//! Who is measured with how many streams, in which order, and when it is enough for one of them.
//!
//! From rung to rung, all testers that are still in take their turns, someone else first each time: what changes on the
//! machine in the course of a run strikes them alike. A tester that was not right on two rungs climbs no further.

use std::time::Instant;

use super::step::{Measured, Wanted};
use super::tester::Tester;
use crate::bench::server::order;

/// Rungs that a tester may fail.
const MOST_FAILURES: usize = 2;

/// One tester on one rung.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) tester: Tester,
    pub(super) wanted: Wanted,
    pub(super) outcome: Outcome,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Figures, right or wrong.
    Measured(Measured),
    /// None, and why.
    Broke(String),
    /// It was not tried: there was no time left.
    NotTried,
}

impl Attempt {
    /// Why it does not count; empty where all is well.
    pub(super) fn objections(&self) -> Vec<String> {
        match &self.outcome {
            Outcome::Measured(measured) => measured.objections(self.wanted),
            Outcome::Broke(why) => vec![why.clone()],
            Outcome::NotTried => vec!["no time was left".to_owned()],
        }
    }
}

/// Has every tester climb until `deadline`.
///
/// # Errors
/// Only what `measure` could not put into an outcome.
pub(super) fn climb(
    testers: &[Tester],
    rungs: &[u32],
    seconds: u32,
    deadline: Instant,
    mut measure: impl FnMut(Tester, Wanted) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Vec<Attempt>> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for (round, streams) in rungs.iter().enumerate() {
        for tester in order(round, testers.len()).filter_map(|index| testers.get(index).copied()) {
            let own = attempts.iter().filter(|attempt| attempt.tester == tester);
            if own.filter(|attempt| !attempt.objections().is_empty()).count() >= MOST_FAILURES {
                continue;
            }
            let wanted = Wanted { streams: *streams, seconds };
            let outcome =
                if Instant::now() < deadline { measure(tester, wanted)? } else { Outcome::NotTried };
            attempts.push(Attempt { tester, wanted, outcome });
        }
    }
    Ok(attempts)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn climbed(deadline: Instant, breaks: impl Fn(Tester, u32) -> bool) -> Vec<(Tester, u32)> {
        let testers = [Tester::Interference, Tester::Oha];
        let mut tried = Vec::new();
        climb(&testers, &[1, 2, 4, 8], 10, deadline, |tester, wanted| {
            tried.push((tester, wanted.streams));
            let measured = super::super::step::tests::right(wanted);
            let breaks = breaks(tester, wanted.streams);
            Ok(if breaks { Outcome::Broke("gone".to_owned()) } else { Outcome::Measured(measured) })
        })
        .unwrap();
        tried
    }

    #[test]
    fn who_was_wrong_twice_climbs_no_further() {
        let soon = Instant::now() + Duration::from_secs(60);
        let tried = climbed(soon, |tester, streams| tester == Tester::Oha && [1, 4].contains(&streams));
        let (ours, oha) = (Tester::Interference, Tester::Oha);
        assert_eq!(tried, [(ours, 1), (oha, 1), (oha, 2), (ours, 2), (ours, 4), (oha, 4), (ours, 8)]);
    }

    #[test]
    fn nobody_begins_when_the_time_is_over() {
        assert_eq!(climbed(Instant::now(), |_, _| false), []);
    }
}
