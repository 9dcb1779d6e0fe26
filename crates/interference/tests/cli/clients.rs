//! Real clients of the API against the real server: here each plain and streamed, all with the same text from the local
//! model. What else they do is in files of tests in their own languages, below `clients`, which the modules here run.

mod adapters;
mod node;
mod page;
mod python;
mod recordings;
mod rust;
pub(crate) mod suite;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{Bench, Server, finish, from_xtask};
use crate::exchange::{ask, chunks, request};

/// Draws a poem of a few lines that the model itself ends: the origin's program cannot ask for fewer tokens. Where the
/// arithmetic of the model changes, which is a new version of it, this has to be chosen anew.
const SEED_OF_A_SHORT_POEM: u64 = 130;

const POEM: &str = "A young oak stood tall, its branches swaying in the wind,
A symbol of nature's beauty and struggle,
Its leaves a testament to life's complexity,
A reminder of the intricate web of life.";

const PROMPT_TOKENS: u64 = 36;
const POEM_TOKENS: u64 = 44;

fn clients() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../clients")
}

/// Runs a client against a server, and gives its stdout.
#[track_caller]
fn run(client: &mut Command, base_url: &str, arguments: &[&str]) -> String {
    client.args(arguments).env("OPENAI_BASE_URL", base_url).env_remove("OPENAI_API_KEY");
    finish(client).succeeded()
}

fn origin() -> Command {
    let mut python = Command::new(from_xtask("INTERFERENCE_TEST_PYTHON_028"));
    python.arg(clients().join("python-0.28/test_interference.py")).env_remove("STREAM");
    python
}

fn python() -> Command {
    let mut python = Command::new(from_xtask("INTERFERENCE_TEST_PYTHON"));
    python.arg(clients().join("python/chat.py"));
    python
}

fn node() -> Command {
    let mut node = Command::new("node");
    node.arg(from_xtask("INTERFERENCE_TEST_NODE_CLIENT").join("chat.mjs"));
    node
}

fn curl() -> Command {
    let mut curl = Command::new("bash");
    curl.arg(clients().join("curl/chat.sh"));
    for variable in ["MODEL", "TEMPERATURE", "SEED", "MAX_TOKENS"] {
        curl.env_remove(variable);
    }
    curl
}

/// Holds what an SDK's client prints against what the model says.
#[track_caller]
fn check_sdk(printed: &str, text: &str, finish_reason: &str, completion_tokens: u64) {
    let answer: Value = serde_json::from_str(printed).unwrap();
    assert_eq!(answer["text"], text);
    assert_eq!(answer["finish_reason"], finish_reason);
    assert_eq!(answer["usage"]["prompt_tokens"], PROMPT_TOKENS);
    assert_eq!(answer["usage"]["completion_tokens"], completion_tokens);
    assert_eq!(answer["usage"]["total_tokens"], PROMPT_TOKENS + completion_tokens);
    assert_eq!(answer["error"], Value::Null);
}

/// A server from which a request without parameters draws the poem.
fn serve(bench: &Bench) -> Server {
    let server = bench.serve(&["--seed", &SEED_OF_A_SHORT_POEM.to_string()]);
    // Told here, before a client asks without a limit: another answer could be long.
    let members = json!({"temperature": null, "max_tokens": POEM_TOKENS + 1});
    let answer = ask(server.address, &request("write a poem about a tree", members));
    assert_eq!(answer.text(), POEM, "the seed no longer draws the poem");
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "stop");
    server
}

#[test]
fn the_origins_program_prints_the_poem() {
    let bench = Bench::share();
    let server = serve(&bench);
    let without_v1 = format!("http://localhost:{}", server.address.port());
    assert_eq!(run(&mut origin(), &without_v1, &[]), format!("{POEM}\n"));
    assert_eq!(run(&mut origin(), &without_v1, &["--no-stream"]), format!("{POEM}\n"));
    assert_eq!(run(&mut origin(), &server.base_url(), &[]), format!("{POEM}\n"));
}

#[test]
fn the_newest_python_sdk_gets_the_same_poem() {
    let bench = Bench::share();
    let server = serve(&bench);
    for delivery in [&[][..], &["--no-stream"]] {
        check_sdk(&run(&mut python(), &server.base_url(), delivery), POEM, "stop", POEM_TOKENS);
    }
}

#[test]
fn the_node_sdk_gets_the_same_poem() {
    let bench = Bench::share();
    let server = serve(&bench);
    for delivery in [&[][..], &["--no-stream"]] {
        check_sdk(&run(&mut node(), &server.base_url(), delivery), POEM, "stop", POEM_TOKENS);
    }
}

#[test]
fn curl_gets_the_same_poem() {
    let bench = Bench::share();
    let server = serve(&bench);
    let whole: Value = serde_json::from_str(&run(&mut curl(), &server.base_url(), &["--no-stream"])).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], POEM);
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    assert_eq!(whole["usage"]["completion_tokens"], POEM_TOKENS);

    let chunks = chunks(&run(&mut curl(), &server.base_url(), &[]));
    let deltas = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(deltas.collect::<String>(), POEM);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
}

#[test]
fn parameters_mean_the_same_from_every_client() {
    let bench = Bench::share();
    let server = bench.serve(&[]);
    let parameters = ["Name three colours.", "--temperature", "0.7", "--seed", "3", "--max-tokens", "10"];
    let plain = [&parameters[..], &["--no-stream"]].concat();
    let mut answers = Vec::new();
    for client in [python, node] {
        for arguments in [&parameters[..], &plain[..]] {
            answers.push(run(&mut client(), &server.base_url(), arguments));
        }
    }
    let answers: Vec<Value> = answers.iter().map(|answer| serde_json::from_str(answer).unwrap()).collect();
    assert!(!answers[0]["text"].as_str().unwrap().is_empty());
    assert_eq!(answers[0]["finish_reason"], "length");
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:#?}");

    let mut curl = curl();
    curl.envs([("TEMPERATURE", "0.7"), ("SEED", "3"), ("MAX_TOKENS", "10")]);
    let whole = run(&mut curl, &server.base_url(), &["--no-stream", parameters[0]]);
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], answers[0]["text"]);
}

#[test]
fn sdks_raise_the_errors_that_they_have_for_it() {
    let bench = Bench::share();
    let server = bench.serve(&[]);
    for (mut client, arguments) in [(python(), &[][..]), (python(), &["--no-stream"]), (node(), &[])] {
        client.args(["--model", "no-such-model"]).args(arguments).env("OPENAI_BASE_URL", server.base_url());
        let finished = finish(&mut client);
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        let answer: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(answer["error"]["type"], "NotFoundError");
        assert_eq!(answer["error"]["typed"], true);
        assert!(answer["error"]["message"].as_str().unwrap().contains("no-such-model"), "{answer}");
    }
}
