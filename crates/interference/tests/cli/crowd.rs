//! Many connections that idle, and many clients that do not read, beside streams that others want.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::bench::Bench;
use crate::exchange::{Exchange, TimedRead, chunks, post, request};

const IDLE: usize = 500;
const SLOW: usize = 200;
const STREAMS: usize = 8;
const BETWEEN_PIECES: Duration = Duration::from_millis(20);

/// What all of them may take of the server's memory: 64 KiB for each connection, the journal, and room for chance.
const MORE_MEMORY: u64 = 700 * 65_536 + (64 << 20) + (64 << 20);

fn script() -> String {
    let words: Vec<String> = (0..40).map(|number| format!("word{number} ")).collect();
    let flood = "flood ".repeat(200_000);
    format!(
        "[[rule]]\nwhen = {{ text = \"flood\" }}\nanswer = {{ text = \"{flood}\", pieces = {{ characters = 1000 }} }}\n\
         [[rule]]\nanswer = {{ text = \"{}\", latency = {{ first_token = \"20ms\", between_tokens = \"20ms\" }} }}\n",
        words.concat()
    )
}

fn words_in_order(answer: &crate::exchange::Answer, reads: &[TimedRead]) {
    let expected: String = (0..40).map(|number| format!("word{number} ")).collect();
    assert_eq!(answer.text(), expected);
    assert_eq!(chunks(&answer.body).len(), 42);
    let with_words: Vec<_> =
        reads.iter().filter(|read| String::from_utf8_lossy(&read.bytes).contains("word")).collect();
    assert!(with_words.len() >= 30, "only {} reads had words", with_words.len());
    for (number, read) in with_words.iter().enumerate() {
        // Several may come in one read, on a busy machine, but none before its time.
        assert!(read.after >= BETWEEN_PIECES * (number as u32), "word {number} came after {:?}", read.after);
    }
    let last = with_words[with_words.len() - 1].after;
    assert!(last < BETWEEN_PIECES * 40 + Duration::from_secs(2), "the last word came after {last:?}");
}

#[test]
fn idle_and_slow_clients_disturb_nobody() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.toml");
    std::fs::write(&path, script()).unwrap();
    let server = bench.serve(&["--script", path.to_str().unwrap()]);
    let count = json!({"model": "any", "stream": true});
    Exchange::chat(server.address, &request("count", count.clone())).read_whole();
    let before = server.memory_bytes("VmRSS");

    let idle: Vec<TcpStream> = (0..IDLE).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let flood = post("/v1/chat/completions", &request("flood", count.clone()).to_string());
    let slow: Vec<TcpStream> = (0..SLOW)
        .map(|_| {
            let mut connection = TcpStream::connect(server.address).unwrap();
            connection.write_all(flood.as_bytes()).unwrap();
            connection
        })
        .collect();
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let (address, asked) = (server.address, request("count", count.clone()));
            thread::spawn(move || Exchange::chat(address, &asked).read_whole())
        })
        .collect();
    for stream in streams {
        let (answer, reads) = stream.join().unwrap();
        words_in_order(&answer, &reads);
    }
    let after = server.memory_bytes("VmRSS");
    println!(
        "{} connections take {} bytes more than {before}",
        idle.len() + slow.len(),
        after.saturating_sub(before)
    );
    assert!(after < before + MORE_MEMORY, "{before} bytes became {after}");
}
