//! A stream is one at the socket, not only in name: pieces arrive while the model makes them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::exchange::{Exchange, TOKEN, chunks, request};

/// A prompt whose greedy answer is longer than any limit here.
const PROMPT: &str = "write a poem about a tree";

#[test]
fn pieces_arrive_while_the_model_makes_them() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let asked = request(PROMPT, json!({"max_tokens": 64, "stream": true}));
    let (_, reads) = Exchange::chat(server.address, &asked).read_whole();

    let has_content = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.contains("\"content\":\"") && text.replace("\"content\":\"\"", "").contains("\"content\":\"")
    };
    let with_content: Vec<_> = reads.iter().filter(|read| has_content(&read.bytes)).collect();
    let (first, total) = (with_content[0].after, reads.last().unwrap().after);
    println!("{} reads with content; the first after {first:?} of {total:?}", with_content.len());
    assert!(with_content.len() >= 40, "only {} reads had content", with_content.len());
    assert!(first < total / 2, "the first content came after {first:?} of {total:?}");
    // Not all in the last quarter, either.
    let late = with_content.iter().filter(|read| read.after > total * 3 / 4).count();
    assert!(late < with_content.len() / 2, "{late} of {} reads came at the end", with_content.len());
}

#[test]
fn the_stream_has_the_form_that_clients_expect() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let members =
        json!({"max_tokens": 8, "stream": true, "seed": 7, "stream_options": {"include_usage": true}});
    let (answer, reads) = Exchange::chat(server.address, &request(PROMPT, members)).read_whole();

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(answer.header("x-interference-seed"), Some("7"));
    let raw: Vec<u8> = reads.iter().flat_map(|read| read.bytes.clone()).collect();
    assert!(raw.ends_with(b"data: [DONE]\n\n\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&raw));
    for line in answer.body.lines() {
        assert!(line.is_empty() || line.starts_with("data: ") || line.starts_with(':'), "{line}");
    }

    let chunks = chunks(&answer.body);
    let same = |member: &str| chunks.iter().map(|chunk| chunk[member].to_string()).collect::<BTreeSet<_>>();
    for member in ["id", "object", "created", "model", "system_fingerprint"] {
        assert_eq!(same(member).len(), 1, "{member} changes within the stream");
    }
    assert_eq!(same("object"), BTreeSet::from(["\"chat.completion.chunk\"".to_owned()]));
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    let [.., finish, usage] = chunks.as_slice() else { panic!("{chunks:?}") };
    assert_eq!(finish["choices"][0]["finish_reason"], "length");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(
        usage["usage"],
        json!({"prompt_tokens": 36, "completion_tokens": 8, "total_tokens": 44}),
        "the prompt of this model has 36 tokens"
    );
    let finishes = chunks.iter().filter(|chunk| chunk["choices"][0]["finish_reason"] != Value::Null);
    // A chunk without choices has no member `finish_reason` either, which reads as null.
    assert_eq!(finishes.count(), 1);
}

#[test]
fn a_request_without_a_seed_is_told_the_one_that_was_drawn() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let warm = |seed: Value| request(PROMPT, json!({"max_tokens": 12, "temperature": 1, "seed": seed}));
    let (first, _) = Exchange::chat(server.address, &warm(Value::Null)).read_whole();
    let seed: u64 = first.header("x-interference-seed").unwrap().parse().unwrap();
    let (again, _) = Exchange::chat(server.address, &warm(seed.into())).read_whole();
    assert_eq!(again.text(), first.text());
}

#[test]
fn comments_fill_the_silence_in_the_queue_and_in_a_long_prompt() {
    let bench = Bench::take();
    let server = bench.serve(&["--streams", "1", "--ping", "0.02"]);
    let members = json!({"max_tokens": 4000, "stream": true, "temperature": 1, "seed": 1});
    let mut running = Exchange::chat(server.address, &request("Write a very long story.", members));
    running.read_until(TOKEN);
    let short = json!({"max_tokens": 2, "stream": true});
    let mut waiting = Exchange::chat(server.address, &request(PROMPT, short.clone()));
    waiting.read_until(": waiting\n\n");
    drop(running);
    let (answer, _) = waiting.read_whole();
    let events: String =
        answer.body.split_inclusive("\n\n").filter(|event| *event != ": waiting\n\n").collect();
    assert_eq!(chunks(&events).len(), 4, "{}", answer.body);

    let mut reading = Exchange::chat(server.address, &request(&"tree ".repeat(1500), short));
    reading.read_until(": waiting\n\n");
    assert!(reading.read_whole().0.body.ends_with("data: [DONE]\n\n"));
}
