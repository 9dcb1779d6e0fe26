//! Commands that are no good clients, in every way that is known: each comes to a verdict in time, with what it said, and
//! leaves no process behind.

use std::process::{Command, Stdio};

use super::{Probe, check_client, document, left_behind, marker, shown};
use crate::bench::{Bench, PATIENCE, Running, finish};

/// Seconds after which a run of those that hang is ended.
const LIMIT: &str = "2";

/// What a client is written in.
enum Client {
    /// Below the client of all probes.
    Python(&'static str),
    /// One that hangs: it starts faster, and has done all before the limit.
    Bash(&'static str),
}
use Client::{Bash, Python};

/// What a client does, the verdict on the ordinary stream with the code of the run, and what is told and shown of it.
struct Bad {
    does: &'static str,
    client: Client,
    comes_to: (&'static str, i32),
    seen: &'static str,
    shown: &'static str,
}

const BAD: &[Bad] = &[
    Bad {
        does: "prints no JSON",
        client: Python("ask(); print('all went well')"),
        comes_to: ("FAIL", 1),
        seen: "no account: what it printed on stdout is no JSON object",
        shown: "stdout: all went well",
    },
    Bad {
        does: "prints something else than text",
        client: Python("ask(); account(text=['An oak'])"),
        comes_to: ("FAIL", 1),
        seen: "no account: member `text` of its account is not a string",
        shown: r#"stdout: {"text": ["An oak"]"#,
    },
    Bad {
        does: "prints without end",
        client: Python("while True: os.write(1, b'tree ' * 10000)"),
        comes_to: ("FAIL", 1),
        seen: "no account: it printed 32 MiB and more on stdout, and was killed",
        shown: "it was killed, since it printed too much",
    },
    Bad {
        does: "prints brackets that never close",
        client: Python("os.write(1, b'[' * (1 << 20))"),
        comes_to: ("FAIL", 1),
        seen: "no account: what it printed on stdout is no JSON object",
        shown: "… and 1040384 bytes more",
    },
    Bad {
        does: "talks much on stderr",
        client: Python("os.write(2, b'hush ' * (1 << 20)); sound()"),
        comes_to: ("PASS", 0),
        seen: "the text \"An oak stands",
        shown: "hush hush",
    },
    Bad {
        does: "prints what is no UTF-8",
        client: Python(r#"ask(); os.write(1, b'{"text": "\xff\xfe"}')"#),
        comes_to: ("FAIL", 1),
        seen: "no account: what it printed on stdout is no JSON object",
        shown: r#"stdout: {"text": "\xFF\xFE"}"#,
    },
    Bad {
        does: "tells of an error whose name has no end",
        client: Python("ask(); account(error={'type': 'x' * (1 << 20), 'message': 'y' * (1 << 20), 'typed': True})"),
        comes_to: ("FAIL", 1),
        seen: "refusal: xxx",
        shown: "bytes more",
    },
    Bad {
        does: "has a child that holds its stdout",
        client: Python("sound(); subprocess.Popen(['sh', '-c', 'sleep 60; : ' + MARKER])"),
        comes_to: ("PASS", 0),
        seen: "the text \"An oak stands",
        shown: "it ended: exit status: 0",
    },
    Bad {
        does: "has children that leave its group, and shed its environment",
        client: Python("
sound()
for environment in (None, {}):
    subprocess.Popen(['sh', '-c', '(sleep 60; : $0) & exec sleep 60', MARKER], start_new_session=True, env=environment)"),
        comes_to: ("PASS", 0),
        seen: "the text \"An oak stands",
        shown: "it ended: exit status: 0",
    },
    Bad {
        does: "has children that shed everything, and goes on",
        client: Bash("env -i setsid sh -c '(sleep 60; : $0) & exec sleep 60' $PROBE & sleep 60"),
        comes_to: ("FAIL", 1),
        seen: "hang: it had not ended after 2 s, and was killed",
        shown: "it was killed at the limit of time",
    },
    Bad {
        does: "forks and ends, over and over",
        client: Python("
sound()
while os.fork() == 0: pass"),
        comes_to: ("PASS", 0),
        seen: "the text \"An oak stands",
        shown: "it ended: exit status: 0",
    },
    Bad {
        does: "forks and ends, over and over, in a session of its own each time",
        client: Python("
sound()
while os.fork() == 0: os.setsid()"),
        comes_to: ("PASS", 0),
        seen: "the text \"An oak stands",
        shown: "it ended: exit status: 0",
    },
    Bad {
        does: "forks and ends, over and over, without its environment",
        client: Python("
sound()
loop = 'import os\\nwhile os.fork() == 0: os.setsid()'
subprocess.Popen([sys.executable, '-I', '-S', '-c', loop, MARKER], start_new_session=True, env={})"),
        comes_to: ("PASS", 0),
        seen: "the text \"An oak stands",
        shown: "it ended: exit status: 0",
    },
    Bad {
        does: "hangs, and takes no hint",
        client: Bash("trap '' TERM INT HUP; sleep 60"),
        comes_to: ("FAIL", 1),
        seen: "hang: it had not ended after 2 s, and was killed",
        shown: "it was killed at the limit of time",
    },
    Bad {
        does: "is killed",
        client: Python("ask(); os.kill(os.getpid(), signal.SIGKILL)"),
        comes_to: ("FAIL", 1),
        seen: "no account: it printed nothing on stdout (signal: 9 (SIGKILL))",
        shown: "it ended: signal: 9 (SIGKILL)",
    },
    Bad {
        does: "closes its stdout, and lives on",
        client: Bash(r#"echo '{"text": "An oak"}'; exec >&-; sleep 60"#),
        comes_to: ("FAIL", 1),
        seen: "hang: it had not ended after 2 s, and was killed",
        shown: "stdout: {\"text\": \"An oak\"}\\n",
    },
    Bad {
        does: "reads its stdin",
        client: Python("sys.stdin.read(); sound()"),
        comes_to: ("PASS", 0),
        seen: "the text \"An oak stands",
        shown: "it ended: exit status: 0",
    },
    Bad {
        does: "asks for nothing",
        client: Python("account(text='An oak')"),
        comes_to: ("INCONCLUSIVE", 1),
        seen: "no chat completion was asked for: it asked for nothing",
        shown: "stdout: {\"text\": \"An oak\"",
    },
    Bad {
        does: "asks for something else",
        client: Python("ask('/responses'); account()"),
        comes_to: ("INCONCLUSIVE", 1),
        seen: "it asked for \"POST /stream.ordinary/v1/responses\" instead",
        shown: "HTTP/1.1 404 Not Found",
    },
    Bad {
        does: "asks for no stream",
        client: Python("sound(stream=False)"),
        comes_to: ("PASS", 1),
        seen: "the text \"An oak stands",
        shown: "\"stream\": false",
    },
    Bad {
        does: "speaks HTTP/1.0",
        client: Python("http.client.HTTPConnection._http_vsn_str = 'HTTP/1.0'; sound()"),
        comes_to: ("INCONCLUSIVE", 1),
        seen: "it asks in HTTP/1.0, whose answers have no chunks",
        shown: "/chat/completions HTTP/1.0",
    },
    Bad {
        does: "asks a thousand times",
        client: Python("
for _ in range(1000):
    try: ask()
    except OSError: pass
account()"),
        comes_to: ("FAIL", 1),
        seen: "silent loss: the text is \"\"",
        shown: "request 6 of the client",
    },
    Bad {
        does: "sends a head without an end",
        client: Python("
connection = socket.create_connection((host, port))
connection.sendall(f'POST {path}/chat/completions HTTP/1.1\\r\\n'.encode())
try:
    while True: connection.sendall(b'x-more: and more\\r\\n' * 1000)
except OSError: account()"),
        comes_to: ("INCONCLUSIVE", 1),
        seen: "the request is longer than is read",
        shown: "POST /stream.ordinary/v1/chat/completions HTTP/1.1\\r\\nx-more: and more",
    },
    Bad {
        does: "sends half a request, and hangs",
        client: Bash("
url=${OPENAI_BASE_URL#http://}
authority=${url%%/*}
exec 3<>/dev/tcp/${authority/://}
printf 'POST /%s/chat/completions HTTP/1.1\\r\\ncontent-length: 100\\r\\n\\r\\n{\"half\":' ${url#*/} >&3
sleep 60"),
        comes_to: ("FAIL", 1),
        seen: "hang: it had not ended after 2 s, and was killed",
        shown: "content-length: 100\\r\\n\\r\\n{\"half\":",
    },
    Bad {
        does: "speaks no HTTP",
        client: Python("
connection = socket.create_connection((host, port))
connection.sendall(b'a tree, please\\r\\n\\r\\n')
connection.recv(100)
account()"),
        comes_to: ("INCONCLUSIVE", 1),
        seen: "no chat completion was asked for: the request is no HTTP/1.1",
        shown: "a tree, please\\r\\n",
    },
];

/// In time: whatever takes longer than the bench's patience fails there.
#[test]
fn whatever_a_client_does_there_is_a_verdict_and_nothing_is_left_of_it() {
    let bench = Bench::take();
    let arguments = ["--only", "stream.ordinary", "--timeout", "0.3", "--json", "--evidence", "all"];
    let start = |bad: &Bad| match bad.client {
        Python(script) => Probe::python(&bench, &arguments, script),
        Bash(script) => {
            Probe::start(&bench, &[&arguments[..], &["--limit", LIMIT]].concat(), &["bash", "-c", script])
        }
    };
    let probes: Vec<Probe> = BAD.iter().map(start).collect();
    let wrong: Vec<String> = BAD.iter().zip(probes).flat_map(|(bad, probe)| wrong(bad, probe)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is not as it should be.
fn wrong(bad: &Bad, probe: Probe) -> Vec<String> {
    let Probe { running, marker } = probe;
    let finished = running.finish();
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("a client that {}: {what}", bad.does));
        }
    };
    let strays = left_behind(&marker);
    expect(strays.is_empty(), format!("it left {strays:?}"));
    expect(finished.code == Some(bad.comes_to.1), format!("{:?}, {}", finished.code, finished.stderr));
    expect(bad.comes_to.1 == 0 || finished.stderr.contains("\nhint: "), "no hint".to_owned());
    let document = document(&finished.stdout);
    let case = &document["cases"][0];
    let [verdict, seen] = ["verdict", "seen"].map(|member| case[member].as_str().unwrap());
    expect(verdict == bad.comes_to.0 && seen.contains(bad.seen), format!("{verdict}, {seen}"));
    expect(seen.len() < 1_000, format!("{} bytes are told of it", seen.len()));
    let titles: String =
        case["evidence"].as_array().unwrap().iter().map(|exchange| exchange["title"].to_string()).collect();
    let evidence = format!("{titles}\n{}", shown(case));
    expect(evidence.contains(bad.shown), format!("the evidence is {evidence}"));
    expect(evidence.len() < 100_000, format!("{} bytes of evidence", evidence.len()));
    wrong
}

#[test]
fn what_cannot_be_started_is_told_with_a_hint() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("client.py");
    std::fs::write(&script, "print('hello')").unwrap();
    let script = script.to_str().unwrap();
    for (command, reason) in [
        ("no-such-client", "No such file or directory"),
        (script, "Permission denied"),
        ("/", "Permission denied"),
    ] {
        let finished = finish(&mut check_client(&bench, &["--json"], &[command]));
        let told = format!("error: `{command}` cannot be run: {reason}");
        assert!(finished.failed_with(3).contains(&told), "{}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
}

/// A client that cannot be examined is told of, also where other cases are asked for.
#[test]
fn a_client_that_cannot_be_examined_fails_every_selection() {
    let bench = Bench::take();
    let finished = finish(&mut check_client(&bench, &["--only", "framing.crlf", "--json"], &["echo", "{}"]));
    let told = "error: the client cannot be examined: no chat completion was asked for: it asked for nothing";
    assert!(finished.failed_with(1).contains(told), "{}", finished.stderr);
    let document = document(&finished.stdout);
    let cases: Vec<_> = document["cases"].as_array().unwrap().iter().map(|case| &case["slug"]).collect();
    assert_eq!(cases, ["stream.ordinary", "framing.crlf"]);
    assert_eq!(
        document["cases"][1]["seen"],
        "not examined, since stream.ordinary shows no client of streams: no chat completion was asked for: it asked \
         for nothing"
    );
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let bench = Bench::take();
    for signal in ["INT", "TERM"] {
        let marker = marker();
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        let status = Command::new("mkfifo").arg(&there).status().unwrap();
        assert!(status.success());
        // A child of its own without its environment, and then word that both are there.
        let script = "env -i setsid sh -c 'sleep 60; : '$PROBE & trap '' INT TERM; echo there >$0; sleep 60";
        let mut command = check_client(&bench, &["--json"], &["sh", "-c", script, there.to_str().unwrap()]);
        command.env("PROBE", &marker).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Running { child: command.spawn().unwrap() };
        let mut wait = bench.program("timeout");
        finish(wait.arg(PATIENCE.as_secs().to_string()).arg("cat").arg(&there)).succeeded();
        assert!(!left_behind(&marker).is_empty());
        running.signal(signal);
        let finished = running.finish();
        assert!(finished.failed_with(130).contains("error: interrupted: "), "{}", finished.stderr);
        assert_eq!(finished.stdout, "");
        let strays = left_behind(&marker);
        assert!(strays.is_empty(), "{strays:?}");
    }
}
