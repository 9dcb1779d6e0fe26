use proptest::prelude::*;

use super::*;
use crate::ending::{Ending, Flaw, Framing, Liberty, Place, Remark, SizeBound, TimeBound};
use crate::received::BodyPart;

fn parse_with(
    body_expected: BodyExpected,
    limits: ReadLimits,
    pieces: &[&[u8]],
    end: ConnectionEnd,
) -> Answer {
    let mut parser = AnswerParser::new(body_expected, limits);
    let at = Instant::now();
    for piece in pieces {
        let progress = parser.push(piece, at);
        assert_eq!(progress == Progress::Running, matches!(parser.so_far().ending, Ending::Abandoned(_)));
    }
    parser.finish(end)
}

fn parse(bytes: impl AsRef<[u8]>) -> Answer {
    parse_with(BodyExpected::Yes, ReadLimits::default(), &[bytes.as_ref()], ConnectionEnd::Closed)
}

/// An answer with all that does not depend on how its bytes were cut.
fn without_reads(mut answer: Answer) -> Answer {
    answer.received.reads.clear();
    answer.received.body_parts.clear();
    answer
}

fn malformed(flaw: Flaw, offset: usize) -> Ending {
    Ending::Malformed { flaw, offset }
}

const WHOLE: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
    HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a\r\nset-cookie:  b \r\n\r\n\
    5;a=\"b\\\"\" ; c\r\nhello\r\n07\r\n, world\r\n0\r\nDigest: 1\r\n\r\n";

