//! What the README promises to the byte.

use crate::bench::Bench;

const README: &str = include_str!("../../../../README.md");
const COMMAND: &str = "cargo run --release -- ";

/// The text block that follows directly on a block of one command, and that command's arguments.
fn transcript() -> (Vec<String>, String) {
    let (before, after) = README.split_once("\n```\n```text\n").expect("there is a command with its output");
    let command = before.rsplit("```sh\n").next().unwrap();
    let output = after.split("```").next().unwrap();
    let arguments = command.strip_prefix(COMMAND).expect("the command is ours");
    // Words in quotes belong together.
    let parts = arguments.split('"').enumerate();
    let words = parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    (words.collect(), output.to_owned())
}

#[test]
fn the_transcript_is_what_the_command_prints() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let (arguments, output) = transcript();
    let base_url = server.base_url();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    words.extend(["--base-url", &base_url]);
    assert_eq!(bench.run(&words).succeeded(), output);
}

#[test]
fn the_two_commands_come_first() {
    let blocks: Vec<&str> =
        README.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert_eq!(blocks[0], "cargo run --release -- chat \"write a poem about a tree\"\n");
    assert_eq!(blocks[1], "cargo xtask test\n");
}
