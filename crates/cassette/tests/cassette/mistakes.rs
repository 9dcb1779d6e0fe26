//! What is told of texts that are no cassettes.

use interference_cassette::{Cassette, Mistake};

use crate::sample;

fn told(text: &str) -> String {
    Cassette::from_json(text.as_bytes()).unwrap_err().to_string()
}

/// What is told when a part of a sound text is another.
fn told_of(part: &str, other: &str) -> String {
    let text = sample::chat().to_json();
    assert_eq!(text.matches(part).count(), 1, "{part}");
    told(&text.replace(part, other))
}

#[test]
fn a_text_that_is_no_cassette_is_told_from_one() {
    assert_eq!(told("{\"a\": 1}"), "it is no cassette: it has no member `interference_cassette`");
    assert_eq!(told("{\"a\": }"), "it is no JSON (line 1, column 7): expected value");
    assert_eq!(told(""), "it is cut off (line 1, column 0): EOF while parsing a value");
    assert_eq!(
        told("{\"interference_cassette\": 2, \"request\": \"of a kind to come\"}"),
        "it is a cassette of version 2, and this release reads version 1; a later release of interference reads it"
    );
    assert_eq!(told("[1]"), "`.` (line 1, column 0): invalid type: sequence, expected an object");
}

#[test]
fn a_text_that_is_cut_off_anywhere_is_no_cassette() {
    let text = sample::chat().to_json();
    let whole = text.trim_end().len();
    for length in 0..whole {
        // Half a character is no JSON, everything else is half a text.
        match Cassette::from_json(&text.as_bytes()[..length]) {
            Err(Mistake::CutOff { .. }) => {}
            other => assert!(!text.is_char_boundary(length), "at {length}: {other:?}"),
        }
    }
}

#[test]
fn a_wrong_member_is_told_by_its_path_and_place() {
    let cases = [
        ("\"method\": \"POST\",\n", "", "`request` (line 33, column 3): missing field `method`"),
        ("\"POST\"", "\"PO ST\"", "`request.method` (line 6, column 21): it is no method of HTTP"),
        ("\"/chat", "\"chat", "`request.path` (line 7, column 30): a path begins with `/`"),
        ("\"reset\"", "\"torn\"", ""),
        ("10.500, \"text\"", "10.5, \"txt\"", ""),
        ("1012.345", "9.0", ""),
        ("\"head_at_ms\": 10.500", "\"head_at_ms\": 10.501", ""),
        ("1020.000", "1e300", ""),
        ("1020.000", "1000", ""),
        ("ZGF0YTog4oA=", "ZGF0YTog4oA", ""),
        ("\"x-latin\"", "\"x latin\"", ""),
        ("\"one\"", "1", ""),
        ("\"status\": 200", "\"status\": 101", ""),
        ("2025-11-26T05:56:45.042Z", "2025-11-26", ""),
        ("\"json\": {", "\"text\": \"{}\", \"json\": {", ""),
        ("\"upstream\": \"cloud\"", "\"upstraem\": \"cloud\"", ""),
        ("\"response\": {", "\"failure\": null, \"answer\": {", ""),
    ];
    let all: Vec<String> = cases.iter().map(|(part, other, _)| told_of(part, other)).collect();
    assert_eq!(all, cases.map(|(_, _, expected)| expected));
}