#[test]
fn a_whole_answer_with_all_its_parts() {
    let answer = parse(WHOLE);
    let received = &answer.received;
    assert_eq!(received.ending, Ending::Complete { by: Framing::Chunks });
    assert_eq!(received.end, WHOLE.len());
    assert_eq!(received.raw, WHOLE.as_bytes());
    assert_eq!(received.body, b"hello, world");
    assert_eq!(answer.interim.len(), 1);
    assert_eq!(answer.interim[0].status, 103);
    assert_eq!(answer.interim[0].fields.first("LINK"), Some(&b"</a>"[..]));
    assert_eq!(answer.interim[0].raw, 0..40);
    let head = answer.head.as_ref().unwrap();
    assert_eq!((head.minor_version, head.status, head.reason.as_slice()), (1, 200, &b"OK"[..]));
    assert_eq!(head.fields.all("set-cookie").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(head.fields.0[1].name, b"Set-Cookie");
    assert!(answer.raw_head().unwrap().ends_with(b"set-cookie:  b \r\n\r\n"));
    let sizes: Vec<u64> = received.chunks.iter().map(|chunk| chunk.size).collect();
    assert_eq!(sizes, [5, 7, 0]);
    assert_eq!(&received.raw[received.chunks[1].data.clone()], b", world");
    assert_eq!(&received.raw[received.chunks[1].size_line.clone()], b"07\r\n");
    assert_eq!(received.chunks[0].extension, b";a=\"b\\\"\" ; c");
    assert_eq!(received.chunks[0].end, Some(received.chunks[1].size_line.start));
    assert_eq!(received.trailers.first("digest"), Some(&b"1"[..]));
    assert_eq!(received.remarks, []);
    assert!(answer.keeps_alive());
}

#[test]
fn malformed_answers_end_at_the_flaw() {
    let in_head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let body_at = chunked("").len();
    let cases = [
        ("SSH-2.0-x".to_owned(), Flaw::NotHttp, 0),
        ("HTTQ".to_owned(), Flaw::NotHttp, 3),
        ("\r\nHTTP/1.1 200 OK\r\n".to_owned(), Flaw::NotHttp, 0),
        ("HTTP/2 200\r\n".to_owned(), Flaw::Version, 0),
        ("HTTP/1.x 200 OK\r\n".to_owned(), Flaw::Version, 0),
        ("HTTP/1.1\r\n".to_owned(), Flaw::StatusLine, 8),
        ("HTTP/1.10 200 OK\r\n".to_owned(), Flaw::StatusLine, 8),
        ("HTTP/1.1 20\r\n".to_owned(), Flaw::StatusLine, 9),
        ("HTTP/1.1  200 OK\r\n".to_owned(), Flaw::StatusLine, 9),
        ("HTTP/1.1 2000 OK\r\n".to_owned(), Flaw::StatusLine, 12),
        ("HTTP/1.1 200 O\rK\r\n".to_owned(), Flaw::BareCarriageReturn, 14),
        (in_head("a: \0"), Flaw::ZeroByte, 20),
        (in_head(" a: b"), Flaw::LeadingWhiteSpace, 17),
        (in_head("a: b\r\nc"), Flaw::NoColon, 23),
        (in_head(": b"), Flaw::FieldName, 17),
        (in_head("a b: c"), Flaw::FieldName, 17),
        (in_head("Content-Length: +1"), Flaw::ContentLength, 17),
        (in_head("Content-Length: "), Flaw::ContentLength, 17),
        (in_head("Content-Length: 1,2"), Flaw::ContentLength, 17),
        (in_head("Content-Length: 1\r\nContent-Length: 2"), Flaw::ContentLength, 36),
        (in_head("Content-Length: 18446744073709551616"), Flaw::ContentLength, 17),
        (in_head("Transfer-Encoding: chunked, chunked"), Flaw::RepeatedChunked, 17),
        (chunked("x\r\n"), Flaw::ChunkSize, body_at),
        (chunked("\r\n"), Flaw::ChunkSize, body_at),
        (chunked("-1\r\n"), Flaw::ChunkSize, body_at),
        (chunked("0x1\r\na\r\n"), Flaw::ChunkSize, body_at + 1),
        (chunked("11111111111111111\r\n"), Flaw::ChunkSize, body_at),
        (chunked("1 a\r\n"), Flaw::ChunkSize, body_at + 2),
        (chunked("1\na\r\n"), Flaw::ChunkLineEnd, body_at + 1),
        (chunked("1;\0\r\na\r\n"), Flaw::ZeroByte, body_at + 2),
        (chunked("1;\ra\r\na\r\n"), Flaw::BareCarriageReturn, body_at + 2),
        (chunked("1\r\nab\r\n"), Flaw::ChunkDataEnd, body_at + 4),
        (chunked("1\r\na\ra"), Flaw::ChunkDataEnd, body_at + 5),
        (chunked("1\r\na\n"), Flaw::ChunkDataEnd, body_at + 4),
        (chunked("0\r\na\r\n\r\n"), Flaw::NoColon, body_at + 3),
    ];
    for (bytes, flaw, offset) in cases {
        let answer = parse(&bytes);
        assert_eq!(answer.received.ending, malformed(flaw, offset), "{bytes:?}");
        assert_eq!(answer.received.end, offset, "{bytes:?}");
        assert_eq!(answer.received.raw, bytes.as_bytes(), "the evidence is kept");
        assert_eq!(answer.received.surplus(), b"");
        assert!(!answer.keeps_alive());
        assert!(flaw.clause().starts_with("RFC 91"));
    }
}

#[test]
fn liberties_are_remarked_upon() {
    let head = |start: &str| format!("{start}\r\nContent-Length: 0\r\n\r\n");
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let with = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n0\r\n\r\n");
    let body_at = chunked("").len();
    let cases = [
        (head("HTTP/1.1 200 OK\nServer: a"), Liberty::BareLineFeed, 15),
        (head("HTTP/1.1 200"), Liberty::NoSpaceAfterStatus, 12),
        (head("HTTP/1.1 999 A"), Liberty::StatusOutOfRange, 9),
        (head("HTTP/1.1 200 \x07"), Liberty::ControlCharacter, 13),
        (head("HTTP/1.1 200 OK\r\na: b\x7f"), Liberty::ControlCharacter, 21),
        (head("HTTP/1.1 200 OK\r\na: b\r\n c"), Liberty::ObsoleteFold, 23),
        (head("HTTP/1.1 200 OK\r\na\t: b"), Liberty::SpaceBeforeColon, 18),
        (head("HTTP/1.1 200 OK\r\nContent-Length: 0, 0"), Liberty::RepeatedLength, 39),
        (with("Content-Length: 9\r\nTransfer-Encoding: chunked"), Liberty::LengthBesideCoding, 17),
        (with("Transfer-Encoding: gzip, chunked"), Liberty::ForeignCoding, 17),
        (chunked("1 \r\na\r\n0\r\n\r\n"), Liberty::SpaceAfterChunkSize, body_at + 1),
        (chunked("1;\r\na\r\n0\r\n\r\n"), Liberty::ChunkExtension, body_at + 1),
        (chunked("1;a=\r\na\r\n0\r\n\r\n"), Liberty::ChunkExtension, body_at + 1),
        (chunked("1;a=\"\r\na\r\n0\r\n\r\n"), Liberty::ChunkExtension, body_at + 1),
        (chunked("0\r\nHost: a\r\n\r\n"), Liberty::ForbiddenTrailer, body_at + 3),
        (chunked("0\r\nA: b\n\r\n"), Liberty::BareLineFeed, body_at + 7),
        ("HTTP/1.1 204 A\r\nContent-Length: 1\r\n\r\n".into(), Liberty::LengthWithoutBody, 16),
        ("HTTP/1.1 204 A\r\nTransfer-Encoding: chunked\r\n\r\n".into(), Liberty::CodingWithoutBody, 16),
        (
            "HTTP/1.0 200 A\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            Liberty::CodingInVersion10,
            16,
        ),
    ];
    for (bytes, liberty, offset) in cases {
        let answer = parse(&bytes);
        assert_eq!(answer.received.remarks, [Remark { liberty, offset }], "{bytes:?}");
        assert!(answer.received.ending.is_complete(), "{bytes:?}: {:?}", answer.received.ending);
        assert!(liberty.clause().starts_with("RFC 91"));
    }
    let answer = parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc");
    let found: Vec<Liberty> = answer.received.remarks.iter().map(|remark| remark.liberty).collect();
    assert_eq!(found, [Liberty::ForeignCoding, Liberty::ChunkedNotLast]);
    assert_eq!(answer.received.ending, Ending::Complete { by: Framing::ConnectionEnd });
    let folded = parse("HTTP/1.1 200 OK\r\na: b\r\n\t c\r\n \r\nContent-Length: 0\r\n\r\n");
    assert_eq!(folded.head.unwrap().fields.first("a"), Some(&b"b c"[..]));
}

#[test]
fn whole_answers_end_as_they_are_framed() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", Framing::Length(2)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Framing::Length(0)),
        ("HTTP/1.1 200 \r\n\r\nab", Framing::ConnectionEnd),
        ("HTTP/1.1 200 \r\n\r\n", Framing::ConnectionEnd),
        ("HTTP/1.1 204 No Content\r\n\r\n", Framing::NoBody),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Framing::NoBody),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Framing::NoBody),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: , Chunked\r\n\r\n00;a\r\n\r\n", Framing::Chunks),
    ];
    for (bytes, by) in cases {
        let answer = parse(bytes);
        assert_eq!(answer.received.ending, Ending::Complete { by }, "{bytes:?}");
        assert_eq!(answer.received.framing, Some(by));
    }
    let no_body = Ending::Complete { by: Framing::NoBody };
    for (method, expected) in
        [("HEAD", no_body), ("CONNECT", no_body), ("GET", Ending::Cut(Place::BetweenChunks))]
    {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body_expected = BodyExpected::after(method);
        let answer = parse_with(body_expected, ReadLimits::default(), &[bytes], ConnectionEnd::Closed);
        assert_eq!(answer.received.ending, expected, "{method}");
    }
}

