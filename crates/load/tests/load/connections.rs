//! Connections that are used again, closed meanwhile, or not to be had.

use std::time::{Duration, Instant};

use interference_load::Reuse;
use interference_load::schedule::{Arrival, Schedule};
use interference_report::load::Measure;
use interference_wire::Step;

use crate::server::{Server, silence, sound, write};
use crate::{at_once, errors, histogram, measured, questions, run, users};

#[test]
fn a_connection_is_used_again() {
    let server = Server::start(|_, _| sound());
    let mut run = run(&server.url, at_once(1), questions(5));
    let kept = measured(&run, &[]);
    assert_eq!((kept.measurements.counts.good, server.connections()), (5, 1));
    assert_eq!(histogram(&kept, Measure::Connect).len(), 1);
    run.reuse = Reuse::Never;
    run.live = Default::default();
    let fresh = measured(&run, &[]);
    assert_eq!((fresh.measurements.counts.good, server.connections()), (5, 6));
    assert_eq!(histogram(&fresh, Measure::Connect).len(), 5);
}

#[test]
fn a_request_on_a_connection_that_goes_idle_is_sent_anew() {
    // The second request of the first connection is read, and gets nothing.
    let server = Server::start(|connection, number| match (connection, number) {
        (0, 1) => vec![Step::Close],
        _ => sound(),
    });
    let measured = measured(&run(&server.url, at_once(1), questions(4)), &[]);
    let counts = measured.measurements.counts;
    assert_eq!((counts.scheduled, counts.good, counts.reconnected), (4, 4, 1));
    assert_eq!(server.connections(), 2);
}

/// It has had the request, and may have acted upon it.
#[test]
fn a_server_that_closes_after_a_while_has_failed() {
    let wait = Duration::from_millis(300);
    let server = Server::start(move |connection, number| match (connection, number) {
        (0, 1) => vec![Step::Wait(wait), Step::Close],
        _ => sound(),
    });
    let measured = measured(&run(&server.url, at_once(1), questions(4)), &[]);
    let counts = &measured.measurements.counts;
    assert_eq!((errors(&measured).as_str(), counts.good, counts.reconnected), ("1 cut", 1, 0));
}

#[test]
fn a_place_for_a_connection_is_taken_from_one_that_waits() {
    let server = Server::start(|_, _| sound());
    let arrival = |number| Arrival { number, at: Duration::from_millis(150 * number) };
    let mut run = run(&server.url, Schedule::Arrivals((0..4).map(arrival).collect()), questions(1));
    (run.workers, run.sockets) = (2, 1);
    let measured = measured(&run, &[]);
    assert_eq!((errors(&measured).as_str(), measured.measurements.counts.good), ("", 4));
    assert_eq!(server.connections(), 4, "they take turns");
}

#[test]
fn a_connection_that_the_server_has_closed_is_not_used() {
    let server = Server::start(|_, _| [sound(), vec![Step::Close]].concat());
    let measured = measured(&run(&server.url, at_once(1), questions(4)), &[]);
    assert_eq!((measured.measurements.counts.good, server.connections()), (4, 4));
}

#[test]
fn a_fresh_connection_that_is_closed_without_a_byte_is_an_error() {
    let server = Server::start(|_, _| vec![Step::Close]);
    let measured = measured(&run(&server.url, at_once(3), questions(2)), &[]);
    assert_eq!((errors(&measured).as_str(), server.connections()), ("3 cut", 3));
    assert_eq!(measured.measurements.counts.reconnected, 0);
}

#[test]
fn bytes_beyond_an_answer_are_no_part_of_the_next() {
    let surplus = write("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
    let server = Server::start(move |_, _| {
        let answer = sound().into_iter().chain([surplus.clone()]);
        let bytes = answer.filter_map(|step| if let Step::Write(bytes) = step { Some(bytes) } else { None });
        vec![write(bytes.collect::<Vec<_>>().concat())]
    });
    let measured = measured(&run(&server.url, at_once(1), questions(3)), &[]);
    assert_eq!((measured.measurements.counts.good, server.connections()), (3, 3));
}

#[test]
fn arrivals_without_a_socket_are_counted() {
    let server = Server::start(|_, _| vec![silence()]);
    let mut run = run(&server.url, at_once(5), questions(1));
    run.sockets = 2;
    run.end = run.start + Duration::from_millis(800);
    let measured = measured(&run, &[]);
    assert_eq!(errors(&measured), "3 out_of_sockets, 2 unfinished");
    assert_eq!(measured.measurements.counts.sent, 2);
}

#[test]
fn users_who_are_refused_do_not_hold_up_the_others() {
    let server = Server::start(|_, _| [vec![Step::Wait(Duration::from_millis(20))], sound()].concat());
    let presence = Duration::from_millis(300);
    let mut run = run(&server.url, users(2, presence), questions(1));
    run.sockets = 1;
    let measured = measured(&run, &[]);
    assert!(measured.measurements.counts.good > 1, "{:?}", measured.measurements.counts);
    assert!(measured.measurements.failed() <= 31, "{}", errors(&measured));
    assert!(run.start.elapsed() >= presence);
}

#[test]
fn nobody_is_there() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = Instant::now();
    let run = run(&format!("http://{gone}/v1"), users(3, Duration::from_millis(100)), questions(1));
    let measured = measured(&run, &[]);
    let failed = measured.measurements.failed();
    assert_eq!(errors(&measured), format!("{failed} connection_refused"));
    // Each waits a moment before it asks again.
    assert!((3..=33).contains(&failed) && start.elapsed() >= Duration::from_millis(100), "{failed}");
    assert_eq!(measured.measurements.counts.sent, 0);
}
