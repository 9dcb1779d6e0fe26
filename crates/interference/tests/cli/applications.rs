//! The examples of `docs/testing-your-application.md`: every file and every command as it stands there, beside the real
//! binary, with the output that the page shows.
//!
//! A block that names a file in its first line, behind a comment sign, is that file. A block of shell without a name is
//! a command, and the block of text behind it what the command prints.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use interference_faults::Plan;

use crate::bench::{Bench, finish, from_xtask};

const PAGE: &str = include_str!("../../../../docs/testing-your-application.md");
const RUST_CLIENT: &str = include_str!("../../../../clients/rust/src/main.rs");
const RUST_MANIFEST: &str = include_str!("../../../../clients/rust/Cargo.toml");

/// The commands of the page, in its order, without what stands before them to start a server.
const COMMANDS: [&str; 5] = [PYTHON_CUT, NODE_CUT, RUST_CUT, PYTHON_TOOL, NODE_PATIENCE];

const PYTHON_CUT: &str = "python3 survives_a_cut.py";
const NODE_CUT: &str = "node survives-a-cut.mjs";
/// What it runs was built before the tests.
const RUST_CUT: &str = "cargo run --quiet";
const PYTHON_TOOL: &str = "python3 runs_a_tool.py";
const NODE_PATIENCE: &str = "node is-patient.mjs";

#[derive(Debug, Clone, Copy)]
struct Block {
    language: &'static str,
    text: &'static str,
}

impl Block {
    /// The file that it is: `# NAME` or `// NAME` in its first line, or in the second behind `#!`. More may follow a
    /// colon or a space.
    fn file_name(self) -> Option<&'static str> {
        let line = self.text.lines().find(|line| !line.starts_with("#!"))?;
        let comment = line.strip_prefix("# ").or_else(|| line.strip_prefix("// "))?;
        comment.split_whitespace().next()
    }
}

fn blocks() -> Vec<Block> {
    // What stands between fences is every second part.
    let fenced = PAGE.split("```").skip(1).step_by(2);
    let block = |part: &'static str| {
        let (language, text) = part.split_once('\n').expect("a block has a first line");
        Block { language, text }
    };
    fenced.map(block).collect()
}

/// Commands, each with the output that follows it.
fn transcripts() -> Vec<(&'static str, &'static str)> {
    let blocks = blocks();
    let pairs = blocks.windows(2).filter(|pair| pair[1].language == "text");
    pairs.map(|pair| (pair[0].text, pair[1].text)).collect()
}

fn block_of(file_name: &str) -> Block {
    let mut found = blocks().into_iter().filter(|block| block.file_name() == Some(file_name));
    found.next().unwrap_or_else(|| panic!("the page has no file {file_name}"))
}

/// A folder with all files of the page, as a reader would have it who saved each.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for block in blocks() {
        let Some(name) = block.file_name() else { continue };
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, block.text).unwrap();
        if block.text.starts_with("#!") {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
    }
    folder
}

/// The binary first, then an interpreter with the SDK, then all that there is.
fn search_path() -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_interference")).parent().unwrap();
    let python = from_xtask("INTERFERENCE_TEST_PYTHON");
    let others = std::env::var("PATH").unwrap();
    format!("{}:{}:{others}", binary.display(), python.parent().unwrap().display())
}

/// Runs the one command of the page that ends so.
#[track_caller]
fn run(ending: &str) {
    let bench = Bench::take();
    let folder = folder();
    let packages = from_xtask("INTERFERENCE_TEST_NODE_CLIENT").join("node_modules");
    symlink(packages, folder.path().join("node_modules")).unwrap();
    let rust = from_xtask("INTERFERENCE_TEST_RUST_CLIENT");
    let mut found = transcripts().into_iter().filter(|(command, _)| command.trim_end().ends_with(ending));
    let (command, output) = found.next().unwrap_or_else(|| panic!("the page does not run `{ending}`"));
    let command = command.replace(RUST_CUT, rust.to_str().unwrap());
    let mut shell = bench.program("bash");
    shell.args(["-e", "-c", &command]).current_dir(folder.path()).env("PATH", search_path());
    assert_eq!(finish(&mut shell).succeeded(), output);
}

#[test]
fn a_python_application_survives_a_stream_that_is_cut() {
    run(PYTHON_CUT);
}

#[test]
fn a_node_application_survives_a_stream_that_is_cut() {
    run(NODE_CUT);
}

#[test]
fn a_rust_application_survives_a_stream_that_is_cut() {
    run(RUST_CUT);
}

#[test]
fn a_python_application_runs_a_tool() {
    run(PYTHON_TOOL);
}

#[test]
fn a_node_application_waits_when_it_is_told_to() {
    run(NODE_PATIENCE);
}

#[test]
fn every_command_of_the_page_is_run() {
    let transcripts = transcripts();
    let commands: Vec<&str> = transcripts.iter().map(|(command, _)| command.trim_end()).collect();
    assert_eq!(commands.len(), COMMANDS.len(), "{commands:#?}");
    for (command, ending) in commands.iter().zip(COMMANDS) {
        assert!(command.ends_with(ending), "`{command}` is not `{ending}`");
    }
    let outputs = blocks().iter().filter(|block| block.language == "text").count();
    assert_eq!(outputs, COMMANDS.len(), "an output belongs to no command");
}

#[test]
fn the_rust_client_is_that_of_the_page() {
    assert_eq!(RUST_CLIENT, block_of("src/main.rs").text);
    let dependencies = blocks().into_iter().find(|block| block.text.starts_with("[dependencies]\n"));
    let dependencies = dependencies.expect("the page names what is needed").text;
    assert!(RUST_MANIFEST.contains(&format!("\n{dependencies}\n")), "{RUST_MANIFEST}");
}

#[test]
fn every_plan_of_the_table_is_one() {
    let plans: Vec<&str> = PAGE
        .lines()
        .filter_map(|line| line.strip_suffix("` |")?.rsplit_once("`#"))
        .map(|(_, plan)| plan)
        .collect();
    assert!(plans.len() > 10, "{plans:#?}");
    for plan in plans {
        let parsed: Plan = plan.parse().unwrap_or_else(|error| panic!("{plan}: {error}"));
        assert!(!parsed.is_empty(), "{plan}");
    }
}
