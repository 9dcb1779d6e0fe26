//! The pages of both judges, whose commands are run as they stand there, and the lists of their cases, which are what the
//! code says.

mod clients;
mod servers;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use interference_catalogue::{Clause, Source};
use interference_report::Level;

use crate::bench::Bench;

/// The text of a page in Markdown.
struct Page(&'static str);

impl Page {
    /// What stands in blocks of a language.
    fn blocks(&self, language: &str) -> Vec<&'static str> {
        let fenced = self.0.split("```").skip(1).step_by(2);
        fenced.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
    }

    /// The commands of its shell blocks, then those of its workflows.
    fn commands(&self) -> Vec<&'static str> {
        let in_workflow = self.blocks("yaml").into_iter().flat_map(str::lines);
        let in_workflow = in_workflow.filter_map(|line| line.trim().strip_prefix("run: "));
        let in_shell = self.blocks("sh").into_iter().flat_map(str::lines);
        in_shell.chain(in_workflow).filter(|line| line.starts_with("interference ")).collect()
    }

    /// Whether it tells of all that a verb takes.
    fn has_every_option(&self, verb: &str) {
        let help = Bench::take().run(&[verb, "--help"]).succeeded();
        let names = help.split_whitespace().filter(|word| word.starts_with("--") && *word != "--");
        for name in names.map(|word| word.trim_end_matches(',')).filter(|name| *name != "--help") {
            let told = [format!("`{name}`"), format!("`{name} "), format!(" {name} ")];
            let told = told.iter().any(|told| self.0.contains(told));
            assert!(told || ["--verbose...", "--quiet"].contains(&name), "{name} is not in the table");
        }
    }
}

/// A command in a folder, with the binary on its path.
fn shell(bench: &Bench, command: &str, folder: &Path) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_interference")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut shell = bench.program("bash");
    shell.args(["-c", command]).current_dir(folder).env("PATH", path);
    shell
}

/// Holds a list of cases against the right one, and leaves that beside where they differ.
fn hold(name: &str, page: &str, expected: &str) {
    if page != expected {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, expected).unwrap();
        panic!("docs/{name} is not what the code says; {} is", path.display());
    }
}

/// Cases under one heading.
struct Group {
    title: &'static str,
    rows: Vec<Row>,
}

/// A case, and what the columns of its own say of it.
struct Row {
    slug: &'static str,
    level: Level,
    cells: Vec<&'static str>,
    clauses: &'static [Clause],
}

/// The page that lists the cases of a verb.
fn catalogue(verb: &str, columns: &[&str], groups: Vec<Group>) -> String {
    let cases = groups.iter().map(|group| group.rows.len()).sum::<usize>();
    let mut page = format!(
        "# What is judged\n\nThe {cases} cases of [`interference {verb}`]({verb}.md). This page is made of the code: a test \
         holds it against the\ncatalogue, and leaves the right one beside where they differ.\n"
    );
    let head = format!("| case | level | {} | rests on |", columns.join(" | "));
    let rule = "| --- ".repeat(columns.len() + 3);
    for group in groups.iter().filter(|group| !group.rows.is_empty()) {
        write!(page, "\n## {}\n\n{head}\n{rule}|\n", group.title).unwrap();
        group.rows.iter().for_each(|row| page.push_str(&line(row)));
    }
    page
}

fn line(row: &Row) -> String {
    let cells: Vec<String> = row.cells.iter().map(|text| cell(text)).collect();
    let clauses = row.clauses.iter().map(|clause| {
        let place = format!("{}, {}", clause.source.name(), clause.place);
        cell(&match (clause.source, clause.quote) {
            (_, "") => place,
            // What was reported stands in our own words.
            (Source::FieldReport, what) => format!("{place}: {what}"),
            (_, quote) => format!("{place}: “{quote}”"),
        })
    });
    let clauses: Vec<String> = clauses.collect();
    format!("| `{}` | {} | {} | {} |\n", row.slug, row.level.word(), cells.join(" | "), clauses.join("<br>"))
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
