//! Without a base URL: the server on port 1337, or one of our own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;

use serde_json::json;

use super::{PROMPT, TREE};
use crate::bench::{Bench, Running, finish};
use crate::exchange::{Exchange, request};

/// Takes the port on both addresses of `localhost`, as far as the machine has them.
fn take_port() -> Vec<TcpListener> {
    let first = TcpListener::bind("127.0.0.1:1337")
        .unwrap_or_else(|error| panic!("these tests need port 1337, and something listens there: {error}"));
    [Some(first), TcpListener::bind("[::1]:1337").ok()].into_iter().flatten().collect()
}

/// Something that is no OpenAI server: it says this to whoever asks, and closes.
fn stranger(says: &'static str) {
    for listener in take_port() {
        thread::spawn(move || {
            let connection = listener.accept().map(|(connection, _)| connection);
            if let Ok(mut connection) = connection {
                // Who asks may go away before the answer.
                drop(connection.read(&mut [0; 4096]));
                drop(connection.write_all(says.as_bytes()));
            }
        });
    }
}

#[test]
fn a_stranger_on_the_port_is_told_as_one() {
    let bench = Bench::take();
    for says in [
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 27\r\n\r\n<html>Your router</html>\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnot found",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "",
    ] {
        stranger(says);
        let finished = bench.run(&["chat", "hi"]);
        let said = finished.failed_with(3);
        assert!(said.contains("port 1337 is no OpenAI server"), "to {says:?} it says {said}");
        assert_eq!(finished.stdout, "");
        // The other address still has its listener: let it go.
        drop(TcpStream::connect("[::1]:1337"));
    }
}

#[test]
fn where_nothing_listens_it_starts_the_server_itself() {
    let bench = Bench::take();
    drop(take_port());
    let finished = bench.run(&["chat", "--temperature", "0", "--max-tokens", "8", PROMPT]);
    assert!(finished.stderr.contains("nothing listens on port 1337"), "{finished:#?}");
    assert_eq!(finished.succeeded(), format!("{TREE}\n"));
    drop(take_port());
}

#[test]
fn quietly_it_says_nothing_but_the_answer() {
    let bench = Bench::take();
    drop(take_port());
    let finished = bench.run(&["-q", "chat", "--temperature", "0", "--max-tokens", "8", PROMPT]);
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), (&*format!("{TREE}\n"), ""));
    assert_eq!(finished.code, Some(0));
    bench.run(&["-q", "chat", "--base-url", "http://127.0.0.1:9/v1", "hi"]).failed_with(3);
}

#[test]
fn a_file_is_served_from_here() {
    let bench = Bench::take();
    drop(take_port());
    let model = crate::bench::from_xtask("INTERFERENCE_TEST_MODEL");
    let mut command = bench.command(&["chat", "--temperature", "0", "--max-tokens", "8", PROMPT, "-m"]);
    assert_eq!(finish(command.arg(model)).succeeded(), format!("{TREE}\n"));
}

#[test]
fn requests_of_others_finish_before_it_goes() {
    let bench = Bench::take();
    drop(take_port());
    let mut command = bench.command(&["chat", "--temperature", "0", "--max-tokens", "24", PROMPT]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running { child: command.spawn().unwrap() };
    let mut stdout = running.child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 2]).unwrap();
    // Both addresses answer; this one goes behind the command's own request.
    let address = SocketAddr::from(([127, 0, 0, 1], 1337));
    let asked = request("Count to ten.", json!({"max_tokens": 24, "stream": true}));
    let other = Exchange::chat(address, &asked);
    stdout.read_to_end(&mut Vec::new()).unwrap();
    let (answer, _) = other.read_whole();
    assert!(!answer.text().is_empty());
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn ctrl_c_ends_its_own_server_too() {
    let bench = Bench::take();
    drop(take_port());
    let mut command = bench.command(&["chat", "--max-tokens", "4000", PROMPT]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Running { child: command.spawn().unwrap() };
    // While it loads its model.
    let mut stderr = BufReader::new(running.child.stderr.take().unwrap());
    stderr.read_line(&mut String::new()).unwrap();
    running.signal("INT");
    assert_eq!(running.finish().code, Some(130));
    drop(take_port());
}
