//! `serve --record` and `--replay`, of the real binary: what is kept, what is played, and what a crash leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, Server};
use crate::exchange::{Answer, Exchange, ask_relayed, get, post, request};

const KEY: &str = "sk-not-for-the-disk";

const SCRIPT: &str = r#"
[[rule]]
when = { text = "twice" }
answers = [{ text = "The first time." }, { text = "The second time." }]

[[rule]]
when = { text = "break" }
answer = { text = "One two three four five six.", faults = { cut = { after_events = 3, by = "reset" } } }

[[rule]]
when = { text = "endless" }
answer = { text = "One two.", latency = { between_tokens = "60s" } }

[[rule]]
answer = { text = "A green tree." }
"#;

/// A server with a key that answers from the script, and the folder for what is recorded of it.
struct Studio {
    upstream: Server,
    folder: TempDir,
}

impl Studio {
    fn new(bench: &Bench) -> Studio {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.toml");
        fs::write(&script, SCRIPT).unwrap();
        let upstream = bench.serve(&["--api-key", KEY, "--script", script.to_str().unwrap()]);
        Studio { upstream, folder }
    }

    fn cassettes(&self) -> PathBuf {
        self.folder.path().join("cassettes")
    }

    /// A relay that records.
    fn record(&self, bench: &Bench, arguments: &[&str]) -> Server {
        let cassettes = self.cassettes();
        let url = format!("up={}", self.upstream.base_url());
        let all = [&["--upstream", &url, "--record", cassettes.to_str().unwrap()], arguments].concat();
        let server = bench.serve_with(&all, &[("UP_API_KEY", KEY)]);
        server.until_said("ready");
        server
    }

    fn replay(&self, bench: &Bench) -> Server {
        bench.serve(&["--replay", self.cassettes().to_str().unwrap(), "--replay-pace", "at-once"])
    }
}

fn streamed(prompt: &str) -> Value {
    request(prompt, json!({"stream": true}))
}

/// Ends it, after which all is on the disk.
#[track_caller]
fn end(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
}

/// The names in a folder, in their order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, &answer.body)
}

#[test]
fn a_recording_is_played_as_it_was() {
    let bench = Bench::take();
    let studio = Studio::new(&bench);
    let asked = [streamed("a tree"), request("a tree", json!({})), request("twice", json!({}))];
    let relay = studio.record(&bench, &[]);
    let mut recorded: Vec<Answer> = asked.iter().map(|request| ask_relayed(relay.address, request)).collect();
    recorded.push(ask_relayed(relay.address, &asked[2]));
    end(relay);
    assert_eq!(names(&studio.cassettes()).len(), 4);
    for name in names(&studio.cassettes()) {
        let text = fs::read_to_string(studio.cassettes().join(&name)).unwrap();
        assert!(!text.contains(KEY) && text.contains("\"upstream\": \"up\""), "{text}");
    }

    let replay = studio.replay(&bench);
    for (request, recorded) in asked.iter().zip(&recorded) {
        assert_eq!(told(&ask_relayed(replay.address, request)), told(recorded), "{request}");
    }
    // The second time, and from then on.
    for _ in 0..2 {
        assert_eq!(told(&ask_relayed(replay.address, &asked[2])), told(&recorded[3]));
    }
    let missing = ask_relayed(replay.address, &request("a bush", json!({})));
    assert_eq!((missing.status, &missing.json()["error"]["code"]), (404, &"no_recording_matches".into()));
    let message = missing.json()["error"]["message"].to_string();
    assert!(message.contains("messages[0].content") && message.contains("a bush"), "{message}");
}

/// Whichever way it is ended, what it had answered and not yet written is on the disk.
#[test]
fn an_end_loses_nothing_that_had_ended() {
    let bench = Bench::take();
    // Long ones, so that the disk is behind.
    let prompt = "tree ".repeat(1 << 18);
    for (signal, exit_code) in [("TERM", 0), ("INT", 130)] {
        let studio = Studio::new(&bench);
        let mut relay = studio.record(&bench, &[]);
        for _ in 0..4 {
            assert_eq!(ask_relayed(relay.address, &request(&prompt, json!({}))).status, 200);
        }
        relay.signal(signal);
        assert_eq!(relay.exit_code(), Some(exit_code));
        let names = names(&studio.cassettes());
        assert_eq!(names.len(), 4, "after {signal}: {names:?}");
    }
}

/// A client of the relay sees a stream that was mended; the recording has what the upstream did, and plays it.
#[test]
fn a_broken_end_is_broken_again() {
    let bench = Bench::take();
    let studio = Studio::new(&bench);
    let chat = |server: &Server| {
        let url = server.base_url();
        let finished = bench.run(&["chat", "break it", "--base-url", &url, "--model", "gpt-4o"]);
        finished.failed_with(1).to_owned()
    };
    let relay = studio.record(&bench, &[]);
    let mended = chat(&relay);
    assert!(mended.contains("upstream"), "{mended}");
    end(relay);
    let name = &names(&studio.cassettes())[0];
    let text = fs::read_to_string(studio.cassettes().join(name)).unwrap();
    assert!(text.contains("\"end\": \"reset\""), "{text}");

    let replay = studio.replay(&bench);
    let broken = chat(&replay);
    assert!(broken.to_lowercase().contains("reset"), "{broken}");
    let metrics = get(replay.address, "/metrics").body;
    assert!(metrics.contains("interference_recordings_matched_total 1\n"), "{metrics}");
}

