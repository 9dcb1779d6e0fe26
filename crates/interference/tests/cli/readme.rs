//! What the README promises to the byte.

use crate::bench::{Bench, Server, finish};

const README: &str = include_str!("../../../../README.md");
const COMMAND: &str = "cargo run --release -- ";

/// The text block that follows directly on a block of one command, the first of these, and that command's arguments.
fn transcript(text: &str) -> (Vec<String>, String) {
    let (before, after) = text.split_once("\n```\n```text\n").expect("there is a command with its output");
    let command = before.rsplit("```sh\n").next().unwrap();
    let output = after.split("```").next().unwrap();
    (arguments(command), output.to_owned())
}

fn arguments(command: &str) -> Vec<String> {
    let arguments = command.strip_prefix(COMMAND).expect("the command is ours");
    // Words in quotes belong together.
    let parts = arguments.split('"').enumerate();
    let words = parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

#[test]
fn the_transcript_is_what_the_command_prints() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let (arguments, output) = transcript(README);
    let base_url = server.base_url();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    words.extend(["--base-url", &base_url]);
    assert_eq!(bench.run(&words).succeeded(), output);
}

#[test]
fn the_cut_answer_is_what_the_command_prints() {
    let bench = Bench::take();
    let (_, section) = README.split_once("## Test your application\n").expect("the section is there");
    let (_, block) = section.split_once("```sh\n").expect("it begins with a server");
    let (script, server) = block.split("\n```").next().unwrap().split_once('\n').expect("of two lines");
    let folder = tempfile::tempdir().unwrap();
    finish(bench.program("bash").args(["-c", script]).current_dir(folder.path())).succeeded();

    let path = folder.path().join("script.toml");
    let server = arguments(server).join(" ").replace("script.toml", path.to_str().unwrap());
    let server: Vec<&str> = server.split(' ').collect();
    let server = bench.serve(server.strip_prefix(&["serve"]).expect("it is a server"));

    let (mut arguments, output) = transcript(section);
    arguments.extend(["--base-url".to_owned(), server.base_url()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let finished = bench.run(&arguments);
    finished.failed_with(1);
    assert_eq!(finished.stdout + &finished.stderr, output);
}

#[test]
fn the_two_commands_come_first() {
    let blocks: Vec<&str> =
        README.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert_eq!(blocks[0], "cargo run --release -- chat \"write a poem about a tree\"\n");
    assert_eq!(blocks[1], "cargo xtask test\n");
}

#[test]
fn what_is_recorded_is_played_back() {
    let bench = Bench::take();
    let (_, section) = README.split_once("## Record a provider, and play it back\n").expect("it is there");
    let commands: Vec<Vec<String>> = section
        .split("```sh\n")
        .skip(1)
        .take(2)
        .map(|block| arguments(block.split("\n```").next().unwrap()))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.toml");
    std::fs::write(&script, "[[rule]]\nanswer.text = \"An oak.\"\n").unwrap();
    let provider = bench.serve(&["--script", script.to_str().unwrap()]);
    let cassettes = folder.path().join("cassettes");
    let serve = |arguments: &[String]| {
        let words: Vec<String> = arguments[1..]
            .iter()
            .map(|word| match word.as_str() {
                "cassettes" => cassettes.to_str().unwrap().to_owned(),
                _ => word.replace("https://api.openai.com/v1", &provider.base_url()),
            })
            .collect();
        bench.serve(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let said = |server: &Server| {
        bench.run(&["chat", "a poem", "--model", "gpt-4o", "--base-url", &server.base_url()]).succeeded()
    };

    let mut recording = serve(&commands[0]);
    assert_eq!(said(&recording), "An oak.\n");
    recording.signal("TERM");
    assert_eq!(recording.exit_code(), Some(0));
    assert_eq!(said(&serve(&commands[1])), "An oak.\n");
}
