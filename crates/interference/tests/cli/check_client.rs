//! `interference check-client`: verdicts on clients, sound and hostile; what is told of them; and that nothing of theirs
//! is left behind.

mod hostile;
mod telling;

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::bench::{Bench, Running};
use crate::our_schemas;

/// A client in Python without an SDK: `ask` sends a request, `account` prints what a client is to print, and `sound` does
/// both as a sound client does.
const CLIENT: &str = r#"
import json, os, signal, socket, subprocess, sys, time, urllib.parse, urllib.request
def ask(path="/chat/completions", **members):
    body = {"model": os.environ["INTERFERENCE_MODEL"], "stream": True,
            "messages": [{"role": "user", "content": os.environ["INTERFERENCE_PROMPT"]}]} | members
    head = {"content-type": "application/json", "user-agent": "probe/1"}
    url = os.environ["OPENAI_BASE_URL"] + path
    return urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), head))
def account(text="", reason=None, **members):
    print(json.dumps({"text": text, "finish_reason": reason, "tool_calls": [], "usage": None, "error": None} | members))
    sys.stdout.flush()
def sound(**members):
    text, reason = "", None
    for line in ask(**members).read().decode().splitlines():
        if line.startswith("data: {"):
            choice = json.loads(line[6:])["choices"][0]
            text += choice["delta"].get("content") or ""
            reason = choice["finish_reason"] or reason
    account(text, reason)
"#;

/// A client that runs, and a word that stands in the environment or on the command line of all its processes.
struct Probe {
    running: Running,
    marker: String,
}

impl Probe {
    /// `check-client` with these arguments before a client: the Python above, and this below it.
    fn start(bench: &Bench, arguments: &[&str], script: &str) -> Probe {
        let marker = marker();
        let script = format!("{CLIENT}MARKER = \"{marker}\"\n{script}\n");
        let mut command = check_client(bench, arguments, &["python3", "-c", &script]);
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
    format!("probe-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
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
