//! Exchanges as evidence: a command line that repeats the request, and a timed log of what crossed the wire.
//!
//! Owns what is shown of an exchange, and bounds everything: what is left out is told. That no key is shown is the
//! business of [`secrets`](crate::secrets).

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use interference_report::{Direction, Exchange as ToldExchange, WireEntry, abridged, milliseconds};
use interference_wire::{Ending, Received};

use crate::ending::told_ending;
use crate::exchange::Exchange;
use crate::secrets::Secrets;
use interference_target::Target;

/// Exchanges that a case shows, at most.
const MOST_EXCHANGES: usize = 4;
/// Reads of one answer that are shown: the first and the last of them.
const MOST_READS: usize = 160;
/// The same of an answer that was too large to be read to its end.
const MOST_READS_OF_ENDLESS: usize = 16;
/// Bytes of one read, or of the request, that are shown.
const SHOWN_BYTES: usize = 4 << 10;

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
    let (mut wire, sent) = (Vec::new(), exchange.sent.as_slice());
    let answer = exchange.outcome.as_ref();
    let start = answer.ok().and_then(|answer| answer.sent_at).unwrap_or(exchange.sent_at);
    wire.push(WireEntry {
        at_ms: milliseconds(start, exchange.sent_at),
        direction: Direction::Sent,
        offset: 0,
        bytes: sent.len(),
        text: shown(sent, 0..sent.len(), &Secrets::in_bytes(sent, target)),
    });
    let event = |at: Instant, text: String| WireEntry::event(milliseconds(start, at), text);
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
    let secrets = Secrets::in_answer(received, target);
    let most =
        if matches!(received.ending, Ending::TooLarge(_)) { MOST_READS_OF_ENDLESS } else { MOST_READS };
    abridged(&received.reads, most, "reads", |read| WireEntry {
        at_ms: milliseconds(start, read.at),
        direction: Direction::Received,
        offset: read.offset,
        bytes: read.len,
        text: shown(&received.raw, read.offset..read.offset + read.len, &secrets),
    })
}

/// Bytes without what is secret, long ones cut.
fn shown(bytes: &[u8], range: Range<usize>, secrets: &Secrets) -> String {
    let end = range.end.min(range.start + SHOWN_BYTES);
    let mut text = secrets.shown(bytes, range.start..end);
    if end < range.end {
        text.push_str(&format!("… and {} bytes more", range.end - end));
    }
    text
}
