//! `interference check`: verdicts on real servers, sound and broken, and what its evidence shows.

mod behind;
mod costs;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{Bench, Server};
use crate::our_schemas;

const KEY: &str = "sk-check-5d1f-secret";

/// Cases that our own server does not show, or not always, and what they come to then.
const NOT_SHOWN: &[(&str, &str)] = &[
    // Its queue takes all that the judge sends, and no response fails that has begun.
    ("errors.retry-after", "NOT-APPLICABLE"),
    ("responses.failure-event", "NOT-APPLICABLE"),
    // It computes as many answers together as the judge asks for.
    ("life.disconnect-frees", "INCONCLUSIVE"),
    ("life.disconnect-plain", "INCONCLUSIVE"),
];

/// The script of the sound server, put together as `cargo xtask mutants` does it.
pub(crate) fn sound_script() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/check-server");
    let parts = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut parts: Vec<PathBuf> =
        parts.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    parts.sort();
    parts.iter().map(|part| fs::read_to_string(part).unwrap()).collect()
}

/// A server with one answer to everything, and this beside.
pub(crate) fn scripted(bench: &Bench, folder: &TempDir, arguments: &[&str]) -> Server {
    let path: PathBuf = folder.path().join("script.toml");
    let words = "In morning light the old oak stands, its branches wide like open hands. ".repeat(4);
    fs::write(&path, format!("[[rule]]\nanswer.text = {words:?}\n")).unwrap();
    let script = [&["--script", path.to_str().unwrap()], arguments].concat();
    let home = folder.path().to_str().unwrap().to_owned();
    let server = bench.serve_with(&script, &[("INTERFERENCE_HOME", &home)]);
    server.until_said("ready");
    server
}

fn document(stdout: &str) -> Value {
    our_schemas::follows("verdicts-1.json", stdout)
}

fn case<'a>(document: &'a Value, slug: &str) -> &'a Value {
    let cases = document["cases"].as_array().unwrap();
    cases.iter().find(|case| case["slug"] == slug).unwrap_or_else(|| panic!("no case {slug}"))
}

#[test]
fn our_own_server_with_the_default_model_breaks_nothing() {
    let bench = Bench::take();
    let server = bench.serve(&["--allow-faults", "--api-key", KEY]);
    let url = server.base_url();
    let finished = bench.run(&["check", &url, "--json", "--level", "should", "--api-key", KEY]);
    let document = document(&finished.stdout);
    println!("the catalogue took {} ms", document["duration_ms"]);
    let mut surprises = Vec::new();
    for case in document["cases"].as_array().unwrap() {
        let slug = case["slug"].as_str().unwrap();
        let verdict = case["verdict"].as_str().unwrap();
        if verdict != "PASS" && !NOT_SHOWN.contains(&(slug, verdict)) {
            surprises.push(format!("{} {slug}: {}", case["verdict"], case["seen"]));
        }
    }
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[test]
fn a_broken_must_is_told_with_its_evidence_and_never_with_the_key() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let server = scripted(&bench, &folder, &["--api-key", KEY, "--faults", "done = \"omit\""]);
    let url = server.base_url();
    let finished =
        bench.run(&["check", &url, "--only", "sse.*", "--json", "--evidence", "all", "--api-key", KEY]);
    assert!(finished.failed_with(1).contains("error: 1 MUST broken\n"), "{}", finished.stderr);
    assert!(!finished.stdout.contains(KEY) && !finished.stderr.contains(KEY));
    let document = document(&finished.stdout);
    assert_eq!(document["summary"]["FAIL"], 1);
    let failed = case(&document, "sse.done-once");
    assert_eq!(failed["verdict"], "FAIL");
    let repeat = format!("interference check {url} --api-key env:OPENAI_API_KEY --only sse.done-once");
    assert_eq!(failed["repeat"], repeat.as_str());
    let evidence = &failed["evidence"][0];
    let curl = evidence["curl"].as_str().unwrap();
    assert!(curl.contains("Authorization: Bearer $OPENAI_API_KEY") && curl.contains(&url), "{curl}");
    let wire = evidence["wire"].as_array().unwrap();
    assert_eq!(wire[0]["direction"], "sent");
    let received: String = wire
        .iter()
        .filter(|entry| entry["direction"] == "received")
        .map(|entry| entry["text"].as_str().unwrap())
        .collect();
    assert!(received.starts_with("HTTP/1.1 200 OK\\r\\n") && received.contains("data: {"), "{received}");
    assert!(!received.contains("[DONE]"), "{received}");
    assert_eq!(wire.last().unwrap()["text"], "the answer is whole");
    // Passed cases bring theirs only when asked for.
    assert!(!case(&document, "sse.utf8")["evidence"].as_array().unwrap().is_empty());
}

