//! The tester's own server is a process of its own, which nobody sees, and which outlives no tester.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

use super::ANY;
use crate::bench::{Bench, PATIENCE, Running};

/// A tester that is killed says nothing to anybody: what ends its server is the pipe to it.
#[test]
fn it_ends_with_a_tester_that_is_killed() {
    let bench = Bench::take();
    let arguments = ["load", "--fault-rates", "0", "--rate", "5", "--duration", "10m", "--no-certificate"];
    let child = bench.command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut running = Running { child };
    let mut said = BufReader::new(running.child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.starts_with("0 % of the requests fail")), "its server answers by then");

    // Whoever is connected to it sees its end.
    let address = listens(only_child(running.child.id()));
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    running.signal("KILL");
    let ended = connection.read(&mut [0; 1]);
    assert!(!matches!(&ended, Err(error) if error.kind() == ErrorKind::WouldBlock), "it goes on");
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(running.finish().code, None, "a signal ended it");
}

fn only_child(parent: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.trim().parse().unwrap_or_else(|_| panic!("one child, not `{children}`"))
}

/// Where a process listens on the loopback: of its sockets the one that the system has in state 0A.
fn listens(process: u32) -> SocketAddr {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| {
            fs::read_link(entry.unwrap().path()).ok()?.to_str()?.strip_prefix("socket:[").map(str::to_owned)
        })
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let port = table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_own =
            columns[3] == "0A" && sockets.iter().any(|socket| socket.trim_end_matches(']') == columns[9]);
        let (_, port) = columns[1].split_once(':')?;
        is_own.then(|| u16::from_str_radix(port, 16).unwrap())
    });
    SocketAddr::from(([127, 0, 0, 1], port.expect("it listens")))
}

#[test]
fn a_server_ends_with_its_standard_input_if_told_to() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.toml");
    fs::write(&script, ANY).unwrap();
    let arguments =
        ["serve", "--listen", "localhost:0", "--end-with-stdin", "--script", script.to_str().unwrap()];
    let mut command = bench.command(&arguments);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut running = Running { child };
    let mut said = BufReader::new(running.child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.starts_with("ready")));
    running.child.stdin.take().unwrap().write_all(b"what is written ends nothing\n").unwrap();
    said.for_each(drop);
    assert_eq!(running.finish().code, Some(0));
}
