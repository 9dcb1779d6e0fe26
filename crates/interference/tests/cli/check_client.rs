//! `interference check-client`: verdicts on clients, sound and hostile; what is told of them; and that nothing of theirs
//! is left behind.

mod hostile;
mod telling;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::bench::{Bench, Running, finish};
use crate::our_schemas;

/// A client in Python without an SDK: `ask` sends a request, `account` prints what a client is to print, and `sound` does
/// both as a sound client does.
const CLIENT: &str = r#"
import http.client, json, os, signal, socket, subprocess, sys, time
scheme, _, authority, path = os.environ["OPENAI_BASE_URL"].split("/", 3)
path = "/" + path
host, port = authority.split(":")
def ask(endpoint="/chat/completions", **members):
    body = {"model": os.environ["INTERFERENCE_MODEL"], "stream": True,
            "messages": [{"role": "user", "content": os.environ["INTERFERENCE_PROMPT"]}]} | members
    connection = http.client.HTTPConnection(authority)
    head = {"content-type": "application/json", "user-agent": "probe/1"}
    connection.request("POST", path + endpoint, json.dumps(body), head)
    return connection.getresponse().read().decode()
def account(text="", reason=None, **members):
    print(json.dumps({"text": text, "finish_reason": reason, "tool_calls": [], "usage": None, "error": None} | members))
    sys.stdout.flush()
def sound(**members):
    text, reason = "", None
    for line in ask(**members).splitlines():
        if line.startswith("data: {"):
            choice = json.loads(line[6:])["choices"][0]
            text += choice["delta"].get("content") or ""
            reason = choice["finish_reason"] or reason
    account(text, reason)
"#;

/// How Python starts fastest.
const PYTHON: [&str; 4] = ["python3", "-I", "-S", "-c"];

/// A client that runs, and a word that stands in the environment or on the command line of all its processes.
struct Probe {
    running: Running,
    marker: String,
}

impl Probe {
    /// `check-client` with these arguments before a client: the Python above, and this below it.
    fn python(bench: &Bench, arguments: &[&str], script: &str) -> Probe {
        let script = format!("{CLIENT}MARKER = os.environ.get('PROBE')\n{script}\n");
        Probe::start(bench, arguments, &[&PYTHON[..], &[&script]].concat())
    }

    /// `check-client` with these arguments before any client.
    fn start(bench: &Bench, arguments: &[&str], client: &[&str]) -> Probe {
        let marker = marker();
        let mut command = check_client(bench, arguments, client);
        command.env("PROBE", &marker).stdout(Stdio::piped()).stderr(Stdio::piped());
        Probe { running: Running { child: command.spawn().unwrap() }, marker }
    }
}

/// `check-client` with these arguments, and a client.
fn check_client(bench: &Bench, arguments: &[&str], client: &[&str]) -> Command {
    let mut command = bench.command(&["check-client"]);
    command.args(arguments).arg("--").args(client);
    command
}

/// A word that nobody else has.
fn marker() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("probe-{}-{}.", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Living processes with this word, which `check-client` should have ended.
fn left_behind(marker: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let found = processes.filter_map(|process| {
        let read = |file| std::fs::read(process.path().join(file)).unwrap_or_default();
        let [command, environment] =
            ["cmdline", "environ"].map(|file| String::from_utf8_lossy(&read(file)).into_owned());
        let is_marked = [&command, &environment].iter().any(|text| text.contains(marker));
        is_marked.then(|| format!("{} {command}", process.file_name().display()))
    });
    found.collect()
}

fn document(stdout: &str) -> Value {
    our_schemas::follows("verdicts-1.json", stdout)
}

/// All that the evidence of a case shows.
fn shown(case: &Value) -> String {
    let exchanges = case["evidence"].as_array().unwrap().iter();
    let entries = exchanges.flat_map(|exchange| exchange["wire"].as_array().unwrap());
    entries.map(|entry| format!("{}\n", entry["text"].as_str().unwrap())).collect()
}

#[test]
fn our_own_chat_is_sound_in_every_case() {
    let bench = Bench::take();
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/chat/check_client.sh");
    let mut command =
        check_client(&bench, &["--json", "--jobs", "8", "--timeout", "3"], &[adapter.to_str().unwrap()]);
    command.env("INTERFERENCE", env!("CARGO_BIN_EXE_interference"));
    let finished = finish(&mut command);
    let document = document(&finished.stdout);
    let cases = document["cases"].as_array().unwrap();
    let unsound: Vec<_> = cases.iter().filter(|case| case["verdict"] != "PASS").collect();
    assert!(unsound.is_empty(), "{unsound:#?}");
    assert_eq!(cases.len(), interference_check_client::cases().count());
    assert_eq!(finished.code, Some(0));
}
