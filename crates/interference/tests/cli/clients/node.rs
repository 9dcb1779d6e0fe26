//! The tests of `clients/node`, each file beside a server of its own.

use crate::clients::suite::{Served, files};

#[test]
fn chats() {
    Served::script("conversations.toml").node_test("chat.test.mjs");
}

#[test]
fn tools() {
    Served::script("conversations.toml").node_test("tools.test.mjs");
}

#[test]
fn structured_output() {
    Served::script("conversations.toml").node_test("structured.test.mjs");
}

#[test]
fn embeddings() {
    Served::script("conversations.toml").node_test("embeddings.test.mjs");
}

#[test]
fn errors() {
    Served::script("conversations.toml").node_test("errors.test.mjs");
}

#[test]
fn responses() {
    Served::script("conversations.toml").node_test("responses.test.mjs");
}

#[test]
fn the_ai_sdk() {
    Served::script("conversations.toml").node_test("ai.test.mjs");
}

#[test]
fn every_file_is_run() {
    let source = include_str!("node.rs");
    for file in files("node/tests", ".test.mjs") {
        assert!(source.contains(&format!("\"{file}\"")), "{file} is not run by a test here");
    }
}
