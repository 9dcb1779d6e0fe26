//! The log: one line for each request at its end, and no secrets in it.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::bench::{Bench, Server};
use crate::exchange::{Exchange, post, request};

const SCRIPT: &str = "[[rule]]\nwhen = { text = \"hello\" }\nanswer = { text = \"Good day.\" }\n";

fn serve(bench: &Bench, folder: &tempfile::TempDir, arguments: &[&str]) -> Server {
    let path: PathBuf = folder.path().join("script.toml");
    std::fs::write(&path, SCRIPT).unwrap();
    let script = ["--script", path.to_str().unwrap(), "--api-key", "sk-of-the-log"];
    bench.serve(&[&script, arguments].concat())
}

fn ask(server: &Server, prompt: &str, stream: bool) -> crate::exchange::Answer {
    let asked = request(prompt, json!({"model": "some-model", "stream": stream}));
    let headers = "authorization: Bearer sk-of-the-log\r\nx-client-request-id: mine\r\nhost:";
    let bytes = post("/v1/chat/completions?key=sk-of-the-log", &asked.to_string()).replace("host:", headers);
    Exchange::send(server.address, bytes.as_bytes()).read_whole().0
}

#[test]
fn lines_of_json_say_how_each_request_ended() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&bench, &folder, &["--log-format", "json", "-v"]);
    let answers =
        [ask(&server, "hello", true), ask(&server, "hello", false), ask(&server, "good-bye", false)];
    let lines = answers.each_ref().map(|answer| {
        let line =
            server.until_said_with(&format!("\"request_id\":\"{}\"", answer.header("x-request-id").unwrap()));
        serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    for (line, answer) in lines.iter().zip(&answers) {
        assert_eq!(line["target"], "interference::requests");
        assert_eq!(line["level"], "info");
        assert_eq!(line["client_request_id"], "mine");
        assert_eq!((&line["method"], &line["path"]), (&json!("POST"), &json!("/v1/chat/completions")));
        assert_eq!((&line["model"], &line["ended"]), (&json!("some-model"), &json!("complete")));
        assert_eq!(line["status"], answer.status);
        assert_eq!(line["bytes"], answer.body.len());
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    assert!(lines[0]["first_event_ms"].as_f64().unwrap() <= lines[0]["duration_ms"].as_f64().unwrap());
    assert_eq!(lines[1].get("first_event_ms"), None);
    assert_eq!(lines[2]["status"], 404);
    let said = server.said();
    for secret in ["sk-of-the-log", "hello", "Good day."] {
        assert!(!said.contains(secret), "{secret} is in\n{said}");
    }
}

#[test]
fn lines_for_people_say_the_same_and_without_v_nothing_is_said() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&bench, &folder, &["-v"]);
    let id = ask(&server, "hello", true).header("x-request-id").unwrap().to_owned();
    let line = server.until_said_with(&id);
    for part in [
        " INFO interference::requests: ",
        "status=200",
        "ended=\"complete\"",
        "path=\"/v1/chat/completions\"",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    let mut quiet = serve(&bench, &folder, &[]);
    ask(&quiet, "hello", true);
    quiet.signal("TERM");
    assert_eq!(quiet.exit_code(), Some(0));
    assert!(!quiet.said().contains("interference::requests"), "{}", quiet.said());
}

#[test]
fn keys_come_out_of_files_and_variables() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let (script, keys) = (folder.path().join("script.toml"), folder.path().join("keys"));
    std::fs::write(&script, SCRIPT).unwrap();
    std::fs::write(&keys, "# of the team\nsk-first\n\nsk-second\n").unwrap();
    let file = format!("@{}", keys.display());
    let arguments = ["--script", script.to_str().unwrap(), "--api-key", &file, "--api-key", "env:TEST_KEYS"];
    let server = bench.serve_with(&arguments, &[("TEST_KEYS", "sk-third, sk-fourth\tsk-fifth")]);
    for (key, status) in [
        ("sk-first", 200),
        ("sk-second", 200),
        ("sk-third", 200),
        ("sk-fourth", 200),
        ("sk-fifth", 200),
        ("# of the team", 401),
        ("sk-third,", 401),
    ] {
        let headers = format!("authorization: Bearer {key}\r\nhost:");
        let asked = post("/v1/chat/completions", &request("hello", json!({})).to_string());
        let bytes = asked.replace("host:", &headers);
        assert_eq!(Exchange::send(server.address, bytes.as_bytes()).read_whole().0.status, status, "{key}");
    }
}
