//! An event stream of any bytes, cut at any byte: the same events, and what was decoded is decoded again alike after
//! it was encoded.

#![no_main]

use interference_sse::{DecodeError, Decoded, Decoder, Event, encode};
use libfuzzer_sys::fuzz_target;

const BYTES_MAX: usize = 64;

/// All events of a stream that arrives in these pieces, and how it ended.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Decoded>, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(BYTES_MAX);
    let mut events = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    (events, decoder.finish())
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = decode([bytes]);
    assert_eq!(whole, decode(bytes.chunks(usize::from(size) + 1)));
    assert_eq!(whole, decode(bytes.chunks(1)));
    for Decoded { name, data } in &whole.0 {
        assert!(data.len() <= BYTES_MAX);
        let mut encoded = Vec::new();
        encode(&Event::Data { name: name.clone(), data: data.clone() }, &mut encoded);
        let (again, end) = decode([encoded.as_slice()]);
        if end != Err(DecodeError::TooLong { bytes_max: BYTES_MAX }) {
            assert_eq!(
                (again.as_slice(), end),
                ([Decoded { name: name.clone(), data: data.clone() }].as_slice(), Ok(()))
            );
        }
    }
});
