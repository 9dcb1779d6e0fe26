//! Any bytes as a cassette: a mistake that is short, or a cassette that is written and read back as itself, also
//! without its secrets.

#![no_main]

use interference_cassette::{Cassette, Redaction};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut cassette = match Cassette::from_json(input) {
        Ok(cassette) => cassette,
        Err(mistake) => {
            // A member's name may be as long as the text, and is told as a path and as a word.
            let message = mistake.to_string();
            assert!(message.len() < 1_000 + 4 * input.len(), "a message of {} bytes", message.len());
            return;
        }
    };
    assert_eq!(Cassette::from_json(cassette.to_json().as_bytes()).as_ref(), Ok(&cassette));
    // No secret changes what is around it, nor whether the rest can be read.
    Redaction::new(["secret-1", "\"},{\"a\""]).apply(&mut cassette);
    assert_eq!(Cassette::from_json(cassette.to_json().as_bytes()).as_ref(), Ok(&cassette));
});
