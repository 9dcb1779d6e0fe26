//! Exchanges as evidence: a command line that repeats the request, and a timed log of what crossed the wire.
//!
//! Owns what is shown of an exchange, and that no key is. Bounds everything: what is left out is told.

use std::sync::Arc;
use std::time::Instant;

use interference_report::{Direction, Exchange as ToldExchange, WireEntry};
use interference_wire::{Received, escaped};

use crate::ending::told_ending;
use crate::exchange::Exchange;
use crate::target::Target;

/// Exchanges that a case shows, at most.
const MOST_EXCHANGES: usize = 4;
/// Reads of one answer that are shown: the first and the last of them.
const MOST_READS: usize = 160;
/// Bytes of one read, or of the request, that are shown.
const SHOWN_BYTES: usize = 4 << 10;
/// A secret of more bytes may be shown in part where the shown bytes end.
const LONGEST_SECRET: usize = 4 << 10;

/// The exchanges for a report: the one that shows it first, then the others in their order, the latest of them if there
/// are many.
pub(crate) fn evidence(
    exchanges: &[Arc<Exchange>],
    about: Option<u64>,
    target: &Target,
) -> Vec<ToldExchange> {
    let (mut first, mut others): (Vec<_>, Vec<_>) =
        exchanges.iter().partition(|exchange| Some(exchange.number) == about);
    let room = MOST_EXCHANGES - first.len().min(MOST_EXCHANGES);
    let surplus = others.len().saturating_sub(room);
    first.extend(others.drain(surplus..));
    first.into_iter().map(|exchange| told(exchange, target)).collect()
}

fn told(exchange: &Exchange, target: &Target) -> ToldExchange {
    let mut wire = Vec::new();
    let answer = exchange.outcome.as_ref();
    let start = answer.ok().and_then(|answer| answer.sent_at).unwrap_or(exchange.sent_at);
    wire.push(WireEntry {
        at_ms: milliseconds(exchange.sent_at, start),
        direction: Direction::Sent,
        offset: 0,
        bytes: exchange.sent.len(),
        text: shown(&exchange.sent, target),
    });
    let event = |at: Instant, text: String| WireEntry {
        at_ms: milliseconds(at, start),
        direction: Direction::Event,
        offset: 0,
        bytes: 0,
        text,
    };
    let mut last = exchange.sent_at;
    if let Some(error) = &exchange.send_error {
        wire.push(event(last, error.clone()));
    }
    match answer {
        Err(reason) => wire.push(event(last, target.blackened(reason))),
        Ok(answer) => {
            last = answer.received.reads.last().map_or(last, |read| read.at);
            wire.extend(reads(&answer.received, start, target));
            wire.push(event(last, told_ending(&answer.received.ending)));
        }
    }
    ToldExchange { title: exchange.question.title.clone(), curl: exchange.question.curl(target), wire }
}

/// A line for each read; in the middle of many, one that counts those left out.
fn reads(received: &Received, start: Instant, target: &Target) -> Vec<WireEntry> {
    let line = |read: &interference_wire::Read| WireEntry {
        at_ms: milliseconds(read.at, start),
        direction: Direction::Received,
        offset: read.offset,
        bytes: read.len,
        text: shown(received.raw.get(read.offset..read.offset + read.len).unwrap_or_default(), target),
    };
    let reads = &received.reads;
    if reads.len() <= MOST_READS {
        return reads.iter().map(line).collect();
    }
    let (head, tail) = (&reads[..MOST_READS / 2], &reads[reads.len() - MOST_READS / 2..]);
    let left_out = &reads[head.len()..reads.len() - tail.len()];
    let gap = WireEntry {
        at_ms: left_out.first().map_or(0.0, |read| milliseconds(read.at, start)),
        direction: Direction::Event,
        offset: left_out.first().map_or(0, |read| read.offset),
        bytes: left_out.iter().map(|read| read.len).sum(),
        text: format!("{} reads are left out here", left_out.len()),
    };
    head.iter().map(line).chain([gap]).chain(tail.iter().map(line)).collect()
}

/// Bytes with escapes visible, what is secret blackened, long ones cut. A secret across the cut is looked for whole.
fn shown(bytes: &[u8], target: &Target) -> String {
    let escaped_beginning = |most: usize| escaped(&bytes[..bytes.len().min(most)]);
    let mut text = target.blackened(&escaped_beginning(SHOWN_BYTES + LONGEST_SECRET));
    if bytes.len() > SHOWN_BYTES {
        // Escapes and placeholders are ASCII, as everything else here.
        text.truncate(escaped_beginning(SHOWN_BYTES).len());
        text.push_str(&format!("… and {} bytes more", bytes.len() - SHOWN_BYTES));
    }
    text
}

fn milliseconds(at: Instant, start: Instant) -> f64 {
    let (sign, time) = match at.checked_duration_since(start) {
        Some(time) => (1.0, time),
        None => (-1.0, start.duration_since(at)),
    };
    // Microseconds are what the clock is good for.
    sign * (time.as_secs_f64() * 1e6).round() / 1e3
}
