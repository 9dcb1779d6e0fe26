//! A whole answer without a socket, read as a connection reads it: for property tests, and a door for the fuzzer in
//! `fuzz/`.
//!
//! Outside of tests behind the feature `fuzzing`; no part of the crate's interface, and changed without notice.

use bytes::Bytes;
use http::Method;

use crate::connection::body::Decoded;
use crate::connection::head::HeadReader;

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is no head, for this reason.
    NoHead(String),
    /// The bytes ended before the head did.
    HeadCut,
    /// There is a head; what came of the body is not a whole one.
    Broken {
        /// Of the head.
        status: u16,
        /// What came of it.
        body: Vec<u8>,
        /// How it ended.
        kind: std::io::ErrorKind,
    },
    /// The answer was whole.
    Whole {
        /// Of the head.
        status: u16,
        /// All of it.
        body: Vec<u8>,
        /// What came behind it.
        behind: Vec<u8>,
    },
}

/// HEAD, CONNECT, or another one.
pub fn method(number: u8) -> Method {
    match number {
        0 => Method::HEAD,
        1 => Method::CONNECT,
        _ => Method::POST,
    }
}

/// Reads the answer to a request with this method, which comes in these reads, and then the connection ends.
pub fn read_answer<'read>(method: &Method, reads: impl IntoIterator<Item = &'read [u8]>) -> Outcome {
    let mut reads = reads.into_iter().filter(|read| !read.is_empty()).map(Bytes::copy_from_slice);
    let mut reader = HeadReader::new(method);
    let mut head = loop {
        let Some(read) = reads.next() else { return Outcome::HeadCut };
        match reader.read(read) {
            Ok(Some(head)) => break head,
            Ok(None) => {}
            Err(problem) => return Outcome::NoHead(format!("{problem:?}")),
        }
    };
    let status = head.status.as_u16();
    let (mut body, mut unread) = (Vec::new(), head.behind);
    let ended = loop {
        match head.body.decode(&mut unread) {
            Ok(Decoded::Piece(piece)) => body.extend_from_slice(&piece),
            Ok(Decoded::End) => break Ok(()),
            Ok(Decoded::NeedsMore) => match reads.next() {
                Some(read) => unread = read,
                None => break head.body.end_of_connection(),
            },
            Err(error) => break Err(error),
        }
    };
    match ended {
        Ok(()) => Outcome::Whole {
            status,
            body,
            behind: reads.fold(unread.to_vec(), |behind, read| [&behind[..], &read].concat()),
        },
        Err(error) => Outcome::Broken { status, body, kind: error.kind() },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A body as pieces, and the bytes of an answer with it.
    fn answers() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let pieces = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6);
        (pieces, 0..3_u8, any::<bool>()).prop_map(|(pieces, framing, interim)| {
            let body = pieces.concat();
            let mut sent = if interim { b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec() } else { Vec::new() };
            sent.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n");
            match framing {
                0 => sent.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes()),
                1 => sent.extend_from_slice(b"\r\n"),
                _ => sent.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
            }
            if framing < 2 {
                sent.extend_from_slice(&body);
            } else {
                sent.extend(pieces.iter().flat_map(|piece| interference_wire::chunk(piece)));
                sent.extend_from_slice(interference_wire::LAST_CHUNK);
            }
            (body, sent)
        })
    }

    proptest! {
        #[test]
        fn an_answer_is_the_same_however_it_comes((body, sent) in answers(), size in 1_usize..90) {
            let whole = Outcome::Whole { status: 200, body, behind: Vec::new() };
            prop_assert_eq!(read_answer(&Method::POST, sent.chunks(size)), whole);
        }

        #[test]
        fn an_answer_that_is_cut_is_not_whole((body, sent) in answers(), cut in any::<prop::sample::Index>()) {
            let sent = &sent[..cut.index(sent.len())];
            match read_answer(&Method::POST, [sent]) {
                Outcome::Whole { body: told, .. } => {
                    // What ends with the connection cannot be told from what was cut.
                    let ends_itself = |field: &&[u8]| sent.windows(field.len()).any(|window| window == *field);
                    prop_assert!([b"Content-Length: ".as_slice(), b"Transfer-"].iter().all(|field| !ends_itself(field)));
                    prop_assert!(body.starts_with(&told));
                }
                Outcome::Broken { body: told, .. } => prop_assert!(body.starts_with(&told)),
                outcome => prop_assert_eq!(outcome, Outcome::HeadCut),
            }
        }

        #[test]
        fn any_bytes_are_read_alike_however_they_come(sent in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..90) {
            let begun = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(), &sent].concat();
            for sent in [sent, begun] {
                let whole = read_answer(&Method::POST, [sent.as_slice()]);
                prop_assert_eq!(read_answer(&Method::POST, sent.chunks(size)), whole);
            }
        }
    }
}
