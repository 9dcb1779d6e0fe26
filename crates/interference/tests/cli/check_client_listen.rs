//! `interference check-client --listen`: clients that come by themselves, and what is reported of them.

use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::exchange::{Answer, Exchange, post};

const TEXT: &str = "An oak stands 木 in the wind, bends 🌳, and does not break.";

/// Asks for a chat at the address of a case, with these fields, and reads the stream to its end.
fn chat(address: SocketAddr, place: &str, fields: &str) -> String {
    let body = r#"{"model":"exam","stream":true,"messages":[]}"#;
    let request = format!(
        "POST {place}/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut exchange = Exchange::undescribed(address, request.as_bytes());
    exchange.read_until("\r\n0\r\n\r\n");
    exchange.text()
}

fn ask(address: SocketAddr, method: &str, target: &str, fields: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    );
    Exchange::undescribed(address, request.as_bytes()).read_whole().0
}

fn report(address: SocketAddr, place: &str, account: &Value) -> Answer {
    Exchange::undescribed(address, post(&format!("{place}/report"), &account.to_string()).as_bytes())
        .read_whole()
        .0
}

fn whole() -> Value {
    json!({"text": TEXT, "finish_reason": "stop", "tool_calls": [], "usage": null, "error": null})
}

fn case<'a>(document: &'a Value, slug: &str) -> &'a Value {
    let cases = document["cases"].as_array().unwrap();
    cases.iter().find(|case| case["slug"] == slug).unwrap_or_else(|| panic!("no case {slug}: {document}"))
}

#[test]
fn a_client_that_reports_is_judged_and_told_at_the_end() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("check.json");
    let output = format!("json={}", file.display());
    let mut examiner = bench.listen(&["--only", "stream.*", "--report", &output]);
    let address = examiner.address;
    chat(address, "/stream.ordinary", "Authorization: Bearer sk-somebody\r\n");
    let verdict = report(address, "/stream.ordinary", &whole()).json();
    assert_eq!(verdict["verdict"], "PASS", "{verdict}");
    let command = format!("interference check-client --listen {address} --only stream.ordinary");
    assert_eq!(verdict["repeat"], command.as_str());
    let evidence = verdict["evidence"].to_string();
    assert!(
        evidence.contains("Authorization: [left out]") && !evidence.contains("sk-somebody"),
        "{evidence}"
    );
    let document = ask(address, "GET", "/verdicts?client=unnamed", "", "").json();
    assert_eq!(case(&document, "stream.finish-reason")["seen"], "never asked for");
    assert_eq!(document["summary"]["PASS"], 1);
    examiner.until_said("unnamed: PASS stream.ordinary");
    examiner.signal("INT");
    assert_eq!(examiner.exit_code(), Some(0), "{}", examiner.said());
    let written: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written["target"], "unnamed");
    // The page shows the evidence of all; a document has that of what is not passed, unless all is asked for.
    let mut cases = document["cases"].clone();
    for case in cases.as_array_mut().unwrap().iter_mut().filter(|case| case["verdict"] == "PASS") {
        assert_ne!(case["evidence"].take(), json!([]));
        case["evidence"] = json!([]);
    }
    assert_eq!(written["cases"], cases);
}

#[test]
fn two_clients_at_once_have_a_column_each() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let outputs = ["json=check.json", "matrix=matrix.html"];
    let outputs: Vec<String> =
        outputs.iter().map(|output| output.replace('=', &format!("={}/", folder.path().display()))).collect();
    let mut examiner =
        bench.listen(&["--only", "stream.ordinary", "--report", &outputs[0], "--report", &outputs[1]]);
    let address = examiner.address;
    chat(address, "/as/sound/stream.ordinary", "");
    chat(address, "/as/lossy/stream.ordinary", "");
    let lossy = report(address, "/as/lossy/stream.ordinary", &json!({"text": "An oak "})).json();
    assert_eq!(lossy["verdict"], "FAIL");
    assert!(lossy["seen"].as_str().unwrap().starts_with("silent loss: "), "{lossy}");
    assert_eq!(report(address, "/as/sound/stream.ordinary", &whole()).json()["verdict"], "PASS");
    // One that was served at the plain address may have a name too.
    chat(address, "/stream.ordinary", "");
    let mut named = whole();
    named["client"] = json!("plain");
    assert_eq!(report(address, "/stream.ordinary", &named).json()["verdict"], "PASS");
    let overview = ask(address, "GET", "/verdicts", "", "");
    let clients = overview.json();
    let clients: Vec<&Value> =
        clients["clients"].as_array().unwrap().iter().map(|one| &one["client"]).collect();
    assert_eq!(clients, ["sound", "lossy", "plain"]);
    let tag = format!("If-None-Match: {}\r\n", overview.header("etag").unwrap());
    assert_eq!(ask(address, "GET", "/verdicts", &tag, "").status, 304);
    assert_eq!(ask(address, "GET", "/report/html", "", "").status, 400);
    let html = ask(address, "GET", "/report/html?client=lossy", "", "");
    assert!(html.body.contains("1 MUST broken"), "{}", html.body);
    assert!(ask(address, "GET", "/report/junit", "", "").body.starts_with("<?xml"));
    assert_eq!(ask(address, "DELETE", "/verdicts?client=plain", "", "").status, 204);
    examiner.signal("INT");
    assert_eq!(examiner.exit_code(), Some(1), "{}", examiner.said());
    examiner.said().lines().find(|line| *line == "error: lossy: 1 MUST broken").unwrap();
    let mut files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["check-lossy.json", "check-sound.json", "matrix.html"]);
}

