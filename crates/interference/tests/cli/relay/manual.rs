//! The commands of `docs/relay.md` and `docs/cassettes.md`, as they stand there, with servers of our own in the place of
//! everybody else's.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::bench::{Bench, Server, finish};
use crate::exchange::{Answer, ask_relayed, request};

const RELAY: &str = include_str!("../../../../../docs/relay.md");
const CASSETTES: &str = include_str!("../../../../../docs/cassettes.md");

/// The blocks in this language of a part of a page, which begins with this line and ends with the next heading of two signs
/// or three.
fn blocks(page: &'static str, heading: &str, language: &str) -> Vec<&'static str> {
    let (_, part) = page.split_once(&format!("{heading}\n")).expect("the part is there");
    let part = part.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
    let fence = format!("```{language}\n");
    part.split(fence.as_str()).skip(1).map(|block| block.split("\n```").next().unwrap()).collect()
}

/// What `interference` is told in a line of a page.
fn arguments(line: &str) -> Vec<String> {
    let (_, arguments) = line.split_once("interference ").expect("the command is ours");
    // Words in quotes belong together.
    let parts = arguments.split('"').enumerate();
    let words = parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// A server whose every answer is its own name, for these models.
fn engine(bench: &Bench, folder: &Path, name: &str, models: &[&str], key: &[&str]) -> Server {
    let script = folder.join(format!("{name}.toml"));
    std::fs::write(&script, format!("models = {models:?}\n[[rule]]\nanswer.text = \"I am {name}.\"\n"))
        .unwrap();
    bench.serve(&[&["--script", script.to_str().unwrap()], key].concat())
}

/// The text with each of these addresses in the place of the one before it.
fn replaced(text: &str, addresses: &[(&str, &Server)]) -> String {
    addresses.iter().fold(text.to_owned(), |text, (address, server)| {
        assert!(text.contains(address), "{address} is there");
        text.replace(address, &server.base_url())
    })
}

/// Runs a server by a line of a page. `--listen` is not passed on, since the test takes a port that is free.
fn serve(bench: &Bench, folder: &Path, line: &str, variables: &[(&str, &str)]) -> Server {
    let mut words = arguments(line);
    assert_eq!(words.remove(0), "serve");
    if let Some(listen) = words.iter().position(|word| word == "--listen") {
        words.drain(listen..listen + 2);
    }
    for word in &mut words {
        if word.ends_with(".toml") || word == "cassettes" {
            *word = folder.join(&*word).to_str().unwrap().to_owned();
        }
    }
    let server = bench.serve_with(&words.iter().map(String::as_str).collect::<Vec<_>>(), variables);
    server.until_said("ready");
    server
}

fn ask_for(server: &Server, model: &str) -> Answer {
    ask_relayed(server.address, &request("a tree", json!({"model": model})))
}

/// Who answered.
fn from(answer: &Answer) -> (String, &str) {
    (answer.text(), answer.header("x-interference-upstream").unwrap_or_default())
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn one_upstream_is_served_as_the_page_says() {
    let (bench, folder) = (Bench::take(), folder());
    let openai = engine(&bench, folder.path(), "openai", &["*"], &["--api-key", "secret"]);
    let command = blocks(RELAY, "# Upstreams", "text")[0];
    assert!(command.starts_with("OPENAI_API_KEY=… "));
    let command = replaced(command, &[("https://api.openai.com/v1", &openai)]);
    let relay = serve(&bench, folder.path(), &command, &[("OPENAI_API_KEY", "secret")]);
    assert_eq!(from(&ask_for(&relay, "gpt-4o")), ("I am openai.".to_owned(), "openai"));
}

#[test]
fn several_upstreams_are_served_as_the_page_says() {
    let (bench, folder) = (Bench::take(), folder());
    let openai = engine(&bench, folder.path(), "openai", &["*"], &["--api-key", "secret"]);
    let big = engine(&bench, folder.path(), "big", &["*"], &["--api-key", "big-secret"]);
    let file = blocks(RELAY, "## Several", "toml")[0];
    let command = file.lines().find_map(|line| line.strip_prefix("# interference ")).unwrap();
    let addresses = [("https://api.openai.com/v1", &openai), ("http://10.0.0.5:8000/v1", &big)];
    std::fs::write(folder.path().join("upstreams.toml"), replaced(file, &addresses)).unwrap();
    std::fs::write(folder.path().join("big.key"), "big-secret\n").unwrap();
    let command = format!("interference {command}");
    let relay = serve(&bench, folder.path(), &command, &[("OPENAI_API_KEY", "secret")]);
    assert_eq!(from(&ask_for(&relay, "gpt-4o")), ("I am openai.".to_owned(), "openai"));
    assert_eq!(from(&ask_for(&relay, "big/llama-3.1-8b")), ("I am big.".to_owned(), "big"));
    // A connection that cannot be had costs nothing, and the fall-back answers.
    drop(openai);
    assert_eq!(from(&ask_for(&relay, "o3")), ("I am big.".to_owned(), "big"));
}

#[test]
fn a_fleet_is_served_as_the_page_says() {
    let (bench, folder) = (Bench::take(), folder());
    let model = ["llama-3.1-8b"];
    let engines = ["one", "other"].map(|name| engine(&bench, folder.path(), name, &model, &[]));
    let file = blocks(RELAY, "### A fleet", "toml")[0];
    let urls = file.lines().filter_map(|line| line.strip_prefix("url = \"")?.split('"').next());
    let addresses: Vec<(&str, &Server)> = urls.zip(engines.iter().cycle()).collect();
    assert_eq!(addresses.len(), 5);
    std::fs::write(folder.path().join("fleet.toml"), replaced(file, &addresses)).unwrap();

    let [command, asking] = blocks(RELAY, "### A fleet", "sh")[..] else { panic!("two blocks of commands") };
    let relay = serve(&bench, folder.path(), command, &[]);
    let asking = asking.replace("http://localhost:1337/v1", &relay.base_url()).replace(
        "interference chat",
        &format!("{} chat --base-url {}", env!("CARGO_BIN_EXE_interference"), relay.base_url()),
    );
    let said = finish(bench.program("bash").args(["-e", "-c", &asking])).succeeded();
    assert_eq!(said.matches("\"llama-3.1-8b\"").count(), 1, "the union has it once: {said}");
    // SGLang is the fifth, and the first engine stands for it.
    assert!(said.ends_with("I am one.\n"), "{said}");
    assert_eq!(said.matches("I am ").count(), 2, "{said}");

    let names: BTreeSet<String> =
        (0..20).map(|_| from(&ask_for(&relay, "llama-3.1-8b")).1.to_owned()).collect();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["llama-cpp", "ollama", "sglang", "vllm-1", "vllm-2"]);
}

/// What a model of this machine says is recorded by a server before it, and played to the byte.
#[test]
fn a_model_of_this_machine_is_recorded_as_the_page_says() {
    let (bench, folder) = (Bench::take(), folder());
    let commands = blocks(CASSETTES, "## What is recorded", "sh")[0];
    let [model, recorder] = commands.lines().collect::<Vec<_>>()[..] else { panic!("two commands") };
    let model = serve(&bench, folder.path(), model, &[]);
    let recorder = replaced(recorder, &[("http://localhost:1337/v1", &model)]);
    let mut recorder = serve(&bench, folder.path(), &recorder, &[]);
    let asked = request("a tree", json!({"stream": true, "max_tokens": 8}));
    let recorded = ask_relayed(recorder.address, &asked);
    assert!(!recorded.text().is_empty());
    recorder.signal("TERM");
    assert_eq!(recorder.exit_code(), Some(0));
    let replay = serve(&bench, folder.path(), "interference serve --replay cassettes", &[]);
    assert_eq!(ask_relayed(replay.address, &asked).body, recorded.body);
}
