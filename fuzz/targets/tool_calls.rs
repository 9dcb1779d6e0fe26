//! A model's text, whatever it is, read for calls of functions in any form: what is told does not depend on how the
//! text is cut into pieces.
//!
//! The input is a digit, which names the form, and the text.

#![no_main]

use interference_backend_local::fuzzing::read_calls;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let mut characters = input.chars();
    let Some(form) = characters.next().and_then(|digit| digit.to_digit(10)) else { return };
    let text = characters.as_str();
    let whole = read_calls(form, [text]);
    let singly = text.char_indices().map(|(start, character)| &text[start..start + character.len_utf8()]);
    assert_eq!(read_calls(form, singly), whole);
    for (middle, _) in text.char_indices().step_by(7) {
        assert_eq!(read_calls(form, [&text[..middle], &text[middle..]]), whole);
    }
    // Without a call, nothing is lost.
    assert!(whole.contains('\0') || whole == text);
});
