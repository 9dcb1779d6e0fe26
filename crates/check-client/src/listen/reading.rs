//! What an answer says to whoever reads it as the standards have it.
//!
//! Owns one tolerant reading of what the examiner itself has served, for the sake of people, who can say that they saw
//! all of a text but not copy it from a telephone. What becomes of the account is the oracle's business. Refuses to
//! judge anything.

use std::io::Read;
use std::time::Instant;

use flate2::read::GzDecoder;
use interference_wire::{AnswerParser, BodyExpected, ConnectionEnd, Progress, ReadLimits, Step};
use serde_json::Value;

use crate::account::Account;
use crate::evidence::Attempt;
use crate::examiner::Asked;

/// Bytes of an answer, unpacked.
const LONGEST_ANSWER: u64 = 64 << 20;

/// The account that a sound client would give of an answer; none of what is no chat.
pub(super) fn served(attempt: &Attempt) -> Option<Account> {
    if attempt.asked != Asked::Chat {
        return None;
    }
    let mut parser = AnswerParser::new(BodyExpected::Yes, ReadLimits::default());
    let writes = attempt.steps.iter().filter_map(|step| match step {
        Step::Write(bytes) => Some(bytes),
        _ => None,
    });
    for bytes in writes {
        if parser.push(bytes, Instant::now()) == Progress::Ended {
            break;
        }
    }
    let answer = parser.finish(ConnectionEnd::Closed);
    let packed = answer.head.is_some_and(|head| head.fields.lists("content-encoding", "gzip"));
    let body = if packed { unpacked(&answer.received.body) } else { answer.received.body };
    let mut account = Account::default();
    // A whole answer that is one object is no stream.
    if let Ok(completion) = serde_json::from_slice::<Value>(&body) {
        let choice = &completion["choices"][0];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        account.text = text(&choice["message"]["content"]).unwrap_or_default();
        account.finish_reason = text(&choice["finish_reason"]);
        return Some(account);
    }
    for data in events(&String::from_utf8_lossy(&body)) {
        if data == "[DONE]" {
            break;
        }
        let chunk: Value = serde_json::from_str(&data).unwrap_or_default();
        let choice = &chunk["choices"][0];
        account.text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        if let Some(reason) = choice["finish_reason"].as_str() {
            account.finish_reason = Some(reason.to_owned());
        }
    }
    Some(account)
}

fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What is broken is read as far as it goes.
    let _ = GzDecoder::new(body).take(LONGEST_ANSWER).read_to_end(&mut bytes);
    bytes
}

/// The data of each event: WHATWG HTML, section 9.2.6. One that is not ended by a blank line is none.
fn events(body: &str) -> Vec<String> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body).replace("\r\n", "\n").replace('\r', "\n");
    let whole = body.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
    let data = |block: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    };
    whole.split("\n\n").map(data).filter(|data| !data.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_a_blank_line_and_its_lines_are_joined() {
        let body =
            "\u{feff}: hello\r\rdata: a\r\nid: 1\r\ndata:b\r\n\r\nretry: 1\n\ndata\n\ndata: c\n\ndata: d\n";
        assert_eq!(events(body), ["a\nb", "c"]);
        assert_eq!(events("data: a"), [""; 0]);
    }
}
