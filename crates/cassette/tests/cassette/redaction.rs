//! What never touches a disk.

use std::time::Duration;

use interference_cassette::{FailureKind, Outcome, RecordedFailure, Redaction, is_secret};
use proptest::prelude::*;
use proptest::sample::select;

use crate::sample;

const KEY: &str = "sk-live-0123456789";

#[test]
fn names_tell_of_secrets() {
    for name in [
        "Authorization",
        "x-api-key",
        "Set-Cookie",
        "x-auth-token",
        "client_secret",
        "password",
        "access_token",
        "next_access_token",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in [
        "content-type",
        "x-ratelimit-remaining-tokens",
        "anthropic-ratelimit-tokens-reset",
        "page_token",
        "nextPageToken",
        "max-tokens",
    ] {
        assert!(!is_secret(name), "{name}");
    }
    assert!(is_secret("x-ratelimit-key"));
}

#[test]
fn a_secret_is_taken_out_wherever_it_stands() {
    let mut cassette = sample::chat();
    cassette.upstream = Some(format!("cloud {KEY}"));
    let request = &mut cassette.request;
    request.path = format!("/files/{KEY}");
    request.query = Some(format!("api-%6Bey=short&user={KEY}&page=2"));
    request.headers.insert("x-note", format!("as {KEY}").parse().unwrap());
    request.body = format!("{{\"input\":\"{KEY}, {KEY}\"}}").into();
    let Outcome::Answered(answer) = &mut cassette.outcome else { unreachable!() };
    answer.headers.insert("x-echo", KEY.parse().unwrap());
    // Across three reads, and once more in one.
    answer.reads = vec![
        sample::read(20_000, b"data: sk-live-"),
        sample::read(20_000, b"01234"),
        sample::read(21_000, b"56789\n\nsk-live-0123456789"),
    ];
    Redaction::new([KEY]).apply(&mut cassette);
    let text = cassette.to_json();
    assert!(!text.contains("sk-") && !text.contains("short"), "{text}");
    for expected in [
        "\"/files/******************\"",
        "\"api-%6Bey=[redacted]&user=******************&page=2\"",
        "[\"authorization\", \"[redacted]\"]",
        "[\"x-note\", \"as ******************\"]",
        "\"input\": \"******************, ******************\"",
        "{\"at_ms\": 20.000, \"text\": \"data: ********\"},\n      {\"at_ms\": 20.000, \"text\": \"*****\"},\n",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[test]
fn what_a_client_brings_for_a_key_is_taken_out_wherever_it_stands() {
    let mut cassette = sample::chat();
    let request = &mut cassette.request;
    request.query = Some("key=in-the-query-0123&max_tokens=1000000000000000".to_owned());
    for (name, value) in [
        ("authorization", "Bearer in-a-bearer-0123"),
        ("x-api-key", "in-a-header-0123"),
        ("api-key", "not-needed"),
        ("cookie", "in-a-cookie=01234"),
    ] {
        request.headers.insert(name, value.parse().unwrap());
    }
    let echo = "in-the-query-0123 in-a-bearer-0123 Bearer in-a-header-0123 not-needed in-a-cookie=01234 1000000000000000";
    request.body = echo.into();
    let Outcome::Answered(answer) = &mut cassette.outcome else { unreachable!() };
    answer.reads =
        vec![sample::read(20_000, &echo.as_bytes()[..30]), sample::read(20_000, &echo.as_bytes()[30..])];
    Redaction::default().apply(&mut cassette);
    let stars = "***************** **************** Bearer **************** not-needed in-a-cookie=01234 1000000000000000";
    assert_eq!(cassette.request.body, stars);
    assert_eq!(cassette.request.query.as_deref(), Some("key=[redacted]&max_tokens=1000000000000000"));
    let Outcome::Answered(answer) = &cassette.outcome else { unreachable!() };
    assert_eq!([&answer.reads[0].bytes[..], &answer.reads[1].bytes[..]].concat(), stars.as_bytes());
    // What was taken out before is no key.
    let again = cassette.clone();
    Redaction::default().apply(&mut cassette);
    assert_eq!(cassette, again);
}

#[test]
fn an_address_in_a_header_is_kept_without_its_secret_parameters() {
    let mut cassette = sample::chat();
    cassette.request.headers.insert("referer", "https://host/app?api_key=short&page=2".parse().unwrap());
    let Outcome::Answered(answer) = &mut cassette.outcome else { unreachable!() };
    for (name, value) in [
        ("location", "/v1/files?sig=a&X-Amz-Signature=e&access_token=b#key=c&part=d"),
        ("content-location", "https://user:word@host/v1/files/1"),
        ("x-note", "/v1/files?key=e"),
    ] {
        answer.headers.insert(name, value.parse().unwrap());
    }
    Redaction::default().apply(&mut cassette);
    assert_eq!(cassette.request.headers["referer"], "https://host/app?api_key=[redacted]&page=2");
    let Outcome::Answered(answer) = &cassette.outcome else { unreachable!() };
    assert_eq!(
        answer.headers["location"],
        "/v1/files?sig=[redacted]&X-Amz-Signature=[redacted]&access_token=[redacted]#key=[redacted]&part=d"
    );
    assert_eq!(answer.headers["content-location"], "[redacted]");
    assert_eq!(answer.headers["x-note"], "/v1/files?key=e");
}

#[test]
fn a_failure_that_repeats_a_secret_is_told_without() {
    let mut cassette = sample::chat();
    cassette.outcome = Outcome::Failed(RecordedFailure {
        kind: FailureKind::Broken,
        code: format!("refused_{KEY}"),
        message: format!("no such key: {KEY}"),
        at: Duration::ZERO,
    });
    Redaction::new([KEY]).apply(&mut cassette);
    let text = cassette.to_json();
    assert!(text.contains("\"no such key: ******************\""), "{text}");
    assert!(text.contains("\"refused_******************\""), "{text}");
}

#[test]
fn a_short_secret_is_not_looked_for_and_the_longest_goes_first() {
    let overwritten = |secrets: &[&str], text: &'static str| Redaction::new(secrets).bytes(&text.into());
    assert_eq!(overwritten(&["", "data", "seven77"], "data seven77"), "data seven77");
    assert_eq!(
        overwritten(&["12345678", "1234567890"], "12345678 1234567890 123456789"),
        "******** ********** ********9"
    );
    assert_eq!(format!("{:?}", Redaction::new([KEY])), "Redaction(1 secrets)");
}

proptest! {
    #[test]
    fn a_word_tells_of_a_secret_wherever_it_stands(
        before in "\\PC{0,6}",
        word in select(vec!["authorization", "Cookie", "kEY", "SECRET", "passWord"]),
        behind in "\\PC{0,6}",
    ) {
        let name = [before.as_str(), word, behind.as_str()].concat();
        prop_assert!(is_secret(&name), "{}", name);
        prop_assert!(!is_secret(&word[1..]), "only all of it");
    }

    #[test]
    fn pieces_stay_as_long_as_they_were(cuts in prop::collection::vec(0..60_usize, 0..6)) {
        let body = format!("{KEY} and {KEY}{KEY} end");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).chain([0, body.len()]).collect();
        cuts.sort_unstable();
        let mut cassette = sample::chat();
        let Outcome::Answered(answer) = &mut cassette.outcome else { unreachable!() };
        let template = sample::read(20_000, b"");
        let piece = |ends: &[usize]| body.as_bytes()[ends[0]..ends[1]].to_vec().into();
        answer.reads = cuts.windows(2).map(|ends| interference_cassette::Read { bytes: piece(ends), ..template.clone() }).collect();
        let lengths = |outcome: &Outcome| match outcome {
            Outcome::Answered(answer) => answer.reads.iter().map(|read| read.bytes.len()).collect(),
            Outcome::Failed(_) => vec![],
        };
        let before = lengths(&cassette.outcome);
        Redaction::new([KEY]).apply(&mut cassette);
        prop_assert_eq!(lengths(&cassette.outcome), before);
        let Outcome::Answered(answer) = &cassette.outcome else { unreachable!() };
        let whole: Vec<u8> = answer.reads.iter().flat_map(|read| read.bytes.clone()).collect();
        let stars = "*".repeat(KEY.len());
        prop_assert_eq!(String::from_utf8(whole).unwrap(), format!("{stars} and {stars}{stars} end"));
    }
}
