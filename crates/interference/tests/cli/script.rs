//! `serve --script`: the start, a file that changes, and what is wrong with it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, Server};
use crate::exchange::{Exchange, ask, get, post, request};

const GREETING: &str =
    "[[rule]]\nname = \"greeting\"\nwhen = { text = \"hello\" }\nanswer = { text = \"Good day.\" }\n";

/// A script in a folder of its own.
struct Script {
    folder: TempDir,
}

impl Script {
    fn new(text: &str) -> Script {
        let script = Script { folder: tempfile::tempdir().unwrap() };
        std::fs::write(script.path(), text).unwrap();
        script
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("script.toml")
    }

    /// Where there is no model.
    fn empty_home(&self) -> &Path {
        self.folder.path()
    }

    fn serve(&self, bench: &Bench, arguments: &[&str]) -> Server {
        let path = self.path();
        let script = [&["--script", path.to_str().unwrap()], arguments].concat();
        let server = bench.serve_with(&script, &[("INTERFERENCE_HOME", self.empty_home().to_str().unwrap())]);
        server.until_said("ready");
        server
    }
}

fn text(server: &Server, prompt: &str) -> String {
    ask(server.address, &request(prompt, json!({}))).text()
}

#[test]
fn it_starts_at_once_and_without_a_model() {
    let bench = Bench::take();
    let script = Script::new(GREETING);
    // The quickest of some: a busy machine can make any one of them slow.
    let starts = (0..5).map(|_| {
        let started = Instant::now();
        let server = script.serve(&bench, &[]);
        let ready = started.elapsed();
        assert_eq!(text(&server, "hello"), "Good day.");
        ready
    });
    let quickest = starts.min().unwrap();
    println!("ready after {quickest:?}");
    assert!(quickest < Duration::from_millis(50), "{quickest:?}");
}

#[test]
fn a_script_is_served_as_it_is_now_and_the_last_good_one_while_it_is_not() {
    let bench = Bench::take();
    let script = Script::new(GREETING);
    let server = script.serve(&bench, &[]);

    std::fs::write(script.path(), GREETING.replace("Good day.", "Good evening.")).unwrap();
    server.until_said("read again: ");
    assert_eq!(text(&server, "hello"), "Good evening.");

    std::fs::write(script.path(), "[[rule]]\nwhn = 1\n").unwrap();
    server.until_said("warning: script.toml:");
    server.until_said("the last good script goes on serving");
    assert_eq!(text(&server, "hello"), "Good evening.");

    std::fs::remove_file(script.path()).unwrap();
    server.until_said("warning: ");
    assert_eq!(text(&server, "hello"), "Good evening.");
    assert!(server.said().contains("is gone"), "{}", server.said());

    std::fs::write(script.path(), GREETING).unwrap();
    server.until_said("read again: ");
    assert_eq!(text(&server, "hello"), "Good day.");
}

#[test]
fn a_request_that_no_rule_matches_is_told_the_nearest() {
    let bench = Bench::take();
    let server = Script::new(GREETING).serve(&bench, &[]);
    let answer = ask(server.address, &request("good bye", json!({})));
    assert_eq!(answer.status, 404);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "no_rule_matches");
    assert_eq!(
        error["message"],
        "No rule of script.toml matches. The nearest is rule `greeting` (line 1): `text = \"hello\"` is not in the last \
         user message, which is \"good bye\"."
    );
}

#[test]
fn what_no_rule_matches_reaches_a_model_that_was_named() {
    let bench = Bench::take();
    let script = Script::new(GREETING);
    let path = script.path();
    let server = bench.serve(&["--script", path.to_str().unwrap(), "-m", "smollm2-135m-instruct"]);
    assert_eq!(text(&server, "hello"), "Good day.");
    let answer = ask(server.address, &request("write a poem about a tree", json!({"max_tokens": 4})));
    assert_eq!(answer.json()["model"], "smollm2-135m-instruct");
    let models = get(server.address, "/v1/models").json();
    let names: Vec<&Value> = models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(names, ["scripted", "smollm2-135m-instruct"]);
}

#[test]
fn embeddings_come_as_numbers_or_packed() {
    let bench = Bench::take();
    let script = Script::new("[[rule]]\nanswer = { embedding = [0.5, -0.25] }\n");
    let server = script.serve(&bench, &[]);
    let embed = |format: &str| {
        let body = json!({"model": "scripted", "input": ["a", "b"], "encoding_format": format}).to_string();
        Exchange::send(server.address, post("/v1/embeddings", &body).as_bytes()).read_whole().0.json()
    };
    assert_eq!(embed("float")["data"][1]["embedding"], json!([0.5, -0.25]));
    // 0.5 and -0.25 as little-endian floats.
    assert_eq!(embed("base64")["data"][0]["embedding"], "AAAAPwAAgL4=");
}

#[test]
fn a_script_or_a_plan_that_is_wrong_is_refused_at_the_start() {
    let bench = Bench::take();
    let script = Script::new("[[rule]]\nwhn.text = \"a\"\nanswer = { text = \"b\" }\n");
    let path = script.path();
    let wrong = bench.run(&["serve", "--listen", "localhost:0", "--script", path.to_str().unwrap()]);
    let said = wrong.failed_with(2);
    assert!(
        said.starts_with(
            "error: script.toml:2:1: unknown key `whn` in a rule; did you mean `when`?\n 2 | whn.text = \"a\"\n   | ^^^\n"
        ),
        "{said}"
    );
    let missing = bench.run(&["serve", "--script", "/nowhere.toml"]);
    assert!(missing.failed_with(2).contains("there is no such file"));
    let plan = bench.run(&["serve", "--faults", "cut.after_events = 1, cut.after_bytes = 1"]);
    assert!(plan.failed_with(2).contains("`cut` has both `after_events` and `after_bytes`"));
    let missing = bench.run(&["serve", "--faults", "nowhere.toml"]);
    assert!(missing.failed_with(2).contains("nowhere.toml, cannot be read"));
}
