//! `serve`: its start, its memory, its health, and its end.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bench::{Bench, finish, from_xtask};
use crate::exchange::{Exchange, TOKEN, ask, get, request};

/// An answer of some seconds.
fn long(max_tokens: u64) -> serde_json::Value {
    request(
        "Write a very long story.",
        json!({"max_tokens": max_tokens, "stream": true, "seed": 1, "temperature": 1}),
    )
}

#[test]
fn on_sigterm_what_runs_finishes_and_nothing_new_is_taken() {
    let bench = Bench::take();
    let mut server = bench.serve(&[]);
    let mut running = Exchange::chat(server.address, &long(100));
    running.read_until(TOKEN);
    server.signal("TERM");
    // The stream is read on meanwhile, which proves that the server is still there.
    while TcpStream::connect(server.address).is_ok() {
        assert!(running.read(), "the server took connections until its end");
    }
    let (answer, _) = running.read_whole();
    assert!(answer.body.contains("\"finish_reason\":\"length\""), "{}", answer.body);
    assert!(answer.body.ends_with("data: [DONE]\n\n"));
    assert_eq!(server.exit_code(), Some(0));
    assert!(server.said().ends_with("stopped\n"), "{}", server.said());
}

#[test]
fn on_sigterm_what_takes_too_long_is_ended_in_order() {
    let bench = Bench::take();
    let mut server = bench.serve(&["--drain", "0"]);
    let mut running = Exchange::chat(server.address, &long(4000));
    running.read_until(TOKEN);
    let told = Instant::now();
    server.signal("TERM");
    let (answer, _) = running.read_whole();
    assert_eq!(server.exit_code(), Some(0));
    println!("ended {:?} after SIGTERM", told.elapsed());
    let error = r#"data: {"error":{"message":"The server is going down.","type":"server_error","param":null,"code":"server_stopping"}}"#;
    assert!(answer.body.ends_with(&format!("{error}\n\ndata: [DONE]\n\n")), "{}", answer.body);
}

#[test]
fn on_sigterm_it_ends_also_while_it_loads() {
    let bench = Bench::take();
    let mut server = bench.serve_with(&[], &[]);
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn ctrl_c_ends_it_at_once() {
    let bench = Bench::take();
    let mut server = bench.serve(&[]);
    let mut running = Exchange::chat(server.address, &long(4000));
    running.read_until(TOKEN);
    server.signal("INT");
    assert_eq!(server.exit_code(), Some(130));
}

#[test]
fn an_address_that_cannot_be_had_is_told() {
    let bench = Bench::take();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    let finished = bench.run(&["serve", "--listen", &taken.to_string()]);
    assert!(finished.failed_with(3).contains(&format!("{taken} is in use")), "{finished:#?}");
    let finished = bench.run(&["serve", "--listen", &format!("localhost:{}", taken.port())]);
    assert!(finished.failed_with(3).contains(&format!("{taken} is in use")), "{finished:#?}");
    bench.run(&["serve", "--listen", "nowhere"]).failed_with(2);
}

#[test]
fn it_is_ready_within_a_second() {
    let bench = Bench::take();
    let times = (0..5).map(|_| {
        let started = Instant::now();
        let _server = bench.serve(&[]);
        started.elapsed()
    });
    let times: Vec<Duration> = times.collect();
    println!("ready after {times:?}");
    // The fastest one tells what the program needs; the others, how busy the machine is.
    assert!(times.iter().min().unwrap() < &Duration::from_secs(1), "{times:?}");
}

#[test]
fn it_is_unavailable_until_its_model_is_there() {
    let bench = Bench::take();
    let server = bench.serve_with(&[], &[]);
    let mut unavailable = 0;
    let healthy = loop {
        let answer = get(server.address, "/health");
        if answer.status == 200 {
            break answer;
        }
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(
            answer.json(),
            json!({"error": {
                "message": "The model is still loading.",
                "type": "server_error",
                "param": null,
                "code": "service_unavailable",
            }})
        );
        unavailable += 1;
    };
    println!("{unavailable} times unavailable before it was ready");
    assert!(unavailable > 0, "the server listens long before its model is loaded");
    assert_eq!(healthy.json(), json!({"status": "ok"}));
}

/// The cache's bound is told at the start and by `/metrics`, beside what is in it.
#[test]
fn it_tells_what_its_cache_holds_and_its_bound() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    ask(server.address, &request("Say something.", json!({"max_tokens": 40})));
    let metrics = get(server.address, "/metrics").body;
    let value = |name: &str| -> u64 {
        let prefix = format!("interference_{name} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("no {name} in\n{metrics}")).parse().unwrap()
    };
    let (positions, bytes) = (value("cache_positions"), value("cache_bytes"));
    // Thirty layers with three heads of 64 keys and 64 values, two bytes each.
    assert_eq!(bytes, positions * 30 * 3 * 128 * 2);
    let bound = format!("the cache holds up to {positions} positions, {} MiB when full\n", bytes >> 20);
    assert!(server.said().ends_with(&bound), "{}", server.said());
    assert_eq!((value("requests_running"), value("cache_positions_in_use")), (0, 0));
    assert!(value("cache_positions_kept") >= 32 && value("generated_tokens_total") >= 10, "{metrics}");
    // Every token but the first came after another.
    assert_eq!(value("time_to_first_token_seconds_count"), 1);
    assert_eq!(value("time_between_tokens_seconds_count") + 1, value("generated_tokens_total"));
    assert!(metrics.ends_with("# EOF\n"));
}

#[test]
fn both_addresses_of_localhost_and_both_forms_of_a_path_answer() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let sixth = SocketAddr::new("::1".parse().unwrap(), server.address.port());
    let mut addresses = vec![server.address];
    // A machine without IPv6 has the one address only.
    if TcpListener::bind("[::1]:0").is_ok() {
        addresses.push(sixth);
    }
    for address in addresses {
        for path in ["/v1/models", "/models", "/v1/models/gpt-4o", "/models/smollm2-135m-instruct"] {
            let models = get(address, path);
            assert_eq!(models.status, 200, "{address}{path}");
            assert!(models.body.contains("\"id\":\"smollm2-135m-instruct\""), "{}", models.body);
        }
        assert_eq!(get(address, "/health").status, 200);
        assert_eq!(get(address, "/v1/health").status, 200);
    }
}

