//! What load is told by files, flags and servers, whatever it is: a mistake that is short, or something that reads back as
//! itself; and what is heard of an answer does not depend on how its bytes are cut.
//!
//! The input is a letter, which names what it is, and its text.

#![no_main]

use std::sync::LazyLock;
use std::time::Instant;

use interference_load::fuzzing::{Shape, read_answer, read_requests};
use interference_load::schedule::Profile;
use interference_load::work::{Form, TokenScale};
use interference_load::{Endpoint, Work};
use interference_report::load::{LoadReport, Objective};
use libfuzzer_sys::fuzz_target;

/// One time for everything: only what is heard is compared.
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

fn check_mistake(message: &str, input: &[u8]) {
    // A word may be as long as the text, and is told once in its place.
    assert!(message.len() < 4_000 + 4 * input.len(), "a message of {} bytes", message.len());
}

fn requests(bytes: &[u8]) {
    let form = Form { model: Some("m".to_owned()), ..Form::default() };
    let file = match read_requests(bytes, &form) {
        Ok(file) => file,
        Err(mistake) => return check_mistake(&mistake.to_string(), bytes),
    };
    // No prompt is made up: its length may be that of a book.
    if file.needs_scale() {
        return;
    }
    let Ok(work) = file.work(Some(TokenScale { base: 1.0, per_word: 1.0 }), 1) else { return };
    assert!(!work.endpoints().is_empty());
    let mut conversation = work.conversation(0);
    let ask = conversation.next("").expect("an arrival has a request");
    assert!(serde_json::from_slice::<serde_json::Value>(&ask.body).is_ok_and(|body| body.is_object()));
}

fn document(text: &str) {
    let report = match LoadReport::from_json(text) {
        Ok(report) => report,
        Err(mistake) => return check_mistake(&mistake.to_string(), text.as_bytes()),
    };
    let Ok(written) = report.to_json() else { return };
    let again = LoadReport::from_json(&written).expect("what was written can be read");
    assert_eq!(again.to_json().expect("it was written before"), written);
}

fn objective(text: &str) {
    match text.parse::<Objective>() {
        Ok(objective) => assert_eq!(objective.to_string().parse().as_ref(), Ok(&objective)),
        Err(mistake) => check_mistake(&mistake.to_string(), text.as_bytes()),
    }
}

fn profile(text: &str) {
    match text.parse::<Profile>() {
        Ok(profile) => {
            assert!(profile.mean() <= profile.peak());
            assert_eq!(profile.to_string().parse::<Profile>().ok(), Some(profile));
        }
        Err(mistake) => check_mistake(&mistake.to_string(), text.as_bytes()),
    }
}

fn answer(shape: Shape, bytes: &[u8]) {
    let Some((endpoint, body)) = bytes.split_first() else { return };
    let endpoint = Endpoint::ALL[usize::from(*endpoint) % Endpoint::ALL.len()];
    let whole = read_answer(endpoint, shape, [body], *NOW);
    assert_eq!(read_answer(endpoint, shape, body.chunks(1), *NOW), whole);
    let (front, back) = body.split_at(body.len() / 2);
    assert_eq!(read_answer(endpoint, shape, [front, back], *NOW), whole);
    let (heard, _) = whole;
    let firsts = [heard.first_reasoning, heard.first_content];
    assert_eq!(firsts.iter().any(Option::is_some), !heard.chunks.is_empty());
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    match (kind, std::str::from_utf8(rest)) {
        (b'r', _) => requests(rest),
        (b's', _) => answer(Shape::Stream, rest),
        (b'w', _) => answer(Shape::Whole, rest),
        (b'd', Ok(text)) => document(text),
        (b'o', Ok(text)) => objective(text),
        (b'p', Ok(text)) => profile(text),
        _ => {}
    }
});
