//! Real SDKs through a relay that records them, and then before its recordings: to them it must all be one.

use std::path::Path;

use serde_json::Value;

use crate::bench::from_xtask;
use crate::clients::suite::{NEWEST, Served};

/// Files of tests of every kind of answer: streams of both APIs, calls, vectors in base64, and answers that are asked for
/// again by their id.
const FILES: [&str; 4] = ["test_chat.py", "test_tools.py", "test_embeddings.py", "test_responses.py"];

#[test]
fn a_suite_passes_through_a_relay_and_from_its_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let cassettes = folder.path().to_str().unwrap();
    let recorded = Served::recorded("conversations.toml", cassettes);
    for file in FILES {
        recorded.pytest(NEWEST, file, &[]);
    }
    recorded.end();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("Bearer secret"), "{text}");
    }

    let replayed = Served::replayed(cassettes);
    for file in FILES {
        replayed.pytest(NEWEST, file, &[]);
    }
}

/// What one SDK has recorded answers another: bodies are compared by what they say.
#[test]
fn the_recording_of_one_sdk_answers_another() {
    let folder = tempfile::tempdir().unwrap();
    let cassettes = folder.path().to_str().unwrap();
    let clients = super::clients();
    let python = from_xtask("INTERFERENCE_TEST_PYTHON");
    let python_client = clients.join("python/chat.py");
    let node_client = from_xtask("INTERFERENCE_TEST_NODE_CLIENT").join("chat.mjs");
    let poem = ["write a poem about a tree", "--model", "scripted", "--seed", "7", "--max-tokens", "4"];
    let questions = [
        &poem[..],
        &[&poem[..], &["--no-stream"]].concat(),
        &["in many languages", "--model", "scripted", "--temperature", "0.5"],
        &["something that is filtered", "--model", "scripted"],
    ];
    let asked = |served: &Served, program: &Path, client: &Path, question: &[&str]| -> Value {
        let arguments = [&[client.to_str().unwrap()], question].concat();
        serde_json::from_str(&served.printed(program, &arguments)).unwrap()
    };
    let recorded = Served::recorded("conversations.toml", cassettes);
    let from_python = questions.map(|question| asked(&recorded, &python, &python_client, question));
    let reasons = from_python.each_ref().map(|told| &told["finish_reason"]);
    assert_eq!(reasons, ["length", "length", "stop", "content_filter"]);
    assert!(from_python.iter().all(|told| told["error"].is_null()), "{from_python:?}");
    recorded.end();

    let replayed = Served::replayed(cassettes);
    let from_node = questions.map(|question| asked(&replayed, Path::new("node"), &node_client, question));
    assert_eq!(from_node, from_python);
}

/// A whole file of tests in one language passes on what that in another has recorded.
#[test]
fn the_tests_of_one_sdk_pass_on_the_recordings_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let cassettes = folder.path().to_str().unwrap();
    let recorded = Served::recorded("conversations.toml", cassettes);
    recorded.pytest(NEWEST, "test_embeddings.py", &[]);
    recorded.end();
    Served::replayed(cassettes).node_test("embeddings.test.mjs");
}