#[test]
fn whether_a_connection_lives_on() {
    for (fields, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: a, Close\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n", true),
        ("HTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 101 A\r\n", false),
    ] {
        assert_eq!(parse(format!("{fields}\r\n")).keeps_alive(), expected, "{fields}");
    }
}

#[test]
fn every_place_of_a_cut() {
    let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases = [
        ("", Place::BeforeHead),
        ("HTTP/1.1 100 Continue\r\n\r\n", Place::BeforeHead),
        ("HTTP", Place::Head),
        ("HTTP/1.1 200 OK\r\na: b\r\n", Place::Head),
        (head, Place::BetweenChunks),
        (&format!("{head}1"), Place::BetweenChunks),
        (&format!("{head}1\r\n"), Place::Chunk),
        (&format!("{head}2\r\na"), Place::Chunk),
        (&format!("{head}1\r\na"), Place::Chunk),
        (&format!("{head}1\r\na\r"), Place::Chunk),
        (&format!("{head}1\r\na\r\n"), Place::BetweenChunks),
        (&format!("{head}0\r\n"), Place::Trailers),
        (&format!("{head}0\r\na: b\r\n"), Place::Trailers),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", Place::Body),
        ("HTTP/1.1 200 OK\r\n\r\na", Place::Body),
    ];
    let kind = std::io::ErrorKind::TimedOut;
    let bound = TimeBound::Total;
    for (bytes, place) in cases {
        for (end, expected) in [
            (ConnectionEnd::Closed, Ending::Cut(place)),
            (ConnectionEnd::ClosedWithoutNotify, Ending::Cut(place)),
            (ConnectionEnd::Reset, Ending::Reset(place)),
            (ConnectionEnd::TimedOut(bound), Ending::TimedOut { bound, place }),
            (ConnectionEnd::Failed(kind), Ending::Failed { kind, place }),
            (ConnectionEnd::Abandoned, Ending::Abandoned(place)),
        ] {
            let answer = parse_with(BodyExpected::Yes, ReadLimits::default(), &[bytes.as_bytes()], end);
            let closed = matches!(end, ConnectionEnd::Closed | ConnectionEnd::ClosedWithoutNotify);
            let expected = match (place, bytes.contains("Length"), end) {
                (Place::Body, true, _) if closed => Ending::LengthMismatch { expected: 2, received: 1 },
                (Place::Body, false, ConnectionEnd::Closed) => {
                    Ending::Complete { by: Framing::ConnectionEnd }
                }
                _ => expected,
            };
            assert_eq!(answer.received.ending, expected, "{bytes:?} {end:?}");
            let is_remarked =
                answer.received.remarks.iter().any(|remark| remark.liberty == Liberty::NoCloseNotify);
            assert_eq!(is_remarked, end == ConnectionEnd::ClosedWithoutNotify);
        }
    }
    let cut = parse(format!("{head}0\r\na: b\r\n"));
    assert_eq!(cut.received.trailers.first("a"), Some(&b"b"[..]), "what came of the trailers is kept");
}

