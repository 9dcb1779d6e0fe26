//! What the tester finds out about itself, from servers whose delay is known.

use std::sync::Arc;
use std::time::Duration;

use interference_load::{ClockWork, Run, calibrate};
use interference_report::load::Calibration;
use interference_wire::{Step, monotonic_nanos};

use crate::server::{DONE, HEAD, STOP, Server, end, events, write};
use crate::{at_once, run, users};

fn said(text: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#)
}

/// An answer of two stamps of one time, the first of which is written so long after it, and the second five times as long
/// after the first.
fn stamped(delay: Duration) -> Vec<Step> {
    let stamp = said(&format!("{} ", monotonic_nanos()));
    let first = vec![write(HEAD), Step::Wait(delay), events(&[&stamp]), Step::Wait(5 * delay)];
    [first, vec![events(&[&stamp, STOP, DONE]), end()]].concat()
}

fn calibrated(run: &Run) -> Calibration {
    calibrate(run).unwrap()
}

#[test]
fn a_delay_behind_the_stamp_is_seen() {
    let delay = Duration::from_millis(30);
    let server = Server::start(move |_, _| stamped(delay));
    let found = calibrated(&run(&server.url, at_once(4), Arc::new(ClockWork)));
    assert_eq!((found.requests, found.errors), (4, 0));
    let (first, between) = (found.first_content_error_ms.unwrap(), found.between_chunks_error_ms.unwrap());
    // Histograms keep three digits, and timers may be early by less than a millisecond. A tester who reads the first late
    // sees less between the two.
    assert!(first.p50 >= 29.0 && between.p50 >= 50.0, "{first:?} {between:?}");
    assert!(found.chunks_per_second > 0.0 && found.streams > 1);
}

#[test]
fn a_chunk_that_is_no_stamp_is_an_error() {
    for text in ["noon ", "1.5 ", "-1 ", "1 2 ", ""] {
        let server = Server::start(move |_, _| vec![write(HEAD), events(&[&said(text), STOP, DONE]), end()]);
        let found = calibrated(&run(&server.url, at_once(2), Arc::new(ClockWork)));
        assert_eq!((found.requests, found.errors), (2, 2), "{text}");
        assert_eq!(found.first_content_error_ms, None);
    }
}

#[test]
fn a_planted_stall_is_found_out() {
    let server = Server::start(|_, _| stamped(Duration::from_millis(5)));
    let mut run = run(&server.url, users(1, Duration::from_millis(1_150)), Arc::new(ClockWork));
    let stall = Duration::from_millis(20);
    run.planted_stall = Some(stall);
    let found = calibrated(&run);
    assert_eq!(found.errors, 0);
    assert!(found.longest_stall_ms >= stall.as_secs_f64() * 1e3, "{}", found.longest_stall_ms);
}
