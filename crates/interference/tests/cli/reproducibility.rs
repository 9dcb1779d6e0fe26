//! The same request and seed: the same text, whatever else goes on, and however the machine computes.

use std::thread;

use serde_json::{Value, json};

use crate::bench::{Bench, Server};
use crate::exchange::{Answer, Exchange, ask, request};

fn sampled(max_tokens: u64, stream: bool) -> Value {
    let members =
        json!({"temperature": 0.9, "top_p": 0.95, "seed": 11, "max_tokens": max_tokens, "stream": stream});
    request("write a poem about a tree", members)
}

/// Asks while eight other requests run and wait, and gives the answer.
fn ask_in_company(server: &Server, asked: &Value) -> Answer {
    let others: Vec<Exchange> = (0..8)
        .map(|number| {
            let members =
                json!({"max_tokens": 6, "temperature": 1, "seed": number, "stream": number % 2 == 0});
            Exchange::chat(server.address, &request(&format!("What is {number} plus one?"), members))
        })
        .collect();
    let mine = Exchange::chat(server.address, asked);
    let others: Vec<_> =
        others.into_iter().map(|other| thread::spawn(move || other.read_whole().0.text())).collect();
    let answer = mine.read_whole().0;
    for other in others {
        assert!(!other.join().unwrap().is_empty(), "another request got no text");
    }
    answer
}

#[test]
fn the_same_request_gets_the_same_text_alone_and_in_company() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let first = ask(server.address, &sampled(24, false)).text();
    assert!(!first.is_empty());
    assert_eq!(ask(server.address, &sampled(24, false)).text(), first, "the second time");
    assert_eq!(ask(server.address, &sampled(24, true)).text(), first, "streamed");
    assert_eq!(ask_in_company(&server, &sampled(24, false)).text(), first, "in company");
    assert_eq!(ask_in_company(&server, &sampled(24, true)).text(), first, "streamed in company");
}

#[test]
fn with_fixed_ids_whole_bodies_are_the_same_in_every_process() {
    let bench = Bench::take();
    let bodies = || {
        let server = bench.serve(&["--seed", "5", "--fixed-ids"]);
        // The server's seed is for requests that have none.
        [false, true].map(|stream| {
            let members = json!({"temperature": 1, "max_tokens": 12, "stream": stream});
            ask_in_company(&server, &request("Say something.", members)).body
        })
    };
    assert_eq!(bodies(), bodies());
}

#[test]
fn threads_and_instruction_sets_change_nothing() {
    let bench = Bench::take();
    let text = |arguments: &[&str], variables: &[(&str, &str)]| {
        let server = bench.serve_with(arguments, variables);
        server.until_said("ready");
        ask(server.address, &sampled(12, false)).text()
    };
    let usual = text(&[], &[]);
    assert_eq!(text(&["--threads", "1"], &[]), usual, "on one thread");
    assert_eq!(text(&["--threads", "2"], &[]), usual, "on two threads");
    assert_eq!(text(&["--threads", "3"], &[]), usual, "on three threads");
    assert_eq!(text(&[], &[("INTERFERENCE_KERNELS", "portable")]), usual, "on the portable path");
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        assert_eq!(text(&[], &[("INTERFERENCE_KERNELS", "avx2")]), usual, "on the AVX2 path");
        if std::arch::is_x86_feature_detected!("avx512vnni")
            && std::arch::is_x86_feature_detected!("avx512bw")
        {
            assert_eq!(text(&[], &[("INTERFERENCE_KERNELS", "avx512")]), usual, "on the AVX-512 path");
        }
    }
}
