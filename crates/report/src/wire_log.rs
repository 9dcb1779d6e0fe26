//! Lines of wire logs, as judges make them.
//!
//! Owns how times are told, and how a long log is made short. Refuses to know what is written to which wire.

use std::time::Instant;

use crate::verdicts::{Direction, WireEntry};

impl WireEntry {
    /// Something that happened, without bytes.
    pub fn event(at_ms: f64, text: impl Into<String>) -> WireEntry {
        WireEntry { at_ms, direction: Direction::Event, offset: 0, bytes: 0, text: text.into() }
    }
}

/// Milliseconds from one moment to another, negative where the other came before; to the microsecond, which is what the
/// clock is good for.
pub fn milliseconds(from: Instant, to: Instant) -> f64 {
    let (sign, time) = match to.checked_duration_since(from) {
        Some(time) => (1.0, time),
        None => (-1.0, from.duration_since(to)),
    };
    sign * (time.as_secs_f64() * 1e6).round() / 1e3
}

/// A line for each of `things`, which follow upon each other byte by byte. Of more than `most`, those in the middle are
/// left out, and a line says how many `name` they are.
pub fn abridged<T>(things: &[T], most: usize, name: &str, line: impl Fn(&T) -> WireEntry) -> Vec<WireEntry> {
    if things.len() <= most {
        return things.iter().map(line).collect();
    }
    let (head, rest) = things.split_at(most / 2);
    let (left_out, tail) = rest.split_at(rest.len() - most / 2);
    let mut lines: Vec<WireEntry> = head.iter().map(&line).collect();
    let tail: Vec<WireEntry> = tail.iter().map(&line).collect();
    if let Some(first) = left_out.first().map(line) {
        let end = tail.first().map_or(first.offset + first.bytes, |after| after.offset);
        lines.push(WireEntry {
            direction: Direction::Event,
            bytes: end - first.offset,
            text: format!("{} {name} are left out here", left_out.len()),
            ..first
        });
    }
    lines.extend(tail);
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_have_a_sign_and_no_nanoseconds() {
        let from = Instant::now();
        let to = from + Duration::from_nanos(1_234_567);
        assert_eq!((milliseconds(from, to), milliseconds(to, from)), (1.235, -1.235));
    }

    #[test]
    fn the_middle_of_many_is_counted() {
        let read = |index: &usize| WireEntry {
            at_ms: *index as f64,
            direction: Direction::Received,
            offset: index * 10,
            bytes: 10,
            text: format!("read {index}"),
        };
        let told = |number: usize| -> Vec<_> {
            let reads: Vec<usize> = (0..number).collect();
            abridged(&reads, 4, "reads", read).iter().map(|line| line.text.clone()).collect()
        };
        assert_eq!(told(4), ["read 0", "read 1", "read 2", "read 3"]);
        assert_eq!(told(7), ["read 0", "read 1", "3 reads are left out here", "read 5", "read 6"]);
        let reads: Vec<usize> = (0..7).collect();
        let gap = &abridged(&reads, 4, "reads", read)[2];
        assert_eq!((gap.at_ms, gap.offset, gap.bytes, gap.direction), (2.0, 20, 30, Direction::Event));
    }
}
