//! Answers that end before their end: the server dies, the user presses Ctrl-C, the reader goes away.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{ChildStdout, Stdio};
use std::thread;

use serde_json::Value;

use crate::bench::{Bench, Running, Server, finish};
use crate::our_schemas;

/// Begins a long answer, and waits for the first piece of it on stdout.
fn begin(bench: &Bench, server: &Server) -> (Running, ChildStdout, String) {
    let mut command = bench.command(&["chat", "--temperature", "0", "--base-url", &server.base_url()]);
    command.args(["--max-tokens", "2000", super::PROMPT]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running { child: command.spawn().unwrap() };
    let mut stdout = running.child.stdout.take().unwrap();
    let mut first = [0; 64];
    let length = stdout.read(&mut first).unwrap();
    (running, stdout, String::from_utf8(first[..length].to_vec()).unwrap())
}

#[test]
fn when_the_server_dies_the_text_stays_and_the_exit_code_tells() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let (running, mut stdout, mut text) = begin(&bench, &server);
    server.signal("KILL");
    stdout.read_to_string(&mut text).unwrap();
    let finished = running.finish();
    assert!(finished.failed_with(1).contains("broke off"), "{finished:#?}");
    assert!(text.starts_with("In"), "{text}");
    assert!(text.ends_with('\n'), "the shell's prompt goes on a line of its own: {text:?}");
}

/// Half an answer, and then the end of the connection.
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
    3c\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Half\"}}]}\n\n\r\n";

#[test]
fn the_object_of_json_has_the_text_so_far_and_the_error() {
    let bench = Bench::take();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        // The end of the request's body, so that closing is no reset.
        let mut request = String::new();
        while !request.ends_with('}') {
            let mut bytes = [0; 4096];
            let length = connection.read(&mut bytes).unwrap();
            request.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
        connection.write_all(HALF.as_bytes()).unwrap();
    });
    let finished = bench.run(&["chat", "--json", "--base-url", &base_url, "-m", "any", "hi"]);
    server.join().unwrap();
    finished.failed_with(1);
    let object = our_schemas::follows("account-1.json", &finished.stdout);
    assert_eq!(object["text"], "Half");
    assert_eq!(object["finish_reason"], Value::Null);
    assert_eq!(object["error"]["type"], "broke_off");
}

#[test]
fn ctrl_c_ends_it_at_once() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let (running, mut stdout, mut text) = begin(&bench, &server);
    running.signal("INT");
    stdout.read_to_string(&mut text).unwrap();
    let finished = running.finish();
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    assert!(text.starts_with("In"), "{text}");
    assert!(!finished.stderr.contains("panicked"), "{finished:#?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let (running, stdout, _) = begin(&bench, &server);
    drop(stdout);
    let finished = running.finish();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_base_url_where_nobody_listens_is_told() {
    let bench = Bench::take();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let finished = bench.run(&["chat", "--base-url", &format!("http://{free}/v1"), "hi"]);
    assert!(finished.failed_with(3).contains(&free.to_string()), "{finished:#?}");
    let finished = finish(&mut bench.command(&["chat", "--base-url", "localhost", "hi"]));
    finished.failed_with(2);
}
