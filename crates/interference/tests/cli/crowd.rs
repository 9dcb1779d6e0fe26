//! Many connections that idle, and many clients that crawl, beside streams that others want.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::exchange::{Answer, Exchange, TimedRead, chunks, post, request, until_metric};

const IDLE: usize = 500;
/// Clients that read slowly. Each costs the system what it holds for a connection that nobody reads.
const READERS: usize = 40;
/// Clients that write slowly.
const WRITERS: usize = 160;
/// Line feeds in the answer of those who read slowly, each two bytes of JSON: more than the system takes for them.
const FLOOD: usize = 3_500_000;
const STREAMS: usize = 8;
const WORDS: u32 = 40;
const BETWEEN_PIECES: Duration = Duration::from_millis(20);
/// What a slow client takes or gives at a time, in bytes.
const CRUMB: usize = 16;

/// What all of them may take of the server's memory: for each connection what the HTTP library holds of it, and for each
/// that reads slowly the piece at hand and what the journal keeps of its answer.
const MORE_MEMORY: u64 = (IDLE + READERS + WRITERS) as u64 * (64 << 10) + READERS as u64 * (512 << 10);

fn script() -> String {
    let flood = "\n".repeat(FLOOD);
    format!(
        "[[rule]]\nwhen = {{ text = \"flood\" }}\nanswer = {{ text = \"\"\"{flood}\"\"\", pieces = {{ characters = 10000 }} }}\n\
         [[rule]]\nanswer = {{ text = \"{}\", latency = {{ first_token = \"20ms\", between_tokens = \"20ms\" }} }}\n",
        words()
    )
}

fn words() -> String {
    (0..WORDS).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ")
}

fn words_in_order(answer: &Answer, reads: &[TimedRead]) {
    assert_eq!(answer.text(), words());
    // The role before them, the reason of the end behind them.
    assert_eq!(chunks(&answer.body).len(), WORDS as usize + 2);
    let with_words: Vec<_> =
        reads.iter().filter(|read| String::from_utf8_lossy(&read.bytes).contains("word")).collect();
    // While the slow readers' answers begin, words may come late, and together.
    assert!(with_words.len() >= WORDS as usize / 2, "only {} reads had words", with_words.len());
    for (number, read) in (1..).zip(&with_words) {
        // Several may come in one read, on a busy machine, but none before its time.
        assert!(read.after >= BETWEEN_PIECES * number, "word {number} came after {:?}", read.after);
    }
    let last = with_words[with_words.len() - 1].after;
    assert!(last < BETWEEN_PIECES * WORDS + Duration::from_secs(2), "the last word came after {last:?}");
}

/// A client whose system takes little ahead of it.
fn narrow(runtime: &Runtime, address: SocketAddr) -> TcpStream {
    let connection = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    connection.set_nonblocking(false).unwrap();
    connection
}

/// Lets the one read and the other write crumbs until the end is told.
fn crawl(mut readers: Vec<TcpStream>, mut writers: Vec<TcpStream>, end: &Receiver<()>) {
    while end.recv_timeout(BETWEEN_PIECES) == Err(RecvTimeoutError::Timeout) {
        for reader in &mut readers {
            reader.read_exact(&mut [0; CRUMB]).unwrap();
        }
        for writer in &mut writers {
            writer.write_all(&[b' '; CRUMB]).unwrap();
        }
    }
}

#[test]
fn idle_and_slow_clients_disturb_nobody() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.toml");
    std::fs::write(&path, script()).unwrap();
    let server = bench.serve(&["--script", path.to_str().unwrap()]);
    let address = server.address;
    let count = request("count", json!({"model": "any", "stream": true}));
    Exchange::chat(address, &count).read_whole();
    let before = server.memory_bytes("VmRSS");

    let idle: Vec<TcpStream> = (0..IDLE).map(|_| TcpStream::connect(address).unwrap()).collect();
    // Some have begun to ask.
    for mut connection in idle.iter().step_by(2) {
        connection.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: loc").unwrap();
    }
    let flood = request("flood", json!({"model": "any", "stream": true})).to_string();
    let flood = post("/v1/chat/completions", &flood);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let open = |asked: &str| {
        let mut connection = narrow(&runtime, address);
        connection.write_all(asked.as_bytes()).unwrap();
        connection
    };
    let readers: Vec<TcpStream> = (0..READERS).map(|_| open(&flood)).collect();
    let (head, _body) = flood.split_once("\r\n\r\n").unwrap();
    let endless = format!("{}\r\n\r\n{{", head.replace("content-length: ", "content-length: 999"));
    let writers: Vec<TcpStream> = (0..WRITERS).map(|_| open(&endless)).collect();
    let (end, ends) = channel();
    let slow = thread::spawn(move || crawl(readers, writers, &ends));
    until_metric(address, "requests_in_flight", READERS + WRITERS);

    let streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let count = count.clone();
            thread::spawn(move || Exchange::chat(address, &count).read_whole())
        })
        .collect();
    for stream in streams {
        let (answer, reads) = stream.join().unwrap();
        words_in_order(&answer, &reads);
    }
    // They are all still there, and the one that asks.
    until_metric(address, "requests_in_flight", READERS + WRITERS);
    until_metric(address, "connections_open", IDLE + READERS + WRITERS + 1);
    let more = server.memory_bytes("VmRSS").saturating_sub(before);
    println!("{} connections take {more} bytes beside {before}", IDLE + READERS + WRITERS);
    assert!(more < MORE_MEMORY, "{more} bytes more than {before}");
    drop(end);
    slow.join().unwrap();
}
