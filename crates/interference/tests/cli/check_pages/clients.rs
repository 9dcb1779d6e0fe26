//! `docs/check-client.md` and `docs/client-cases.md`.

use std::fs;

use interference_check_client::CATALOGUE;

use super::{Group, Page, Row, hold, shell};
use crate::bench::{Bench, finish};

const PAGE: Page = Page(include_str!("../../../../../docs/check-client.md"));
const CASES: &str = include_str!("../../../../../docs/client-cases.md");

/// The client that the example on the page is an adapter of.
const MY_CLIENT: &str = r#"
import json, urllib.request

class ClientError(Exception): pass

class Client:
    def __init__(self, base_url, api_key, timeout):
        self.url, self.key, self.timeout = base_url + "/chat/completions", api_key, timeout
    def chat(self, **members):
        head = {"content-type": "application/json", "authorization": "Bearer " + self.key}
        request = urllib.request.Request(self.url, json.dumps(members).encode(), head)
        return Stream(urllib.request.urlopen(request, timeout=self.timeout))

class Stream:
    tool_calls, usage = [], None
    def __init__(self, lines): self.lines = lines
    def __iter__(self): return (Piece(json.loads(line[6:])) for line in self.lines if line.startswith(b"data: {"))

class Piece:
    def __init__(self, chunk):
        choice = chunk["choices"][0]
        self.text, self.finish_reason = choice["delta"].get("content") or "", choice["finish_reason"]
"#;

/// The adapter of the example, and that of openai-python, in whose place it is put: adapters have tests of their own.
const ADAPTERS: [&str; 2] = ["check_my_client.py", "clients/python/check_client.py"];

#[test]
fn every_command_of_the_page_runs() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let [example] = PAGE.blocks("python").try_into().unwrap();
    fs::write(folder.path().join("my_client.py"), MY_CLIENT).unwrap();
    fs::write(folder.path().join(ADAPTERS[0]), example).unwrap();
    let commands = PAGE.commands();
    assert_eq!(commands.len(), 8, "{commands:#?}");
    for command in commands {
        // Some cases are enough to see that a command is right.
        let few = match command.contains("--only") || command.contains("--list") {
            true => command.to_owned(),
            false => command.replace("check-client ", "check-client --only stream "),
        };
        let finished = finish(&mut shell(&bench, &few.replace(ADAPTERS[1], ADAPTERS[0]), folder.path()));
        // Of all framings the small client above knows only the commonest.
        let codes = if command.contains("--only framing --only") { [0, 1] } else { [0, 0] };
        assert!(finished.code.is_some_and(|code| codes.contains(&code)), "{few}: {finished:#?}");
    }
    for report in ["client.html", "known.txt", "client.xml"] {
        assert!(folder.path().join(report).exists(), "no {report}");
    }
}

#[test]
fn the_page_has_every_option() {
    PAGE.has_every_option("check-client");
}

#[test]
fn the_page_names_every_harm() {
    let seen: Vec<&str> =
        PAGE.0.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    for harm in interference_check_client::Harm::ALL {
        assert!(seen.contains(&harm.name()), "{} is not in the table", harm.name());
    }
}

#[test]
fn the_catalogue_is_as_the_code_has_it() {
    let groups = CATALOGUE.iter().map(|group| Group {
        title: group.title,
        rows: group
            .cases
            .iter()
            .map(|case| Row {
                slug: case.slug,
                level: case.level,
                cells: vec![case.requirement, case.served, case.sound],
                clauses: case.clauses,
            })
            .collect(),
    });
    let columns = ["what must hold", "what is served", "what is sound"];
    hold("client-cases.md", CASES, &super::catalogue("check-client", &columns, groups.collect()));
}
