//! Any text as a file of another test double: what is made of it can be read, and what is not is told.
//!
//! The input is a letter, which names the format, and the text.

#![no_main]

use interference_backend_script::Script;
use interference_cassette::Cassette;
use interference_import::{Format, Imported, MOST_NOTES, Made, Source, import};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let Some(letter) = input.chars().next() else { return };
    let format = match letter {
        'a' => Some(Format::Aimock),
        'l' => Some(Format::Llmposter),
        'v' => Some(Format::Vcr),
        _ => None,
    };
    let text = input[letter.len_utf8()..].to_owned();
    let source = Source { name: "f".to_owned(), text };
    let Imported { made, left_out, .. } = import(vec![source], format).expect("one file is of one format");
    assert!(left_out.len() <= MOST_NOTES);
    match made {
        Some(Made::Script { text, rules }) => match Script::parse(&text, "s") {
            Ok(script) => assert!(script.rule_count() >= rules, "{text}"),
            Err(mistake) => panic!("{mistake}\n{text}"),
        },
        Some(Made::Cassettes(cassettes)) => {
            for cassette in cassettes {
                assert_eq!(Cassette::from_json(cassette.to_json().as_bytes()).as_ref(), Ok(&cassette));
            }
        }
        None => {}
    }
});
