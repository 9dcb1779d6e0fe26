//! A client that goes away frees its place at once: in its answer, in its prompt, in the queue, streamed or not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, Server};
use crate::exchange::{Exchange, TOKEN, request, until_metric};

/// What a place may take to become free: some layers of the model, and the way through the system. 50 ms are wanted;
/// the rest is for a busy machine. Without the clean-up it would be many seconds.
const FREE_WITHIN: Duration = Duration::from_millis(1500);

/// An answer of many seconds.
fn long(stream: bool) -> Value {
    request(
        "Write a very long story.",
        json!({"max_tokens": 4000, "stream": stream, "temperature": 1, "seed": 1}),
    )
}

fn short() -> Value {
    request("a", json!({"max_tokens": 1, "stream": true}))
}

/// How long a short request takes to its first token while nothing else runs.
fn time_to_first_token(server: &Server) -> Duration {
    let times = (0..3).map(|_| {
        let mut exchange = Exchange::chat(server.address, &short());
        let time = exchange.read_until(TOKEN);
        exchange.read_whole();
        time
    });
    times.max().unwrap()
}

/// Drops `leaving`, and waits for the next request's first token.
fn check_freed(what: &str, leaving: Exchange, server: &Server, usual: Duration) {
    let left = Instant::now();
    drop(leaving);
    let mut next = Exchange::chat(server.address, &short());
    next.read_until(TOKEN);
    let time = left.elapsed();
    println!("{what}: the next first token came after {time:?}; on an idle server it takes {usual:?}");
    assert!(time < usual + FREE_WITHIN, "{what}: {time:?} instead of {usual:?}");
    next.read_whole();
}

#[test]
fn a_client_that_goes_away_frees_its_place() {
    let bench = Bench::take();
    let server = bench.serve(&["--queue", "1", "--streams", "1"]);
    let usual = time_to_first_token(&server);

    let mut streaming = Exchange::chat(server.address, &long(true));
    streaming.read_until(TOKEN);
    check_freed("in a streamed answer", streaming, &server, usual);

    let prompt = "tree ".repeat(3000);
    let mut prefilling =
        Exchange::chat(server.address, &request(&prompt, json!({"stream": true, "max_tokens": 1})));
    prefilling.read_until("200 OK");
    check_freed("in its prompt", prefilling, &server, usual);
}

#[test]
fn a_client_that_waits_for_a_whole_answer_frees_its_place() {
    let bench = Bench::take();
    let server = bench.serve(&["--streams", "1"]);
    let usual = time_to_first_token(&server);
    let whole = Exchange::chat(server.address, &long(false));
    // Whichever of the two came first: while this one waits, the other one runs.
    let mut next = Exchange::chat(server.address, &short());
    next.read_until("200 OK");
    let left = Instant::now();
    drop(whole);
    next.read_until(TOKEN);
    let time = left.elapsed();
    println!("whole: the next first token came after {time:?}; on an idle server it takes {usual:?}");
    assert!(time < usual + FREE_WITHIN, "{time:?} instead of {usual:?}");
}

#[test]
fn a_client_that_waits_in_the_queue_frees_its_place() {
    let bench = Bench::take();
    let server = bench.serve(&["--queue", "1", "--streams", "1"]);
    let mut running = Exchange::chat(server.address, &long(true));
    running.read_until(TOKEN);
    let mut waiting = Exchange::chat(server.address, &short());
    waiting.read_until("200 OK");
    let (refused, _) = Exchange::chat(server.address, &short()).read_whole();
    assert_eq!(refused.status, 429, "the queue holds one");

    let left = Instant::now();
    drop(waiting);
    let mut next = loop {
        let mut next = Exchange::chat(server.address, &short());
        next.read_until("\r\n");
        if next.begins_with("HTTP/1.1 200 ") {
            break next;
        }
        assert!(left.elapsed() < FREE_WITHIN, "the place in the queue is still taken");
    };
    println!("in the queue: the place was free after {:?}", left.elapsed());
    // What ran all the time was not disturbed, and its end lets the next one in.
    assert!(running.read());
    drop(running);
    next.read_until(TOKEN);
}

#[test]
fn a_client_that_waits_for_a_whole_answer_frees_its_place_before_the_answer_begins() {
    let bench = Bench::take();
    let server = bench.serve(&["--queue", "1", "--streams", "1"]);
    let usual = time_to_first_token(&server);

    let prompt = "tree ".repeat(3000);
    let prefilling = Exchange::chat(server.address, &request(&prompt, json!({"max_tokens": 1})));
    until_metric(server.address, "requests_running", 1);
    check_freed("whole, in its prompt", prefilling, &server, usual);

    let mut running = Exchange::chat(server.address, &long(true));
    running.read_until(TOKEN);
    let waiting = Exchange::chat(server.address, &long(false));
    until_metric(server.address, "requests_waiting", 1);
    drop(waiting);
    let time = until_metric(server.address, "requests_waiting", 0);
    println!("whole, in the queue: the place was free after {time:?}");
    assert!(time < FREE_WITHIN, "{time:?}");
    // What ran all the time was not disturbed.
    assert!(running.read());
}
