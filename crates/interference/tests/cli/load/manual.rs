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
#[test]
fn the_quick_start_works() {
    let bench = Bench::take();
    let blocks = blocks(MANUAL, "## Quick start");
    let (script, server) = blocks[0].split_once('\n').expect("a script, and a server");
    let folder = tempfile::tempdir().unwrap();
    finish(bench.program("bash").args(["-c", script]).current_dir(folder.path())).succeeded();
    assert_eq!(server, "interference serve --script script.toml");
    let server = bench.serve(&["--script", folder.path().join("script.toml").to_str().unwrap()]);

    let run = blocks[1].replacen("interference", env!("CARGO_BIN_EXE_interference"), 1);
    let run = run.replace("http://localhost:1337/v1", &server.base_url());
    let mut shell = bench.program("bash");
    shell.args(["-c", &format!("{run} --no-certificate")]).current_dir(folder.path());
    assert!(finish(&mut shell).succeeded().contains("the objective is met"));
    assert!(folder.path().join("load.html").exists());
}

#[test]
fn the_example_of_the_readme_is_the_same() {
    let readme = blocks(README, "## Measure a server");
    let manual = blocks(MANUAL, "## Quick start");
    for (readme, manual) in readme.iter().zip(&manual[..2]) {
        assert_eq!(readme.replace("cargo run --release --", "interference"), *manual);
    }
    assert_eq!(readme.len(), 2);
}
