//! `interference import`, and the example of `docs/import.md`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, Finished, finish};
use crate::exchange::{ask, request};

const PAGE: &str = include_str!("../../../../docs/import.md");

/// The first block of the page in this language that begins so.
fn block(language: &str, beginning: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let mut blocks = PAGE.split(fence.as_str()).skip(1).filter_map(|block| block.split("```").next());
    blocks.find(|block| block.starts_with(beginning)).unwrap()
}

fn run_in(bench: &Bench, folder: &Path, arguments: &[&str]) -> Finished {
    finish(bench.command(&[&["import"], arguments].concat()).current_dir(folder))
}

#[test]
fn the_example_is_what_comes_of_it_and_is_served() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("fixtures.json"), block("json", "{")).unwrap();
    let finished = run_in(&bench, folder.path(), &["fixtures.json", "--into", "script.toml"]);
    let told = format!("$ interference import fixtures.json --into script.toml\n{}", finished.stderr);
    assert_eq!(told, block("text", "$ "));
    assert_eq!(finished.succeeded(), "");
    let script = folder.path().join("script.toml");
    assert_eq!(fs::read_to_string(&script).unwrap(), block("toml", "[[rule]]"));

    let home = [("INTERFERENCE_HOME", folder.path().to_str().unwrap())];
    let server = bench.serve_with(&["--script", script.to_str().unwrap()], &home);
    server.until_said("ready");
    let text = |prompt: &str, members: Value| ask(server.address, &request(prompt, members)).text();
    assert_eq!(text("the weather", json!({"model": "gpt-4o"})), "It is sunny.");
    assert_eq!(text("a joke", json!({})), "A tree walks into a bar.");
    assert_eq!(text("a joke", json!({"stream": true})), "It leaves.");
    assert_eq!(ask(server.address, &request("a joke", json!({}))).status, 404);
}

/// What llmposter 0.5.0 answered, asked the same with the same file.
#[test]
fn fixtures_of_llmposter_answer_as_they_did() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let fixtures = "fixtures:\n\
        - {catch_all: true, response: {content: I do not know.}}\n\
        - {match: {user_message: login}, scenario: {name: flow, set_state: in}, response: {content: logged in}}\n\
        - {match: {user_message: secret}, scenario: {name: flow, required_state: in, set_state: done}, \
           response: {content: the secret}}\n\
        - {match: {user_message: secret}, response: {content: log in first}}\n\
        - {match: {user_message: busy}, error: {status: 429, message: Slow down., headers: {retry-after: '3'}}}\n\
        - {match: {user_message: short}, response: {content: aaaaabbbbbccccc}, streaming: {chunk_size: 5}, \
           failure: {truncate_after_frames: 3}}\n";
    fs::write(folder.path().join("fixtures.yaml"), fixtures).unwrap();
    run_in(&bench, folder.path(), &["fixtures.yaml", "--into", "script.toml"]).succeeded();
    let script = folder.path().join("script.toml");
    let home = [("INTERFERENCE_HOME", folder.path().to_str().unwrap())];
    let server = bench.serve_with(&["--script", script.to_str().unwrap()], &home);
    server.until_said("ready");
    let said = |prompt: &str| ask(server.address, &request(prompt, json!({}))).text();
    let dialogue = ["secret", "login", "secret", "secret", "else"].map(said);
    assert_eq!(dialogue, ["log in first", "logged in", "the secret", "log in first", "I do not know."]);
    let busy = ask(server.address, &request("busy", json!({})));
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("3")));
    assert_eq!(
        busy.json()["error"],
        json!({"message": "Slow down.", "type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded"})
    );
    let short = ask(server.address, &request("short", json!({"stream": true})));
    // The chunk with the role, and two of four; the body ends without `[DONE]`.
    let events: Vec<&str> = short.body.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(events[1].contains("aaaaa") && events[2].contains("bbbbb"), "{events:?}");
}

/// A folder with a recording of VCR.py.
fn recording() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let recording = "interactions:\n- request:\n    method: POST\n    uri: https://api.example/v1/chat/completions\n    \
                     headers: {Authorization: [Bearer secret-of-mine]}\n    body: '{}'\n  response:\n    status: {code: \
                     200, message: OK}\n    headers: {content-type: [text/event-stream]}\n    body: {string: \"data: \
                     {}\\n\\ndata: [DONE]\\n\\n\"}\nversion: 1\n";
    fs::write(folder.path().join("recording.yaml"), recording).unwrap();
    folder
}

#[test]
fn recordings_become_cassettes_without_secrets() {
    let bench = Bench::take();
    let folder = recording();
    let finished = run_in(&bench, folder.path(), &["recording.yaml", "--into", "cassettes"]);
    assert_eq!(
        finished.stderr,
        "recording.yaml:2: interaction 1: `response.body` is changed: it has no times: 2 reads, one for each event, all \
         at 0 ms\n1 cassette in cassettes; left out: 0 entries as a whole, and of others 0 parts; changed: 1 part\n"
    );
    finished.succeeded();
    let cassette = folder.path().join("cassettes/000001-post-chat-completions.json");
    let text = fs::read_to_string(cassette).unwrap();
    assert!(!text.contains("secret-of-mine"), "{text}");
    serde_json::from_str::<Value>(&text).unwrap();
    // A second time they are put beside those that are there.
    run_in(&bench, folder.path(), &["recording.yaml", "--into", "cassettes"]).succeeded();
    assert_eq!(fs::read_dir(folder.path().join("cassettes")).unwrap().count(), 2);
}

#[test]
fn what_cannot_be_done_has_a_code() {
    let bench = Bench::take();
    let folder = recording();
    fs::write(folder.path().join("fixtures.json"), "{\"fixtures\": [{}]}").unwrap();
    fs::write(folder.path().join("there.toml"), "").unwrap();
    fs::write(folder.path().join("good.json"), block("json", "{")).unwrap();
    let failed = |arguments: &[&str], code: i32, message: &str| {
        let finished = run_in(&bench, folder.path(), arguments);
        let said = finished.failed_with(code);
        assert!(said.contains(&format!("error: {message}")), "{said}");
    };
    failed(&["fixtures.json", "--into", "a.toml"], 1, "nothing could be made of these files");
    failed(&["none.json", "--into", "a.toml"], 2, "none.json cannot be read: ");
    failed(
        &["fixtures.json", "recording.yaml", "--into", "a"],
        2,
        "fixtures.json is a file of aimock, and recording.yaml one of vcr; import each format by itself",
    );
    failed(&["good.json", "--into", "there.toml"], 2, "there.toml is there already");
    failed(&["good.json", "--into", "there.toml/a.toml"], 3, "there.toml/a.toml cannot be written: ");
    run_in(&bench, folder.path(), &["good.json", "--into", "new/folder/a.toml"]).succeeded();
    failed(&["recording.yaml", "--into", "there.toml"], 3, "");
    let unknown = run_in(&bench, folder.path(), &["good.json", "--into", "a.toml", "--format", "ruby"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("known are aimock, llmposter, vcr"), "{}", unknown.stderr);
    assert!(!folder.path().join("a.toml").exists());
}
