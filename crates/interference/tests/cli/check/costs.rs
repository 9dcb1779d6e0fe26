//! What a run costs, as the server that is asked counts it: no case asks for more than the list tells beforehand.

use std::collections::BTreeMap;
use std::time::Duration;

use interference_catalogue::{Pattern, Selection};
use interference_check_server::{Cost, Judge, Judgement, Target, Wishes, cases, cost};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{KEY, sound_script};
use crate::bench::{Bench, Server};
use crate::exchange::Exchange;

/// A header by which the server's journal tells whose a request is.
const ASKER: &str = "x-asker";

/// A run that judges nothing: what comes first is all that it asks.
fn nothing() -> Selection {
    Selection { only: Vec::new(), skip: vec![Pattern::new("*")] }
}

/// Judges these cases, and marks every request with this name.
fn judged(server: &Server, selection: Selection, asker: &str) -> Judgement {
    let headers = vec![(ASKER.to_owned(), asker.to_owned())];
    let judge = Judge {
        target: Target::parse(&server.base_url(), Some(KEY.to_owned().into()), headers).unwrap(),
        selection,
        wishes: Wishes::default(),
        jobs: 4,
        silence: Duration::from_secs(10),
        longest_run: Duration::from_secs(60),
        evidence_of_all: false,
        repeat: String::new(),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(judge.run(|_| {}, |_| {})).unwrap()
}

/// What the server remembers of the requests that it got.
#[derive(Debug, Deserialize)]
struct Journal {
    requests: Vec<Entry>,
    forgotten: u64,
}

#[derive(Debug, Deserialize)]
struct Entry {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    /// Unread: one of the bodies is deeper than what is read here.
    body: Box<RawValue>,
    answer: Option<Answered>,
}

#[derive(Debug, Deserialize)]
struct Answered {
    status: u16,
}

/// What the server was asked for under this name, in requests and tokens; the journal is empty afterwards.
fn asked(server: &Server, asker: &str) -> (u64, u64) {
    let journal = |method: &str| {
        let request = format!(
            "{method} /_interference/requests HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\
             connection: close\r\n\r\n"
        );
        Exchange::undescribed(server.address, request.as_bytes()).read_whole().0.body
    };
    let told: Journal = serde_json::from_str(&journal("GET")).unwrap();
    assert_eq!(told.forgotten, 0, "the journal has room for one run");
    journal("DELETE");
    let own = |entry: &&Entry| entry.headers.get(ASKER).is_some_and(|name| name == asker);
    let own: Vec<&Entry> = told.requests.iter().filter(own).collect();
    (own.len() as u64, own.into_iter().map(tokens).sum())
}

/// The most tokens that a request asks for. An answer that is text has a bound in every request that gets one.
fn tokens(entry: &Entry) -> u64 {
    let body: Value = serde_json::from_str(entry.body.get()).unwrap_or_default();
    let limits = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
    let Some(limit) = limits.iter().find_map(|name| body[*name].as_u64()) else {
        let is_text =
            ["/v1/chat/completions", "/v1/completions", "/v1/responses"].contains(&entry.path.as_str());
        let is_taken =
            entry.method == "POST" && entry.answer.as_ref().is_some_and(|answer| answer.status == 200);
        assert!(!is_text || !is_taken, "nothing bounds the answer to {body}");
        return 0;
    };
    let several = body["prompt"].as_array().filter(|prompts| !prompts.iter().all(Value::is_number));
    limit * body["n"].as_u64().unwrap_or(1).max(1) * several.map_or(1, |prompts| prompts.len() as u64)
}

#[test]
fn no_case_asks_for_more_than_is_told_beforehand() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.toml");
    std::fs::write(&script, sound_script()).unwrap();
    let script = script.to_str().unwrap();
    let server = bench.serve_with(&["--script", script, "--allow-faults", "--api-key", KEY], &[]);
    server.until_said("ready");

    judged(&server, nothing(), "preflight");
    let before = asked(&server, "preflight");
    let mut dearer = Vec::new();
    let mut hold = |who: &str, (requests, tokens): (u64, u64), (most_requests, most_tokens): (u64, u64)| {
        if requests > most_requests || tokens > most_tokens {
            dearer.push(format!(
                "{who}: {requests} requests and {tokens} tokens, at most {most_requests} and {most_tokens} are told"
            ));
        }
    };
    hold("what comes first", before, cost(&nothing()));
    for case in cases() {
        let only = Selection { only: vec![Pattern::new(case.slug)], ..Selection::default() };
        let judgement = judged(&server, only, case.slug);
        let (requests, tokens) = asked(&server, case.slug);
        let Cost { requests: most_requests, tokens: most_tokens } = case.cost;
        let most = (u64::from(most_requests), u64::from(most_tokens));
        hold(case.slug, (requests - before.0, tokens - before.1), most);
        // With what it shares with those before it.
        hold(case.slug, (u64::from(judgement.cases[0].requests), 0), most);
    }
    judged(&server, Selection::default(), "all");
    hold("all together", asked(&server, "all"), cost(&Selection::default()));
    assert!(dearer.is_empty(), "{dearer:#?}");
}
