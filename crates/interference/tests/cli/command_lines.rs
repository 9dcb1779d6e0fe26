//! Command lines that cannot mean what they say: each is refused before anything is done, in words that help.

use std::process::Stdio;

use crate::bench::{Bench, Running};

#[test]
fn values_that_cannot_be_are_refused_with_those_that_can() {
    let bench = Bench::take();
    for (arguments, said) in [
        (["chat", "hi", "--threads", "9999999"].as_slice(), "expected a number from 1 to 1024"),
        (&["serve", "--threads", "0"], "expected a number from 1 to 1024"),
        (&["check", "http://localhost:9", "--jobs", "0"], "expected a number from 1 to 1024"),
        (&["chat", "hi", "--temperature", "nan"], "expected a number, such as 0.7"),
        (&["chat", "hi", "--top-p", "inf"], "expected a number, such as 0.7"),
        (&["chat", "hi", "--seed", "-5"], "invalid value '-5' for '--seed <N>'"),
        (&["load", "http://localhost:9", "--rate", "-5"], "invalid value '-5' for '--rate <"),
        (&["serve", "--allow-host", "http://x/"], "expected a host, such as test.example"),
        (&["serve", "--listen", "127.0.0.1:0", "--state", "/tmp"], "error: /tmp is a folder, and no file of"),
        (&["serve", "--faults", " "], "error: the plan of faults is empty"),
        (&["serve", "--script", "a/b/none.toml"], "error: a/b/none.toml: the script cannot be read: "),
        (&["check", "localhost"], "`localhost` is no base URL: it begins with neither http:// nor https://"),
        (&["check", "http://localhost:9", "--report", "html=/tmp"], "error: /tmp is a folder, and no report"),
        (
            &["load", "http://localhost:9", "--report", "html=a", "--report", "json=a"],
            "error: two reports cannot both go to a",
        ),
        (
            &["check", "http://localhost:9", "--cacert", "Cargo.toml"],
            "could not be read: Cargo.toml has none",
        ),
    ] {
        let finished = bench.run(arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:#?}");
        assert!(finished.stderr.contains(said) && finished.stdout.is_empty(), "{arguments:?}: {finished:#?}");
    }
}

#[test]
fn a_reader_that_goes_early_is_no_failure_of_a_listing() {
    let bench = Bench::take();
    for arguments in [["check", "--list", "--json"], ["check-client", "--list", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bench.command(&arguments).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{arguments:?}");
    }
}

#[test]
fn an_interrupted_check_says_that_it_tells_nothing() {
    let bench = Bench::take();
    // A connection to it is taken by the system, and nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let report = format!("json={}", folder.path().join("check.json").display());
    let mut command = bench.command(&["check", &url, "--report", &report]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let running = Running { child };
    drop(silent.accept().unwrap());
    let connection = silent.accept().unwrap();
    running.signal("INT");
    let finished = running.finish();
    assert!(finished.failed_with(130).contains("error: interrupted: no verdicts are told"), "{finished:#?}");
    assert!(finished.stdout.is_empty() && std::fs::read_dir(folder.path()).unwrap().next().is_none());
    drop(connection);
}
