//! Servers that do wrong, each with the kind under which it is counted.

use std::time::Duration;

use interference_wire::{Step, TimeLimits, chunk};

use crate::server::{DONE, HEAD, STOP, Server, TEXT, events, silence, sound, write};
use crate::{at_once, errors, measured, questions, run};

/// What is counted of two requests to such a server.
fn counted(steps: Vec<Step>) -> String {
    let server = Server::start(move |_, _| steps.clone());
    let mut run = run(&server.url, at_once(2), questions(1));
    let patience = Duration::from_millis(300);
    run.time_limits = TimeLimits { first_byte: patience, between_reads: patience, ..TimeLimits::default() };
    errors(&measured(&run, &[]))
}

fn whole(status: &str, kind: &str, extra: usize, body: &str) -> Step {
    let length = body.len() + extra;
    write(format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"))
}

#[test]
fn a_server_that_does_wrong_is_counted_by_kind() {
    let text = format!("data: {TEXT}\n\n");
    let begun = || vec![write(HEAD), events(&[TEXT])];
    let then = |steps: Vec<Step>| [begun(), steps].concat();
    for (steps, expected) in [
        (then(vec![Step::Reset]), "2 reset"),
        (then(vec![Step::Close]), "2 cut"),
        (then(vec![silence()]), "2 stalled"),
        (vec![silence()], "2 first_byte_timed_out"),
        (vec![write("HTTP/1.1 2"), Step::Close], "2 cut"),
        (vec![whole("200 OK", "text/event-stream", 10, &text), Step::Close], "2 length_mismatch"),
        (vec![whole("200 OK", "application/json", 0, "{}")], "2 not_an_event_stream"),
        (vec![whole("429 Slow Down", "application/json", 0, "{}")], "2 status_429"),
        (vec![whole("503 No", "text/event-stream", 0, &text)], "2 status_503"),
        (vec![whole("200 OK", "Text/Event-Stream", 0, &text)], "2 no_finish_reason"),
        (vec![whole("200 OK", "text/event-stream", 0, "")], "2 no_done"),
        (vec![whole("200 OK", "text/event-stream", 0, text.trim_end())], "2 truncated_event"),
        (then(vec![write("zz\r\n"), Step::Close]), "2 malformed_http"),
        (vec![write("SSH-2.0-OpenSSH\r\n"), Step::Close], "2 malformed_http"),
        // What the server tells of itself wins over how its connection ended.
        (then(vec![events(&[r#"{"error":{"message":"x"}}"#]), Step::Close]), "2 error_event"),
        (then(vec![events(&[STOP, DONE]), Step::Close]), "2 cut"),
    ] {
        assert_eq!(counted(steps.clone()), expected, "{steps:?}");
    }
}

#[test]
fn an_answer_without_an_end_is_too_large_sooner_than_too_late() {
    let comment = chunk([b":".as_slice(), &[b'a'; 1 << 20], b"\n"].concat().as_slice());
    let endless = std::iter::repeat_n(write(comment), 300);
    let steps: Vec<Step> =
        [write(HEAD), events(&[TEXT])].into_iter().chain(endless).chain([silence()]).collect();
    let server = Server::start(move |_, _| steps.clone());
    assert_eq!(errors(&measured(&run(&server.url, at_once(1), questions(1)), &[])), "1 too_large");
}

#[test]
fn a_server_that_never_accepts_is_waited_for_within_the_limit() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let mut run = run(&url, at_once(2), questions(1));
    run.time_limits = TimeLimits { first_byte: Duration::from_millis(50), ..TimeLimits::default() };
    assert_eq!(errors(&measured(&run, &[])), "2 first_byte_timed_out");
}

#[test]
fn what_has_no_end_when_the_run_has_is_unfinished() {
    let server = Server::start(|connection, _| match connection {
        0 => sound(),
        1 => vec![silence()],
        _ => vec![write(HEAD), events(&[TEXT]), silence()],
    });
    let mut run = run(&server.url, at_once(3), questions(1));
    run.end = run.start + Duration::from_millis(800);
    let measured = measured(&run, &[]);
    assert_eq!((measured.measurements.counts.good, errors(&measured).as_str()), (1, "2 unfinished"));
}

#[test]
fn a_conversation_ends_with_its_first_failure() {
    let server = Server::start(|_, number| match number {
        1 => vec![whole("500 No", "application/json", 0, "{}")],
        _ => sound(),
    });
    let measured = measured(&run(&server.url, at_once(1), questions(5)), &[]);
    let counts = measured.measurements.counts;
    assert_eq!((counts.scheduled, counts.good, errors(&measured).as_str()), (2, 1, "1 status_500"));
}