/// Beside the file: 250 MB with the context full.
const MEMORY_BESIDE_THE_FILE: u64 = 250_000_000;
const CONTEXT: u64 = 8192;

#[test]
fn memory_stays_near_the_size_of_the_file() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let limit =
        std::fs::metadata(from_xtask("INTERFERENCE_TEST_MODEL")).unwrap().len() + MEMORY_BESIDE_THE_FILE;
    let ready = server.memory_bytes("VmRSS");

    let fill = |words: usize| {
        let asked = request(&"tree ".repeat(words), json!({"max_tokens": 1}));
        let usage = &ask(server.address, &asked).json()["usage"];
        (usage["prompt_tokens"].as_u64().unwrap(), server.memory_bytes("VmRSS"))
    };
    // A full context takes minutes to compute on a small machine, and memory grows with it evenly.
    let (few, little) = fill(64);
    let (many, much) = fill(768);
    let full = much + (much - little) / (many - few) * (CONTEXT - many);
    let loading = server.memory_bytes("VmHWM");
    println!(
        "resident: ready {ready}, at {few} tokens {little}, at {many} {much}; so {full} with a full context"
    );
    println!("at most {loading} so far, loading included; the limit is {limit}");
    assert!(full <= limit, "{full} bytes of {limit}");
    assert!(loading <= limit, "{loading} bytes of {limit}");
}

#[test]
fn wrong_usage_is_told_as_such() {
    let bench = Bench::take();
    for arguments in [&["serve", "--queue", "many"][..], &["serve", "--threads", "0"], &["serv"], &[]] {
        assert_eq!(bench.run(arguments).code, Some(2), "{arguments:?}");
    }
    let mut unknown = bench.command(&["serve", "--listen", "localhost:0"]);
    finish(unknown.env("INTERFERENCE_KERNELS", "abacus")).failed_with(2);
    bench.run(&["serve", "--listen", "localhost:0", "-m", "no-such-model"]).failed_with(2);
    bench.run(&["serve", "--listen", "localhost:0", "--api-key", "env:NO_SUCH_VARIABLE"]).failed_with(2);
}
