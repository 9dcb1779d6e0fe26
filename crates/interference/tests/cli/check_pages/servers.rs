//! `docs/check.md` and `docs/check-cases.md`.

use std::fs;

use interference_check_server::CATALOGUE;

use super::{Group, Page, Row, hold};
use crate::bench::{Bench, finish};
use crate::check::sound_script;

const PAGE: Page = Page(include_str!("../../../../../docs/check.md"));
const CASES: &str = include_str!("../../../../../docs/check-cases.md");
const EXAMPLE: &str = include_str!("../../../../check-server/src/sections/sse.rs");

/// The server of all commands on the page.
const SERVER: &str = "http://localhost:1337/v1";

#[test]
fn every_command_of_the_page_runs() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.toml");
    fs::write(&script, sound_script()).unwrap();
    let server = bench.serve_with(&["--script", script.to_str().unwrap()], &[]);
    server.until_said("ready");
    let commands = PAGE.commands();
    assert_eq!(commands.len(), 9, "{commands:#?}");
    for command in commands {
        let command = command.replace(SERVER, &server.base_url());
        finish(&mut super::shell(&bench, &command, folder.path())).succeeded();
    }
    for report in ["sse.html", "known.txt", "check.xml", "check.html"] {
        assert!(folder.path().join(report).exists(), "no {report}");
    }
}

#[test]
fn the_example_is_a_case() {
    let examples = PAGE.blocks("rust");
    assert_eq!(examples.len(), 2);
    for example in examples {
        assert!(EXAMPLE.contains(example), "not in the code: {example}");
    }
}

#[test]
fn the_page_has_every_option() {
    PAGE.has_every_option("check");
}

#[test]
fn the_catalogue_is_as_the_code_has_it() {
    let groups = CATALOGUE.iter().map(|section| Group {
        title: section.title,
        rows: section
            .cases
            .iter()
            .map(|case| Row {
                slug: case.slug,
                level: case.level,
                cells: vec![case.requirement],
                clauses: case.clauses,
            })
            .collect(),
    });
    hold("check-cases.md", CASES, &super::catalogue("check", &["what must hold"], groups.collect()));
}
