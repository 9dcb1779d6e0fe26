//! A program of `clients/rust`: what async-openai asks beside the chat of `docs/testing-your-application.md`.

use crate::bench::from_xtask;
use crate::clients::suite::Served;

#[test]
fn every_endpoint() {
    let endpoints = from_xtask("INTERFERENCE_TEST_RUST_CLIENT").with_file_name("endpoints");
    Served::script("conversations.toml").program(&endpoints);
}
