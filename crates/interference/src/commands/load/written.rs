//! Command lines that are written elsewhere, in pages and in a manifest, held against the command line that there is.

use clap::Parser;
use saphyr_parser::{Event, Parser as YamlParser};

use crate::cli::CommandLine;

const MANIFEST: &str = include_str!("../../../../../deploy/kubernetes/load-job.yaml");
const MANUAL: &str = include_str!("../../../../../docs/load.md");
const README: &str = include_str!("../../../../../README.md");

#[track_caller]
fn parses(words: &[String]) {
    if let Err(error) = CommandLine::try_parse_from(words) {
        panic!("{words:?}: {error}");
    }
}

/// The words of a command as a shell takes them, where quotes are single ones and stand around whole words.
fn words(command: &str) -> Vec<String> {
    let parts = command.split('\'').enumerate();
    let words = parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

#[test]
fn every_command_of_the_pages_parses() {
    for (page, program, least) in [(MANUAL, "interference ", 8), (README, "cargo run --release -- ", 1)] {
        let blocks = page.split("```sh\n").skip(1).map(|block| block.split("\n```").next().unwrap());
        let lines: Vec<String> = blocks
            .flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let ours = lines.iter().filter_map(|line| line.strip_prefix(program));
        let of_load: Vec<&str> = ours.filter(|words| words.starts_with("load ")).collect();
        assert!(of_load.len() >= least, "{of_load:?}");
        for command in of_load {
            parses(&words(&format!("interference {command}").replace("$START", "+2m")));
        }
    }
}

/// The scalars of the list that is the value of a key, which is there once.
fn list_of(text: &str, key: &str) -> Vec<String> {
    let events = YamlParser::new_from_str(text).map(|event| event.unwrap().0);
    let mut after_key =
        events.skip_while(|event| !matches!(event, Event::Scalar(text, ..) if text == key)).skip(1);
    assert!(matches!(after_key.next(), Some(Event::SequenceStart(..))), "{key} is a list");
    let items = after_key.by_ref().map_while(|event| match event {
        Event::Scalar(text, ..) => Some(text.into_owned()),
        _ => None,
    });
    let items = items.collect();
    // What follows is YAML, too.
    assert!(after_key.count() > 0);
    items
}

#[test]
fn the_manifest_runs_a_shard_of_as_many_as_there_are() {
    let args = list_of(MANIFEST, "args");
    let pods = MANIFEST.lines().find_map(|line| line.trim().strip_prefix("completions: ")).unwrap();
    assert!(MANIFEST.contains(&format!("\n  parallelism: {pods}\n")));
    assert!(MANIFEST.contains("\n  completionMode: Indexed\n"));
    assert!(args.contains(&format!("--shard=$(JOB_COMPLETION_INDEX)/{pods}")), "{args:?}");
    for index in 0..pods.parse::<u32>().unwrap() {
        let filled = args.iter().map(|word| {
            word.replace("$(JOB_COMPLETION_INDEX)", &index.to_string()).replace("$(START_AT)", "+3m")
        });
        let words: Vec<String> = [list_of(MANIFEST, "command"), filled.collect()].concat();
        assert!(!words.iter().any(|word| word.contains("$(")), "{words:?}");
        parses(&words);
    }
}

#[test]
fn the_start_of_the_manifest_is_one_that_can_be_replaced() {
    let start = "2030-01-31T12:00:00Z";
    assert!(MANIFEST.contains(&format!("value: \"{start}\"")));
    assert!(MANIFEST.contains(&format!("sed \"s/{start}/$start/\"")));
    humantime::parse_rfc3339(start).unwrap();
}