#[test]
fn what_cannot_be_judged_is_told_with_a_hint() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let server = scripted(&bench, &folder, &["--api-key", KEY]);
    let url = server.base_url();
    for (arguments, code, message) in [
        (vec!["check", &url, "--only", "sse.dune"], 2, "no case is called `sse.dune`"),
        (
            vec!["check", "localhost:1"],
            2,
            "`localhost:1` is no base URL: it begins with neither http:// nor https://",
        ),
        (vec!["check", &url, "--api-key", "sk-wrong"], 3, "the server refuses the key: status 401: "),
    ] {
        let finished = bench.run(&arguments);
        assert!(finished.failed_with(code).contains(&format!("error: {message}")), "{}", finished.stderr);
    }
    // Nothing listens on port 9 of this machine, which nobody uses any more.
    let finished = bench.run(&["check", "http://127.0.0.1:9/v1"]);
    assert!(finished.failed_with(3).contains("error: the server cannot be reached: "), "{}", finished.stderr);
}

#[test]
fn a_server_that_answers_no_chat_is_not_called_well() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    for status in [500, 404] {
        let server = scripted(&bench, &folder, &["--faults", &format!("http.status = {status}")]);
        let url = server.base_url();
        let finished = bench.run(&["check", &url, "--only", "sse.done-once", "--only", "models.list"]);
        let told = format!("error: no chat is answered (status {status}: ");
        assert!(finished.failed_with(3).contains(&told), "{}", finished.stderr);
        let told = "1 of 2 cases could not be judged\nhint: `-m` ";
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
    }
    let server = scripted(&bench, &folder, &["--faults", "http.status = 500"]);
    let url = server.base_url();
    // Whoever looks at nothing that rests on a chat does not miss it.
    let finished = bench.run(&["check", &url, "--only", "models.list", "--only", "embeddings.order"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[test]
fn a_run_without_a_single_verdict_is_not_called_well() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("word.toml");
    fs::write(&script, "[[rule]]\nanswer.text = \"Oak.\"\n").unwrap();
    let server = bench.serve_with(&["--script", script.to_str().unwrap()], &[]);
    server.until_said("ready");
    // Of a word it cannot be told whether its pieces were held back.
    let arguments = ["check", &server.base_url(), "--only", "sse.incremental"];
    let finished = bench.run(&arguments);
    let told = finished.failed_with(3);
    let error = format!("error: nothing could be judged of {}\n", server.base_url());
    assert!(told.contains(&error), "{told}");
    let finished = bench.run(&[&arguments[..], &["--only", "sse.utf8"]].concat());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[test]
fn stdout_has_one_document() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let server = scripted(&bench, &folder, &["--faults", "done = \"omit\""]);
    let check = ["check", &server.base_url(), "--only", "sse.done-once"];
    let with = |arguments: &[&str]| bench.run(&[&check[..], arguments].concat());
    let finished = with(&["--report", "junit=-"]);
    assert!(finished.failed_with(1).contains("1 MUST broken"), "{finished:#?}");
    let xml = finished.stdout.trim_end();
    assert!(xml.starts_with("<?xml") && xml.ends_with("</testsuites>"), "{xml}");
    for arguments in
        [["--report", "junit=-", "--json"].as_slice(), &["--report", "junit=-", "--report", "html=-"]]
    {
        let finished = with(arguments);
        let told = finished.failed_with(2);
        assert!(told.contains("error: two documents cannot both go to stdout\n"), "{told}");
    }
    // Who reads none of it is still told by the exit code what has come of it.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(bench.command(&check).stdout(writer).status().unwrap().code(), Some(1));
    for arguments in [["--report", "junit=a.xml"], ["--baseline", "a.txt"]] {
        let finished = bench.run(&[&["check", "--list"], &arguments[..]].concat());
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert!(finished.stderr.contains("cannot be used with"), "{finished:#?}");
    }
}

#[test]
fn the_catalogue_is_listed_with_its_costs() {
    let bench = Bench::take();
    let text = bench.run(&["check", "--list", "--only", "sse"]).succeeded();
    assert!(text.starts_with("sse\n  sse.content-type "), "{text}");
    let listing: Value =
        serde_json::from_str(&bench.run(&["check", "--list", "--json"]).succeeded()).unwrap();
    let cases = listing["cases"].as_array().unwrap();
    for case in cases {
        let slug = case["slug"].as_str().unwrap();
        assert!(case["requests"].as_u64().unwrap() > 0, "{slug} asks nothing");
        let clauses = case["clauses"].as_array().unwrap();
        // That somebody was hurt is no rule.
        let is_rule = |clause: &&Value| clause["source"] != "field report" && clause["quote"] != "";
        let rests = clauses.iter().any(|clause| is_rule(&clause));
        assert!(case["level"] == "should" || rests, "{slug} is a MUST without a clause to quote");
    }
    let sum: u64 = cases.iter().map(|case| case["requests"].as_u64().unwrap()).sum();
    assert!(listing["requests"].as_u64().unwrap() > sum);
}
