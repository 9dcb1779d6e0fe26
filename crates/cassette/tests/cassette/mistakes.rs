//! What is told of texts that are no cassettes.

use interference_cassette::{Cassette, LONGEST_FILE, MOST_READS, Mistake};

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
    assert_eq!(told("[1]"), "it is no cassette: it has no member `interference_cassette`");
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
fn what_is_beyond_a_bound_is_told_with_the_bound() {
    let longest = vec![0; LONGEST_FILE as usize + 1];
    assert_eq!(Cassette::from_json(&longest), Err(Mistake::TooLong { most: LONGEST_FILE }));
    let read = "{\"at_ms\": 1012.345, \"base64\": \"ZGF0YTog4oA=\"}";
    let more = format!("{read},").repeat(MOST_READS - 1);
    let told = told_of(read, &format!("{more}{read}"));
    assert!(told.ends_with("there are more than 262144 reads"), "{told}");
}

#[test]
fn a_wrong_member_is_told_by_its_path_and_place() {
    let cases = [
        ("\"method\": \"POST\",\n", "", "`request` (line 24, column 3): missing field `method`"),
        ("\"POST\"", "\"PO ST\"", "`request.method` (line 6, column 21): it is no method of HTTP"),
        ("\"/chat", "\"chat", "`request.path` (line 7, column 30): a path begins with `/`"),
        (
            "\"reset\"",
            "\"torn\"",
            "`response.end` (line 39, column 17): unknown variant `torn`, expected one of `complete`, `reset`, `timed_out`, `ended_early`, `abandoned`",
        ),
        (
            "10.500, \"text\"",
            "10.5, \"txt\"",
            "`response.reads[0].txt` (line 36, column 27): unknown field `txt`, expected one of `at_ms`, `text`, `base64`",
        ),
        (
            "1012.345",
            "9.0",
            "`response.reads[1]` (line 38, column 5): times go backwards: it is before the read ahead of it",
        ),
        (
            "\"head_at_ms\": 10.500",
            "\"head_at_ms\": 10.501",
            "`response` (line 42, column 1): times go backwards: the first of `reads` is before `head_at_ms`",
        ),
        (
            "1020.000",
            "1e300",
            "`response.ended_at_ms` (line 41, column 3): a time is a number of milliseconds from 0 to 31536000000",
        ),
        (
            "1020.000",
            "1000",
            "`response` (line 42, column 1): times go backwards: `ended_at_ms` is before what comes ahead of it",
        ),
        (
            "ZGF0YTog4oA=",
            "ZGF0YTog4oA",
            "`response.reads[1].base64` (line 37, column 50): it is no base64: Invalid padding",
        ),
        (
            "\"x-latin\"",
            "\"x latin\"",
            "`response.headers[3][0]` (line 33, column 18): it is no name of a header",
        ),
        (
            "\"one\"",
            "1",
            "`response.headers[1][1]` (line 31, column 24): invalid type: integer `1`, expected a text, or an object with `base64`",
        ),
        (
            "\"status\": 200",
            "\"status\": 101",
            "`response.status` (line 27, column 17): a status is a number from 200 to 999",
        ),
        (
            "2025-11-26T05:56:45.042Z",
            "2025-11-26",
            "`recorded_at` (line 3, column 29): it is no time of RFC 3339 in UTC, such as `2026-01-31T12:00:00.000Z`",
        ),
        (
            "\"json\": {",
            "\"text\": \"{}\", \"json\": {",
            "`request.body` (line 25, column 3): `json` and `text` say different things; whoever changes one leaves the other out",
        ),
        (
            "\"upstream\": \"cloud\"",
            "\"upstraem\": \"cloud\"",
            "`upstraem` (line 4, column 12): unknown field `upstraem`, expected one of `interference_cassette`, `recorded_at`, `upstream`, `request`, `response`, `failure`",
        ),
        (
            "\"response\": {",
            "\"failure\": null, \"answer\": {",
            "`answer` (line 26, column 27): unknown field `answer`, expected one of `interference_cassette`, `recorded_at`, `upstream`, `request`, `response`, `failure`",
        ),
    ];
    let all: Vec<String> = cases.iter().map(|(part, other, _)| told_of(part, other)).collect();
    assert_eq!(all, cases.map(|(_, _, expected)| expected));
}