/// A recording has what the upstream sent, and a plan of faults is for clients; but a plan that ends an answer leaves the
/// upstream, as a client does that goes away.
#[test]
fn faults_are_in_no_recording_but_for_an_early_end() {
    let bench = Bench::take();
    for (plan, sees_done, end) in [
        (r#"drop.events = [2], done = "omit", finish_reason = "lunch""#, false, "complete"),
        (r#"error = { after_events = 2, then = "go_on" }"#, true, "complete"),
        (r#"cut = { after_events = 2, by = "end" }"#, false, "abandoned"),
        (r#"error = { after_events = 2 }"#, true, "abandoned"),
    ] {
        let studio = Studio::new(&bench);
        let relay = studio.record(&bench, &["--faults", plan]);
        let seen = ask_relayed(relay.address, &streamed("a tree"));
        assert_eq!(seen.body.contains("[DONE]"), sees_done, "{plan}: {}", seen.body);
        self::end(relay);
        let name = &names(&studio.cassettes())[0];
        let text = fs::read_to_string(studio.cassettes().join(name)).unwrap();
        assert!(text.contains(&format!("\"end\": \"{end}\"")), "{plan}: {text}");
        assert_eq!(text.contains("[DONE]"), end == "complete", "{plan}: {text}");
        assert!(!text.contains("lunch") && !text.contains("injected"), "{plan}: {text}");
    }
}

/// A bound on the size of files, as of `ulimit -f`, is an error like others: recordings are lost, and no answer.
#[test]
fn a_disk_that_takes_no_more_costs_no_answer() {
    let bench = Bench::take();
    let studio = Studio::new(&bench);
    let url = format!("up={}", studio.upstream.base_url());
    let cassettes = studio.cassettes();
    let arguments = ["--upstream", &url, "--record", cassettes.to_str().unwrap()];
    let relay =
        bench.serve_in_shell(&format!("export UP_API_KEY={KEY}; ulimit -f 1; exec \"$@\""), &arguments);
    relay.until_said("ready");
    for _ in 0..3 {
        assert_eq!(ask_relayed(relay.address, &request("a tree", json!({"n": 8}))).status, 200);
    }
    crate::exchange::until_metric(relay.address, "recordings_not_written_total", 3);
    assert_eq!(
        names(&cassettes).iter().filter(|name| name.ends_with(".json") && !name.starts_with('.')).count(),
        0
    );
}

#[test]
fn a_broken_answer_is_asked_for_again_where_there_is_an_upstream() {
    let bench = Bench::take();
    let studio = Studio::new(&bench);
    let cassettes = studio.cassettes();
    for (recordings, told) in [(1, "0 recordings, then"), (2, "0 recordings (1 passed over), then")] {
        let relay = studio.record(&bench, &["--replay", cassettes.to_str().unwrap()]);
        assert!(relay.said().contains(told), "{}", relay.said());
        ask_relayed(relay.address, &streamed("break it"));
        end(relay);
        assert_eq!(names(&cassettes).len(), recordings);
    }
}

#[test]
fn what_is_missing_is_recorded_and_played_the_next_time() {
    let bench = Bench::take();
    let studio = Studio::new(&bench);
    fs::create_dir(studio.cassettes()).unwrap();
    let cassettes = studio.cassettes();
    let relay = studio.record(&bench, &["--replay", cassettes.to_str().unwrap(), "--replay-pace", "at-once"]);
    let first = ask_relayed(relay.address, &request("a tree", json!({})));
    assert_eq!(first.text(), "A green tree.");
    crate::exchange::until_metric(relay.address, "recordings", 1);
    let again = ask_relayed(relay.address, &request("a tree", json!({})));
    assert_eq!(again.body, first.body, "ids differ from answer to answer, unless it is the same one");
    end(relay);
    assert_eq!(names(&cassettes).len(), 1);
}

/// Killed in the middle of an answer, it leaves nothing that a reader would take for a recording.
#[test]
fn a_kill_leaves_whole_recordings_only() {
    let bench = Bench::take();
    let studio = Studio::new(&bench);
    let mut relay = studio.record(&bench, &[]);
    let whole = ask_relayed(relay.address, &request("a tree", json!({})));
    let endless = post("/v1/chat/completions", &streamed("endless").to_string());
    let mut running = Exchange::undescribed(relay.address, endless.as_bytes());
    running.read_until("One");
    crate::exchange::until_metric(relay.address, "exchanges_recorded_total", 1);
    relay.signal("KILL");
    assert_eq!(relay.exit_code(), None);

    let replay = studio.replay(&bench);
    assert!(replay.said().contains("1 recording"), "{}", replay.said());
    assert_eq!(told(&ask_relayed(replay.address, &request("a tree", json!({})))), told(&whole));
}

#[test]
fn a_file_that_is_no_cassette_is_told_and_the_others_serve() {
    let bench = Bench::take();
    let studio = Studio::new(&bench);
    let relay = studio.record(&bench, &[]);
    let recorded = ask_relayed(relay.address, &request("a tree", json!({})));
    end(relay);
    let name = names(&studio.cassettes()).remove(0);
    let text = fs::read_to_string(studio.cassettes().join(&name)).unwrap();
    let write = |name: &str, text: &str| fs::write(studio.cassettes().join(name), text).unwrap();
    write("000002-truncated.json", &text[..text.len() / 2]);
    write(
        "000003-later.json",
        &text.replace("\"interference_cassette\": 1", "\"interference_cassette\": 99"),
    );

    let replay = studio.replay(&bench);
    let said = replay.said();
    let warned = |name: &str| said.lines().any(|line| line.starts_with("warning: ") && line.contains(name));
    assert!(warned("000002-truncated.json:") && warned("000003-later.json:"), "{said}");
    assert_eq!(told(&ask_relayed(replay.address, &request("a tree", json!({})))), told(&recorded));
    let metrics = get(replay.address, "/metrics").body;
    assert!(metrics.contains("interference_recordings 1\n"), "{metrics}");
}
