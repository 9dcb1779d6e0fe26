//! `docs/check.md`, whose commands are run as they stand there, and `docs/check-cases.md`, which is what the code says.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use interference_catalogue::Source;
use interference_check_server::{CATALOGUE, Case, Section};
use interference_report::Level;

use crate::bench::{Bench, finish};

const PAGE: &str = include_str!("../../../../docs/check.md");
const CASES: &str = include_str!("../../../../docs/check-cases.md");
const EXAMPLE: &str = include_str!("../../../check-server/src/sections/sse.rs");

/// The server of all commands on the page.
const SERVER: &str = "http://localhost:1337/v1";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands in blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fenced = PAGE.split("```").skip(1).step_by(2);
    fenced.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// The script of the sound server, put together as `cargo xtask mutants` does it.
fn sound_script() -> String {
    let mut parts: Vec<PathBuf> = fs::read_dir(workspace().join("fixtures/check-server"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    parts.sort();
    parts.iter().map(|part| fs::read_to_string(part).unwrap()).collect()
}

#[test]
fn every_command_of_the_page_runs() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.toml");
    fs::write(&script, sound_script()).unwrap();
    let server = bench.serve_with(&["--script", script.to_str().unwrap()], &[]);
    server.until_said("ready");
    let in_workflow = blocks("yaml").into_iter().flat_map(str::lines);
    let in_workflow = in_workflow.filter_map(|line| line.trim().strip_prefix("run: "));
    let in_shell = blocks("sh").into_iter().flat_map(str::lines);
    let commands: Vec<&str> =
        in_shell.chain(in_workflow).filter(|line| line.starts_with("interference ")).collect();
    assert_eq!(commands.len(), 9, "{commands:#?}");
    let binary = Path::new(env!("CARGO_BIN_EXE_interference")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    for command in commands {
        let mut shell = bench.program("bash");
        let command = command.replace(SERVER, &server.base_url());
        shell.args(["-c", &command]).current_dir(folder.path()).env("PATH", &path);
        finish(&mut shell).succeeded();
    }
    for report in ["sse.html", "known.txt", "check.xml", "check.html"] {
        assert!(folder.path().join(report).exists(), "no {report}");
    }
}

#[test]
fn the_example_is_a_case() {
    let examples = blocks("rust");
    assert_eq!(examples.len(), 2);
    for example in examples {
        assert!(EXAMPLE.contains(example), "not in the code: {example}");
    }
}

#[test]
fn the_page_has_every_option() {
    let help = Bench::take().run(&["check", "--help"]).succeeded();
    let names = help.split_whitespace().filter(|word| word.starts_with("--"));
    for name in names.map(|word| word.trim_end_matches(',')).filter(|name| *name != "--help") {
        let told = [format!("`{name}`"), format!("`{name} "), format!(" {name} ")];
        let told = told.iter().any(|told| PAGE.contains(told));
        assert!(told || ["--verbose...", "--quiet"].contains(&name), "{name} is not in the table");
    }
}

#[test]
fn the_catalogue_is_as_the_code_has_it() {
    let expected = catalogue();
    if CASES != expected {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check-cases.md");
        fs::write(&path, expected).unwrap();
        panic!("docs/check-cases.md is not what the code says; {} is", path.display());
    }
}

fn catalogue() -> String {
    let sections: Vec<&Section> = CATALOGUE.iter().filter(|section| !section.cases.is_empty()).collect();
    let cases = sections.iter().map(|section| section.cases.len()).sum::<usize>();
    let mut page = format!(
        "# What is judged\n\nThe {cases} cases of [`interference check`](check.md). This page is made of the code: a test \
         holds it against the\ncatalogue, and leaves the right one beside where they differ.\n"
    );
    for section in sections {
        write!(
            page,
            "\n## {}\n\n| case | level | what must hold | rests on |\n| --- | --- | --- | --- |\n",
            section.title
        )
        .unwrap();
        section.cases.iter().for_each(|case| page.push_str(&row(case)));
    }
    page
}

fn row(case: &Case) -> String {
    let level = match case.level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
    };
    let clauses = case.clauses.iter().map(|clause| {
        let place = format!("{}, {}", clause.source.name(), clause.place);
        cell(&match (clause.source, clause.quote) {
            (_, "") => place,
            // What was reported stands in our own words.
            (Source::FieldReport, what) => format!("{place}: {what}"),
            (_, quote) => format!("{place}: “{quote}”"),
        })
    });
    let clauses: Vec<String> = clauses.collect();
    format!("| `{}` | {level} | {} | {} |\n", case.slug, cell(case.requirement), clauses.join("<br>"))
}

/// As a cell of a table: what Markdown would take for its own is escaped.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for character in text.chars() {
        if "|*_<>[]`\\".contains(character) {
            cell.push('\\');
        }
        cell.push(character);
    }
    cell
}