#[test]
fn what_a_person_saw_is_judged_and_can_be_taken_back() {
    let bench = Bench::take();
    let examiner = bench.listen(&["--only", "framing.crlf"]);
    let (address, place) = (examiner.address, "/as/phone/framing.crlf");
    for (saw, verdict, seen) in [
        ("whole", "PASS", "the text"),
        ("part", "FAIL", "silent loss: "),
        ("error", "FAIL", "refusal: "),
        ("nothing", "FAIL", "silent loss: "),
        ("hang", "FAIL", "hang: "),
    ] {
        chat(address, place, "");
        let told = report(address, place, &json!({"saw": saw})).json();
        assert_eq!(told["verdict"], verdict, "{told}");
        let words = told["seen"].as_str().unwrap();
        assert!(words.starts_with(seen) && words.ends_with(" (as a person saw it)"), "{words}");
    }
    assert_eq!(ask(address, "DELETE", &format!("{place}/report"), "", "").status, 204);
    assert_eq!(ask(address, "GET", "/verdicts", "", "").json(), json!({"clients": []}));
    // What was served before belongs to nobody.
    let told = report(address, place, &json!({"saw": "whole"}));
    assert_eq!((told.status, &told.json()["error"]["code"]), (409, &json!("never_served")));
}

#[test]
fn pages_of_other_origins_may_ask_and_the_evidence_shows_what_they_were_sent() {
    let bench = Bench::take();
    let examiner = bench.listen(&["--only", "stream.ordinary"]);
    let (address, place) = (examiner.address, "/as/page/stream.ordinary");
    let preflight = "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n";
    let answer = ask(address, "OPTIONS", &format!("{place}/v1/chat/completions"), preflight, "");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-headers"), Some("Authorization, *"));
    let opened = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n";
    assert!(chat(address, place, "Origin: https://app.example\r\n").starts_with(opened));
    let verdict = report(address, place, &whole()).json();
    // The preflight is no request of the client's.
    assert_eq!(verdict["requests"], 1);
    let sent = verdict["evidence"][0]["wire"][1]["text"].as_str().unwrap();
    assert!(sent.starts_with(&opened.replace("\r\n", "\\r\\n")), "{sent}");
    assert!(!chat(address, place, "").contains("Access-Control"));
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let bench = Bench::take();
    let mut examiner = bench.listen(&["--only", "stream.ordinary"]);
    let address = examiner.address;
    let place = "/stream.ordinary/report";
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(10 << 20));
    for (method, target, body, status, part) in [
        ("POST", place, r#"{"text": ""}"#, 409, "it has to ask before it reports"),
        ("POST", place, "oak", 400, "a report is one JSON object"),
        ("POST", place, r#"{"text": 1}"#, 400, "member `text` of its account is not a string"),
        ("POST", place, r#"{"client": "a/b", "text": ""}"#, 400, "a client's name has"),
        (
            "POST",
            "/as/a/stream.ordinary/report",
            r#"{"client": "b", "text": ""}"#,
            400,
            "two clients at once",
        ),
        ("POST", place, long.as_str(), 413, "a report has at most 8 MiB"),
        ("POST", "/stream.none/report", r#"{"text": ""}"#, 404, "no case `stream.none` is served"),
        ("POST", "/framing.crlf/v1/chat/completions", "{}", 404, "no case `framing.crlf` is served"),
        ("GET", place, "", 405, "this address takes POST"),
        ("GET", "/verdicts?client=nobody", "", 404, "no client `nobody`"),
        ("GET", "/report/html", "", 409, "no client has asked"),
        ("GET", "/report/pdf", "", 404, "there is no report `pdf`"),
        ("GET", "/nowhere", "", 404, "there is nothing at `/nowhere`"),
    ] {
        let answer = ask(address, method, target, "", body);
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(part), "{method} {target}: {message}");
    }
    let foreign = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let answer = Exchange::undescribed(address, foreign.as_bytes()).read_whole().0;
    assert_eq!(answer.status, 403, "{answer:?}");
    examiner.signal("TERM");
    assert_eq!(examiner.exit_code(), Some(3));
    assert!(
        examiner.said().contains("error: no client has come: nothing was judged\nhint: "),
        "{}",
        examiner.said()
    );
    // No command is run here, side by side or for a while.
    for arguments in [
        ["--listen", "1337"].as_slice(),
        &["--listen", "localhost:0:"],
        &["--listen", "localhost:0", "--jobs", "2"],
        &["--listen", "localhost:0", "--limit", "9"],
    ] {
        let arguments = [&["check-client"], arguments].concat();
        assert_eq!(bench.run(&arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let bench = Bench::take();
    let examiner = bench.listen(&[]);
    let page = ask(examiner.address, "GET", "/", "", "");
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; "));
    for file in ["/", "/page.css", "/page.js"] {
        let text = ask(examiner.address, "GET", file, "", "");
        assert_eq!(text.status, 200);
        assert!(!text.body.contains("http://") && !text.body.contains("https://"), "{file}");
        let head = ask(examiner.address, "HEAD", file, "", "");
        assert_eq!((head.header("content-length"), head.body.as_str()), (text.header("content-length"), ""));
    }
    let catalogue = ask(examiner.address, "GET", "/cases", "", "").json();
    assert_eq!(catalogue["environment"]["INTERFERENCE_TIMEOUT_MS"], "2000");
    assert_eq!(catalogue["groups"][0]["cases"][0]["slug"], "stream.ordinary");
}
