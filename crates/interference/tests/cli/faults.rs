//! Faults on the real model's answers, in each of the ways to ask for them.

use serde_json::{Value, json};

use crate::bench::{Bench, Server};
use crate::exchange::{Answer, Exchange, ask, get, post, request};

fn streamed(model: &str) -> Value {
    request("write a poem about a tree", json!({"model": model, "stream": true, "max_tokens": 12}))
}

fn events(answer: &Answer) -> usize {
    answer.body.matches("data: ").count()
}

/// The whole answer, without the date and the name of the request.
fn bytes(server: &Server, request: &Value) -> String {
    let (answer, _) = Exchange::chat(server.address, request).read_whole();
    let is_its_own = |line: &&str| line.starts_with("date: ") || line.starts_with("x-request-id: ");
    let head: Vec<&str> = answer.head.lines().filter(|line| !is_its_own(line)).collect();
    format!("{}\n\n{}", head.join("\n"), answer.body)
}

#[test]
fn the_model_is_faulted_as_a_script_is() {
    let bench = Bench::take();
    let server = bench.serve(&["--seed", "1", "--fixed-ids", "--allow-faults"]);
    let whole = ask(server.address, &streamed("gpt-4o-mini"));
    let cut = ask(server.address, &streamed("gpt-4o-mini#cut.after_events=6,cut.by=\"end\""));
    assert_eq!(events(&cut), 6);
    assert!(whole.body.starts_with(&cut.body), "{cut:#?}");
    // The role, and five tokens, are what came.
    let journal = get(server.address, "/_interference/requests?min=2&ended=true").json();
    assert_eq!(journal["requests"][1]["faults"], json!([{"fault": "cut", "event": 6, "byte": null}]));

    let with_header = post("/v1/chat/completions", &streamed("gpt-4o-mini").to_string())
        .replace("host: ", "x-interference: drop.events = [2], seed = 5\r\nhost: ");
    let (dropped, _) = Exchange::send(server.address, with_header.as_bytes()).read_whole();
    assert_eq!(events(&dropped), events(&whole) - 1);
    assert_eq!(dropped.header("x-interference-applied"), Some("drop = { events = [2] }, seed = 5"));
}

#[test]
fn one_seed_does_the_same_twice() {
    let bench = Bench::take();
    let plan = "drop.probability = 0.2, corrupt = { probability = 0.01, with = \"zero\" }, split.random = 9, seed = 3";
    let arguments = ["--seed", "1", "--fixed-ids", "--faults", plan];
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = bench.serve(&arguments);
        runs.push([0, 1, 2].map(|_| bytes(&server, &streamed("gpt-4o-mini"))));
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0][0], runs[0][1], "each request has draws of its own");
}

#[test]
fn a_plan_without_faults_is_a_plan() {
    let bench = Bench::take();
    let server = bench.serve(&["--seed", "1", "--faults", "none"]);
    assert!(bytes(&server, &streamed("gpt-4o-mini")).contains("[DONE]"));
}