#[test]
fn every_bound_ends_an_answer() {
    let wide = ReadLimits::default();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let head_len = chunked.len();
    let cases = [
        (ReadLimits { head_bytes: head_len - 1, ..wide }, chunked.to_owned(), SizeBound::Head, head_len - 1),
        (
            ReadLimits { head_bytes: head_len, ..wide },
            format!("{chunked}0\r\nLonger: {:1$}\r\n\r\n", "", head_len),
            SizeBound::Trailers,
            head_len + 3 + head_len,
        ),
        (ReadLimits { body_bytes: 2, ..wide }, format!("{chunked}3\r\nabc"), SizeBound::Body, head_len + 5),
        (ReadLimits { raw_bytes: 40, ..wide }, chunked.to_owned(), SizeBound::Raw, 40),
        (ReadLimits { reads: 1, ..wide }, chunked.to_owned(), SizeBound::Reads, 9),
        (
            ReadLimits { chunks: 1, ..wide },
            format!("{chunked}1\r\na\r\n0\r\n\r\n"),
            SizeBound::Chunks,
            head_len + 6,
        ),
        (
            ReadLimits { chunk_line_bytes: 4, ..wide },
            format!("{chunked}00001\r\n"),
            SizeBound::ChunkLine,
            head_len + 4,
        ),
        (
            ReadLimits { interim_answers: 1, ..wide },
            format!("{0}{0}{chunked}", "HTTP/1.1 100 A\r\n\r\n"),
            SizeBound::InterimAnswers,
            18,
        ),
    ];
    for (limits, bytes, bound, offset) in cases {
        let pieces = [&bytes.as_bytes()[..9], &bytes.as_bytes()[9..]];
        let answer = parse_with(BodyExpected::Yes, limits, &pieces, ConnectionEnd::Closed);
        assert_eq!(answer.received.ending, Ending::TooLarge(bound), "{bytes:?}");
        assert_eq!(answer.received.end, offset, "{bytes:?}");
    }
    let exact = ReadLimits {
        head_bytes: head_len,
        body_bytes: 1,
        raw_bytes: head_len + 11,
        reads: 2,
        chunks: 2,
        chunk_line_bytes: 3,
        interim_answers: 0,
    };
    let bytes = format!("{chunked}1\r\na\r\n0\r\n\r\n");
    let pieces = [&bytes.as_bytes()[..9], &bytes.as_bytes()[9..]];
    let answer = parse_with(BodyExpected::Yes, exact, &pieces, ConnectionEnd::Closed);
    assert!(answer.received.ending.is_complete(), "{:?}", answer.received.ending);
}

