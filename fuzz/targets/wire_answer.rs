//! An answer, or a request, of any bytes, cut at any byte: the same outcome, within the bounds, all bytes kept and
//! the body found in them.

#![no_main]

use std::time::Instant;

use interference_wire::{
    AnswerHead, AnswerParser, BodyExpected, ConnectionEnd, Progress, ReadLimits, Received, RequestHead,
    RequestParser, escaped,
};
use libfuzzer_sys::fuzz_target;

const NARROW: ReadLimits = ReadLimits {
    head_bytes: 80,
    body_bytes: 12,
    raw_bytes: 160,
    reads: 2_000,
    chunks: 3,
    chunk_line_bytes: 10,
    interim_answers: 1,
};

/// All that is known of a message.
type Outcome = (Vec<AnswerHead>, Option<AnswerHead>, Option<RequestHead>, Received);

/// How a message is read, by the bits of a number.
struct Course {
    control: u8,
    limits: ReadLimits,
    at: Instant,
}

impl Course {
    fn end(&self) -> ConnectionEnd {
        match self.control & 0b1_1000 {
            0 => ConnectionEnd::Closed,
            0b0_1000 => ConnectionEnd::ClosedWithoutNotify,
            0b1_0000 => ConnectionEnd::Reset,
            _ => ConnectionEnd::Abandoned,
        }
    }

    fn run<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        if self.control & 0b1000_0000 != 0 {
            let mut parser = RequestParser::new(self.limits);
            self.feed(pieces, |piece| parser.push(piece, self.at));
            let request = parser.finish(self.end());
            return (Vec::new(), None, request.head, request.received);
        }
        let body_expected = match self.control & 0b11 {
            0 | 1 => BodyExpected::Yes,
            2 => BodyExpected::AfterHead,
            _ => BodyExpected::AfterConnect,
        };
        let mut parser = AnswerParser::new(body_expected, self.limits);
        self.feed(pieces, |piece| parser.push(piece, self.at));
        let answer = parser.finish(self.end());
        (answer.interim, answer.head, None, answer.received)
    }

    fn feed<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>, mut push: impl FnMut(&[u8]) -> Progress) {
        let mut ended = false;
        for piece in pieces {
            let progress = push(piece);
            assert!(!ended || progress == Progress::Ended, "an end is final");
            ended = progress == Progress::Ended;
        }
    }
}

/// What holds for one way to cut a message.
fn check(received: &Received, bytes: &[u8], limits: &ReadLimits) {
    assert_eq!(received.raw, bytes[..bytes.len().min(limits.raw_bytes)]);
    assert!(received.body.len() <= limits.body_bytes);
    assert!(received.chunks.len() <= limits.chunks);
    assert!(received.end <= received.raw.len());
    let mut offset = 0;
    for read in &received.reads {
        assert_eq!(read.offset, offset);
        offset += read.len;
    }
    assert_eq!(offset, received.raw.len());
    let mut body = 0;
    for part in &received.body_parts {
        let raw = part.offset_in_raw..part.offset_in_raw + part.len;
        assert_eq!(part.offset_in_body, body);
        assert_eq!(received.raw[raw.clone()], received.body[body..body + part.len]);
        assert_eq!(received.reads_of(&raw), part.read_index..part.read_index + 1);
        body += part.len;
    }
    assert_eq!(body, received.body.len());
    for chunk in &received.chunks {
        assert!(received.raw[chunk.size_line.clone()].ends_with(b"\r\n"));
        assert!(chunk.data.len() as u64 <= chunk.size);
    }
    assert!(escaped(&received.raw).is_ascii());
}

fn without_reads((interim, answer, request, mut received): Outcome) -> Outcome {
    received.reads.clear();
    received.body_parts.clear();
    (interim, answer, request, received)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (control, bytes) = input;
    let limits = if control & 0b100 == 0 { ReadLimits::default() } else { NARROW };
    let course = Course { control, limits, at: Instant::now() };
    let whole = course.run([bytes]);
    let cut = course.run(bytes.chunks(usize::from(control >> 3) + 2));
    let single = course.run(bytes.chunks(1));
    for outcome in [&whole, &cut, &single] {
        check(&outcome.3, bytes, &limits);
    }
    let whole = without_reads(whole);
    assert_eq!(without_reads(cut), whole);
    assert_eq!(without_reads(single), whole);
});
