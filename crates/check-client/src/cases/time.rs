//! Slow streams, and streams that stop.

use std::time::Duration;

use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::{LAST_CHUNK, Step, chunk};

use super::{BEFORE, Group, WHOLE, whole_poem};
use crate::answer::{CHUNKED, hold, open_stream, write};
use crate::case::{Case, Harm, Objection, Outcome, Tools, Turn};
use crate::oracle::{Seen, told};
use crate::sample::{beginning, beginning_text, poem};

/// The client may take its time-out so many times, since some begin it anew, and this besides, for a busy machine.
const PATIENCE: (u32, Duration) = (2, Duration::from_secs(1));
/// What a run has besides, to start and to end.
const SPARE: Duration = Duration::from_secs(5);
/// Writes of the slow stream, with so many hundredths of the time-out between them: longer than it together, and each
/// well within it.
const SLOW_WRITES: usize = 5;
const SLOW_HUNDREDTHS: u32 = 40;

/// How long a run takes, at the most, whose client keeps its time-out.
pub(crate) fn longest_run(timeout: Duration) -> Duration {
    let (times, besides) = PATIENCE;
    timeout * times + besides + SPARE
}

pub(super) const GROUP: Group = Group {
    name: "time",
    title: "Time",
    cases: &[
        Case {
            slug: "time.stall",
            level: Level::Must,
            requirement: "A stream that stops is given up after the client's own time-out.",
            clauses: &[Clause::python("README, Timeouts", "On timeout, an `APITimeoutError` is thrown.")],
            served: "Three pieces, and then nothing more, on an open connection.",
            sound: "a typed error with a beginning of the text, within twice the time-out and one second",
            tools: Tools::None,
            answer: |_| {
                let mut steps = open_stream(CHUNKED, beginning(BEFORE));
                steps.push(hold());
                steps
            },
            oracle: gives_up,
        },
        Case {
            slug: "time.slow-drip",
            level: Level::Should,
            requirement: "A stream that is slow, but never silent for as long as the time-out, is read to its end.",
            clauses: &[Clause::event_stream(
                "section 9.2.7",
                "authors can include a comment line (one starting with a ':' character) every 15 seconds or so",
            )],
            served: "The ordinary stream in five writes, two fifths of the time-out between them: longer than it in all.",
            sound: WHOLE,
            tools: Tools::None,
            answer: slow_drip,
            oracle: whole_poem,
        },
    ],
};

fn slow_drip(turn: Turn) -> Vec<Step> {
    let events = poem();
    let between = turn.timeout * SLOW_HUNDREDTHS / 100;
    let mut steps = vec![write(CHUNKED)];
    for part in events.chunks(events.len().div_ceil(SLOW_WRITES)) {
        steps.extend([Step::Wait(between), write(chunk(part.concat().as_bytes()))]);
    }
    steps.push(write(LAST_CHUNK));
    steps
}

fn gives_up(seen: &Seen) -> Outcome {
    let account = seen.typed_error(&beginning_text(BEFORE))?;
    let (times, besides) = PATIENCE;
    let most = seen.timeout * times + besides;
    match seen.stayed() {
        Some(stayed) if stayed > most => {
            let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
            let told = format!(
                "it waited {} after the last byte, with a time-out of {}",
                seconds(stayed),
                seconds(seen.timeout)
            );
            Err(Objection::broken(Harm::Hang, told))
        }
        _ => Ok(told(account)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_may_last_longer_than_a_client_that_keeps_its_time_out() {
        for seconds in [1, 12, 45] {
            let timeout = Duration::from_secs(seconds);
            let slow = timeout * SLOW_HUNDREDTHS / 100 * SLOW_WRITES as u32;
            assert!(longest_run(timeout) > (timeout * PATIENCE.0 + PATIENCE.1).max(slow), "{timeout:?}");
        }
    }
}
