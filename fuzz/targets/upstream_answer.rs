//! An upstream's answer of any bytes, cut at any byte: the relay reads it alike, and as the judges' reader does, where that
//! one has nothing to remark upon.
//!
//! The input is the size of a read, the method of the request (0 HEAD, 1 CONNECT, else POST), and the bytes.

#![no_main]

use std::time::Instant;

use interference_backend_relay::fuzzing::{Outcome, method, read_answer};
use interference_wire::{Answer, AnswerParser, BodyExpected, ConnectionEnd, Ending, ReadLimits};
use libfuzzer_sys::fuzz_target;

/// What the judges' reader makes of it.
fn judged(method: &str, bytes: &[u8]) -> Answer {
    let mut parser = AnswerParser::new(BodyExpected::after(method), ReadLimits::default());
    let _ = parser.push(bytes, Instant::now());
    parser.finish(ConnectionEnd::Closed)
}

/// Whether the last chunk was read, and what is wrong comes behind it.
fn is_broken_in_trailers(answer: &Answer) -> bool {
    let last_chunk = answer.received.chunks.last().is_some_and(|chunk| chunk.size == 0);
    matches!(answer.received.ending, Ending::Malformed { .. }) && last_chunk
}

fuzz_target!(|input: &[u8]| {
    let [size, number, bytes @ ..] = input else { return };
    let method = method(*number);
    let outcome = read_answer(&method, [bytes]);
    assert_eq!(outcome, read_answer(&method, bytes.chunks(usize::from(*size) + 1)));
    assert_eq!(outcome, read_answer(&method, bytes.chunks(1)));
    let judged = judged(method.as_str(), bytes);
    let received = &judged.received;
    match &outcome {
        Outcome::Whole { status, body, behind } => {
            assert_eq!((judged.status(), &received.body), (Some(*status), body));
            if received.ending.is_complete() {
                assert_eq!(received.surplus(), behind);
            } else {
                assert!(is_broken_in_trailers(&judged), "{:?}", received.ending);
            }
        }
        Outcome::Broken { status, body, .. } => {
            assert_eq!((judged.status(), &received.body), (Some(*status), body));
            assert!(!received.ending.is_complete());
        }
        Outcome::NoHead(_) | Outcome::HeadCut => {
            // The relay knows HTTP/1.0 and HTTP/1.1 alone.
            let known = judged.interim.iter().chain(&judged.head).all(|head| head.minor_version <= 1);
            assert!(!(known && received.ending.is_complete() && received.remarks.is_empty()));
        }
    }
});
