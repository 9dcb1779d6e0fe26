//! The commands with which `docs/load.md` and the README begin.

use crate::bench::{Bench, finish};

const MANUAL: &str = include_str!("../../../../../docs/load.md");
const README: &str = include_str!("../../../../../README.md");

/// The blocks of commands of a section.
fn blocks<'a>(text: &'a str, section: &str) -> Vec<&'a str> {
    let (_, section) = text.split_once(&format!("\n{section}\n")).expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    section.split("```sh\n").skip(1).map(|block| block.split("\n```").next().unwrap()).collect()
}

/// A script, a server and a run, as they stand there, but for the port and the time that the tester takes for itself.
fn works(bench: &Bench, blocks: &[&str], program: &str) {
    let [serving, loading, ..] = blocks else { panic!("there is a server, and a run") };
    let folder = tempfile::tempdir().unwrap();
    let (script, server) = serving.split_once('\n').expect("a script, and a server");
    finish(bench.program("bash").args(["-c", script]).current_dir(folder.path())).succeeded();
    assert_eq!(server, format!("{program} serve --script script.toml"));
    let server = bench.serve(&["--script", folder.path().join("script.toml").to_str().unwrap()]);

    let ours = loading.replace(program, env!("CARGO_BIN_EXE_interference"));
    let ours = ours.replace("http://localhost:1337/v1", &server.base_url());
    let run = finish(
        bench.program("bash").args(["-c", &format!("{ours} --no-certificate")]).current_dir(folder.path()),
    );
    assert!(run.succeeded().contains("goodput"));
    assert!(folder.path().join("load.html").exists());
}

#[test]
fn the_quick_start_works() {
    let bench = Bench::take();
    works(&bench, &blocks(MANUAL, "## Quick start"), "interference");
}

#[test]
fn the_example_of_the_readme_works() {
    let bench = Bench::take();
    works(&bench, &blocks(README, "## Measure a server"), "cargo run --release --");
}
