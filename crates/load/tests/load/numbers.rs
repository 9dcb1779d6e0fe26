//! What is measured of sound answers.

use std::time::Duration;

use interference_load::{Ask, Endpoint, Failure, ask_once, level_of, tells_faults};
use interference_report::load::{Basis, Measure};
use interference_target::Target;
use interference_wire::{Step, TimeLimits};

use crate::server::{DONE, HEAD, STOP, Server, TEXT, THOUGHT, end, events, sound, usage, write};
use crate::{at_once, histogram, measured, questions, run};

const PAUSE: Duration = Duration::from_millis(40);

#[test]
fn what_has_no_end_is_told_of_every_second() {
    let server = Server::start(|_, _| [vec![Step::Wait(Duration::from_millis(2_300))], sound()].concat());
    let measured = measured(&run(&server.url, at_once(3), questions(1)), &[]);
    let intervals = &measured.measurements.timeline.intervals;
    assert_eq!(intervals.iter().map(|interval| interval.in_flight).collect::<Vec<_>>(), [3, 3, 3]);
}

#[test]
fn sums_of_tokens_do_not_wrap_around() {
    let server = Server::start(|_, _| vec![write(HEAD), events(&[TEXT, STOP, &usage(1 << 63), DONE]), end()]);
    let counts = measured(&run(&server.url, at_once(1), questions(2)), &[]).measurements.counts;
    assert_eq!((counts.good, counts.completion_tokens), (2, u64::MAX));
}

#[test]
fn chunks_that_come_by_one_read_are_told() {
    let server = Server::start(|_, _| {
        vec![write(HEAD), Step::Wait(PAUSE), events(&[TEXT, TEXT, TEXT, TEXT, STOP, DONE]), end()]
    });
    let measured = measured(&run(&server.url, at_once(1), questions(1)), &[]);
    let counts = measured.measurements.counts;
    assert_eq!((counts.chunks, counts.reads), (4, 1));
    assert_eq!(histogram(&measured, Measure::ChunksPerRead).max(), Some(4));
    assert_eq!(histogram(&measured, Measure::BetweenChunks).max(), Some(0));
}

#[test]
fn tokens_are_those_of_the_usage() {
    let server = Server::start(|_, _| {
        let first = vec![write(HEAD), events(&[TEXT]), Step::Wait(4 * PAUSE)];
        [first, vec![events(&[TEXT, STOP, &usage(9), DONE]), end()]].concat()
    });
    let measured = measured(&run(&server.url, at_once(1), questions(1)), &[]);
    let counts = measured.measurements.counts;
    assert_eq!((counts.chunks, counts.completion_tokens, counts.without_usage), (2, 9, 0));
    // Nine tokens have eight times between them.
    let gap = histogram(&measured, Measure::BetweenChunks).max().unwrap();
    let each = histogram(&measured, Measure::TimePerOutputToken).max().unwrap();
    assert!(gap > 1_000 && (each * 8).abs_diff(gap) <= gap / 50, "{gap} {each}");
}

#[test]
fn without_usage_there_are_no_tokens() {
    let server = Server::start(|_, _| vec![write(HEAD), events(&[TEXT]), events(&[TEXT, STOP, DONE]), end()]);
    let measured = measured(&run(&server.url, at_once(2), questions(1)), &[]);
    let counts = measured.measurements.counts;
    assert_eq!((counts.good, counts.without_usage, counts.completion_tokens), (2, 2, 0));
    assert!(histogram(&measured, Measure::TimePerOutputToken).is_empty());
}

#[test]
fn reasoning_comes_before_content() {
    let server = Server::start(|_, _| {
        let thought = vec![write(HEAD), Step::Wait(PAUSE), events(&[THOUGHT]), Step::Wait(PAUSE)];
        [thought, vec![events(&[TEXT, STOP, DONE]), end()]].concat()
    });
    let measured = measured(&run(&server.url, at_once(1), questions(1)), &[]);
    let micros = |measure| histogram(&measured, measure).max().unwrap();
    let [headers, reasoning, content] =
        [Measure::Headers, Measure::FirstReasoning, Measure::FirstContent].map(micros);
    assert!(headers <= reasoning && reasoning <= content, "{headers} {reasoning} {content}");
    // The server had paused once, and twice. A timer is no more than a millisecond early.
    assert!(reasoning >= 39_000 && content >= 78_000, "{reasoning} {content}");
    assert!(micros(Measure::Total) >= content);
    assert_eq!(micros(Measure::FirstByte), reasoning);
}

#[test]
fn objectives_are_asked_of_each_request() {
    let server = Server::start(|_, number| {
        let tokens = usage(3 + 6 * number);
        vec![write(HEAD), events(&[TEXT, STOP, &tokens, DONE]), end()]
    });
    let measured = measured(&run(&server.url, at_once(1), questions(3)), &["completion_tokens<10"]);
    let counts = measured.measurements.counts;
    assert_eq!((counts.scheduled, counts.good, counts.missed_slo), (3, 2, 1));
}

#[test]
fn one_whole_answer_lets_expect_many() {
    let body = r#"{"data":[{"embedding":[1.0]}],"usage":{"prompt_tokens":7}}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let server = Server::start(move |connection, _| match connection {
        0 => vec![Step::Wait(PAUSE), write(&answer)],
        _ => vec![Step::Close],
    });
    let target = Target::parse(&server.url, None, Vec::new()).unwrap();
    let ask = Ask {
        endpoint: Endpoint::Embeddings,
        pause: Duration::ZERO,
        body: br#"{"model":"m","input":"a"}"#.to_vec(),
        streamed: false,
        wants_text: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asked = || runtime.block_on(ask_once(&target, &ask, TimeLimits::default()));
    let observation = asked();
    assert_eq!((observation.outcome, observation.heard.chunks.len()), (Ok(()), 1));
    assert_eq!(observation.heard.usage.unwrap().prompt_tokens, 7);
    assert!(
        observation.time(Measure::FirstContent, Basis::Sent).unwrap() >= PAUSE - Duration::from_millis(1)
    );
    let level = level_of(&observation, 1_000.0);
    assert!(level.streams >= 39.0 && level.chunks_per_second == 1_000.0, "{level:?}");
    assert_eq!(asked().outcome, Err(Failure::Cut));
}

#[test]
fn a_server_tells_why_it_refuses_and_which_faults_it_has() {
    let answer =
        |head: &str, body: &str| format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let refusal = answer("400 Bad Request", r#"{"error":{"message":"No faults here.","code":"no"}}"#);
    let faulty = answer("503 Out\r\nX-Interference-Applied: http.status = 503", "<html>");
    let server = Server::start(move |connection, _| vec![write([&refusal, &faulty][connection as usize])]);
    let target = Target::parse(&server.url, None, Vec::new()).unwrap();
    let ask = Ask {
        endpoint: Endpoint::Chat,
        pause: Duration::ZERO,
        body: b"{}".to_vec(),
        streamed: true,
        wants_text: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asked = || runtime.block_on(tells_faults(&target, &ask, TimeLimits::default()));
    let (refused, tells) = asked();
    assert_eq!((refused.outcome, tells), (Err(Failure::Status(400)), false));
    assert_eq!(refused.said().as_deref(), Some("No faults here. (no)"));
    let (faulty, tells) = asked();
    assert_eq!((faulty.outcome, tells, faulty.said()), (Err(Failure::Status(503)), true, None));
}