#[test]
fn the_body_is_mapped_to_reads() {
    let start = Instant::now();
    let at = |ms| start + std::time::Duration::from_millis(ms);
    let mut parser = AnswerParser::new(BodyExpected::Yes, ReadLimits::default());
    let pieces =
        ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", "c\r\n2", "\r\nde\r\n0\r\n\r\nmore"];
    for (index, piece) in pieces.iter().enumerate() {
        let _ = parser.push(piece.as_bytes(), at(index as u64));
    }
    let received = parser.finish(ConnectionEnd::Abandoned).received;
    let part = |offset_in_body, offset_in_raw, len, read_index| BodyPart {
        offset_in_body,
        offset_in_raw,
        len,
        read_index,
    };
    assert_eq!(received.body_parts, [part(0, 50, 2, 0), part(2, 52, 1, 1), part(3, 58, 2, 2)]);
    let times = [0, 1, 2, 3, 4, 5, 6].map(|len| received.time_of_body(len));
    assert_eq!(times, [None, Some(at(0)), Some(at(0)), Some(at(1)), Some(at(2)), Some(at(2)), None]);
    assert_eq!([0, 1, 2, 3].map(|read| received.body_of_read(read)), [0..2, 2..3, 3..5, 5..5]);
    assert_eq!(received.reads_of(&received.chunks[0].data), 0..2);
    assert_eq!(received.reads_of(&received.chunks[1].data), 2..3);
    assert_eq!(received.reads_of(&received.chunks[1].size_line), 1..3);
    assert_eq!(received.reads_of(&received.chunks[2].data), 0..0);
    assert_eq!(
        [0, 51, 52, 55, 56, 99].map(|offset| received.read_index_at(offset)),
        [Some(0), Some(0), Some(1), Some(1), Some(2), None]
    );
    assert_eq!(received.surplus(), b"more");
}

fn parse_request(bytes: &str) -> Request {
    let mut parser = RequestParser::new(ReadLimits::default());
    let _ = parser.push(bytes.as_bytes(), Instant::now());
    parser.finish(ConnectionEnd::Closed)
}

#[test]
fn requests_are_read_and_refused() {
    let request = parse_request("\r\nPOST /v1/x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET");
    let head = request.head.as_ref().unwrap();
    assert_eq!((head.method.as_slice(), head.target.as_slice()), (&b"POST"[..], &b"/v1/x?y"[..]));
    assert_eq!(request.received.ending, Ending::Complete { by: Framing::Length(2) });
    assert_eq!((request.received.body.as_slice(), request.received.surplus()), (&b"{}"[..], &b"GET"[..]));
    assert_eq!(request.received.remarks, [Remark { liberty: Liberty::LeadingEmptyLine, offset: 0 }]);
    assert!(request.wire_log().starts_with("+0.000000 s  @0  60 bytes  \\r\\nPOST "));

    let line = "POST / HTTP/1.1\r\n";
    let cases = [
        (format!("{line}\r\n"), Ending::Complete { by: Framing::NoBody }),
        (
            format!("{line}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
            Ending::Complete { by: Framing::Chunks },
        ),
        (format!("{line}Transfer-Encoding: gzip\r\n\r\n"), malformed(Flaw::RequestCoding, 17)),
        (format!("{line}A : b\r\n\r\n"), malformed(Flaw::SpaceBeforeColon, 18)),
        ("POST /\r\n\r\n".into(), malformed(Flaw::RequestLine, 0)),
        ("POST  HTTP/1.1\r\n\r\n".into(), malformed(Flaw::RequestLine, 5)),
        ("PO(T / HTTP/1.1\r\n\r\n".into(), malformed(Flaw::RequestLine, 0)),
        ("POST / HTTP/2.0\r\n\r\n".into(), malformed(Flaw::Version, 7)),
        ("POST / HTTP/1.1x\r\n\r\n".into(), malformed(Flaw::RequestLine, 15)),
        ("POST / a HTTP/1.1\r\n\r\n".into(), malformed(Flaw::RequestLine, 0)),
    ];
    for (bytes, ending) in cases {
        assert_eq!(parse_request(&bytes).received.ending, ending, "{bytes:?}");
    }
}

/// Answers near the standard: good parts and bad ones in any order.
fn near_answers() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 404\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 204 \r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 7\r\n",
        "a : b\r\n",
        " c\r\n",
        "\r\n",
        "\n",
        "\r",
        "5\r\nhello\r\n",
        "3;a=\"b\"\r\nabc\r\n",
        "0\r\n",
        "Trailer: x\r\n",
        "x",
        "\0",
    ]);
    let start = prop::sample::select(vec![
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    ]);
    (start, prop::collection::vec(parts, 0..12))
        .prop_map(|(start, parts)| [&[start], parts.as_slice()].concat().concat().into_bytes())
}

fn small_limits() -> impl Strategy<Value = ReadLimits> {
    (1_usize..90, 0_usize..20, 1_usize..200, 0_usize..4, 1_usize..12, 0_usize..3).prop_map(
        |(head_bytes, body_bytes, raw_bytes, chunks, chunk_line_bytes, interim_answers)| ReadLimits {
            head_bytes,
            body_bytes,
            raw_bytes,
            chunks,
            chunk_line_bytes,
            interim_answers,
            reads: 10_000,
        },
    )
}

proptest! {
    #[test]
    fn it_does_not_matter_how_bytes_are_cut(
        bytes in near_answers(),
        limits in prop_oneof![Just(ReadLimits::default()), small_limits()],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        end in prop::sample::select(vec![ConnectionEnd::Closed, ConnectionEnd::Reset]),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let whole = parse_with(BodyExpected::Yes, limits, &[&bytes], end);
        let cut = parse_with(BodyExpected::Yes, limits, &pieces, end);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let single = parse_with(BodyExpected::Yes, limits, &single, end);
        for answer in [&whole, &cut, &single] {
            let received = &answer.received;
            prop_assert_eq!(&received.raw[..], &bytes[..bytes.len().min(limits.raw_bytes)]);
            prop_assert!(received.body.len() <= limits.body_bytes && received.chunks.len() <= limits.chunks);
            let mapped: Vec<u8> = received
                .body_parts
                .iter()
                .flat_map(|part| &received.raw[part.offset_in_raw..part.offset_in_raw + part.len])
                .copied()
                .collect();
            prop_assert_eq!(&mapped, &received.body);
        }
        let whole = without_reads(whole);
        prop_assert_eq!(&without_reads(cut), &whole);
        prop_assert_eq!(&without_reads(single), &whole);
    }

    #[test]
    fn a_body_that_is_handed_over_piece_by_piece_is_the_body(
        bytes in near_answers(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        end in prop::sample::select(vec![ConnectionEnd::Closed, ConnectionEnd::Reset]),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut parser = AnswerParser::new(BodyExpected::Yes, ReadLimits::default());
        let (mut body, mut drained) = (Vec::new(), Vec::new());
        for pair in cuts.windows(2) {
            let _ = parser.push(&bytes[pair[0]..pair[1]], Instant::now());
            parser.drain_body(&mut body);
            drained.extend_from_slice(&body);
        }
        let whole = parse_with(BodyExpected::Yes, ReadLimits::default(), &[&bytes], end);
        let answer = parser.finish(end);
        prop_assert_eq!(&drained, &whole.received.body);
        prop_assert!(answer.received.body.is_empty());
        prop_assert_eq!(answer.status(), whole.status());
        prop_assert_eq!(answer.received.trailers.first("digest"), whole.received.trailers.first("digest"));
        // Offsets count from what was last handed over.
        match (answer.received.ending, whole.received.ending) {
            (Ending::Malformed { flaw, .. }, Ending::Malformed { flaw: expected, .. }) => {
                prop_assert_eq!(flaw, expected);
            }
            (ending, expected) => prop_assert_eq!(ending, expected),
        }
        let surplus = whole.received.ending.is_complete().then(|| whole.received.surplus());
        prop_assert_eq!(surplus.unwrap_or_default(), answer.received.surplus());
        prop_assert_eq!(answer.keeps_alive(), whole.keeps_alive());
    }
}
